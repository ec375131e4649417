//! `read_codes`.

use imageproc::geometric_transformations::{Border, Interpolation, Projection, warp_into};
use proptest::prelude::*;
use rxing::{BarcodeFormat, MultiFormatWriter, Writer as _};

use crate::experts::{image as open, repository};
use image::{Luma, Rgb, RgbImage, imageops};
use lavr::image::{Frame, Image};
use lavr::tool::crop::crop;
use lavr::tool::read_codes::codes;
use lavr::value::Line;

/// A code as its writer draws it, on a white page around it.
fn drawn(text: &str, format: BarcodeFormat, width: i32, height: i32) -> RgbImage {
    let bits = MultiFormatWriter.encode(text, &format, width, height).unwrap();
    let mut page = RgbImage::from_pixel(bits.width() + 80, bits.height() + 80, Rgb([255; 3]));
    for (x, y) in (0..bits.width()).flat_map(|x| (0..bits.height()).map(move |y| (x, y))) {
        if bits.get(x, y) {
            page.put_pixel(x + 40, y + 40, Rgb([0; 3]));
        }
    }
    page
}

fn read(page: RgbImage) -> Vec<Line> {
    codes(&Image::from_pixels(page, Frame::ROOT))
}

fn texts(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|line| line.text.as_str()).collect()
}

/// The same page turned about its middle, on a larger one.
fn turned(page: &RgbImage, degrees: f32) -> RgbImage {
    let (width, height) = (page.width() as f32, page.height() as f32);
    let side = width.hypot(height).ceil();
    let turn = Projection::translate(side / 2.0, side / 2.0)
        * Projection::rotate(degrees.to_radians())
        * Projection::translate(-width / 2.0, -height / 2.0);
    let mut out = RgbImage::new(side as u32, side as u32);
    warp_into(page, turn, Interpolation::Bilinear, Border::Constant(Rgb([255; 3])), &mut out);
    out
}

const KINDS: [(&str, BarcodeFormat, i32, i32); 5] = [
    ("https://example.org/ticket/42", BarcodeFormat::QR_CODE, 200, 200),
    ("4006381333931", BarcodeFormat::EAN_13, 285, 90),
    ("96385074", BarcodeFormat::EAN_8, 200, 90),
    ("LAVR-2026/11", BarcodeFormat::CODE_128, 420, 90),
    ("ABC 123", BarcodeFormat::CODE_39, 340, 90),
];

/// The box around all that is black.
fn inked(page: &RgbImage) -> [f64; 4] {
    let dark = || page.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[0] < 128);
    let (left, top) = (dark().map(|(x, _, _)| x).min().unwrap(), dark().map(|(_, y, _)| y).min().unwrap());
    let (right, bottom) = (dark().map(|(x, _, _)| x).max().unwrap(), dark().map(|(_, y, _)| y).max().unwrap());
    [left, top, right + 1, bottom + 1].map(f64::from)
}

#[test]
fn codes_are_read_and_placed() {
    for (text, format, width, height) in KINDS {
        let page = drawn(text, format, width, height);
        let ink = inked(&page);
        let found = read(page);
        assert_eq!(texts(&found), [text], "{format}");
        let bounds = found[0].bounds();
        assert!(
            bounds.iter().zip(ink).all(|(side, wanted)| (side - wanted).abs() < 5.0),
            "{format}: {bounds:?} {ink:?}"
        );
        let [top_left, top_right, bottom_right, bottom_left] = found[0].polygon;
        assert!(top_left[0] < top_right[0] && top_left[1] < bottom_left[1], "{:?}", found[0].polygon);
        assert!(bottom_left[0] < bottom_right[0] && top_right[1] < bottom_right[1], "{:?}", found[0].polygon);
    }
}

#[test]
fn codes_are_read_upside_down_and_turned() {
    for (text, format, width, height) in KINDS {
        let page = drawn(text, format, width, height);
        let found = read(imageops::rotate180(&page));
        assert_eq!(texts(&found), [text], "{format}");
        let [top_left, top_right, ..] = found[0].polygon;
        assert!(top_left[0] > top_right[0], "the code's own left is on the right: {:?}", found[0].polygon);
        for degrees in (0..360).step_by(15) {
            let found = read(turned(&page, degrees as f32));
            assert_eq!(texts(&found), [text], "{format} turned by {degrees}");
        }
    }
}

#[test]
fn several_codes_are_read_from_top_to_bottom() {
    let [qr, ean, _, code, _] = KINDS.map(|(text, format, width, height)| drawn(text, format, width, height));
    let mut page = RgbImage::from_pixel(1000, 700, Rgb([255; 3]));
    imageops::overlay(&mut page, &code, 20, 20);
    imageops::overlay(&mut page, &qr, 500, 120);
    imageops::overlay(&mut page, &ean, 30, 250);
    imageops::overlay(&mut page, &imageops::rotate90(&ean), 820, 200);
    let page = Image::from_pixels(page, Frame::ROOT);
    let found = codes(&page);
    let (ean, qr) = (KINDS[1].0, KINDS[0].0);
    assert_eq!(texts(&found), [KINDS[3].0, qr, ean, ean], "{found:?}");
    let [_, top, _, bottom] = found[2].bounds();
    assert!(bottom - top > 150.0, "the one that is turned begins higher: {found:?}");
    // A piece of the page: what is found in it is in pixels of the page.
    let piece = crop(&page, [480.0, 100.0, 800.0, 400.0], 0.0).unwrap();
    let inside = codes(&piece);
    assert_eq!(texts(&inside), [qr]);
    for (a, b) in inside[0].bounds().into_iter().zip(found[1].bounds()) {
        assert!((a - b).abs() < 3.0, "{:?} {:?}", inside[0], found[1]);
    }
}

#[test]
fn photos_and_blank_or_tiny_pictures_have_no_codes() {
    for name in ["cat.jpg", "coffee.jpg", "gallery.jpg", "shelf.jpg", "receipt.png", "tables.jpg", "nothing.png"] {
        let began = std::time::Instant::now();
        let found = codes(&open(&repository("tests/images").join(name)));
        println!("{name}: {:?}", began.elapsed());
        assert!(found.is_empty(), "{name}: {found:?}");
    }
    for (width, height) in [(1, 1), (1, 300), (300, 1), (16, 16), (17, 40)] {
        for level in [0, 255] {
            assert!(read(RgbImage::from_pixel(width, height, Rgb([level; 3]))).is_empty());
        }
    }
}

#[test]
fn light_codes_on_dark_and_grey_ones_are_read() {
    let mut page = drawn("hello", BarcodeFormat::QR_CODE, 150, 150);
    imageops::invert(&mut page);
    assert_eq!(texts(&read(page)), ["hello"]);
    let grey = imageops::grayscale(&drawn("4006381333931", BarcodeFormat::EAN_13, 285, 90));
    let faint = image::ImageBuffer::from_fn(grey.width(), grey.height(), |x, y| {
        let Luma([level]) = *grey.get_pixel(x, y);
        Rgb([100 + level / 3, 90 + level / 3, 80 + level / 3])
    });
    assert_eq!(texts(&read(faint)), ["4006381333931"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_is_written_is_read(text in "[A-Z0-9 ./:-]{4,20}") {
        for (format, width, height) in [(BarcodeFormat::QR_CODE, 220, 220), (BarcodeFormat::CODE_128, 700, 80)] {
            let found = read(drawn(&text, format, width, height));
            prop_assert_eq!(texts(&found), [text.as_str()]);
        }
    }
}
