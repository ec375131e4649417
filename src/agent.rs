//! The agent: one question through planner, executor and refiner.

mod arbitrate;
mod eyes;
mod guess;
mod infill;
mod questions;
mod report;
mod run;
mod standalone;
mod translate;
mod verify;
mod vote;

use std::sync::Arc;
use std::time::Instant;

pub use report::{Report, Timings, placed};

use self::run::Run;
use self::standalone::Rewriter;
use self::translate::Translator;

use futures::{Stream, StreamExt, stream};
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::chain::Bridge;
use crate::chat::ChatModel;
use crate::cx::{Cx, EventSink};
use crate::embedder::TextEmbedder;
use crate::error::{Error, ErrorKind, Result};
use crate::executor::Executor;
use crate::image::Image;
use crate::plan::{Fault, Plan, PlanLimits};
use crate::planner::{Auto, Controller, DecisionMaker, Move, Planner, Planning};
use crate::prompt::Prompts;
use crate::reason::{Arbiter, Asker, Critic, Infiller, Look, Recall, Splitter};
use crate::refiner::{Guesser, Refiner, SemanticsRefiner, Styler};
use crate::task::{Mode, Task};
use crate::tool::{Catalog, SharedTool, builtin};
use crate::trace::{self, Entry, Event, Past, Trace};

/// Answers questions about images. Cheap to clone; all clones share models and tools.
#[derive(Clone)]
pub struct Agent(Arc<Parts>);

struct Parts {
    model: String,
    catalog: Catalog,
    planners: Planners,
    executor: Executor,
    refiner: Arc<dyn Refiner>,
    guesser: Guesser,
    asker: Asker,
    splitter: Splitter,
    critic: Critic,
    arbiter: Arbiter,
    infiller: Infiller,
    /// Whether the LLM takes images, so that it can look for itself.
    looks: bool,
    rewriter: Rewriter,
    translator: Translator,
    styler: Styler,
}

/// The planner of each mode.
struct Planners {
    controller: Arc<dyn Planner>,
    decision_maker: Arc<dyn Planner>,
    auto: Arc<dyn Planner>,
}

impl Planners {
    fn of(&self, mode: Mode) -> &Arc<dyn Planner> {
        match mode {
            Mode::Controller => &self.controller,
            Mode::DecisionMaker => &self.decision_maker,
            Mode::Auto => &self.auto,
        }
    }
}

/// Puts an [`Agent`] together. Clones share the LLM and the tools.
#[derive(Clone)]
#[must_use]
pub struct AgentBuilder {
    chat: Option<Arc<dyn ChatModel>>,
    catalog: Catalog,
    prompts: Option<Prompts>,
    embedder: Option<Arc<dyn TextEmbedder>>,
    planner: Option<Arc<dyn Planner>>,
    refiner: Option<Arc<dyn Refiner>>,
    parallel: usize,
    max_repairs: u64,
    show_images: bool,
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

    /// Finds the demos that go along with a question by their meaning, too, and not by their words alone. A planner
    /// of your own does without.
    pub fn embedder(mut self, embedder: Arc<dyn TextEmbedder>) -> Self {
        self.embedder = Some(embedder);
        self
    }

    /// A planner of your own, in place of those of all modes.
    ///
    /// It is asked again after each [`Move::Steps`], and, as far as the mode allows, after the
    /// refiner found that the evidence does not suffice.
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

    /// Shows the images to the LLM that plans, which has to take images, but for tasks in [`Mode::Controller`].
    /// Answers rest on steps all the same. A planner of your own decides for itself.
    pub fn show_images(mut self, show: bool) -> Self {
        self.show_images = show;
        self
    }

