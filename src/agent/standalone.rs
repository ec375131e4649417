//! Questions that go on from others: "And how many of them wear hats?"

mod faults;
mod free;

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use self::faults::{Asked, fault};
use super::run::is_over;
use crate::chat::{ChatModel, ChatRequest, layers};
use crate::cx::Cx;
use crate::error::Result;
use crate::message::Message;
use crate::prompt::Prompts;
use crate::task::{Task, latest};
use crate::trace::Event;
use crate::words::words;

/// Most tokens of a rewritten question.
const MAX_TOKENS: u32 = 600;
/// Fewest characters that a rewritten question may have.
const MAX_LINE: usize = 300;
/// How often the LLM is asked.
const ATTEMPTS: usize = 2;

/// Rewrites questions that go on from earlier ones, so that each can be understood by itself.
///
/// This is the question rewriting of conversational question answering: from a question and what was asked before, a
/// question that stands alone (Elgohary et al., *Can You Unpack That? Learning to Rewrite Questions-in-Context*, 2019).
///
/// # Why the earlier answers have no part in it
/// An answer may repeat what stands in an image. This call is made before a controller plans, and nothing that was read
/// from an image may have a say in its plan; so the LLM is told the user's own questions, and its question may have no
/// word but theirs.
pub(super) struct Rewriter {
    chat: Arc<dyn ChatModel>,
    prompts: Arc<Prompts>,
    prefix: Vec<Message>,
}

#[derive(Deserialize)]
struct Reply {
    question: String,
}

impl Rewriter {
    /// A rewriter that asks this LLM.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty prompt file.
    pub(super) fn new(chat: Arc<dyn ChatModel>, prompts: Arc<Prompts>) -> Result<Self> {
        let prefix = prompts.standalone_prefix()?;
        Ok(Self { chat, prompts, prefix })
    }

    /// The task with a question that stands alone; nothing where nothing was asked before, the question stands alone as
    /// it is, or no rewriting of it is borne out by what was asked. Then the question goes on as it was asked.
    ///
    /// # Errors
    /// `Cancelled` or `Budget` when the run ends first.
    pub(super) async fn standing_alone(&self, cx: &Cx, task: &Task) -> Result<Option<Task>> {
        let earlier = latest(&task.earlier);
        let question = task.question.split_whitespace().collect::<Vec<_>>().join(" ");
        if earlier.is_empty() {
            return Ok(None);
        }
        if question.chars().count() > Task::MAX_EARLIER_LENGTH {
            tracing::debug!("the question is too long to go on from others, and is used as it was asked");
            return Ok(None);
        }
        let asked = Asked { question: &question, earlier: &earlier, pointed: task.region.is_some() };
        let standalone = match self.rewritten(cx, &asked).await {
            Err(error) if !is_over(&error) => {
                tracing::debug!("the question is used as it was asked: {}", error.for_log());
                return Ok(None);
            }
            rewritten => rewritten?,
        };
        let Some(standalone) = standalone.filter(|other| words(other) != words(&question)) else { return Ok(None) };
        cx.emit(Event::Rewritten { question: task.question.clone(), standalone: standalone.clone() }, &[]);
        Ok(Some(Task { question: standalone, earlier: Vec::new(), ..task.clone() }))
    }

    /// The question that stands alone, once it has no fault.
    async fn rewritten(&self, cx: &Cx, asked: &Asked<'_>) -> Result<Option<String>> {
        let mut request = ChatRequest {
            schema: Some(schema(asked)),
            max_tokens: MAX_TOKENS,
            ..ChatRequest::new(
                self.prefix.clone(),
                vec![self.prompts.standalone_user(asked.question, asked.earlier, asked.pointed)?],
            )
        };
        for _ in 0..ATTEMPTS {
            let reply = layers::call(cx, self.chat.as_ref(), "standalone", &request).await?.text;
            let fault = match judge(asked, &reply) {
                Ok(standalone) => return Ok(Some(standalone)),
                Err(fault) => fault,
            };
            tracing::debug!("the question is not rewritten well: {fault}");
            request.messages.extend([Message::assistant(reply), self.prompts.standalone_repair(&fault)?]);
        }
        tracing::debug!("the question is used as it was asked");
        Ok(None)
    }
}

/// The question that stands alone, or what is wrong with it.
fn judge(asked: &Asked<'_>, reply: &str) -> std::result::Result<String, String> {
    let Ok(Reply { question }) = serde_json::from_str(reply) else { return Err("it is not complete".to_owned()) };
    let standalone = question.split_whitespace().collect::<Vec<_>>().join(" ");
    fault(asked, &standalone).map_or(Ok(standalone), Err)
}

/// One line.
fn schema(asked: &Asked<'_>) -> Json {
    let longest = asked.earlier.iter().map(|earlier| earlier.chars().count()).max().unwrap_or_default();
    let long = (asked.question.chars().count() + longest).clamp(MAX_LINE, Task::MAX_QUESTION);
    json!({
        "x-guidance": { "whitespace_flexible": false, "key_separator": ": ", "item_separator": ", " },
        "type": "object",
        "properties": { "question": { "type": "string", "minLength": 1, "maxLength": long } },
        "required": ["question"],
        "additionalProperties": false
    })
}
