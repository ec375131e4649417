//! `color_of`.

use proptest::prelude::*;

use super::{call, line, region};
use crate::experts::repository;
use image::{Rgb, RgbImage, imageops};
use lavr::image::{Frame, Image, ImageLimits};
use lavr::tool::color_of::{COLORS, color_name, colors, region_colors};
use lavr::tool::crop::crop;
use lavr::value::{Label, Value};

fn painted(width: u32, height: u32, color: impl Fn(u32, u32) -> [u8; 3]) -> Image {
    Image::from_pixels(RgbImage::from_fn(width, height, |x, y| Rgb(color(x, y))), Frame::ROOT)
}

fn plain(color: [u8; 3]) -> Image {
    painted(16, 12, |_, _| color)
}

fn names(labels: &[Label]) -> Vec<&str> {
    labels.iter().map(|l| l.label.as_str()).collect()
}

fn rgb(hex: &str) -> [u8; 3] {
    [1, 3, 5].map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
}

#[test]
fn plain_patches_have_the_name_that_people_give_them() {
    for (color, name) in [
        ([0, 0, 0], "black"),
        ([30, 30, 34], "black"),
        ([255, 255, 255], "white"),
        ([240, 238, 235], "white"),
        ([128, 128, 128], "grey"),
        ([200, 200, 205], "grey"),
        ([255, 0, 0], "red"),
        ([139, 0, 0], "red"),
        ([255, 140, 0], "orange"),
        ([255, 255, 0], "yellow"),
        ([0, 255, 0], "green"),
        ([0, 100, 0], "green"),
        ([85, 107, 47], "green"),
        ([0, 0, 255], "blue"),
        ([0, 0, 128], "blue"),
        ([135, 206, 235], "blue"),
        ([128, 0, 128], "purple"),
        ([255, 192, 203], "pink"),
        ([255, 105, 180], "pink"),
        ([139, 69, 19], "brown"),
        ([245, 245, 220], "beige"),
        ([210, 190, 160], "beige"),
    ] {
        assert_eq!(color_name(color), name, "{color:?}");
        assert_eq!(names(&colors(&plain(color))), [name], "{color:?}");
    }
}

/// The survey's colours that are called by one of the words, whatever stands before it ("dusty pink").
#[test]
fn nine_in_ten_colors_of_the_xkcd_survey_have_their_name() {
    let survey = std::fs::read_to_string(repository("tests/reference/xkcd_colors.tsv")).unwrap();
    let (mut right, mut of) = (0, 0);
    for (hex, called) in survey.lines().filter(|l| !l.starts_with("# ")).filter_map(|l| l.split_once('\t')) {
        of += 1;
        right += usize::from(called.ends_with(color_name(rgb(hex))));
    }
    println!("{right} of {of}");
    assert!(of > 400 && right * 100 >= of * 92, "{right} of {of}");
}

#[test]
fn colors_come_best_first_and_small_ones_are_left_out() {
    // 60 rows red, 35 blue, 5 green.
    let striped = painted(40, 100, |_, y| match y {
        0..60 => [220, 20, 20],
        60..95 => [20, 40, 200],
        _ => [20, 160, 40],
    });
    let found = colors(&striped);
    assert_eq!(names(&found), ["red", "blue"]);
    assert!((found[0].score - 0.6).abs() < 1e-9 && (found[1].score - 0.35).abs() < 1e-9, "{found:?}");
    // Twelve colours with less than a tenth each: one is named still.
    let twelve = painted(120, 1, |x, _| {
        let all = [0x00_0000, 0xff_ffff, 0x80_8080, 0xff_0000, 0xff_8c00, 0xff_ff00];
        let more = [0x00_ff00, 0x00_00ff, 0x80_0080, 0xff_69b4, 0x8b_4513, 0xd2_bea0];
        let color: u32 = all.into_iter().chain(more).nth(x as usize / 10).unwrap();
        [(color >> 16) as u8, (color >> 8) as u8, color as u8]
    });
    assert_eq!(colors(&twelve).len(), 1);
}

