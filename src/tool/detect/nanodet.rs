//! NanoDet: what goes into the model, and what its outputs mean.

use image::RgbImage;
use ndarray::{Array4, ArrayView1, ArrayView2, Axis, Ix3};

use crate::error::{Error, ErrorKind, Result};
use crate::runner::{Tensor, Tensors};
use crate::tool::resize;

/// Width and height that the model was trained at: a picture is looked at with as many pixels as such a square has.
///
/// # Why a picture keeps its proportions
/// Stretched to a square, things look unlike those of the training. On 26 photos of COCO val2017 the average
/// precision at an overlap of 0.5, over all labels, is 48 stretched and 54 in their own proportions.
pub(super) const SIDE: u32 = 416;
/// The model's input is a whole number of cells of the coarsest grid wide and high.
const STEP: u32 = 32;
/// Fewest and most pixels of an input's side, however narrow the picture.
const SIDES: [u32; 2] = [64, 2_080];
/// Mean and standard deviation of blue, green, red.
const MEAN: [f64; 3] = [103.53, 116.28, 123.675];
const DEVIATION: [f64; 3] = [57.375, 57.12, 58.395];
/// Pixels of the input per cell of the three grids.
const STRIDES: [usize; 3] = [8, 16, 32];
/// A distance is the expectation over this many bins.
const BINS: usize = 11;
/// A box is dropped when it overlaps a better one of its class by more than this (intersection over union).
const OVERLAP: f64 = 0.5;
/// Boxes of several looks are one thing when they overlap by more than this.
const FUSED_OVERLAP: f64 = 0.55;
/// The input's name.
const INPUT: &str = "input_1:0";

/// A box in the picture's pixels: left, top, right, bottom.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Detection {
    pub(super) class: usize,
    pub(super) score: f32,
    pub(super) bounds: [f64; 4],
}

/// Width and height of the model's input for a picture of this size: near those of a square of `side`, in the
/// picture's proportions.
pub(super) fn input_size((width, height): (u32, u32), side: u32) -> (u32, u32) {
    let longer = (f64::from(width) / f64::from(height)).sqrt();
    let rounded = |pixels: f64| {
        let steps = (pixels / f64::from(STEP)).round() as u32;
        (steps * STEP).clamp(SIDES[0], SIDES[1])
    };
    (rounded(f64::from(side) * longer), rounded(f64::from(side) / longer))
}

/// The model's input, 1 x 3 x height x width, blue channel first; of the picture or of its mirror image.
pub(super) fn input(picture: &RgbImage, (width, height): (u32, u32), mirror: bool) -> Tensors {
    let mut resized = resize::linear(picture, width, height);
    if mirror {
        image::imageops::flip_horizontal_in_place(&mut resized);
    }
    let mut tensor = Array4::<f32>::zeros((1, 3, height as usize, width as usize));
    for ((_, channel, y, x), value) in tensor.indexed_iter_mut() {
        let byte = resized.get_pixel(x as u32, y as u32).0[2 - channel];
        *value = ((f64::from(byte) - MEAN[channel]) / DEVIATION[channel]) as f32;
    }
    vec![(INPUT.to_owned(), Tensor::F32(tensor.into_dyn()))]
}

/// Boxes that score above `threshold`, best first, without doubles; not clipped to the picture, which has this `size`
/// and was the model's `input`.
///
/// The outputs are, for each stride, the scores (1, cells, classes) and the
/// distances of the four sides from the cell's centre (1, cells, 4 * 11).
/// Source: Li et al., "Generalized focal loss" (2020), as NanoDet uses it.
///
/// # Errors
/// `Model` when the outputs have other shapes.
pub(super) fn detections(
    outputs: Tensors,
    classes: usize,
    input: (u32, u32),
    size: (u32, u32),
    threshold: f64,
) -> Result<Vec<Detection>> {
    let arrays = outputs.into_iter().map(|(_, t)| t.into_f32()).collect::<Result<Vec<_>>>()?;
    let mut found = Vec::new();
    for stride in STRIDES {
        let (columns, rows) = (input.0 as usize / stride, input.1 as usize / stride);
        let output = |numbers: usize| {
            let shape = [1, columns * rows, numbers];
            let array = arrays.iter().find(|a| a.shape() == shape);
            let missing = || Error::new(ErrorKind::Model, format!("the detector has no output of shape {shape:?}"));
            let array = array.and_then(|a| a.view().into_dimensionality::<Ix3>().ok()).ok_or_else(missing)?;
            Ok::<_, Error>(array.index_axis_move(Axis(0), 0))
        };
        let grid = Grid { columns, stride };
        cells(&output(classes)?, &output(4 * BINS)?, &grid, threshold, &mut found);
    }
    let (width, height) = (f64::from(size.0) / f64::from(input.0), f64::from(size.1) / f64::from(input.1));
    for detection in &mut found {
        let [left, top, right, bottom] = detection.bounds;
        detection.bounds = [left * width, top * height, right * width, bottom * height];
    }
    Ok(without_doubles(found))
}

