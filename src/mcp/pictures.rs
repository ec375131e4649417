//! Pictures in results: PNG or JPEG, few and small enough for whoever reads them.

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::imageops;
use image::{ImageFormat, RgbImage};
use rmcp::model::ContentBlock;

use crate::image::Image;

/// Most pictures in one result.
const MOST: usize = 8;
/// Largest picture, in bytes before Base64.
const MAX_BYTES: usize = 1 << 20;
/// Most pixels of a PNG; larger pictures are JPEGs.
const MAX_PNG: u64 = 1 << 20;
/// Longest side of a picture, in pixels.
const MAX_SIDE: u32 = 1536;
/// Shortest longer side that a picture is scaled down to.
const MIN_SIDE: u32 = 16;
const QUALITY: u8 = 85;

/// Images as contents of a result. Those that are large are scaled down, and of many the first are shown; a text says so.
pub(super) fn contents(images: &[&Image]) -> Vec<ContentBlock> {
    let mut contents = Vec::new();
    let mut notes = Vec::new();
    for (n, image) in images.iter().take(MOST).enumerate() {
        let n = n + 1;
        let (width, height) = (image.width(), image.height());
        match encoded(image.pixels()) {
            Some(Encoded { bytes, kind, size: (w, h) }) => {
                if (w, h) != (width, height) {
                    notes.push(format!("Image {n} is shown at {w}x{h}; it has {width}x{height} pixels."));
                }
                contents.push(ContentBlock::image(STANDARD.encode(bytes), kind));
            }
            None => notes.push(format!("Image {n} of {width}x{height} pixels cannot be shown.")),
        }
    }
    if images.len() > MOST {
        notes.push(format!("Of {} images the first {MOST} are shown.", images.len()));
    }
    if !notes.is_empty() {
        contents.push(ContentBlock::text(notes.join(" ")));
    }
    contents
}

struct Encoded {
    bytes: Vec<u8>,
    kind: &'static str,
    size: (u32, u32),
}

fn encoded(pixels: &RgbImage) -> Option<Encoded> {
    let (width, height) = pixels.dimensions();
    if u64::from(width) * u64::from(height) <= MAX_PNG && width.max(height) <= MAX_SIDE {
        let mut png = Cursor::new(Vec::new());
        if pixels.write_to(&mut png, ImageFormat::Png).is_ok() && png.get_ref().len() <= MAX_BYTES {
            return Some(Encoded { bytes: png.into_inner(), kind: "image/png", size: (width, height) });
        }
    }
    let mut side = width.max(height).min(MAX_SIDE);
    while side >= MIN_SIDE.min(width.max(height)) {
        let (bytes, size) = jpeg(pixels, side)?;
        if bytes.len() <= MAX_BYTES {
            return Some(Encoded { bytes, kind: "image/jpeg", size });
        }
        side = side * 3 / 4;
    }
    None
}

/// A JPEG whose longer side has so many pixels.
fn jpeg(pixels: &RgbImage, side: u32) -> Option<(Vec<u8>, (u32, u32))> {
    let (width, height) = pixels.dimensions();
    let longer = width.max(height);
    let scaled = |length: u32| ((u64::from(length) * u64::from(side) / u64::from(longer.max(1))) as u32).max(1);
    let size = (scaled(width), scaled(height));
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
    let written = if size == (width, height) {
        pixels.write_with_encoder(encoder)
    } else {
        imageops::thumbnail(pixels, size.0, size.1).write_with_encoder(encoder)
    };
    written.ok().map(|()| (bytes, size))
}
