//! The executor: runs a checked plan, ready steps in parallel, and reports every step.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tokio::task::JoinSet;

use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::observation::{Failure, Observation, Outcome};
use crate::plan::{ArgValue, Plan, Reference, Segment, Step};
use crate::signature::{Arg, Signature, ValueType};
use crate::task::image_name;
use crate::tool::{Args, Catalog, SharedTool};
use crate::trace::Event;
use crate::value::{Region, Value};

/// Most elements a tool is mapped over in one step.
const MAX_MAPPED: usize = 256;

/// Runs plans on the tools of a catalog.
#[derive(Clone)]
pub struct Executor {
    catalog: Catalog,
    parallel: usize,
}

/// What became of a plan.
#[derive(Debug)]
pub struct Execution {
    /// The steps that are over, in plan order. Steps that never began are missing.
    pub observations: Vec<Observation>,
    /// Why the run ended before the plan did: budget or cancellation.
    pub stopped: Option<Error>,
}

/// A step that ended: its place in the plan, what became of it, and how long it took.
type Ended = (usize, Result<Value>, Duration);

impl Executor {
    /// Steps that run at the same time, unless told otherwise.
    pub const PARALLEL: usize = 4;

    /// An executor that runs at most `parallel` steps at a time.
    pub fn new(catalog: Catalog, parallel: usize) -> Self {
        Self { catalog, parallel: parallel.max(1) }
    }

    /// Runs a plan that passed the check.
    ///
    /// A tool's failure becomes that step's observation and only the steps that
    /// depend on it are skipped. When the budget is used up or the run is
    /// cancelled, running steps are dropped, which is their observation, and
    /// what is known so far is returned.
    pub async fn run(&self, cx: &Cx, plan: &Plan, images: &[Image]) -> Execution {
        let mut run = Running::new(self, cx, plan, images);
        let stopped = run.drive().await.err();
        if let Some(error) = &stopped {
            run.stop(error);
        }
        Execution { observations: run.observations(), stopped }
    }
}

/// The state of one execution.
struct Running<'a> {
    executor: &'a Executor,
    cx: &'a Cx,
    plan: &'a Plan,
    images: HashMap<String, Value>,
    waiting: Vec<usize>,
    done: HashMap<usize, (Outcome, Duration)>,
    active: JoinSet<Ended>,
    /// When each step in `active` began.
    begun: BTreeMap<usize, Instant>,
}

impl<'a> Running<'a> {
    fn new(executor: &'a Executor, cx: &'a Cx, plan: &'a Plan, images: &[Image]) -> Self {
        let images = images.iter().enumerate().map(|(n, image)| (image_name(n), Value::Image(image.clone()))).collect();
        let waiting = (0..plan.steps.len()).collect();
        Self {
            executor,
            cx,
            plan,
            images,
            waiting,
            done: HashMap::new(),
            active: JoinSet::new(),
            begun: BTreeMap::new(),
        }
    }

    async fn drive(&mut self) -> Result<()> {
        loop {
            let held = self.start_ready().err();
            // Out of steps, what runs already may end; out of time, it may not.
            if let Some(error) = held
                && (self.active.is_empty() || self.cx.check().is_err())
            {
                return Err(error);
            }
            let cx = self.cx;
            match cx.within(async { Ok(self.active.join_next().await) }).await? {
                Some(Ok((index, result, took))) => self.end(index, result, took)?,
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
                Readiness::Now if self.active.len() < self.executor.parallel => {
                    self.start(index, step)?;
                    self.waiting.remove(place);
                }
                _ => place += 1,
            }
        }
        Ok(())
    }