/// The cells of one stride, row by row.
struct Grid {
    columns: usize,
    stride: usize,
}

/// Each cell proposes one box, of its best class.
fn cells(
    scores: &ArrayView2<'_, f32>,
    distances: &ArrayView2<'_, f32>,
    grid: &Grid,
    threshold: f64,
    found: &mut Vec<Detection>,
) {
    let Grid { columns, stride } = *grid;
    for (cell, (scores, distances)) in scores.outer_iter().zip(distances.outer_iter()).enumerate() {
        let best = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if f64::from(best) <= threshold {
            continue;
        }
        let class = scores.iter().position(|s| *s == best).unwrap_or(0);
        let centre = |n: usize| (n as f64 + 0.5) * stride as f64;
        let (x, y) = (centre(cell % columns), centre(cell / columns));
        let [left, top, right, bottom] = sides(&distances).map(|d| d * stride as f64);
        found.push(Detection { class, score: best, bounds: [x - left, y - top, x + right, y + bottom] });
    }
}

/// What was found in a picture of this width, as if it had been found in its mirror image.
pub(super) fn mirrored(found: Vec<Detection>, width: u32) -> Vec<Detection> {
    let width = f64::from(width);
    let mirrored = |d: Detection| {
        let [left, top, right, bottom] = d.bounds;
        Detection { bounds: [width - right, top, width - left, bottom], ..d }
    };
    found.into_iter().map(mirrored).collect()
}

/// Joins what was found in several looks at the same picture; best first.
///
/// Boxes of a class that overlap become one, whose sides and score are the means of theirs; what only one of two looks
/// found has half its score, and so on. Source: Solovyev et al., "Weighted boxes fusion" (2021).
pub(super) fn fused(looks: Vec<Vec<Detection>>) -> Vec<Detection> {
    let count = looks.len() as f32;
    let mut found: Vec<Detection> = looks.into_iter().flatten().collect();
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut clusters: Vec<Cluster> = Vec::new();
    for detection in found {
        let same_class = clusters.iter_mut().filter(|c| c.mean.class == detection.class);
        let nearest = same_class
            .map(|c| (overlap(&c.mean.bounds, &detection.bounds), c))
            .filter(|(overlap, _)| *overlap > FUSED_OVERLAP)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        match nearest {
            Some((_, cluster)) => cluster.add(&detection),
            None => clusters.push(Cluster { weight: detection.score, boxes: 1, mean: detection }),
        }
    }
    let scored = |c: Cluster| {
        let boxes = c.boxes as f32;
        Detection { score: c.weight / boxes * boxes.min(count) / count, ..c.mean }
    };
    let mut fused: Vec<Detection> = clusters.into_iter().map(scored).collect();
    fused.sort_by(|a, b| b.score.total_cmp(&a.score));
    fused
}

/// Boxes that are one thing.
struct Cluster {
    /// The sum of the scores.
    weight: f32,
    boxes: usize,
    mean: Detection,
}

impl Cluster {
    fn add(&mut self, detection: &Detection) {
        let (old, new) = (f64::from(self.weight), f64::from(detection.score));
        for (mean, side) in self.mean.bounds.iter_mut().zip(detection.bounds) {
            *mean = (*mean * old + side * new) / (old + new).max(f64::MIN_POSITIVE);
        }
        self.weight += detection.score;
        self.boxes += 1;
    }
}

/// The expectation of each side's softmax over its bins.
fn sides(distances: &ArrayView1<'_, f32>) -> [f64; 4] {
    let values: Vec<f64> = distances.iter().map(|v| f64::from(*v)).collect();
    let mut sides = [0.0; 4];
    for (side, bins) in sides.iter_mut().zip(values.chunks_exact(BINS)) {
        let most = bins.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights = bins.iter().map(|b| (b - most).exp());
        let (sum, mean) =
            weights.enumerate().fold((0.0, 0.0), |(sum, mean), (bin, w)| (sum + w, mean + w * bin as f64));
        *side = mean / sum;
    }
    sides
}

