//! Chat completions: `POST /v1/chat/completions` of the OpenAI protocol.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::access::Caller;
use super::admission::{Place, Turn};
use super::images::Sent;
use super::models::WHOLE;
use super::refusal::Refusal;
use super::request::{Completion, Question};
use super::run::Run;
use super::told::Told;
use super::{Shared, body, images, stream};
use crate::agent::Report;
use crate::answer::{Status, Usage};
use crate::config::Config;
use crate::otel::traceparent;
use crate::pointed::Pointed;
use crate::task::Task;

/// Longest body that is parsed where it arrives, in bytes: handing it over would take longer.
const AT_ONCE: usize = 32 << 10;

/// What the parts of all replies to one request have in common.
pub(super) struct Head {
    id: String,
    created: u64,
    model: String,
    /// Whether the answer has to be JSON.
    json: bool,
}

/// `POST /v1/chat/completions`
pub(super) async fn complete(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, sent) = request.into_parts();
    let place = match shared.admission.enter(caller) {
        Ok(place) => place,
        Err(refusal) => {
            body::forget(sent, &shared.config).await;
            return Err(refusal);
        }
    };
    let bytes = body::read(&parts.headers, sent, &shared.config).await?;
    let (request, place) = parsed(bytes, place).await?;
    request.check()?;
    let head = Head::new(&request);
    let config = request.settle(shared.models.get(&head.model)?.clone())?;
    let (streams, region) = (request.streams(), request.region());
    let Question { text, earlier, images } = request.question()?;
    Task::new(text.as_str(), Vec::new()).with_earlier(&earlier).validate()?;
    let asked = images::check(images, &shared)?;
    // Before the turn, so that hosts that are slow keep no run waiting: they hold places, and those for a limited time.
    let sent = images::fetch(asked, &shared).await?;
    let (task, turn) = task(&shared, place.turn().await?, config, ((text, earlier), sent), region).await?;
    let run = Run::begin(&shared, task, turn, traceparent(&parts.headers).as_deref());
    if let Some(with_usage) = streams {
        return Ok(stream::respond(run, head, with_usage));
    }
    let report = run.end().await?;
    Ok(Json(head.whole(&report)).into_response())
}

/// Parses a body, a long one away from the threads that answer others. The place stays taken until that is over,
/// whether or not the client waits for it.
async fn parsed(bytes: Bytes, place: Place) -> Result<(Completion, Place), Refusal> {
    let is_long = bytes.len() > AT_ONCE;
    let parse = move || (serde_json::from_slice(&bytes), place);
    let (request, place) =
        if is_long { tokio::task::spawn_blocking(parse).await.map_err(|_| Refusal::internal())? } else { parse() };
    let faulty = |e| Refusal::bad(format!("the body is no request for a chat completion: {e}"));
    Ok((request.map_err(faulty)?, place))
}

/// The task of a request, checked. Decoding its images and compiling its schema take a turn, like the run.
async fn task(
    shared: &Shared,
    turn: Turn,
    config: Config,
    ((question, earlier), sent): ((String, Vec<String>), Vec<Sent>),
    region: Option<Pointed>,
) -> Result<(Task, Turn), Refusal> {
    let shared = Shared::clone(shared);
    let make = move || {
        let mut task = config.task(question, images::open(sent, &shared.config)?).with_earlier(earlier);
        if let Some(region) = region {
            task = task.with_region(region);
        }
        task.validate()?;
        Ok((task, turn))
    };
    tokio::task::spawn_blocking(make).await.unwrap_or_else(|e| {
        tracing::error!("a request could not be made a task: {e}");
        Err(Refusal::internal())
    })
}

impl Head {
    fn new(request: &Completion) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            id: format!("chatcmpl-{}", uuid::Uuid::new_v4().simple()),
            created: now.map_or(0, |since| since.as_secs()),
            model: request.model.clone().unwrap_or_else(|| WHOLE.to_owned()),
            json: request.wants_json(),
        }
    }

    fn whole(&self, report: &Report) -> Value {
        let told = Told::of(report);
        let text = told.text(&report.answer.text);
        let message = if self.refuses(report) {
            json!({ "role": "assistant", "content": null, "refusal": text })
        } else {
            json!({ "role": "assistant", "content": text, "refusal": null })
        };
        json!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason(report) }],
            "usage": usage(&report.usage),
            "lavr": told.report(report),
        })
    }

    /// A piece of a stream; `of_run` is what the protocol knows nothing of.
    pub(super) fn chunk(&self, delta: &Value, finish: Option<&str>, of_run: Option<Value>) -> Value {
        let mut chunk = json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": [{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish }],
        });
        if let (Some(object), Some(of_run)) = (chunk.as_object_mut(), of_run) {
            object.insert("lavr".to_owned(), of_run);
        }
        chunk
    }

    /// Whether an answer is none that was asked for: words in place of JSON.
    pub(super) fn refuses(&self, report: &Report) -> bool {
        self.json && report.answer.data.is_none()
    }
}

/// Why an answer ends where it ends.
pub(super) fn finish_reason(report: &Report) -> &'static str {
    if report.answer.status == Status::Budget { "length" } else { "stop" }
}

/// The tokens of a run as the protocol counts them: a prompt's with those that a cache held.
pub(super) fn usage(usage: &Usage) -> Value {
    let prompt = usage.prompt_tokens + usage.cached_tokens;
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": prompt + usage.completion_tokens,
        "prompt_tokens_details": { "cached_tokens": usage.cached_tokens },
    })
}
