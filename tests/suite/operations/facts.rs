//! `file_facts`.

use std::io::Cursor;

use exif::experimental::Writer;
use exif::{Field, In, Rational, Tag, Value as Told};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::experts::{image as open, repository};
use image::{ImageFormat, Rgb, RgbImage};
use lavr::image::{Frame, Image, ImageLimits};
use lavr::tool::crop::crop;
use lavr::tool::file_facts::facts;

fn encoded(format: ImageFormat) -> Vec<u8> {
    let pixels = RgbImage::from_fn(40, 20, |x, y| Rgb([(x * 6) as u8, (y * 12) as u8, 90]));
    let mut file = Cursor::new(Vec::new());
    pixels.write_to(&mut file, format).unwrap();
    file.into_inner()
}

/// A JPEG with these bytes as its EXIF, in the segment APP1.
fn jpeg_with(exif: &[u8]) -> Vec<u8> {
    let plain = encoded(ImageFormat::Jpeg);
    let mut body = b"Exif\0\0".to_vec();
    body.extend_from_slice(exif);
    let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
    [&plain[..2], &[0xff, 0xe1], &length, &body, &plain[2..]].concat()
}

fn written(fields: &[(Tag, Told)]) -> Vec<u8> {
    let fields: Vec<Field> =
        fields.iter().map(|(tag, value)| Field { tag: *tag, ifd_num: In::PRIMARY, value: value.clone() }).collect();
    let mut writer = Writer::new();
    fields.iter().for_each(|field| writer.push_field(field));
    let mut out = Cursor::new(Vec::new());
    writer.write(&mut out, false).unwrap();
    out.into_inner()
}

fn text(text: &str) -> Told {
    Told::Ascii(vec![text.as_bytes().to_vec()])
}

fn ratios(parts: &[(u32, u32)]) -> Told {
    Told::Rational(parts.iter().map(|(num, denom)| Rational { num: *num, denom: *denom }).collect())
}

fn of(file: Vec<u8>) -> Json {
    facts(&Image::decode(file, &ImageLimits::default()).unwrap())
}

#[test]
fn a_photo_tells_camera_date_place_and_exposure() {
    let exif = written(&[
        (Tag::Make, text("Canon")),
        (Tag::Model, text("Canon EOS 5D")),
        (Tag::Software, text("by \u{1b}[31m hand")),
        (Tag::Orientation, Told::Short(vec![6])),
        (Tag::DateTimeOriginal, text("2024:05:01 12:30:07")),
        (Tag::ExposureTime, ratios(&[(1, 250)])),
        (Tag::FNumber, ratios(&[(28, 10)])),
        (Tag::PhotographicSensitivity, Told::Short(vec![400])),
        (Tag::GPSLatitudeRef, text("S")),
        (Tag::GPSLatitude, ratios(&[(33, 1), (51, 1), (3600, 100)])),
        (Tag::GPSLongitudeRef, text("E")),
        (Tag::GPSLongitude, ratios(&[(151, 1), (12, 1), (0, 1)])),
    ]);
    let file = jpeg_with(&exif);
    let told = of(file.clone());
    let wanted = json!({
        "made_by": "whoever made the file", "format": "JPEG", "bytes": file.len(), "width": 20, "height": 40,
        "stored_width": 40, "stored_height": 20, "color": "RGB, 24 bits a pixel", "camera": "Canon EOS 5D",
        "lens": null, "software": "by [31m hand", "taken": "2024-05-01 12:30:07",
        "orientation": "stored turned a quarter anticlockwise",
        "gps": { "latitude": -33.86, "longitude": 151.2 },
        "exposure": { "time": "1/250 s", "f_number": 2.8, "iso": 400.0, "focal_length_mm": null },
    });
    assert_eq!(told, wanted);
}

#[test]
fn formats_are_told_and_what_is_not_said_is_null() {
    let formats = [
        (ImageFormat::Png, "PNG"),
        (ImageFormat::Jpeg, "JPEG"),
        (ImageFormat::WebP, "WebP"),
        (ImageFormat::Bmp, "BMP"),
        (ImageFormat::Tiff, "TIFF"),
        (ImageFormat::Gif, "GIF"),
    ];
    for (format, name) in formats {
        let file = encoded(format);
        let told = of(file.clone());
        assert_eq!((&told["format"], &told["bytes"]), (&json!(name), &json!(file.len())), "{told}");
        for key in ["camera", "taken", "gps", "exposure"] {
            assert!(told[key].is_null(), "{key}: {told}");
        }
    }
    let told = facts(&open(&repository("tests/images/nothing.png")));
    assert_eq!(told["format"], "PNG");
}

#[test]
fn what_a_tool_made_has_no_file() {
    let image = open(&repository("tests/images/cat.jpg"));
    // The same pixels, all of them, are still no file.
    for made in [crop(&image, [0.0, 0.0, 50.0, 40.0], 0.0), crop(&image, [0.0, 0.0, 640.0, 480.0], 0.0)] {
        let told = facts(&made.unwrap());
        assert!(told["made_by"].as_str().unwrap().contains("a tool of this run"), "{told}");
        assert!(told["format"].is_null() && told["bytes"].is_null() && told["camera"].is_null(), "{told}");
    }
    let drawn = facts(&Image::from_pixels(RgbImage::new(1, 1), Frame::ROOT));
    assert_eq!((&drawn["width"], &drawn["height"]), (&json!(1), &json!(1)));
}

#[test]
fn nonsense_in_exif_is_null() {
    let exif = written(&[
        (Tag::Model, text(" \0")),
        (Tag::DateTime, text("yesterday")),
        (Tag::Orientation, Told::Short(vec![99])),
        (Tag::ExposureTime, ratios(&[(1, 0)])),
        (Tag::GPSLatitudeRef, text("N")),
        (Tag::GPSLatitude, ratios(&[(400, 1), (0, 1), (0, 0)])),
    ]);
    let told = of(jpeg_with(&exif));
    for key in ["camera", "taken", "orientation", "gps", "exposure"] {
        assert!(told[key].is_null(), "{key}: {told}");
    }
}

proptest! {
    #[test]
    fn any_bytes_as_exif_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200), header in any::<bool>()) {
        let exif = if header { [b"II*\0\x08\0\0\0".as_slice(), &bytes].concat() } else { bytes };
        if let Ok(image) = Image::decode(jpeg_with(&exif), &ImageLimits::default()) {
            prop_assert_eq!(&facts(&image)["format"], "JPEG");
        }
    }
}
