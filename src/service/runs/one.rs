//! One run, and what is known of it while it goes on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::run_store::{Accepted, Kept};
use crate::trace::Entry;

/// A run.
pub(in crate::service) struct One {
    pub(super) accepted: Accepted,
    /// How much room it takes, about.
    bytes: AtomicU64,
    state: watch::Sender<State>,
    /// What happened, as long as the run goes on: after that it is in the store.
    entries: Mutex<Vec<Entry>>,
    cancelled: AtomicBool,
    /// Stops it while it waits or runs.
    stop: Mutex<Option<CancellationToken>>,
}

/// How far a run has come.
#[derive(Clone)]
pub(super) struct State {
    /// How many events there are.
    pub(super) events: usize,
    running: bool,
    pub(super) end: Option<Value>,
}

impl One {
    pub(super) fn new(accepted: Accepted, bytes: u64) -> Self {
        Self::of(accepted, bytes, None, false)
    }

    pub(super) fn kept(kept: Kept) -> Self {
        Self::of(kept.accepted, kept.bytes, kept.end, kept.cancelled)
    }

    fn of(accepted: Accepted, bytes: u64, end: Option<Value>, cancelled: bool) -> Self {
        let state = watch::Sender::new(State { events: 0, running: false, end });
        let (entries, cancelled, stop) = (Mutex::default(), AtomicBool::new(cancelled), Mutex::default());
        let bytes = AtomicU64::new(bytes);
        Self { accepted, bytes, state, entries, cancelled, stop }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// So much room it takes.
    pub(super) fn takes(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self) -> bool {
        self.state.borrow().end.is_some()
    }

    /// Whether its client has cancelled it.
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// Stops the run, if it goes on.
    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        if let Some(stop) = self.stop.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            stop.cancel();
        }
    }

    /// The run is stopped with this from here on.
    pub(super) fn stops_with(&self, cancel: &CancellationToken) {
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = Some(cancel.clone());
        if self.is_cancelled() {
            cancel.cancel();
        }
    }

    pub(super) fn is_running(&self) {
        self.state.send_modify(|state| state.running = true);
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What happened before.
    pub(super) fn knows(&self, entries: &[Entry]) {
        *self.entries() = entries.to_vec();
        self.state.send_modify(|state| state.events = entries.len());
    }

    /// Something happened.
    pub(super) fn tells(&self, entry: &Entry) {
        self.entries().push(entry.clone());
        self.state.send_modify(|state| state.events += 1);
    }

    /// The run is over.
    pub(super) fn ends(&self, end: Value) {
        self.state.send_modify(|state| {
            state.end.get_or_insert(end);
        });
        *self.entries() = Vec::new();
    }

    /// What has happened from the n-th event on (from 0); nothing when that is in the store.
    pub(super) fn so_far(&self, from: usize) -> Option<Vec<Entry>> {
        let entries = self.entries();
        (!self.is_over()).then(|| entries.get(from..).unwrap_or_default().to_vec())
    }

    pub(super) fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// What its client is told of it.
    pub(super) fn to_json(&self) -> Value {
        let state = self.state.borrow().clone();
        let mut run = json!({
            "id": self.accepted.id,
            "object": "run",
            "created_at": self.accepted.at_ms / 1000,
            "model": self.accepted.model,
            "question": self.accepted.question,
            "images": self.accepted.images.len(),
            "status": if state.running { "running" } else { "queued" },
        });
        if let (Some(run), Some(Value::Object(end))) = (run.as_object_mut(), state.end) {
            run.extend(end);
        }
        run
    }
}
