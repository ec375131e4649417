//! The past of a run: what its trace tells, in place of LLM and tools.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::{Value as Json, json};

use super::{Entry, Event, Finding, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::observation::Failure;
use crate::value::Value;

/// The tools that are calls of the LLM.
const OF_LLM: [&str; 2] = ["look", "recall"];

/// What came of verifying a step's result, and why.
pub(crate) type Verdict = Option<(Finding, String)>;

/// What happened in a run before: its LLM calls, its steps, and the demos that it was shown.
///
/// A run that has one goes the same way again: what is the same call as a recorded one is answered from it, and neither
/// asks an LLM nor calls a tool. Each record is used once. Where the records end, the run goes on by itself; one that is
/// [`Past::only`] fails there.
///
/// Calls that were cut short are none that happened: they are made again.
pub struct Past {
    calls: Mutex<Vec<Option<Call>>>,
    steps: Mutex<Vec<Option<Step>>>,
    shown: Mutex<VecDeque<Shown>>,
    source: Arc<dyn Source>,
    only: bool,
    /// Which limit ended the run, or that it was cancelled.
    ended: Option<Failure>,
    over: OnceLock<Failure>,
}

struct Call {
    purpose: String,
    prompt: Vec<Message>,
    schema: Option<Json>,
    images: Vec<String>,
    reply: std::result::Result<Recalled, Failure>,
}

/// A recorded reply of an LLM.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recalled {
    pub(crate) text: String,
    pub(crate) prompt_tokens: u64,
    pub(crate) cached_tokens: u64,
    pub(crate) completion_tokens: u64,
    pub(crate) reused: bool,
    pub(crate) cut_off: bool,
    pub(crate) edited: bool,
}

/// Demos that were shown, by their questions, to somebody who was asked this.
struct Shown {
    to: String,
    question: String,
    demos: Vec<String>,
}

struct Step {
    id: String,
    tool: String,
    args: Json,
    outcome: std::result::Result<(Json, Option<crate::signature::ValueType>), Failure>,
    verdict: Verdict,
}

/// A call as it is made now.
pub(crate) struct Asked<'a> {
    pub(crate) purpose: &'a str,
    pub(crate) prompt: Vec<&'a Message>,
    pub(crate) schema: Option<&'a Json>,
    pub(crate) images: Vec<&'a str>,
}

impl Past {
    /// The past that a trace tells; images come from `source`.
    pub fn new(entries: &[Entry], source: Arc<dyn Source>) -> Self {
        let ended = entries.iter().rev().find_map(|entry| match &entry.event {
            Event::Answered { error, .. } => error.clone(),
            Event::Failed { error, .. } => Some(error.clone()),
            _ => None,
        });
        let shown = entries.iter().filter_map(|entry| match &entry.event {
            Event::Shown { to, question, demos } => {
                Some(Shown { to: to.clone(), question: question.clone(), demos: demos.clone() })
            }
            _ => None,
        });
        Self {
            calls: Mutex::new(entries.iter().filter_map(call).map(Some).collect()),
            steps: Mutex::new(steps(entries).into_iter().map(Some).collect()),
            shown: Mutex::new(shown.collect()),
            source,
            only: false,
            ended: ended.filter(ends_early),
            over: OnceLock::new(),
        }
    }

    /// The same past, and nothing after it: what it does not hold fails.
    #[must_use]
    pub fn only(self) -> Self {
        Self { only: true, ..self }
    }

    /// Whether nothing may happen that did not happen before.
    pub(crate) fn is_all(&self) -> bool {
        self.only
    }

    /// Why the run is over, once it has come to where a limit ended it before.
    pub(crate) fn over(&self) -> Option<Error> {
        self.over.get().map(|failure| Error::new(failure.kind, failure.message.clone()))
    }

    /// Ends the run where a limit ended it before; nothing where none did, or the run goes on by itself.
    pub(crate) fn end(&self) -> Option<Error> {
        let failure = self.ended.as_ref().filter(|_| self.only)?;
        self.over.get_or_init(|| failure.clone());
        self.over()
    }

