//! LLMs: one trait, and the backends behind it.

pub mod cached;
pub mod cassette;
pub mod layers;
pub mod local;
pub mod named;
pub mod openai;
pub mod record;
pub mod replay;

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::message::Message;

/// What an LLM is asked to complete.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatRequest {
    /// Messages that never vary between calls of the same kind: instructions, tools, fixed demos.
    /// A backend may keep their computed state.
    pub prefix: Vec<Message>,
    /// The messages that vary. The last one is the user's.
    pub messages: Vec<Message>,
    /// When given, the reply is JSON that fits this JSON Schema.
    pub schema: Option<Json>,
    /// Most tokens of the reply.
    pub max_tokens: u32,
    /// Sampling temperature; 0 takes the most probable token.
    pub temperature: f32,
    /// Images that go with the last message, for LLMs whose [`Capabilities::images`] is set.
    pub images: Vec<Image>,
}

impl ChatRequest {
    /// A request for at most 512 tokens of free text, the most probable ones, about no image.
    pub fn new(prefix: Vec<Message>, messages: Vec<Message>) -> Self {
        Self { prefix, messages, schema: None, max_tokens: 512, temperature: 0.0, images: Vec::new() }
    }

    /// The whole prompt in order: the constant part, then the rest.
    pub fn prompt(&self) -> impl Iterator<Item = &Message> {
        self.prefix.iter().chain(&self.messages)
    }

    /// Refuses images, for a backend that does not take any.
    ///
    /// # Errors
    /// `InvalidInput` when there are images.
    pub fn without_images(&self, model: &str) -> Result<()> {
        if self.images.is_empty() {
            return Ok(());
        }
        Err(Error::invalid(format!("the LLM `{model}` takes no images; leave them out, or use one that does")))
    }
}

/// Why a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The LLM was done.
    Stop,
    /// `max_tokens` or the context was reached; the reply may be cut off.
    Length,
}

/// Tokens and time of one call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatUsage {
    /// Prompt tokens that were computed.
    pub prompt_tokens: u64,
    /// Prompt tokens whose state was already there.
    pub cached_tokens: u64,
    /// Tokens written, forced ones included.
    pub completion_tokens: u64,
    /// Of these, tokens that the schema forced.
    pub forced_tokens: u64,
    /// Time until the prompt was computed.
    pub prompt_time: Duration,
    /// Time the reply took after that.
    pub completion_time: Duration,
    /// What the call cost in US dollars; not given when no price is known, as for LLMs that run here.
    pub cost_usd: Option<f64>,
    /// Whether the reply comes from an earlier call, see [`cached`]: then the tokens are that call's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reused: bool,
}

impl ChatUsage {
    /// ASCII characters for a token, where nobody counts: English has about 4, JSON fewer.
    const CHARS: usize = 3;
    /// Tokens for an image, where nobody counts: vision models take some hundred to some thousand.
    const IMAGE: u64 = 1_000;

    /// A cautious guess at the tokens of a call that the backend does not count: a token for every three
    /// characters of ASCII and for every other character, a few for each message, and 1,000 for each image.
    pub fn guess(request: &ChatRequest, reply: &str) -> Self {
        let tokens = |text: &str| {
            let ascii = text.chars().filter(char::is_ascii).count();
            (ascii.div_ceil(Self::CHARS) + text.chars().count() - ascii) as u64
        };
        let text: u64 = request.prompt().map(|message| tokens(&message.content) + 4).sum();
        let prompt_tokens = text + Self::IMAGE * request.images.len() as u64;
        Self { prompt_tokens, completion_tokens: tokens(reply), ..Self::default() }
    }
}

/// What an LLM replied.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatReply {
    /// The text.
    pub text: String,
    /// Why it ended.
    pub finish: FinishReason,
    /// Tokens and time.
    pub usage: ChatUsage,
}

/// What a backend can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The model's name, as it stands in traces.
    pub model: String,
    /// Tokens of context, prompt and reply together.
    pub context: u32,
    /// Whether a schema in the request constrains the reply for certain.
    pub constrained: bool,
    /// Whether it takes the images of a request; one that does not refuses them with `InvalidInput`.
    pub images: bool,
}

/// An LLM.
///
/// Dropping the returned future, or cancelling the [`Cx`], stops the work between two tokens.
#[async_trait]
pub trait ChatModel: Send + Sync {
    /// Completes a chat.
    ///
    /// # Errors
    /// `Model` when the backend fails, `InvalidInput` when the prompt does not fit
    /// the context, `Cancelled` or `Budget` when the run ends first.
    async fn complete(&self, cx: &Cx, request: &ChatRequest) -> Result<ChatReply>;

    /// Completes a chat and hands each piece of text to `on_text` as it is written.
    ///
    /// A backend that cannot stream hands over the whole reply at once.
    async fn stream(
        &self,
        cx: &Cx,
        request: &ChatRequest,
        on_text: &mut (dyn for<'a> FnMut(&'a str) + Send),
    ) -> Result<ChatReply> {
        let reply = self.complete(cx, request).await?;
        on_text(&reply.text);
        Ok(reply)
    }

    /// Makes the state of a constant prefix ready, so that later calls start at once.
    /// A backend without such state does nothing.
    /// Returns what that took, all zeros when it was ready.
    async fn warm(&self, _cx: &Cx, _prefix: &[Message]) -> Result<ChatUsage> {
        Ok(ChatUsage::default())
    }

    /// What this LLM is and can do.
    fn capabilities(&self) -> Capabilities;
}
