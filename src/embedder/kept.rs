//! Embeddings on disk, so that a new process need not make those of the same texts again.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::{TextEmbedder, similarity};
use crate::cx::Cx;
use crate::error::Result;

/// Fewer texts than this are embedded sooner than they are looked up and kept.
const MANY: usize = 8;

/// What is made and how it is written; another one gets files of its own.
const FORM: &str = "lavr embeddings 1";

/// Most files kept; the oldest go first.
const KEPT: usize = 8;

/// Unfinished files older than this belong to a process that is gone.
const STALE: Duration = Duration::from_secs(3600);

/// An embedder that keeps what another one makes of many texts at once, one file for each list of texts.
///
/// A file that is damaged, or whose vectors have other sizes or lengths than they should, counts as absent. Failing to write one is logged.
pub struct Kept {
    inner: Arc<dyn TextEmbedder>,
    model: String,
    folder: PathBuf,
}

impl Kept {
    /// Keeps the embeddings of `inner` in `folder`, which is made when it is first needed; `model` names the model,
    /// best by its digest, and another name gets embeddings of its own.
    pub fn new(inner: Arc<dyn TextEmbedder>, model: impl Into<String>, folder: impl Into<PathBuf>) -> Self {
        Self { inner, model: model.into(), folder: folder.into() }
    }

    fn path(&self, texts: &[&str]) -> PathBuf {
        let mut hash = Sha256::new();
        for text in [FORM, self.model.as_str()].iter().chain(texts) {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        self.folder.join(format!("{}.json", hex::encode(hash.finalize())))
    }
}

fn read(path: &Path, texts: usize) -> Option<Vec<Vec<f32>>> {
    let bytes = fs::read(path).ok()?;
    let vectors = serde_json::from_slice(&bytes).ok().filter(|vectors: &Vec<Vec<f32>>| {
        let size = vectors.first().map_or(0, Vec::len);
        let whole = |v: &Vec<f32>| v.len() == size && (similarity(v, v) - 1.0).abs() < 1e-3;
        vectors.len() == texts && vectors.iter().all(whole)
    });
    if vectors.is_none() {
        tracing::warn!(path = %path.display(), "a file of embeddings is damaged; it is made again");
    }
    vectors
}

fn write(path: &Path, vectors: &[Vec<f32>]) -> std::io::Result<()> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let unfinished = format!("{}-{}.unfinished", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let unfinished = folder.join(unfinished);
    let mut file = File::create_new(&unfinished)?;
    let written = file.write_all(&serde_json::to_vec(vectors)?).and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    tidy(folder);
    written
}

/// Removes the oldest files, and what dead processes left unfinished.
fn tidy(folder: &Path) {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, written) = (entry.path(), entry.metadata().and_then(|m| m.modified()));
        let Ok(written) = written else { continue };
        match path.extension().and_then(|e| e.to_str()) {
            Some("json") => files.push((written, path)),
            // Another process may have removed it meanwhile.
            Some("unfinished") if written.elapsed().is_ok_and(|age| age > STALE) => drop(fs::remove_file(path)),
            _ => {}
        }
    }
    files.sort();
    let spare = files.len().saturating_sub(KEPT);
    files.iter().take(spare).for_each(|(_, path)| drop(fs::remove_file(path)));
}

#[async_trait]
impl TextEmbedder for Kept {
    async fn embed(&self, cx: &Cx, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        if texts.len() < MANY {
            return self.inner.embed(cx, texts).await;
        }
        let path = self.path(texts);
        let (at, number) = (path.clone(), texts.len());
        if let Ok(Some(vectors)) = tokio::task::spawn_blocking(move || read(&at, number)).await {
            return Ok(vectors);
        }
        let vectors = self.inner.embed(cx, texts).await?;
        let kept = vectors.clone();
        let writing = move || {
            if let Err(error) = write(&path, &kept) {
                tracing::warn!(%error, path = %path.display(), "embeddings could not be kept on disk");
            }
        };
        // It ends in an error only when it panicked, and then they are made again next time.
        let _ = tokio::task::spawn_blocking(writing).await;
        Ok(vectors)
    }
}
