//! `difference`.

use std::io::Cursor;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::experts::{image as open, repository};
use image::{ImageFormat, Rgb, RgbImage, imageops};
use imageproc::drawing::draw_filled_circle_mut;
use lavr::image::{Frame, Image};
use lavr::tool::crop::crop;
use lavr::tool::difference::{difference, hash_distance, similarity};
use lavr::value::Value;

fn photo(name: &str) -> RgbImage {
    open(&repository("tests/images").join(name)).pixels().clone()
}

fn root(pixels: RgbImage) -> Image {
    Image::from_pixels(pixels, Frame::ROOT)
}

fn compared(a: &RgbImage, b: &RgbImage) -> Json {
    difference(&root(a.clone()), &root(b.clone()))
}

const PHOTOS: [&str; 7] =
    ["astronaut.jpg", "cat.jpg", "coffee.jpg", "gallery.jpg", "road.jpg", "rocket.jpg", "receipt.png"];

#[test]
fn a_picture_is_itself_and_nearly_so_when_stored_worse_smaller_or_brighter() {
    for name in PHOTOS {
        let picture = photo(name);
        let same = compared(&picture, &picture);
        let wanted = json!({ "same": "identical", "hash_distance": 0, "similarity": 1.0, "changed_percent": 0.0, "changes": [] });
        assert_eq!(same, wanted, "{name}");
        let mut jpeg = Cursor::new(Vec::new());
        picture.write_with_encoder(image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 40)).unwrap();
        let worse = image::load_from_memory_with_format(jpeg.get_ref(), ImageFormat::Jpeg).unwrap().into_rgb8();
        let smaller =
            imageops::resize(&picture, picture.width() / 2, picture.height() / 2, imageops::FilterType::Triangle);
        for (what, other) in [("worse", worse), ("smaller", smaller), ("brighter", imageops::brighten(&picture, 20))] {
            let report = compared(&picture, &other);
            assert_eq!(report["same"], "nearly the same", "{name} {what}: {report}");
            assert_eq!(report["changes"].is_null(), what == "smaller", "{name} {what}: {report}");
        }
    }
}

#[test]
fn other_pictures_are_different() {
    for (n, a) in PHOTOS.iter().enumerate() {
        for b in &PHOTOS[n + 1..] {
            let report = compared(&photo(a), &photo(b));
            println!("{a} {b}: {} {}", report["hash_distance"], report["similarity"]);
            assert_eq!(report["same"], "different", "{a} {b}: {report}");
        }
    }
    let plain = |level| RgbImage::from_pixel(60, 40, Rgb([level; 3]));
    assert_eq!(compared(&plain(0), &plain(255))["same"], "different");
    let upside_down = imageops::rotate180(&photo("cat.jpg"));
    assert_eq!(compared(&photo("cat.jpg"), &upside_down)["same"], "different");
}

#[test]
fn changes_are_found_where_they_are() {
    let before = photo("coffee.jpg");
    let mut after = before.clone();
    draw_filled_circle_mut(&mut after, (100, 80), 20, Rgb([0, 0, 255]));
    draw_filled_circle_mut(&mut after, (450, 300), 8, Rgb([0, 255, 0]));
    let report = compared(&before, &after);
    assert_eq!(report["same"], "nearly the same", "{report}");
    let boxes = |report: &Json| -> Vec<[f64; 4]> {
        let changes = report["changes"].as_array().unwrap().iter();
        changes.map(|change| serde_json::from_value(change["box"].clone()).unwrap()).collect()
    };
    let near = |found: [f64; 4], wanted: [f64; 4]| found.iter().zip(wanted).all(|(a, b)| (a - b).abs() <= 3.0);
    let found = boxes(&report);
    assert!(found.len() == 2 && near(found[0], [80.0, 60.0, 121.0, 101.0]), "{report}");
    assert!(near(found[1], [442.0, 292.0, 459.0, 309.0]), "{report}");
    let percent = report["changed_percent"].as_f64().unwrap();
    assert!((0.5..1.0).contains(&percent), "{report}");
    // In a piece of the picture, boxes are in pixels of the whole.
    let piece = |of: &RgbImage| crop(&root(of.clone()), [400.0, 250.0, 520.0, 350.0], 0.0).unwrap();
    let found = boxes(&difference(&piece(&before), &piece(&after)));
    assert!(found.len() == 1 && near(found[0], [442.0, 292.0, 459.0, 309.0]), "{found:?}");
}

/// One pixel of another colour: nothing to connect, and no panic.
#[test]
fn single_pixels_differ_too() {
    let one = |colour: [u8; 3]| RgbImage::from_pixel(1, 1, image::Rgb(colour));
    let found = compared(&one([255, 0, 0]), &one([255, 255, 0]));
    assert_eq!(found["changes"].as_array().map(Vec::len), Some(1), "{found}");
    assert_eq!(compared(&one([9; 3]), &one([9; 3]))["same"], "identical");
}

#[test]
fn the_tool_takes_two_images_of_any_size() {
    for (a, b) in [((1, 1), (1, 1)), ((1, 1), (300, 2)), ((2, 500), (500, 2)), ((3, 3), (3, 3))] {
        let image = |(width, height)| Value::Image(root(RgbImage::from_pixel(width, height, Rgb([9, 90, 200]))));
        let Value::Json(report) = super::call("difference", [("image", image(a)), ("other", image(b))]).unwrap() else {
            panic!("no JSON")
        };
        let similarity = report["similarity"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&similarity), "{a:?} {b:?}: {report}");
        assert_eq!(report["changes"].is_null(), a != b, "{report}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn both_ways_are_the_same(seeds in any::<(u32, u32)>(), width in 1_u32..50, height in 1_u32..50) {
        let noise = |seed: u32| RgbImage::from_fn(width, height, |x, y| {
            let bits = (seed ^ (x * 7919 + y * 104_729)).wrapping_mul(0x9e37_79b1);
            Rgb([(bits >> 24) as u8, (bits >> 16) as u8, (bits >> 8) as u8])
        });
        let (a, b) = (noise(seeds.0), noise(seeds.1));
        prop_assert_eq!(hash_distance(&a, &b), hash_distance(&b, &a));
        prop_assert!((similarity(&a, &b) - similarity(&b, &a)).abs() < 1e-5);
        prop_assert!((similarity(&a, &a) - 1.0).abs() < 1e-3);
        prop_assert_eq!(&compared(&a, &b)["changed_percent"], &compared(&b, &a)["changed_percent"]);
    }
}