/// Non-maximum suppression by class, best score first.
fn without_doubles(mut found: Vec<Detection>) -> Vec<Detection> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Detection> = Vec::new();
    for detection in found {
        let rival = |k: &&Detection| k.class == detection.class;
        if kept.iter().filter(rival).all(|k| overlap(&k.bounds, &detection.bounds) <= OVERLAP) {
            kept.push(detection);
        }
    }
    kept
}

/// Intersection over union.
fn overlap(a: &[f64; 4], b: &[f64; 4]) -> f64 {
    let area = |r: &[f64; 4]| (r[2] - r[0]).max(0.0) * (r[3] - r[1]).max(0.0);
    let inner = area(&[a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let outer = area(a) + area(b) - inner;
    if outer > 0.0 { inner / outer } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn detection() -> impl Strategy<Value = Detection> {
        (0..2usize, 0.0..1.0f32, 0.0..50.0f64, 0.0..50.0f64, 1.0..50.0f64, 1.0..50.0f64)
            .prop_map(|(class, score, x, y, w, h)| Detection { class, score, bounds: [x, y, x + w, y + h] })
    }

    proptest! {
        #[test]
        fn of_doubles_the_best_stays(found in proptest::collection::vec(detection(), 0..40)) {
            let kept = without_doubles(found.clone());
            prop_assert!(kept.windows(2).all(|w| w[0].score >= w[1].score));
            for one in &found {
                let covered = kept.iter().any(|k| {
                    k == one || (k.class == one.class && k.score >= one.score && overlap(&k.bounds, &one.bounds) > OVERLAP)
                });
                prop_assert!(covered);
            }
            for (i, a) in kept.iter().enumerate() {
                prop_assert!(kept[..i].iter().all(|b| a.class != b.class || overlap(&a.bounds, &b.bounds) <= OVERLAP));
            }
        }

        #[test]
        fn two_same_looks_are_one(found in proptest::collection::vec(detection(), 0..20)) {
            let once = without_doubles(found);
            let fused = fused(vec![once.clone(), once.clone()]);
            prop_assert_eq!(fused.len(), once.len());
            for (a, b) in fused.iter().zip(&once) {
                prop_assert!((a.score - b.score).abs() < 1e-5);
            }
            let alone = super::fused(vec![once.clone(), Vec::new()]);
            prop_assert!(alone.iter().zip(&once).all(|(a, b)| (a.score * 2.0 - b.score).abs() < 1e-5 && a.bounds == b.bounds));
        }

        #[test]
        fn a_box_joins_the_one_it_overlaps_most(shift in 0.0..20.0f64) {
            let at = |left: f64, score| Detection { class: 0, score, bounds: [left, 0.0, left + 100.0, 100.0] };
            // Two neighbours of one look, both of which the box of the other look overlaps; it is nearer to the second.
            let fused = fused(vec![vec![at(0.0, 0.9), at(50.0, 0.8)], vec![at(26.0 + shift, 0.7)]]);
            prop_assert_eq!(fused.len(), 2);
            let second = fused.iter().find(|d| d.bounds[0] > 25.0);
            prop_assert!(second.is_some_and(|d| (d.score - 0.75).abs() < 1e-5), "{:?}", fused);
        }

        #[test]
        fn inputs_are_about_as_large_and_as_wide_as_they_should(width in 1..5_000u32, height in 1..5_000u32) {
            let (w, h) = input_size((width, height), SIDE);
            prop_assert!(w % STEP == 0 && h % STEP == 0);
            prop_assert!((w * h) as f64 <= 1.5 * f64::from(SIDE * SIDE), "{w} x {h}");
            prop_assert!((width > height) == (w > h) || w == h);
        }

        #[test]
        fn mirrored_twice_is_the_same(found in proptest::collection::vec(detection(), 0..20)) {
            let twice = mirrored(mirrored(found.clone(), 64), 64);
            for (a, b) in twice.iter().zip(&found) {
                prop_assert!(a.bounds.iter().zip(b.bounds).all(|(a, b)| (a - b).abs() < 1e-9));
            }
        }
    }
}
