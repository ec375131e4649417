//! `cut_out`: a thing on its own, without what is around it.

use async_trait::async_trait;
use image::{Rgb, RgbImage};
use schemars::JsonSchema;
use serde::Deserialize;

use super::crop::crop;
use super::{ImageRef, MaskRef, TypedTool};
use crate::cx::Cx;
use crate::error::Result;
use crate::image::Image;
use crate::value::Mask;

/// Cuts a thing out along its outline and lays it on white. A list of masks gives a list of images.
#[derive(Debug, Clone, Copy, Default)]
pub struct CutOut;

/// The arguments of [`CutOut`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CutOutArgs {
    /// the image to cut from
    image: ImageRef,
    /// the outline
    mask: MaskRef,
}

#[async_trait]
impl TypedTool for CutOut {
    const NAME: &'static str = "cut_out";
    const MAPS_OVER: Option<&'static str> = Some("mask");
    type Args = CutOutArgs;
    type Output = Image;

    async fn call(&self, cx: &Cx, args: CutOutArgs) -> Result<Image> {
        cut_out(&args.image.load(cx)?, &args.mask.load(cx)?)
    }
}

/// What a mask marks of an image, in the mask's box, on white; where the mask is grey the two are mixed.
///
/// The result knows its place: boxes found in it are in pixels of the root image.
///
/// # Errors
/// `Tool` when nothing of the image lies within the mask's box.
pub fn cut_out(image: &Image, mask: &Mask) -> Result<Image> {
    let part = crop(image, mask.region.bounds, 0.0)?;
    let frame = part.frame();
    let pixels = RgbImage::from_fn(part.width(), part.height(), |x, y| {
        let (across, down) = frame.to_root(f64::from(x) + 0.5, f64::from(y) + 0.5);
        let sure = mask.at(across, down);
        let mixed = |level: u8| (f64::from(level) * sure + 255.0 * (1.0 - sure)).round() as u8;
        Rgb(part.pixels().get_pixel_checked(x, y).map_or([255; 3], |pixel| pixel.0.map(mixed)))
    });
    Ok(Image::from_pixels(pixels, frame))
}
