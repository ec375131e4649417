//! The spans of one run, from its events.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Link, Span, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer};
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

/// Whose the embedded LLM is.
const OWN: &str = "lavr";

/// How what has no end of its own failed.
const CUT_OFF: &str = "cut_off";

/// Makes spans of the events of one run: one of the run, below it one of each LLM call and each step, with links to the
/// steps that it needs. Names are those of [`conventions`](super::conventions).
///
/// Questions, prompts, replies, arguments, results, messages of failures, and the ids of steps, which an LLM chose, are
/// contents: they are left out, unless [`with_contents`](Self::with_contents) asks for them. Images are in no span.
///
/// What goes on when this is dropped was cut off: a panic ended the run, or it goes on in another process.
pub struct Spans<T>
where
    T: Tracer<Span: Send + Sync + 'static>,
{
    tracer: T,
    contents: bool,
    parent: Context,
    attributes: Vec<KeyValue>,
    /// Events come as they happen.
    is_live: bool,
    state: Mutex<State<T::Span>>,
}

/// The clock of a run, which starts anew when the run is gone on with.
#[derive(Default)]
pub(super) struct Clock {
    /// Milliseconds since the run began.
    pub(super) now: u64,
    /// What it had come to when it started anew.
    before: u64,
}

impl Clock {
    pub(super) fn shows(&mut self, t_ms: u64) {
        if t_ms.saturating_add(self.before) < self.now {
            self.before = self.now;
        }
        self.now = t_ms.saturating_add(self.before);
    }
}

/// What is known of the run.
struct State<S> {
    /// When its clock began.
    zero: Option<SystemTime>,
    clock: Clock,
    is_over: bool,
    llm: Llm,
    question: String,
    /// The run's span.
    run: Option<Context>,
    /// Steps that go on.
    open: BTreeMap<String, S>,
    /// Steps by the order in which they came, from 1.
    numbers: HashMap<String, usize>,
    /// Steps that are over, or go on.
    steps: HashMap<String, SpanContext>,
    /// Which steps a step needs.
    needs: HashMap<String, Vec<String>>,
}

