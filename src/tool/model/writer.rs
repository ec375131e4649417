//! Captioners and question answerers: an encoder looks, a decoder writes token by token.

mod beams;
mod cache;

use std::sync::Arc;

use ndarray::{ArrayD, Axis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokenizers::Tokenizer;

use self::beams::{Beams, Next, Rules};
use self::cache::Cache;
use super::text::{Tokens, Words, broken};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::runner::{ModelFacts, Runner, Tensor, Tensors};

/// Tokens that are written, unless the manifest says otherwise.
const MAX_TOKENS: usize = 20;
/// Most tokens and beams of a manifest.
const MOST_TOKENS: usize = 1_024;
const MOST_BEAMS: usize = 16;
/// Where the question goes in a prompt.
const QUESTION: &str = "{question}";

/// The table `[decoder]`: the model that writes, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecoderPart {
    /// The decoder's file, beside the manifest. Without it and `artefact`, `[model]` takes picture and tokens together.
    pub file: Option<String>,
    /// The name of one of `[[artefacts]]` for the decoder.
    pub artefact: Option<String>,
    /// Where the decoder's file has no inputs for what it computed before: a second one that has, for all tokens but the
    /// first ones. The name of a file beside the manifest, or of one of `[[artefacts]]`. Without one, all is computed
    /// again for each token.
    pub with_past: Option<String>,
    /// The `tokenizer.json`: the name of a file beside the manifest, or of one of `[[artefacts]]`.
    pub tokenizer: String,
    /// The tokens that the decoder begins with, by number or as the tokenizer writes them.
    #[serde(default)]
    pub start: Vec<Token>,
    /// The text that follows them; `{question}` stands for the question.
    #[serde(default)]
    pub prompt: String,
    /// The tokens that end a text, by number or as the tokenizer writes them.
    pub end: Vec<Token>,
    /// Most tokens that are written; 20 when left out.
    pub max_tokens: Option<usize>,
    /// How many texts are pursued at the same time (beam search); 1 (greedy) when left out.
    pub beams: Option<usize>,
    /// For beam search: above 0 longer texts are preferred, below 0 shorter ones; 1 when left out.
    pub length_penalty: Option<f64>,
    /// Whether the last place of a text that has not ended can only be taken by the end: as BART's kin and Donut write.
    #[serde(default)]
    pub forced_end: bool,
    /// For beam search: whether it ends as soon as there are as many finished texts as beams; it does not when left out.
    #[serde(default)]
    pub early_stopping: bool,
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected the number of a token, or how the tokenizer writes it")]
pub enum Token {
    /// By number.
    Number(u32),
    /// As the tokenizer writes it.
    Written(String),
}

impl Token {
    fn id(&self, tokenizer: &Tokenizer) -> Result<i64> {
        match self {
            Self::Number(id) => Ok(i64::from(*id)),
            Self::Written(text) => tokenizer.token_to_id(text).map(i64::from).ok_or_else(|| {
                Error::new(ErrorKind::Model, format!("[decoder]: the tokenizer has no token `{}`", text.escape_debug()))
            }),
        }
    }
}

impl DecoderPart {
    /// Refuses what cannot be.
    ///
    /// # Errors
    /// `InvalidInput` naming the key.
    pub fn check(&self) -> Result<()> {
        let fault = if self.file.is_some() && self.artefact.is_some() {
            "`file` and `artefact` cannot both be given"
        } else if self.with_past.is_some() && self.file.is_none() && self.artefact.is_none() {
            "`with_past` goes with `file` or `artefact`"
        } else if self.end.is_empty() {
            "`end` names at least one token"
        } else if self.max_tokens.is_some_and(|n| n == 0 || n > MOST_TOKENS) {
            "`max_tokens` goes from 1 to 1024"
        } else if self.beams.is_some_and(|n| n == 0 || n > MOST_BEAMS) {
            "`beams` goes from 1 to 16"
        } else if self.length_penalty.is_some_and(|n| !n.is_finite()) {
            "`length_penalty` is a number"
        } else if self.start.is_empty() && self.prompt.is_empty() {
            "`start` or `prompt` says what the decoder begins with"
        } else {
            return Ok(());
        };
        Err(Error::invalid(format!("[decoder]: {fault}")))
    }

    /// Whether the prompt has a place for a question.
    pub fn asks(&self) -> bool {
        self.prompt.contains(QUESTION)
    }
}

/// What writes.
pub(super) struct Writer {
    pub(super) part: DecoderPart,
    pub(super) words: Words,
    /// The decoder; it is `[model]` itself where there is no other.
    pub(super) runner: Arc<dyn Runner>,
    pub(super) with_past: Option<Arc<dyn Runner>>,
}

/// What a decoder looks at: the states of an encoder, or the picture itself, with the name of its input.
pub(super) struct Seen {
    pub(super) name: String,
    pub(super) states: ArrayD<f32>,
}

impl Writer {
    /// Writes about what was seen. Without a question the prompt is part of the text, as a beginning; with one it is not.
    ///
    /// Greedy search and beam search are those of Hugging Face's `generate`.
    ///
    /// # Errors
    /// `Model` when the decoder has other inputs and outputs than such decoders; `Cancelled` or `Budget` when the run
    /// ends first.
    pub(super) async fn write(&self, cx: &Cx, seen: &Seen, question: Option<&str>) -> Result<String> {
        let tokenizer = self.words.load().await?;
        let start = self.begin(tokenizer, question)?;
        let end = self.part.end.iter().map(|token| token.id(tokenizer)).collect::<Result<Vec<i64>>>()?;
        let first = self.runner.facts().await?;
        let later = match &self.with_past {
            Some(runner) => Some(runner.facts().await?),
            None => None,
        };
        let mut steps = Steps { writer: self, seen, first, later, cache: None };
        let rules = Rules {
            beams: self.part.beams.unwrap_or(1),
            longest: start.len() + self.part.max_tokens.unwrap_or(MAX_TOKENS),
            end,
            length_penalty: self.part.length_penalty.unwrap_or(1.0),
            early_stopping: self.part.early_stopping,
            forced_end: self.part.forced_end,
        };
        let mut search = Beams::new(&start, rules);
        loop {
            let logits = steps.logits(cx, search.running()).await?;
            match search.advance(&logits) {
                Next::Go(from) => steps.keep(&from),
                Next::Done => break,
            }
        }
        let ids = search.best();
        let told = if question.is_some() { ids.get(start.len()..).unwrap_or_default() } else { ids };
        let told: Vec<u32> = told.iter().filter_map(|id| u32::try_from(*id).ok()).collect();
        tokenizer.decode(&told, true).map(|text| text.trim().to_owned()).map_err(|e| broken(&e))
    }

    /// The tokens that the decoder begins with.
    fn begin(&self, tokenizer: &Tokenizer, question: Option<&str>) -> Result<Vec<i64>> {
        let mut ids = self.part.start.iter().map(|token| token.id(tokenizer)).collect::<Result<Vec<i64>>>()?;
        if !self.part.prompt.is_empty() {
            let prompt = self.part.prompt.replace(QUESTION, question.unwrap_or_default());
            let encoded = tokenizer.encode(prompt, false).map_err(|e| broken(&e))?;
            ids.extend(encoded.get_ids().iter().map(|id| i64::from(*id)));
        }
        if ids.is_empty() {
            return Err(Error::new(ErrorKind::Model, "[decoder]: there is no token to begin with"));
        }
        Ok(ids)
    }

    /// Loads what the first text needs.
    pub(super) async fn load(&self) -> Result<()> {
        self.words.load().await?;
        self.runner.load().await?;
        match &self.with_past {
            Some(runner) => runner.load().await,
            None => Ok(()),
        }
    }
}

/// The calls of one text's decoder.
struct Steps<'a> {
    writer: &'a Writer,
    seen: &'a Seen,
    first: ModelFacts,
    later: Option<ModelFacts>,
    cache: Option<Cache>,
}