#[test]
fn the_middle_of_a_region_counts_more_than_its_edges() {
    // A yellow disc that fills little more than half of its box, on green.
    let disc = painted(100, 100, |x, y| {
        let (dx, dy) = (f64::from(x) - 49.5, f64::from(y) - 49.5);
        if dx.hypot(dy) < 36.0 { [250, 220, 30] } else { [30, 150, 50] }
    });
    assert_eq!(names(&colors(&disc))[0], "green");
    let found = region_colors(&disc, [0.0, 0.0, 100.0, 100.0]).unwrap();
    assert_eq!(names(&found), ["yellow", "green"], "the background is not left out: {found:?}");
    assert!(region_colors(&disc, [200.0, 0.0, 300.0, 50.0]).is_err());
    // A box in pixels of the root, on an image that was cut out of it.
    let right = crop(&disc, [50.0, 0.0, 100.0, 100.0], 0.0).unwrap();
    assert_eq!(names(&region_colors(&right, [60.0, 40.0, 70.0, 60.0]).unwrap()), ["yellow"]);
}

#[test]
fn the_tool_takes_regions_lines_or_the_whole_image() {
    let halves = painted(80, 40, |x, _| if x < 40 { [255, 255, 255] } else { [200, 0, 0] });
    let of = |region: Option<Value>| {
        let catalog = super::catalog();
        let mut args = lavr::tool::Args::new();
        args.set("image", Value::Image(halves.clone()));
        region.into_iter().for_each(|r| args.set("region", r));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let cx = lavr::cx::Cx::new(lavr::budget::Budget::default());
        let Value::Labels(labels) = runtime.block_on(catalog.get("color_of").unwrap().call(&cx, args)).unwrap() else {
            panic!("no labels")
        };
        names(&labels).join(" ")
    };
    assert_eq!(of(None), "white red");
    assert_eq!(of(Some(Value::Region(region("car", 0.9, [50.0, 5.0, 70.0, 35.0])))), "red");
    assert_eq!(of(Some(Value::Line(line("ab", 5.0, 5.0)))), "white");
}

#[test]
fn photos_have_the_colors_they_show() {
    let open = |name: &str| {
        Image::open(repository("tests/images").join(name), &ImageLimits::default()).expect("the picture opens")
    };
    // Someone's coffee on a brown table; a grey photo; an orange suit.
    assert!(names(&colors(&open("coffee.jpg"))).contains(&"brown"));
    let grey = open("photographer.jpg");
    assert!(colors(&grey).iter().all(|l| ["black", "grey", "white"].contains(&l.label.as_str())));
    let suit = region_colors(&open("astronaut.jpg"), [60.0, 300.0, 230.0, 500.0]).unwrap();
    assert_eq!(suit[0].label, "orange", "{suit:?}");
}

#[test]
fn colors_can_be_compared() {
    let label = |name: &str| Value::Labels(vec![Label { label: name.to_owned(), score: 0.7 }]);
    let two = Value::Labels(vec![
        Label { label: "red".to_owned(), score: 0.6 },
        Label { label: "white".to_owned(), score: 0.3 },
    ]);
    let same = |a: Value, b: Value| call("compare", [("a", a), ("b", b), ("op", super::text("equal"))]).unwrap();
    assert_eq!(same(label("red"), two.clone()), Value::Bool(true));
    assert_eq!(same(Value::List(vec![two.clone()]), super::text("red")), Value::Bool(true));
    assert_eq!(same(two, super::text("white")), Value::Bool(false));
}

proptest! {
    #[test]
    fn any_color_has_a_name(color in any::<[u8; 3]>()) {
        prop_assert!(COLORS.contains(&color_name(color)));
        let found = colors(&plain(color));
        prop_assert_eq!(found.len(), 1);
        prop_assert!(COLORS.contains(&found[0].label.as_str()));
        prop_assert!((found[0].score - 1.0).abs() < 1e-9);
    }

    #[test]
    fn scaling_does_not_change_the_names(a in any::<[u8; 3]>(), b in any::<[u8; 3]>(), share in 5_u32..15, by in 2_u32..5) {
        let small = RgbImage::from_fn(20, 20, |x, _| Rgb(if x < share { a } else { b }));
        let large = imageops::resize(&small, 20 * by, 20 * by, imageops::FilterType::Nearest);
        let of = |pixels| colors(&Image::from_pixels(pixels, Frame::ROOT));
        let (small, large) = (of(small), of(large));
        prop_assert_eq!(names(&small), names(&large));
        prop_assert!(small.iter().zip(&large).all(|(s, l)| (s.score - l.score).abs() < 1e-9));
    }
}
