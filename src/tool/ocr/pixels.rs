//! Pixels into tensors.

use image::RgbImage;

use crate::tool::model::{Colour, PerChannel};

/// How levels become numbers: what is subtracted from 0 to 1, and what divides that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    pub(super) colour: Colour,
    pub(super) mean: PerChannel,
    pub(super) std: PerChannel,
}

/// What each byte becomes, for each channel in the order of the tensor, and which of a pixel's bytes it is of.
pub(super) struct Channels([([f32; 256], usize); 3]);

impl Channels {
    fn new(scale: &Scale, number: impl Fn(u8, f64, f64) -> f32) -> Self {
        let order = if scale.colour == Colour::Bgr { [2, 1, 0] } else { [0, 1, 2] };
        let table = |n: usize| std::array::from_fn(|byte| number(byte as u8, scale.mean.of(n), scale.std.of(n)));
        Self([0, 1, 2].map(|n: usize| (table(n), order[n])))
    }

    /// As the detector was fed in its reference implementation, to the last bit.
    pub(super) fn for_detector(scale: &Scale) -> Self {
        const SCALE: f32 = 1.0 / 255.0;
        Self::new(scale, |byte, mean, std| ((f64::from(f32::from(byte) * SCALE) - mean) / std) as f32)
    }

    /// As the classifier and the recogniser were fed.
    pub(super) fn for_lines(scale: &Scale) -> Self {
        Self::new(scale, |byte, mean, std| (f32::from(byte) / 255.0 - mean as f32) / std as f32)
    }
}

/// Writes a picture into a channel-first tensor of one picture, at the left.
///
/// `stride` is the tensor's width; columns beyond the picture stay as they are.
pub(super) fn place(tensor: &mut [f32], picture: &RgbImage, stride: usize, channels: &Channels) {
    let plane = tensor.len() / 3;
    let row_len = picture.width() as usize * 3;
    if plane == 0 || stride == 0 || row_len == 0 {
        return;
    }
    for ((numbers, offset), plane) in channels.0.iter().zip(tensor.chunks_exact_mut(plane)) {
        for (out, row) in plane.chunks_exact_mut(stride).zip(picture.as_raw().chunks_exact(row_len)) {
            for (out, pixel) in out.iter_mut().zip(row.chunks_exact(3)) {
                *out = numbers[usize::from(pixel[*offset])];
            }
        }
    }
}
