//! `image_quality`.

use proptest::prelude::*;
use serde_json::Value as Json;

use crate::experts::{image as open, repository};
use image::{Rgb, RgbImage, imageops};
use lavr::image::{Frame, Image};
use lavr::tool::image_quality::quality;
use lavr::value::Value;

fn photo(name: &str) -> RgbImage {
    open(&repository("tests/images").join(name)).pixels().clone()
}

fn judge(pixels: RgbImage) -> Json {
    quality(&Image::from_pixels(pixels, Frame::ROOT))
}

fn plain(width: u32, height: u32, level: u8) -> RgbImage {
    RgbImage::from_pixel(width, height, Rgb([level; 3]))
}

fn mapped(mut pixels: RgbImage, map: impl Fn(f64) -> f64) -> RgbImage {
    pixels.iter_mut().for_each(|level| *level = map(f64::from(*level)).round() as u8);
    pixels
}

const PHOTOS: [&str; 6] = ["astronaut.jpg", "cat.jpg", "coffee.jpg", "gallery.jpg", "photographer.jpg", "road.jpg"];

#[test]
fn a_sharp_photo_is_soft_and_then_blurred_as_it_is_blurred() {
    for name in PHOTOS {
        let sharp = photo(name);
        let side = sharp.width().max(sharp.height()) as f32;
        assert_eq!(judge(sharp.clone())["sharpness"]["is"], "sharp", "{name}");
        for (deviation, is) in [(1.0, ["soft", "blurred"].as_slice()), (3.0, &["blurred"])] {
            let report = judge(imageops::blur(&sharp, deviation * side / 512.0));
            assert!(is.contains(&report["sharpness"]["is"].as_str().unwrap()), "{name} by {deviation}: {report}");
        }
        // The same photo with four times the pixels is as sharp to the eye.
        let large = imageops::resize(&sharp, sharp.width() * 2, sharp.height() * 2, imageops::FilterType::CatmullRom);
        assert_eq!(judge(large)["sharpness"]["is"], "sharp", "{name}");
    }
}

#[test]
fn dark_bright_and_faint_photos_are_told_and_pages_and_nights_are_fine() {
    for name in PHOTOS {
        let is = |map: &dyn Fn(f64) -> f64| judge(mapped(photo(name), map))["exposure"]["is"].clone();
        assert_eq!(is(&|level| level), "fine", "{name}");
        assert_eq!(is(&|level| level * 0.25), "too dark", "{name}");
        assert_eq!(is(&|level| 190.0 + level * 0.25), "too bright", "{name}");
        assert_eq!(is(&|level| 100.0 + level * 0.2), "low contrast", "{name}");
    }
    for name in ["receipt.png", "rocket.jpg", "memo.jpg", "columns.png"] {
        assert_eq!(judge(photo(name))["exposure"]["is"], "fine", "{name}");
    }
}

#[test]
fn numbers_are_those_of_the_picture() {
    let mut halves = plain(100, 50, 255);
    imageops::overlay(&mut halves, &plain(25, 50, 0), 0, 0);
    let report = judge(halves);
    assert_eq!(report["exposure"]["dark_share"], 25.0);
    assert_eq!(report["exposure"]["bright_share"], 75.0);
    assert_eq!(report["exposure"]["mean"], 75.0);
    assert_eq!(report["resolution"], serde_json::json!({ "width": 100, "height": 50, "megapixels": 0.01 }));
    for (level, exposure) in [(0, "too dark"), (255, "too bright"), (128, "low contrast")] {
        for (width, height) in [(1, 1), (1, 2000), (2000, 1), (600, 600)] {
            let report = judge(plain(width, height, level));
            assert_eq!(report["sharpness"]["is"], "without detail", "{report}");
            assert_eq!(report["exposure"]["is"], exposure, "{report}");
        }
    }
}

#[test]
fn the_tool_takes_an_image() {
    let image = Image::from_pixels(plain(20, 20, 128), Frame::ROOT);
    let Value::Json(report) = super::call("image_quality", [("image", Value::Image(image))]).unwrap() else {
        panic!("no JSON")
    };
    assert_eq!(report["exposure"]["is"], "low contrast");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_picture_is_judged_and_shares_are_shares(width in 1_u32..40, height in 1_u32..40, seed in any::<u64>()) {
        let noise = RgbImage::from_fn(width, height, |x, y| {
            let bits = (seed ^ u64::from(x * 7919 + y * 104_729)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            Rgb([(bits >> 56) as u8, (bits >> 48) as u8, (bits >> 40) as u8])
        });
        let report = judge(noise);
        for key in ["mean", "dark_share", "bright_share"] {
            let share = report["exposure"][key].as_f64().unwrap();
            prop_assert!((0.0..=100.0).contains(&share), "{}", report);
        }
        prop_assert!(report["sharpness"]["variance_of_laplacian"].as_f64().unwrap() >= 0.0);
    }
}
