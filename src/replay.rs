//! Replays: a run done again from its trace.
//!
//! A trace holds what the LLM replied and what the steps returned, so that a run can be done again without either, and
//! comes to the same answer by the same way; where plans, prompts or tools have changed meanwhile, the first event that
//! comes out otherwise is named.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use lavr::config::Config;
//! use lavr::replay::Recorded;
//! use lavr::store::{Progress, Silent};
//!
//! # async fn example() -> lavr::error::Result<()> {
//! let recorded = Recorded::open("run.jsonl")?;
//! let progress: Arc<dyn Progress> = Arc::new(Silent);
//! let agent = Config::default().agent_with(recorded.llm(), &progress)?;
//! let report = recorded.replay(&agent, Vec::new()).await?;
//! println!("{}", report.answer.text);
//! # Ok(())
//! # }
//! ```

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::agent::{Agent, Report, Watch};
use crate::chat::{Capabilities, ChatModel, ChatReply, ChatRequest};
use crate::cx::{Cx, EventSink};
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::plan::Plan;
use crate::task::Task;
use crate::trace::{self, BlobFolder, Entry, Event, Following, Past, Source};

/// Most characters of an event that a message shows.
const MAX_SHOWN: usize = 200;

/// A run that was recorded.
#[derive(Clone)]
pub struct Recorded {
    entries: Vec<Entry>,
    source: Arc<dyn Source>,
}

impl Recorded {
    /// Reads a trace file, and its images from the folder beside it as they are needed.
    ///
    /// # Errors
    /// As [`trace::read`]; `InvalidInput` when no run began in it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let place = |e: Error| e.context(format!("trace `{}`", path.display()));
        Self::new(trace::read(path)?, Arc::new(BlobFolder::beside(path))).map_err(place)
    }

    /// A run from its entries; images come from `source`.
    ///
    /// # Errors
    /// `InvalidInput` when no run began in them.
    pub fn new(entries: Vec<Entry>, source: Arc<dyn Source>) -> Result<Self> {
        let recorded = Self { entries, source };
        recorded.started().map(|_| ())?;
        Ok(recorded)
    }

    /// What happened.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The task of the run.
    ///
    /// # Errors
    /// `NotFound` or `Io` when one of its images is not there, `InvalidInput` when it is none.
    pub fn task(&self) -> Result<Task> {
        let (question, images, settings) = self.started()?;
        Task::from_record(question, images, settings, &|digest| self.source.blob(digest))
    }

    /// What happened before, for a run that goes on where this one stopped.
    pub fn past(&self) -> Past {
        Past::new(&self.entries, Arc::clone(&self.source))
    }

    /// The LLM of the run, as far as a replay needs one: it has its name, and replies to nothing.
    pub fn llm(&self) -> Arc<dyn ChatModel> {
        let name = self.entries.iter().find_map(|entry| match &entry.event {
            Event::Started { model, .. } => Some(model.clone()),
            _ => None,
        });
        Arc::new(Silent(name.unwrap_or_default()))
    }

    /// Does the run again from its trace alone. Events go to `sinks` as they come.
    ///
    /// # Errors
    /// `InvalidInput` naming the first event that comes out otherwise than it is recorded, or is missing; as
    /// [`Recorded::task`]. A run that was cut off while it went on is followed as far as it went, and then fails.
    pub async fn replay(&self, agent: &Agent, mut sinks: Vec<Arc<dyn EventSink>>) -> Result<Report> {
        let task = self.task()?;
        let cancel = CancellationToken::new();
        let follower = Arc::new(Follower::new(self.entries.clone(), cancel.clone()));
        sinks.push(Arc::<Follower>::clone(&follower));
        let report =
            agent.ask_watched(&task, Watch { cancel, sinks, past: Some(Arc::new(self.past().only())) }).await?;
        follower.end()?;
        Ok(report)
    }

    /// Does the run anew from a step on: what began before the step began is taken from the trace, and the step and all
    /// that began after it are done again, with the LLM and the tools of `agent`; and with a plan of the caller's in
    /// place of the one that the LLM wrote, where there is one.
    ///
    /// # Errors
    /// As [`Recorded::before`]; `NotFound` listing the steps there are, when there is none of this name; as [`Recorded::task`] and
    /// [`Agent::ask`].
    pub async fn anew_from(&self, step: &str, plan: Option<&Plan>, agent: &Agent, watch: Watch) -> Result<Report> {
        let past = Past::new(&self.before(step, plan)?, Arc::clone(&self.source));
        agent.ask_watched(&self.task()?, Watch { past: Some(Arc::new(past)), ..watch }).await
    }

    /// What happened before a step began, and the ends of the steps that ran then; with another plan, where one is given.
    /// A run with this past goes on from there.
    ///
    /// # Errors
    /// `NotFound` listing the steps there are, when there is none of this name; `InvalidInput` when the run had no whole
    /// plan that another could take the place of.
    pub fn before(&self, step: &str, plan: Option<&Plan>) -> Result<Vec<Entry>> {
        let begins = |entry: &Entry| matches!(&entry.event, Event::StepStarted { id, .. } if id == step);
        let Some(place) = self.entries.iter().position(begins) else { return Err(self.no_step(step)) };
        let (before, after) = self.entries.split_at(place);
        let began = |wanted: &str| {
            before.iter().any(|entry| matches!(&entry.event, Event::StepStarted { id, .. } if id == wanted))
        };
        let ended = after.iter().filter(|entry| match &entry.event {
            Event::StepEnded { id, .. } => began(id),
            Event::Verified(found) => began(&found.step),
            _ => false,
        });
        let known: Vec<Entry> = before.iter().chain(ended).cloned().collect();
        plan.map_or(Ok(known.clone()), |plan| replanned(known, plan))
    }

    fn no_step(&self, step: &str) -> Error {
        let ids = self.entries.iter().filter_map(|entry| match &entry.event {
            Event::StepStarted { id, .. } => Some(format!("`{id}`")),
            _ => None,
        });
        let ids: Vec<String> = ids.collect();
        let there = if ids.is_empty() { "no step ran".to_owned() } else { format!("there are {}", ids.join(", ")) };
        Error::new(ErrorKind::NotFound, format!("the trace has no step `{step}`; {there}"))
    }

    fn started(&self) -> Result<(&str, &[serde_json::Value], &serde_json::Value)> {
        let started = self.entries.iter().find_map(|entry| match &entry.event {
            Event::Started { question, images, task, .. } => Some((question.as_str(), images.as_slice(), task)),
            _ => None,
        });
        started.ok_or_else(|| Error::invalid("no run began in this trace; give one that `lavr ask --trace` wrote"))
    }
}

