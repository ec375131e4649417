//! Reasoning: what the LLM is asked besides plans and answers, where a chain wants it.
//!
//! Each kind of call has a folder of prompts with its name: `system.md` never varies, `user.md` does.

mod arbiter;
mod ask;
mod critic;
mod infill;
mod look;
mod rationale;
mod recall;
mod split;

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

pub use arbiter::Arbiter;
pub use ask::{Asked, Asker};
pub use critic::Critic;
pub use infill::{Fill, Frame, Infiller};
pub use look::{Look, Seen};
pub use rationale::Rationale;
pub use recall::Recall;
pub use split::{Needs, Part, Splitter};

use crate::chat::{ChatModel, ChatRequest, layers};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::message::Message;
use crate::prompt::Prompts;
use crate::refiner::{cut, plain};

/// Longest text that a prompt repeats, in characters.
const MAX_QUOTED: usize = 240;

/// A kind of call: which prompts it has, and who is asked.
struct Call {
    chat: Arc<dyn ChatModel>,
    prompts: Arc<Prompts>,
    name: &'static str,
    prefix: Vec<Message>,
    max_tokens: u32,
}

impl Call {
    /// The calls whose prompts are in the folder `name`.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty prompt file.
    fn new(chat: Arc<dyn ChatModel>, prompts: Arc<Prompts>, name: &'static str, max_tokens: u32) -> Result<Self> {
        let prefix = vec![prompts.instructions(name)?];
        Ok(Self { chat, prompts, name, prefix, max_tokens })
    }

    /// What the LLM replies, read as JSON of this schema.
    ///
    /// # Errors
    /// `Model` when the reply is not the JSON asked for; those of the LLM; `Cancelled` or `Budget` when the run ends
    /// first.
    async fn ask<T: DeserializeOwned>(
        &self,
        cx: &Cx,
        told: minijinja::Value,
        schema: &Json,
        images: Vec<Image>,
    ) -> Result<T> {
        let mut schema = schema.clone();
        schema["x-guidance"] = json!({ "whitespace_flexible": false, "key_separator": ": ", "item_separator": ", " });
        let request = ChatRequest {
            prefix: self.prefix.clone(),
            messages: vec![self.prompts.told(self.name, told)?],
            schema: Some(schema),
            max_tokens: self.max_tokens,
            temperature: 0.0,
            images,
        };
        let reply = layers::call(cx, self.chat.as_ref(), self.name, &request).await?.text;
        serde_json::from_str(&reply).map_err(|error| {
            let message = format!("the LLM's reply to `{}` is not the JSON asked for: {error}", self.name);
            Error::new(ErrorKind::Model, message).with_source(error)
        })
    }
}

/// A sentence on one line, at most `most` characters.
fn sentence(most: usize) -> Json {
    json!({ "type": "string", "pattern": format!(r"^[^\n]{{1,{most}}}$") })
}

/// What may repeat text from an image, on one line, without marks that end a quotation, and not too long.
fn quotable(text: &str) -> String {
    cut(&plain(text), MAX_QUOTED)
}

/// An object that has exactly these properties.
fn object(properties: &Json) -> Json {
    let required: Vec<String> = properties.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}
