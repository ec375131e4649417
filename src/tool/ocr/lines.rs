//! From straightened pieces of a picture to text: which way up, and what it says.

use std::sync::Arc;

use image::{RgbImage, imageops};
use ndarray::{Array4, ArrayD, Axis};

use super::OcrPart;
use super::pixels::{Channels, place};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::files::read_at_most;
use crate::runner::{LazyFile, Runner, Tensor};
use crate::tool::resize;

/// Width of the classifier's input over its height.
const CLASSIFIER_RATIO: u32 = 4;
/// Pieces that share a width. It decides how much padding a piece gets, which the recogniser sees.
const BATCH: usize = 6;
/// Most bytes of a file of characters.
const MAX_BYTES: u64 = 4 << 20;
/// A piece is turned when the classifier is surer than this.
const FLIP: f32 = 0.9;
/// By how much a probability may miss 0 to 1, as models in half precision do.
const SLACK: f32 = 0.01;

/// Width of a piece over its height.
fn ratio(piece: &RgbImage) -> f64 {
    f64::from(piece.width()) / f64::from(piece.height().max(1))
}

/// Resizes pieces to the models' height, each at most `width` wide, and stacks them; black is not the padding, grey is.
fn stacked(pieces: &[&RgbImage], [width, height]: [u32; 2], channels: &Channels) -> Result<Array4<f32>> {
    let mut batch = Array4::zeros((pieces.len(), 3, height as usize, width as usize));
    for (piece, mut slot) in pieces.iter().zip(batch.axis_iter_mut(Axis(0))) {
        let own = (f64::from(height) * ratio(piece)).ceil().min(f64::from(width)) as u32;
        let resized = resize::linear(piece, own, height);
        let slot = slot.as_slice_mut().ok_or_else(|| Error::internal("a batch is not contiguous"))?;
        place(slot, &resized, width as usize, channels);
    }
    Ok(batch)
}

/// A model with the name of its input.
pub(super) struct Model {
    pub(super) runner: Arc<dyn Runner>,
    pub(super) input: String,
}

impl Model {
    /// A model, which is loaded for the name of its first input.
    ///
    /// # Errors
    /// `Model` when it cannot be loaded or takes nothing.
    pub(super) async fn of(runner: &Arc<dyn Runner>) -> Result<Self> {
        let facts = runner.facts().await?;
        let input = facts.inputs.into_iter().next().ok_or_else(|| model_error("the model takes nothing"))?;
        Ok(Self { runner: Arc::clone(runner), input: input.name })
    }

    /// Runs it, and takes its first output.
    pub(super) async fn run(&self, cx: &Cx, input: Array4<f32>) -> Result<ArrayD<f32>> {
        let outputs = self.runner.run(cx, vec![(self.input.clone(), Tensor::F32(input.into_dyn()))]).await?;
        let (_, output) = outputs.into_iter().next().ok_or_else(|| model_error("the model returned nothing"))?;
        output.into_f32()
    }
}

pub(super) fn model_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Model, message)
}

/// Refuses what are no probabilities: scores before their sigmoid or softmax, logarithms, or no numbers (NaN).
///
/// # Errors
/// `Model` naming the model and the first such number.
pub(super) fn probabilities(numbers: &[f32], model: &str) -> Result<()> {
    match numbers.iter().find(|number| !(-SLACK..=1.0 + SLACK).contains(*number)) {
        None => Ok(()),
        Some(number) => Err(model_error(format!(
            "{model} returned {number}, which is no probability from 0 to 1: export it with its last sigmoid or softmax"
        ))),
    }
}

/// Turns the pieces that are upside down; the flags say which.
pub(super) async fn upright(
    model: &Model,
    cx: &Cx,
    pieces: &mut [RgbImage],
    part: &OcrPart,
    channels: &Channels,
) -> Result<Vec<bool>> {
    let size = [part.height * CLASSIFIER_RATIO, part.height];
    let mut flags = Vec::with_capacity(pieces.len());
    for batch in pieces.chunks_mut(BATCH) {
        cx.check()?;
        let input = stacked(&batch.iter().collect::<Vec<_>>(), size, channels)?;
        let scores = model.run(cx, input).await?;
        if scores.shape() != [batch.len(), 2] {
            return Err(model_error(format!("the text direction classifier returned {:?}", scores.shape())));
        }
        for (piece, scores) in batch.iter_mut().zip(scores.outer_iter()) {
            let scores: Vec<f32> = scores.iter().copied().collect();
            probabilities(&scores, "the text direction classifier")?;
            let flipped = matches!(scores.as_slice(), [level, flipped] if flipped > level && *flipped > FLIP);
            if flipped {
                imageops::rotate180_in_place(piece);
            }
            flags.push(flipped);
        }
    }
    Ok(flags)
}

