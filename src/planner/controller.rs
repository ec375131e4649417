//! The controller: the LLM writes the whole plan in one round.

use std::borrow::Cow;

use async_trait::async_trait;
use serde_json::Value as Json;

use super::repair::{Faulty, Repairs, as_json};
use super::reply::of_reply;
use super::{Move, Planner, Planning, pointed_image};
use crate::chat::{ChatRequest, layers};
use crate::cx::Cx;
use crate::demo::DemoFor;
use crate::error::Result;
use crate::message::Message;
use crate::plan::{self, Fault, FaultKind, Plan, PlanLimits, Step};
use crate::prompt::{Asked, Said};
use crate::task::Task;
use crate::tool::Catalog;
use crate::trace::{Event, Trace};

/// Most steps of a plan. The budget does not shorten the plan: it ends the run, with what is known by then.
const MAX_STEPS: usize = 24;
/// Most tokens of a plan.
const MAX_TOKENS: u32 = 700;
/// What plans to vote on are sampled with.
const TEMPERATURE: f32 = 0.7;
/// As many images are a sequence.
const A_SEQUENCE: usize = 3;
/// Most tokens of a plan of declared tools, whose steps may say what they do.
const MAX_DECLARED: u32 = 900;

/// Plans in one round; faults found by the checker go back to the LLM a bounded number of times.
pub struct Controller {
    with: Planning,
    prefix: Vec<Message>,
    /// The prefix without demos.
    bare: Vec<Message>,
}

impl Controller {
    /// A controller that plans with these.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty prompt file.
    pub fn new(with: Planning) -> Result<Self> {
        let (prefix, bare) = (with.prompts.plan_prefix(&with.catalog)?, with.prompts.plan_bare(&with.catalog)?);
        Ok(Self { with, prefix, bare })
    }

    fn limits(task: &Task) -> PlanLimits {
        PlanLimits { max_steps: MAX_STEPS, images: task.images.len() }
    }

    /// Parses and checks a reply; the steps that are `given` come before its own.
    fn judge(
        &self,
        request: &str,
        reply: &str,
        given: &[Step],
        limits: &PlanLimits,
    ) -> std::result::Result<Plan, Faulty> {
        let catalog = &self.with.catalog;
        let plan = match catalog.is_declared() {
            true => plan::read_declared(reply).map(|plan| plan::settle(plan, request)),
            false => Plan::parse(reply),
        };
        let mut plan = plan.map_err(|faults| (as_json(reply), faults))?;
        // A plan without a step of its own is faulty as it is.
        let given = if plan.steps.is_empty() { &[] } else { given };
        plan.steps.splice(..0, given.iter().cloned());
        let limits = PlanLimits { max_steps: limits.max_steps + given.len(), ..*limits };
        let faults = of_reply(catalog.check(&plan, &limits), given.len());
        if faults.is_empty() {
            Ok(plan.without_repeats(|step| catalog.is_repeatable(&step.tool)))
        } else {
            Err((as_json(reply), faults))
        }
    }
}

fn schema(catalog: &Catalog, limits: &PlanLimits, question: &str) -> Json {
    match catalog.is_declared() {
        true => plan::declared_schema(catalog, limits, question),
        false => plan::schema(catalog, limits),
    }
}

impl Controller {
    /// What the LLM is asked for.
    async fn request(&self, cx: &Cx, task: &Task) -> Result<ChatRequest> {
        let (question, images) = (task.question.trim(), task.images.len());
        let Planning { catalog, prompts, .. } = &self.with;
        let asked = Asked::of(task, DemoFor::Planner);
        let mut messages = self.with.library_for(task).messages(cx, &asked, catalog).await?;
        let said = Said { region: pointed_image(task), cue: thinks(task).then(|| cue(images)) };
        messages.push(prompts.plan_user(question, images, catalog, &said)?);
        let mut schema = schema(catalog, &Self::limits(task), question);
        if thinks(task) {
            schema = plan::thoughtful(schema);
        }
        Ok(ChatRequest {
            prefix: if task.chain.has_fixed_demos() { self.prefix.clone() } else { self.bare.clone() },
            messages,
            schema: Some(schema),
            max_tokens: if catalog.is_declared() { MAX_DECLARED } else { MAX_TOKENS },
            temperature: 0.0,
            images: self.with.shown(task, &[]),
        })
    }

    /// The plan in a reply, with the thought before it where there is to be one.
    fn read(&self, task: &Task, reply: &str) -> std::result::Result<(Plan, Option<String>), Faulty> {
        let (thought, reply) = if thinks(task) { plan::without_thought(reply) } else { (None, Cow::Borrowed(reply)) };
        let given = task.region.iter().map(plan::region_step).collect::<Result<Vec<Step>>>();
        let given =
            given.map_err(|e| (as_json(&reply), vec![Fault::new(FaultKind::Malformed, "region", e.to_string())]))?;
        Ok((self.judge(task.question.trim(), &reply, &given, &Self::limits(task))?, thought))
    }
}

/// Whether the planner is to write down a thought before its plan.
fn thinks(task: &Task) -> bool {
    task.chain.think
}

/// What makes the LLM think first (zero-shot chain of thought, arXiv 2205.11916).
fn cue(images: usize) -> &'static str {
    if images >= A_SEQUENCE { "Let's think frame by frame." } else { "Let's think step by step." }
}

#[async_trait]
impl Planner for Controller {
    async fn next(&self, cx: &Cx, task: &Task, _known: &Trace) -> Result<Move> {
        cx.meter().take_round()?;
        let request = self.request(cx, task).await?;
        let (limits, question) = (Self::limits(task), task.question.trim());
        let Planning { chat, catalog, prompts, max_repairs, .. } = &self.with;
        let told = |faults: &str| prompts.plan_repair(faults);
        // An LLM that goes on referring to what no step makes has to do without it at last.
        let narrowed = |faulty: &Json| {
            let unmade = if catalog.is_declared() { plan::unmade(faulty) } else { Vec::new() };
            (!unmade.is_empty()).then(|| plan::narrowed_schema(catalog, &limits, question, &unmade))
        };
        let repairs =
            Repairs { chat: chat.as_ref(), told: &told, purpose: "plan", narrowed: &narrowed, most: *max_repairs };
        let ((plan, thought), repairs) = repairs.ask(cx, request, |reply| self.read(task, reply)).await?;
        cx.emit(Event::Planned { plan: plan.to_json(), repairs, thought }, &[]);
        Ok(Move::Plan { plan, repairs })
    }

    /// All are of one round; what is drawn and faulty is dropped, as a spoiled vote.
    async fn sample(&self, cx: &Cx, task: &Task, moves: u32) -> Result<Vec<Move>> {
        let mut sampled = vec![self.next(cx, task, &Trace::default()).await?];
        let request = ChatRequest { temperature: TEMPERATURE, ..self.request(cx, task).await? };
        for _ in 1..moves {
            let reply = match layers::call(cx, self.with.chat.as_ref(), "sample", &request).await {
                Err(error) if cx.check().is_ok() => {
                    tracing::debug!("no more plans: {}", error.for_log());
                    break;
                }
                reply => reply?,
            };
            match self.read(task, &reply.text) {
                Ok((plan, thought)) => {
                    cx.emit(Event::Planned { plan: plan.to_json(), repairs: 0, thought }, &[]);
                    sampled.push(Move::Plan { plan, repairs: 0 });
                }
                Err((plan, faults)) => cx.emit(Event::Faults { plan, faults }, &[]),
            }
        }
        Ok(sampled)
    }
}
