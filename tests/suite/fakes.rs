//! Small stand-ins for what the loop works with: tools, an LLM that follows a script, a sink that remembers.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use image::{Rgb, RgbImage};
use lavr::chat::{Capabilities, ChatModel, ChatReply, ChatRequest, ChatUsage, FinishReason};
use lavr::cx::{Cx, EventSink};
use lavr::error::Result;
use lavr::image::{Frame, Image};
use lavr::plan::Plan;
use lavr::signature::{Arg, Returns, Signature, ValueType};
use lavr::tool::{Args, Catalog, Effects, Tool, ToolKind, ToolSpec};
use lavr::trace::Entry;
use lavr::value::{Line, Region, Value};
use serde_json::Value as Json;

type Work = Pin<Box<dyn Future<Output = Result<Value>> + Send>>;
type Call = Box<dyn Fn(Cx, Args) -> Work + Send + Sync>;

/// A tool made of a closure.
pub struct FakeTool {
    spec: ToolSpec,
    call: Call,
}

#[async_trait]
impl Tool for FakeTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, cx: &Cx, args: Args) -> Result<Value> {
        (self.call)(cx.clone(), args).await
    }
}

/// `x: Number|Text`, optional with `?`: `x?: Any`.
pub fn arg(text: &str) -> Arg {
    let (name, types) = text.split_once(": ").unwrap();
    Arg {
        name: name.trim_end_matches('?').to_owned(),
        doc: String::new(),
        types: types.split('|').map(|t| t.parse().unwrap()).collect(),
        required: !name.ends_with('?'),
        choices: Vec::new(),
        default: None,
    }
}

pub fn signature(args: &[&str], returns: &str, maps_over: Option<&str>) -> Signature {
    Signature {
        args: args.iter().map(|a| arg(a)).collect(),
        returns: Returns::Type(returns.parse::<ValueType>().unwrap()),
        maps_over: maps_over.map(str::to_owned),
    }
}

pub fn spec(name: &str, signature: Signature) -> ToolSpec {
    ToolSpec {
        name: name.to_owned(),
        kind: ToolKind::Operation,
        description: format!("Fakes {name}."),
        use_for: "tests".to_owned(),
        limitations: String::new(),
        licence: "MIT".to_owned(),
        signature,
        effects: Effects::None,
        describes: true,
        timeout: Duration::from_secs(30),
    }
}

/// A tool with this spec that does `work`.
pub fn tool<F>(spec: ToolSpec, work: impl Fn(Cx, Args) -> F + Send + Sync + 'static) -> Arc<dyn Tool>
where
    F: Future<Output = Result<Value>> + Send + 'static,
{
    Arc::new(FakeTool { spec, call: Box::new(move |cx, args| Box::pin(work(cx, args))) })
}

/// A tool that returns at once.
pub fn quick(
    name: &str,
    args: &[&str],
    returns: &str,
    work: impl Fn(Args) -> Result<Value> + Send + Sync + 'static,
) -> Arc<dyn Tool> {
    tool(spec(name, signature(args, returns, None)), move |_, args| {
        let result = work(args);
        async move { result }
    })
}

pub fn catalog(tools: impl IntoIterator<Item = Arc<dyn Tool>>) -> Catalog {
    let mut catalog = Catalog::new();
    for tool in tools {
        catalog.add(tool).unwrap();
    }
    catalog
}

/// A plan from its JSON form.
pub fn plan(json: &Json) -> Plan {
    Plan::from_json(json).unwrap()
}

/// Remembers all events.
#[derive(Default)]
pub struct Record(Mutex<Vec<Entry>>);

impl Record {
    pub fn entries(&self) -> Vec<Entry> {
        self.0.lock().unwrap().clone()
    }

    /// The events' names and, for steps, their ids: `step_ended n`.
    pub fn names(&self) -> Vec<String> {
        let name = |entry: &Entry| {
            let json = serde_json::to_value(entry).unwrap();
            let id = json.get("id").and_then(Json::as_str).map(|id| format!(" {id}")).unwrap_or_default();
            format!("{}{id}", json["event"].as_str().unwrap())
        };
        self.entries().iter().map(name).collect()
    }
}

impl EventSink for Record {
    fn event(&self, entry: &Entry, _images: &[&Image]) {
        self.0.lock().unwrap().push(entry.clone());
    }
}

/// An LLM that replies what its script says, and remembers what it was asked.
#[derive(Default)]
pub struct Script {
    replies: Mutex<VecDeque<Result<String>>>,
    requests: Mutex<Vec<ChatRequest>>,
}

impl Script {
    pub fn new<T: ToString>(replies: impl IntoIterator<Item = T>) -> Arc<Self> {
        let replies = replies.into_iter().map(|r| Ok(r.to_string())).collect();
        Arc::new(Self { replies: Mutex::new(replies), requests: Mutex::default() })
    }

    pub fn failing(error: lavr::error::Error) -> Arc<Self> {
        Arc::new(Self { replies: Mutex::new(VecDeque::from([Err(error)])), requests: Mutex::default() })
    }

    /// Fails after the replies so far.
    pub fn then(&self, error: lavr::error::Error) {
        self.replies.lock().unwrap().push_back(Err(error));
    }

    pub fn requests(&self) -> Vec<ChatRequest> {
        self.requests.lock().unwrap().clone()
    }
}

#[async_trait]
impl ChatModel for Script {
    async fn complete(&self, _cx: &Cx, request: &ChatRequest) -> Result<ChatReply> {
        self.requests.lock().unwrap().push(request.clone());
        let Some(reply) = self.replies.lock().unwrap().pop_front() else {
            // Nothing left to say: an LLM that never comes to an end.
            return std::future::pending().await;
        };
        let usage = ChatUsage { prompt_tokens: 10, cached_tokens: 100, completion_tokens: 5, ..ChatUsage::default() };
        Ok(ChatReply { text: reply?, finish: FinishReason::Stop, usage })
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { model: "script".to_owned(), context: 4096, constrained: false, images: false }
    }
}

pub fn picture() -> Image {
    Image::from_pixels(RgbImage::from_pixel(8, 6, Rgb([200, 10, 10])), Frame::ROOT)
}

pub fn line(text: &str) -> Value {
    let polygon = [[0.0, 0.0], [10.0, 0.0], [10.0, 5.0], [0.0, 5.0]];
    Value::Line(Line { text: text.to_owned(), score: 0.9, polygon })
}

pub fn lines(texts: &[&str]) -> Value {
    Value::List(texts.iter().map(|t| line(t)).collect())
}

pub fn region(label: &str, x: f64) -> Value {
    Value::Region(Region { label: label.to_owned(), score: 0.9, bounds: [x, 0.0, x + 10.0, 10.0] })
}

pub fn regions(labels: &[&str]) -> Value {
    Value::List(labels.iter().enumerate().map(|(n, l)| region(l, n as f64 * 20.0)).collect())
}
