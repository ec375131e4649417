//! The agent: one question through planner, executor and refiner.

mod report;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

pub use report::{Report, Timings, placed};

use futures::{Stream, StreamExt, stream};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::answer::{Answer, Status};
use crate::chat::ChatModel;
use crate::cx::{Cx, EventSink};
use crate::error::{Error, ErrorKind, Result};
use crate::executor::Executor;
use crate::image::Image;
use crate::observation::Failure;
use crate::plan::{Plan, PlanLimits};
use crate::planner::{Controller, Move, Planner};
use crate::prompt::Prompts;
use crate::refiner::{Refiner, SemanticsRefiner, Verdict};
use crate::task::Task;
use crate::tool::{Catalog, SharedTool};
use crate::trace::{Entry, Event, Trace};

/// Answers questions about images. Cheap to clone; all clones share models and tools.
#[derive(Clone)]
pub struct Agent(Arc<Parts>);

struct Parts {
    model: String,
    catalog: Catalog,
    planner: Arc<dyn Planner>,
    executor: Executor,
    refiner: Arc<dyn Refiner>,
}

/// Puts an [`Agent`] together.
#[must_use]
pub struct AgentBuilder {
    chat: Option<Arc<dyn ChatModel>>,
    catalog: Catalog,
    prompts: Option<Prompts>,
    planner: Option<Arc<dyn Planner>>,
    refiner: Option<Arc<dyn Refiner>>,
    parallel: usize,
    max_repairs: u64,
}

impl AgentBuilder {
    /// The LLM that plans and words the answers. Required.
    pub fn chat(mut self, chat: Arc<dyn ChatModel>) -> Self {
        self.chat = Some(chat);
        self
    }

    /// The tools a plan may call. Required.
    pub fn catalog(mut self, catalog: Catalog) -> Self {
        self.catalog = catalog;
        self
    }

    /// Templates and demos other than the compiled-in ones.
    pub fn prompts(mut self, prompts: Prompts) -> Self {
        self.prompts = Some(prompts);
        self
    }

    /// A planner other than the [`Controller`].
    pub fn planner(mut self, planner: Arc<dyn Planner>) -> Self {
        self.planner = Some(planner);
        self
    }

    /// A refiner other than the [`SemanticsRefiner`].
    pub fn refiner(mut self, refiner: Arc<dyn Refiner>) -> Self {
        self.refiner = Some(refiner);
        self
    }

    /// How many steps may run at the same time.
    pub fn parallel(mut self, steps: usize) -> Self {
        self.parallel = steps;
        self
    }

    /// How often a faulty plan goes back to the LLM.
    pub fn max_repairs(mut self, repairs: u64) -> Self {
        self.max_repairs = repairs;
        self
    }

    /// Builds the agent.
    ///
    /// # Errors
    /// `InvalidInput` when there is no LLM, no tool, or a prompt file is faulty.
    pub fn build(self) -> Result<Agent> {
        let chat = self.chat.ok_or_else(|| Error::invalid("the agent has no LLM; give one with `.chat(..)`"))?;
        if self.catalog.iter().next().is_none() {
            return Err(Error::invalid("the agent has no tool; give some with `.catalog(..)`"));
        }
        let prompts = Arc::new(self.prompts.map_or_else(Prompts::builtin, Ok)?);
        let planner = match self.planner {
            Some(planner) => planner,
            None => Arc::new(Controller::new(
                Arc::clone(&chat),
                self.catalog.clone(),
                Arc::clone(&prompts),
                self.max_repairs,
            )?),
        };
        let refiner = match self.refiner {
            Some(refiner) => refiner,
            None => Arc::new(SemanticsRefiner::new(Arc::clone(&chat), prompts)?),
        };
        Ok(Agent(Arc::new(Parts {
            model: chat.capabilities().model,
            executor: Executor::new(self.catalog.clone(), self.parallel),
            catalog: self.catalog,
            planner,
            refiner,
        })))
    }
}

/// What a caller can watch and stop a run with.
#[derive(Clone, Default)]
pub struct Watch {
    /// Stops the run.
    pub cancel: CancellationToken,
    /// Receive its events.
    pub sinks: Vec<Arc<dyn EventSink>>,
}

impl Agent {
    /// Starts putting an agent together.
    pub fn builder() -> AgentBuilder {
        AgentBuilder {
            chat: None,
            catalog: Catalog::new(),
            prompts: None,
            planner: None,
            refiner: None,
            parallel: Executor::PARALLEL,
            max_repairs: Controller::MAX_REPAIRS,
        }
    }

