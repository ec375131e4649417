//! Observations: what a step returned, or the error it ended with.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::error::{Error, ErrorKind};
use crate::value::Value;

/// How a step failed, as data: it stands in traces and JSON output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The error's kind.
    pub kind: ErrorKind,
    /// The message for the caller.
    pub message: String,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self { kind: error.kind(), message: error.to_string() }
    }
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The tool returned this.
    Returned(Value),
    /// The tool failed, or the step was stopped.
    Failed(Failure),
    /// The step did not run because a step it depends on has no result.
    Skipped {
        /// The step without a result.
        because_of: String,
    },
}

/// A step that is over, with what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The step's id.
    pub id: String,
    /// The tool that was called.
    pub tool: String,
    /// The arguments as they were written in the plan.
    pub args: Json,
    /// What became of it.
    pub outcome: Outcome,
    /// The earlier step that was the same call, when this one was answered from it and did not run.
    pub same_as: Option<String>,
    /// How long it took, milliseconds.
    pub ms: u64,
}

impl Observation {
    /// The value, when the step returned one.
    pub fn value(&self) -> Option<&Value> {
        match &self.outcome {
            Outcome::Returned(value) => Some(value),
            _ => None,
        }
    }

    /// The failure, when the step has no value.
    pub fn failure(&self) -> Option<Failure> {
        match &self.outcome {
            Outcome::Returned(_) => None,
            Outcome::Failed(failure) => Some(failure.clone()),
            Outcome::Skipped { because_of } => Some(Failure {
                kind: ErrorKind::Tool,
                message: format!("skipped: step `{because_of}`, which it needs, has no result"),
            }),
        }
    }
}
