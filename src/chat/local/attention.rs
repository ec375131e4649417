//! Causal attention of new tokens over all tokens held, grouped query heads included.

use std::sync::OnceLock;

use candle_core::utils::barrier_pool;
use pulp::{Simd, WithSimd};

use super::kv::{Kv, LANES};
use super::shape::Shape;
use super::simd::{self, ROWS};

/// Groups of [`ROWS`] query rows in one unit of work: enough to make widening keys and values cheap.
const GROUPS: usize = 8;

/// Attention of the tokens at positions `first..`, whose keys and values are already written.
pub(super) struct Attention<'a> {
    pub(super) shape: &'a Shape,
    pub(super) kv: &'a Kv,
    pub(super) layer: usize,
    /// Position of the first query.
    pub(super) first: usize,
    /// `[token][head][number]`, rotated.
    pub(super) queries: &'a [f32],
}

impl Attention<'_> {
    /// Computes `[token][head][number]`.
    pub(super) fn run(&self) -> Vec<f32> {
        let shape = self.shape;
        let rows = self.queries.len() / shape.head / shape.kv_heads;
        let tiles = rows.div_ceil(ROWS * GROUPS);
        let done: Vec<OnceLock<Vec<f32>>> = (0..tiles * shape.kv_heads).map(|_| OnceLock::new()).collect();
        barrier_pool().execute_chunked(done.len(), |units| {
            for unit in units {
                let start = unit / shape.kv_heads * ROWS * GROUPS;
                let rows = start..rows.min(start + ROWS * GROUPS);
                let result = simd::dispatch(Tile { all: self, kv_head: unit % shape.kv_heads, rows });
                if let Some(slot) = done.get(unit) {
                    let _ = slot.set(result);
                }
            }
        });
        self.gather(done)
    }

    /// Where a row of a key and value head starts among the queries: rows go token by token, head by head.
    fn place(&self, kv_head: usize, row: usize) -> usize {
        let group = self.shape.group();
        ((row / group) * self.shape.heads + kv_head * group + row % group) * self.shape.head
    }

    fn gather(&self, done: Vec<OnceLock<Vec<f32>>>) -> Vec<f32> {
        let (head, kv_heads) = (self.shape.head, self.shape.kv_heads);
        let mut out = vec![0f32; self.queries.len()];
        for (unit, result) in done.into_iter().enumerate() {
            let start = unit / kv_heads * ROWS * GROUPS;
            for (r, row) in result.into_inner().unwrap_or_default().chunks_exact(head).enumerate() {
                let at = self.place(unit % kv_heads, start + r);
                if let Some(into) = out.get_mut(at..at + head) {
                    into.copy_from_slice(row);
                }
            }
        }
        out
    }
}

/// Some query rows of one key and value head.
struct Tile<'a> {
    all: &'a Attention<'a>,
    kv_head: usize,
    rows: std::ops::Range<usize>,
}

impl WithSimd for Tile<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<f32> {
        let head = self.all.shape.head;
        let count = self.rows.len().next_multiple_of(ROWS);
        let reach = self.reach(self.rows.end.saturating_sub(1));
        let blocks = reach.div_ceil(LANES);
        let queries = self.queries(count);
        let mut weights = vec![0f32; count * blocks * LANES];
        let mut wide = vec![0f32; head * LANES];
        for block in 0..blocks {
            let Some((keys, _)) = self.all.kv.block(self.all.layer, block, self.kv_head) else { break };
            simd::widen(keys, &mut wide);
            for (q, w) in queries.chunks_exact(ROWS * head).zip(weights.chunks_exact_mut(ROWS * blocks * LANES)) {
                scores::<S>(q, &wide, w, block);
            }
        }
        for (r, row) in weights.chunks_exact_mut(blocks * LANES).enumerate().take(self.rows.len()) {
            softmax::<S>(row, self.reach(self.rows.start + r));
        }
        let mut out = vec![0f32; count * head];
        for block in 0..blocks {
            let Some((_, values)) = self.all.kv.block(self.all.layer, block, self.kv_head) else { break };
            simd::widen(values, &mut wide);
            for (o, w) in out.chunks_exact_mut(ROWS * head).zip(weights.chunks_exact(ROWS * blocks * LANES)) {
                mix::<S>(o, &wide, w, block);
            }
        }
        out.truncate(self.rows.len() * head);
        out
    }
}