    /// Builds the agent.
    ///
    /// # Errors
    /// `InvalidInput` when there is no LLM, no tool, a prompt file is faulty, or the LLM cannot be shown images.
    pub fn build(mut self) -> Result<Agent> {
        let chat = self.chat.ok_or_else(|| Error::invalid("the agent has no LLM; give one with `.chat(..)`"))?;
        if self.catalog.iter().next().is_none() {
            return Err(Error::invalid("the agent has no tool; give some with `.catalog(..)`"));
        }
        if !self.catalog.is_declared() {
            builtin::add_point_at(&mut self.catalog)?;
        }
        let prompts = Arc::new(self.prompts.map_or_else(Prompts::builtin, Ok)?);
        let planning = Planning::new(Arc::clone(&chat), self.catalog.clone(), Arc::clone(&prompts))?;
        let mut planning = planning.with_max_repairs(self.max_repairs);
        if let Some(embedder) = self.embedder {
            planning = planning.with_embedder(embedder);
        }
        let refiner = match self.refiner {
            Some(refiner) => refiner,
            None => {
                let refiner = SemanticsRefiner::new(Arc::clone(&chat), Arc::clone(&prompts))?;
                Arc::new(refiner.with_library(Arc::clone(planning.library()), self.catalog.clone()))
            }
        };
        let planners = match self.planner {
            Some(own) => Planners { controller: Arc::clone(&own), decision_maker: Arc::clone(&own), auto: own },
            None => planners(if self.show_images { planning.with_images()? } else { planning })?,
        };
        let able = chat.capabilities();
        let of_llm: [SharedTool; 2] = [
            Arc::new(Recall::new(Arc::clone(&chat), Arc::clone(&prompts))?),
            Arc::new(Look::new(Arc::clone(&chat), Arc::clone(&prompts))?),
        ];
        Ok(Agent(Arc::new(Parts {
            model: able.model,
            looks: able.images,
            executor: Executor::new(beside(&self.catalog, of_llm)?, self.parallel),
            catalog: self.catalog,
            planners,
            refiner,
            guesser: Guesser::new(Arc::clone(&chat), Arc::clone(&prompts))?,
            asker: Asker::new(Arc::clone(&chat), Arc::clone(&prompts))?,
            splitter: Splitter::new(Arc::clone(&chat), Arc::clone(&prompts))?,
            critic: Critic::new(Arc::clone(&chat), Arc::clone(&prompts))?,
            arbiter: Arbiter::new(Arc::clone(&chat), Arc::clone(&prompts))?,
            infiller: Infiller::new(Arc::clone(&chat), Arc::clone(&prompts))?,
            rewriter: Rewriter::new(Arc::clone(&chat), Arc::clone(&prompts))?,
            translator: Translator::new(Arc::clone(&chat), Arc::clone(&prompts))?,
            styler: Styler::new(chat, prompts)?,
        })))
    }
}

/// The tools of a catalog with those that are calls of the LLM, which no planner is offered. One that has the name of a
/// tool in the catalog is left out.
fn beside(catalog: &Catalog, of_llm: [SharedTool; 2]) -> Result<Catalog> {
    let mut all = catalog.clone();
    if !catalog.is_declared() {
        let new = of_llm.into_iter().filter(|tool| catalog.get(&tool.spec().name).is_none());
        for tool in new {
            all.add(tool)?;
        }
    }
    Ok(all)
}

fn planners(with: Planning) -> Result<Planners> {
    let controller: Arc<dyn Planner> = Arc::new(Controller::new(with.clone())?);
    let decision_maker: Arc<dyn Planner> = Arc::new(DecisionMaker::new(with)?);
    let auto = Arc::new(Auto::new(Arc::clone(&controller), Arc::clone(&decision_maker)));
    Ok(Planners { controller, decision_maker, auto })
}

/// What a caller can watch and stop a run with.
#[derive(Clone, Default)]
pub struct Watch {
    /// Stops the run.
    pub cancel: CancellationToken,
    /// Receive its events.
    pub sinks: Vec<Arc<dyn EventSink>>,
    /// What happened in the run before: it goes the same way again as far as that goes.
    pub past: Option<Arc<Past>>,
}

