//! NanoDet: what goes into the model, and what its outputs mean.

use image::RgbImage;
use ndarray::{Array4, Axis, Ix3};

use crate::error::{Error, ErrorKind, Result};
use crate::runner::{Tensor, Tensors};
use crate::tool::boxes::{self, Detection};
use crate::tool::cells::Grid;
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
/// The input's name.
const INPUT: &str = "input_1:0";

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
        let grid = Grid { columns, stride, within: 0.5 };
        grid.boxes(&output(classes)?, &output(4 * BINS)?, threshold, &mut found);
    }
    let (width, height) = (f64::from(size.0) / f64::from(input.0), f64::from(size.1) / f64::from(input.1));
    for detection in &mut found {
        let [left, top, right, bottom] = detection.bounds;
        detection.bounds = [left * width, top * height, right * width, bottom * height];
    }
    Ok(boxes::without_doubles(found, OVERLAP))
}
