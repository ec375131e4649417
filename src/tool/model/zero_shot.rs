//! Zero-shot models: which of any words fits a picture best.
//!
//! Sources: Radford et al., "Learning transferable visual models from natural language supervision" (CLIP, 2021); Zhai
//! et al., "Sigmoid loss for language image pre-training" (SigLIP, 2023).

use ndarray::{ArrayD, Ix2};

use super::head::{Family, Head, sigmoid, softmax};
use crate::error::{Error, ErrorKind, Result};
use crate::runner::Tensors;
use crate::value::Label;

/// Likeness is multiplied by this, unless the manifest says otherwise: e^4.6052, at which CLIP's training ends.
const LOGIT_SCALE: f64 = 100.0;

/// The logits of two encoders: the likeness of a picture's vector to those of texts, scaled.
///
/// # Errors
/// `Model` when the vectors have other lengths.
pub(super) fn logits(head: &Head, picture: Tensors, texts: &ArrayD<f32>, count: usize) -> Result<Vec<f32>> {
    let picture = unit(&head.numbers(picture)?);
    let shape = texts.shape().to_vec();
    let texts = texts.view().into_dimensionality::<Ix2>().ok();
    let texts = texts.filter(|texts| texts.dim() == (count, picture.len())).ok_or_else(|| {
        let wanted = picture.len();
        let message = format!("the picture's vector has {wanted} numbers, and the texts' are {shape:?}");
        Error::new(ErrorKind::Model, message)
    })?;
    let (scale, bias) = (head.logit_scale.unwrap_or(LOGIT_SCALE), head.logit_bias.unwrap_or(0.0));
    let likeness =
        |text: Vec<f32>| -> f64 { unit(&text).iter().zip(&picture).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
    Ok(texts.outer_iter().map(|text| (likeness(text.to_vec()) * scale + bias) as f32).collect())
}

/// A vector of length 1.
fn unit(vector: &[f32]) -> Vec<f32> {
    let length = vector.iter().map(|n| f64::from(*n).powi(2)).sum::<f64>().sqrt();
    vector.iter().map(|n| if length > 0.0 { (f64::from(*n) / length) as f32 } else { *n }).collect()
}

/// The labels with their scores, best first.
///
/// # Errors
/// `Model` when there are not as many numbers as labels.
pub(super) fn labels(family: Family, head: &Head, logits: &[f32], labels: &[String]) -> Result<Vec<Label>> {
    if logits.len() != labels.len() || logits.iter().any(|number| !number.is_finite()) {
        let message =
            format!("the model gave {} numbers for {} labels, or not all are numbers", logits.len(), labels.len());
        return Err(Error::new(ErrorKind::Model, message));
    }
    let scores = match family {
        Family::Siglip => logits.iter().map(|number| sigmoid(*number)).collect(),
        _ => softmax(logits),
    };
    let named = labels.iter().zip(scores);
    let mut labels: Vec<Label> =
        named.map(|(label, score)| Label { label: label.clone(), score: f64::from(score) }).collect();
    labels.sort_by(|a, b| b.score.total_cmp(&a.score));
    labels.truncate(head.top.unwrap_or(usize::MAX));
    Ok(labels)
}
