//! One run: moves of a planner, their execution, and the refiner's verdict, until there is an answer.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tokio_util::task::AbortOnDropHandle;

use super::report::{Report, Timings, partial, unanswerable};
use super::{Agent, Parts};
use crate::answer::{Answer, Status};
use crate::chain::{Bridge, Pattern, Questions, Stop};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::observation::Failure;
use crate::plan::{self, Plan, Reference, Step};
use crate::planner::Move;
use crate::pointed::Pointed;
use crate::refiner::{Evidence, Verdict};
use crate::task::{Mode, Task};
use crate::tool::{Catalog, SharedTool};
use crate::trace::{Event, Past, Round, Trace};

/// Rounds in a row that may ask only for what is known.
const MAX_IDLE: usize = 2;

/// One run of an agent.
pub(super) struct Run<'a> {
    pub(super) cx: &'a Cx,
    pub(super) parts: &'a Parts,
    /// The task, its question in English.
    pub(super) task: Cow<'a, Task>,
    /// The task as it was asked, its question standing alone.
    asked: Cow<'a, Task>,
    /// The question in English, where it was translated.
    translated: Option<String>,
    experts: Experts,
    pub(super) trace: Trace,
    pub(super) timings: Timings,
    /// How often the refiner may still send the run back to planning.
    reopenings: usize,
    /// Rounds in a row that brought nothing new.
    idle: usize,
    /// What the refiner has judged: how many observations, and which result.
    judged: (usize, Option<Reference>),
    /// The answer from what was known when the rounds were used up.
    pub(super) partial: Option<Answer>,
    /// The planner may not be asked again, while time and tokens are left.
    pub(super) rounds_used_up: bool,
}

/// What a move asks the run to do after it.
#[derive(PartialEq)]
enum Then {
    Plan,
    Refine,
}

impl<'a> Run<'a> {
    /// Begins: experts load while the LLM plans.
    pub(super) fn new(cx: &'a Cx, agent: &'a Agent, task: &'a Task) -> Self {
        let parts = agent.0.as_ref();
        // The first reopening of `auto` begins the rounds, the last one asks for what is still missing.
        let reopenings = match task.mode {
            _ if task.chain.stop != Stop::Adaptive => 0,
            Mode::Controller => 0,
            Mode::DecisionMaker => 1,
            // A guess comes in place of the rounds.
            Mode::Auto if task.guess => 0,
            Mode::Auto => 2,
        };
        Self {
            cx,
            parts,
            task: Cow::Borrowed(task),
            asked: Cow::Borrowed(task),
            translated: None,
            experts: Experts::load(cx, &parts.catalog, task.region.is_some()),
            trace: Trace::default(),
            timings: Timings::default(),
            reopenings,
            idle: 0,
            judged: (0, None),
            partial: None,
            rounds_used_up: false,
        }
    }

    pub(super) async fn go(&mut self) -> Result<Verdict> {
        let began = Instant::now();
        let understood = self.understand().await;
        self.timings.plan_ms += millis(began);
        understood?;
        let outcome = self.reason().await;
        if self.task.guess { self.with_guess(outcome).await } else { outcome }
    }

    /// Has a question that stands alone, and in English, from here on.
    async fn understand(&mut self) -> Result<()> {
        if let Some(task) = self.parts.rewriter.standing_alone(self.cx, &self.asked).await? {
            self.task = Cow::Owned(task.clone());
            self.asked = Cow::Owned(task);
        }
        if let Some(task) = self.parts.translator.in_english(self.cx, &self.asked).await? {
            self.translated = Some(task.question.clone());
            self.task = Cow::Owned(task);
        }
        Ok(())
    }

    /// The answer in the style and the language that were asked for.
    async fn styled(&mut self, answer: Answer) -> Result<Answer> {
        let began = Instant::now();
        let styled = self.parts.styler.style(self.cx, &self.asked, &self.trace, answer).await;
        self.timings.refine_ms += millis(began);
        styled
    }

    /// Comes to a verdict in the way that the chain says.
    async fn reason(&mut self) -> Result<Verdict> {
        let chain = self.task.chain.clone();
        if let Some(pointed) = &self.task.region.clone() {
            self.point_at(pointed).await?;
        }
        if chain.bridge == Bridge::Native {
            return self.look_only().await;
        }
        let found = match (chain.pattern, chain.questions) {
            (Pattern::Infilling, _) => self.infill().await,
            (Pattern::Predicting, Questions::Off) => self.decide().await,
            (Pattern::Predicting, _) => self.by_questions().await,
        };
        let found = if chain.verify { found.map(|verdict| self.or_absent(verdict)) } else { found };
        let found = if chain.arbitrate {
            let verdict = self.kept(found?);
            self.arbitrated(verdict).await
        } else {
            found
        };
        let found = if chain.critic {
            let verdict = self.kept(found?);
            self.criticised(verdict).await
        } else {
            found
        };
        let found = if chain.bridge == Bridge::Both {
            let verdict = self.kept(found?);
            self.look_as_well(verdict).await
        } else {
            found
        };
        if chain.verify { found.map(|verdict| self.with_contradictions(verdict)) } else { found }
    }

