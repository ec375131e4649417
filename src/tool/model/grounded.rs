//! Detectors that read all words as one text, such as Grounding DINO: which of its tokens belong to which word.
//!
//! Sources: Liu et al., "Grounding DINO" (2023); transformers' `GroundingDinoProcessor`.

use std::ops::Range;

use ndarray::Array2;

use super::head::sigmoid;
use super::outputs::{Outputs, flat};
use crate::error::{Error, ErrorKind, Result};
use crate::runner::{Tensor, Tensors};

/// A box shows what a token says when the token's score is above this: as `text_threshold` of transformers.
const LEAST: f32 = 0.25;

/// The output with a number for each token of each box.
pub(super) const LOGITS: &str = "logits";

/// All words as one text, `cat. a dog.`, and where each lies in it, in bytes.
pub(super) fn joined(words: &[String]) -> (String, Vec<Range<usize>>) {
    let mut text = String::new();
    let mut parts = Vec::new();
    for word in words {
        if !text.is_empty() {
            text.push(' ');
        }
        let from = text.len();
        // Either would end the word.
        text.push_str(word.to_lowercase().replace(['.', '?'], " ").trim());
        parts.push(from..text.len());
        text.push('.');
    }
    (text, parts)
}

/// Refuses more words than the model has numbers for.
///
/// # Errors
/// `Tool` saying to name fewer.
pub(super) fn fits(tokens: &[Vec<usize>], told: usize) -> Result<()> {
    let last = tokens.iter().flatten().copied().max().unwrap_or(0);
    if last < told {
        return Ok(());
    }
    let message = format!(
        "`labels`: the words make {} tokens or more, and the model tells {told}: name fewer words",
        last.saturating_add(1)
    );
    Err(Error::new(ErrorKind::Tool, message))
}

/// The outputs with a number for each word in place of one for each token.
///
/// A box is of the word with the best token, where that is good enough, and its score is that of its best token of all:
/// as transformers' `post_process_grounded_object_detection`, which tells the tokens themselves.
///
/// # Errors
/// `Model` when there are no `logits`, or they are not all numbers; `Tool` when there are not as many as tokens.
pub(super) fn by_word(outputs: Tensors, tokens: &[Vec<usize>]) -> Result<Tensors> {
    let outputs = Outputs::new(outputs)?;
    let unfit = || outputs.unfit("`logits` and `pred_boxes`, for each box a number for each token");
    let at = outputs.0.iter().position(|output| output.name == LOGITS).ok_or_else(unfit)?;
    let logits = outputs.0.get(at).and_then(|output| flat(&output.array)).ok_or_else(unfit)?;
    fits(tokens, logits.ncols())?;
    if logits.iter().any(|number| number.is_nan()) {
        return Err(Error::new(ErrorKind::Model, "`logits` are not all numbers (NaN)"));
    }
    let mut words = Array2::from_elem((logits.nrows(), tokens.len()), f32::NEG_INFINITY);
    for (row, mut of_words) in logits.outer_iter().zip(words.outer_iter_mut()) {
        let most = |numbers: &mut dyn Iterator<Item = f32>| numbers.fold(f32::NEG_INFINITY, f32::max);
        let of_word = |places: &Vec<usize>| most(&mut places.iter().filter_map(|n| row.get(*n).copied()));
        let best = tokens.iter().map(of_word).enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((word, _)) = best.filter(|(_, logit)| sigmoid(*logit) > LEAST)
            && let Some(place) = of_words.get_mut(word)
        {
            *place = most(&mut row.iter().copied());
        }
    }
    let kept = outputs.0.into_iter().enumerate().map(|(n, output)| {
        let array = if n == at { words.clone().into_dyn() } else { output.array };
        (output.name, Tensor::F32(array))
    });
    Ok(kept.collect())
}
