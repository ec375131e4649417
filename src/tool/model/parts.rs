//! Where a tool's models are, and how they are run.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::runner::{Batching, LazyFile, Runner};

/// The tables `[model]` and `[mask_decoder]`: where a model is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// The file's name; it is beside the manifest.
    pub file: Option<String>,
    /// The name of one of `[[artefacts]]`.
    pub artefact: Option<String>,
    /// For `[model]`: the name of weights that are compiled in, such as `nanodet`.
    pub builtin: Option<String>,
}

/// The table `[batching]`: how calls of the model are gathered, and how many may wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BatchingPart {
    /// Most calls that go through the model as one; 1 for none. The model's first dimension must be open.
    pub max_batch: usize,
    /// How long the first of them waits for others, milliseconds.
    pub max_delay_ms: u64,
    /// How many calls may wait for the model before callers wait to be queued.
    pub max_queue: usize,
}

impl Default for BatchingPart {
    fn default() -> Self {
        let Batching { max_batch, max_delay, max_queue } = Batching::default();
        Self { max_batch, max_delay_ms: max_delay.as_millis() as u64, max_queue }
    }
}

impl BatchingPart {
    /// The same for a runner.
    ///
    /// # Errors
    /// `InvalidInput` naming the key that cannot be.
    pub fn batching(&self) -> Result<Batching> {
        let Self { max_batch, max_delay_ms, max_queue } = *self;
        if !(1..=256).contains(&max_batch) || max_delay_ms > 10_000 || !(1..=4_096).contains(&max_queue) {
            let message =
                "[batching]: `max_batch` goes from 1 to 256, `max_delay_ms` to 10000, `max_queue` from 1 to 4096";
            return Err(Error::invalid(message));
        }
        Ok(Batching { max_batch, max_delay: Duration::from_millis(max_delay_ms), max_queue })
    }
}

/// The models and files of a reader of text besides the detector.
pub struct OcrParts {
    /// What tells lines that are upside down.
    pub direction: Option<Arc<dyn Runner>>,
    /// What reads a line.
    pub recogniser: Arc<dyn Runner>,
    /// The recogniser's characters.
    pub characters: Option<LazyFile>,
}

/// The models and files of a tool.
pub struct Parts {
    /// The model that looks at the picture.
    pub model: Arc<dyn Runner>,
    /// The text encoder of `[text]`, where it has one of its own.
    pub text: Option<Arc<dyn Runner>>,
    /// The decoder of `[decoder]`, where it is another than `model`.
    pub decoder: Option<Arc<dyn Runner>>,
    /// The model of `[mask_decoder]`.
    pub mask_decoder: Option<Arc<dyn Runner>>,
    /// The decoder of `[decoder]` for all tokens but the first ones.
    pub with_past: Option<Arc<dyn Runner>>,
    /// The other models of `[ocr]`.
    pub ocr: Option<OcrParts>,
    /// The tokenizer of `[text]`.
    pub text_tokenizer: Option<LazyFile>,
    /// The tokenizer of `[decoder]`.
    pub decoder_tokenizer: Option<LazyFile>,
}

impl Parts {
    /// A tool of one model.
    pub fn of(model: Arc<dyn Runner>) -> Self {
        Self {
            model,
            text: None,
            decoder: None,
            mask_decoder: None,
            with_past: None,
            ocr: None,
            text_tokenizer: None,
            decoder_tokenizer: None,
        }
    }
}
