//! The executor: runs a checked plan, ready steps in parallel, and reports every step.

mod args;
mod call;
mod verify;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tokio::task::JoinSet;

pub(crate) use self::args::{arguments, settled, written_region};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::observation::{Failure, Observation, Outcome};
use crate::plan::{Plan, Step};
use crate::signature::ValueType;
use crate::task::image_name;
use crate::tool::{Args, Catalog, Effects, SharedTool};
use crate::trace::{Event, Past, Verdict, Verification};
use crate::value::Value;

/// Runs plans on the tools of a catalog.
#[derive(Clone)]
pub struct Executor {
    catalog: Catalog,
    parallel: usize,
    /// Whether results are verified as they arise.
    verifies: bool,
}

/// What became of a plan.
#[derive(Debug)]
pub struct Execution {
    /// The steps that are over, in plan order. Steps that never began are missing.
    pub observations: Vec<Observation>,
    /// Why the run ended before the plan did: budget or cancellation.
    pub stopped: Option<Error>,
    /// What came of verifying steps, where that was asked for.
    pub verified: Vec<Verification>,
}

/// A step that ended: its place in the plan, what became of it, how long it took, and what verifying it brought.
type Ended = (usize, Result<Value>, Duration, Verdict);

impl Executor {
    /// Steps that run at the same time, unless told otherwise.
    pub const PARALLEL: usize = 4;

    /// An executor that runs at most `parallel` steps at a time.
    pub fn new(catalog: Catalog, parallel: usize) -> Self {
        Self { catalog, parallel: parallel.max(1), verifies: false }
    }

    /// One that also verifies what experts find: of a find with little confidence (a score under 0.5) it takes a closer
    /// look with the same tool, and what is not found again is left out of the step's result.
    #[must_use]
    pub fn verifying(&self) -> Self {
        Self { verifies: true, ..self.clone() }
    }

    /// Runs a plan that passed the check.
    ///
    /// A tool's failure becomes that step's observation and only the steps that
    /// depend on it are skipped. When the budget is used up or the run is
    /// cancelled, running steps are dropped, which is their observation, and
    /// what is known so far is returned.
    pub async fn run(&self, cx: &Cx, plan: &Plan, images: &[Image]) -> Execution {
        self.resume(cx, plan, images, &[]).await
    }

    /// Runs the steps of a plan that are not `known` yet; the observations are those of these steps.
    ///
    /// A step that is the same call as one that is over is answered from it and does not run:
    /// same tool, same arguments when references are resolved. Tools with effects always run.
    pub async fn resume(&self, cx: &Cx, plan: &Plan, images: &[Image], known: &[Observation]) -> Execution {
        let mut run = Running::new(self, cx, plan, images, known);
        let stopped = run.drive().await.err();
        if let Some(error) = &stopped {
            run.stop(error);
        }
        Execution { observations: run.observations(), stopped, verified: run.verified }
    }
}

/// The state of one execution.
struct Running<'a> {
    executor: &'a Executor,
    cx: &'a Cx,
    plan: &'a Plan,
    images: HashMap<String, Value>,
    waiting: Vec<usize>,
    done: HashMap<usize, Done>,
    active: JoinSet<Ended>,
    /// When each step in `active` began.
    begun: BTreeMap<usize, Instant>,
    /// The steps that were known before, by their call.
    calls: HashMap<String, usize>,
    verified: Vec<Verification>,
    /// What steps that are being verified returned.
    unverified: HashMap<usize, call::Unverified>,
    /// A run that is done again has come to a step that was dropped when it ended.
    dropped: bool,
}

/// A step that is over.
struct Done {
    outcome: Outcome,
    took: Duration,
    /// The step it was answered from.
    same_as: Option<String>,
    /// It was over before this execution began.
    known: bool,
}

impl<'a> Running<'a> {
    fn new(executor: &'a Executor, cx: &'a Cx, plan: &'a Plan, images: &[Image], known: &[Observation]) -> Self {
        let images = images.iter().enumerate().map(|(n, image)| (image_name(n), Value::Image(image.clone()))).collect();
        let mut run = Self {
            executor,
            cx,
            plan,
            images,
            waiting: Vec::new(),
            done: HashMap::new(),
            active: JoinSet::new(),
            begun: BTreeMap::new(),
            calls: HashMap::new(),
            verified: Vec::new(),
            unverified: HashMap::new(),
            dropped: false,
        };
        for (index, step) in plan.steps.iter().enumerate() {
            match known.iter().find(|o| o.id == step.id) {
                Some(known) => run.remember(index, step, known),
                None => run.waiting.push(index),
            }
        }
        run
    }

