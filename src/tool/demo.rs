//! Demos: in-context examples of plans.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Catalog, builtin};
use crate::error::{Error, Result};
use crate::plan::{Fault, Plan, PlanLimits, region_step};
use crate::pointed::Pointed;

/// An in-context example for the planner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanDemo {
    /// What is asked.
    pub question: String,
    /// How many images there are.
    #[serde(default = "one")]
    pub images: usize,
    /// Whether the user points at a place, so that the plan can refer to it as `$region`. Only questions that come with
    /// one are shown this.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub region: bool,
    /// The plan, as JSON.
    pub plan: String,
}

impl PlanDemo {
    /// The plan.
    ///
    /// # Errors
    /// `InvalidInput` naming the question, when it is no plan.
    pub fn parse(&self) -> Result<Plan> {
        Plan::parse(&self.plan).map_err(|faults| self.faulty(&faults))
    }

    /// Refuses a plan that does not fit the tools, where all tools that it uses are there.
    ///
    /// # Errors
    /// `InvalidInput` naming the question and what is wrong.
    pub fn check(&self, catalog: &Catalog) -> Result<()> {
        let mut plan = self.parse()?;
        if plan.steps.iter().any(|step| catalog.get(&step.tool).is_none()) {
            return Ok(());
        }
        if self.region {
            plan.steps.insert(0, region_step(&Pointed::point(0.0, 0.0))?);
        }
        let limits = PlanLimits { max_steps: plan.steps.len(), images: self.images };
        let mut catalog = catalog.clone();
        builtin::add_point_at(&mut catalog)?;
        let faults = catalog.check(&plan, &limits);
        if faults.is_empty() { Ok(()) } else { Err(self.faulty(&faults)) }
    }

    fn faulty(&self, faults: &[Fault]) -> Error {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        Error::invalid(format!("the demo for `{}` is not a plan: {}", self.question, faults.join("; ")))
    }
}

fn one() -> usize {
    1
}
