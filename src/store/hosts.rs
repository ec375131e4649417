//! Hosts that did not answer lately: left alone for some minutes, by later processes too.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Marks, as the cause of an error, that a host was not asked because it did not answer before.
#[derive(Debug)]
pub(super) struct NotAsked;

impl fmt::Display for NotAsked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the host is left alone for a while")
    }
}

impl std::error::Error for NotAsked {}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Silence {
    /// Seconds since 1970.
    since: u64,
    why: String,
    /// Whether this process found out, rather than read it from the file.
    #[serde(skip)]
    ours: bool,
}

type Silences = BTreeMap<String, Silence>;

pub(super) struct DeadHosts {
    file: PathBuf,
    memory: Duration,
    known: Mutex<Option<Silences>>,
}

impl DeadHosts {
    pub(super) fn new(home: &Path, memory: Duration) -> Self {
        Self { file: home.join("dead-hosts.json"), memory, known: Mutex::new(None) }
    }

    /// Why a host is left alone, in words, when it is.
    pub(super) fn recall(&self, host: &str) -> Option<String> {
        let mut known = self.known();
        let silence = known.get_or_insert_with(|| self.read()).get(host)?;
        let age = now().saturating_sub(silence.since);
        (age < self.memory.as_secs()).then(|| format!("{}; {age} s ago, not asked again yet", silence.why))
    }

    pub(super) fn mark(&self, host: &str, why: &str) {
        self.change(|silences| {
            silences.insert(host.to_owned(), Silence { since: now(), why: why.to_owned(), ours: true });
        });
    }

    /// A host answered.
    pub(super) fn clear(&self, host: &str) {
        let is_known = self.known().as_ref().is_some_and(|silences| silences.contains_key(host));
        if is_known {
            self.change(|silences| drop(silences.remove(host)));
        }
    }

    /// Forgets what earlier processes found out, and what this one did longer than `age` ago: the
    /// user may have mended it since.
    pub(super) fn forget(&self, age: Duration) {
        let limit = now().saturating_sub(age.as_secs());
        self.change(|silences| silences.retain(|_, silence| silence.ours && silence.since > limit));
    }

    fn change(&self, change: impl FnOnce(&mut Silences)) {
        let mut known = self.known();
        let mut silences = self.read();
        silences.extend(known.take().unwrap_or_default());
        let limit = now().saturating_sub(self.memory.as_secs());
        silences.retain(|_, silence| silence.since > limit);
        change(&mut silences);
        // Only a convenience: where it cannot be written, each process finds out for itself.
        if let Err(error) = self.write(&silences) {
            tracing::debug!(%error, file = %self.file.display(), "cannot remember silent hosts");
        }
        *known = Some(silences);
    }

    fn known(&self) -> MutexGuard<'_, Option<Silences>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Silences {
        let Ok(text) = std::fs::read_to_string(&self.file) else { return Silences::new() };
        let silences: Silences = serde_json::from_str(&text).unwrap_or_default();
        let now = now();
        // A clock that was set back must not silence a host for years.
        silences.into_iter().filter(|(_, silence)| silence.since <= now).collect()
    }

    fn write(&self, silences: &Silences) -> std::io::Result<()> {
        super::place::write_whole(&self.file, &serde_json::to_vec(silences)?)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
