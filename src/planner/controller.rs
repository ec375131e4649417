//! The controller: the LLM writes the whole plan in one round.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value as Json;

use super::{Move, Planner};
use crate::chat::{ChatModel, ChatRequest, FinishReason, layers};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::plan::{self, Fault, Plan, PlanLimits};
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

    /// Parses and checks a reply; the faulty plan is returned as JSON where it is JSON at all.
    fn judge(&self, reply: &str, limits: &PlanLimits) -> std::result::Result<Plan, (Json, Vec<Fault>)> {
        let as_json = || serde_json::from_str(reply).unwrap_or_else(|_| Json::String(reply.to_owned()));
        let plan = Plan::parse(reply).map_err(|faults| (as_json(), faults))?;
        let faults = self.catalog.check(&plan, limits);
        if faults.is_empty() { Ok(plan) } else { Err((as_json(), faults)) }
    }
}

#[async_trait]
impl Planner for Controller {
    async fn next(&self, cx: &Cx, task: &Task, _known: &Trace) -> Result<Move> {
        cx.meter().take_round()?;
        let limits = Self::limits(task);
        let schema = plan::schema(&self.catalog, &limits);
        let question = task.question.trim();
        let mut messages = self.library.similar(question, &self.catalog);
        messages.push(self.prompts.plan_user(question, task.images.len(), &self.catalog)?);
        let asked = messages.len();
        let mut request = ChatRequest {
            prefix: self.prefix.clone(),
            messages,
            schema: Some(schema),
            max_tokens: MAX_TOKENS,
            temperature: 0.0,
            images: Vec::new(),
        };
        let mut repairs = 0;
        loop {
            let purpose = if repairs == 0 { "plan" } else { "repair" };
            let reply = layers::call(cx, self.chat.as_ref(), purpose, &request).await?;
            let (faulty, faults) = match self.judge(&reply.text, &limits) {
                Ok(plan) => {
                    cx.emit(Event::Planned { plan: plan.to_json(), repairs }, &[]);
                    return Ok(Move::Plan { plan, repairs });
                }
                Err(judged) => judged,
            };
            cx.emit(Event::Faults { plan: faulty, faults: faults.clone() }, &[]);
            if repairs == self.max_repairs {
                return Err(no_plan(&faults, repairs, reply.finish));
            }
            repairs += 1;
            // Only the last attempt is shown: the earlier ones would fill the context.
            request.messages.truncate(asked);
            request.messages.push(Message::assistant(reply.text));
            request.messages.push(self.prompts.plan_repair(&plan::repair_text(&faults))?);
        }
    }

    async fn prepare(&self, cx: &Cx) -> Result<()> {
        layers::warm(cx, self.chat.as_ref(), &self.prefix).await
    }
}

fn no_plan(faults: &[Fault], repairs: u64, finish: FinishReason) -> Error {
    let listed: Vec<String> = faults.iter().take(3).map(ToString::to_string).collect();
    let cut = if finish == FinishReason::Length { " (the reply was cut off)" } else { "" };
    Error::new(
        ErrorKind::Plan,
        format!(
            "the LLM wrote no valid plan in {} attempts{cut}: {}; try other words or another `--llm`",
            repairs + 1,
            listed.join("; ")
        ),
    )
}
