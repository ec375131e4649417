//! The decision maker: round by round, the LLM judges what is known and asks for more.

use async_trait::async_trait;

use super::repair::{Faulty, Repairs, as_json};
use super::reply::{Reply, Wish, of_reply};
use super::{Move, Planner, Planning, history, pointed_image};
use crate::chain::Stop;
use crate::chat::ChatRequest;
use crate::cx::Cx;
use crate::demo::DemoFor;
use crate::error::Result;
use crate::message::Message;
use crate::observation::Observation;
use crate::plan::{self, Fault, FaultKind, Plan, PlanLimits, Reference, RoundKind, Step};
use crate::prompt::{Asked, Situation};
use crate::refiner::{Evidence, asks_to_read, strange_numbers};
use crate::task::{Task, asked_images, image_name};
use crate::trace::{Event, Round, Trace};
use crate::value::Value;

/// Most steps of one round.
const MAX_STEPS: usize = 6;
/// Most steps of all rounds; the budget ends a run long before.
const MAX_ALL: usize = 256;
/// Most tokens of a reply.
const MAX_TOKENS: u32 = 500;
/// Most lines of text that answer a question which does not ask to read.
const MAX_LINES: usize = 5;
/// Most characters of what is known; about 500 tokens.
const MAX_KNOWN: usize = 1_600;

/// Plans in rounds: each one sees the question, the tools and what is known so far, and either
/// asks for steps, saying what is missing, or names the result.
///
/// What is known is condensed to 1,600 characters: the newest results stand in full, older
/// ones in short, and the oldest at least by name. Texts from images stand in quotes, and
/// the prompt says that they are data.
pub struct DecisionMaker {
    with: Planning,
    /// The prefix of the first round, and that of the rounds after it.
    first: Vec<Message>,
    later: Vec<Message>,
    /// The prefix without demos.
    bare: Vec<Message>,
}

impl DecisionMaker {
    /// A decision maker that plans with these.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty prompt file.
    pub fn new(with: Planning) -> Result<Self> {
        let prefix = |later| with.prompts.decide_prefix(&with.catalog, later);
        let (first, later) = (prefix(false)?, prefix(true)?);
        let bare = with.prompts.decide_bare(&with.catalog)?;
        Ok(Self { with, first, later, bare })
    }

    fn prefix(&self, task: &Task, nothing_known: bool) -> &[Message] {
        match task.chain.has_fixed_demos() {
            false => &self.bare,
            true if nothing_known => &self.first,
            true => &self.later,
        }
    }

    async fn request(&self, cx: &Cx, task: &Task, known: &Trace) -> Result<ChatRequest> {
        let (question, images) = (task.question.trim(), task.images.len());
        let nothing_known = known.is_blank();
        // A first round is much like a plan; later ones depend on what was found.
        let to = if nothing_known { DemoFor::FirstRound } else { DemoFor::LaterRound };
        let asked = Asked::of(task, to);
        let mut messages = self.with.library_for(task).messages(cx, &asked, &self.with.catalog).await?;
        let history = if nothing_known { String::new() } else { history(question, known, MAX_KNOWN) };
        // Why steps failed stands with the steps.
        let missing = known.missing.as_deref().filter(|_| !Evidence::gather(question, known).is_empty());
        let drawn = if self.with.shows(task) { known.drawn() } else { Vec::new() };
        let situation = Situation {
            question,
            images,
            known: &history,
            unseen: unseen(task, known),
            missing,
            round: round_of(task, known),
            region: pointed_image(task),
            drawn: drawn.iter().map(|(made, _)| made.to_string()).collect(),
        };
        messages.push(self.with.prompts.decide_user(&situation, &self.with.catalog)?);
        let limits = PlanLimits { max_steps: MAX_STEPS, images };
        Ok(ChatRequest {
            prefix: self.prefix(task, nothing_known).to_vec(),
            messages,
            schema: Some(plan::round_schema(
                &self.with.catalog,
                &limits,
                nothing_known,
                kind(task, known),
                &results(question, known),
            )),
            max_tokens: MAX_TOKENS,
            temperature: 0.0,
            images: self.with.shown(task, &drawn),
        })
    }

