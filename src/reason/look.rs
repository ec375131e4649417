//! `look`: what a vision LLM sees with its own eyes, as a step of a plan.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use minijinja::context;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::{Call, object, sentence};
use crate::chat::ChatModel;
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::prompt::Prompts;
use crate::signature::{Arg, Returns, Signature, ValueType};
use crate::tool::{Args, Effects, Tool, ToolKind, ToolSpec};
use crate::value::Value;

/// Longest answer, in characters, and longest short form of it.
const MAX_ANSWER: usize = 400;
const MAX_SHORT: usize = 80;

/// The tool `look`: images and a question to an LLM that takes images. Planners are not offered it; a chain whose
/// bridge is native calls it.
pub struct Look {
    call: Call,
    spec: ToolSpec,
}

/// What a look brought: an answer with its short form, or what the images do not show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The answer, in sentences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The bare value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short: Option<String>,
    /// What the images do not show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

impl Look {
    /// The tool's name.
    pub const NAME: &'static str = "look";

    /// The eyes of this LLM.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty prompt file.
    pub fn new(chat: Arc<dyn ChatModel>, prompts: Arc<Prompts>) -> Result<Self> {
        let images = Arg {
            name: "images".to_owned(),
            doc: "The images.".to_owned(),
            types: vec![ValueType::list(ValueType::Image)],
            required: true,
            choices: Vec::new(),
            default: None,
        };
        let question = text_arg("question", true, "The question.");
        let known = text_arg("known", false, "What tools found.");
        let args = vec![images, question, known];
        let signature = Signature { args, returns: Returns::Type(ValueType::Json), maps_over: None };
        let spec = spec_of(
            Self::NAME,
            "Says what an LLM that takes images sees in them.",
            "what no other tool sees",
            "names no place, and may see what is not there",
            signature,
        );
        Ok(Self { call: Call::new(chat, prompts, "look", 250)?, spec })
    }
}

pub(super) fn text_arg(name: &str, required: bool, doc: &str) -> Arg {
    Arg {
        name: name.to_owned(),
        doc: doc.to_owned(),
        types: vec![ValueType::Text],
        required,
        choices: Vec::new(),
        default: None,
    }
}

/// The spec of a tool that is a call of the LLM.
pub(super) fn spec_of(name: &str, does: &str, use_for: &str, limitations: &str, signature: Signature) -> ToolSpec {
    ToolSpec {
        name: name.to_owned(),
        kind: ToolKind::Expert,
        description: does.to_owned(),
        use_for: use_for.to_owned(),
        limitations: limitations.to_owned(),
        licence: "that of the LLM".to_owned(),
        signature,
        effects: Effects::None,
        describes: false,
        timeout: Duration::from_secs(300),
    }
}

#[async_trait]
impl Tool for Look {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, cx: &Cx, args: Args) -> Result<Value> {
        let images = args.images().into_iter().cloned().collect();
        let (question, known) = (args.text("question")?.unwrap_or_default(), args.text("known")?);
        let seen = object(&json!({ "answer": sentence(MAX_ANSWER), "short": sentence(MAX_SHORT) }));
        let unseen = object(&json!({ "missing": sentence(MAX_ANSWER) }));
        let schema = json!({ "anyOf": [seen, unseen] });
        let seen: Seen = self.call.ask(cx, context! { question, known }, &schema, images).await?;
        if seen.answer.is_none() && seen.missing.is_none() {
            return Err(Error::new(ErrorKind::Model, "the LLM says neither what it sees nor what is missing"));
        }
        let json = serde_json::to_value(seen).map_err(|e| Error::internal("a look has no JSON form").with_source(e))?;
        Ok(Value::Json(json))
    }
}

impl Seen {
    /// What a step of this tool returned.
    pub fn of(value: &Value) -> Option<Self> {
        let Value::Json(json @ Json::Object(_)) = value else { return None };
        serde_json::from_value(json.clone()).ok()
    }
}