impl Agent {
    /// Starts putting an agent together.
    pub fn builder() -> AgentBuilder {
        AgentBuilder {
            chat: None,
            catalog: Catalog::new(),
            prompts: None,
            embedder: None,
            planner: None,
            refiner: None,
            parallel: Executor::PARALLEL,
            max_repairs: Planning::MAX_REPAIRS,
            show_images: false,
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
    /// `InvalidInput` when the question is empty or too long, or the tools are only declared.
    pub async fn ask(&self, task: &Task) -> Result<Report> {
        self.ask_watched(task, Watch::default()).await
    }

    /// Answers a task that the caller watches and may stop.
    ///
    /// # Errors
    /// As [`Agent::ask`].
    pub async fn ask_watched(&self, task: &Task, watch: Watch) -> Result<Report> {
        self.check_runnable(task)?;
        let mut budget = task.budget.clone();
        if watch.past.as_ref().is_some_and(|past| past.is_all()) {
            // How long it takes to do a run again is not how long it took.
            budget.timeout_ms = u64::MAX;
        }
        let cx = Cx::with(budget, watch.cancel, watch.sinks).after(watch.past);
        for image in &task.images {
            cx.keep_image(image);
        }
        self.emit_start(&cx, task);
        let mut run = Run::new(&cx, self, task);
        let began = Instant::now();
        let outcome = run.go().await;
        Ok(run.report(outcome, began).await)
    }

    /// Answers a task as a stream of its events; the last one is `answered` or `failed`.
    ///
    /// The run goes on by itself, whether or not the stream is read; dropping the stream cancels it.
    ///
    /// # Errors
    /// As [`Agent::ask`]; `InvalidInput` outside of a Tokio runtime.
    pub fn stream(&self, task: Task) -> Result<impl Stream<Item = Entry> + Send + use<>> {
        self.check_runnable(&task)?;
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|e| Error::invalid("a stream of events needs a Tokio runtime around it").with_source(e))?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let cancel = CancellationToken::new();
        let watch = Watch { cancel: cancel.clone(), sinks: vec![Arc::new(Channel(sender))], past: None };
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

    /// Plans a task as the controller and checks the plan, without running anything.
    ///
    /// A question that goes on from earlier ones is rewritten to stand alone before, and one in another script than that
    /// of English translated; with declared tools neither is done.
    ///
    /// # Errors
    /// `Plan` when no valid plan comes about; those of the LLM; `Budget` when a limit is reached.
    pub async fn plan(&self, task: &Task, watch: Watch) -> Result<Trace> {
        self.plan_within(task, &Cx::with(task.budget.clone(), watch.cancel, watch.sinks)).await
    }

    /// As [`Agent::plan`], in a run of the caller's, who then can tell what it cost.
    pub(crate) async fn plan_within(&self, task: &Task, cx: &Cx) -> Result<Trace> {
        task.validate()?;
        // A request to declared tools names files and texts that are arguments as they are.
        let declared = self.0.catalog.is_declared();
        let alone = if declared { None } else { self.0.rewriter.standing_alone(cx, task).await? };
        let task = alone.as_ref().unwrap_or(task);
        let english = if declared { None } else { self.0.translator.in_english(cx, task).await? };
        let task = english.as_ref().unwrap_or(task);
        let known = Trace::default();
        let Move::Plan { plan, repairs } = self.0.planners.controller.next(cx, task, &known).await? else {
            return Err(Error::new(ErrorKind::Plan, "this agent's planner does not plan ahead"));
        };
        let faults = self.0.catalog.check(&plan, &limits_of(task));
        if let Some(fault) = faults.first() {
            let error = Error::new(ErrorKind::Plan, format!("the plan cannot be run: {fault}"));
            cx.emit(Event::Faults { plan: plan.to_json(), faults }, &[]);
            return Err(error);
        }
        Ok(Trace { plan: Some(plan), repairs, ..Trace::default() })
    }

    /// A plan from its JSON form, checked against the tools, for a task.
    ///
    /// # Errors
    /// `InvalidInput` naming what is wrong with it.
    pub fn plan_of(&self, json: &Json, task: &Task) -> Result<Plan> {
        let faulty = |faults: &[Fault]| {
            let listed: Vec<String> = faults.iter().take(3).map(ToString::to_string).collect();
            Error::invalid(format!("the plan is faulty: {}", listed.join("; ")))
        };
        let plan = Plan::from_json(json).map_err(|faults| faulty(&faults))?;
        let faults = self.0.catalog.check(&plan, &limits_of(task));
        if faults.is_empty() { Ok(plan) } else { Err(faulty(&faults)) }
    }

    fn check_runnable(&self, task: &Task) -> Result<()> {
        task.validate()?;
        if self.0.catalog.is_declared() {
            let why = "these tools are only declared and nothing can run them; use `lavr plan`, or `Agent::plan`";
            return Err(Error::invalid(why));
        }
        self.check_bridge(task)
    }

    /// Eyes of its own need an LLM that takes images, and no tool in their way.
    fn check_bridge(&self, task: &Task) -> Result<()> {
        if task.chain.bridge == Bridge::Expert {
            return Ok(());
        }
        if !self.0.looks {
            let message = format!("the LLM `{}` takes no images; `bridge=expert` does without", self.0.model);
            return Err(Error::invalid(message));
        }
        if self.0.catalog.get(Look::NAME).is_some() {
            let message = format!("a tool is named `{}`, so the LLM cannot look for itself; rename it", Look::NAME);
            return Err(Error::invalid(message));
        }
        Ok(())
    }

    fn emit_start(&self, cx: &Cx, task: &Task) {
        let event = Event::Started {
            lavr: env!("CARGO_PKG_VERSION").to_owned(),
            question: task.question.clone(),
            images: task.images.iter().map(|i| json!({ "blob": i.digest() })).collect(),
            model: self.0.model.clone(),
            task: task.settings(),
            at: Some(trace::now()),
        };
        cx.emit(event, &task.all_images());
    }
}

/// What a plan for a task may have.
fn limits_of(task: &Task) -> PlanLimits {
    let max_steps = usize::try_from(task.budget.max_steps).unwrap_or(usize::MAX);
    PlanLimits { max_steps, images: task.images.len() }
}

/// Passes events on to whoever receives them.
pub(crate) struct Channel(pub(crate) mpsc::UnboundedSender<Entry>);

impl EventSink for Channel {
    fn event(&self, entry: &Entry, _images: &[&Image]) {
        // Entries hold whole prompts: nobody who listens, no copy.
        if !self.0.is_closed() {
            let _ = self.0.send(entry.clone());
        }
    }
}
