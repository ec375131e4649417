//! Questions in other languages: planning, looking and judging go on in English.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::chat::{ChatModel, ChatRequest, layers};
use crate::cx::Cx;
use crate::error::Result;
use crate::message::Message;
use crate::prompt::Prompts;
use crate::refiner::unlike;
use crate::style::Language;
use crate::task::Task;

/// Most tokens of a translation.
const MAX_TOKENS: u32 = 400;
/// Fewest characters that a translation may have.
const MAX_LINE: usize = 300;
/// How often the LLM is asked.
const ATTEMPTS: usize = 2;

/// Translates questions to English.
///
/// # Why the question is translated
/// Tools know things by English names, and a small LLM that plans in another language asks them for things by
/// names they do not know.
pub(super) struct Translator {
    chat: Arc<dyn ChatModel>,
    prompts: Arc<Prompts>,
    prefix: Vec<Message>,
}

#[derive(Deserialize)]
struct Reply {
    english: String,
}

impl Translator {
    /// A translator that asks this LLM.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty prompt file.
    pub(super) fn new(chat: Arc<dyn ChatModel>, prompts: Arc<Prompts>) -> Result<Self> {
        let prefix = prompts.translate_prefix()?;
        Ok(Self { chat, prompts, prefix })
    }

    /// The task with its question in English; nothing when it is, or cannot be translated with all of its numbers
    /// and quotations. Then the question goes on as it was asked.
    ///
    /// # Errors
    /// Those of the LLM; `Cancelled` or `Budget` when the run ends first.
    pub(super) async fn in_english(&self, cx: &Cx, task: &Task) -> Result<Option<Task>> {
        let question = task.question.trim();
        if Language::of(question) == Language::English {
            return Ok(None);
        }
        let question: String = question.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut request = ChatRequest {
            schema: Some(schema(&question)),
            max_tokens: MAX_TOKENS,
            ..ChatRequest::new(self.prefix.clone(), vec![self.prompts.translate_user(&question)?])
        };
        for _ in 0..ATTEMPTS {
            let reply = layers::call(cx, self.chat.as_ref(), "translate", &request).await?.text;
            let faults = match judge(&question, &reply) {
                Ok(english) => return Ok(Some(Task { question: english, ..task.clone() })),
                Err(faults) => faults,
            };
            tracing::debug!("the question is not translated well: {faults}");
            request.messages.extend([Message::assistant(reply), self.prompts.translate_repair(&faults)?]);
        }
        Ok(None)
    }
}

/// The translation, or what is wrong with it.
fn judge(question: &str, reply: &str) -> std::result::Result<String, String> {
    let Ok(Reply { english }) = serde_json::from_str(reply) else { return Err("it is not complete".to_owned()) };
    let english = english.split_whitespace().collect::<Vec<_>>().join(" ");
    if english.is_empty() {
        return Err("it says nothing".to_owned());
    }
    if Language::of(&english) != Language::English {
        return Err("it is not in English".to_owned());
    }
    unlike(question, &english).map_or(Ok(english), Err)
}

/// One line.
fn schema(question: &str) -> Json {
    let long = (question.chars().count() * 6).clamp(MAX_LINE, Task::MAX_QUESTION);
    json!({
        "x-guidance": { "whitespace_flexible": false, "key_separator": ": ", "item_separator": ", " },
        "type": "object",
        "properties": { "english": { "type": "string", "minLength": 1, "maxLength": long } },
        "required": ["english"],
        "additionalProperties": false
    })
}