    /// Ends the run early: what has ended counts, what still runs is dropped.
    fn stop(&mut self, error: &Error) {
        while let Some(Ok((index, result, took))) = self.active.try_join_next() {
            // Why the run stops is known already.
            let _ = self.end(index, result, took);
        }
        self.active.abort_all();
        for (index, began) in std::mem::take(&mut self.begun) {
            if let Some(step) = self.plan.steps.get(index) {
                self.settle(index, step, Outcome::Failed(Failure::from(error)), began.elapsed());
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
        self.done.get(&index).map(|(outcome, _)| outcome)
    }

    fn start(&mut self, index: usize, step: &Step) -> Result<()> {
        self.cx.check()?;
        self.cx.meter().take_step()?;
        self.begun.insert(index, Instant::now());
        let tool = self.executor.catalog.find(&step.tool).cloned();
        let resolved = tool.and_then(|tool| Ok((self.resolve(step, &tool)?, tool)));
        let (args_json, images) = match &resolved {
            Ok((args, _)) => (args.to_json(), args.images().into_iter().cloned().collect()),
            Err(_) => (args_as_written(step), Vec::new()),
        };
        let started = Event::StepStarted { id: step.id.clone(), tool: step.tool.clone(), args: args_json };
        self.cx.emit(started, &images.iter().collect::<Vec<&Image>>());
        let cx = self.cx.clone();
        self.active.spawn(async move {
            let began = Instant::now();
            let result = match resolved {
                Ok((args, tool)) => call(&cx, tool, args).await,
                Err(error) => Err(error),
            };
            (index, result, began.elapsed())
        });
        Ok(())
    }

    fn end(&mut self, index: usize, result: Result<Value>, took: Duration) -> Result<()> {
        self.begun.remove(&index);
        let Some(step) = self.plan.steps.get(index) else { return Ok(()) };
        let stops = match &result {
            Err(e) if e.kind() == ErrorKind::Cancelled || e.kind() == ErrorKind::Budget => self.cx.check().err(),
            _ => None,
        };
        let outcome = match result {
            Ok(value) => Outcome::Returned(value),
            Err(error) => {
                tracing::debug!(step = %step.id, tool = %step.tool, "{}", error.for_log());
                Outcome::Failed(Failure::from(&error))
            }
        };
        self.settle(index, step, outcome, took);
        stops.map_or(Ok(()), Err)
    }

    fn skip(&mut self, index: usize, step: &Step, because_of: String) {
        self.settle(index, step, Outcome::Skipped { because_of }, Duration::ZERO);
    }

    fn settle(&mut self, index: usize, step: &Step, outcome: Outcome, took: Duration) {
        self.report(step, &outcome, took);
        self.done.insert(index, (outcome, took));
    }

    fn report(&self, step: &Step, outcome: &Outcome, took: Duration) {
        let observation = observe(step, outcome.clone(), took);
        let images = observation.value().map(Value::images).unwrap_or_default();
        let event = Event::StepEnded {
            id: step.id.clone(),
            tool: step.tool.clone(),
            result: observation.value().map(Value::to_json),
            error: observation.failure(),
            ms: observation.ms,
        };
        self.cx.emit(event, &images);
    }

    fn observations(&mut self) -> Vec<Observation> {
        let steps = self.plan.steps.iter().enumerate();
        steps
            .filter_map(|(index, step)| {
                let (outcome, took) = self.done.remove(&index)?;
                Some(observe(step, outcome, took))
            })
            .collect()
    }

    /// Settles references, literals and defaults into the arguments of one call.
    fn resolve(&self, step: &Step, tool: &SharedTool) -> Result<Args> {
        let signature = &tool.spec().signature;
        let mut args = Args::new();
        for (name, written) in &step.args {
            let arg = signature
                .arg(name)
                .ok_or_else(|| Error::new(ErrorKind::Tool, format!("`{}` has no argument `{name}`", step.tool)))?;
            let value = self.value_of(written, arg)?;
            if arg.required || value != Value::Json(Json::Null) {
                fits(signature, arg, &value)?;
                args.set(name, value);
            }
        }
        for arg in &signature.args {
            if let (None, Some(default)) = (args.get(&arg.name), &arg.default) {
                args.set(&arg.name, literal(default, arg));
            }
        }
        Ok(args)
    }

    fn value_of(&self, written: &ArgValue, arg: &Arg) -> Result<Value> {
        Ok(match written {
            ArgValue::Ref(reference) => self.follow(reference)?,
            ArgValue::Literal(json) => literal(json, arg),
            ArgValue::List(items) => {
                Value::List(items.iter().map(|item| self.value_of(item, arg)).collect::<Result<_>>()?)
            }
            ArgValue::Object(entries) => {
                let mut object = serde_json::Map::new();
                for (key, value) in entries {
                    object.insert(key.clone(), self.value_of(value, arg)?.to_json());
                }
                literal(&Json::Object(object), arg)
            }
        })
    }

    fn follow(&self, reference: &Reference) -> Result<Value> {
        let missing = || Error::new(ErrorKind::Tool, format!("`{reference}` has no value"));
        let mut value = match (self.images.get(&reference.id), self.outcome(&reference.id)) {
            (Some(image), _) => image.clone(),
            (None, Some(Outcome::Returned(value))) => value.clone(),
            _ => return Err(missing()),
        };
        for segment in &reference.path {
            let part = match segment {
                Segment::Field(name) => value.field(name),
                Segment::Index(n) => value.element(*n),
            };
            value = part.ok_or_else(|| {
                Error::new(
                    ErrorKind::Tool,
                    format!("`{reference}` is not there: `${}` is {}", reference.id, describe(&value)),
                )
            })?;
        }
        Ok(value)
    }
}

enum Readiness {
    Now,
    Later,
    Never(String),
}

fn describe(value: &Value) -> String {
    match value {
        Value::List(items) if items.is_empty() => "an empty list".to_owned(),
        Value::List(items) => format!("a list of {}", items.len()),
        other => other.type_name().to_owned(),
    }
}

fn observe(step: &Step, outcome: Outcome, took: Duration) -> Observation {
    Observation {
        id: step.id.clone(),
        tool: step.tool.clone(),
        args: args_as_written(step),
        outcome,
        ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    }
}

fn args_as_written(step: &Step) -> Json {
    Json::Object(step.args.iter().map(|(name, value)| (name.clone(), value.to_json())).collect())
}

fn fits(signature: &Signature, arg: &Arg, value: &Value) -> Result<()> {
    let given = ValueType::of(value);
    if arg.accepts(&given) || signature.maps(&arg.name, &given) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Tool, format!("argument `{}` should be {}, got {given}", arg.name, arg.types_text())))
}

