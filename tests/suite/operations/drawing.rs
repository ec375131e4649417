//! `annotate`.

use proptest::prelude::*;

use super::{call, line, list, region, text};
use image::{Rgb, RgbImage};
use lavr::image::{Frame, Image, ImageLimits};
use lavr::tool::Item;
use lavr::tool::annotate::draw;
use lavr::tool::crop::crop;
use lavr::value::{Line, Value};

fn grey(width: u32, height: u32, frame: Frame) -> Image {
    Image::from_pixels(RgbImage::from_pixel(width, height, Rgb([128, 128, 128])), frame)
}

fn changed(image: &Image, x: u32, y: u32) -> bool {
    image.pixels().get_pixel(x, y).0 != [128, 128, 128]
}

#[test]
fn boxes_are_drawn_where_they_are() {
    let drawn = draw(&grey(400, 300, Frame::ROOT), &[Item::Region(region("cat", 0.87, [100.0, 100.0, 200.0, 200.0]))]);
    assert!(changed(&drawn, 100, 150) && changed(&drawn, 199, 150) && changed(&drawn, 150, 199));
    assert!(!changed(&drawn, 150, 150) && !changed(&drawn, 300, 250));
    // The label stands above the box.
    assert!(changed(&drawn, 104, 92));
}

#[test]
fn crops_are_drawn_in_their_own_pixels() {
    let cut = crop(&grey(400, 300, Frame::ROOT), [90.0, 90.0, 290.0, 290.0], 0.0).unwrap();
    let drawn = draw(&cut, &[Item::Region(region("cat", 0.87, [150.0, 150.0, 200.0, 200.0]))]);
    assert!(changed(&drawn, 60, 85) && !changed(&drawn, 150, 150));
    assert_eq!(drawn.frame(), cut.frame());
}

#[test]
fn the_tool_draws_lists_and_single_items() {
    let image = Value::Image(grey(200, 100, Frame::ROOT));
    let lines = list(&[line("EXIT", 20.0, 40.0)], Value::Line);
    for items in [lines, Value::Line(line("EXIT", 20.0, 40.0)), Value::List(Vec::new())] {
        let drawn = call("annotate", [("image", image.clone()), ("items", items), ("title", text("Signs"))]).unwrap();
        assert!(matches!(drawn, Value::Image(i) if i.width() == 200 && i.height() == 100));
    }
}

/// Writes pictures to look at: `LAVR_LOOK=FOLDER cargo test ... look`.
#[test]
fn pictures_to_look_at() {
    let Some(folder) = std::env::var_os("LAVR_LOOK").map(std::path::PathBuf::from) else { return };
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, image) in
        [("gallery", "gallery.jpg"), ("receipt", "receipt.png"), ("rotated", "rotated.png"), ("poster", "poster.png")]
    {
        let file = root.join("tests/images").join(image);
        let picture = Image::open(file, &ImageLimits::default()).unwrap();
        let json = std::fs::read_to_string(root.join(format!("tests/reference/ocr/images_{name}.json"))).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let lines: Vec<Line> = serde_json::from_value(json["lines"].clone()).unwrap();
        let mut items: Vec<Item> = lines.into_iter().map(Item::Line).collect();
        if name == "gallery" {
            let (w, h) = (f64::from(picture.width()), f64::from(picture.height()));
            for (n, (label, score)) in
                [("person", 0.93), ("person", 0.61), ("dog", 0.4), ("potted plant", 0.55)].iter().enumerate()
            {
                let x = w * (0.05 + 0.24 * n as f64);
                items.push(Item::Region(region(label, *score, [x, h * 0.3, x + w * 0.22, h * (0.7 + 0.1 * n as f64)])));
            }
            items.push(Item::Region(region("person", 0.9, [-20.0, -10.0, w * 0.3, h * 0.2])));
        }
        std::fs::write(folder.join(format!("{name}.png")), draw(&picture, &items).encoded()).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn anything_can_be_drawn_on_anything(
        bounds in proptest::array::uniform4(prop_oneof![-500.0_f64..500.0, proptest::num::f64::ANY]),
        label in ".{0,40}",
        score in proptest::num::f64::ANY,
        size in (1_u32..200, 1_u32..200),
    ) {
        let image = grey(size.0, size.1, Frame { x: 5.0, y: -3.0, scale: 0.5 });
        let [a, b, c, d] = bounds;
        let line = Line { text: label.clone(), score, polygon: [[a, b], [c, b], [c, d], [a, d]] };
        let drawn = draw(&image, &[Item::Region(region(&label, score, bounds)), Item::Line(line)]);
        prop_assert_eq!((drawn.width(), drawn.height()), size);
    }
}
