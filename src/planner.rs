//! Planners: an LLM that decides which tools to call.

mod auto;
mod controller;
mod decision;
mod history;
mod repair;
mod reply;

use async_trait::async_trait;

pub use auto::Auto;
pub use controller::Controller;
pub use decision::DecisionMaker;
pub use history::history;

use crate::cx::Cx;
use crate::error::Result;
use crate::plan::{Plan, Reference, Step};
use crate::task::Task;
use crate::trace::{Round, Trace};

/// What a planner wants to do next.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Move {
    /// Run this whole plan, then answer.
    Plan {
        /// A plan that passed the check.
        plan: Plan,
        /// How many repairs it took.
        repairs: u64,
    },
    /// Run these steps beside those that are known, then ask again.
    Steps {
        /// Steps that passed the check together with the known ones.
        steps: Vec<Step>,
        /// What was decided, and why.
        round: Round,
        /// How many repairs it took.
        repairs: u64,
    },
    /// Answer from what is known.
    Finish {
        /// What answers the question; nothing when the tools cannot answer it.
        result: Option<Reference>,
        /// What was decided, and why.
        round: Round,
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
}