/// A JSON literal as the value its argument wants.
fn literal(json: &Json, arg: &Arg) -> Value {
    let wants_region = |t: &ValueType| *t == ValueType::Region || *t == ValueType::list(ValueType::Region);
    if arg.types.iter().any(wants_region)
        && let Some(region) = written_region(json)
    {
        return Value::Region(region);
    }
    match json {
        Json::Array(items) if !arg.types.contains(&ValueType::Json) => {
            Value::List(items.iter().cloned().map(Value::plain).collect())
        }
        other => Value::plain(other.clone()),
    }
}

/// A region as a plan writes it: the box, with or without a label and a score.
fn written_region(json: &Json) -> Option<Region> {
    let mut object = json.as_object()?.clone();
    object.entry("label").or_insert_with(|| Json::from(""));
    object.entry("score").or_insert_with(|| Json::from(1.0));
    serde_json::from_value(Json::Object(object)).ok()
}

/// Calls a tool, mapped over a list where its signature says so.
async fn call(cx: &Cx, tool: SharedTool, args: Args) -> Result<Value> {
    let signature = &tool.spec().signature;
    let mapped = signature
        .maps_over
        .as_deref()
        .filter(|name| args.get(name).is_some_and(|value| signature.maps(name, &ValueType::of(value))));
    match mapped {
        Some(name) => map(cx, &tool, &args, name).await,
        None => call_once(cx, &tool, args).await,
    }
}

async fn map(cx: &Cx, tool: &SharedTool, args: &Args, name: &str) -> Result<Value> {
    let Some(Value::List(items)) = args.get(name) else {
        return Err(Error::internal(format!("`{name}` is not a list")));
    };
    if items.len() > MAX_MAPPED {
        return Err(Error::new(
            ErrorKind::Tool,
            format!("`{name}` has {} elements, more than {MAX_MAPPED}; filter them first", items.len()),
        ));
    }
    let mut results = Vec::with_capacity(items.len());
    for item in items {
        cx.check()?;
        let mut one = args.clone();
        one.set(name, item.clone());
        match call_once(cx, tool, one).await? {
            Value::List(parts) => results.extend(parts),
            single => results.push(single),
        }
    }
    Ok(Value::List(results))
}

/// Calls a tool within its timeout; its panic becomes an error.
async fn call_once(cx: &Cx, tool: &SharedTool, args: Args) -> Result<Value> {
    use futures::FutureExt as _;
    let spec = tool.spec();
    // Inside the block, so that a panic before the first await is caught as well.
    let work = std::panic::AssertUnwindSafe(async { tool.call(cx, args).await }).catch_unwind();
    match tokio::time::timeout(spec.timeout, work).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => {
            Err(Error::new(ErrorKind::Tool, format!("`{}` panicked; this is a defect of the tool", spec.name)))
        }
        Err(_) => Err(Error::new(
            ErrorKind::Timeout,
            format!("`{}` took longer than {} ms", spec.name, spec.timeout.as_millis()),
        )),
    }
}
