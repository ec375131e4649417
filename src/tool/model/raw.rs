//! A model's outputs as they are.

use serde_json::{Map, Value as Json, json};

use crate::runner::{Tensor, Tensors};

/// Most numbers of a tensor that `raw` returns; more are summed up.
const MOST_NUMBERS: usize = 4_096;

/// Tensors as JSON: type, shape and numbers, or how many there are, the least, the greatest and their mean.
pub(super) fn raw(outputs: &Tensors) -> Json {
    let entries = outputs.iter().map(|(name, tensor)| (name.clone(), tensor_json(tensor)));
    Json::Object(entries.collect::<Map<_, _>>())
}

fn tensor_json(tensor: &Tensor) -> Json {
    let (of, shape) = (tensor.type_name(), tensor.shape());
    let numbers = numbers_of(tensor);
    if numbers.len() <= MOST_NUMBERS {
        return json!({ "type": of, "shape": shape, "data": numbers.iter().map(|n| finite(*n)).collect::<Vec<_>>() });
    }
    let stats = Stats::of(&numbers);
    json!({ "type": of, "shape": shape, "min": finite(stats.min), "max": finite(stats.max), "mean": finite(stats.mean) })
}

/// A number, or its name where JSON has none.
fn finite(number: f64) -> Json {
    if number.is_finite() { json!(number) } else { json!(number.to_string()) }
}

/// A tensor's numbers in order.
pub fn numbers_of(tensor: &Tensor) -> Vec<f64> {
    match tensor {
        Tensor::F32(a) => a.iter().map(|n| f64::from(*n)).collect(),
        Tensor::I32(a) => a.iter().map(|n| f64::from(*n)).collect(),
        Tensor::I64(a) => a.iter().map(|n| *n as f64).collect(),
        Tensor::U8(a) => a.iter().map(|n| f64::from(*n)).collect(),
        Tensor::Bool(a) => a.iter().map(|n| f64::from(u8::from(*n))).collect(),
    }
}

/// The least, the greatest, and the mean of numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stats {
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// The mean.
    pub mean: f64,
}

impl Stats {
    /// Those of these numbers; all NaN when there are none.
    pub fn of(numbers: &[f64]) -> Self {
        Self {
            min: numbers.iter().copied().fold(f64::NAN, f64::min),
            max: numbers.iter().copied().fold(f64::NAN, f64::max),
            mean: numbers.iter().sum::<f64>() / numbers.len() as f64,
        }
    }
}
