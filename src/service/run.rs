//! Runs: one question, in a task of its own.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::DropGuard;

use super::Shared;
use super::admission::Turn;
use super::refusal::Refusal;
use crate::agent::{Channel, Report, Watch};
use crate::answer::Status;
use crate::error::Result;
use crate::task::Task;
use crate::trace::{Entry, Event};

/// A run that goes on by itself. Dropping it stops the run.
pub(crate) struct Run {
    events: mpsc::UnboundedReceiver<Entry>,
    report: JoinHandle<Result<Report>>,
    _stop: DropGuard,
}

impl Run {
    /// Begins a run. Its turn is given back when it has really ended.
    pub(crate) fn begin(shared: &Shared, task: Task, turn: Turn) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let cancel = shared.stop.child_token();
        let watch = Watch { cancel: cancel.clone(), sinks: vec![Arc::new(Channel(sender))], past: None };
        let agent = shared.agent.clone();
        let report = tokio::spawn(async move {
            let report = agent.ask_watched(&task, watch).await;
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
    pub(crate) async fn report(self) -> Result<Report, Refusal> {
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
