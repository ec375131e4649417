//! `crop`: cuts a region out of an image.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{ImageRef, Item, TypedTool};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::image::{Frame, Image};

/// Cuts a region or a line out of an image. A list of regions gives a list of images.
#[derive(Debug, Clone, Copy, Default)]
pub struct Crop;

/// The arguments of [`Crop`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CropArgs {
    /// the image to cut from
    image: ImageRef,
    /// what to cut out
    region: Item,
    /// extra room on every side, as a fraction of the region's size
    #[serde(default)]
    margin: Option<f64>,
}

#[async_trait]
impl TypedTool for Crop {
    const NAME: &'static str = "crop";
    const MAPS_OVER: Option<&'static str> = Some("region");
    type Args = CropArgs;
    type Output = Image;

    async fn call(&self, cx: &Cx, args: CropArgs) -> Result<Image> {
        let image = args.image.load(cx)?;
        crop(&image, args.region.bounds(), args.margin.unwrap_or(0.0))
    }
}

/// Cuts `bounds` (left, top, right, bottom in pixels of the root image) out of an image, with a
/// margin of this fraction of its size on every side, clipped to the image.
///
/// The result knows its place: boxes found in it are in pixels of the root, too.
///
/// # Errors
/// `Tool` when the bounds or the margin are not finite numbers, or nothing of the image lies within them.
pub fn crop(image: &Image, bounds: [f64; 4], margin: f64) -> Result<Image> {
    let [x1, y1, x2, y2] = bounds;
    if !bounds.iter().all(|v| v.is_finite()) || !(0.0..=10.0).contains(&margin) {
        return Err(Error::new(ErrorKind::Tool, format!("cannot crop to {bounds:?} with a margin of {margin}")));
    }
    let (dx, dy) = ((x2 - x1) * margin, (y2 - y1) * margin);
    let frame = image.frame();
    let (left, top) = frame.to_local(x1 - dx, y1 - dy);
    let (right, bottom) = frame.to_local(x2 + dx, y2 + dy);
    let columns = clip(left, right, image.width());
    let rows = clip(top, bottom, image.height());
    let (Some((x, width)), Some((y, height))) = (columns, rows) else {
        let (w, h) = (image.width(), image.height());
        return Err(Error::new(ErrorKind::Tool, format!("nothing of the {w}x{h} image lies within {bounds:?}")));
    };
    let pixels = image::imageops::crop_imm(image.pixels(), x, y, width, height).to_image();
    let (root_x, root_y) = frame.to_root(f64::from(x), f64::from(y));
    Ok(Image::from_pixels(pixels, Frame { x: root_x, y: root_y, scale: frame.scale }))
}

/// Start and length of the whole pixels that an interval touches within `0..size`.
fn clip(from: f64, to: f64, size: u32) -> Option<(u32, u32)> {
    let size = f64::from(size);
    let (from, to) = (from.floor().clamp(0.0, size), to.ceil().clamp(0.0, size));
    // Both are whole numbers between 0 and a u32.
    (to > from).then_some((from as u32, (to - from) as u32))
}