impl Steps<'_> {
    /// What each of several texts might go on with: a number for each token.
    async fn logits(&mut self, cx: &Cx, texts: &[Vec<i64>]) -> Result<Vec<Vec<f32>>> {
        let (runner, facts) = match (&self.cache, &self.writer.with_past, &self.later) {
            (Some(_), Some(runner), Some(facts)) => (runner, facts),
            _ => (&self.writer.runner, &self.first),
        };
        let rows: Vec<Vec<i64>> = match &self.cache {
            Some(_) => texts.iter().map(|text| text.last().copied().into_iter().collect()).collect(),
            None => texts.to_vec(),
        };
        let states = repeated(&self.seen.states, texts.len())?;
        let length = states.shape().get(1).copied().unwrap_or_default();
        let ones = |shape: Vec<usize>| Tensor::I64(ArrayD::ones(shape));
        let mut more: Tensors = vec![
            ("encoder_attention_mask".to_owned(), ones(vec![texts.len(), length])),
            ("use_cache_branch".to_owned(), Tensor::Bool(ArrayD::from_elem(vec![1], self.cache.is_some()))),
            (self.seen.name.clone(), Tensor::F32(states)),
        ];
        match &self.cache {
            Some(cache) => {
                // Of what was computed before, the mask and the place count all.
                let known = texts.first().map_or(0, Vec::len);
                let place = ArrayD::from_elem(vec![texts.len(), 1], known as i64 - 1);
                more.push(("attention_mask".to_owned(), ones(vec![texts.len(), known])));
                more.push(("position_ids".to_owned(), Tensor::I64(place)));
                more.extend(cache.inputs());
            }
            None => more.extend(Cache::empty(facts, texts.len())?),
        }
        let outputs = runner.run(cx, Tokens::rows(&rows)?.inputs(facts, more)?).await?;
        let can_go_on = self.later.is_some() || Cache::is_taken(&self.first);
        let (logits, present) = parted(outputs)?;
        if can_go_on {
            let cache = Cache::new(self.cache.take(), present);
            self.cache = Some(cache);
        }
        last_rows(&logits, texts.len())
    }

    /// Goes on with these of the texts.
    fn keep(&mut self, from: &[usize]) {
        if let Some(cache) = &mut self.cache {
            cache.select(from);
        }
    }
}

