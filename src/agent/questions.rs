//! Taking a question apart: smaller questions, their answers, and what follows from them together.

use std::collections::HashSet;
use std::time::Instant;

use super::run::{Run, millis};
use crate::chain::{Bridge, Chain, DemoChoice, Questions, Stop};
use crate::error::{ErrorKind, Result};
use crate::plan::{ArgValue, Plan, Reference, Step};
use crate::planner::Move;
use crate::reason::{Asked, Needs, Recall};
use crate::refiner::Verdict;
use crate::task::{Mode, Task};
use crate::trace::{Event, SubQuestion};

/// How a smaller question is reasoned about: as the whole, but for what takes questions apart and what looks at images.
fn of_a_part(chain: &Chain) -> Chain {
    let similar = chain.demo_choice == DemoChoice::Image;
    Chain {
        bridge: Bridge::Expert,
        stop: Stop::Adaptive,
        questions: Questions::Off,
        votes: 1,
        critic: false,
        demo_choice: if similar { DemoChoice::Similar } else { chain.demo_choice },
        ..chain.clone()
    }
}

/// Most rounds of smaller questions.
const MAX_ROUNDS: usize = 3;

impl Run<'_> {
    /// Asks smaller questions, has tools answer them, and answers from all that came to light.
    pub(super) async fn by_questions(&mut self) -> Result<Verdict> {
        match self.task.chain.questions {
            Questions::Off => {}
            Questions::Ask => self.ask_on().await?,
            Questions::Split => self.split().await?,
        }
        if self.trace.is_blank() {
            return self.decide().await;
        }
        self.refine().await
    }

    /// Rounds of questions, until the LLM is confident. A controller's are one round: it asks nothing after it has
    /// seen text from an image.
    async fn ask_on(&mut self) -> Result<()> {
        let rounds = if self.task.mode == Mode::Controller { 1 } else { MAX_ROUNDS };
        for _ in 0..rounds {
            let (question, images) = (self.task.question.trim(), self.task.images.len());
            let began = Instant::now();
            let asked = self.parts.asker.next(self.cx, question, images, &self.trace.asked).await;
            self.timings.plan_ms += millis(began);
            let questions = match asked {
                Ok(Asked::Questions(questions)) => questions,
                Ok(Asked::Confident) => break,
                Err(error) if error.kind() == ErrorKind::Model => {
                    tracing::debug!("no more questions: {}", error.for_log());
                    break;
                }
                Err(error) => return Err(error),
            };
            for question in questions {
                self.find_out(question).await?;
            }
        }
        Ok(())
    }

    /// Parts that need the images are found out by tools, and the others recalled.
    async fn split(&mut self) -> Result<()> {
        let began = Instant::now();
        let split = self.parts.splitter.split(self.cx, self.task.question.trim()).await;
        self.timings.plan_ms += millis(began);
        let parts = match split {
            Err(error) if error.kind() == ErrorKind::Model => {
                tracing::debug!("not split: {}", error.for_log());
                return Ok(());
            }
            parts => parts?,
        };
        for part in parts {
            match part.needs {
                Needs::Image => self.find_out(part.question).await?,
                Needs::Text => self.recall(part.question).await?,
            }
        }
        Ok(())
    }

    /// Plans, executes and refines one smaller question beside what is known.
    async fn find_out(&mut self, question: String) -> Result<()> {
        let task = Task {
            question: question.clone(),
            mode: Mode::Controller,
            guess: false,
            chain: of_a_part(&self.task.chain),
            ..self.task.as_ref().clone()
        };
        let began = Instant::now();
        let planned = self.parts.planners.of(Mode::Controller).next(self.cx, &task, &Default::default()).await;
        self.timings.plan_ms += millis(began);
        let plan = match planned {
            Ok(Move::Plan { plan, repairs }) => {
                self.trace.repairs += repairs;
                plan
            }
            Ok(_) => return self.not_found_out(question),
            // Rounds that are used up leave what is known.
            Err(error) if error.kind() == ErrorKind::Plan || self.only_rounds_are_used_up(&error) => {
                tracing::debug!("not planned: {}", error.for_log());
                return self.not_found_out(question);
            }
            Err(error) => return Err(error),
        };
        let (all, plan) = self.beside(plan);
        self.cx.emit(Event::Joined { plans: vec![plan.to_json()] }, &[]);
        self.execute(all).await?;
        let own = self.trace.of(plan);
        let began = Instant::now();
        let refined = self.parts.refiner.refine(self.cx, &task, &own).await;
        self.timings.refine_ms += millis(began);
        let verdict = match refined {
            Err(error) if error.kind() == ErrorKind::Model => {
                tracing::debug!("not answered: {}", error.for_log());
                return self.not_found_out(question);
            }
            verdict => verdict?,
        };
        let asked = match verdict {
            Verdict::Answer(answer) => {
                let mut seen = HashSet::new();
                let all = answer.claims.iter().flat_map(|claim| claim.steps.clone());
                let steps = all.filter(|step| seen.insert(step.clone())).collect();
                SubQuestion { question, answer: Some(answer.text), steps }
            }
            Verdict::NotEnough { .. } => SubQuestion { question, answer: None, steps: Vec::new() },
        };
        self.note(asked)
    }

    async fn recall(&mut self, question: String) -> Result<()> {
        let args = vec![("question".to_owned(), ArgValue::Literal(question.as_str().into()))];
        let step = Step { id: "known".to_owned(), tool: Recall::NAME.to_owned(), args };
        let plan = Plan { result: Reference::to(&step.id), steps: vec![step] };
        let plan = self.execute_beside(plan).await?;
        let value = self.trace.observation(&plan.result.id).and_then(|observation| observation.value());
        let answer = value.and_then(|value| value.to_json().as_str().map(str::to_owned));
        let steps = if answer.is_some() { vec![plan.result.id] } else { Vec::new() };
        self.note(SubQuestion { question, answer, steps })
    }

    /// Executes a plan beside the steps that are known, and returns it as it stands among them.
    pub(super) async fn execute_beside(&mut self, plan: Plan) -> Result<Plan> {
        let (all, plan) = self.beside(plan);
        self.execute(all).await?;
        Ok(plan)
    }

    /// The steps that are known with a plan's, and that plan as it stands among them.
    fn beside(&self, plan: Plan) -> (Plan, Plan) {
        let fresh = Plan { steps: Vec::new(), result: plan.result.clone() };
        let mut all = self.trace.plan.clone().unwrap_or(fresh);
        let plan = all.join(plan, |step| self.parts.catalog.is_repeatable(&step.tool));
        all.result = plan.result.clone();
        (all, plan)
    }

    /// As [`Run::execute_beside`], and what was the plan's result stays it, whatever comes of the steps.
    pub(super) async fn execute_aside(&mut self, plan: Plan) -> Result<Plan> {
        let before = self.trace.plan.as_ref().map(|plan| plan.result.clone());
        let done = self.execute_beside(plan).await;
        if let (Some(all), Some(before)) = (&mut self.trace.plan, before) {
            all.result = before;
        }
        done
    }

    fn not_found_out(&mut self, question: String) -> Result<()> {
        self.note(SubQuestion { question, answer: None, steps: Vec::new() })
    }

    fn note(&mut self, asked: SubQuestion) -> Result<()> {
        self.cx.emit(Event::Asked(asked.clone()), &[]);
        self.trace.asked.push(asked);
        Ok(())
    }
}
