//! One run: moves of a planner, their execution, and the refiner's verdict, until there is an answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tokio_util::task::AbortOnDropHandle;

use super::report::{Report, Timings};
use super::{Agent, Parts};
use crate::answer::{Answer, Status};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::observation::Failure;
use crate::plan::{Plan, Reference, Step};
use crate::planner::Move;
use crate::refiner::Verdict;
use crate::task::{Mode, Task};
use crate::tool::{Catalog, SharedTool};
use crate::trace::{Event, Round, Trace};

/// Rounds in a row that may ask only for what is known.
const MAX_IDLE: usize = 2;

/// One run of an agent.
pub(super) struct Run<'a> {
    pub(super) cx: &'a Cx,
    pub(super) parts: &'a Parts,
    pub(super) task: &'a Task,
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
            Mode::Controller => 0,
            Mode::DecisionMaker => 1,
            // A guess comes in place of the rounds.
            Mode::Auto if task.guess => 0,
            Mode::Auto => 2,
        };
        Self {
            cx,
            parts,
            task,
            experts: Experts::load(cx, &parts.catalog),
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
        let outcome = self.decide().await;
        if self.task.guess { self.with_guess(outcome).await } else { outcome }
    }

    /// Plans, executes and refines until there is a verdict.
    async fn decide(&mut self) -> Result<Verdict> {
        loop {
            let next = match self.next().await {
                Err(error) if error.kind() == ErrorKind::Budget => return Err(self.out_of_rounds(error).await),
                // What is known may do all the same.
                Err(error) if error.kind() == ErrorKind::Plan && !self.trace.observations.is_empty() => {
                    tracing::debug!("the rounds ended: {}", error.for_log());
                    return self.last_word().await;
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
                    Some(missing) => return Ok(Verdict::NotEnough { missing }),
                    None => Then::Refine,
                },
            };
            if then == Then::Plan {
                continue;
            }
            let missing = match self.refine().await? {
                Verdict::NotEnough { missing } if self.reopenings > 0 => missing,
                verdict => return Ok(verdict),
            };
            self.reopenings -= 1;
            self.cx.emit(Event::NotEnough { missing: missing.clone() }, &[]);
            self.trace.missing = Some(missing);
        }
    }

    async fn next(&mut self) -> Result<Move> {
        let began = Instant::now();
        let planner = self.parts.planners.of(self.task.mode);
        let next = planner.next(self.cx, self.task, &self.trace).await;
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
        Ok(if self.idle < MAX_IDLE { Then::Plan } else { Then::Refine })
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
        let execution = async {
            let execution = self.parts.executor.resume(self.cx, &plan, &self.task.images, known).await;
            (execution, millis(began))
        };
        let ((execution, took), prepared) = tokio::join!(execution, self.parts.refiner.prepare(self.cx));
        if let Err(error) = prepared {
            tracing::debug!("the refiner is not prepared: {}", error.for_log());
        }
        self.timings.execute_ms += took;
        self.timings.refine_ms += millis(began).saturating_sub(took);
        self.trace.plan = Some(plan);
        self.trace.observations.extend(execution.observations);
        execution.stopped.map_or(Ok(()), Err)
    }

    async fn refine(&mut self) -> Result<Verdict> {
        let began = Instant::now();
        self.judged = self.state();
        let verdict = self.parts.refiner.refine(self.cx, self.task, &self.trace).await;
        self.timings.refine_ms += millis(began);
        verdict
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
        if self.cx.check().is_ok()
            && self.judged != self.state()
            && let Ok(Verdict::Answer(answer)) = self.refine().await
        {
            self.partial = Some(Answer { status: Status::Budget, ..answer });
        }
        let meter = self.cx.meter();
        self.rounds_used_up = meter.rounds() >= meter.budget().max_rounds && self.cx.check().is_ok();
        self.cx.check().err().filter(|stopped| stopped.kind() == ErrorKind::Cancelled).unwrap_or(error)
    }

    /// What there is to judge.
    fn state(&self) -> (usize, Option<Reference>) {
        (self.trace.observations.len(), self.trace.plan.as_ref().map(|plan| plan.result.clone()))
    }

    pub(super) fn report(self, outcome: Result<Verdict>) -> Report {
        let (answer, error) = match outcome {
            Ok(Verdict::Answer(answer)) => (answer, None),
            Ok(Verdict::NotEnough { missing }) => (unanswerable(&missing), None),
            Err(error) if error.kind() == ErrorKind::Budget => {
                let known = self.partial.unwrap_or_else(|| partial(&self.trace));
                (known, Some(Failure::from(&error)))
            }
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
    async fn wait_for(&mut self, plan: &Plan) {
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
        short: None,
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
    Answer { text, short: None, status: Status::Budget, claims }
}

fn failed() -> Answer {
    Answer { text: String::new(), short: None, status: Status::Failed, claims: Vec::new() }
}

pub(super) fn millis(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}