/// The recogniser's characters by class: class 0 is "nothing", the last one is the space.
pub(super) struct Alphabet(Vec<String>);

impl Alphabet {
    /// Reads them from a file, or from the model's own metadata where there is none.
    ///
    /// # Errors
    /// `NotFound` or `Io` when the file cannot be read, `InvalidInput` when it is no list of characters; `Model` when
    /// the model has none.
    pub(super) async fn of(runner: &dyn Runner, file: Option<&LazyFile>) -> Result<Self> {
        let Some(file) = file else {
            let text = runner.metadata("character").await?.ok_or_else(|| {
                let message =
                    "the text recogniser's metadata has no key `character`: name a file in [ocr] `characters`";
                model_error(message)
            })?;
            return Ok(Self::new(text.split('\n')));
        };
        let path = file.path().await?;
        let place = |error: Error| error.context(format!("[ocr] `characters`: `{}`", path.display()));
        let bytes = read_at_most(&path, MAX_BYTES).map_err(|e| place(e.into()))?;
        let text = String::from_utf8(bytes).map_err(|e| place(Error::invalid("it is not UTF-8").with_source(e)))?;
        let text = text.trim_start_matches('\u{feff}');
        // A line may be a space, so nothing but its end is cut off.
        let lines = text.strip_suffix('\n').unwrap_or(text).split('\n').map(|line| line.trim_end_matches('\r'));
        if text.is_empty() { Err(place(Error::invalid("it is empty"))) } else { Ok(Self::new(lines)) }
    }

    fn new<'a>(characters: impl Iterator<Item = &'a str>) -> Self {
        Self(std::iter::once("").chain(characters).chain([" "]).map(str::to_owned).collect())
    }

    /// How many classes an output of this shape has: as many as there are characters and one, and one more for a space.
    ///
    /// # Errors
    /// `Model` when it has another number of them.
    fn classes(&self, shape: &[usize]) -> Result<usize> {
        let all = self.0.len();
        match shape {
            [1, _, classes] if *classes == all || *classes + 1 == all => Ok(*classes),
            _ => {
                let characters = all - 2;
                let message = format!(
                    "the text recogniser returned {shape:?}, and for {characters} characters its last dimension should \
                     be {} or, with a space, {all}",
                    all - 1
                );
                Err(model_error(message))
            }
        }
    }

    /// What a probability per step and class says, and how sure that is, 0 to 1.
    ///
    /// Source: greedy decoding of connectionist temporal classification (Graves et al. 2006): the best class
    /// of each step, repetitions merged, then "nothing" left out. The score is the mean of the kept steps.
    fn decode<'a>(&self, steps: impl Iterator<Item = &'a [f32]>) -> (String, f64) {
        let mut text = String::new();
        let mut scores = Vec::new();
        let mut before = 0;
        for step in steps {
            let best = step.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let class = step.iter().position(|p| *p == best).unwrap_or(0);
            if class != 0 && class != before {
                text.push_str(self.0.get(class).map_or("", String::as_str));
                scores.push(rounded(f64::from(best)));
            }
            before = class;
        }
        let count = scores.len().max(1) as f64;
        (text, rounded(scores.iter().sum::<f64>() / count))
    }
}

/// What reads lines.
pub(super) struct Recogniser {
    pub(super) model: Model,
    pub(super) alphabet: Alphabet,
}

/// To five decimals, as the reference implementation reports scores.
fn rounded(score: f64) -> f64 {
    (score * 1e5).round_ties_even() / 1e5
}

/// What each piece says, with a score, in the order of the pieces.
pub(super) async fn read(
    Recogniser { model, alphabet }: &Recogniser,
    cx: &Cx,
    pieces: &[RgbImage],
    part: &OcrPart,
    channels: &Channels,
) -> Result<Vec<(String, f64)>> {
    let height = f64::from(part.height);
    let mut order: Vec<(usize, &RgbImage)> = pieces.iter().enumerate().collect();
    order.sort_by(|a, b| ratio(a.1).total_cmp(&ratio(b.1)));
    let mut texts = vec![(String::new(), 0.0); pieces.len()];
    for batch in order.chunks(BATCH) {
        let widest = batch.iter().map(|(_, p)| ratio(p)).fold(f64::from(part.width) / height, f64::max);
        // Truncation may lose a pixel of the least width.
        let size = [((height * widest) as u32).max(part.width), part.height];
        for (index, piece) in batch {
            cx.check()?;
            let output = model.run(cx, stacked(&[piece], size, channels)?).await?;
            let classes = alphabet.classes(output.shape())?;
            let numbers = output.as_slice().unwrap_or_default();
            probabilities(numbers, "the text recogniser")?;
            let steps = numbers.chunks_exact(classes);
            if let Some(text) = texts.get_mut(*index) {
                *text = alphabet.decode(steps);
            }
        }
    }
    Ok(texts)
}
