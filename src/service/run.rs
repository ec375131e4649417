//! Runs: one question, in a task of its own.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::DropGuard;

use super::Shared;
use super::admission::Turn;
use super::metrics::Metrics;
use super::refusal::Refusal;
use crate::agent::{Channel, Report, Watch};
use crate::answer::Status;
use crate::cx::EventSink;
use crate::error::{ErrorKind, Result};
use crate::task::Task;
use crate::trace::{Entry, Event};

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Answered,
    Guessed,
    Unanswerable,
    Budget,
    Failed,
    Cancelled,
}

impl Outcome {
    pub(super) const ALL: [Self; 6] =
        [Self::Answered, Self::Guessed, Self::Unanswerable, Self::Budget, Self::Failed, Self::Cancelled];

    /// What this report is of.
    pub(super) fn of(report: &Report) -> Self {
        match report.answer.status {
            _ if report.error.as_ref().is_some_and(|failure| failure.kind == ErrorKind::Cancelled) => Self::Cancelled,
            Status::Answered => Self::Answered,
            Status::Guessed => Self::Guessed,
            Status::Unanswerable => Self::Unanswerable,
            Status::Budget => Self::Budget,
            Status::Failed => Self::Failed,
        }
    }

    /// The word for it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Guessed => "guessed",
            Self::Unanswerable => "unanswerable",
            Self::Budget => "budget",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A run that goes on by itself. Dropping it stops the run.
pub(crate) struct Run {
    events: mpsc::UnboundedReceiver<Entry>,
    report: JoinHandle<Result<Report>>,
    _stop: DropGuard,
}

impl Run {
    /// Begins a run. Its turn is given back when it has really ended.
    ///
    /// `traceparent` is what the client says its request is a part of.
    pub(crate) fn begin(shared: &Shared, task: Task, turn: Turn, traceparent: Option<&str>) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let cancel = shared.stop.child_token();
        let metrics = Arc::clone(&shared.metrics);
        let mut sinks: Vec<Arc<dyn EventSink>> = vec![Arc::<Metrics>::clone(&metrics), Arc::new(Channel(sender))];
        sinks.extend(shared.spans.iter().map(|spans| Arc::new(spans.spans(traceparent)) as Arc<dyn EventSink>));
        let watch = Watch { cancel: cancel.clone(), sinks, past: None };
        let agent = shared.agent.clone();
        let report = shared.runs.going.spawn(async move {
            let counted = metrics.run();
            let report = agent.ask_watched(&task, watch).await;
            counted.ended(&report);
            drop(turn);
            report
        });
        Self { events, report, _stop: cancel.drop_guard() }
    }

    /// What happens next; nothing after the last event.
    pub(crate) async fn event(&mut self) -> Option<Entry> {
        let entry = self.events.recv().await?;
        if matches!(entry.event, Event::Answered { .. } | Event::Failed { .. }) {
            // Work that a tool left running may hold the channel open.
            self.events.close();
        }
        Some(entry)
    }

    /// Waits for its end, whatever came of it.
    ///
    /// # Errors
    /// When it could not begin; a panic in it is a defect of the service, and told as that.
    pub(crate) async fn report(mut self) -> Result<Report, Refusal> {
        // Nobody listens from here on.
        self.events.close();
        let report = self.report.await.map_err(|e| {
            tracing::error!("a run ended in a panic: {e}");
            Refusal::internal()
        })??;
        Ok(report)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// As [`Run::report`], and when the run failed.
    pub(crate) async fn end(self) -> Result<Report, Refusal> {
        let report = self.report().await?;
        match (&report.answer.status, &report.error) {
            (Status::Failed, Some(failure)) => Err(Refusal::of_failure(failure)),
            (Status::Failed, None) => Err(Refusal::internal()),
            _ => Ok(report),
        }
    }
}
