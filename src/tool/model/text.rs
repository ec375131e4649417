//! Text as models take it: tokens, and a second model that reads them.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, ArrayD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokenizers::{Tokenizer, TruncationParams};
use tokio::sync::OnceCell;

use super::outputs::{Outputs, typed};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::runner::{LazyFile, ModelFacts, Runner, Tensor, Tensors};

/// The input for what another encoder made of a picture.
pub(super) const STATES: &str = "encoder_hidden_states";
/// Most tokens of one text.
const MAX_LENGTH: usize = 4_096;

/// The table `[text]`: the model that reads labels or a question, and how a text becomes its input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TextPart {
    /// The file of the text encoder, beside the manifest. Without it and `artefact`, `[model]` takes the tokens itself.
    pub file: Option<String>,
    /// The name of one of `[[artefacts]]` for the text encoder.
    pub artefact: Option<String>,
    /// The `tokenizer.json`: the name of a file beside the manifest, or of one of `[[artefacts]]`.
    pub tokenizer: String,
    /// For a zero-shot model or a detector of any words: what is said of each label, with `{}` in its place; `a photo of
    /// {}` when left out, and the label alone for Grounding DINO.
    pub template: Option<String>,
    /// How many tokens each text is filled up, or cut off, to; as many as the longest has when left out.
    pub length: Option<usize>,
    /// The token that texts are filled up with, by number; what the tokenizer says, or 0, when left out.
    pub pad: Option<u32>,
    /// The output that counts; the first one when left out.
    pub output: Option<String>,
}

impl TextPart {
    /// What is said of labels, unless the manifest says otherwise.
    const TEMPLATE: &'static str = "a photo of {}";

    /// Refuses what cannot be.
    ///
    /// # Errors
    /// `InvalidInput` naming the key.
    pub fn check(&self) -> Result<()> {
        let fault = if self.file.is_some() && self.artefact.is_some() {
            "`file` and `artefact` cannot both be given"
        } else if self.template.as_ref().is_some_and(|template| template.matches("{}").count() != 1) {
            "`template` has `{}` once, in the place of the label"
        } else if self.length.is_some_and(|length| length == 0 || length > MAX_LENGTH) {
            "`length` goes from 1 to 4096 tokens"
        } else {
            return Ok(());
        };
        Err(Error::invalid(format!("[text]: {fault}")))
    }

    /// The sentence about a label.
    pub(super) fn said(&self, label: &str) -> String {
        self.template.as_deref().unwrap_or(Self::TEMPLATE).replace("{}", label)
    }
}

/// A tokenizer in a file that is read when it is first needed.
pub(super) struct Words {
    file: LazyFile,
    loaded: OnceCell<Arc<Tokenizer>>,
}

impl Words {
    pub(super) fn new(file: LazyFile) -> Self {
        Self { file, loaded: OnceCell::new() }
    }

    /// The tokenizer.
    ///
    /// # Errors
    /// Those of finding the file, and `Model` when it is no tokenizer.
    pub(super) async fn load(&self) -> Result<&Arc<Tokenizer>> {
        let read = || async {
            let path = self.file.path().await?;
            let place = format!("the tokenizer `{}`", path.display());
            if !path.is_file() {
                return Err(Error::new(ErrorKind::NotFound, "there is no such file").context(place));
            }
            let read = tokio::task::spawn_blocking(move || Tokenizer::from_file(path)).await;
            let read = read.map_err(|e| Error::internal("reading a tokenizer ended unexpectedly").with_source(e))?;
            let mut tokenizer =
                read.map_err(|e| Error::new(ErrorKind::Model, format!("{place} cannot be read: {e}")))?;
            // Texts are filled up and cut off as the manifest says, and nowhere else.
            tokenizer.with_truncation(None).map_err(|e| broken(&e))?;
            Ok(Arc::new(tokenizer))
        };
        self.loaded.get_or_try_init(read).await
    }
}

pub(super) fn broken(error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Model, format!("the tokenizer failed: {error}"))
}

/// Texts as rows of tokens, and which of them are no filling.
pub(super) struct Tokens {
    ids: Array2<i64>,
    mask: Array2<i64>,
    /// Where each token of the first text begins and ends in it, in bytes.
    offsets: Vec<(usize, usize)>,
}

impl Tokens {
    /// These rows, all of one length.
    pub(super) fn rows(rows: &[Vec<i64>]) -> Result<Self> {
        let length = rows.first().map_or(0, Vec::len);
        let ids = Array2::from_shape_vec((rows.len(), length), rows.concat())
            .map_err(|e| Error::internal("rows of tokens").with_source(e))?;
        Ok(Self { mask: Array2::ones(ids.dim()), ids, offsets: Vec::new() })
    }

    /// The tokens of these texts.
    fn of(tokenizer: &Tokenizer, texts: &[String], part: &TextPart, fixed: Option<usize>) -> Result<Self> {
        let mut tokenizer = tokenizer.clone();
        let padding = tokenizer.get_padding().map(|padding| padding.pad_id);
        tokenizer.with_padding(None);
        let wanted = part.length.or(fixed);
        let cut = wanted.map(|max_length| TruncationParams { max_length, ..TruncationParams::default() });
        tokenizer.with_truncation(cut).map_err(|e| broken(&e))?;
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let encoded = tokenizer.encode_batch(texts, true).map_err(|e| broken(&e))?;
        let rows: Vec<&[u32]> = encoded.iter().map(tokenizers::Encoding::get_ids).collect();
        let length = wanted.unwrap_or_else(|| rows.iter().map(|row| row.len()).max().unwrap_or(0));
        let pad = part.pad.or(padding).unwrap_or(0);
        let at = |(row, n): (usize, usize)| rows.get(row).and_then(|row| row.get(n));
        Ok(Self {
            ids: Array2::from_shape_fn((rows.len(), length), |place| i64::from(*at(place).unwrap_or(&pad))),
            mask: Array2::from_shape_fn((rows.len(), length), |place| i64::from(at(place).is_some())),
            offsets: encoded.first().map(|first| first.get_offsets().to_vec()).unwrap_or_default(),
        })
    }

