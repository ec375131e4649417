//! `palette`.

use proptest::prelude::*;
use serde_json::json;

use crate::experts::{image as open, repository};
use image::{Rgb, RgbImage, imageops};
use lavr::image::{Frame, Image};
use lavr::tool::color_of::COLORS;
use lavr::tool::oklab::{of_rgb, to_rgb};
use lavr::tool::palette::palette;
use lavr::value::Value;

fn painted(width: u32, height: u32, color: impl Fn(u32, u32) -> [u8; 3]) -> Image {
    Image::from_pixels(RgbImage::from_fn(width, height, |x, y| Rgb(color(x, y))), Frame::ROOT)
}

fn stripes() -> Image {
    painted(50, 100, |_, y| match y {
        0..50 => [200, 16, 46],
        50..80 => [0, 50, 160],
        _ => [255, 255, 255],
    })
}

#[test]
fn flat_colors_are_told_as_they_are() {
    let called = super::call("palette", [("image", Value::Image(stripes()))]).unwrap();
    let wanted = json!([
        { "name": "red", "hex": "#c8102e", "share": 0.5 },
        { "name": "blue", "hex": "#0032a0", "share": 0.3 },
        { "name": "white", "hex": "#ffffff", "share": 0.2 },
    ]);
    assert_eq!(called, Value::Json(wanted));
    let two = palette(&stripes(), 2).unwrap();
    assert_eq!(two.len(), 2);
    assert!((two.iter().map(|swatch| swatch.share).sum::<f64>() - 1.0).abs() < 0.002, "{two:?}");
    let one = palette(&painted(1, 1, |_, _| [1, 2, 3]), 5).unwrap();
    assert_eq!((one.len(), one[0].hex.as_str(), one[0].share), (1, "#010203", 1.0));
}

#[test]
fn a_wrong_number_of_colors_is_an_error() {
    for count in [0, 17, u32::MAX] {
        let error = palette(&stripes(), count).unwrap_err();
        assert!(error.to_string().contains("from 1 to 16"), "{error}");
    }
}

#[test]
fn photos_have_the_colors_they_show_every_time() {
    let suit = open(&repository("tests/images/astronaut.jpg"));
    let found = palette(&suit, 6).unwrap();
    println!("{found:?}");
    assert_eq!(found, palette(&suit, 6).unwrap());
    assert!(found.iter().any(|swatch| ["orange", "red"].contains(&swatch.name)), "{found:?}");
    assert!(found.windows(2).all(|pair| pair[0].share >= pair[1].share));
    let grey = palette(&open(&repository("tests/images/photographer.jpg")), 5).unwrap();
    assert!(grey.iter().all(|swatch| ["black", "grey", "white"].contains(&swatch.name)), "{grey:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn shares_sum_up_and_turning_or_scaling_changes_nothing(
        colors in proptest::collection::vec(any::<[u8; 3]>(), 1..9), count in 1_u32..9, by in 2_u32..4,
    ) {
        let pixels = RgbImage::from_fn(24, 18, |x, y| Rgb(colors[(x / 3 + y / 6) as usize % colors.len()]));
        let found = palette(&Image::from_pixels(pixels.clone(), Frame::ROOT), count).unwrap();
        prop_assert!(!found.is_empty() && found.len() <= count as usize);
        prop_assert!((found.iter().map(|swatch| swatch.share).sum::<f64>() - 1.0).abs() < 0.01);
        prop_assert!(found.iter().all(|swatch| COLORS.contains(&swatch.name)));
        let large = imageops::resize(&pixels, 24 * by, 18 * by, imageops::FilterType::Nearest);
        let turned = imageops::rotate180(&large);
        let of = |pixels| palette(&Image::from_pixels(pixels, Frame::ROOT), count).unwrap();
        prop_assert_eq!(&of(large), &found);
        prop_assert_eq!(&of(turned), &found);
    }
}

proptest! {
    #[test]
    fn a_color_comes_back_from_oklab_as_it_was(rgb in any::<[u8; 3]>()) {
        prop_assert_eq!(to_rgb(of_rgb(rgb)), rgb);
    }
}
