//! `read_codes`: what barcodes and QR codes in an image say.

mod bars;
mod square;

use async_trait::async_trait;
use image::GrayImage;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{ImageRef, TypedTool};
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::value::Line;

/// What is smaller on a side holds no code.
const MIN_SIDE: u32 = 16;

/// Reads barcodes and QR codes.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReadCodes;

/// The arguments of [`ReadCodes`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadCodesArgs {
    /// the image with the codes
    image: ImageRef,
}

/// A code, and its corners in pixels of the picture it was found in, from its own top left.
#[derive(Debug, Clone)]
struct Code {
    text: String,
    corners: [[f64; 2]; 4],
}

#[async_trait]
impl TypedTool for ReadCodes {
    const NAME: &'static str = "read_codes";
    const MAPS_OVER: Option<&'static str> = Some("image");
    type Args = ReadCodesArgs;
    type Output = Vec<Line>;

    async fn call(&self, cx: &Cx, args: ReadCodesArgs) -> Result<Vec<Line>> {
        let image = args.image.load(cx)?;
        let work = tokio::task::spawn_blocking(move || codes(&image));
        let ended = |e| Error::internal("reading codes ended unexpectedly").with_source(e);
        cx.within(async { work.await.map_err(ended) }).await
    }
}

/// The codes in an image, from top to bottom; polygons in pixels of the root image.
///
/// Codes may be turned by any angle, but where a picture has several barcodes, only those are sure to be found that are
/// turned by multiples of a quarter. Known are QR and Micro QR codes, EAN-8, EAN-13, UPC-A, Code 39, Code 93 and Code 128;
/// the crate `rxing`, a port of ZXing, reads them. What is not UTF-8 in a QR code is read in the encoding that the code
/// names, or else in the likeliest one. The same page is read in the same way every time.
pub fn codes(image: &Image) -> Vec<Line> {
    if image.width().min(image.height()) < MIN_SIDE {
        return Vec::new();
    }
    let grey = image::imageops::grayscale(image.pixels());
    let mut codes = square::codes(&grey);
    codes.extend(bars::codes(&grey));
    codes.sort_by(|a, b| top(a).total_cmp(&top(b)));
    let to_root = |[x, y]: [f64; 2]| <[f64; 2]>::from(image.frame().to_root(x, y));
    codes.into_iter().map(|code| Line { text: code.text, score: 1.0, polygon: code.corners.map(to_root) }).collect()
}

fn top(code: &Code) -> f64 {
    code.corners.iter().map(|[_, y]| *y).fold(f64::INFINITY, f64::min)
}

/// A picture as `rxing` takes it.
fn source(grey: &GrayImage) -> Option<rxing::Luma8LuminanceSource> {
    rxing::Luma8LuminanceSource::new(grey.as_raw().clone(), grey.width(), grey.height()).ok()
}
