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
    /// As JSON: read, they take several times as much room.
    entries: Vec<Box<[u8]>>,
    blobs: HashMap<String, Vec<u8>>,
    end: Option<Json>,
    cancelled: bool,
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
        let blobs: usize = self.blobs.values().map(Vec::len).sum();
        let entries: usize = self.entries.iter().map(|entry| entry.len()).sum();
        let (accepted, end) = (self.accepted.clone(), self.end.clone());
        Kept { accepted, cancelled: self.cancelled, end, bytes: (blobs + entries) as u64 }
    }
}

fn written(entry: &Entry) -> Result<Box<[u8]>> {
    let json = serde_json::to_vec(entry).map_err(|e| Error::internal("an entry has no JSON form").with_source(e))?;
    Ok(json.into_boxed_slice())
}

fn read(json: &[u8]) -> Result<Entry> {
    serde_json::from_slice(json).map_err(|e| Error::internal("an entry cannot be read again").with_source(e))
}

impl RunStore for MemoryRuns {
    fn accept(&self, run: &Accepted, images: &[Blob<'_>], entries: &[Entry]) -> Result<()> {
        let mut kept = Run {
            accepted: run.clone(),
            begun: Begun::default(),
            entries: entries.iter().map(written).collect::<Result<_>>()?,
            blobs: HashMap::new(),
            end: None,
            cancelled: false,
        };
        for (digest, bytes) in images {
            kept.blobs.insert((*digest).to_owned(), bytes.to_vec());
        }
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
        let entry = written(entry)?;
        self.with(id, |run| {
            run.keep(images);
            run.entries.push(entry);
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
        let entries = self.with(id, |run| run.entries.clone())?;
        entries.iter().map(|entry| read(entry)).collect()
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
