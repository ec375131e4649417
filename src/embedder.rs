//! Embedders: what turns texts into vectors that lie close together when the texts mean alike.

mod kept;
mod minilm;

use std::sync::Arc;

use async_trait::async_trait;

pub use self::kept::Kept;
pub use self::minilm::MiniLm;

use crate::cx::Cx;
use crate::error::Result;
use crate::runner::{LazyFile, OrtModel, OrtRuntime};
use crate::store::{Artefact, Progress, Store, builtin_artefact};

/// Turns texts into vectors.
#[async_trait]
pub trait TextEmbedder: Send + Sync {
    /// One vector of length 1 for each text, in their order. The same text always gets the same vector, whatever
    /// stands beside it.
    ///
    /// # Errors
    /// Those of fetching the model's files; `Model` when it cannot be loaded or run; `Cancelled` or `Budget` when
    /// the run ends first.
    async fn embed(&self, cx: &Cx, texts: &[&str]) -> Result<Vec<Vec<f32>>>;
}

/// Cosine similarity of two vectors of length 1, from -1 to 1. Vectors of different sizes have none: 0.
pub fn similarity(a: &[f32], b: &[f32]) -> f64 {
    if a.len() != b.len() {
        return 0.0;
    }
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// The files of the built-in embedder: the model and its tokenizer.
///
/// # Errors
/// `InvalidInput` when the list of artefacts is faulty.
pub fn artefacts() -> Result<[Artefact; 2]> {
    Ok([builtin_artefact("all-minilm-l6-v2")?, builtin_artefact("all-minilm-l6-v2-tokenizer")?])
}

/// The built-in embedder, [`MiniLm`]; its files are fetched when first needed, reporting to `progress`. What it
/// makes of many texts is kept in the store's folder `embeddings`.
///
/// # Errors
/// `InvalidInput` when the list of artefacts is faulty.
pub fn builtin(store: &Store, progress: &Arc<dyn Progress>) -> Result<Arc<dyn TextEmbedder>> {
    let [model, tokenizer] = artefacts()?;
    let lazy = |artefact| LazyFile::stored(store, artefact, progress);
    let name = format!("{} {}", model.sha256, tokenizer.sha256);
    let runtime = OrtRuntime::new(lazy(builtin_artefact("onnxruntime")?));
    let runner = runtime.runner("text-embedder", OrtModel::File(lazy(model)));
    let embedder = MiniLm::new(Arc::new(runner), lazy(tokenizer));
    Ok(Arc::new(Kept::new(Arc::new(embedder), name, store.home().join("embeddings"))))
}
