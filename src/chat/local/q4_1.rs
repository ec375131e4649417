//! Products with Q4_1 weights, for which candle has no vector code.
//!
//! Activations are rounded to eight bits as candle and llama.cpp do, so that results agree with theirs.

use std::sync::OnceLock;

use candle_core::utils::barrier_pool;
use half::f16;
use pulp::{Simd, WithSimd};

use super::kv::LANES;
use super::simd::{self, ROWS};

/// Numbers of one block, and its bytes: scale, offset, then two numbers a byte.
const NUMBERS: usize = 32;
const BYTES: usize = 20;

/// Weight rows of one unit of work.
const TILE: usize = 16;

/// Multiplies `inputs` (`m` rows of `k`) with `weights` (`n` rows of `k`) into `out` (`m` rows of `n`).
pub(super) fn multiply((m, k, n): (usize, usize, usize), inputs: &[f32], weights: &[u8], out: &mut [f32]) {
    let mut rows = inputs.to_vec();
    simd::dispatch(Round(&mut rows));
    let row = k / NUMBERS * BYTES;
    let tiles: Vec<OnceLock<Vec<f32>>> = (0..n.div_ceil(TILE)).map(|_| OnceLock::new()).collect();
    barrier_pool().execute_chunked(tiles.len(), |range| {
        for (tile, slot) in tiles.iter().enumerate().take(range.end).skip(range.start) {
            let end = (tile * TILE + TILE).min(n);
            let weights = weights.get(tile * TILE * row..end * row).unwrap_or_default();
            let _ = slot.set(simd::dispatch(Tile { rows: &rows, weights, k, m }));
        }
    });
    for (tile, columns) in tiles.into_iter().enumerate() {
        let columns = columns.into_inner().unwrap_or_default();
        for (c, column) in columns.chunks_exact(m).enumerate() {
            for (out, x) in out.chunks_exact_mut(n).zip(column) {
                out[tile * TILE + c] = *x;
            }
        }
    }
}

/// Rounds blocks of activations to 255 steps of their largest.
struct Round<'a>(&'a mut [f32]);

impl WithSimd for Round<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for block in self.0.as_chunks_mut::<NUMBERS>().0 {
            let top = block.iter().fold(0f32, |top, x| if x.abs() > top { x.abs() } else { top });
            let step = top / 127.0;
            let inverse = if step > 0.0 { 1.0 / step } else { 0.0 };
            let step = f16::from_f32(step).to_f32();
            for x in block {
                *x = (*x * inverse).round() * step;
            }
        }
    }
}

/// Products of all rows with some weight rows: one column of `m` results a weight row.
struct Tile<'a> {
    rows: &'a [f32],
    weights: &'a [u8],
    k: usize,
    m: usize,
}

impl WithSimd for Tile<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<f32> {
        let row = self.k / NUMBERS * BYTES;
        let mut wide = vec![0f32; self.k];
        let mut out = Vec::with_capacity(self.weights.len() / row.max(1) * self.m);
        let groups = self.rows.chunks_exact(ROWS * self.k);
        for weights in self.weights.chunks_exact(row) {
            widen(weights, &mut wide);
            for rows in groups.clone() {
                out.extend(dots::<S, ROWS>(rows, &wide));
            }
            for row in groups.remainder().chunks_exact(self.k) {
                out.extend(dots::<S, 1>(row, &wide));
            }
        }
        out
    }
}

#[inline(always)]
fn widen(weights: &[u8], wide: &mut [f32]) {
    for (block, out) in weights.as_chunks::<BYTES>().0.iter().zip(wide.as_chunks_mut::<NUMBERS>().0) {
        let [d0, d1, m0, m1, numbers @ ..] = block;
        let scale = f16::from_le_bytes([*d0, *d1]).to_f32();
        let offset = f16::from_le_bytes([*m0, *m1]).to_f32();
        let (low, high) = out.split_at_mut(NUMBERS / 2);
        for ((byte, low), high) in numbers.iter().zip(low).zip(high) {
            *low = f32::from(byte & 15) * scale + offset;
            *high = f32::from(byte >> 4) * scale + offset;
        }
    }
}

/// Dot products of `N` rows with one weight row.
#[inline(always)]
fn dots<S: Simd, const N: usize>(rows: &[f32], weights: &[f32]) -> [f32; N] {
    let k = weights.len();
    let rows: [&[[f32; LANES]]; N] = std::array::from_fn(|r| rows[r * k..(r + 1) * k].as_chunks::<LANES>().0);
    let mut acc = [[0f32; LANES]; N];
    for (c, w) in weights.as_chunks::<LANES>().0.iter().enumerate() {
        for (acc, row) in acc.iter_mut().zip(&rows) {
            let x = &row[c];
            for ((a, w), x) in acc.iter_mut().zip(w).zip(x) {
                *a = simd::fma::<S>(*w, *x, *a);
            }
        }
    }
    acc.map(|lanes| lanes.iter().sum())
}