    /// The tools of this agent.
    pub fn catalog(&self) -> &Catalog {
        &self.0.catalog
    }

    /// Answers a task.
    ///
    /// A run that began always returns a report: its `answer.status` says
    /// whether the question was answered, and `error` why it was not.
    ///
    /// # Errors
    /// `InvalidInput` when the question is empty or too long.
    pub async fn ask(&self, task: &Task) -> Result<Report> {
        self.ask_watched(task, Watch::default()).await
    }

    /// Answers a task that the caller watches and may stop.
    ///
    /// # Errors
    /// As [`Agent::ask`].
    pub async fn ask_watched(&self, task: &Task, watch: Watch) -> Result<Report> {
        task.validate()?;
        let cx = Cx::with(task.budget.clone(), watch.cancel, watch.sinks);
        for image in &task.images {
            cx.keep_image(image);
        }
        self.emit_start(&cx, task);
        let mut run = Run { cx: &cx, trace: Trace::default(), timings: Timings::default() };
        let began = Instant::now();
        let outcome = run.go(self, task).await;
        run.timings.total_ms = millis(began);
        Ok(run.report(outcome))
    }

    /// Answers a task as a stream of its events; the last one is `answered` or `failed`.
    ///
    /// The run goes on by itself, whether or not the stream is read; dropping the stream cancels it.
    ///
    /// # Errors
    /// As [`Agent::ask`]; `InvalidInput` outside of a Tokio runtime.
    pub fn stream(&self, task: Task) -> Result<impl Stream<Item = Entry> + Send + use<>> {
        task.validate()?;
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|e| Error::invalid("a stream of events needs a Tokio runtime around it").with_source(e))?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let cancel = CancellationToken::new();
        let watch = Watch { cancel: cancel.clone(), sinks: vec![Arc::new(Channel(Mutex::new(sender)))] };
        let agent = self.clone();
        runtime.spawn(async move { agent.ask_watched(&task, watch).await });
        // Work that a tool left running may hold the channel open; the last event ends the stream all the same.
        let state = Some((receiver, cancel.drop_guard()));
        Ok(stream::unfold(state, |state| async move {
            let (mut receiver, guard) = state?;
            let entry: Entry = receiver.recv().await?;
            let last = matches!(entry.event, Event::Answered { .. } | Event::Failed { .. });
            Some((entry, (!last).then_some((receiver, guard))))
        })
        .boxed())
    }

    /// Plans a task and checks the plan, without running anything.
    ///
    /// # Errors
    /// `Plan` when no valid plan comes about; those of the LLM; `Budget` when a limit is reached.
    pub async fn plan(&self, task: &Task, watch: Watch) -> Result<Trace> {
        task.validate()?;
        let cx = Cx::with(task.budget.clone(), watch.cancel, watch.sinks);
        let known = Trace::default();
        let Move::Plan { plan, repairs } = self.0.planner.next(&cx, task, &known).await?;
        let max_steps = usize::try_from(task.budget.max_steps).unwrap_or(usize::MAX);
        let limits = PlanLimits { max_steps, images: task.images.len() };
        let faults = self.0.catalog.check(&plan, &limits);
        if let Some(fault) = faults.first() {
            let error = Error::new(ErrorKind::Plan, format!("the plan cannot be run: {fault}"));
            cx.emit(Event::Faults { plan: plan.to_json(), faults }, &[]);
            return Err(error);
        }
        Ok(Trace { plan: Some(plan), repairs, observations: Vec::new() })
    }

    fn emit_start(&self, cx: &Cx, task: &Task) {
        let images: Vec<&Image> = task.images.iter().collect();
        let event = Event::Started {
            lavr: env!("CARGO_PKG_VERSION").to_owned(),
            question: task.question.clone(),
            images: images.iter().map(|i| json!({ "blob": i.digest() })).collect(),
            model: self.0.model.clone(),
        };
        cx.emit(event, &images);
    }
}

struct Run<'a> {
    cx: &'a Cx,
    trace: Trace,
    timings: Timings,
}

