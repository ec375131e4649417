//! The controller: the LLM writes the whole plan in one round.

use std::sync::Arc;

use async_trait::async_trait;

use super::repair::{Faulty, Repairs, as_json};
use super::{Move, Planner};
use crate::chat::{ChatModel, ChatRequest};
use crate::cx::Cx;
use crate::error::Result;
use crate::message::Message;
use crate::plan::{self, Plan, PlanLimits};
use crate::prompt::{PlanLibrary, Prompts};
use crate::task::Task;
use crate::tool::Catalog;
use crate::trace::{Event, Trace};

/// Most steps of a plan. The budget does not shorten the plan: it ends the run, with what is known by then.
const MAX_STEPS: usize = 24;
/// Most tokens of a plan.
const MAX_TOKENS: u32 = 700;

/// Plans in one round; faults found by the checker go back to the LLM a bounded number of times.
pub struct Controller {
    chat: Arc<dyn ChatModel>,
    catalog: Catalog,
    prompts: Arc<Prompts>,
    prefix: Vec<Message>,
    library: PlanLibrary,
    max_repairs: u64,
}

impl Controller {
    /// Repair rounds, unless told otherwise.
    pub const MAX_REPAIRS: u64 = 2;

    /// A controller for the tools of a catalog.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty prompt file.
    pub fn new(chat: Arc<dyn ChatModel>, catalog: Catalog, prompts: Arc<Prompts>, max_repairs: u64) -> Result<Self> {
        let prefix = prompts.plan_prefix(&catalog)?;
        let library = prompts.plan_lookup(&catalog)?;
        Ok(Self { chat, catalog, prompts, prefix, library, max_repairs })
    }

    fn limits(task: &Task) -> PlanLimits {
        PlanLimits { max_steps: MAX_STEPS, images: task.images.len() }
    }

    /// Parses and checks a reply.
    fn judge(&self, reply: &str, limits: &PlanLimits) -> std::result::Result<Plan, Faulty> {
        let plan = Plan::parse(reply).map_err(|faults| (as_json(reply), faults))?;
        let faults = self.catalog.check(&plan, limits);
        if faults.is_empty() {
            Ok(plan.without_repeats(|step| self.catalog.is_repeatable(&step.tool)))
        } else {
            Err((as_json(reply), faults))
        }
    }
}

#[async_trait]
impl Planner for Controller {
    async fn next(&self, cx: &Cx, task: &Task, _known: &Trace) -> Result<Move> {
        cx.meter().take_round()?;
        let limits = Self::limits(task);
        let (question, images) = (task.question.trim(), task.images.len());
        let mut messages = self.library.similar(question, images, &self.catalog)?;
        messages.push(self.prompts.plan_user(question, images, &self.catalog)?);
        let request = ChatRequest {
            prefix: self.prefix.clone(),
            messages,
            schema: Some(plan::schema(&self.catalog, &limits)),
            max_tokens: MAX_TOKENS,
            temperature: 0.0,
            images: Vec::new(),
        };
        let told = |faults: &str| self.prompts.plan_repair(faults);
        let repairs = Repairs { chat: self.chat.as_ref(), told: &told, purpose: "plan", most: self.max_repairs };
        let (plan, repairs) = repairs.ask(cx, request, |reply| self.judge(reply, &limits)).await?;
        cx.emit(Event::Planned { plan: plan.to_json(), repairs }, &[]);
        Ok(Move::Plan { plan, repairs })
    }
}