    /// Takes over what is known of a step.
    fn remember(&mut self, index: usize, step: &Step, known: &Observation) {
        if !matches!(known.outcome, Outcome::Skipped { .. })
            && let Some(call) = self.call_of(step)
        {
            self.calls.entry(call).or_insert(index);
        }
        let took = Duration::from_millis(known.ms);
        let (outcome, same_as) = (known.outcome.clone(), known.same_as.clone());
        self.done.insert(index, Done { outcome, took, same_as, known: true });
    }

    /// A step's tool and arguments, references resolved, when calling it twice gives the same.
    fn call_of(&self, step: &Step) -> Option<String> {
        let tool = self.executor.catalog.get(&step.tool).filter(|tool| tool.spec().effects == Effects::None)?;
        let args = self.resolve(step, tool).ok()?;
        Some(format!("{}{}", step.tool, args.to_json_naming(&|image| self.cx.keep_image(image))))
    }

    async fn drive(&mut self) -> Result<()> {
        loop {
            if self.dropped {
                // The run ended with this step, and with those that ran beside it.
                while let Some(Ok((index, result, took, verdict))) = self.active.join_next().await {
                    self.end(index, result, took)?;
                    self.note(index, verdict);
                }
                return self.cx.past().and_then(Past::end).map_or(Ok(()), Err);
            }
            let held = self.start_ready().err();
            // Out of steps, what runs already may end; out of time, it may not.
            if let Some(error) = held
                && (self.active.is_empty() || self.cx.check().is_err())
            {
                return Err(error);
            }
            let cx = self.cx;
            match cx.within(async { Ok(self.active.join_next().await) }).await? {
                Some(Ok((index, result, took, verdict))) => {
                    self.end(index, result, took)?;
                    self.note(index, verdict);
                }
                // Steps catch their own panics; this is the runtime shutting down.
                Some(Err(error)) => return Err(Error::internal("a step was lost").with_source(error)),
                None => return Ok(()),
            }
        }
    }

    /// Starts every waiting step whose inputs are there; skips those whose inputs never will be.
    fn start_ready(&mut self) -> Result<()> {
        let mut place = 0;
        while let Some(&index) = self.waiting.get(place) {
            let Some(step) = self.plan.steps.get(index) else { return Ok(()) };
            match self.readiness(step) {
                Readiness::Never(because_of) => {
                    self.waiting.remove(place);
                    self.skip(index, step, because_of);
                }
                Readiness::Now if self.answered_before(index, step) => {
                    self.waiting.remove(place);
                }
                Readiness::Now if self.active.len() < self.executor.parallel => {
                    self.start(index, step)?;
                    self.waiting.remove(place);
                }
                _ => place += 1,
            }
        }
        Ok(())
    }

    /// Answers a step from an earlier one that was the same call.
    fn answered_before(&mut self, index: usize, step: &Step) -> bool {
        if self.calls.is_empty() {
            return false;
        }
        let earlier = self.call_of(step).and_then(|call| self.calls.get(&call).copied());
        let Some((earlier, outcome)) = earlier.and_then(|n| Some((n, self.done.get(&n)?.outcome.clone()))) else {
            return false;
        };
        let same_as = self.plan.steps.get(earlier).map(|step| step.id.clone());
        self.settle(index, step, Done { outcome, took: Duration::ZERO, same_as, known: false });
        true
    }

    /// Ends the run early: what has ended counts, what still runs is dropped.
    fn stop(&mut self, error: &Error) {
        while let Some(Ok((index, result, took, verdict))) = self.active.try_join_next() {
            // Why the run stops is known already.
            let _ = self.end(index, result, took);
            self.note(index, verdict);
        }
        self.active.abort_all();
        for (index, began) in std::mem::take(&mut self.begun) {
            if let Some(step) = self.plan.steps.get(index) {
                let returned = self.unverified.get(&index).and_then(|place| place.lock().ok()?.take());
                let outcome = returned.map_or_else(|| Outcome::Failed(Failure::from(error)), Outcome::Returned);
                self.settle(index, step, Done::now(outcome, began.elapsed()));
            }
        }
    }

    fn readiness(&self, step: &Step) -> Readiness {
        let mut ready = Readiness::Now;
        for reference in step.references() {
            if self.images.contains_key(&reference.id) {
                continue;
            }
            match self.outcome(&reference.id) {
                Some(Outcome::Returned(_)) => {}
                Some(_) => return Readiness::Never(reference.id.clone()),
                None if self.plan.step(&reference.id).is_none() => return Readiness::Never(reference.id.clone()),
                None => ready = Readiness::Later,
            }
        }
        ready
    }

    fn outcome(&self, id: &str) -> Option<&Outcome> {
        let index = self.plan.steps.iter().position(|s| s.id == id)?;
        self.done.get(&index).map(|done| &done.outcome)
    }

