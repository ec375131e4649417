//! What a decoder computed for earlier tokens: the keys and values of its attention.

use ndarray::{ArrayD, Axis};

use crate::error::{Error, ErrorKind, Result};
use crate::runner::{ModelFacts, Port, Tensor, Tensors};

/// How the inputs and outputs for it begin, in the exports of Hugging Face.
const PAST: &str = "past_key_values";
const PRESENT: &str = "present";

/// Keys and values by the names of the inputs that take them; the first dimension is that of the texts.
pub(super) struct Cache(Vec<(String, ArrayD<f32>)>);

impl Cache {
    /// Whether a decoder takes it.
    pub(super) fn is_taken(facts: &ModelFacts) -> bool {
        facts.inputs.iter().any(|port| port.name.starts_with(PAST))
    }

    /// What a decoder that takes it is given for the first tokens: nothing, in its shapes.
    ///
    /// # Errors
    /// `Model` when the model's file does not state how many heads there are and how large.
    pub(super) fn empty(facts: &ModelFacts, texts: usize) -> Result<Tensors> {
        let empty = |port: &Port| match port.shape.as_slice() {
            [_, Some(heads), _, Some(size)] => {
                Ok((port.name.clone(), Tensor::F32(ArrayD::zeros(vec![texts, *heads, 0, *size]))))
            }
            _ => {
                let message = format!("the decoder's input `{}` is {port}, which does not tell its size", port.name);
                Err(Error::new(ErrorKind::Model, message))
            }
        };
        facts.inputs.iter().filter(|port| port.name.starts_with(PAST)).map(empty).collect()
    }

    /// What is known after a step. What was computed from the picture stays as the first step left it: later steps
    /// return nothing in its place.
    pub(super) fn new(before: Option<Self>, present: Tensors) -> Self {
        let named = |(name, tensor): (String, Tensor)| {
            let name = name.strip_prefix(PRESENT).map(|rest| format!("{PAST}{rest}"))?;
            Some((name, tensor.into_f32().ok()?))
        };
        let mut now: Vec<(String, ArrayD<f32>)> = present.into_iter().filter_map(named).collect();
        if let Some(Self(before)) = before {
            now.retain(|(name, _)| !name.contains(".encoder."));
            now.extend(before.into_iter().filter(|(name, _)| name.contains(".encoder.")));
        }
        Self(now)
    }

    pub(super) fn inputs(&self) -> Tensors {
        self.0.iter().map(|(name, array)| (name.clone(), Tensor::F32(array.clone()))).collect()
    }

    /// Goes on with these of the texts, in this order.
    pub(super) fn select(&mut self, from: &[usize]) {
        if from.iter().enumerate().all(|(n, from)| n == *from) {
            return;
        }
        for (_, array) in &mut self.0 {
            if from.iter().all(|n| *n < array.shape().first().copied().unwrap_or_default()) {
                *array = array.select(Axis(0), from);
            }
        }
    }
}