    /// Reads a reply and checks it against what is known.
    fn judge(&self, text: &str, task: &Task, known: &Trace) -> std::result::Result<Reply, Faulty> {
        let mut reply = Reply::parse(text, known).map_err(|faults| (as_json(text), faults))?;
        if let Wish::Steps(steps) = &mut reply.wish {
            let result = Reference::to(steps.last().map_or("", |step| step.id.as_str()));
            let round = Plan { steps: std::mem::take(steps), result };
            *steps = round.without_repeats(|step| self.with.catalog.is_repeatable(&step.tool)).steps;
        }
        if let Some(fault) = out_of_turn(&reply.wish, task, known) {
            return Err((as_json(text), vec![fault]));
        }
        let faults = match &reply.wish {
            Wish::Steps(steps) => self.faults_of_steps(steps, task, known),
            Wish::Result(result) => self.faults_of_result(&reply.thought, result, task, known),
            Wish::GiveUp => unseen(task, known).first().map(|n| unlooked(*n)).into_iter().collect(),
        };
        if faults.is_empty() { Ok(reply) } else { Err((as_json(text), faults)) }
    }

    fn faults_of_steps(&self, steps: &[Step], task: &Task, known: &Trace) -> Vec<Fault> {
        let mut faults: Vec<Fault> = Vec::new();
        if steps.len() > MAX_STEPS {
            let message = format!("these are {} steps, more than {MAX_STEPS} for one round", steps.len());
            faults.push(Fault::new(FaultKind::TooManySteps, "steps", message));
        }
        for (n, step) in steps.iter().enumerate() {
            let valueless = step.references().into_iter().filter(|r| has_failed(known, r));
            faults.extend(valueless.map(|r| no_value(&format!("steps[{n}].args"), r)));
        }
        let Some(last) = steps.last() else { return faults };
        let all = known.steps().iter().chain(steps).cloned().collect();
        let plan = Plan { steps: all, result: Reference::to(&last.id) };
        faults.extend(of_reply(self.check(&plan, task), known.steps().len()));
        faults
    }

    fn faults_of_result(&self, thought: &str, result: &Reference, task: &Task, known: &Trace) -> Vec<Fault> {
        if (0..task.images.len()).any(|n| image_name(n) == result.id) {
            let message = format!("`{result}` is an image of the question and answers nothing");
            return vec![Fault::new(FaultKind::TypeMismatch, "result", message).suggest(a_known_step(known))];
        }
        if has_failed(known, result) {
            return vec![no_value("result", result)];
        }
        if let Some(observation) = known.observation(&result.id) {
            let page = only_a_page(&task.question, observation);
            if let Some(fault) = page.or_else(|| not_said(thought, &task.question, known)) {
                return vec![fault];
            }
        }
        let plan = Plan { steps: known.steps().to_vec(), result: result.clone() };
        self.check(&plan, task)
            .into_iter()
            .filter(|fault| !fault.at.starts_with("steps["))
            .map(|fault| fault.suggest(a_known_step(known)))
            .collect()
    }

    fn check(&self, plan: &Plan, task: &Task) -> Vec<Fault> {
        self.with.catalog.check(plan, &PlanLimits { max_steps: MAX_ALL, images: task.images.len() })
    }
}

#[async_trait]
impl Planner for DecisionMaker {
    async fn next(&self, cx: &Cx, task: &Task, known: &Trace) -> Result<Move> {
        cx.meter().take_round()?;
        let request = self.request(cx, task, known).await?;
        let told = |faults: &str| self.with.prompts.decide_repair(faults);
        let repairs = Repairs {
            chat: self.with.chat.as_ref(),
            told: &told,
            purpose: "decide",
            narrowed: &|_| None,
            most: self.with.max_repairs,
        };
        let (reply, repairs) = repairs.ask(cx, request, |text| self.judge(text, task, known)).await?;
        let mut round = Round { thought: reply.thought, missing: reply.missing, ..Round::default() };
        let mut calls = Vec::new();
        let next = match reply.wish {
            Wish::Steps(steps) => {
                calls.extend(steps.iter().map(Step::to_json));
                round.steps = steps.iter().map(|step| step.id.clone()).collect();
                Move::Steps { steps, round: round.clone(), repairs }
            }
            Wish::Result(result) => {
                round.result = Some(result.to_string());
                Move::Finish { result: Some(result), round: round.clone(), repairs }
            }
            Wish::GiveUp => Move::Finish { result: None, round: round.clone(), repairs },
        };
        cx.emit(Event::Decided { round, repairs, calls }, &[]);
        Ok(next)
    }
}