impl<T> Spans<T>
where
    T: Tracer<Span: Send + Sync + 'static>,
{
    /// Spans of a run that begins now.
    pub fn new(tracer: T) -> Self {
        let state = State {
            zero: None,
            clock: Clock::default(),
            is_over: false,
            llm: Llm::default(),
            question: String::new(),
            run: None,
            open: BTreeMap::new(),
            numbers: HashMap::new(),
            steps: HashMap::new(),
            needs: HashMap::new(),
        };
        let (parent, state) = (Context::new(), Mutex::new(state));
        Self { tracer, contents: false, parent, attributes: Vec::new(), is_live: true, state }
    }

    /// The run is a part of what this context holds.
    #[must_use]
    pub fn below(mut self, parent: Context) -> Self {
        self.parent = parent;
        self
    }

    /// Whether contents are told, too.
    #[must_use]
    pub fn with_contents(mut self, contents: bool) -> Self {
        self.contents = contents;
        self
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

    /// The run is over already, and its clock began then.
    #[must_use]
    pub fn begun(mut self, zero: SystemTime) -> Self {
        self.state().zero = Some(zero);
        self.is_live = false;
        self
    }

    /// No more events come. What goes on was cut off.
    pub fn cut_off(&self) {
        let state = &mut *self.state();
        let last = state.at(state.clock.now);
        let now = if self.is_live { last.max(SystemTime::now()) } else { last };
        state.abandon_steps(now);
        if let Some(run) = state.run.take() {
            run.span().set_attribute(KeyValue::new(name::ERROR_TYPE, CUT_OFF));
            run.span().set_status(Status::error(""));
            run.span().end_with_timestamp(now);
        }
        state.is_over = true;
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
        attributes.extend(state.llm.named().into_iter().chain(self.attributes.iter().cloned()));
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
        attributes.extend(state.llm.named());
        attributes.extend(state.llm.place.iter().cloned());
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
        let kind = if state.llm.is_own() { SpanKind::Internal } else { SpanKind::Client };
        let builder = SpanBuilder::from_name(format!("{} {}", name::CHAT, state.llm.model))
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
            KeyValue::new(name::TOOL_CALL_ID, self.id_of(state, id)),
            KeyValue::new(name::TOOL_TYPE, "function"),
        ];
        if let Some(args) = args.filter(|_| self.contents) {
            attributes.push(KeyValue::new(name::TOOL_CALL_ARGUMENTS, short_json(args)));
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
            if error.is_some() {
                // It was left out: no tool was executed.
                let at = state.at(t_ms);
                return self.run(state, t_ms).span().add_event_with_timestamp(name::STEP_LEFT_OUT, at, Vec::new());
            }
            self.begin_step(state, t_ms.saturating_sub(*ms), id, tool, None);
        }
        let Some(mut span) = state.open.remove(id) else { return };
        if let Some(same_as) = same_as {
            span.set_attribute(KeyValue::new(name::SAME_AS, self.id_of(state, same_as)));
        }
        if let Some(result) = result.as_ref().filter(|_| self.contents) {
            span.set_attribute(KeyValue::new(name::TOOL_CALL_RESULT, short_json(result)));
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
        if !self.attributes.iter().any(|attribute| attribute.key.as_str() == name::RESUMED) {
            // Else what was used before is counted where it was.
            span.set_attributes(tokens(usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens));
        }
        let status = answer.map_or("failed", |answer| answer.status.as_str());
        span.set_attribute(KeyValue::new(name::STATUS, status));
        if let Some(answer) = answer.filter(|_| self.contents) {
            let mut said = message("assistant", &answer.text);
            said["finish_reason"] = json!(if error.is_some() { "error" } else { "stop" });
            span.set_attribute(KeyValue::new(name::OUTPUT_MESSAGES, json!([said]).to_string()));
        }
        if let Some(failure) = error {
            span.set_attribute(KeyValue::new(name::ERROR_TYPE, failure.kind.as_str()));
            span.set_status(self.status(failure));
        }
        let now = state.at(t_ms);
        // Steps that a limit left behind.
        state.abandon_steps(now);
        span.end_with_timestamp(now);
        (state.run, state.is_over) = (None, true);
    }

    /// A step's id, which is an LLM's word; without contents its number.
    fn id_of(&self, state: &mut State<T::Span>, id: &str) -> String {
        if self.contents {
            return short(id);
        }
        format!("step-{}", state.number(id))
    }

    /// What a failure says may hold contents.
    fn status(&self, failure: &Failure) -> Status {
        Status::error(if self.contents { short(&failure.message) } else { String::new() })
    }
}

impl<T> Drop for Spans<T>
where
    T: Tracer<Span: Send + Sync + 'static>,
{
    fn drop(&mut self) {
        self.cut_off();
    }
}

impl<T> EventSink for Spans<T>
where
    T: Tracer<Span: Send + Sync + 'static> + Send + Sync,
{
    fn event(&self, entry: &Entry, _images: &[&Image]) {
        let state = &mut *self.state();
        // Work that a tool left behind may tell of itself when all is said.
        if state.is_over {
            return;
        }
        let since = Duration::from_millis(entry.t_ms);
        state.zero.get_or_insert_with(|| SystemTime::now().checked_sub(since).unwrap_or(SystemTime::UNIX_EPOCH));
        state.clock.shows(entry.t_ms);
        let t_ms = state.clock.now;
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
            Event::StepStarted { id, .. } | Event::StepEnded { id, .. } => {
                self.number(id);
            }
            Event::Started { question, model, .. } => {
                self.llm = Llm::of(model);
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

    /// A step's number, by the order in which they come.
    fn number(&mut self, id: &str) -> usize {
        let next = self.numbers.len() + 1;
        *self.numbers.entry(id.to_owned()).or_insert(next)
    }

    /// These steps may come.
    fn expect<'a>(&mut self, steps: impl Iterator<Item = &'a Json>) {
        self.needs.extend(steps.filter_map(Written::of).map(|step| (step.id, step.needs)));
    }
}

impl<S: Span> State<S> {
    /// Ends the steps that go on, for another reason than their own.
    fn abandon_steps(&mut self, now: SystemTime) {
        while let Some((_, mut span)) = self.open.pop_first() {
            span.set_attribute(KeyValue::new(name::ERROR_TYPE, CUT_OFF));
            span.set_status(Status::error(""));
            span.end_with_timestamp(now);
        }
    }
}

/// An LLM, as far as its name in a trace tells.
#[derive(Default)]
struct Llm {
    provider: &'static str,
    model: String,
    /// Where it is.
    place: Vec<KeyValue>,
}

impl Llm {
    fn of(model: &str) -> Self {
        let Some((address, own)) = model.rsplit_once('#') else {
            let provider = if model.starts_with("local:") { OWN } else { "_OTHER" };
            return Self { provider, model: model.to_owned(), place: Vec::new() };
        };
        let mut place = Vec::new();
        if let Ok(url) = reqwest::Url::parse(address) {
            place.extend(url.host_str().map(|host| KeyValue::new(name::SERVER_ADDRESS, host.to_owned())));
            let port = url.port_or_known_default().map(i64::from);
            place.extend(port.map(|port| KeyValue::new(name::SERVER_PORT, port)));
        }
        // Whatever speaks OpenAI's protocol; the address tells who it is.
        Self { provider: "openai", model: own.to_owned(), place }
    }

    fn named(&self) -> Vec<KeyValue> {
        vec![KeyValue::new(name::PROVIDER, self.provider), KeyValue::new(name::MODEL, self.model.clone())]
    }

    /// It is in this process.
    fn is_own(&self) -> bool {
        self.provider == OWN
    }
}

fn used(usage: &Usage) -> Vec<KeyValue> {
    let counts = [(name::STEPS, usage.steps), (name::ROUNDS, usage.rounds), (name::LLM_CALLS, usage.llm_calls)];
    counts.into_iter().map(|(name, count)| count_of(name, count)).collect()
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

/// A value as JSON, which one that is too long stays: how it begins, and that there is more.
fn short_json(json: &Json) -> String {
    let text = json.to_string();
    let short = short(&text);
    if short.len() == text.len() { text } else { json!({ "truncated": true, "begins": short }).to_string() }
}

fn short(text: &str) -> String {
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push_str(" ...");
    }
    short
}
