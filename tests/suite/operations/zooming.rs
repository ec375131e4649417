//! `zoom_detect` and `read_small_text`, on stand-ins and on the experts themselves.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use serde_json::json;

use crate::experts::{cx, described, detector, image as open, overlap, repository};
use crate::fakes::quick;
use image::{Rgb, RgbImage, imageops};
use lavr::error::ErrorKind;
use lavr::image::{Frame, Image};
use lavr::tool::read_small_text::ReadSmallText;
use lavr::tool::zoom_detect::ZoomDetect;
use lavr::tool::{Args, Manifest, SharedTool, Typed};
use lavr::value::{Line, Region, Value};

fn page(width: u32, height: u32) -> Image {
    Image::from_pixels(RgbImage::from_pixel(width, height, Rgb([255; 3])), Frame::ROOT)
}

/// The part of a box that an image shows; none when that is too small, in pixels of the image, to be seen.
fn seen(image: &Image, [left, top, right, bottom]: [f64; 4], least: f64) -> Option<[f64; 4]> {
    let frame = image.frame();
    let (right_edge, bottom_edge) = frame.to_root(f64::from(image.width()), f64::from(image.height()));
    let part = [left.max(frame.x), top.max(frame.y), right.min(right_edge), bottom.min(bottom_edge)];
    let (width, height) = (part[2] - part[0], part[3] - part[1]);
    // What a model sees has a fixed size, however large the image is.
    let shown = 400.0 / (right_edge - frame.x).max(bottom_edge - frame.y);
    (width > 1.0 && height > 1.0 && width.min(height) * shown >= least).then_some(part)
}

/// A detector of these things that sees only what is large enough in its input.
fn short_sighted(things: Vec<[f64; 4]>, looks: Arc<Mutex<usize>>) -> SharedTool {
    quick(
        "detect_objects",
        &["image: Image", "labels?: List<Text>", "min_score?: Number"],
        "List<Region>",
        move |args| {
            *looks.lock().unwrap() += 1;
            let image = args.image("image")?;
            let found = things.iter().filter_map(|thing| seen(image, *thing, 8.0));
            Ok(Value::List(
                found.map(|b| Value::Region(Region { label: "bird".to_owned(), score: 0.8, bounds: b })).collect(),
            ))
        },
    )
}

#[tokio::test]
async fn small_things_are_found_once_and_large_ones_are_not_cut_in_pieces() {
    // Small ones: in a corner, in the middle of a piece, across the border of two pieces. A large one: across all.
    let small = [[20.0, 20.0, 34.0, 34.0], [300.0, 200.0, 314.0, 214.0], [495.0, 100.0, 509.0, 114.0]];
    let large = [200.0, 300.0, 800.0, 700.0];
    let looks = Arc::new(Mutex::new(0));
    let things = small.into_iter().chain([large]).collect();
    let zoom = ZoomDetect::new(short_sighted(things, Arc::clone(&looks)));
    let found = zoom.regions(&cx(), &page(1000, 800), None, None, None).await.unwrap();
    assert_eq!(*looks.lock().unwrap(), 5);
    let boxes: Vec<[f64; 4]> = found.iter().map(|region| region.bounds).collect();
    assert_eq!(boxes.len(), 4, "{boxes:?}");
    assert!(boxes.contains(&large) && small.iter().all(|thing| boxes.contains(thing)), "{boxes:?}");
    let alone = zoom.regions(&cx(), &page(1000, 800), None, Some(1), None).await.unwrap();
    assert_eq!(alone.len(), 1);
    let error = zoom.regions(&cx(), &page(1000, 800), None, Some(9), None).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Tool && error.to_string().contains("`tiles` is 9"), "{error}");
}

#[test]
fn what_is_off_is_made_of_the_tools_that_are_on() {
    let manifest = |name: &str| {
        Manifest::parse(&std::fs::read_to_string(repository("tools").join(format!("{name}.toml"))).unwrap()).unwrap()
    };
    let detector = detector().unwrap();
    let on: SharedTool = Arc::new(Typed::new(detector, &manifest("detect_objects")).unwrap());
    let zoom = ZoomDetect::tool(Arc::clone(&on), &manifest("zoom_detect")).unwrap();
    let (asked, question) = (json!({ "labels": ["unicorn"] }), "How many dogs are there?");
    assert!(!zoom.objections(&asked).is_empty());
    assert_eq!(zoom.objections(&asked), on.objections(&asked));
    assert_eq!(zoom.mentions(question), on.mentions(question));
    assert!(!zoom.mentions(question).is_empty());
    // A detector that says which labels there are.
    let mut spec = on.spec().clone();
    for arg in &mut spec.signature.args {
        if arg.name == "labels" {
            arg.choices = vec!["bolt".to_owned()];
        }
    }
    let chosen = crate::fakes::tool(spec, |_, _| async { Ok(Value::List(Vec::new())) });
    let zoom = ZoomDetect::tool(chosen, &manifest("zoom_detect")).unwrap();
    assert_eq!(zoom.spec().signature.arg("labels").unwrap().choices, ["bolt"]);
}

