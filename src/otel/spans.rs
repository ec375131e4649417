//! The spans of one run, from its events.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Link, Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer};
use opentelemetry::{Context, KeyValue, Value};
use serde_json::{Value as Json, json};

use super::conventions as name;
use crate::answer::Usage;
use crate::cx::EventSink;
use crate::image::Image;
use crate::message::{Message, Role};
use crate::observation::Failure;
use crate::plan::Written;
use crate::trace::{Entry, Event};

/// Most characters of a text in an attribute.
const LONGEST: usize = 16_000;

/// Makes spans of the events of one run: one of the run, below it one of each LLM call and each step, with links to the
/// steps that it needs. Names are those of [`conventions`](super::conventions).
///
/// Questions, prompts, replies, arguments, results and messages of failures are contents: they are left out, unless
/// [`with_contents`](Self::with_contents) asks for them. Images are in no span.
pub struct Spans<T: Tracer> {
    tracer: T,
    contents: bool,
    parent: Context,
    attributes: Vec<KeyValue>,
    state: Mutex<State<T::Span>>,
}

/// What is known of the run.
struct State<S> {
    /// When its clock began.
    zero: Option<SystemTime>,
    /// How far its clock has come, in milliseconds.
    now: u64,
    llm: Vec<KeyValue>,
    model: String,
    question: String,
    /// The run's span.
    run: Option<Context>,
    /// Steps that go on.
    open: HashMap<String, S>,
    /// Steps that are over, or go on.
    steps: HashMap<String, SpanContext>,
    /// Which steps a step needs.
    needs: HashMap<String, Vec<String>>,
}

