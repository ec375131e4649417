//! Operations on outlines and maps of depth.

use image::{Rgb, RgbImage};
use lavr::image::{Frame, Image};
use lavr::tool::cut_out::cut_out;
use lavr::tool::depth_of::depth_of;
use lavr::value::{Grid, Mask, Value};
use proptest::prelude::*;
use serde_json::json;

use super::{call, catalog, region};

/// A red disc on blue, and its mask in the box around it.
fn disc() -> (Image, Mask) {
    let inside = |x: u32, y: u32| (f64::from(x) + 0.5 - 50.0).hypot(f64::from(y) + 0.5 - 40.0) < 20.0;
    let pixels = RgbImage::from_fn(100, 80, |x, y| Rgb(if inside(x, y) { [200, 20, 20] } else { [20, 20, 200] }));
    let mask = RgbImage::from_fn(40, 40, |x, y| Rgb([if inside(x + 30, y + 20) { 255 } else { 0 }; 3]));
    let region = region("disc", 0.9, [30.0, 20.0, 70.0, 60.0]);
    (Image::from_pixels(pixels, Frame::ROOT), Mask { region, pixels: Image::from_pixels(mask, Frame::ROOT) })
}

#[test]
fn a_thing_is_measured_within_its_outline() {
    let (image, mask) = disc();
    let area = |thing: Value| {
        let Value::Number(area) = call("measure", [("what", super::text("area")), ("region", thing)]).unwrap() else {
            panic!("no number")
        };
        area
    };
    let round = std::f64::consts::PI * 400.0;
    assert!((area(Value::Mask(mask.clone())) - round).abs() < 15.0);
    assert_eq!(area(Value::Region(mask.region.clone())), 1600.0);
    let args = [("what", super::text("share")), ("region", Value::Mask(mask)), ("image", Value::Image(image))];
    let Value::Number(share) = call("measure", args).unwrap() else { panic!("no number") };
    assert!((share - 100.0 * round / 8000.0).abs() < 0.3, "{share}");
}

#[test]
fn colours_are_those_within_the_outline() {
    let (image, mask) = disc();
    let colours = |thing: Value| {
        let args = [("image", Value::Image(image.clone())), ("region", thing)];
        let Value::Labels(labels) = call("color_of", args).unwrap() else { panic!("no labels") };
        labels
    };
    let within = colours(Value::Mask(mask.clone()));
    assert_eq!((within.len(), within[0].label.as_str()), (1, "red"), "{within:?}");
    let [left, top, right, bottom] = mask.region.bounds;
    let around = [left - 20.0, top - 15.0, right + 20.0, bottom + 15.0];
    assert!(colours(Value::Region(region("disc", 0.9, around))).len() > 1);
}

#[test]
fn a_thing_is_cut_out_on_white_and_keeps_its_place() {
    let (image, mask) = disc();
    let out = cut_out(&image, &mask).unwrap();
    assert_eq!((out.width(), out.height()), (40, 40));
    assert_eq!(out.pixels().get_pixel(0, 0).0, [255; 3]);
    assert_eq!(out.pixels().get_pixel(20, 20).0, [200, 20, 20]);
    assert_eq!(out.frame().to_root(0.0, 0.0), (30.0, 20.0));
    let elsewhere = Mask { region: region("disc", 0.9, [300.0, 20.0, 340.0, 60.0]), ..mask };
    assert!(cut_out(&image, &elsewhere).is_err());
}

/// A mask goes through the operations as a region does, and stays one where they return what they are given.
#[test]
fn a_mask_stands_wherever_a_region_stands() {
    let (image, mask) = disc();
    let masks = Value::List(vec![Value::Mask(mask.clone())]);
    let kept = call("filter", [("items", masks.clone()), ("label", super::text("disc"))]).unwrap();
    assert_eq!(kept, masks);
    let other = Value::Region(region("box", 1.0, [0.0, 0.0, 10.0, 10.0]));
    let related =
        call("relate", [("items", masks.clone()), ("relation", super::text("right_of")), ("to", other)]).unwrap();
    assert_eq!(related, masks);
    assert_eq!(call("count", [("items", masks.clone())]).unwrap(), Value::Number(1.0));
    let cut = call("crop", [("image", Value::Image(image.clone())), ("region", Value::Mask(mask.clone()))]).unwrap();
    let Value::Image(cut) = cut else { panic!("no image") };
    assert_eq!((cut.width(), cut.height()), (40, 40));
    let drawn = call("annotate", [("image", Value::Image(image.clone())), ("items", masks)]).unwrap();
    let Value::Image(drawn) = drawn else { panic!("no image") };
    assert_ne!(drawn.pixels().get_pixel(50, 45), image.pixels().get_pixel(50, 45), "the disc is tinted");
    assert_eq!(drawn.pixels().get_pixel(95, 75), image.pixels().get_pixel(95, 75));
    let json = Value::Mask(mask).to_json();
    assert_eq!(json["label"], "disc");
    assert!(json["mask"]["blob"].as_str().unwrap().starts_with("sha256:"), "{json}");
    assert!(catalog().get("cut_out").is_none());
}

/// Nearer to the left.
fn map() -> Grid {
    let data = (0..6).flat_map(|_| (0..8).map(|x| 1.0 - x as f32 / 7.0)).collect();
    Grid { width: 8, height: 6, bounds: [0.0, 0.0, 80.0, 60.0], data }
}

#[test]
fn depth_is_read_where_a_thing_is() {
    let near = depth_of(&map(), [0.0, 0.0, 30.0, 60.0], None).unwrap();
    let far = depth_of(&map(), [50.0, 10.0, 80.0, 50.0], None).unwrap();
    assert!((near - 0.857).abs() < 1e-9 && (far - 0.143).abs() < 1e-9, "{near} {far}");
    // Smaller than a cell.
    assert_eq!(depth_of(&map(), [1.0, 1.0, 2.0, 2.0], None).unwrap(), 1.0);
    let error = depth_of(&map(), [200.0, 1.0, 240.0, 2.0], None).unwrap_err().to_string();
    assert!(error.contains("does not lie on the map"), "{error}");
    let (_, mask) = disc();
    let only = |bounds: [f64; 4]| {
        let mask = Mask { region: region("half", 1.0, bounds), pixels: mask.pixels.clone() };
        depth_of(&map(), bounds, Some(&mask)).unwrap()
    };
    assert!(only([0.0, 0.0, 40.0, 60.0]) > only([40.0, 0.0, 80.0, 60.0]));
    assert_eq!(json!(map())["box"], json!([0.0, 0.0, 80.0, 60.0]));
}

proptest! {
    /// Whatever the numbers, an error or a number.
    #[test]
    fn no_box_and_no_mask_is_too_odd(sides in prop::array::uniform4(-1e6..1e6f64), cells in 0..5_u32) {
        let data = vec![0.5; (cells * cells) as usize];
        let map = Grid { width: cells, height: cells, bounds: [0.0, 0.0, 10.0, 10.0], data };
        if let Ok(depth) = depth_of(&map, sides, None) {
            prop_assert_eq!(depth, 0.5);
        }
        let (image, mask) = disc();
        let odd = Mask { region: region("odd", 1.0, sides), pixels: mask.pixels };
        if let Ok(out) = cut_out(&image, &odd) {
            prop_assert!(out.width() <= 100 && out.height() <= 80);
        }
    }
}
