//! Runs in memory: gone with the process.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value as Json;

use super::{Accepted, Begun, Blob, Kept, RunStore};
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::trace::Entry;

/// Keeps runs in memory.
#[derive(Default)]
pub struct MemoryRuns(Mutex<BTreeMap<(u64, String), Run>>);

struct Run {
    accepted: Accepted,
    begun: Begun,
    entries: Vec<Entry>,
    blobs: HashMap<String, Vec<u8>>,
    end: Option<Json>,
    cancelled: bool,
    /// How much room the entries take, about.
    bytes: u64,
}

impl MemoryRuns {
    fn runs(&self) -> MutexGuard<'_, BTreeMap<(u64, String), Run>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, id: &str, work: impl FnOnce(&mut Run) -> T) -> Result<T> {
        let mut runs = self.runs();
        let found = runs.values_mut().find(|run| run.accepted.id == id);
        found.map(work).ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no run `{id}`")))
    }
}

impl Run {
    fn keep(&mut self, images: &[&Image]) {
        for image in images {
            self.blobs.entry(image.digest().to_owned()).or_insert_with(|| image.encoded().to_vec());
        }
    }

    fn kept(&self) -> Kept {
        let blobs: u64 = self.blobs.values().map(|blob| blob.len() as u64).sum();
        let (accepted, end) = (self.accepted.clone(), self.end.clone());
        Kept { accepted, cancelled: self.cancelled, end, bytes: blobs + self.bytes }
    }
}

/// How long an entry is as JSON.
fn size_of(entry: &Entry) -> u64 {
    serde_json::to_vec(entry).map_or(0, |json| json.len() as u64)
}

impl RunStore for MemoryRuns {
    fn accept(&self, run: &Accepted, images: &[Blob<'_>], entries: &[Entry]) -> Result<()> {
        let mut kept = Run {
            accepted: run.clone(),
            begun: Begun::default(),
            entries: entries.to_vec(),
            blobs: HashMap::new(),
            end: None,
            cancelled: false,
            bytes: 0,
        };
        for (digest, bytes) in images {
            kept.blobs.insert((*digest).to_owned(), bytes.to_vec());
        }
        kept.bytes = entries.iter().map(size_of).sum();
        self.runs().insert((run.at_ms, run.id.clone()), kept);
        Ok(())
    }

    fn begin(&self, id: &str) -> Result<u32> {
        self.with(id, |run| run.begun.count(run.entries.len()))
    }

    fn cancel(&self, id: &str) -> Result<()> {
        self.with(id, |run| run.cancelled = true)
    }

    fn append(&self, id: &str, entry: &Entry, images: &[&Image]) -> Result<()> {
        self.with(id, |run| {
            run.keep(images);
            run.bytes += size_of(entry);
            run.entries.push(entry.clone());
        })
    }

    fn end(&self, id: &str, end: &Json) -> Result<()> {
        self.with(id, |run| {
            run.end.get_or_insert_with(|| end.clone());
        })
    }

    fn all(&self) -> Result<Vec<Kept>> {
        Ok(self.runs().values().map(Run::kept).collect())
    }

    fn one(&self, id: &str) -> Result<Kept> {
        self.with(id, |run| run.kept())
    }

    fn entries(&self, id: &str) -> Result<Vec<Entry>> {
        self.with(id, |run| run.entries.clone())
    }

    fn blob(&self, id: &str, digest: &str) -> Result<Vec<u8>> {
        let missing = || Error::new(ErrorKind::NotFound, format!("the run `{id}` has no image `{digest}`"));
        self.with(id, |run| run.blobs.get(digest).cloned())?.ok_or_else(missing)
    }

    fn remove(&self, id: &str) -> Result<()> {
        self.runs().retain(|_, run| run.accepted.id != id);
        Ok(())
    }
}
