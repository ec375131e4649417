//! The controller: the LLM writes the whole plan in one round.

use async_trait::async_trait;
use serde_json::Value as Json;

use super::repair::{Faulty, Repairs, as_json};
use super::{Move, Planner, Planning};
use crate::chat::ChatRequest;
use crate::cx::Cx;
use crate::error::Result;
use crate::message::Message;
use crate::plan::{self, Plan, PlanLimits};
use crate::task::Task;
use crate::tool::Catalog;
use crate::trace::{Event, Trace};

/// Most steps of a plan. The budget does not shorten the plan: it ends the run, with what is known by then.
const MAX_STEPS: usize = 24;
/// Most tokens of a plan.
const MAX_TOKENS: u32 = 700;
/// Most tokens of a plan of declared tools, whose steps may say what they do.
const MAX_DECLARED: u32 = 900;

/// Plans in one round; faults found by the checker go back to the LLM a bounded number of times.
pub struct Controller {
    with: Planning,
    prefix: Vec<Message>,
}

impl Controller {
    /// A controller that plans with these.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty prompt file.
    pub fn new(with: Planning) -> Result<Self> {
        let prefix = with.prompts.plan_prefix(&with.catalog)?;
        Ok(Self { with, prefix })
    }

    fn limits(task: &Task) -> PlanLimits {
        PlanLimits { max_steps: MAX_STEPS, images: task.images.len() }
    }

    /// Parses and checks a reply.
    fn judge(&self, request: &str, reply: &str, limits: &PlanLimits) -> std::result::Result<Plan, Faulty> {
        let catalog = &self.with.catalog;
        let plan = match catalog.is_declared() {
            true => plan::read_declared(reply).map(|plan| plan::settle(plan, request)),
            false => Plan::parse(reply),
        };
        let plan = plan.map_err(|faults| (as_json(reply), faults))?;
        let faults = catalog.check(&plan, limits);
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

#[async_trait]
impl Planner for Controller {
    async fn next(&self, cx: &Cx, task: &Task, _known: &Trace) -> Result<Move> {
        cx.meter().take_round()?;
        let limits = Self::limits(task);
        let (question, images) = (task.question.trim(), task.images.len());
        let Planning { chat, catalog, prompts, library, max_repairs, .. } = &self.with;
        let mut messages = library.similar(cx, question, images, catalog).await?;
        messages.push(prompts.plan_user(question, images, catalog)?);
        let request = ChatRequest {
            prefix: self.prefix.clone(),
            messages,
            schema: Some(schema(catalog, &limits, question)),
            max_tokens: if catalog.is_declared() { MAX_DECLARED } else { MAX_TOKENS },
            temperature: 0.0,
            images: self.with.shown(task),
        };
        let told = |faults: &str| prompts.plan_repair(faults);
        // An LLM that goes on referring to what no step makes has to do without it at last.
        let narrowed = |faulty: &Json| {
            let unmade = if catalog.is_declared() { plan::unmade(faulty) } else { Vec::new() };
            (!unmade.is_empty()).then(|| plan::narrowed_schema(catalog, &limits, question, &unmade))
        };
        let repairs =
            Repairs { chat: chat.as_ref(), told: &told, purpose: "plan", narrowed: &narrowed, most: *max_repairs };
        let (plan, repairs) = repairs.ask(cx, request, |reply| self.judge(question, reply, &limits)).await?;
        cx.emit(Event::Planned { plan: plan.to_json(), repairs }, &[]);
        Ok(Move::Plan { plan, repairs })
    }
}