#[tokio::test]
async fn small_people_are_found_in_a_large_photo() {
    // A photo in the corner of a sheet that is eight times as wide and high: a person is a few pixels wide to a detector.
    let photo = open(&repository("tests/images/gallery.jpg"));
    let (width, height) = (photo.width() / 2, photo.height() / 2);
    let small = imageops::resize(photo.pixels(), width, height, imageops::FilterType::Triangle);
    let photo = Image::from_pixels(small, Frame::ROOT);
    let mut sheet = RgbImage::from_pixel(width * 8, height * 8, Rgb([128; 3]));
    imageops::overlay(&mut sheet, photo.pixels(), 40, 60);
    let sheet = Image::from_pixels(sheet, Frame::ROOT);
    let detector: SharedTool = Arc::new(
        Typed::new(
            detector().unwrap(),
            &Manifest::parse(&std::fs::read_to_string(repository("tools/detect_objects.toml")).unwrap()).unwrap(),
        )
        .unwrap(),
    );
    let of = |value: Value| -> Vec<[f64; 4]> {
        let Value::List(items) = value else { panic!("no list") };
        items.into_iter().map(|v| if let Value::Region(region) = v { region.bounds } else { panic!() }).collect()
    };
    let ask = |image: &Image| {
        Args::from_iter([
            ("image".to_owned(), Value::Image(image.clone())),
            ("labels".to_owned(), Value::List(vec![Value::Text("person".to_owned())])),
            ("min_score".to_owned(), Value::Number(0.35)),
        ])
    };
    let truth: Vec<[f64; 4]> = of(detector.call(&cx(), ask(&photo)).await.unwrap())
        .into_iter()
        .map(|[x1, y1, x2, y2]| [x1 + 40.0, y1 + 60.0, x2 + 40.0, y2 + 60.0])
        .collect();
    let recalled = |found: &[[f64; 4]]| truth.iter().filter(|t| found.iter().any(|f| overlap(**t, *f) > 0.5)).count();
    let plain = of(detector.call(&cx(), ask(&sheet)).await.unwrap());
    let zoom = ZoomDetect::new(detector);
    let found = zoom.regions(&cx(), &sheet, Some(&["person".to_owned()]), Some(3), None).await.unwrap();
    let found: Vec<[f64; 4]> = found.into_iter().map(|region| region.bounds).collect();
    println!(
        "{} there, {} found, {} with zoom ({} boxes)",
        truth.len(),
        recalled(&plain),
        recalled(&found),
        found.len()
    );
    assert!(truth.len() > 1 && recalled(&plain) == 0 && recalled(&found) == truth.len(), "{plain:?} {found:?}");
    assert!(found.len() <= truth.len() + 1, "{found:?} {truth:?}");
}

/// A person whom a border of a piece cuts in two stays one: detectors end their boxes some pixels before a border.
#[tokio::test]
async fn what_a_border_cuts_stays_one_thing() {
    let manifest = Manifest::parse(&std::fs::read_to_string(repository("tools/detect_objects.toml")).unwrap()).unwrap();
    let detector: SharedTool = Arc::new(Typed::new(detector().unwrap(), &manifest).unwrap());
    let photo = open(&repository("tests/images/gallery.jpg"));
    let args = Args::from_iter([("image".to_owned(), Value::Image(photo.clone()))]);
    let Value::List(whole) = detector.call(&cx(), args).await.unwrap() else { panic!("no list") };
    // Those that are more than a hand.
    let is_one =
        |region: &&lavr::value::Region| region.label == "person" && region.bounds[3] - region.bounds[1] > 100.0;
    let people = |found: &[lavr::value::Region]| found.iter().filter(is_one).count();
    let whole: Vec<_> = whole.iter().filter_map(Value::region).cloned().collect();
    let zoomed = ZoomDetect::new(detector).regions(&cx(), &photo, None, None, None).await.unwrap();
    assert_eq!((people(&whole), people(&zoomed)), (3, 3), "{zoomed:?}");
}

