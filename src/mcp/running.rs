//! Running calls: those that a later message of the same client can cancel.
//!
//! Over HTTP each request stands alone. Clients of the protocol's older versions cancel a call by another request, which
//! names the call and the session; newer ones close the call's own request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::service::access::Caller;

/// Longest name of a session or a call that is kept, in bytes.
const LONGEST: usize = 128;

/// A call as its client names it: by the session, and the id of the request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Name {
    caller: Caller,
    session: String,
    id: String,
}

impl Name {
    /// The name, when it has its parts and none is too long.
    pub(super) fn new(caller: Caller, session: Option<&str>, id: Option<&str>) -> Option<Self> {
        let kept = |text: Option<&str>| text.filter(|text| text.len() <= LONGEST).map(str::to_owned);
        Some(Self { caller, session: kept(session)?, id: kept(id)? })
    }
}

/// The calls that run now.
#[derive(Clone, Default)]
pub(super) struct Running(Arc<Mutex<HashMap<Name, (Uuid, CancellationToken)>>>);

/// A call in the list; it is taken off when this is dropped.
pub(super) struct Listed {
    running: Running,
    name: Name,
    own: Uuid,
}

impl Running {
    /// Lists a call. A second one of the same name takes the place of the first.
    pub(super) fn list(&self, name: Name, cancel: CancellationToken) -> Listed {
        let own = Uuid::new_v4();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), (own, cancel));
        Listed { running: self.clone(), name, own }
    }

    /// Cancels the call of this name, when it runs.
    pub(super) fn cancel(&self, name: &Name) {
        if let Some((_, cancel)) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
            cancel.cancel();
        }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut running = self.running.0.lock().unwrap_or_else(PoisonError::into_inner);
        if running.get(&self.name).is_some_and(|(own, _)| *own == self.own) {
            running.remove(&self.name);
        }
    }
}
