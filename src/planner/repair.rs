//! Repairs: a faulty reply goes back to the LLM with its faults, a bounded number of times.

use serde_json::Value as Json;

use crate::chat::{ChatModel, ChatRequest, FinishReason, layers};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::plan::{self, Fault};
use crate::trace::Event;

/// What is wrong with a reply: the reply as JSON, where it is JSON at all, and its faults.
pub(super) type Faulty = (Json, Vec<Fault>);

/// Asks an LLM until its reply is without fault.
pub(super) struct Repairs<'a> {
    pub(super) chat: &'a dyn ChatModel,
    /// What the LLM is told about the faults.
    pub(super) told: &'a (dyn Fn(&str) -> Result<Message> + Send + Sync),
    /// What the first call is for, as traces name it.
    pub(super) purpose: &'a str,
    /// The schema of the last attempt, after a faulty one, where it is to be another.
    pub(super) narrowed: &'a (dyn Fn(&Json) -> Option<Json> + Send + Sync),
    pub(super) most: u64,
}

impl Repairs<'_> {
    /// The first reply that `judge` accepts, and how many repairs it took.
    ///
    /// # Errors
    /// `Plan` when the last attempt is faulty too; those of the LLM.
    pub(super) async fn ask<T: Send>(
        &self,
        cx: &Cx,
        mut request: ChatRequest,
        judge: impl Fn(&str) -> std::result::Result<T, Faulty> + Send,
    ) -> Result<(T, u64)> {
        let asked = request.messages.len();
        let mut repairs = 0;
        loop {
            let purpose = if repairs == 0 { self.purpose } else { "repair" };
            let reply = layers::call(cx, self.chat, purpose, &request).await?;
            let (faulty, faults) = match judge(&reply.text) {
                Ok(judged) => return Ok((judged, repairs)),
                Err(faulty) => faulty,
            };
            let narrowed = (self.narrowed)(&faulty);
            cx.emit(Event::Faults { plan: faulty, faults: faults.clone() }, &[]);
            if repairs == self.most {
                return Err(no_plan(&faults, repairs, reply.finish));
            }
            repairs += 1;
            if repairs == self.most {
                request.schema = narrowed.or(request.schema);
            }
            // Only the last attempt is shown: the earlier ones would fill the context.
            request.messages.truncate(asked);
            request.messages.push(Message::assistant(reply.text));
            request.messages.push((self.told)(&plan::repair_text(&faults))?);
        }
    }
}

/// A reply as JSON, or as a JSON text when it is none.
pub(super) fn as_json(reply: &str) -> Json {
    serde_json::from_str(reply).unwrap_or_else(|_| Json::String(reply.to_owned()))
}

fn no_plan(faults: &[Fault], repairs: u64, finish: FinishReason) -> Error {
    let listed: Vec<String> = faults.iter().take(3).map(ToString::to_string).collect();
    let cut = if finish == FinishReason::Length { " (the reply was cut off)" } else { "" };
    Error::new(
        ErrorKind::Plan,
        format!(
            "the LLM wrote no valid plan in {} attempts{cut}: {}; try other words or another `--llm`",
            repairs + 1,
            listed.join("; ")
        ),
    )
}
