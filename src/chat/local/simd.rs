//! Arithmetic on rows of numbers, compiled for the vector units of the CPU it runs on.
//!
//! Every result depends only on its own row, never on how many rows are computed together.

use half::f16;
use pulp::{Arch, Simd, WithSimd};

use super::kv::LANES;

/// Query rows that are computed together.
pub(super) const ROWS: usize = 6;

/// Runs `work` with the widest vector unit there is.
pub(super) fn dispatch<W: WithSimd>(work: W) -> W::Output {
    Arch::new().dispatch(work)
}

/// `a * b + c`, fused where the CPU can.
#[inline(always)]
pub(super) fn fma<S: Simd>(a: f32, b: f32, c: f32) -> f32 {
    if S::IS_SCALAR { a * b + c } else { a.mul_add(b, c) }
}

/// Half to single precision by shifting bits, since that runs on every vector unit.
/// Infinities become large numbers; keys and values have none.
#[inline(always)]
pub(super) fn widen(from: &[f16], into: &mut [f32]) {
    let scale = f32::from_bits(0x7780_0000); // 2^112 puts the exponent right
    for (x, y) in from.iter().zip(into) {
        let bits = u32::from(x.to_bits());
        let size = f32::from_bits((bits & 0x7fff) << 13) * scale;
        *y = f32::from_bits(size.to_bits() | ((bits & 0x8000) << 16));
    }
}

/// `e^x` for `x <= 88`, to about one unit in the last place; 0 far below.
#[inline(always)]
pub(super) fn exp<S: Simd>(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    let shifted = fma::<S>(x, std::f32::consts::LOG2_E, 12_582_912.0); // rounds to a whole number
    let n = shifted - 12_582_912.0;
    let r = fma::<S>(n, -0.693_359_4, x);
    let r = fma::<S>(n, 2.121_944_4e-4, r);
    let mut p = 1.987_569_1e-4;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
        p = fma::<S>(p, r, c);
    }
    let p = fma::<S>(p, r * r, r + 1.0);
    p * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

/// Sum of `f(x)`, in an order that does not depend on the vector unit.
#[inline(always)]
pub(super) fn sum(xs: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let (chunks, rest) = xs.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += f(*x);
        }
    }
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *lane += f(*x);
    }
    lanes.iter().sum()
}

/// Root-mean-square norm of each row, times `weight`.
pub(super) struct Norm<'a> {
    pub(super) rows: &'a [f32],
    pub(super) weight: &'a [f32],
    pub(super) epsilon: f32,
}

impl WithSimd for Norm<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<f32> {
        let width = self.weight.len();
        let mut out = vec![0f32; self.rows.len()];
        for (row, out) in self.rows.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            let mean = sum(row, |x| x * x) / width as f32;
            let factor = 1.0 / (mean + self.epsilon).sqrt();
            for ((o, x), w) in out.iter_mut().zip(row).zip(self.weight) {
                *o = x * factor * w;
            }
        }
        out
    }
}

/// `gate * sigmoid(gate) * up`, into `gate`.
pub(super) struct Swiglu<'a> {
    pub(super) gate: &'a mut [f32],
    pub(super) up: &'a [f32],
}

impl WithSimd for Swiglu<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (g, u) in self.gate.iter_mut().zip(self.up) {
            *g = *g / (1.0 + exp::<S>(-*g)) * u;
        }
    }
}

/// `into += from`, row by row when `from` is shorter.
pub(super) struct Add<'a> {
    pub(super) into: &'a mut [f32],
    pub(super) from: &'a [f32],
}

impl WithSimd for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for row in self.into.chunks_exact_mut(self.from.len().max(1)) {
            for (x, y) in row.iter_mut().zip(self.from) {
                *x += y;
            }
        }
    }
}
