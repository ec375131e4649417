//! Embeddings on disk, so that a new process need not make those of the same texts again.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::TextEmbedder;
use crate::cx::Cx;
use crate::error::Result;
use crate::keep::Keep;

/// Fewer texts than this are embedded sooner than they are looked up and kept.
const MANY: usize = 8;

/// What is made and how it is written; another one gets files of its own.
const FORM: &str = "lavr embeddings 2";

/// An embedder that keeps what another one makes of many texts at once, one file for each list of texts.
///
/// The eight lists used last are kept. A damaged file counts as absent; failing to write one is logged.
pub struct Kept {
    inner: Arc<dyn TextEmbedder>,
    model: String,
    files: Arc<Keep>,
}

impl Kept {
    /// Keeps the embeddings of `inner` in `folder`, which is made when it is first needed; `model` names the model,
    /// best by its digest, and another name gets embeddings of its own.
    pub fn new(inner: Arc<dyn TextEmbedder>, model: impl Into<String>, folder: impl Into<PathBuf>) -> Self {
        Self { inner, model: model.into(), files: Arc::new(Keep::new(folder.into(), "json")) }
    }

    /// What an embedding of these texts is made from.
    fn source(&self, texts: &[&str]) -> Sha256 {
        let mut hash = Sha256::new();
        for text in [FORM, self.model.as_str()].iter().chain(texts) {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        hash
    }
}

#[async_trait]
impl TextEmbedder for Kept {
    async fn embed(&self, cx: &Cx, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        if texts.len() < MANY {
            return self.inner.embed(cx, texts).await;
        }
        let source = self.source(texts);
        let (files, from) = (Arc::clone(&self.files), source.clone());
        let kept = move || serde_json::from_slice(&files.load(from)?).ok();
        // It ends in an error only when it panicked, and then they are made.
        if let Ok(Some(vectors)) = tokio::task::spawn_blocking(kept).await {
            return Ok(vectors);
        }
        let vectors = self.inner.embed(cx, texts).await?;
        let (files, made) = (Arc::clone(&self.files), vectors.clone());
        let keep = move || files.save(source, |out| Ok(serde_json::to_writer(out, &made)?));
        let _ = tokio::task::spawn_blocking(keep).await;
        Ok(vectors)
    }
}
