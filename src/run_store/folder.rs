//! Runs in a folder: each in one of its own, which outlives the process.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::{Accepted, Begun, Blob, Kept, RunStore, is_id};
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::trace::{self, BlobFolder, Entry, Source as _, TraceWriter};

/// What was accepted: a folder with it holds a run.
const ACCEPTED: &str = "run.json";
/// The run's trace; its images are beside it.
const TRACE: &str = "trace.jsonl";
/// What the run came to.
const END: &str = "end.json";
/// How often the run began, and from where.
const BEGUN: &str = "begun.json";
/// There where the run's client has cancelled it.
const CANCELLED: &str = "cancelled.json";

/// Keeps runs in a folder, which one process uses at a time.
///
/// Files are handed to the operating system before a run counts as accepted, and its trace event by event: killing the
/// process loses nothing. A power failure may lose what the system had not written yet.
pub struct FolderRuns {
    folder: PathBuf,
    /// Held as long as the folder is used.
    _lock: File,
    writers: Mutex<HashMap<String, Arc<TraceWriter>>>,
}

impl FolderRuns {
    /// Opens a folder, which is made when there is none.
    ///
    /// # Errors
    /// `Io` or `NotFound` when it cannot be used, or another process uses it.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let place = |e: std::io::Error| Error::from(e).context(format!("the folder of runs `{}`", folder.display()));
        fs::create_dir_all(folder).map_err(place)?;
        let lock = File::create(folder.join("lock")).map_err(place)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let why = format!("the folder of runs `{}` is used by another process", folder.display());
                return Err(Error::new(ErrorKind::Io, why));
            }
            Err(TryLockError::Error(e)) => return Err(place(e)),
        }
        Ok(Self { folder: folder.to_owned(), _lock: lock, writers: Mutex::default() })
    }

    /// The folder of a run.
    fn of(&self, id: &str) -> Result<PathBuf> {
        let folder = self.folder.join(id);
        if !is_id(id) || !folder.join(ACCEPTED).is_file() {
            return Err(Error::new(ErrorKind::NotFound, format!("there is no run `{id}`")));
        }
        Ok(folder)
    }

    fn writer(&self, id: &str) -> Result<Arc<TraceWriter>> {
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = writers.get(id) {
            return Ok(Arc::clone(writer));
        }
        let writer = Arc::new(TraceWriter::go_on(self.of(id)?.join(TRACE))?);
        writers.insert(id.to_owned(), Arc::clone(&writer));
        Ok(writer)
    }

    fn close(&self, id: &str) {
        self.writers.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    fn read(folder: &Path) -> Result<Kept> {
        let accepted = read_json(&folder.join(ACCEPTED))?
            .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("`{}` is no run", folder.display())))?;
        let files = [folder.to_owned(), folder.join(format!("{TRACE}.blobs"))];
        let bytes = files.iter().map(|folder| size_of(folder)).sum();
        let cancelled = folder.join(CANCELLED).exists();
        Ok(Kept { accepted, cancelled, end: read_json(&folder.join(END))?, bytes })
    }
}

/// The size of the files in a folder.
fn size_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).filter(fs::Metadata::is_file).map(|file| file.len()).sum()
}

/// A file of JSON; nothing when there is none.
fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let place = || format!("`{}`", path.display());
    match fs::read(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::from(e).context(place())),
        Ok(bytes) => {
            let faulty = |e| Error::invalid(format!("it cannot be read: {e}")).context(place());
            serde_json::from_slice(&bytes).map(Some).map_err(faulty)
        }
    }
}

/// Writes a file of JSON; under its name it is whole and on the disk, or not there.
fn write_json(path: &Path, json: &impl Serialize) -> Result<()> {
    let write = || {
        let part = path.with_extension("part");
        let mut file = File::create(&part)?;
        file.write_all(&serde_json::to_vec(json)?)?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    write()
        .map_err(|e| Error::new(ErrorKind::Io, format!("`{}` cannot be written: {e}", path.display())).with_source(e))
}

impl RunStore for FolderRuns {
    fn accept(&self, run: &Accepted, images: &[Blob<'_>], entries: &[Entry]) -> Result<()> {
        if !is_id(&run.id) {
            return Err(Error::internal(format!("`{}` is no name of a run", run.id)));
        }
        let folder = self.folder.join(&run.id);
        let keep = || {
            fs::create_dir_all(&folder)?;
            let blobs = BlobFolder::beside(folder.join(TRACE));
            images.iter().try_for_each(|(digest, bytes)| blobs.put_bytes(digest, bytes))?;
            if !entries.is_empty() {
                let writer = TraceWriter::create(folder.join(TRACE))?;
                entries.iter().try_for_each(|entry| writer.append(entry, &[]))?;
            }
            // With this file the run is there.
            write_json(&folder.join(ACCEPTED), run)
        };
        keep().inspect_err(|_| {
            let _ = fs::remove_dir_all(&folder);
        })
    }

    fn begin(&self, id: &str) -> Result<u32> {
        let path = self.of(id)?.join(BEGUN);
        let mut begun = read_json::<Begun>(&path)?.unwrap_or_default();
        let times = begun.count(self.entries(id)?.len());
        write_json(&path, &begun)?;
        Ok(times)
    }

    fn cancel(&self, id: &str) -> Result<()> {
        write_json(&self.of(id)?.join(CANCELLED), &true)
    }

    fn append(&self, id: &str, entry: &Entry, images: &[&Image]) -> Result<()> {
        self.writer(id)?.append(entry, images)
    }

    fn end(&self, id: &str, end: &Json) -> Result<()> {
        let path = self.of(id)?.join(END);
        self.close(id);
        if path.exists() { Ok(()) } else { write_json(&path, end) }
    }

    fn all(&self) -> Result<Vec<Kept>> {
        let place = |e: std::io::Error| Error::from(e).context(format!("`{}`", self.folder.display()));
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(place)?.flatten() {
            let folder = entry.path();
            if !folder.is_dir() {
                continue;
            }
            if !folder.join(ACCEPTED).is_file() {
                // Of a run whose client was never told that it was accepted; other folders are none of ours.
                if entry.file_name().to_str().is_some_and(is_id) {
                    let _ = fs::remove_dir_all(&folder);
                }
                continue;
            }
            match Self::read(&folder) {
                Ok(run) => kept.push(run),
                Err(error) => tracing::error!("a run is left out: {}", error.for_log()),
            }
        }
        kept.sort_by(|a, b| (a.accepted.at_ms, &a.accepted.id).cmp(&(b.accepted.at_ms, &b.accepted.id)));
        Ok(kept)
    }

    fn one(&self, id: &str) -> Result<Kept> {
        Self::read(&self.of(id)?)
    }

    fn entries(&self, id: &str) -> Result<Vec<Entry>> {
        let path = self.of(id)?.join(TRACE);
        if path.exists() { trace::read(path) } else { Ok(Vec::new()) }
    }

    fn blob(&self, id: &str, digest: &str) -> Result<Vec<u8>> {
        BlobFolder::beside(self.of(id)?.join(TRACE)).blob(digest)
    }

    fn remove(&self, id: &str) -> Result<()> {
        let folder = self.of(id)?;
        self.close(id);
        // Without this file it is no run, whatever becomes of the rest.
        fs::remove_file(folder.join(ACCEPTED)).and_then(|()| fs::remove_dir_all(&folder)).map_err(Error::from)
    }
}
