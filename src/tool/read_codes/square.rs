//! QR codes.

use image::GrayImage;
use rxing::common::HybridBinarizer;
use rxing::multi::MultipleBarcodeReader;
use rxing::qrcode::cpp_port::QrReader;
use rxing::{BarcodeFormat, BinaryBitmap, DecodeHints};

use super::{Code, source};

/// The QR codes in a picture; where there is none, those that are light on dark.
pub(super) fn codes(grey: &GrayImage) -> Vec<Code> {
    let found = dark(grey);
    if !found.is_empty() {
        return found;
    }
    let mut inverted = grey.clone();
    image::imageops::invert(&mut inverted);
    dark(&inverted)
}

/// The QR codes that are dark on light.
fn dark(grey: &GrayImage) -> Vec<Code> {
    let Some(source) = source(grey) else { return Vec::new() };
    let formats = [BarcodeFormat::QR_CODE, BarcodeFormat::MICRO_QR_CODE];
    let hints = DecodeHints {
        TryHarder: Some(true),
        PossibleFormats: Some(formats.into_iter().collect()),
        ..DecodeHints::default()
    };
    let mut bitmap = BinaryBitmap::new(HybridBinarizer::new(source));
    let found = QrReader.decode_multiple_with_hints(&mut bitmap, &hints).unwrap_or_default();
    let code = |result: &rxing::RXingResult| {
        let corners: Vec<[f64; 2]> = result.getPoints().iter().map(|p| [f64::from(p.x), f64::from(p.y)]).collect();
        // The reader tells them row by row.
        let [top_left, top_right, bottom_left, bottom_right] = corners.try_into().ok()?;
        Some(Code { text: result.getText().to_owned(), corners: [top_left, top_right, bottom_right, bottom_left] })
    };
    found.iter().filter_map(code).collect()
}
