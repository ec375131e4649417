//! JPEG pixels through libjpeg-turbo's decoder (as mozjpeg carries it).
//!
//! # Why a second JPEG decoder
//! Experts are trained and measured on pixels that libjpeg decoded. Decoders
//! with another inverse DCT or chroma upsampling differ by a few levels, which
//! is enough to change what a recogniser reads from small print.

use std::panic::{AssertUnwindSafe, catch_unwind};

use image::RgbImage;
use mozjpeg::{ColorSpace, Decompress};

use crate::error::{Error, Result};

/// Most scans of a progressive image. Encoders write about ten; each is a pass over all pixels.
const MAX_SCANS: usize = 200;

/// Decodes the pixels as RGB, without EXIF orientation; `None` for colour spaces
/// that libjpeg does not turn into RGB (CMYK).
///
/// The caller has checked the dimensions against its limits.
pub(super) fn decode(bytes: &[u8]) -> Result<Option<RgbImage>> {
    if !is_complete(bytes) {
        return Err(Error::invalid("the Jpeg data is cut off: its end is missing"));
    }
    if bytes.windows(2).filter(|pair| *pair == [0xff, 0xda]).nth(MAX_SCANS).is_some() {
        return Err(Error::invalid(format!("the Jpeg data has more than {MAX_SCANS} scans; save it anew")));
    }
    // libjpeg reports damage through a handler that unwinds.
    catch_unwind(AssertUnwindSafe(|| read(bytes))).unwrap_or_else(|_| Err(Error::invalid("the Jpeg data is damaged")))
}

fn read(bytes: &[u8]) -> Result<Option<RgbImage>> {
    let decoder = Decompress::new_mem(bytes)?;
    if !matches!(decoder.color_space(), ColorSpace::JCS_YCbCr | ColorSpace::JCS_RGB | ColorSpace::JCS_GRAYSCALE) {
        return Ok(None);
    }
    let mut rows = decoder.rgb()?;
    let (width, height) = (rows.width(), rows.height());
    let pixels: Vec<u8> = rows.read_scanlines()?;
    rows.finish()?;
    let size = |n: usize| u32::try_from(n).map_err(|_| Error::invalid("the Jpeg image is too large"));
    Ok(RgbImage::from_raw(size(width)?, size(height)?, pixels))
}

/// Whether an end-of-image marker follows the last start of a scan.
fn is_complete(bytes: &[u8]) -> bool {
    let marker = |second: u8| move |pair: &[u8]| matches!(pair, [0xff, b] if *b == second);
    let scan = bytes.windows(2).rposition(marker(0xda)).unwrap_or(0);
    bytes.get(scan..).is_some_and(|data| data.windows(2).any(marker(0xd9)))
}
