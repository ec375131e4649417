//! Work kept on disk, so that a new process need not do it again.
//!
//! One file for each piece of work, named by what it was made from, with a digest at its end. A file that
//! is damaged or cut off counts as absent. Of many, those used longest ago go first.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

/// Most files kept in a folder: an LLM has a prefix for each kind of call, and each list of tools.
const KEPT: usize = 16;

/// Unfinished files older than this belong to a process that is gone.
const STALE: Duration = Duration::from_secs(3600);

/// Length of a digest, in bytes.
const DIGEST: usize = 32;

/// A folder of files of one kind, which is made when it is first needed.
pub(crate) struct Keep {
    folder: PathBuf,
    extension: &'static str,
}

impl Keep {
    /// Keeps files with this extension in `folder`.
    pub(crate) fn new(folder: PathBuf, extension: &'static str) -> Self {
        Self { folder, extension }
    }

    /// What is kept under the digest of `made_from`, if it is there and sound; it counts as used just now.
    pub(crate) fn load(&self, made_from: Sha256) -> Option<Vec<u8>> {
        let path = self.path(made_from);
        let mut bytes = fs::read(&path).ok()?;
        let end = bytes.len().saturating_sub(DIGEST);
        let (body, digest) = bytes.split_at(end);
        if Sha256::digest(body).as_slice() != digest {
            tracing::warn!(path = %path.display(), "a kept file is damaged; it is made again");
            return None;
        }
        bytes.truncate(end);
        if let Ok(file) = File::options().append(true).open(&path) {
            let _ = file.set_modified(SystemTime::now());
        }
        Some(bytes)
    }

    /// Keeps what `write` writes under the digest of `made_from`. Failing to is no reason to fail the
    /// work: it is logged.
    pub(crate) fn save(&self, made_from: Sha256, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        if let Err(error) = self.put(&self.path(made_from), write) {
            tracing::warn!(%error, folder = %self.folder.display(), "work could not be kept on disk");
        }
        self.tidy();
    }

    fn path(&self, made_from: Sha256) -> PathBuf {
        self.folder.join(hex::encode(made_from.finalize())).with_extension(self.extension)
    }

    fn put(&self, path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        fs::create_dir_all(&self.folder)?;
        let unfinished = format!("{}-{}.unfinished", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let unfinished = self.folder.join(unfinished);
        let written = (|| {
            let mut out = Hashed { out: BufWriter::new(File::create_new(&unfinished)?), hash: Sha256::new() };
            write(&mut out)?;
            out.finish()?;
            fs::rename(&unfinished, path)
        })();
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        written
    }

    /// Removes the files used longest ago, and what dead processes left unfinished.
    fn tidy(&self) {
        let mut kept: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let (path, used) = (entry.path(), entry.metadata().and_then(|m| m.modified()));
            let Ok(used) = used else { continue };
            match path.extension().and_then(|e| e.to_str()) {
                Some(extension) if extension == self.extension => kept.push((used, path)),
                Some("unfinished") if used.elapsed().is_ok_and(|age| age > STALE) => remove(&path),
                _ => {}
            }
        }
        kept.sort();
        let spare = kept.len().saturating_sub(KEPT);
        kept.iter().take(spare).for_each(|(_, path)| remove(path));
    }
}

/// Writes and hashes at once.
struct Hashed {
    out: BufWriter<File>,
    hash: Sha256,
}

impl Hashed {
    fn finish(mut self) -> io::Result<()> {
        self.out.write_all(&self.hash.finalize())?;
        self.out.flush()
    }
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Removes a file, which another process may have done meanwhile.
fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::debug!(%error, path = %path.display(), "an old file was not removed");
    }
}
