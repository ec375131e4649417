//! Run stores: where a service keeps the runs that it has taken on, so that none is lost and each ends once.
//!
//! A run is kept as what was accepted, its trace, and its end. What has no end goes on when the service is started
//! again: its trace tells how far it came.

mod folder;
mod memory;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

pub use self::folder::FolderRuns;
pub use self::memory::MemoryRuns;

use crate::error::Result;
use crate::image::Image;
use crate::trace::Entry;

/// A run as it was accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// Its name; see [`new_id`].
    pub id: String,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// Whose it is; nothing where callers are not told apart.
    pub caller: Option<String>,
    /// The configuration that was asked for, by its name.
    pub model: String,
    /// What is asked.
    pub question: String,
    /// The images, as blobs.
    pub images: Vec<Json>,
    /// How it is asked: [`Task::settings`](crate::task::Task::settings).
    pub task: Json,
    /// The client's own name for the request, and the digest of what it asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Idempotency>,
    /// What the client says its request is a part of: `traceparent` of W3C Trace Context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// An image's digest, and its encoded bytes.
pub type Blob<'a> = (&'a str, &'a [u8]);

/// What tells a request that is sent again from a new one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idempotency {
    /// The client's name for it.
    pub key: String,
    /// The digest of what was asked.
    pub request: String,
}

/// How often a run began from one place in its trace.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Begun {
    events: usize,
    times: u32,
}

impl Begun {
    fn count(&mut self, events: usize) -> u32 {
        self.times = if events == self.events { self.times.saturating_add(1) } else { 1 };
        self.events = events;
        self.times
    }
}

/// A new name for a run: `run-` and 32 hexadecimal digits, drawn at random.
pub fn new_id() -> String {
    format!("run-{}", uuid::Uuid::new_v4().simple())
}

/// Whether this is a name of a run, and no path that leads elsewhere.
fn is_id(name: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    name.strip_prefix("run-").is_some_and(|digits| digits.len() == 32 && digits.bytes().all(is_digit))
}

/// A run that is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// As it was accepted.
    pub accepted: Accepted,
    /// Its client has cancelled it.
    pub cancelled: bool,
    /// What it came to, when it is over.
    pub end: Option<Json>,
    /// How much room it takes, in bytes.
    pub bytes: u64,
}

/// Keeps runs. All methods may block for a while, as files do.
pub trait RunStore: Send + Sync {
    /// Keeps a run with its images, and with what it takes over from another. When this has returned, the run outlives
    /// the process, as far as this store does.
    ///
    /// # Errors
    /// `Io` when it cannot be kept; then nothing of it is.
    fn accept(&self, run: &Accepted, images: &[Blob<'_>], entries: &[Entry]) -> Result<()>;

    /// Notes that a run begins, or goes on, and tells how often it did so from where its trace ends now.
    ///
    /// # Errors
    /// `NotFound` when there is no such run, `Io` when that cannot be noted.
    fn begin(&self, id: &str) -> Result<u32>;

    /// Notes that a run is cancelled, so that it does not go on after a restart.
    ///
    /// # Errors
    /// As [`RunStore::begin`].
    fn cancel(&self, id: &str) -> Result<()>;

    /// Appends to a run's trace.
    ///
    /// # Errors
    /// As [`RunStore::begin`].
    fn append(&self, id: &str, entry: &Entry, images: &[&Image]) -> Result<()>;

    /// Notes what a run came to. The first end counts.
    ///
    /// # Errors
    /// As [`RunStore::begin`].
    fn end(&self, id: &str, end: &Json) -> Result<()>;

    /// All runs, the oldest first. What cannot be read is left out, and the log tells of it.
    ///
    /// # Errors
    /// `Io` when nothing can be read.
    fn all(&self) -> Result<Vec<Kept>>;

    /// One run.
    ///
    /// # Errors
    /// `NotFound` when there is none of this name, `Io` or `InvalidInput` when it cannot be read.
    fn one(&self, id: &str) -> Result<Kept>;

    /// A run's trace so far.
    ///
    /// # Errors
    /// As [`RunStore::one`].
    fn entries(&self, id: &str) -> Result<Vec<Entry>>;

    /// An image of a run, by its digest.
    ///
    /// # Errors
    /// As [`RunStore::one`].
    fn blob(&self, id: &str, digest: &str) -> Result<Vec<u8>>;

    /// Forgets a run.
    ///
    /// # Errors
    /// `Io` when not all of it can be removed.
    fn remove(&self, id: &str) -> Result<()>;
}