impl Tile<'_> {
    /// Positions a row may look at.
    fn reach(&self, row: usize) -> usize {
        self.all.first + row / self.all.shape.group() + 1
    }

    /// The tile's queries side by side, scaled, filled up with zeros to `count` rows.
    #[inline(always)]
    fn queries(&self, count: usize) -> Vec<f32> {
        let head = self.all.shape.head;
        let scale = 1.0 / (head as f32).sqrt();
        let mut out = Vec::with_capacity(count * head);
        for row in self.rows.clone() {
            let at = self.all.place(self.kv_head, row);
            out.extend(self.all.queries.get(at..at + head).unwrap_or_default().iter().map(|q| q * scale));
        }
        out.resize(count * head, 0.0);
        out
    }
}

/// Dot products of [`ROWS`] queries with the keys of one block, into their place in `weights`.
#[inline(always)]
fn scores<S: Simd>(queries: &[f32], keys: &[f32], weights: &mut [f32], block: usize) {
    let head = queries.len() / ROWS;
    let mut acc = [[0f32; LANES]; ROWS];
    let rows: [&[f32]; ROWS] = std::array::from_fn(|r| &queries[r * head..(r + 1) * head]);
    for (d, lanes) in keys.as_chunks::<LANES>().0.iter().enumerate().take(head) {
        for (acc, row) in acc.iter_mut().zip(&rows) {
            let q = row[d];
            for (a, k) in acc.iter_mut().zip(lanes) {
                *a = simd::fma::<S>(q, *k, *a);
            }
        }
    }
    let width = weights.len() / ROWS;
    for (row, acc) in weights.chunks_exact_mut(width).zip(&acc) {
        row[block * LANES..(block + 1) * LANES].copy_from_slice(acc);
    }
}

/// Softmax over the first `reach` scores; the rest become 0.
#[inline(always)]
fn softmax<S: Simd>(row: &mut [f32], reach: usize) {
    let (seen, hidden) = row.split_at_mut(reach.min(row.len()));
    hidden.fill(0.0);
    let top = max(seen);
    for x in seen.iter_mut() {
        *x = simd::exp::<S>(*x - top);
    }
    let factor = 1.0 / simd::sum(seen, |x| x);
    for x in seen {
        *x *= factor;
    }
}

#[inline(always)]
fn max(xs: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = xs.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = if *x > *lane { *x } else { *lane };
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// Adds the values of one block, weighted, to [`ROWS`] results.
#[inline(always)]
fn mix<S: Simd>(out: &mut [f32], values: &[f32], weights: &[f32], block: usize) {
    let (head, width) = (out.len() / ROWS, weights.len() / ROWS);
    let rows: [&[f32]; ROWS] = std::array::from_fn(|r| &weights[r * width + block * LANES..][..LANES]);
    for at in (0..head).step_by(LANES) {
        let mut acc = [[0f32; LANES]; ROWS];
        for (r, acc) in acc.iter_mut().enumerate() {
            acc.copy_from_slice(&out[r * head + at..][..LANES]);
        }
        for position in 0..LANES {
            let v = &values[position * head + at..][..LANES];
            for (acc, row) in acc.iter_mut().zip(&rows) {
                let p = row[position];
                for (a, v) in acc.iter_mut().zip(v) {
                    *a = simd::fma::<S>(p, *v, *a);
                }
            }
        }
        for (r, acc) in acc.iter().enumerate() {
            out[r * head + at..][..LANES].copy_from_slice(acc);
        }
    }
}