    /// A verdict whose answer is what is known when a limit ends the run before more comes of it.
    pub(super) fn kept(&mut self, verdict: Verdict) -> Verdict {
        if let Verdict::Answer(answer) = &verdict {
            self.partial = Some(Answer { status: Status::Budget, ..answer.clone() });
        }
        verdict
    }

    /// A verdict that a critic has nothing against; else what comes of going on once where the mode allows it, and the
    /// objection beside the answer where nothing better does.
    async fn criticised(&mut self, verdict: Verdict) -> Result<Verdict> {
        let Verdict::Answer(mut answer) = verdict else { return Ok(verdict) };
        let objection = match self.objection(&answer).await {
            // An answer that could not be criticised is one all the same.
            Err(error) if !is_over(&error) => {
                tracing::debug!("no criticism: {}", error.for_log());
                None
            }
            objection => objection?,
        };
        let Some(objection) = objection else { return Ok(Verdict::Answer(answer)) };
        self.cx.emit(Event::Objected { answer: answer.text.clone(), objection: objection.clone() }, &[]);
        answer.against = Some(objection.clone());
        if self.task.mode == Mode::Controller || self.fixed().is_some() {
            return Ok(Verdict::Answer(answer));
        }
        self.trace.missing = Some(objection);
        self.reopenings = 0;
        match self.decide().await {
            Ok(Verdict::Answer(better)) => Ok(Verdict::Answer(better)),
            Ok(Verdict::NotEnough { .. }) => Ok(Verdict::Answer(answer)),
            Err(error) if self.only_rounds_are_used_up(&error) || !is_over(&error) => Ok(Verdict::Answer(answer)),
            Err(error) => Err(error),
        }
    }

    async fn objection(&mut self, answer: &Answer) -> Result<Option<String>> {
        let began = Instant::now();
        let question = self.task.question.trim();
        let evidence = Evidence::gather(question, &self.trace).text();
        let objection = self.parts.critic.objection(self.cx, question, &evidence, &answer.text).await;
        self.timings.refine_ms += millis(began);
        objection
    }

    /// An error says that the rounds are used up, and nothing but them.
    pub(super) fn only_rounds_are_used_up(&self, error: &Error) -> bool {
        let meter = self.cx.meter();
        error.kind() == ErrorKind::Budget && meter.rounds() >= meter.budget().max_rounds && self.cx.check().is_ok()
    }

    /// Plans, executes and refines until there is a verdict.
    pub(super) async fn decide(&mut self) -> Result<Verdict> {
        let mut voted = if self.task.chain.votes > 1 { self.voted().await? } else { None };
        loop {
            let verdict = match voted.take() {
                Some(verdict) => verdict,
                None => match self.go_on().await? {
                    Some(verdict) => return Ok(verdict),
                    None => self.refine().await?,
                },
            };
            let missing = match verdict {
                Verdict::NotEnough { missing } if self.reopenings > 0 => missing,
                verdict => return Ok(verdict),
            };
            self.reopenings -= 1;
            self.cx.emit(Event::NotEnough { missing: missing.clone() }, &[]);
            self.trace.missing = Some(missing);
        }
    }

