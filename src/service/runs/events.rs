//! Events of a run as server-sent events, which a client can take up again where it lost them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::Value;
use tokio::sync::mpsc::{Sender, channel};

use super::{One, blocking};
use crate::error::Error;
use crate::service::Shared;
use crate::service::refusal::Refusal;
use crate::service::told::Told;
use crate::trace::Entry;

/// How often a silent stream shows that it lives.
const ALIVE: Duration = Duration::from_secs(10);

type Out = Sender<Sent>;

/// How many events wait for a client that reads slowly.
const WAITING: usize = 16;

/// What happened in a run from the n-th event on (from 0), from the store where it is over.
///
/// # Errors
/// When the store cannot be read: that is a defect of this side, and its log says more.
pub(super) async fn entries(shared: &Shared, run: &Arc<One>, from: usize) -> Result<Vec<Entry>, Refusal> {
    if let Some(entries) = run.so_far(from) {
        return Ok(entries);
    }
    let entries = blocking(shared, run, |runs, run| runs.store.entries(&run.accepted.id)).await;
    let mut entries = entries.map_err(|error| kept_badly(&error))?;
    Ok(entries.split_off(from.min(entries.len())))
}

/// A run that cannot be read. Where it is kept is no client's affair.
pub(super) fn kept_badly(error: &Error) -> Refusal {
    tracing::error!("a run cannot be read: {}", error.for_log());
    Refusal::internal()
}

/// The events of a run after the one of this number, as they come, and at last its end.
pub(super) fn respond(shared: &Shared, run: Arc<One>, after: Option<u64>) -> Response {
    let (out, events) = channel(WAITING);
    let shared = Shared::clone(shared);
    tokio::spawn(async move {
        tokio::select! {
            () = out.closed() => {}
            () = shared.stop.cancelled() => {}
            () = tell(&shared, &run, after, &out) => {}
        }
    });
    let events = stream::unfold(events, |mut events| async move {
        events.recv().await.map(|event| (Ok::<_, Infallible>(event), events))
    });
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE));
    ([("x-accel-buffering", "no")], events).into_response()
}

async fn tell(shared: &Shared, run: &Arc<One>, after: Option<u64>, out: &Out) {
    let mut state = run.watch();
    let (mut told, mut next) = (Told::default(), 0);
    let is_new = |n: usize| after.is_none_or(|after| n as u64 > after);
    loop {
        // What happens while this is told is told in the next turn.
        let (over, happened) = {
            let state = state.borrow_and_update();
            (state.end.is_some(), state.events)
        };
        // Of a run from an earlier process the number of events is not known here.
        let is_told = next > 0 && next >= happened;
        // Where the trace cannot be read, the end is told all the same.
        let new = if is_told { Vec::new() } else { entries(shared, run, next).await.unwrap_or_default() };
        for entry in new {
            let event = told.line(&entry);
            if is_new(next) {
                send(out, next, None, &event).await;
            }
            next += 1;
        }
        if over {
            if is_new(next) {
                send(out, next, Some("end"), &run.to_json()).await;
            }
            return;
        }
        if state.changed().await.is_err() {
            return;
        }
    }
}

async fn send(out: &Out, number: usize, name: Option<&str>, event: &Value) {
    let sent = Sent::default().id(number.to_string()).data(event.to_string());
    // A reader that is gone ends the telling elsewhere.
    let _ = out
        .send(match name {
            Some(name) => sent.event(name),
            None => sent,
        })
        .await;
}
