//! all-MiniLM-L6-v2: sentences to 384 numbers.

use std::sync::Arc;

use async_trait::async_trait;
use ndarray::{Array2, ArrayD, Axis, Ix3};
use tokenizers::{Tokenizer, TruncationParams};
use tokio::sync::OnceCell;

use super::TextEmbedder;
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::runner::{LazyFile, Runner, Tensor};

/// Tokens of a text that are read; the model was trained on texts up to this length.
const MAX_TOKENS: usize = 128;

/// all-MiniLM-L6-v2: 384 numbers for an English sentence, the mean of its tokens' last hidden states, made length 1.
///
/// Of longer texts the first 128 tokens are read. Source: the model card of
/// `sentence-transformers/all-MiniLM-L6-v2`, and Reimers and Gurevych, Sentence-BERT, arXiv 1908.10084.
///
/// # Why one text a run
/// The weights are 8 bits, and so are the activations, whose scale is chosen anew for each run: beside other texts
/// the same text would get other numbers.
pub struct MiniLm {
    runner: Arc<dyn Runner>,
    file: LazyFile,
    tokenizer: OnceCell<Arc<Tokenizer>>,
}

impl MiniLm {
    /// Inputs `input_ids`, `attention_mask` and `token_type_ids`, each int64 of shape 1 x tokens; the first output
    /// is 1 x tokens x 384. `tokenizer` is a `tokenizer.json`.
    pub fn new(runner: Arc<dyn Runner>, tokenizer: LazyFile) -> Self {
        Self { runner, file: tokenizer, tokenizer: OnceCell::new() }
    }

    async fn tokenizer(&self) -> Result<&Arc<Tokenizer>> {
        let load = async || {
            let path = self.file.path().await?;
            let faulty = |e: &dyn std::fmt::Display| {
                Error::new(ErrorKind::Model, format!("tokenizer `{}`: {e}", path.display()))
            };
            let bytes = tokio::fs::read(&path).await.map_err(|e| faulty(&e))?;
            let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(|e| faulty(&e))?;
            let cut = TruncationParams { max_length: MAX_TOKENS, ..TruncationParams::default() };
            tokenizer.with_padding(None).with_truncation(Some(cut)).map_err(|e| faulty(&e))?;
            Ok(Arc::new(tokenizer))
        };
        self.tokenizer.get_or_try_init(load).await
    }

    async fn embed_one(&self, cx: &Cx, text: &str) -> Result<Vec<f32>> {
        let tokenizer = self.tokenizer().await?;
        let failed = |e| Error::new(ErrorKind::Model, format!("a text cannot be told apart into tokens: {e}"));
        let tokens = tokenizer.encode(text, true).map_err(failed)?;
        let ids: Vec<i64> = tokens.get_ids().iter().map(|id| i64::from(*id)).collect();
        let row = |row: Vec<i64>| -> Result<Tensor> {
            let shape = (1, row.len());
            let row = Array2::from_shape_vec(shape, row).map_err(|e| Error::internal("a row").with_source(e))?;
            Ok(Tensor::I64(row.into_dyn()))
        };
        let inputs = vec![
            ("input_ids".to_owned(), row(ids.clone())?),
            ("attention_mask".to_owned(), row(vec![1; ids.len()])?),
            ("token_type_ids".to_owned(), row(vec![0; ids.len()])?),
        ];
        let outputs = self.runner.run(cx, inputs).await?;
        let Some((_, states)) = outputs.into_iter().next() else {
            return Err(Error::new(ErrorKind::Model, "the text embedder has no output"));
        };
        pooled(states.into_f32()?)
    }
}

/// The mean of the tokens' states, made length 1.
fn pooled(states: ArrayD<f32>) -> Result<Vec<f32>> {
    let shape = format!("{:?}", states.shape());
    let wrong =
        || Error::new(ErrorKind::Model, format!("the text embedder's output is {shape}, not 1 x tokens x size"));
    let states = states.into_dimensionality::<Ix3>().map_err(|_| wrong())?;
    let mean = states.mean_axis(Axis(1)).ok_or_else(wrong)?;
    let length = mean.iter().map(|x| x * x).sum::<f32>().sqrt();
    if mean.nrows() != 1 || !length.is_finite() || length == 0.0 {
        return Err(wrong());
    }
    Ok(mean.iter().map(|x| x / length).collect())
}

#[async_trait]
impl TextEmbedder for MiniLm {
    async fn embed(&self, cx: &Cx, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        let mut vectors = Vec::with_capacity(texts.len());
        for text in texts {
            vectors.push(self.embed_one(cx, text).await?);
        }
        Ok(vectors)
    }
}
