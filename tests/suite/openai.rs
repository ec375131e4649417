//! LLMs behind the OpenAI protocol, on a server that says what each test tells it to.

mod binary;
mod forms;
mod names;
mod prices;
mod properties;
mod refusals;
mod replies;
mod retries;
mod secrets;
pub mod server;
mod vision;

use std::time::Duration;

use lavr::budget::Budget;
use lavr::chat::openai::{OpenAiModel, OpenAiOptions};
use lavr::chat::{ChatModel, ChatReply, ChatRequest};
use lavr::cx::Cx;
use lavr::error::Result;
use lavr::message::Message;
use serde_json::{Value as Json, json};

use self::server::Server;

/// A run of at most twenty seconds: no test waits longer, however busy the machine is.
pub fn cx() -> Cx {
    Cx::new(Budget { timeout_ms: 20_000, ..Budget::default() })
}

/// Options for a server, with waits that a test can bear.
pub fn options(server: &Server) -> OpenAiOptions {
    OpenAiOptions {
        backoff: Duration::from_millis(5),
        idle_timeout: Duration::from_millis(300),
        ..OpenAiOptions::new(server.base(), "m")
    }
}

pub fn model(server: &Server) -> OpenAiModel {
    OpenAiModel::new(options(server)).unwrap()
}

pub fn request() -> ChatRequest {
    ChatRequest { max_tokens: 50, ..ChatRequest::new(vec![Message::system("Be brief.")], vec![Message::user("Hi")]) }
}

/// A schema with what only the embedded LLM understands.
pub fn schema() -> Json {
    json!({
        "x-guidance": { "whitespace_flexible": false },
        "type": "object",
        "properties": { "n": { "type": "number" }, "kind": { "enum": ["a", "b"] } },
        "required": ["n"],
        "additionalProperties": false
    })
}

pub fn schema_request() -> ChatRequest {
    ChatRequest { schema: Some(schema()), ..request() }
}

pub async fn ask(server: &Server, request: &ChatRequest) -> Result<ChatReply> {
    model(server).complete(&cx(), request).await
}
