//! Computed prefixes on disk, so that a new process starts at once.
//!
//! One file a prefix: a header that says what it holds, the keys and values, a digest of all of it.
//! A file that is damaged, cut off or made for something else counts as absent.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use half::f16;
use sha2::{Digest, Sha256};

use super::kv::Kv;
use super::shape::Shape;

/// What a file begins with: its kind and version.
const MAGIC: &[u8; 8] = b"LAVRKV\x01\n";

/// Most files kept; the ones used longest ago go first.
const KEPT: usize = 8;

/// Unfinished files older than this belong to a process that is gone.
const STALE: Duration = Duration::from_secs(3600);

/// Length of a digest.
const DIGEST: usize = 32;

/// A folder of computed prefixes of one model.
pub(super) struct PrefixFiles {
    folder: PathBuf,
    model: [u8; DIGEST],
}

impl PrefixFiles {
    /// Keeps the prefixes of a model in `folder`, which is made when it is first needed.
    pub(super) fn new(folder: PathBuf, model: [u8; DIGEST]) -> Self {
        Self { folder, model }
    }

    /// Reads the state of a prefix, if it is there and sound.
    pub(super) fn load(&self, shape: &Shape, tokens: &[u32]) -> Option<Kv> {
        let path = self.path(tokens);
        let bytes = fs::read(&path).ok()?;
        let kv = self.parse(shape, tokens, &bytes);
        match &kv {
            Some(_) => touch(&path),
            None => tracing::warn!(path = %path.display(), "a prefix file is damaged; it is made again"),
        }
        kv
    }

    /// Writes the state of a prefix. Failing to is no reason to fail the call: it is logged.
    pub(super) fn save(&self, shape: &Shape, tokens: &[u32], kv: &Kv) {
        if let Err(error) = self.write(shape, tokens, kv) {
            tracing::warn!(%error, folder = %self.folder.display(), "the prefix could not be kept on disk");
        }
        self.tidy();
    }

    fn path(&self, tokens: &[u32]) -> PathBuf {
        let mut hash = Sha256::new();
        hash.update(MAGIC);
        hash.update(self.model);
        tokens.iter().for_each(|t| hash.update(t.to_le_bytes()));
        self.folder.join(format!("{}.kv", hex::encode(hash.finalize())))
    }

    fn header(&self, shape: &Shape, tokens: &[u32]) -> Vec<u8> {
        let mut header = MAGIC.to_vec();
        header.extend(self.model);
        for size in [shape.layers, shape.kv_heads, shape.head, tokens.len()] {
            header.extend((size as u64).to_le_bytes());
        }
        header.extend(tokens.iter().flat_map(|t| t.to_le_bytes()));
        header
    }

    fn parse(&self, shape: &Shape, tokens: &[u32], bytes: &[u8]) -> Option<Kv> {
        let (body, digest) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST)?)?;
        let numbers = body.strip_prefix(self.header(shape, tokens).as_slice())?;
        if Sha256::digest(body).as_slice() != digest {
            return None;
        }
        let side = Kv::new(shape).numbers(tokens.len()).checked_mul(2)?;
        if numbers.len() != side.checked_mul(shape.layers)?.checked_mul(2)? {
            return None;
        }
        let read = |side: &[u8]| side.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b)).collect();
        Kv::import(shape, tokens.len(), numbers.chunks_exact(side).map(read))
    }

    fn write(&self, shape: &Shape, tokens: &[u32], kv: &Kv) -> io::Result<()> {
        let sides = kv.export(tokens.len()).ok_or_else(|| io::Error::other("the state does not hold the prefix"))?;
        fs::create_dir_all(&self.folder)?;
        let unfinished = self.folder.join(unfinished_name());
        let written = (|| {
            let mut out = Hashed { out: BufWriter::new(File::create_new(&unfinished)?), hash: Sha256::new() };
            out.put(&self.header(shape, tokens))?;
            for side in sides {
                out.put(&side.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())?;
            }
            out.finish()?;
            fs::rename(&unfinished, self.path(tokens))
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
                Some("kv") => kept.push((used, path)),
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
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.out.write_all(bytes)
    }

    fn finish(mut self) -> io::Result<()> {
        self.out.write_all(&self.hash.finalize())?;
        self.out.flush()
    }
}

fn unfinished_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}.unfinished", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Marks a file as used just now.
fn touch(path: &Path) {
    if let Ok(file) = File::options().append(true).open(path) {
        let _ = file.set_modified(SystemTime::now());
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::debug!(%error, path = %path.display(), "an old prefix file was not removed");
    }
}