    fn start(&mut self, index: usize, step: &Step) -> Result<()> {
        let tool = self.executor.catalog.find(&step.tool).cloned();
        let resolved = tool.and_then(|tool| Ok((self.resolve(step, &tool)?, tool)));
        let (record, images) = match &resolved {
            Ok((args, _)) => (args.to_record(), args.images().into_iter().cloned().collect()),
            Err(_) => (args_as_written(step), Vec::new()),
        };
        let past = self.cx.past().and_then(|past| past.result(&step.id, &step.tool, &record));
        // A run that is done again ends where it ended before: it never came to this step.
        self.cx.check()?;
        self.cx.meter().take_step()?;
        self.begun.insert(index, Instant::now());
        let started = Event::StepStarted { id: step.id.clone(), tool: step.tool.clone(), args: record };
        self.cx.emit(started, &images.iter().collect::<Vec<&Image>>());
        let cx = self.cx.clone();
        let unverified = self.executor.verifies.then(|| Arc::clone(self.unverified.entry(index).or_default()));
        self.active.spawn(async move {
            let began = Instant::now();
            let (result, verdict) = match (past, resolved) {
                (Some(Ok(past)), _) => past,
                (Some(Err(error)), _) | (None, Err(error)) => (Err(error), None),
                (None, Ok((args, tool))) => match call::call(&cx, tool, args, unverified).await {
                    Ok((value, verdict)) => (Ok(value), verdict),
                    Err(error) => (Err(error), None),
                },
            };
            (index, result, began.elapsed(), verdict)
        });
        Ok(())
    }

    fn end(&mut self, index: usize, result: Result<Value>, took: Duration) -> Result<()> {
        self.begun.remove(&index);
        let Some(step) = self.plan.steps.get(index) else { return Ok(()) };
        let stops = match &result {
            Err(e) if e.kind() == ErrorKind::Cancelled || e.kind() == ErrorKind::Budget => {
                self.dropped |= self.cx.past().is_some_and(Past::is_all);
                self.cx.check().err()
            }
            _ => None,
        };
        let outcome = match result {
            Ok(value) => Outcome::Returned(value),
            Err(error) => {
                tracing::debug!(step = %step.id, tool = %step.tool, "{}", error.for_log());
                Outcome::Failed(Failure::from(&error))
            }
        };
        self.settle(index, step, Done::now(outcome, took));
        stops.map_or(Ok(()), Err)
    }

    fn note(&mut self, index: usize, verdict: Verdict) {
        if let (Some((finding, why)), Some(step)) = (verdict, self.plan.steps.get(index)) {
            let verification = Verification { step: step.id.clone(), finding, why };
            self.cx.emit(Event::Verified(verification.clone()), &[]);
            self.verified.push(verification);
        }
    }

    fn skip(&mut self, index: usize, step: &Step, because_of: String) {
        self.settle(index, step, Done::now(Outcome::Skipped { because_of }, Duration::ZERO));
    }

    fn settle(&mut self, index: usize, step: &Step, done: Done) {
        self.report(step, &done);
        self.done.insert(index, done);
    }

    fn report(&self, step: &Step, done: &Done) {
        let observation = done.observation(step);
        let images = observation.value().map(Value::images).unwrap_or_default();
        let event = Event::StepEnded {
            id: step.id.clone(),
            tool: step.tool.clone(),
            result: observation.value().map(Value::to_record),
            kind: observation.value().map(ValueType::of),
            error: observation.failure(),
            same_as: observation.same_as.clone(),
            ms: observation.ms,
        };
        self.cx.emit(event, &images);
    }

    fn observations(&mut self) -> Vec<Observation> {
        let steps = self.plan.steps.iter().enumerate();
        steps
            .filter_map(|(index, step)| {
                let done = self.done.remove(&index).filter(|done| !done.known)?;
                Some(done.observation(step))
            })
            .collect()
    }
}

enum Readiness {
    Now,
    Later,
    Never(String),
}

impl Done {
    fn now(outcome: Outcome, took: Duration) -> Self {
        Self { outcome, took, same_as: None, known: false }
    }

    fn observation(&self, step: &Step) -> Observation {
        Observation {
            id: step.id.clone(),
            tool: step.tool.clone(),
            args: args_as_written(step),
            outcome: self.outcome.clone(),
            same_as: self.same_as.clone(),
            ms: u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

fn args_as_written(step: &Step) -> Json {
    Json::Object(step.args.iter().map(|(name, value)| (name.clone(), value.to_json())).collect())
}

/// Calls a tool outside of any plan: once, or mapped over a list where its signature says so.
///
/// # Errors
/// Those of [`crate::tool::call_guarded`].
pub(crate) async fn call_tool(cx: &Cx, tool: SharedTool, args: Args) -> Result<Value> {
    call::call(cx, tool, args, None).await.map(|(value, _)| value)
}
