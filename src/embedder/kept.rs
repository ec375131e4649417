//! Embeddings on disk, so that a new process need not make those of the same texts again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::TextEmbedder;
use crate::cx::Cx;
use crate::error::Result;

/// Fewer texts than this are embedded sooner than they are looked up and kept.
const MANY: usize = 8;

/// Most files kept; the oldest go first.
const KEPT: usize = 8;

/// An embedder that keeps what another one makes of many texts at once, one file for each list of texts.
///
/// A file that is damaged, or has other sizes than it should, counts as absent. Failing to write one is logged.
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
        for text in std::iter::once(&self.model.as_str()).chain(texts) {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        self.folder.join(format!("{}.json", hex::encode(hash.finalize())))
    }
}

fn read(path: &Path, texts: usize) -> Option<Vec<Vec<f32>>> {
    let vectors: Vec<Vec<f32>> = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let size = vectors.first()?.len();
    let sound = vectors.len() == texts && vectors.iter().all(|v| v.len() == size);
    if !sound {
        tracing::warn!(path = %path.display(), "a file of embeddings is damaged; it is made again");
    }
    sound.then_some(vectors)
}

fn write(path: &Path, vectors: &[Vec<f32>]) -> std::io::Result<()> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let part = folder.join(format!("{}-{}.part", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    let written = fs::write(&part, serde_json::to_vec(vectors)?).and_then(|()| fs::rename(&part, path));
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written?;
    tidy(folder)
}

/// Removes the oldest files.
fn tidy(folder: &Path) -> std::io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        files.push((entry.metadata()?.modified()?, entry.path()));
    }
    files.sort();
    let spare = files.len().saturating_sub(KEPT);
    files.iter().take(spare).try_for_each(|(_, path)| fs::remove_file(path))
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
        if let Err(error) = write(&path, &vectors) {
            tracing::warn!(%error, path = %path.display(), "embeddings could not be kept on disk");
        }
        Ok(vectors)
    }
}
