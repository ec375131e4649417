//! The critic: an answer against its evidence (MMCTAgent, arXiv 2405.18358).

use std::sync::Arc;

use minijinja::context;
use serde::Deserialize;
use serde_json::json;

use super::{Call, object, quotable, sentence};
use crate::chat::ChatModel;
use crate::cx::Cx;
use crate::error::{ErrorKind, Result};
use crate::prompt::Prompts;

/// Longest objection, in characters.
const MAX_OBJECTION: usize = 200;

/// Says what speaks against an answer.
pub struct Critic(Call);

#[derive(Deserialize)]
struct Reply {
    holds: bool,
    #[serde(default)]
    objection: Option<String>,
}

impl Critic {
    /// A critic that asks this LLM.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty prompt file.
    pub fn new(chat: Arc<dyn ChatModel>, prompts: Arc<Prompts>) -> Result<Self> {
        Ok(Self(Call::new(chat, prompts, "critic", 100)?))
    }

    /// What is wrong with an answer; nothing when it holds, or the LLM says nothing that can be understood.
    ///
    /// # Errors
    /// Those of the LLM; `Cancelled` or `Budget` when the run ends first.
    pub async fn objection(&self, cx: &Cx, question: &str, evidence: &str, answer: &str) -> Result<Option<String>> {
        let holds = object(&json!({ "holds": { "const": true } }));
        let objects = object(&json!({ "holds": { "const": false }, "objection": sentence(MAX_OBJECTION) }));
        let schema = json!({ "anyOf": [holds, objects] });
        match self
            .0
            .ask::<Reply>(cx, context! { question, evidence, answer => quotable(answer) }, &schema, Vec::new())
            .await
        {
            Ok(reply) if reply.holds => Ok(None),
            Ok(reply) => Ok(reply.objection.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())),
            Err(error) if error.kind() == ErrorKind::Model => {
                tracing::debug!("no criticism: {}", error.for_log());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