/// A reader of these lines that reads only what is large enough in its input, and of a cut line what it sees.
fn short_sighted_reader(lines: Vec<(&'static str, [f64; 4])>) -> SharedTool {
    quick("read_text", &["image: Image"], "List<Line>", move |args| {
        let image = args.image("image")?;
        let found = lines.iter().filter_map(|(text, bounds)| {
            let part = seen(image, *bounds, 3.0)?;
            let share = |at: f64| ((at - bounds[0]) / (bounds[2] - bounds[0]) * text.len() as f64).round() as usize;
            let [left, top, right, bottom] = part;
            let polygon = [[left, top], [right, top], [right, bottom], [left, bottom]];
            let text = text[share(left)..share(right)].to_owned();
            Some(Value::Line(Line { text, score: 0.9, polygon }))
        });
        Ok(Value::List(found.collect()))
    })
}

#[tokio::test]
async fn lines_are_taken_from_where_they_are_whole() {
    let lines = vec![
        ("A HEADING THAT CROSSES ALL PIECES", [100.0, 40.0, 900.0, 80.0]),
        ("small left", [50.0, 200.0, 150.0, 212.0]),
        ("small across", [480.0, 300.0, 600.0, 312.0]),
        ("small right", [850.0, 500.0, 950.0, 512.0]),
    ];
    let wanted: Vec<&str> = lines.iter().map(|(text, _)| *text).collect();
    let small = ReadSmallText::new(short_sighted_reader(lines.clone()));
    let found = small.lines(&cx(), &page(1000, 800), None).await.unwrap();
    assert_eq!(found.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), wanted);
    for (line, (_, bounds)) in found.iter().zip(&lines) {
        assert_eq!(line.bounds(), *bounds);
    }
    assert!(small.lines(&cx(), &page(1, 1), None).await.unwrap().is_empty());
    assert!(small.lines(&cx(), &page(9, 9), Some(0)).await.is_err());
}

#[tokio::test]
async fn print_too_small_for_the_reader_is_read() {
    let tool: SharedTool = described("read_text").tool;
    // A menu, a third as large, on a poster that a reader shrinks to half of its size.
    let menu = open(&repository("tests/images/menu.jpg"));
    let small = imageops::resize(menu.pixels(), menu.width() / 3, menu.height() / 3, imageops::FilterType::Triangle);
    let mut poster = RgbImage::from_pixel(4000, 4000, Rgb([230; 3]));
    imageops::overlay(&mut poster, &small, 1500, 300);
    let page = Image::from_pixels(poster, Frame::ROOT);
    let read = async |tool: &SharedTool, image: &Image| -> Vec<Line> {
        let Value::List(lines) =
            tool.call(&cx(), Args::from_iter([("image".to_owned(), Value::Image(image.clone()))])).await.unwrap()
        else {
            panic!()
        };
        lines.into_iter().map(|v| if let Value::Line(line) = v { line } else { panic!() }).collect()
    };
    let truth: Vec<String> = read(&tool, &menu).await.into_iter().map(|line| line.text).collect();
    let right = |lines: &[Line]| truth.iter().filter(|text| lines.iter().any(|line| line.text == **text)).count();
    let plain = read(&tool, &page).await;
    let small = ReadSmallText::new(tool).lines(&cx(), &page, Some(3)).await.unwrap();
    println!("{} lines, {} read, {} with pieces of {}", truth.len(), right(&plain), right(&small), small.len());
    assert!(right(&plain) < 2 && right(&small) + 1 >= truth.len(), "{plain:?} {small:?}");
    assert!(small.len() <= truth.len() + 2, "{small:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn things_apart_from_each_other_are_found_once_each(
        places in proptest::collection::btree_set((0_u32..10, 0_u32..8), 1..12), size in 20.0..60.0_f64, tiles in 1_u32..5,
    ) {
        let things: Vec<[f64; 4]> = places
            .iter()
            .map(|(x, y)| (f64::from(*x) * 100.0 + 10.0, f64::from(*y) * 100.0 + 10.0))
            .map(|(x, y)| [x, y, x + size, y + size])
            .collect();
        let zoom = ZoomDetect::new(short_sighted(things.clone(), Arc::default()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let found = runtime.block_on(zoom.regions(&cx(), &page(1000, 800), None, Some(tiles), None)).unwrap();
        for region in &found {
            prop_assert!(things.iter().any(|thing| overlap(*thing, region.bounds) > 0.5), "{:?}", region);
        }
        prop_assert!(found.len() <= things.len());
        if tiles > 1 && size > 36.0 {
            prop_assert_eq!(found.len(), things.len());
        }
    }
}
