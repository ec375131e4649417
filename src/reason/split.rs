//! What needs the images, and what text alone can settle (DDCoT, arXiv 2310.16436).

use std::sync::Arc;

use minijinja::context;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::ask::MAX_QUESTION;
use super::{Call, object, sentence};
use crate::chat::ChatModel;
use crate::cx::Cx;
use crate::error::Result;
use crate::prompt::Prompts;

/// Most parts of a question.
const MAX_PARTS: usize = 4;

/// What a part of a question needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Needs {
    /// Tools that look at the images.
    Image,
    /// Nothing but what the LLM knows.
    Text,
}

/// A part of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What is asked.
    pub question: String,
    /// What it needs.
    pub needs: Needs,
}

/// Splits questions into parts.
pub struct Splitter(Call);

#[derive(Deserialize)]
struct Reply {
    parts: Vec<Part>,
}

impl Splitter {
    /// A splitter that asks this LLM.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty prompt file.
    pub fn new(chat: Arc<dyn ChatModel>, prompts: Arc<Prompts>) -> Result<Self> {
        Ok(Self(Call::new(chat, prompts, "split", 200)?))
    }

    /// The parts of a question, at least one of which needs the images: the question itself, when the LLM names none.
    ///
    /// # Errors
    /// `Model` when the reply is not the JSON asked for; those of the LLM; `Cancelled` or `Budget` when the run ends
    /// first.
    pub async fn split(&self, cx: &Cx, question: &str) -> Result<Vec<Part>> {
        let part = object(&json!({ "question": sentence(MAX_QUESTION), "needs": { "enum": ["image", "text"] } }));
        let parts = json!({ "type": "array", "items": part, "minItems": 1, "maxItems": MAX_PARTS });
        let schema = object(&json!({ "parts": parts }));
        let reply: Reply = self.0.ask(cx, context! { question }, &schema, Vec::new()).await?;
        let mut parts: Vec<Part> = Vec::new();
        for part in reply.parts.into_iter().take(MAX_PARTS) {
            if !part.question.trim().is_empty() && parts.iter().all(|known| known.question != part.question) {
                parts.push(part);
            }
        }
        if parts.iter().all(|part| part.needs == Needs::Text) {
            parts.push(Part { question: question.to_owned(), needs: Needs::Image });
        }
        Ok(parts)
    }
}