    /// The places of the tokens that begin in a part of the first text, which is given in bytes.
    pub(super) fn within(&self, part: &Range<usize>) -> Vec<usize> {
        let begins = |(from, to): &(usize, usize)| to > from && part.contains(from);
        self.offsets.iter().enumerate().filter(|(_, token)| begins(token)).map(|(n, _)| n).collect()
    }

    /// What a model that takes tokens wants of them, by its inputs' names; `more` is what else there is.
    ///
    /// # Errors
    /// `Model` naming the input that nothing is known for.
    pub(super) fn inputs(&self, facts: &ModelFacts, mut more: Tensors) -> Result<Tensors> {
        let mut inputs = Tensors::new();
        for port in &facts.inputs {
            let name = port.name.as_str();
            let at = more.iter().position(|(known, _)| known == name);
            let given = at.map(|at| more.swap_remove(at).1);
            let whole = |numbers: &Array2<i64>| typed(&numbers.mapv(|n| n as f64).into_dyn(), port).map(Some);
            let tensor = match name {
                _ if given.is_some() => given,
                "input_ids" | "decoder_input_ids" => whole(&self.ids)?,
                "attention_mask" | "decoder_attention_mask" => whole(&self.mask)?,
                "token_type_ids" => whole(&Array2::zeros(self.ids.dim()))?,
                "position_ids" => whole(&Array2::from_shape_fn(self.ids.dim(), |(_, n)| n as i64))?,
                _ => None,
            };
            inputs.push((name.to_owned(), tensor.ok_or_else(|| unknown(name, facts))?));
        }
        Ok(inputs)
    }
}

fn unknown(name: &str, facts: &ModelFacts) -> Error {
    let all: Vec<&str> = facts.inputs.iter().map(|port| port.name.as_str()).collect();
    let message = format!(
        "nothing is known for the input `{name}` of a model that takes {}: export it with the names of Hugging Face",
        all.join(", ")
    );
    Error::new(ErrorKind::Model, message)
}

/// The model that reads texts.
pub(super) struct Reader {
    pub(super) part: TextPart,
    pub(super) words: Words,
    /// Nothing where `[model]` takes the tokens itself.
    pub(super) runner: Option<Arc<dyn Runner>>,
}

impl Reader {
    /// Loads what the first text needs.
    pub(super) async fn load(&self) -> Result<()> {
        self.words.load().await?;
        match &self.runner {
            Some(runner) => runner.load().await,
            None => Ok(()),
        }
    }

    /// The tokens of these texts, as many of each as the model takes, where its file states that.
    ///
    /// # Errors
    /// `Model` when the tokenizer cannot be read or fails, or the model takes too many tokens.
    pub(super) async fn tokens(&self, texts: Vec<String>, facts: &ModelFacts) -> Result<Tokens> {
        let (tokenizer, part) = (Arc::clone(self.words.load().await?), self.part.clone());
        let port = facts.inputs.iter().find(|port| port.name == "input_ids");
        let fixed = port.and_then(|port| port.shape.get(1).copied().flatten());
        if let (None, Some(port), Some(_)) = (part.length, port, fixed.filter(|length| *length > MAX_LENGTH)) {
            let message = format!(
                "the model's input `{}` is {port}, and a text can be filled up to {MAX_LENGTH} tokens at most",
                port.name
            );
            return Err(Error::new(ErrorKind::Model, message));
        }
        let work = move || Tokens::of(&tokenizer, &texts, &part, fixed);
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|e| Error::internal("reading a text ended unexpectedly").with_source(e))?
    }

    /// What the text encoder makes of these texts; `states` is what the other encoder made of the picture.
    ///
    /// # Errors
    /// `Model` when it has other inputs and outputs than such an encoder.
    pub(super) async fn read(&self, cx: &Cx, texts: Vec<String>, states: Option<&Tensor>) -> Result<ArrayD<f32>> {
        let runner = self.runner.as_ref().ok_or_else(|| Error::internal("a text encoder is missing"))?;
        let facts = runner.facts().await?;
        let tokens = self.tokens(texts, &facts).await?;
        let more = states.map(|states| (STATES.to_owned(), states.clone())).into_iter().collect();
        let outputs = runner.run(cx, tokens.inputs(&facts, more)?).await?;
        let mut outputs = Outputs::new(outputs)?;
        let at = match &self.part.output {
            Some(name) => outputs.0.iter().position(|output| output.name == *name),
            None => Some(0),
        };
        let shapes = outputs.shapes();
        let output = at.filter(|at| *at < outputs.0.len()).map(|at| outputs.0.swap_remove(at).array);
        let output = output.filter(|array| array.iter().all(|number| number.is_finite()));
        output.ok_or_else(|| {
            let wanted = self.part.output.as_deref().unwrap_or("first");
            Error::new(ErrorKind::Model, format!("[text]: no output `{wanted}` of numbers, only {shapes}"))
        })
    }
}
