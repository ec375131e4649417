//! Progress: what a call is doing, for clients that asked to be told.

use std::sync::atomic::{AtomicU32, Ordering};

use rmcp::RoleServer;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::{Peer, RequestContext};

use super::server::Reach;
use crate::trace::Event;

/// Tells one client of the progress of one call, when it asked for that.
pub(super) struct Progress {
    asked: Option<(ProgressToken, Peer<RoleServer>)>,
    told: AtomicU32,
}

impl Progress {
    pub(super) fn of(context: &RequestContext<RoleServer>) -> Self {
        let token = context.meta.get_progress_token();
        Self { asked: token.map(|token| (token, context.peer.clone())), told: AtomicU32::new(0) }
    }

    /// Says what happens. How much is still to come is not known.
    pub(super) async fn say(&self, message: String) {
        let Some((token, peer)) = &self.asked else { return };
        let count = self.told.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let progress = ProgressNotificationParam::new(token.clone(), f64::from(count)).with_message(message);
        // A client that is gone is noticed elsewhere.
        let _ = peer.notify_progress(progress).await;
    }
}

/// What a client is told of an event of a run; nothing of most.
pub(super) fn line(event: &Event, reach: Reach) -> Option<String> {
    Some(match event {
        Event::Rewritten { standalone, .. } => format!("understood the question as: {standalone}"),
        Event::Planned { plan, .. } => {
            let steps = plan.get("steps").and_then(serde_json::Value::as_array).map_or(0, Vec::len);
            let word = if steps == 1 { "step" } else { "steps" };
            format!("planned {steps} {word}")
        }
        Event::Faults { .. } => "the plan is faulty and is mended".to_owned(),
        Event::Decided { .. } => "decided how to go on".to_owned(),
        Event::NotEnough { .. } => "what is known does not answer the question yet".to_owned(),
        Event::StepStarted { id, tool, .. } => format!("step {id}: {tool} began"),
        Event::StepEnded { id, tool, error: Some(error), .. } => {
            format!("step {id}: {tool} failed: {}", reach.told(error))
        }
        Event::StepEnded { id, tool, ms, .. } => format!("step {id}: {tool} ended after {ms} ms"),
        _ => return None,
    })
}
