//! Likeness: how much texts resemble one text, by their words and, with an embedder, by their meaning.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::OnceCell;

use super::similar::{Index, Shape};
use crate::cx::Cx;
use crate::embedder::{TextEmbedder, similarity};
use crate::error::{Error, ErrorKind, Result};

/// What compares meanings, if anything does.
#[derive(Clone, Default)]
pub(super) struct Meaning {
    embedder: Option<Arc<dyn TextEmbedder>>,
    /// The embedder has failed.
    broken: Arc<AtomicBool>,
}

impl Meaning {
    pub(super) fn of(embedder: Arc<dyn TextEmbedder>) -> Self {
        Self { embedder: Some(embedder), broken: Arc::default() }
    }

    /// The embedder, unless it has failed: then it is not asked again.
    fn embedder(&self) -> Option<&Arc<dyn TextEmbedder>> {
        self.embedder.as_ref().filter(|_| !self.broken.load(Ordering::Relaxed))
    }
}

/// Texts that others are compared with.
#[derive(Clone)]
pub(super) struct Likeness {
    texts: Vec<String>,
    index: Index,
    /// The embeddings of the texts, made when they are first needed.
    meanings: OnceCell<Vec<Vec<f32>>>,
}

impl Likeness {
    pub(super) fn new(texts: Vec<String>, shapes: Vec<Shape>) -> Self {
        Self { texts, index: Index::new(shapes), meanings: OnceCell::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Forgets what another embedder made.
    pub(super) fn anew(mut self) -> Self {
        self.meanings = OnceCell::new();
        self
    }

    /// The similarity of each text to one: with an embedder the mean of that of words and that of meaning.
    ///
    /// # Errors
    /// `Cancelled` or `Budget` when the run ends first.
    pub(super) async fn to(&self, cx: &Cx, meaning: &Meaning, text: &str, shape: &Shape) -> Result<Vec<f64>> {
        let mut all = self.index.similarities(shape);
        if let Some(meanings) = self.meanings_like(cx, meaning, text).await? {
            for (similarity, meaning) in all.iter_mut().zip(meanings) {
                *similarity = f64::midpoint(*similarity, meaning);
            }
        }
        Ok(all)
    }

    /// The similarity of two of the texts, by number; as far as is known, by meaning, too.
    pub(super) fn between(&self, a: usize, b: usize) -> f64 {
        let words = self.index.between(a, b);
        let meanings = self.meanings.get().and_then(|all| all.get(a).zip(all.get(b)));
        meanings.map_or(words, |(a, b)| f64::midpoint(words, similarity(a, b)))
    }

    /// How alike in meaning each text is; nothing when that cannot be told. An embedder that failed is not asked again.
    async fn meanings_like(&self, cx: &Cx, meaning: &Meaning, text: &str) -> Result<Option<Vec<f64>>> {
        let Some(embedder) = meaning.embedder().filter(|_| !self.is_empty()) else { return Ok(None) };
        let likeness = async {
            let of_texts = || async {
                let texts: Vec<&str> = self.texts.iter().map(String::as_str).collect();
                vectors(embedder.embed(cx, &texts).await?, texts.len())
            };
            let meanings = self.meanings.get_or_try_init(of_texts).await?;
            let asked = vectors(embedder.embed(cx, &[text]).await?, 1)?;
            let like = |meaning: &Vec<f32>| asked.first().map_or(0.0, |asked| similarity(meaning, asked));
            Ok(meanings.iter().map(like).collect())
        };
        match cx.within(likeness).await {
            Ok(likeness) => Ok(Some(likeness)),
            Err(error) => {
                // When the run has ended that is the reason, and not the embedder.
                cx.check()?;
                meaning.broken.store(true, Ordering::Relaxed);
                tracing::warn!("demos are chosen by their words alone: {}", error.for_log());
                Ok(None)
            }
        }
    }
}

/// Vectors as an embedder should give them: one for each text, of one size, of numbers.
fn vectors(vectors: Vec<Vec<f32>>, texts: usize) -> Result<Vec<Vec<f32>>> {
    let size = vectors.first().map_or(0, Vec::len);
    let sound = |vector: &Vec<f32>| vector.len() == size && vector.iter().all(|x| x.is_finite());
    if vectors.len() == texts && size > 0 && vectors.iter().all(sound) {
        return Ok(vectors);
    }
    let message = format!("the text embedder gave no {texts} vectors of one size for {texts} texts");
    Err(Error::new(ErrorKind::Model, message))
}