impl Run<'_> {
    async fn go(&mut self, agent: &Agent, task: &Task) -> Result<Verdict> {
        let parts = &agent.0;
        let began = Instant::now();
        // Experts load while the LLM plans, the refiner's prompt while the experts see.
        let experts = Experts::load(self.cx, &parts.catalog);
        let next = parts.planner.next(self.cx, task, &self.trace).await;
        self.timings.plan_ms = millis(began);
        let Move::Plan { plan, repairs } = next?;
        self.trace.repairs = repairs;
        let began = Instant::now();
        experts.wait_for(&plan).await;
        let execution = async {
            let execution = parts.executor.run(self.cx, &plan, &task.images).await;
            (execution, millis(began))
        };
        let ((execution, took), prepared) = tokio::join!(execution, parts.refiner.prepare(self.cx));
        if let Err(error) = prepared {
            tracing::debug!("the refiner is not prepared: {}", error.for_log());
        }
        self.timings.execute_ms = took;
        let prepare_ms = millis(began).saturating_sub(took);
        self.trace.plan = Some(plan);
        self.trace.observations = execution.observations;
        if let Some(stopped) = execution.stopped {
            return Err(stopped);
        }
        let began = Instant::now();
        let verdict = parts.refiner.refine(self.cx, task, &self.trace).await;
        self.timings.refine_ms = prepare_ms + millis(began);
        verdict
    }

    fn report(self, outcome: Result<Verdict>) -> Report {
        let (answer, error) = match outcome {
            Ok(Verdict::Answer(answer)) => (answer, None),
            Ok(Verdict::NotEnough { missing }) => (unanswerable(&missing), None),
            Err(error) if error.kind() == ErrorKind::Budget => (partial(&self.trace), Some(Failure::from(&error))),
            Err(error) => (failed(), Some(Failure::from(&error))),
        };
        let usage = self.cx.meter().usage();
        let event = match (&error, answer.status) {
            (Some(error), Status::Failed) => Event::Failed { error: error.clone(), usage },
            _ => Event::Answered { answer: answer.clone(), usage, error: error.clone() },
        };
        self.cx.emit(event, &[]);
        Report { answer, trace: self.trace, usage, timings: self.timings, error }
    }
}

/// Tools that load what they need, in the background.
///
/// A tool that cannot says so when it is called; dropping this stops the loading.
struct Experts(HashMap<String, AbortOnDropHandle<()>>);

impl Experts {
    fn load(cx: &Cx, catalog: &Catalog) -> Self {
        let load = |tool: &SharedTool| {
            let (tool, cx) = (Arc::clone(tool), cx.clone());
            let name = tool.spec().name.clone();
            let work = tokio::spawn(async move {
                if let Err(error) = cx.within(tool.prepare(&cx)).await {
                    tracing::debug!(tool = %tool.spec().name, "not prepared: {}", error.for_log());
                }
            });
            (name, AbortOnDropHandle::new(work))
        };
        Self(catalog.shared().map(load).collect())
    }

    /// Waits for the tools that the plan calls, so that fetching and loading do not count as a step's time.
    async fn wait_for(mut self, plan: &Plan) {
        for step in &plan.steps {
            if let Some(loading) = self.0.remove(&step.tool) {
                // It ends in an error only when it panicked; the call will show why.
                let _ = loading.await;
            }
        }
    }
}

fn unanswerable(missing: &str) -> Answer {
    let missing = missing.trim().trim_end_matches('.');
    let reason = if missing.is_empty() { String::new() } else { format!(": {missing}") };
    Answer {
        text: format!("The evidence does not answer this{reason}."),
        status: Status::Unanswerable,
        claims: Vec::new(),
    }
}

/// What is known when a limit ends the run: the results as they are, without an LLM.
fn partial(known: &Trace) -> Answer {
    let claims = crate::refiner::plain_claims(known);
    let text = if claims.is_empty() {
        "Nothing was found out before the limit was reached.".to_owned()
    } else {
        claims.iter().map(|c| c.text.as_str()).collect::<Vec<_>>().join(" ")
    };
    Answer { text, status: Status::Budget, claims }
}

fn failed() -> Answer {
    Answer { text: String::new(), status: Status::Failed, claims: Vec::new() }
}

fn millis(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

struct Channel(Mutex<mpsc::UnboundedSender<Entry>>);

impl EventSink for Channel {
    fn event(&self, entry: &Entry, _images: &[&Image]) {
        if let Ok(sender) = self.0.lock() {
            // The receiver is gone when the stream was dropped; the run is being cancelled then.
            let _ = sender.send(entry.clone());
        }
    }
}