/// The same events, as if the LLM had written this plan.
fn replanned(known: Vec<Entry>, plan: &Plan) -> Result<Vec<Entry>> {
    let mut planned = false;
    let mut replanned = Vec::new();
    for mut entry in known {
        match &mut entry.event {
            Event::LlmCall { purpose, reply, error, edited, cut_off, .. } if purpose == "plan" && !planned => {
                (*reply, *error, *edited, *cut_off) = (Some(plan.to_json().to_string()), None, true, false);
                planned = true;
            }
            // What came of the plan that was.
            Event::LlmCall { purpose, .. } if purpose == "repair" => continue,
            Event::Faults { .. } | Event::Planned { .. } | Event::Joined { .. } => continue,
            _ => {}
        }
        replanned.push(entry);
    }
    if !planned {
        let why = "the run has no whole plan of its LLM's, so none can take its place; a decision maker writes none";
        return Err(Error::invalid(why));
    }
    Ok(replanned)
}

/// Holds a run against its recorded events, and stops it at the first that is none of them.
struct Follower {
    recorded: Vec<Entry>,
    state: Mutex<(Following, Option<String>)>,
    cancel: CancellationToken,
}

impl Follower {
    fn new(recorded: Vec<Entry>, cancel: CancellationToken) -> Self {
        let following = Following::new(&recorded);
        Self { recorded, state: Mutex::new((following, None)), cancel }
    }

    /// Traces of before do not tell how plans were put together.
    fn is_untold(&self, event: &Event) -> bool {
        let joins = |event: &Event| matches!(event, Event::Joined { .. });
        joins(event) && !self.recorded.iter().any(|entry| joins(&entry.event))
    }

    /// # Errors
    /// `InvalidInput` naming the first event that differs.
    fn end(&self) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (following, differs) = &mut *state;
        if let Some(differs) = differs.take() {
            return Err(Error::invalid(differs));
        }
        let Some(place) = following.next() else { return Ok(()) };
        let shown = self.recorded.get(place).map(|entry| shown(&entry.event)).unwrap_or_default();
        Err(Error::invalid(format!("event {} of the trace does not come in its replay: {shown}", place + 1)))
    }
}

impl EventSink for Follower {
    fn event(&self, entry: &Entry, _images: &[&Image]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (following, differs) = &mut *state;
        if differs.is_some() || self.is_untold(&entry.event) || following.is_known(&entry.event) {
            return;
        }
        let now = shown(&entry.event);
        *differs = Some(match following.nearest(&entry.event) {
            Some(place) => {
                let then = self.recorded.get(place).map(|entry| shown(&entry.event)).unwrap_or_default();
                format!("event {} of the trace differs: it was {then}, and now it is {now}", place + 1)
            }
            None => format!("the trace ends after {} events, and its replay goes on: {now}", self.recorded.len()),
        });
        self.cancel.cancel();
    }
}

/// An event in a message: without prompts, which are long.
fn shown(event: &Event) -> String {
    if let Event::LlmCall { purpose, error: Some(failure), .. } = event {
        return format!("a call of the LLM for `{purpose}` that fails ({})", failure.message);
    }
    let mut json = json!(event);
    if let Some(object) = json.as_object_mut() {
        for name in ["prompt", "schema", "task", "usage", "ms", "at"] {
            object.shift_remove(name);
        }
    }
    let text = json.to_string();
    let mut short: String = text.chars().take(MAX_SHOWN).collect();
    if short.len() < text.len() {
        short.push_str(" ...");
    }
    short
}

/// An LLM that is never asked: all its replies are in the trace.
struct Silent(String);

#[async_trait]
impl ChatModel for Silent {
    async fn complete(&self, _cx: &Cx, _request: &ChatRequest) -> Result<ChatReply> {
        Err(Error::new(ErrorKind::Model, "a replay has no LLM; what it replied is in the trace"))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { model: self.0.clone(), context: u32::MAX, constrained: true, images: true }
    }
}