    /// The recorded reply to a call of an LLM; nothing when the run goes on by itself from here.
    ///
    /// # Errors
    /// That of the call; `InvalidInput` saying where the call differs from the recorded one, when there is nothing but
    /// the past.
    pub(crate) fn reply(&self, asked: &Asked<'_>) -> Option<Result<Recalled>> {
        let mut calls = lock(&self.calls);
        let Some(place) = calls.iter_mut().find(|call| call.as_ref().is_some_and(|call| call.is(asked))) else {
            let nearest = calls.iter().flatten().find(|call| call.purpose == asked.purpose);
            return self.missing(|| nearest.map_or_else(|| nothing_of(asked.purpose), |call| call.difference(asked)));
        };
        match place.take()?.reply {
            Err(failure) if ends_early(&failure) => self.missing(|| failure.message.clone()),
            Err(failure) => Some(Err(Error::new(failure.kind, failure.message))),
            Ok(reply) => Some(Ok(reply)),
        }
    }

    /// What a step returned, and what came of verifying that; nothing when it has to run.
    ///
    /// # Errors
    /// Those of [`Value::from_record`]; `InvalidInput` when there is nothing but the past, and this step is not in it.
    pub(crate) fn result(&self, id: &str, tool: &str, args: &Json) -> Option<Result<(Result<Value>, Verdict)>> {
        // What such a step asks the LLM has a record of its own.
        if OF_LLM.contains(&tool) && lock(&self.calls).iter().flatten().any(|call| call.purpose == tool) {
            return None;
        }
        let mut steps = lock(&self.steps);
        let same = |step: &Step| step.id == id && step.tool == tool && step.args == *args;
        let Some(place) = steps.iter_mut().find(|step| step.as_ref().is_some_and(same)) else {
            return self.missing(|| format!("the trace has no step `{id}` that calls `{tool}` with these arguments"));
        };
        let Step { outcome, verdict, .. } = place.take()?;
        Some(match outcome {
            // It was dropped when the run ended; beside it others may have come to their ends.
            Err(failure) if ends_early(&failure) && !self.only => return None,
            Err(failure) => Ok((Err(Error::new(failure.kind, failure.message)), verdict)),
            Ok((record, kind)) => {
                let kind = kind.unwrap_or(crate::signature::ValueType::Any);
                Value::from_record(&record, &kind, &|digest| self.source.blob(digest))
                    .map(|value| (Ok(value), verdict))
                    .map_err(|e| e.context(format!("step `{id}` of the trace")))
            }
        })
    }

    /// The questions of the demos that were shown; nothing when they have to be chosen.
    pub(crate) fn shown(&self, to: &str, question: &str) -> Option<Vec<String>> {
        let mut shown = lock(&self.shown);
        match shown.iter().position(|other| other.to == to && other.question == question) {
            Some(place) => shown.remove(place).map(|shown| shown.demos),
            None => self.only.then(Vec::new),
        }
    }

