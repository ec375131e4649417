//! Pixels into tensors.

use image::RgbImage;

/// What each byte of a pixel becomes: -1 to 1.
pub(super) struct Channels([f32; 256]);

impl Channels {
    /// As the detector was fed in its reference implementation, to the last bit.
    pub(super) fn for_detector() -> Self {
        const SCALE: f32 = 1.0 / 255.0;
        Self(std::array::from_fn(|byte| ((f64::from(byte as f32 * SCALE) - 0.5) / 0.5) as f32))
    }

    /// As the classifier and the recogniser were fed.
    pub(super) fn for_lines() -> Self {
        Self(std::array::from_fn(|byte| (byte as f32 / 255.0 - 0.5) / 0.5))
    }
}

/// Writes a picture into a channel-first tensor of one picture, at the left, blue channel first.
///
/// `stride` is the tensor's width; columns beyond the picture stay as they are.
pub(super) fn place(tensor: &mut [f32], picture: &RgbImage, stride: usize, channels: &Channels) {
    let plane = tensor.len() / 3;
    let row_len = picture.width() as usize * 3;
    if plane == 0 || stride == 0 || row_len == 0 {
        return;
    }
    for (channel, plane) in tensor.chunks_exact_mut(plane).enumerate() {
        let offset = 2 - channel.min(2);
        for (out, row) in plane.chunks_exact_mut(stride).zip(picture.as_raw().chunks_exact(row_len)) {
            for (out, pixel) in out.iter_mut().zip(row.chunks_exact(3)) {
                *out = channels.0[usize::from(pixel[offset])];
            }
        }
    }
}
