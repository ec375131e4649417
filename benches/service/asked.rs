//! What is asked, and the agent that answers: the LLM's replies are played back, and no tool has a model.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{Rgb, RgbImage};
use lavr::agent::Agent;
use lavr::chat::{Capabilities, ChatModel, ChatReply, ChatRequest, ChatUsage, FinishReason};
use lavr::cx::Cx;
use lavr::error::Result;
use lavr::image::{Frame, Image};
use lavr::message::Message;
use lavr::prompt::Prompts;
use lavr::signature::{Arg, Returns, Signature, ValueType};
use lavr::tool::{Args, Catalog, Effects, Tool, ToolKind, ToolSpec, operations};
use lavr::value::{Region, Value};
use serde_json::{Value as Json, json};

use crate::Outcome;

pub(crate) const QUESTION: &str = "Are there more than one car, and which colours do they have?";

/// Two cars on a road, 64 by 48 pixels, as a PNG.
pub(crate) fn picture() -> Vec<u8> {
    let pixels = RgbImage::from_fn(64, 48, |x, y| match (x, y) {
        (8..28, 12..36) => Rgb([200, 20, 20]),
        (36..56, 12..36) => Rgb([20, 20, 200]),
        _ => Rgb([120 + (x % 4) as u8, 120 + (y % 4) as u8, 120]),
    });
    Image::from_pixels(pixels, Frame::ROOT).encoded().to_vec()
}

fn data_url() -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(picture()))
}

/// The question as a chat completion.
pub(crate) fn completion() -> Json {
    let content =
        json!([{ "type": "text", "text": QUESTION }, { "type": "image_url", "image_url": { "url": data_url() } }]);
    json!({ "model": "lavr", "messages": [{ "role": "user", "content": content }] })
}

/// The question as a run.
pub(crate) fn run() -> Json {
    json!({ "question": QUESTION, "images": [data_url()] })
}

/// An agent whose detector takes so long, without work.
pub(crate) fn agent(wait: Duration) -> Outcome<Agent> {
    let mut catalog = Catalog::new();
    catalog.add(Arc::new(Detector { spec: spec(), wait }))?;
    operations::register(&mut catalog)?;
    let played = Played { refine: Prompts::builtin()?.refine_prefix()? };
    Ok(Agent::builder().chat(Arc::new(played)).catalog(catalog).build()?)
}

/// An LLM whose replies are played back: one of them when it is asked to word an answer, the other when it plans.
struct Played {
    refine: Vec<Message>,
}

impl Played {
    fn plan() -> Json {
        json!({
            "steps": [
                { "id": "cars", "tool": "detect_objects", "args": { "image": "$image", "labels": ["car"] } },
                { "id": "parts", "tool": "crop", "args": { "image": "$image", "region": "$cars" } },
                { "id": "colours", "tool": "color_of", "args": { "image": "$image", "region": "$cars" } },
                { "id": "n", "tool": "count", "args": { "items": "$parts" } },
                { "id": "more", "tool": "compare", "args": { "a": "$n", "op": "greater", "b": 1 } },
            ],
            "result": "$more",
        })
    }
}

#[async_trait]
impl ChatModel for Played {
    async fn complete(&self, _cx: &Cx, request: &ChatRequest) -> Result<ChatReply> {
        let text = if request.prefix == self.refine {
            json!({ "answerable": true, "answer": ["Yes, there are 2 cars.", "One is red and one is blue."] })
                .to_string()
        } else {
            Self::plan().to_string()
        };
        let usage = ChatUsage { prompt_tokens: 40, cached_tokens: 900, completion_tokens: 60, ..ChatUsage::default() };
        Ok(ChatReply { text, finish: FinishReason::Stop, usage })
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { model: "played".to_owned(), context: 8192, constrained: false, images: false }
    }
}

/// A stand-in for a detector, which finds the same two cars everywhere.
struct Detector {
    spec: ToolSpec,
    wait: Duration,
}

fn spec() -> ToolSpec {
    let arg = |name: &str, of: ValueType, required| Arg {
        name: name.to_owned(),
        doc: String::new(),
        types: vec![of],
        required,
        choices: Vec::new(),
        default: None,
    };
    ToolSpec {
        name: "detect_objects".to_owned(),
        kind: ToolKind::Expert,
        description: "Finds things.".to_owned(),
        use_for: "finding things".to_owned(),
        limitations: String::new(),
        licence: "MIT OR Apache-2.0".to_owned(),
        signature: Signature {
            args: vec![
                arg("image", ValueType::Image, true),
                arg("labels", ValueType::List(Box::new(ValueType::Text)), false),
            ],
            returns: Returns::Type(ValueType::List(Box::new(ValueType::Region))),
            maps_over: None,
        },
        effects: Effects::None,
        describes: false,
        timeout: Duration::from_secs(30),
    }
}

#[async_trait]
impl Tool for Detector {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, _cx: &Cx, _args: Args) -> Result<Value> {
        if !self.wait.is_zero() {
            tokio::time::sleep(self.wait).await;
        }
        let car =
            |x: f64| Value::Region(Region { label: "car".to_owned(), score: 0.9, bounds: [x, 12.0, x + 20.0, 36.0] });
        Ok(Value::List(vec![car(8.0), car(36.0)]))
    }
}
