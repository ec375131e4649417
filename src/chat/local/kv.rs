//! Keys and values of the tokens a model has read, in half precision.

use half::f16;

use super::shape::Shape;

/// Positions in one block: keys of a block lie side by side, one lane a position.
pub(super) const LANES: usize = 16;

/// Blocks that memory grows by.
const CHUNK: usize = 16;

/// Keys and values of one layer.
///
/// Both are laid out block by block, in a block head by head; a head's keys are
/// `[number of the head][position]`, its values `[position][number of the head]`.
/// So a range of tokens is one slice, and attention reads whole vectors.
#[derive(Debug, Clone, Default)]
pub(super) struct LayerKv {
    keys: Vec<f16>,
    values: Vec<f16>,
}

/// Keys and values of all layers.
///
/// They are kept in half precision whether they were computed or read back from disk,
/// so that both give the same tokens.
#[derive(Debug, Clone)]
pub(super) struct Kv {
    layers: Vec<LayerKv>,
    /// Tokens held.
    len: usize,
    /// Numbers of one block of one layer.
    stride: usize,
    head: usize,
}

impl Kv {
    /// Holds nothing yet.
    pub(super) fn new(shape: &Shape) -> Self {
        Self {
            layers: vec![LayerKv::default(); shape.layers],
            len: 0,
            stride: shape.kv_heads * shape.head * LANES,
            head: shape.head,
        }
    }

    /// Tokens held.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Forgets all tokens from `len` on.
    pub(super) fn trim(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Makes room for `more` tokens.
    pub(super) fn reserve(&mut self, more: usize) {
        let blocks = (self.len + more).div_ceil(LANES).next_multiple_of(CHUNK);
        let numbers = blocks * self.stride;
        for layer in &mut self.layers {
            for side in [&mut layer.keys, &mut layer.values] {
                if side.len() < numbers {
                    side.reserve_exact(numbers - side.len());
                    side.resize(numbers, f16::ZERO);
                }
            }
        }
    }

    /// Writes keys and values of tokens that follow those held; `advance` makes them count.
    /// Both are `[token][head][number]`; room for them was reserved.
    pub(super) fn write(&mut self, layer: usize, keys: &[f32], values: &[f32]) {
        let (head, stride, first) = (self.head, self.stride, self.len);
        let Some(layer) = self.layers.get_mut(layer) else { return };
        let row = stride / LANES;
        for (t, (k, v)) in keys.chunks_exact(row).zip(values.chunks_exact(row)).enumerate() {
            let (block, lane) = ((first + t) / LANES, (first + t) % LANES);
            let span = block * stride..(block + 1) * stride;
            let (Some(into_k), Some(into_v)) = (layer.keys.get_mut(span.clone()), layer.values.get_mut(span)) else {
                return;
            };
            for (g, (k, v)) in k.chunks_exact(head).zip(v.chunks_exact(head)).enumerate() {
                let base = g * head * LANES;
                for (d, (k, v)) in k.iter().zip(v).enumerate() {
                    into_k[base + d * LANES + lane] = f16::from_f32(*k);
                    into_v[base + lane * head + d] = f16::from_f32(*v);
                }
            }
        }
    }

    /// Counts `tokens` that were written to every layer.
    pub(super) fn advance(&mut self, tokens: usize) {
        self.len += tokens;
    }

    /// One block of a layer and a head: keys and values.
    pub(super) fn block(&self, layer: usize, block: usize, kv_head: usize) -> Option<(&[f16], &[f16])> {
        let layer = self.layers.get(layer)?;
        let base = block * self.stride + kv_head * self.head * LANES;
        let span = base..base + self.head * LANES;
        Some((layer.keys.get(span.clone())?, layer.values.get(span)?))
    }

    /// The first `len` tokens, layer by layer: keys, then values, in whole blocks.
    pub(super) fn export(&self, len: usize) -> Option<impl Iterator<Item = &[f16]>> {
        let numbers = self.numbers(len);
        let held = len <= self.len && self.layers.iter().all(|l| l.keys.len() >= numbers);
        held.then(|| self.layers.iter().flat_map(move |l| [&l.keys[..numbers], &l.values[..numbers]]))
    }

    /// Numbers that one side of one layer has for `len` tokens.
    pub(super) fn numbers(&self, len: usize) -> usize {
        len.div_ceil(LANES) * self.stride
    }

    /// Takes `len` tokens exported before; `sides` yields what `export` yielded.
    /// Gives nothing back when a side is missing or has another size.
    pub(super) fn import(shape: &Shape, len: usize, mut sides: impl Iterator<Item = Vec<f16>>) -> Option<Self> {
        let mut kv = Self::new(shape);
        let numbers = kv.numbers(len);
        for layer in &mut kv.layers {
            layer.keys = sides.next().filter(|s| s.len() == numbers)?;
            layer.values = sides.next().filter(|s| s.len() == numbers)?;
        }
        kv.len = len;
        Some(kv)
    }
}