impl<T: Tracer> Spans<T>
where
    T::Span: Send + Sync + 'static,
{
    /// Spans of a run that begins now.
    pub fn new(tracer: T) -> Self {
        let state = State {
            zero: None,
            now: 0,
            llm: Vec::new(),
            model: String::new(),
            question: String::new(),
            run: None,
            open: HashMap::new(),
            steps: HashMap::new(),
            needs: HashMap::new(),
        };
        let (parent, state) = (Context::new(), Mutex::new(state));
        Self { tracer, contents: false, parent, attributes: Vec::new(), state }
    }

    /// The run is a part of what this context holds.
    #[must_use]
    pub fn below(self, parent: Context) -> Self {
        Self { parent, ..self }
    }

    /// Whether contents are told, too.
    #[must_use]
    pub fn with_contents(self, contents: bool) -> Self {
        Self { contents, ..self }
    }

    /// An attribute of the run's span.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.attributes.push(KeyValue::new(name, value));
        self
    }

    /// The run has come as far as these events tell, which have their spans elsewhere.
    #[must_use]
    pub fn after(self, entries: &[Entry]) -> Self {
        if !entries.is_empty() {
            let mut state = self.state();
            entries.iter().for_each(|entry| state.learn(&entry.event));
            drop(state);
            return self.with(name::RESUMED, true);
        }
        self
    }

    /// The run's clock began then, and not when its first event comes.
    #[must_use]
    pub fn begun(self, zero: SystemTime) -> Self {
        self.state().zero = Some(zero);
        self
    }

    /// No more events come. What goes on was cut off.
    pub fn cut_off(&self) {
        let state = &mut *self.state();
        let now = state.at(state.now);
        for (_, mut span) in state.open.drain() {
            span.set_attribute(KeyValue::new(name::ERROR_TYPE, "cut_off"));
            span.end_with_timestamp(now);
        }
        if let Some(run) = state.run.take() {
            run.span().set_attribute(KeyValue::new(name::ERROR_TYPE, "cut_off"));
            run.span().set_status(Status::error(""));
            run.span().end_with_timestamp(now);
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T::Span>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run's span, begun now if it is not.
    fn run(&self, state: &mut State<T::Span>, t_ms: u64) -> Context {
        if let Some(run) = &state.run {
            return run.clone();
        }
        let mut attributes = vec![
            KeyValue::new(name::OPERATION, name::INVOKE_AGENT),
            KeyValue::new(name::AGENT_NAME, "lavr"),
            KeyValue::new(name::AGENT_VERSION, env!("CARGO_PKG_VERSION")),
        ];
        attributes.extend(state.llm.iter().chain(&self.attributes).cloned());
        if self.contents {
            let message = json!([message("user", &state.question)]);
            attributes.push(KeyValue::new(name::INPUT_MESSAGES, message.to_string()));
        }
        let builder = SpanBuilder::from_name(format!("{} lavr", name::INVOKE_AGENT))
            .with_kind(SpanKind::Internal)
            .with_start_time(state.at(t_ms))
            .with_attributes(attributes);
        let run = self.parent.with_span(self.tracer.build_with_context(builder, &self.parent));
        state.run = Some(run.clone());
        run
    }

    fn called(&self, state: &mut State<T::Span>, t_ms: u64, event: &Event) {
        let Event::LlmCall { purpose, prompt, schema, reply, error, reused, cut_off, ms, .. } = event else { return };
        let Event::LlmCall { prompt_tokens, cached_tokens, completion_tokens, .. } = event else { return };
        let run = self.run(state, t_ms.saturating_sub(*ms));
        let ended = if *cut_off { "length" } else { "stop" };
        let mut attributes = vec![
            KeyValue::new(name::OPERATION, name::CHAT),
            KeyValue::new(name::PURPOSE, purpose.clone()),
            KeyValue::new(name::OUTPUT_TYPE, if schema.is_some() { "json" } else { "text" }),
        ];
        attributes.extend(state.llm.iter().cloned());
        attributes.extend(tokens(*prompt_tokens, *cached_tokens, *completion_tokens));
        attributes.extend(reused.then(|| KeyValue::new(name::REUSED, true)));
        if reply.is_some() {
            let reasons = Value::Array(vec![opentelemetry::StringValue::from(ended)].into());
            attributes.push(KeyValue::new(name::FINISH_REASONS, reasons));
        }
        if self.contents {
            attributes.push(KeyValue::new(name::INPUT_MESSAGES, messages(prompt).to_string()));
            attributes.extend(reply.iter().map(|reply| {
                let mut said = message("assistant", reply);
                said["finish_reason"] = json!(ended);
                KeyValue::new(name::OUTPUT_MESSAGES, json!([said]).to_string())
            }));
        }
        // A model in the same process is called by nobody's client.
        let kind = if state.is_remote() { SpanKind::Client } else { SpanKind::Internal };
        let builder = SpanBuilder::from_name(format!("{} {}", name::CHAT, state.model))
            .with_kind(kind)
            .with_start_time(state.at(t_ms.saturating_sub(*ms)))
            .with_attributes(attributes);
        let mut span = self.tracer.build_with_context(builder, &run);
        if let Some(failure) = error {
            span.set_attribute(KeyValue::new(name::ERROR_TYPE, failure.kind.as_str()));
            span.set_status(self.status(failure));
        }
        span.end_with_timestamp(state.at(t_ms));
    }

    fn begin_step(&self, state: &mut State<T::Span>, t_ms: u64, id: &str, tool: &str, args: Option<&Json>) {
        let run = self.run(state, t_ms);
        let mut attributes = vec![
            KeyValue::new(name::OPERATION, name::EXECUTE_TOOL),
            KeyValue::new(name::TOOL_NAME, tool.to_owned()),
            KeyValue::new(name::TOOL_CALL_ID, id.to_owned()),
            KeyValue::new(name::TOOL_TYPE, "function"),
        ];
        if let Some(args) = args.filter(|_| self.contents) {
            attributes.push(KeyValue::new(name::TOOL_CALL_ARGUMENTS, short(&args.to_string())));
        }
        let needed = state.needs.get(id).into_iter().flatten();
        let links = needed.filter_map(|id| Some(Link::with_context(state.steps.get(id)?.clone()))).collect();
        let builder = SpanBuilder::from_name(format!("{} {tool}", name::EXECUTE_TOOL))
            .with_kind(SpanKind::Internal)
            .with_start_time(state.at(t_ms))
            .with_attributes(attributes)
            .with_links(links);
        let span = self.tracer.build_with_context(builder, &run);
        state.steps.insert(id.to_owned(), span.span_context().clone());
        if let Some(mut other) = state.open.insert(id.to_owned(), span) {
            other.end_with_timestamp(state.at(t_ms));
        }
    }

    fn end_step(&self, state: &mut State<T::Span>, t_ms: u64, event: &Event) {
        let Event::StepEnded { id, tool, result, error, same_as, ms, .. } = event else { return };
        if !state.open.contains_key(id) {
            self.begin_step(state, t_ms.saturating_sub(*ms), id, tool, None);
        }
        let Some(mut span) = state.open.remove(id) else { return };
        if let Some(same_as) = same_as {
            span.set_attribute(KeyValue::new(name::SAME_AS, same_as.clone()));
        }
        if let Some(result) = result.as_ref().filter(|_| self.contents) {
            span.set_attribute(KeyValue::new(name::TOOL_CALL_RESULT, short(&result.to_string())));
        }
        if let Some(failure) = error {
            span.set_attribute(KeyValue::new(name::ERROR_TYPE, failure.kind.as_str()));
            span.set_status(self.status(failure));
        }
        span.end_with_timestamp(state.at(t_ms));
    }

    fn end(&self, state: &mut State<T::Span>, t_ms: u64, event: &Event) {
        let (answer, usage, error) = match event {
            Event::Answered { answer, usage, error } => (Some(answer), usage, error.as_ref()),
            Event::Failed { error, usage } => (None, usage, Some(error)),
            _ => return,
        };
        let run = self.run(state, t_ms);
        let span = run.span();
        span.set_attributes(used(usage));
        let status = answer.map_or("failed", |answer| answer.status.as_str());
        span.set_attribute(KeyValue::new(name::STATUS, status));
        if let Some(answer) = answer.filter(|_| self.contents) {
            let said = json!([message("assistant", &answer.text)]);
            span.set_attribute(KeyValue::new(name::OUTPUT_MESSAGES, said.to_string()));
        }
        if let Some(failure) = error {
            span.set_attribute(KeyValue::new(name::ERROR_TYPE, failure.kind.as_str()));
            span.set_status(self.status(failure));
        }
        let now = state.at(t_ms);
        // Steps that a limit left behind end with their run.
        for (_, mut step) in state.open.drain() {
            step.end_with_timestamp(now);
        }
        span.end_with_timestamp(now);
        state.run = None;
    }

    /// What a failure says may hold contents.
    fn status(&self, failure: &Failure) -> Status {
        Status::error(if self.contents { short(&failure.message) } else { String::new() })
    }
}

impl<T: Tracer + Send + Sync> EventSink for Spans<T>
where
    T::Span: Send + Sync + 'static,
{
    fn event(&self, entry: &Entry, _images: &[&Image]) {
        let (t_ms, state) = (entry.t_ms, &mut *self.state());
        let since = Duration::from_millis(t_ms);
        state.zero.get_or_insert_with(|| SystemTime::now().checked_sub(since).unwrap_or(SystemTime::UNIX_EPOCH));
        state.now = t_ms;
        state.learn(&entry.event);
        match &entry.event {
            Event::Started { images, .. } => {
                let images = i64::try_from(images.len()).unwrap_or(i64::MAX);
                self.run(state, t_ms).span().set_attribute(KeyValue::new(name::IMAGES, images));
            }
            Event::LlmCall { .. } => self.called(state, t_ms, &entry.event),
            Event::StepStarted { id, tool, args } => self.begin_step(state, t_ms, id, tool, Some(args)),
            Event::StepEnded { .. } => self.end_step(state, t_ms, &entry.event),
            Event::Answered { .. } | Event::Failed { .. } => self.end(state, t_ms, &entry.event),
            event => {
                let at = state.at(t_ms);
                let run = self.run(state, t_ms);
                run.span().add_event_with_timestamp(event.name(), at, Vec::new());
            }
        }
    }
}

impl<S> State<S> {
    /// The time when the run's clock showed so much.
    fn at(&self, t_ms: u64) -> SystemTime {
        let zero = self.zero.unwrap_or(SystemTime::UNIX_EPOCH);
        zero.checked_add(Duration::from_millis(t_ms)).unwrap_or(zero)
    }

    /// What later spans have to know.
    fn learn(&mut self, event: &Event) {
        match event {
            Event::Started { question, model, .. } => {
                (self.llm, self.model) = llm(model);
                question.clone_into(&mut self.question);
            }
            Event::Planned { plan, .. } => {
                self.expect(plan.get("steps").and_then(Json::as_array).into_iter().flatten());
            }
            Event::Joined { plans } => {
                let steps = plans.iter().filter_map(|plan| plan.get("steps")?.as_array()).flatten();
                self.expect(steps);
            }
            Event::Decided { calls, .. } => self.expect(calls.iter()),
            _ => {}
        }
    }

    /// These steps may come.
    fn expect<'a>(&mut self, steps: impl Iterator<Item = &'a Json>) {
        self.needs.extend(steps.filter_map(Written::of).map(|step| (step.id, step.needs)));
    }

    fn is_remote(&self) -> bool {
        self.llm.iter().any(|attribute| attribute.key.as_str() == name::SERVER_ADDRESS)
    }
}