/// Which round of how many this is, where the chain has a fixed length.
fn round_of(task: &Task, known: &Trace) -> Option<(usize, usize)> {
    let Stop::Fixed(rounds) = task.chain.stop else { return None };
    Some((known.rounds.len() + 1, usize::try_from(rounds).unwrap_or(usize::MAX)))
}

fn kind(task: &Task, known: &Trace) -> RoundKind {
    match round_of(task, known) {
        None => RoundKind::Open,
        Some((round, rounds)) if round < rounds => RoundKind::Steps,
        Some(_) => RoundKind::Last,
    }
}

/// The fault of a result before the last round of a fixed chain, or of steps in it.
fn out_of_turn(wish: &Wish, task: &Task, known: &Trace) -> Option<Fault> {
    let (round, rounds) = round_of(task, known)?;
    let what = match (wish, kind(task, known)) {
        (Wish::Result(_) | Wish::GiveUp, RoundKind::Steps) => "write steps that find out or verify more",
        (Wish::Steps(_), RoundKind::Last) if !known.is_blank() => "name the result",
        _ => return None,
    };
    let message = format!("this is round {round} of {rounds}");
    Some(Fault::new(FaultKind::Malformed, "reply", message).suggest(what.to_owned()))
}

/// The steps that an answer can rest on.
fn results<'a>(question: &str, known: &'a Trace) -> Vec<&'a str> {
    let answers = |o: &&Observation| o.value().is_some() && o.same_as.is_none() && only_a_page(question, o).is_none();
    known.observations.iter().filter(answers).map(|o| o.id.as_str()).collect()
}

/// The fault of a whole page of text as the result, unless the question asks to read it.
fn only_a_page(question: &str, observation: &Observation) -> Option<Fault> {
    let Some(Value::List(items)) = observation.value() else { return None };
    let lines = items.iter().filter(|item| matches!(item, Value::Line(_))).count();
    if lines <= MAX_LINES || asks_to_read(question) {
        return None;
    }
    let id = &observation.id;
    let message = format!("`${id}` is a page of {lines} lines, no answer");
    let hint =
        format!("write a step that looks the answer up in it: find_text with \"lines\": \"${id}\", \"mode\": \"row\"");
    Some(Fault::new(FaultKind::TypeMismatch, "result", message).suggest(hint))
}

/// The fault of a thought with a number that nothing says.
fn not_said(thought: &str, question: &str, known: &Trace) -> Option<Fault> {
    let strange = strange_numbers(thought, question, known);
    let number = strange.first()?;
    let message = format!("no step says {number}");
    let hint = "write the id of the step whose result says it, or the steps that find it out".to_owned();
    Some(Fault::new(FaultKind::TypeMismatch, "result", message).suggest(hint))
}

/// The images that are asked about and that no step has looked at.
fn unseen(task: &Task, known: &Trace) -> Vec<usize> {
    let looked_at = |n: &usize| {
        let name = image_name(*n);
        let steps = known.steps().iter().filter(|step| !plan::points(step));
        steps.flat_map(Step::references).any(|reference| reference.id == name)
    };
    asked_images(&task.question, task.images.len()).into_iter().filter(|n| !looked_at(n)).collect()
}

fn unlooked(n: usize) -> Fault {
    let message = format!("no step has looked at `${}` yet", image_name(n));
    Fault::new(FaultKind::EmptyPlan, "steps", message).suggest("write steps that do".to_owned())
}

fn has_failed(known: &Trace, reference: &Reference) -> bool {
    known.observation(&reference.id).is_some_and(|o| o.value().is_none())
}

fn no_value(at: &str, reference: &Reference) -> Fault {
    let message = format!("step `{}` failed, so `{reference}` has no value", reference.id);
    Fault::new(FaultKind::UnknownReference, at, message).suggest("use another step, or another tool".to_owned())
}

/// The reference that an answer could rest on.
fn a_known_step(known: &Trace) -> Option<String> {
    let last = known.observations.iter().rev().find(|o| o.value().is_some())?;
    Some(format!("write the id of a known step, e.g. `${}`, or more steps", last.id))
}
