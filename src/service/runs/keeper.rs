//! Keeping a run's events as they happen.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_sdk::trace::SdkTracer;

use super::One;
use crate::cx::EventSink;
use crate::image::Image;
use crate::otel::Spans;
use crate::otel::conventions::RUN_ID;
use crate::run_store::Accepted;
use crate::service::Shared;
use crate::trace::{Entry, Following};

/// Appends a run's events to its trace, but for those that stand there from an earlier life.
pub(super) struct Keeper {
    shared: Shared,
    run: Arc<One>,
    known: Mutex<Following>,
    spans: Option<Spans<SdkTracer>>,
    /// How far the run's clock had come in earlier lives.
    before: u64,
    failed: AtomicBool,
}

impl Keeper {
    pub(super) fn new(shared: &Shared, run: &Arc<One>, known: &[Entry]) -> Self {
        let Accepted { id, traceparent, .. } = &run.accepted;
        let spans = shared.spans.as_ref().map(|spans| spans.spans(traceparent.as_deref()));
        let spans = spans.map(|spans| spans.with(RUN_ID, id.clone()).after(known));
        let before = known.last().map_or(0, |entry| entry.t_ms);
        let known = Mutex::new(Following::new(known));
        Self {
            shared: Shared::clone(shared),
            run: Arc::clone(run),
            known,
            spans,
            before,
            failed: AtomicBool::new(false),
        }
    }
}

impl EventSink for Keeper {
    fn event(&self, entry: &Entry, images: &[&Image]) {
        // How a run ends that is stopped with the service is none of its events: it goes on later.
        if self.shared.stop.is_cancelled() && !self.run.is_cancelled() {
            return;
        }
        if self.known.lock().unwrap_or_else(PoisonError::into_inner).is_known(&entry.event) {
            return;
        }
        let shifted = (self.before > 0)
            .then(|| Entry { t_ms: entry.t_ms.saturating_add(self.before), event: entry.event.clone() });
        let entry = shifted.as_ref().unwrap_or(entry);
        self.shared.metrics.event(entry, images);
        if let Some(spans) = &self.spans {
            spans.event(entry, images);
        }
        if let Err(error) = self.shared.runs.store.append(&self.run.accepted.id, entry, images)
            && !self.failed.swap(true, Ordering::Relaxed)
        {
            tracing::error!("the trace of {} is not kept: {}", self.run.accepted.id, error.for_log());
        }
        self.run.tells(entry);
    }
}
