//! The end of the process: nobody may be inside ONNX Runtime when its library is taken down.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Who is inside the library.
struct Gate {
    state: Mutex<State>,
    left: Condvar,
}

struct State {
    inside: usize,
    closed: bool,
}

static GATE: Gate = Gate { state: Mutex::new(State { inside: 0, closed: false }), left: Condvar::new() };

/// Lets a thread be inside the library until it is dropped.
pub(super) struct Inside(());

impl Inside {
    /// Enters the library, unless the process is ending.
    pub(super) fn enter() -> Option<Self> {
        let mut state = GATE.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return None;
        }
        state.inside += 1;
        Some(Self(()))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let mut state = GATE.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.inside = state.inside.saturating_sub(1);
        GATE.left.notify_all();
    }
}

/// Closes the runners of this process for good, and waits until no session is being opened, run or
/// dropped, but no longer than `limit`. Calls after it fail.
///
/// # Why a program should call this before it ends
/// At the end of a process the C++ library destroys what is global in it, while threads of
/// runners may still be opening a session: that crashes. A program that embeds runners and may
/// end while they work calls this first, or ends by `_exit`, which destroys nothing.
pub fn close(limit: Duration) {
    let mut state = GATE.state.lock().unwrap_or_else(PoisonError::into_inner);
    state.closed = true;
    drop(GATE.left.wait_timeout_while(state, limit, |state| state.inside > 0));
}
