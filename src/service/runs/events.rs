//! Events of a run as server-sent events, which a client can take up again where it lost them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::{One, blocking};
use crate::error::Result;
use crate::service::Shared;
use crate::service::told::Told;
use crate::trace::Entry;

/// How often a silent stream shows that it lives.
const ALIVE: Duration = Duration::from_secs(10);

type Out = UnboundedSender<Sent>;

/// What happened in a run, from the store where it is over.
///
/// # Errors
/// Those of the store.
pub(super) async fn entries(shared: &Shared, run: &Arc<One>) -> Result<Vec<Entry>> {
    match run.so_far() {
        Some(entries) => Ok(entries),
        None => blocking(shared, run, |runs, run| runs.store.entries(&run.accepted.id)).await,
    }
}

/// The events of a run after the one of this number, as they come, and at last its end.
pub(super) fn respond(shared: &Shared, run: Arc<One>, after: Option<u64>) -> Response {
    let (out, events) = unbounded_channel();
    let shared = Shared::clone(shared);
    tokio::spawn(async move {
        tokio::select! {
            () = out.closed() => {}
            () = shared.stop.cancelled() => {}
            told = tell(&shared, &run, after, &out) => {
                if let Err(error) = told {
                    tracing::error!("the events of a run cannot be told: {}", error.for_log());
                }
            }
        }
    });
    let events = stream::unfold(events, |mut events| async move {
        events.recv().await.map(|event| (Ok::<_, Infallible>(event), events))
    });
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE));
    ([("x-accel-buffering", "no")], events).into_response()
}

async fn tell(shared: &Shared, run: &Arc<One>, after: Option<u64>, out: &Out) -> Result<()> {
    let mut state = run.watch();
    let (mut told, mut next) = (Told::default(), 0);
    loop {
        // What happens while this is told is told in the next turn.
        let over = state.borrow_and_update().end.is_some();
        let entries = entries(shared, run).await?;
        for entry in entries.get(next..).unwrap_or_default() {
            let event = told.line(entry);
            if after.is_none_or(|after| next as u64 > after) {
                send(out, next, None, &event);
            }
            next += 1;
        }
        if over {
            if after.is_none_or(|after| next as u64 > after) {
                send(out, next, Some("end"), &run.to_json());
            }
            return Ok(());
        }
        if state.changed().await.is_err() {
            return Ok(());
        }
    }
}

fn send(out: &Out, number: usize, name: Option<&str>, event: &Value) {
    let sent = Sent::default().id(number.to_string()).data(event.to_string());
    // A reader that is gone ends the telling elsewhere.
    let _ = out.send(match name {
        Some(name) => sent.event(name),
        None => sent,
    });
}