    /// The verdict of a vote; nothing where there was one already, or no plan came about and rounds may.
    async fn voted(&mut self) -> Result<Option<Verdict>> {
        if !self.trace.is_blank() {
            return Ok(None);
        }
        match self.vote().await {
            Ok(verdict) => Ok(Some(verdict)),
            Err(error) if error.kind() == ErrorKind::Plan && self.task.mode != Mode::Controller => {
                tracing::debug!("no vote, so rounds: {}", error.for_log());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Plans and executes until there is something to refine, or a verdict without that.
    pub(super) async fn go_on(&mut self) -> Result<Option<Verdict>> {
        loop {
            let next = match self.next().await {
                Err(error) if error.kind() == ErrorKind::Budget => return Err(self.out_of_rounds(error).await),
                // What is known may do all the same.
                Err(error) if error.kind() == ErrorKind::Plan && !self.trace.is_blank() => {
                    tracing::debug!("the rounds ended: {}", error.for_log());
                    return self.last_word().await.map(Some);
                }
                next => next?,
            };
            let then = match next {
                Move::Plan { plan, repairs } => {
                    self.trace.repairs += repairs;
                    self.execute(plan).await?;
                    Then::Refine
                }
                Move::Steps { steps, round, repairs } => self.steps(steps, round, repairs).await?,
                Move::Finish { result, round, repairs } => match self.finish(result, round, repairs) {
                    Some(missing) => return Ok(Some(Verdict::NotEnough { missing })),
                    None => Then::Refine,
                },
            };
            if then == Then::Refine {
                return Ok(None);
            }
        }
    }

    /// Finds out what the user points at, before anything is planned.
    async fn point_at(&mut self, pointed: &Pointed) -> Result<()> {
        if let Some(mask) = pointed.outline() {
            self.cx.keep_image(&mask.pixels);
        }
        let step = plan::region_step(pointed)?;
        let result = Reference::to(&step.id);
        self.execute(Plan { steps: vec![step], result }).await
    }

    /// How many rounds there are, where that is fixed.
    fn fixed(&self) -> Option<u64> {
        if let Stop::Fixed(rounds) = self.task.chain.stop { Some(rounds) } else { None }
    }

    /// Several first moves, the most probable one first.
    pub(super) async fn sample(&mut self, moves: u32) -> Result<Vec<Move>> {
        let began = Instant::now();
        let sampled = self.parts.planners.of(self.task.mode).sample(self.cx, &self.task, moves).await;
        self.timings.plan_ms += millis(began);
        sampled
    }

    async fn next(&mut self) -> Result<Move> {
        let began = Instant::now();
        // A fixed number of rounds is one of a decision maker's.
        let mode = if self.fixed().is_some() { Mode::DecisionMaker } else { self.task.mode };
        let next = self.parts.planners.of(mode).next(self.cx, &self.task, &self.trace).await;
        self.timings.plan_ms += millis(began);
        next
    }

    /// Runs the steps of a round. When rounds ask only for what is known, what is known has to do.
    async fn steps(&mut self, steps: Vec<Step>, round: Round, repairs: u64) -> Result<Then> {
        self.trace.repairs += repairs;
        self.trace.rounds.push(round);
        let Some(last) = steps.last() else { return Ok(Then::Refine) };
        let result = Reference::to(&last.id);
        let all = self.trace.steps().iter().cloned().chain(steps).collect();
        let before = self.trace.observations.len();
        self.execute(Plan { steps: all, result }).await?;
        let news = self.trace.observations.iter().skip(before).any(|o| o.same_as.is_none());
        let same_as = self.trace.observations.last().and_then(|o| o.same_as.clone());
        if let (Some(plan), Some(same_as)) = (&mut self.trace.plan, same_as) {
            plan.result = Reference::to(same_as);
        }
        self.idle = if news { 0 } else { self.idle + 1 };
        let goes_on = match self.fixed() {
            Some(rounds) => rounds > 1,
            None => self.idle < MAX_IDLE,
        };
        Ok(if goes_on { Then::Plan } else { Then::Refine })
    }

    /// Ends the rounds; what is missing when nothing answers the question.
    fn finish(&mut self, result: Option<Reference>, round: Round, repairs: u64) -> Option<String> {
        self.trace.repairs += repairs;
        let missing = round.missing.clone().or_else(|| self.trace.missing.clone());
        self.trace.rounds.push(round);
        let Some(result) = result else { return Some(missing.unwrap_or_default()) };
        if let Some(plan) = &mut self.trace.plan {
            plan.result = result;
        }
        // The refiner has seen all of this, and said what is missing.
        self.trace.missing.clone().filter(|_| self.judged == self.state())
    }

    /// Runs what is not known of a plan, and readies the refiner meanwhile.
    pub(super) async fn execute(&mut self, plan: Plan) -> Result<()> {
        let began = Instant::now();
        self.experts.wait_for(&plan).await;
        let known = &self.trace.observations;
        let executor = &self.parts.executor;
        let executor = if self.task.chain.verify { &executor.verifying() } else { executor };
        let execution = async {
            let execution = executor.resume(self.cx, &plan, &self.task.images, known).await;
            (execution, millis(began))
        };
        let ((execution, took), prepared) = tokio::join!(execution, self.parts.refiner.prepare(self.cx, &self.task));
        if let Err(error) = prepared {
            tracing::debug!("the refiner is not prepared: {}", error.for_log());
        }
        self.timings.execute_ms += took;
        self.timings.refine_ms += millis(began).saturating_sub(took);
        self.trace.plan = Some(plan);
        let before = self.trace.observations.len();
        self.trace.observations.extend(execution.observations);
        self.trace.verified.extend(execution.verified);
        if self.task.chain.verify {
            self.note_contradictions(before);
        }
        execution.stopped.map_or(Ok(()), Err)
    }

    pub(super) async fn refine(&mut self) -> Result<Verdict> {
        self.is_judged();
        let began = Instant::now();
        let verdict = self.parts.refiner.refine(self.cx, &self.task, &self.trace).await;
        self.timings.refine_ms += millis(began);
        verdict
    }

    /// The verdict on a part of what is known.
    pub(super) async fn refine_alone(&mut self, known: &Trace) -> Result<Verdict> {
        let began = Instant::now();
        let verdict = self.parts.refiner.refine(self.cx, &self.task, known).await;
        self.timings.refine_ms += millis(began);
        verdict
    }

    /// What is known now has been judged.
    pub(super) fn is_judged(&mut self) {
        self.judged = self.state();
    }

    /// Judges what is known, unless that was done.
    async fn last_word(&mut self) -> Result<Verdict> {
        match self.trace.missing.clone().filter(|_| self.judged == self.state()) {
            Some(missing) => Ok(Verdict::NotEnough { missing }),
            None => self.refine().await,
        }
    }

    /// When no round is left but time and tokens are, the refiner says what is known by then.
    async fn out_of_rounds(&mut self, error: Error) -> Error {
        if self.cx.check().is_ok() && !self.trace.is_blank() && self.judged != self.state() {
            match self.refine().await {
                Ok(Verdict::Answer(answer)) => self.partial = Some(Answer { status: Status::Budget, ..answer }),
                Ok(Verdict::NotEnough { missing }) => self.trace.missing = Some(missing),
                Err(_) => {}
            }
        }
        self.rounds_used_up = self.only_rounds_are_used_up(&error);
        self.cx.check().err().filter(|stopped| stopped.kind() == ErrorKind::Cancelled).unwrap_or(error)
    }

    /// What there is to judge.
    fn state(&self) -> (usize, Option<Reference>) {
        (self.trace.observations.len(), self.trace.plan.as_ref().map(|plan| plan.result.clone()))
    }

    pub(super) async fn report(mut self, outcome: Result<Verdict>, began: Instant) -> Report {
        let (answer, error) = match outcome {
            Ok(Verdict::Answer(answer)) => (answer, None),
            Ok(Verdict::NotEnough { missing }) => (unanswerable(&missing), None),
            Err(error) if error.kind() == ErrorKind::Budget => {
                let known = self.partial.take().unwrap_or_else(|| partial(&self.trace));
                (known, Some(Failure::from(&error)))
            }
            Err(error) => (Answer::default(), Some(Failure::from(&error))),
        };
        let (answer, error) = match self.styled(answer).await {
            Ok(answer) => (answer, error),
            Err(stopped) => (Answer::default(), Some(Failure::from(&stopped))),
        };
        self.timings.total_ms = millis(began);
        let usage = self.cx.meter().usage();
        let event = match (&error, answer.status) {
            (Some(error), Status::Failed) => Event::Failed { error: error.clone(), usage },
            _ => Event::Answered { answer: answer.clone(), usage, error: error.clone() },
        };
        self.cx.emit(event, &[]);
        let standalone = match self.asked {
            Cow::Owned(task) => Some(task.question),
            Cow::Borrowed(_) => None,
        };
        let translated = self.translated;
        Report { answer, standalone, translated, trace: self.trace, usage, timings: self.timings, error }
    }
}

/// Tools that load what they need, in the background.
///
/// A tool that cannot says so when it is called; dropping this stops the loading.
struct Experts(HashMap<String, AbortOnDropHandle<()>>);

impl Experts {
    fn load(cx: &Cx, catalog: &Catalog, points: bool) -> Self {
        if cx.past().is_some_and(Past::is_all) {
            return Self(HashMap::new());
        }
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
        let unlisted = catalog.get(plan::POINT_AT).filter(|_| points);
        Self(catalog.shared().chain(unlisted).map(load).collect())
    }

    /// Waits for the tools that the plan calls, so that fetching and loading do not count as a step's time.
    async fn wait_for(&mut self, plan: &Plan) {
        for step in &plan.steps {
            if let Some(loading) = self.0.remove(&step.tool) {
                // It ends in an error only when it panicked; the call will show why.
                let _ = loading.await;
            }
        }
    }
}

/// Whether an error ends the run, whatever it was about.
pub(super) fn is_over(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Budget)
}

pub(super) fn millis(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}
