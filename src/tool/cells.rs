//! Boxes as distances from the cells of a grid, as NanoDet and PicoDet write them down.
//!
//! Source: Li et al., "Generalized focal loss" (2020): a distance is the expectation over bins.

use ndarray::{ArrayView1, ArrayView2};

use super::boxes::Detection;

/// The cells of one stride, row by row.
pub(crate) struct Grid {
    /// How many cells a row has.
    pub(crate) columns: usize,
    /// Pixels of the input for each cell.
    pub(crate) stride: usize,
    /// Where in a cell its box is measured from: 0.5 is the middle, 0 the top left corner.
    pub(crate) within: f64,
}

impl Grid {
    /// Each cell proposes one box, of its best class, where that scores above `threshold`; in pixels of the input.
    ///
    /// `scores` has a number for each class, `distances` the bins of left, top, right and bottom.
    pub(crate) fn boxes(
        &self,
        scores: &ArrayView2<'_, f32>,
        distances: &ArrayView2<'_, f32>,
        threshold: f64,
        found: &mut Vec<Detection>,
    ) {
        let Self { columns, stride, within } = *self;
        for (cell, (scores, distances)) in scores.outer_iter().zip(distances.outer_iter()).enumerate() {
            let best = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            if f64::from(best) <= threshold {
                continue;
            }
            let class = scores.iter().position(|s| *s == best).unwrap_or(0);
            let centre = |n: usize| (n as f64 + within) * stride as f64;
            let (x, y) = (centre(cell % columns), centre(cell / columns));
            let [left, top, right, bottom] = sides(&distances).map(|d| d * stride as f64);
            found.push(Detection { class, score: best, bounds: [x - left, y - top, x + right, y + bottom] });
        }
    }
}

/// The expectation of each side's softmax over its bins, in cells.
fn sides(distances: &ArrayView1<'_, f32>) -> [f64; 4] {
    let values: Vec<f64> = distances.iter().map(|v| f64::from(*v)).collect();
    let mut sides = [0.0; 4];
    for (side, bins) in sides.iter_mut().zip(values.chunks_exact((values.len() / 4).max(1))) {
        let most = bins.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights = bins.iter().map(|b| (b - most).exp());
        let (sum, mean) =
            weights.enumerate().fold((0.0, 0.0), |(sum, mean), (bin, w)| (sum + w, mean + w * bin as f64));
        *side = mean / sum;
    }
    sides
}
