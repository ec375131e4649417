//! Calls: their turn, their end, and the call of a single tool.

use std::sync::Arc;
use std::time::Instant;

use axum::http::StatusCode;
use rmcp::RoleServer;
use rmcp::model::{CallToolResult, ContentBlock, JsonObject};
use rmcp::service::RequestContext;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::arguments::{self, Written};
use super::http::Door;
use super::pictures;
use super::progress::Progress;
use super::refused::Refused;
use super::server::{Reach, Server};
use crate::budget::Budget;
use crate::cx::Cx;
use crate::error::{Error, ErrorKind};
use crate::executor;
use crate::observation::Failure;
use crate::service::Shared;
use crate::service::access::Caller;
use crate::service::admission::Turn;
use crate::service::images;
use crate::service::refusal::Refusal;
use crate::signature::Signature;
use crate::tool::{Args, SharedTool};
use crate::value::Value;

/// How long a tool may take to fetch and load its model, in milliseconds; who waits can cancel it.
const LOADING: u64 = 3_600_000;
/// Longest text of a result, in bytes. The structured content has all of it.
const LONGEST: usize = 64 << 10;

/// One call of a client.
pub(super) struct Call {
    pub(super) shared: Shared,
    pub(super) reach: Reach,
    pub(super) progress: Progress,
    door: Option<Door>,
    /// The protocol's own word that nobody waits any more.
    cancelled: CancellationToken,
}

impl Call {
    pub(super) fn new(server: &Server, context: &RequestContext<RoleServer>) -> Self {
        let parts = context.extensions.get::<axum::http::request::Parts>();
        Self {
            shared: Shared::clone(&server.shared),
            reach: server.reach,
            progress: Progress::of(context),
            door: parts.and_then(|parts| parts.extensions.get::<Door>()).cloned(),
            cancelled: context.ct.clone(),
        }
    }

    /// Waits until nobody waits for the result.
    pub(super) async fn gone(&self) {
        match &self.door {
            Some(door) => tokio::select! {
                () = self.cancelled.cancelled() => {}
                () = door.cancelled() => {}
            },
            None => self.cancelled.cancelled().await,
        }
    }

    /// Does some work, as long as somebody waits for it.
    pub(super) async fn unless_gone<T>(&self, work: impl Future<Output = T>) -> Result<T, Refused> {
        tokio::select! {
            biased;
            () = self.gone() => Err(Refused::Gone),
            done = work => Ok(done),
        }
    }

    /// Checks what stands for images, before any is opened.
    ///
    /// # Errors
    /// When there are too many, or one is something that is not opened for this client.
    pub(super) fn check(&self, sources: &[String]) -> Result<(), Refused> {
        images::check_count(sources.len(), &self.shared.config).map_err(Refused::Call)?;
        self.reach.check(sources)
    }

    /// Waits for a turn, in the place that the request has already, or in one of its own.
    ///
    /// # Errors
    /// When there is no room for another call.
    pub(super) async fn turn(&self) -> Result<Turn, Refused> {
        let place = match (&self.door, self.reach) {
            (Some(door), _) => door.place().ok_or_else(|| Refused::Run(Refusal::internal()))?,
            (None, Reach::Machine) => self.shared.admission.enter(Caller::OWNER).map_err(Refused::Run)?,
            // Over HTTP each call comes with its place.
            (None, Reach::Network) => return Err(Refused::Run(Refusal::internal())),
        };
        self.unless_gone(place.turn()).await?.map_err(Refused::Run)
    }
}

/// Runs work that takes its time away from the threads that answer others.
pub(super) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refused> {
    tokio::task::spawn_blocking(work).await.map_err(|e| {
        tracing::error!("a call ended in a panic: {e}");
        Refused::Run(Refusal::internal())
    })
}

/// Calls a single tool.
pub(super) async fn tool(call: Call, tool: SharedTool, arguments: JsonObject) -> Result<CallToolResult, Refused> {
    let spec = tool.spec();
    let written = arguments::read(&spec.signature, arguments).map_err(Refused::call)?;
    if let Some(objection) = tool.objections(&written.known()).first() {
        return Err(Refused::call(format!("argument `{}`: {}", objection.arg, objection.reason)));
    }
    call.check(&written.sources)?;
    let turn = call.turn().await?;
    call.unless_gone(call.progress.say(format!("{} began", spec.name))).await?;
    let (args, turn) = opened(&call, written, spec.signature.clone(), turn).await?;
    let cancel = call.shared.stop.child_token();
    let _stop = cancel.clone().drop_guard();
    let running = tokio::spawn({
        let (shared, tool) = (Shared::clone(&call.shared), Arc::clone(&tool));
        async move {
            // The turn goes with the value: it is given back when all work on it is done, or nobody waits for it.
            (run(&shared, tool, args, cancel).await, turn)
        }
    });
    let (value, turn) = call.unless_gone(running).await?.map_err(|e| {
        tracing::error!("a tool ended in a panic: {e}");
        Refused::Run(Refusal::internal())
    })?;
    let value = value.map_err(|e| failed(&call, &e))?;
    call.unless_gone(call.progress.say(format!("{} ended", spec.name))).await?;
    let drawn = move || {
        let _turn = turn;
        result(&value)
    };
    call.unless_gone(aside(drawn)).await?
}

/// The arguments with their images.
async fn opened(call: &Call, written: Written, signature: Signature, turn: Turn) -> Result<(Args, Turn), Refused> {
    let (shared, reach) = (Shared::clone(&call.shared), call.reach);
    let open = move || {
        let images = reach.open(&written.sources, &shared)?;
        let args = written.with(&images);
        let args = executor::settled(&signature, args).map_err(|e| Refusal::bad(e.to_string()))?;
        Ok((args, turn))
    };
    call.unless_gone(aside(open)).await??.map_err(Refused::Call)
}

async fn run(shared: &Shared, tool: SharedTool, args: Args, cancel: CancellationToken) -> Result<Value, Error> {
    let (budget, name) = (shared.whole().budget.clone(), tool.spec().name.clone());
    // Fetching and loading is over before the clock starts.
    let loading = Cx::with(Budget { timeout_ms: LOADING, ..budget.clone() }, cancel.clone(), Vec::new());
    let loaded = loading.within(tool.prepare(&loading)).await;
    let began = Instant::now();
    let cx = Cx::with(budget, cancel, Vec::new());
    let value = match loaded {
        Ok(()) => cx.within(executor::call_tool(&cx, tool, args)).await,
        Err(error) => Err(error),
    };
    shared.metrics.called(&name, &value, began.elapsed());
    value
}

fn failed(call: &Call, error: &Error) -> Refused {
    let failure = Failure::from(error);
    if failure.kind != ErrorKind::Tool {
        tracing::error!("a tool failed: {}", error.for_log());
    }
    let told = call.reach.told(&failure);
    Refused::Run(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, failure.kind.as_str(), told))
}

/// A value as the result of a call.
fn result(value: &Value) -> CallToolResult {
    let json = value.to_json();
    let mut content = vec![ContentBlock::text(shortened(json.to_string()))];
    content.extend(pictures::contents(&value.images()));
    let mut result = CallToolResult::success(content);
    // An object, whatever the value is: older versions of the protocol take no other.
    result.structured_content = Some(json!({ "result": json }));
    result
}

fn shortened(mut text: String) -> String {
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push_str(" … (cut off; the structured content has all of it)");
    }
    text
}