/// An LLM, from its name in a trace, and the name alone.
fn llm(model: &str) -> (Vec<KeyValue>, String) {
    let Some((address, own)) = model.rsplit_once('#') else {
        let attributes = vec![KeyValue::new(name::PROVIDER, "lavr"), KeyValue::new(name::MODEL, model.to_owned())];
        return (attributes, model.to_owned());
    };
    // Whatever speaks OpenAI's protocol; the address tells who it is.
    let mut attributes = vec![KeyValue::new(name::PROVIDER, "openai"), KeyValue::new(name::MODEL, own.to_owned())];
    if let Ok(url) = reqwest::Url::parse(address) {
        attributes.extend(url.host_str().map(|host| KeyValue::new(name::SERVER_ADDRESS, host.to_owned())));
        let port = url.port_or_known_default().map(i64::from);
        attributes.extend(port.map(|port| KeyValue::new(name::SERVER_PORT, port)));
    }
    (attributes, own.to_owned())
}

fn used(usage: &Usage) -> Vec<KeyValue> {
    let mut attributes = tokens(usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens);
    for (name, count) in [(name::STEPS, usage.steps), (name::ROUNDS, usage.rounds), (name::LLM_CALLS, usage.llm_calls)]
    {
        attributes.push(count_of(name, count));
    }
    attributes
}

/// Tokens as the conventions count them: those of a prompt with those whose state was there.
fn tokens(computed: u64, cached: u64, written: u64) -> Vec<KeyValue> {
    vec![
        count_of(name::INPUT_TOKENS, computed.saturating_add(cached)),
        count_of(name::CACHED_TOKENS, cached),
        count_of(name::OUTPUT_TOKENS, written),
    ]
}

fn count_of(name: &'static str, count: u64) -> KeyValue {
    KeyValue::new(name, i64::try_from(count).unwrap_or(i64::MAX))
}

fn messages(prompt: &[Message]) -> Json {
    let role = |role| match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    prompt.iter().map(|said| message(role(said.role), &said.content)).collect()
}

/// A message as the conventions have it.
fn message(role: &str, text: &str) -> Json {
    json!({ "role": role, "parts": [{ "type": "text", "content": short(text) }] })
}

fn short(text: &str) -> String {
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push_str(" ...");
    }
    short
}
