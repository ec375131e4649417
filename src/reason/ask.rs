//! Smaller questions on the way to an answer (IdealGPT, arXiv 2305.14985; ChatCaptioner, arXiv 2303.06594).

use std::sync::Arc;

use minijinja::context;
use serde::Deserialize;
use serde_json::json;

use super::{Call, object, quotable, sentence};
use crate::chat::ChatModel;
use crate::cx::Cx;
use crate::error::Result;
use crate::prompt::Prompts;
use crate::trace::SubQuestion;

/// Longest question, in characters.
pub(super) const MAX_QUESTION: usize = 120;
/// Most questions of one round.
const MAX_QUESTIONS: usize = 2;

/// Asks smaller questions until it is confident.
pub struct Asker(Call);

/// What an asker wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// What it knows suffices.
    Confident,
    /// These questions answered, none of which was asked before.
    Questions(Vec<String>),
}

#[derive(Deserialize)]
struct Reply {
    confident: bool,
    #[serde(default)]
    questions: Vec<String>,
}

impl Asker {
    /// An asker that is this LLM.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty prompt file.
    pub fn new(chat: Arc<dyn ChatModel>, prompts: Arc<Prompts>) -> Result<Self> {
        Ok(Self(Call::new(chat, prompts, "ask", 120)?))
    }

    /// The next smaller questions, given those that were asked; the first time there is at least one.
    ///
    /// # Errors
    /// `Model` when the reply is not the JSON asked for; those of the LLM; `Cancelled` or `Budget` when the run ends
    /// first.
    pub async fn next(&self, cx: &Cx, question: &str, images: usize, asked: &[SubQuestion]) -> Result<Asked> {
        let items =
            json!({ "type": "array", "items": sentence(MAX_QUESTION), "minItems": 1, "maxItems": MAX_QUESTIONS });
        let more = object(&json!({ "confident": { "const": false }, "questions": items }));
        let enough = object(&json!({ "confident": { "const": true } }));
        let schema = json!({ "anyOf": if asked.is_empty() { vec![more] } else { vec![enough, more] } });
        let items: Vec<minijinja::Value> = asked
            .iter()
            .map(|a| context! { question => quotable(&a.question), answer => a.answer.as_deref().map(quotable) })
            .collect();
        let told = context! { question, images, asked => items };
        let reply: Reply = self.0.ask(cx, told, &schema, Vec::new()).await?;
        let new = |text: &String| !text.is_empty() && asked.iter().all(|a| !a.question.eq_ignore_ascii_case(text));
        let questions: Vec<String> =
            reply.questions.iter().map(|text| asked_only(text).to_owned()).filter(new).take(MAX_QUESTIONS).collect();
        Ok(if reply.confident || questions.is_empty() { Asked::Confident } else { Asked::Questions(questions) })
    }
}

/// A question up to its mark: what an LLM writes after it is an answer that it made up.
fn asked_only(text: &str) -> &str {
    let end =
        text.char_indices().find(|(_, c)| matches!(c, '?' | '？')).map_or(text.len(), |(at, c)| at + c.len_utf8());
    text.get(..end).unwrap_or(text).trim()
}
