//! Auto: a controller's plan first, rounds of a decision maker when it does not suffice.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Move, Planner};
use crate::cx::Cx;
use crate::error::{ErrorKind, Result};
use crate::plan;
use crate::task::Task;
use crate::trace::Trace;

/// Asks one planner for the first move and another one for those after it.
///
/// When no valid plan comes from the first, the second begins.
pub struct Auto {
    first: Arc<dyn Planner>,
    then: Arc<dyn Planner>,
}

impl Auto {
    /// Joins a planner that plans ahead with one that works in rounds.
    pub fn new(first: Arc<dyn Planner>, then: Arc<dyn Planner>) -> Self {
        Self { first, then }
    }
}

#[async_trait]
impl Planner for Auto {
    async fn next(&self, cx: &Cx, task: &Task, known: &Trace) -> Result<Move> {
        let fresh = known.steps().iter().all(plan::points) && known.rounds.is_empty();
        if !fresh {
            return self.then.next(cx, task, known).await;
        }
        match self.first.next(cx, task, known).await {
            Err(error) if error.kind() == ErrorKind::Plan => {
                tracing::debug!("no plan, so rounds: {}", error.for_log());
                self.then.next(cx, task, known).await
            }
            other => other,
        }
    }

    async fn sample(&self, cx: &Cx, task: &Task, moves: u32) -> Result<Vec<Move>> {
        self.first.sample(cx, task, moves).await
    }
}
