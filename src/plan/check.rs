//! The checker: finds every fault of a plan before anything runs.

use serde::{Deserialize, Serialize};

/// What kind of fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// The text is not JSON, or not a plan.
    Malformed,
}

/// One fault of a plan: where, what, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What kind of fault it is.
    pub kind: FaultKind,
    /// Where: `steps[1].args.image`.
    pub at: String,
    /// What is wrong.
    pub message: String,
}

/// Limits on a plan.
#[derive(Debug, Clone, Copy)]
pub struct PlanLimits {
    /// Most steps.
    pub max_steps: usize,
    /// Images of the task.
    pub images: usize,
}

/// stub
pub fn check() {}
