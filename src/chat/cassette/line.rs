//! The lines of a cassette.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::chat::{ChatReply, ChatUsage, FinishReason};
use crate::message::Message;
use crate::observation::Failure;

/// The first line: who recorded the cassette, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The format's version.
    pub cassette: u32,
    /// The version of `lavr`.
    pub lavr: String,
    /// The LLM's name.
    pub model: String,
    /// When the recording began: RFC 3339, UTC.
    pub date: String,
    /// Tokens of the LLM's context.
    pub context: u32,
    /// Whether a schema constrained its replies for certain.
    #[serde(default)]
    pub constrained: bool,
    /// Whether it takes images.
    #[serde(default)]
    pub images: bool,
}

/// A line after the first.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// The constant beginning of prompts.
    Prefix(PrefixLine),
    /// A schema.
    Schema(SchemaLine),
    /// A call.
    Call(Box<CallLine>),
}

/// The constant beginning of prompts, under a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PrefixLine {
    /// Its name.
    pub prefix: String,
    /// The messages.
    pub messages: Vec<Message>,
}

/// A schema, under a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SchemaLine {
    /// Its name.
    pub schema: String,
    /// The schema.
    pub json: Json,
}

/// A call: what was asked, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallLine {
    /// Its number, from 1.
    pub call: u64,
    /// What was asked.
    pub request: RequestLine,
    /// What was replied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<ReplyLine>,
    /// How the call failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestLine {
    /// The name of the prompt's constant beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The rest of the prompt.
    pub messages: Vec<Message>,
    /// The name of the reply's schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Most tokens of the reply.
    pub max_tokens: u32,
    /// Sampling temperature.
    pub temperature: f32,
    /// The digests of the images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
}

/// What was replied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplyLine {
    /// The text.
    pub text: String,
    /// Why it ended.
    pub finish: FinishReason,
    /// Tokens and time.
    #[serde(default)]
    pub usage: UsageLine,
}

/// Tokens and time of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UsageLine {
    /// Prompt tokens that were computed.
    pub prompt_tokens: u64,
    /// Prompt tokens that a cache held.
    pub cached_tokens: u64,
    /// Tokens of the reply.
    pub completion_tokens: u64,
    /// As many of them as the schema forced.
    pub forced_tokens: u64,
    /// Milliseconds until the reply began.
    pub prompt_ms: u64,
    /// Milliseconds that it took after that.
    pub completion_ms: u64,
    /// What the call cost in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
}

impl From<ChatUsage> for UsageLine {
    fn from(usage: ChatUsage) -> Self {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            prompt_tokens: usage.prompt_tokens,
            cached_tokens: usage.cached_tokens,
            completion_tokens: usage.completion_tokens,
            forced_tokens: usage.forced_tokens,
            prompt_ms: ms(usage.prompt_time),
            completion_ms: ms(usage.completion_time),
            cost_usd: usage.cost_usd,
        }
    }
}

impl From<UsageLine> for ChatUsage {
    fn from(line: UsageLine) -> Self {
        Self {
            prompt_tokens: line.prompt_tokens,
            cached_tokens: line.cached_tokens,
            completion_tokens: line.completion_tokens,
            forced_tokens: line.forced_tokens,
            prompt_time: Duration::from_millis(line.prompt_ms),
            completion_time: Duration::from_millis(line.completion_ms),
            cost_usd: line.cost_usd,
            reused: false,
        }
    }
}

impl From<&ChatReply> for ReplyLine {
    fn from(reply: &ChatReply) -> Self {
        Self { text: reply.text.clone(), finish: reply.finish, usage: reply.usage.into() }
    }
}

impl From<ReplyLine> for ChatReply {
    fn from(line: ReplyLine) -> Self {
        Self { text: line.text, finish: line.finish, usage: line.usage.into() }
    }
}
