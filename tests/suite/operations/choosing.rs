//! `count`, `filter` and `crop`.

use proptest::prelude::*;
use serde_json::json;

use super::{call, line, list, region, text};
use image::RgbImage;
use lavr::image::{Frame, Image};
use lavr::tool::crop::crop;
use lavr::value::{Region, Value};

fn things() -> Vec<Region> {
    vec![
        region("person", 0.9, [0.0, 0.0, 10.0, 10.0]),
        region("person", 0.5, [100.0, 0.0, 110.0, 10.0]),
        region("dog", 0.8, [2.0, 2.0, 8.0, 8.0]),
        region("couch", 0.7, [0.0, 50.0, 40.0, 90.0]),
    ]
}

fn regions(regions: &[Region]) -> Value {
    list(regions, Value::Region)
}

fn count_of(value: &Value) -> usize {
    match value {
        Value::List(items) => items.len(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn counting() {
    assert_eq!(call("count", [("items", regions(&things()))]).unwrap(), Value::Number(4.0));
    assert_eq!(call("count", [("items", Value::List(Vec::new()))]).unwrap(), Value::Number(0.0));
    for (label, expected) in [
        ("person", 2.0),
        ("people", 2.0),
        ("Dogs", 1.0),
        ("the dog", 1.0),
        ("cat", 0.0),
        ("dogs and people", 3.0),
        ("sofas", 1.0),
    ] {
        let counted = call("count", [("items", regions(&things())), ("label", text(label))]).unwrap();
        assert_eq!(counted, Value::Number(expected), "{label}");
    }
    let labels = super::json(json!(["dog", "couch"]));
    assert_eq!(call("count", [("items", regions(&things())), ("label", labels)]).unwrap(), Value::Number(2.0));
    let lines = list(&[line("Milk 2.40", 0.0, 0.0), line("Bread", 0.0, 30.0)], Value::Line);
    assert_eq!(call("count", [("items", lines), ("label", text("milk"))]).unwrap(), Value::Number(1.0));
    let texts = super::json(json!(["dog", "cat", "dogs"]));
    assert_eq!(call("count", [("items", texts), ("label", text("dog"))]).unwrap(), Value::Number(2.0));
}

#[test]
fn filtering() {
    let all = || ("items", regions(&things()));
    assert_eq!(count_of(&call("filter", [all()]).unwrap()), 4);
    assert_eq!(count_of(&call("filter", [all(), ("label", text("PEOPLE"))]).unwrap()), 2);
    assert_eq!(count_of(&call("filter", [all(), ("min_score", Value::Number(0.7))]).unwrap()), 3);
    assert_eq!(count_of(&call("filter", [all(), ("min_score", Value::Number(70.0))]).unwrap()), 3);
    assert!(call("filter", [all(), ("min_score", Value::Number(-1.0))]).is_err());
    let dog = Value::Region(region("car", 0.9, [0.0, 0.0, 20.0, 20.0]));
    let inside = call("filter", [all(), ("inside", dog), ("label", text("dog"))]).unwrap();
    assert_eq!(inside, regions(&things()[2..3]));
    let two = regions(&[region("a", 1.0, [90.0, 0.0, 120.0, 20.0]), region("b", 1.0, [0.0, 40.0, 50.0, 99.0])]);
    assert_eq!(count_of(&call("filter", [all(), ("inside", two)]).unwrap()), 2);
    let lines = list(&[line("Milk  2.40", 0.0, 0.0), line("Bread", 0.0, 30.0)], Value::Line);
    assert_eq!(count_of(&call("filter", [("items", lines), ("label", text("milk 2"))]).unwrap()), 1);
}

fn picture(width: u32, height: u32) -> Image {
    Image::from_pixels(RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 0])), Frame::ROOT)
}

#[test]
fn cropping() {
    let whole = picture(100, 80);
    let outer = crop(&whole, [10.0, 20.0, 60.0, 70.0], 0.0).unwrap();
    assert_eq!((outer.width(), outer.height()), (50, 50));
    // A crop of a crop is given in pixels of the root, too.
    let inner = crop(&outer, [30.5, 30.0, 40.0, 1e9], 0.0).unwrap();
    assert_eq!((inner.width(), inner.height()), (10, 40));
    assert_eq!(inner.pixels().get_pixel(0, 0).0, [30, 30, 0]);
    assert_eq!(inner.frame(), Frame { x: 30.0, y: 30.0, scale: 1.0 });
    assert_eq!(crop(&whole, [10.0, 20.0, 60.0, 70.0], 0.1).unwrap().width(), 60);
    for nothing in [[200.0, 0.0, 300.0, 10.0], [50.0, 50.0, 50.0, 50.0], [60.0, 0.0, 10.0, 10.0], [f64::NAN; 4]] {
        assert!(crop(&whole, nothing, 0.0).is_err(), "{nothing:?}");
    }
    assert!(crop(&whole, [0.0, 0.0, 9.0, 9.0], -1.0).is_err());
    let args = [("image", Value::Image(whole)), ("region", Value::Line(line("ab", 5.0, 6.0)))];
    let Value::Image(cut) = call("crop", args).unwrap() else { panic!("no image") };
    assert_eq!((cut.width(), cut.height()), (20, 20));
}

proptest! {
    #[test]
    fn a_crop_is_never_larger_than_its_image(bounds in proptest::array::uniform4(-300.0_f64..300.0), margin in 0.0_f64..3.0) {
        let whole = picture(40, 30);
        if let Ok(cut) = crop(&whole, bounds, margin) {
            prop_assert!(cut.width() > 0 && cut.width() <= 40 && cut.height() > 0 && cut.height() <= 30);
            let frame = cut.frame();
            prop_assert!(frame.x >= 0.0 && frame.x + f64::from(cut.width()) <= 40.0);
            prop_assert!(frame.y >= 0.0 && frame.y + f64::from(cut.height()) <= 30.0);
        }
    }

    #[test]
    fn crop_takes_any_numbers(bounds in proptest::array::uniform4(proptest::num::f64::ANY)) {
        let _ = crop(&picture(8, 8), bounds, 0.0);
    }

    #[test]
    fn a_filter_keeps_some_of_its_items_in_order(score in 0.0_f64..1.0, label in "[a-z ]{0,8}") {
        let all = regions(&things());
        let kept = call("filter", [("items", all.clone()), ("min_score", Value::Number(score)), ("label", text(&label))]).unwrap();
        let (Value::List(kept), Value::List(all)) = (kept, all) else { panic!("no lists") };
        let mut rest = all.iter();
        prop_assert!(kept.iter().all(|item| rest.any(|other| other == item)));
    }
}
