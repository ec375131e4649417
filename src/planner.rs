//! Planners: an LLM that decides which tools to call.

mod controller;

use async_trait::async_trait;

pub use controller::Controller;

use crate::cx::Cx;
use crate::error::Result;
use crate::plan::Plan;
use crate::task::Task;
use crate::trace::Trace;

/// What a planner wants to do next.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Move {
    /// Run this whole plan.
    Plan {
        /// A plan that passed the check.
        plan: Plan,
        /// How many repairs it took.
        repairs: u64,
    },
}

/// Decides what a run does next.
#[async_trait]
pub trait Planner: Send + Sync {
    /// The next move, given what is known so far.
    ///
    /// # Errors
    /// `Plan` when no valid plan comes about; those of the LLM; `Cancelled` or
    /// `Budget` when the run ends first.
    async fn next(&self, cx: &Cx, task: &Task, known: &Trace) -> Result<Move>;

    /// Makes ready what the first move needs. Does nothing by default.
    async fn prepare(&self, _cx: &Cx) -> Result<()> {
        Ok(())
    }
}