    /// Goes on by itself; or fails, where there is nothing but the past: as the run ended then, else saying what is
    /// missing.
    fn missing<T>(&self, why: impl FnOnce() -> String) -> Option<Result<T>> {
        if !self.only {
            return None;
        }
        Some(Err(self.end().unwrap_or_else(|| Error::invalid(why()))))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a failure is that of a run that was stopped.
fn ends_early(failure: &Failure) -> bool {
    matches!(failure.kind, ErrorKind::Cancelled | ErrorKind::Budget)
}

fn call(entry: &Entry) -> Option<Call> {
    let Event::LlmCall { purpose, prompt, images, schema, reply, error, .. } = &entry.event else { return None };
    let reply = match (reply, error) {
        (Some(text), _) => Ok(recalled(text, &entry.event)),
        (None, Some(failure)) => Err(failure.clone()),
        (None, None) => return None,
    };
    Some(Call {
        purpose: purpose.clone(),
        prompt: prompt.clone(),
        schema: schema.clone(),
        images: images.clone(),
        reply,
    })
}

fn recalled(text: &str, event: &Event) -> Recalled {
    let text = text.to_owned();
    match *event {
        Event::LlmCall { prompt_tokens, cached_tokens, completion_tokens, reused, cut_off, edited, .. } => {
            Recalled { text, prompt_tokens, cached_tokens, completion_tokens, reused, cut_off, edited }
        }
        _ => Recalled { text, ..Recalled::default() },
    }
}

/// The steps that ran to their end. Those that were answered from others did not run.
fn steps(entries: &[Entry]) -> Vec<Step> {
    let mut begun: Vec<(&str, &Json)> = Vec::new();
    let mut steps: Vec<Step> = Vec::new();
    for entry in entries {
        match &entry.event {
            Event::StepStarted { id, args, .. } => begun.push((id, args)),
            Event::StepEnded { id, tool, result, kind, error, .. } => {
                let Some(place) = begun.iter().position(|(other, _)| other == id) else { continue };
                let (_, args) = begun.swap_remove(place);
                let outcome = match (result, error) {
                    (Some(result), _) => Ok((result.clone(), kind.clone())),
                    (None, Some(failure)) => Err(failure.clone()),
                    (None, None) => continue,
                };
                steps.push(Step { id: id.clone(), tool: tool.clone(), args: args.clone(), outcome, verdict: None });
            }
            Event::Verified(found) if found.finding != Finding::Contradicted => {
                let step = steps.iter_mut().rev().find(|step| step.id == found.step && step.verdict.is_none());
                if let Some(step) = step {
                    step.verdict = Some((found.finding, found.why.clone()));
                }
            }
            _ => {}
        }
    }
    steps
}

fn nothing_of(purpose: &str) -> String {
    format!("the trace has no more LLM call for `{purpose}`")
}

impl Call {
    fn is(&self, asked: &Asked<'_>) -> bool {
        self.purpose == asked.purpose
            && self.prompt.iter().eq(asked.prompt.iter().copied())
            && self.schema.as_ref() == asked.schema
            && self.images.iter().eq(asked.images.iter().copied())
    }

    /// Where a call differs from this one.
    fn difference(&self, asked: &Asked<'_>) -> String {
        let purpose = asked.purpose;
        let texts = |ours: &Message, theirs: &Message| ours != theirs;
        let differs = self.prompt.iter().zip(&asked.prompt).position(|(ours, theirs)| texts(ours, theirs));
        let what = match differs {
            Some(n) => {
                let (ours, theirs) = (self.prompt.get(n), asked.prompt.get(n));
                let from = ours.zip(theirs).map(|(ours, theirs)| parted(&ours.content, &theirs.content));
                format!("its message {} differs{}", n + 1, from.unwrap_or_default())
            }
            None if self.prompt.len() != asked.prompt.len() => {
                format!("it has {} messages, and the recorded one has {}", asked.prompt.len(), self.prompt.len())
            }
            None if self.schema.as_ref() != asked.schema => "the schema of its reply differs".to_owned(),
            None => "its images differ".to_owned(),
        };
        format!("the call for `{purpose}` is not the recorded one: {what}")
    }
}

/// Where two texts part.
fn parted(recorded: &str, now: &str) -> String {
    const SHOWN: usize = 40;
    let same = recorded.chars().zip(now.chars()).take_while(|(a, b)| a == b).count();
    let from = |text: &str| text.chars().skip(same).take(SHOWN).collect::<String>();
    format!(" from character {}: recorded {:?}, now {:?}", same + 1, from(recorded), from(now))
}

/// Follows a run along the trace of an earlier one, and tells which of its events are those of then.
///
/// Times have no say, nor has the order of steps and LLM calls, since those may run beside one another.
pub struct Following {
    expected: Vec<Option<Json>>,
}

impl Following {
    /// Along these entries.
    pub fn new(entries: &[Entry]) -> Self {
        Self { expected: entries.iter().map(|entry| Some(timeless(&entry.event))).collect() }
    }

    /// Whether an event is one of then; each counts once.
    pub fn is_known(&mut self, event: &Event) -> bool {
        let event = timeless(event);
        let place = self.expected.iter_mut().find(|expected| expected.as_ref() == Some(&event));
        place.is_some_and(|place| place.take().is_some())
    }

    /// The place, from 0, of the first event of then that has not come.
    pub fn next(&self) -> Option<usize> {
        self.expected.iter().position(Option::is_some)
    }

    /// The first event of then that has not come and is of the kind of this one, else the first.
    pub fn nearest(&self, event: &Event) -> Option<usize> {
        let name = |event: &Json| event.get("event").cloned();
        let wanted = name(&timeless(event));
        let alike = |expected: &Option<Json>| expected.as_ref().is_some_and(|expected| name(expected) == wanted);
        self.expected.iter().position(alike).or_else(|| self.next())
    }
}

/// An event without what differs from run to run: times, and what else was ready by chance.
fn timeless(event: &Event) -> Json {
    let mut json = json!(event);
    if let Some(object) = json.as_object_mut() {
        for name in ["ms", "lavr", "task", "at"] {
            object.shift_remove(name);
        }
        if let Some(usage) = object.get_mut("usage").and_then(Json::as_object_mut) {
            // What was made ready ahead of calls, and what calls cost, is not told by them.
            for name in ["prompt_tokens", "cached_tokens", "cost_usd"] {
                usage.shift_remove(name);
            }
        }
    }
    json
}
