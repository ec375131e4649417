//! Admission: how many runs there are at a time, and how many wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::access::Caller;
use super::refusal::Refusal;
use crate::config::ServiceConfig;

/// After how many seconds a refused client may try again: about as long as a run takes on two cores.
const RETRY_AFTER: u64 = 5;

/// Lets requests in, and gives them turns to run; what finds no room is refused at once, before its body is read.
pub(crate) struct Admission {
    turns: Arc<Semaphore>,
    inside: Arc<Mutex<HashMap<Caller, usize>>>,
    max_turns: usize,
    max_inside: usize,
    max_per_key: usize,
}

/// A place in the queue; given back when it is dropped.
pub(crate) struct Place {
    caller: Caller,
    inside: Arc<Mutex<HashMap<Caller, usize>>>,
    turns: Arc<Semaphore>,
}

/// A turn to run; given back with its place when it is dropped.
pub(crate) struct Turn {
    _permit: OwnedSemaphorePermit,
    _place: Place,
}

impl Admission {
    pub(crate) fn new(config: &ServiceConfig) -> Self {
        let max_turns = config.max_runs.min(Semaphore::MAX_PERMITS);
        Self {
            turns: Arc::new(Semaphore::new(max_turns)),
            max_turns,
            inside: Arc::default(),
            max_inside: config.max_runs.saturating_add(config.max_queue),
            max_per_key: config.max_runs_per_key,
        }
    }

    /// How many have a turn, and how many a place and no turn yet.
    pub(super) fn inside(&self) -> (usize, usize) {
        let of_all: usize = self.inside.lock().unwrap_or_else(PoisonError::into_inner).values().sum();
        let running = self.max_turns.saturating_sub(self.turns.available_permits());
        (running, of_all.saturating_sub(running))
    }

    /// Takes a place for a run that was let in before, however many there are.
    pub(super) fn return_to(&self, caller: Caller) -> Place {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        *inside.entry(caller).or_default() += 1;
        Place { caller, inside: Arc::clone(&self.inside), turns: Arc::clone(&self.turns) }
    }

    /// Takes a place in the queue.
    ///
    /// # Errors
    /// When the queue is full, or this caller has too many runs already.
    pub(crate) fn enter(&self, caller: Caller) -> Result<Place, Refusal> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let of_all: usize = inside.values().sum();
        if of_all >= self.max_inside {
            let message =
                format!("{of_all} runs are running or waiting, and there is no room for more; try again later");
            return Err(Refusal::too_many(message, RETRY_AFTER));
        }
        let of_caller = inside.entry(caller).or_default();
        if caller.has_key() && *of_caller >= self.max_per_key {
            let message = format!("this key has {of_caller} runs already; wait until one of them ends");
            return Err(Refusal::too_many(message, RETRY_AFTER));
        }
        *of_caller += 1;
        Ok(Place { caller, inside: Arc::clone(&self.inside), turns: Arc::clone(&self.turns) })
    }
}

impl Place {
    /// Waits for a turn, first come, first served. Who stops waiting leaves the queue.
    pub(crate) async fn turn(self) -> Result<Turn, Refusal> {
        let permit = Arc::clone(&self.turns).acquire_owned().await;
        Ok(Turn { _permit: permit.map_err(|_| Refusal::internal())?, _place: self })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = inside.get_mut(&self.caller) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                inside.remove(&self.caller);
            }
        }
    }
}
