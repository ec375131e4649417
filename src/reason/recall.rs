//! `recall`: what the LLM knows without any image, as a step of a plan.

use std::sync::Arc;

use async_trait::async_trait;
use minijinja::context;
use serde::Deserialize;
use serde_json::json;

use super::look::{spec_of, text_arg};
use super::{Call, object, sentence};
use crate::chat::ChatModel;
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::prompt::Prompts;
use crate::signature::{Returns, Signature, ValueType};
use crate::tool::{Args, Tool, ToolSpec};
use crate::value::Value;

/// Longest answer, in characters.
const MAX_ANSWER: usize = 160;

/// The tool `recall`: general knowledge of the LLM. Planners are not offered it; a chain that splits questions calls
/// it. What it says is knowledge, not seen: a claim that rests on it names its step.
pub struct Recall {
    call: Call,
    spec: ToolSpec,
}

#[derive(Deserialize)]
struct Reply {
    answer: String,
}

impl Recall {
    /// The tool's name.
    pub const NAME: &'static str = "recall";

    /// Knowledge of this LLM.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty prompt file.
    pub fn new(chat: Arc<dyn ChatModel>, prompts: Arc<Prompts>) -> Result<Self> {
        let question = text_arg("question", true, "The question.");
        let signature = Signature { args: vec![question], returns: Returns::Type(ValueType::Text), maps_over: None };
        let spec = spec_of(
            Self::NAME,
            "Says what the LLM knows without any image.",
            "general knowledge",
            "may be wrong, and is nothing that was seen",
            signature,
        );
        Ok(Self { call: Call::new(chat, prompts, "recall", 80)?, spec })
    }
}

#[async_trait]
impl Tool for Recall {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, cx: &Cx, args: Args) -> Result<Value> {
        let question = args.text("question")?.unwrap_or_default();
        let schema = object(&json!({ "answer": sentence(MAX_ANSWER) }));
        let Reply { answer } = self.call.ask(cx, context! { question }, &schema, Vec::new()).await?;
        let answer = answer.trim().to_owned();
        if answer.trim_end_matches('.').eq_ignore_ascii_case("unknown") {
            return Err(Error::new(ErrorKind::Tool, "the LLM does not know"));
        }
        Ok(Value::Text(answer))
    }
}
