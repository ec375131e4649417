//! Batches: several calls of a model as one.

use std::time::Duration;

use ndarray::{ArrayD, Axis, Slice};

use super::{Tensor, Tensors};

/// How calls are gathered into batches, and how many may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// Most calls of one batch; 1 for none.
    pub max_batch: usize,
    /// How long the first call of a batch waits for others.
    pub max_delay: Duration,
    /// How many calls may wait for the model before callers wait to be queued.
    pub max_queue: usize,
}

impl Default for Batching {
    /// No batches, and a queue of eight.
    fn default() -> Self {
        Self { max_batch: 1, max_delay: Duration::ZERO, max_queue: 8 }
    }
}

/// Whether two calls' inputs can go into one batch: the same names, types and shapes, but for the first dimension.
pub(super) fn alike(a: &Tensors, b: &Tensors) -> bool {
    let same = |((name, one), (other_name, other)): (&(String, Tensor), &(String, Tensor))| {
        name == other_name
            && one.type_name() == other.type_name()
            && one.shape().len() > 1
            && one.shape().get(1..) == other.shape().get(1..)
    };
    a.len() == b.len() && a.iter().zip(b).all(same)
}

/// How many samples a call has: the first dimension of all its inputs; nothing when they differ.
pub(super) fn samples(inputs: &Tensors) -> Option<usize> {
    let mut lengths = inputs.iter().map(|(_, tensor)| tensor.shape().first().copied());
    let first = lengths.next()??;
    lengths.all(|length| length == Some(first)).then_some(first)
}

/// The inputs of several calls as those of one; nothing when they do not fit together.
pub(super) fn stacked(calls: &[&Tensors]) -> Option<Tensors> {
    let (first, rest) = calls.split_first()?;
    if !rest.iter().all(|call| alike(first, call)) {
        return None;
    }
    let nth = |n: usize| calls.iter().map(|call| call.get(n).map(|(_, tensor)| tensor)).collect::<Option<Vec<_>>>();
    let stack = |(n, (name, _)): (usize, &(String, Tensor))| Some((name.clone(), joined(&nth(n)?)?));
    first.iter().enumerate().map(stack).collect()
}

macro_rules! join {
    ($tensors:expr, $variant:ident) => {{
        let views: Option<Vec<_>> = $tensors
            .iter()
            .map(|tensor| if let Tensor::$variant(array) = tensor { Some(array.view()) } else { None })
            .collect();
        ndarray::concatenate(Axis(0), &views?).ok().map(Tensor::$variant)
    }};
}

fn joined(tensors: &[&Tensor]) -> Option<Tensor> {
    match tensors.first()? {
        Tensor::F32(_) => join!(tensors, F32),
        Tensor::I32(_) => join!(tensors, I32),
        Tensor::I64(_) => join!(tensors, I64),
        Tensor::U8(_) => join!(tensors, U8),
        Tensor::Bool(_) => join!(tensors, Bool),
    }
}

/// The outputs of a batch by call; nothing when an output has not one row for each sample.
pub(super) fn parted(outputs: &Tensors, sizes: &[usize]) -> Option<Vec<Tensors>> {
    let all: usize = sizes.iter().sum();
    if outputs.iter().any(|(_, tensor)| tensor.shape().first() != Some(&all)) {
        return None;
    }
    let mut from = 0;
    let of_call = |size: &usize| {
        let rows = Slice::from(from..from + size);
        from += size;
        outputs.iter().map(|(name, tensor)| (name.clone(), part(tensor, rows))).collect()
    };
    Some(sizes.iter().map(of_call).collect())
}

fn part(tensor: &Tensor, rows: Slice) -> Tensor {
    fn of<T: Clone>(array: &ArrayD<T>, rows: Slice) -> ArrayD<T> {
        array.slice_axis(Axis(0), rows).to_owned()
    }
    match tensor {
        Tensor::F32(array) => Tensor::F32(of(array, rows)),
        Tensor::I32(array) => Tensor::I32(of(array, rows)),
        Tensor::I64(array) => Tensor::I64(of(array, rows)),
        Tensor::U8(array) => Tensor::U8(of(array, rows)),
        Tensor::Bool(array) => Tensor::Bool(of(array, rows)),
    }
}