/// The same states for each of several texts.
fn repeated(states: &ArrayD<f32>, times: usize) -> Result<ArrayD<f32>> {
    let copies = vec![states.view(); times];
    ndarray::concatenate(Axis(0), &copies).map_err(|e| Error::internal("repeating states").with_source(e))
}

/// The logits, and what the decoder computed on the way.
fn parted(outputs: Tensors) -> Result<(ArrayD<f32>, Tensors)> {
    let (present, mut others): (Tensors, Tensors) =
        outputs.into_iter().partition(|(name, _)| name.starts_with("present"));
    let at = others.iter().position(|(name, _)| name == "logits").unwrap_or(0);
    if others.is_empty() {
        return Err(Error::new(ErrorKind::Model, "the decoder has no output `logits`"));
    }
    Ok((others.swap_remove(at).1.into_f32()?, present))
}

/// The last row of numbers of each text.
fn last_rows(logits: &ArrayD<f32>, texts: usize) -> Result<Vec<Vec<f32>>> {
    let shape = logits.shape().to_vec();
    let wrong = |fault: &str| Error::new(ErrorKind::Model, format!("the decoder's logits {shape:?} {fault}"));
    if logits.ndim() != 3 || shape.first() != Some(&texts) || shape.contains(&0) {
        return Err(wrong("are no rows of numbers for each text"));
    }
    let rows: Vec<Vec<f32>> = logits
        .outer_iter()
        .filter_map(|text| text.axis_iter(Axis(0)).next_back().map(|row| row.iter().copied().collect()))
        .collect();
    if rows.iter().flatten().any(|number| !number.is_finite()) {
        return Err(wrong("are not all numbers (NaN or infinite)"));
    }
    Ok(rows)
}
