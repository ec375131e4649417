//! Rationales: what follows from the evidence, before the answer (Multimodal-CoT, arXiv 2302.00923).

use std::sync::Arc;

use minijinja::context;
use serde::Deserialize;
use serde_json::json;

use super::{Call, object, sentence};
use crate::chat::ChatModel;
use crate::cx::Cx;
use crate::error::{ErrorKind, Result};
use crate::prompt::Prompts;

/// Longest rationale, in characters.
const MAX_RATIONALE: usize = 400;

/// Writes rationales: the first of two stages.
pub struct Rationale(Call);

#[derive(Deserialize)]
struct Reply {
    rationale: String,
}

impl Rationale {
    /// Rationales by this LLM.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty prompt file.
    pub fn new(chat: Arc<dyn ChatModel>, prompts: Arc<Prompts>) -> Result<Self> {
        Ok(Self(Call::new(chat, prompts, "rationale", 160)?))
    }

    /// What follows from the evidence, in one to four sentences; nothing when the LLM wrote none.
    ///
    /// # Errors
    /// Those of the LLM; `Cancelled` or `Budget` when the run ends first.
    pub async fn write(&self, cx: &Cx, question: &str, evidence: &str) -> Result<Option<String>> {
        let schema = object(&json!({ "rationale": sentence(MAX_RATIONALE) }));
        match self.0.ask::<Reply>(cx, context! { question, evidence }, &schema, Vec::new()).await {
            Ok(reply) => Ok(Some(reply.rationale.trim().to_owned()).filter(|text| !text.is_empty())),
            // An answer can be worded without it.
            Err(error) if error.kind() == ErrorKind::Model => {
                tracing::debug!("no rationale: {}", error.for_log());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
