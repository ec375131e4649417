//! `describe_scene`: other tools' results in sentences, and how much of a photo they name.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lavr::budget::Budget;
use lavr::cx::Cx;
use lavr::error::{Error, ErrorKind, Result};
use lavr::image::{Frame, Image};
use lavr::tool::describe_scene::Sentence;
use lavr::tool::{Catalog, DescribeScene, Manifest, SharedTool, ToolKind, Typed, TypedTool as _, builtin};
use lavr::value::{Label, Line, Region, Value};
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use crate::experts::{cx, described, detector, evaluation, image, repository};
use crate::fakes::{quick, signature, spec, tool};

/// A picture of 300 x 200 pixels in one colour.
fn plain(color: [u8; 3]) -> Image {
    Image::from_pixels(image::RgbImage::from_pixel(300, 200, image::Rgb(color)), Frame::ROOT)
}

fn thing(label: &str, score: f64, bounds: [f64; 4]) -> Value {
    Value::Region(Region { label: label.to_owned(), score, bounds })
}

fn read(text: &str) -> Value {
    let polygon = [[0.0, 0.0], [40.0, 0.0], [40.0, 10.0], [0.0, 10.0]];
    Value::Line(Line { text: text.to_owned(), score: 0.9, polygon })
}

fn returns(name: &str, value: Value, of: &str) -> SharedTool {
    quick(name, &["image: Image"], of, move |_| Ok(value.clone()))
}

fn scene(things: &[Value], lines: &[Value]) -> DescribeScene {
    let things = returns("detect_objects", Value::List(things.to_vec()), "List<Region>");
    let lines = returns("read_text", Value::List(lines.to_vec()), "List<Line>");
    DescribeScene::new(things, lines, Vec::new())
}

async fn said(things: &[Value], lines: &[Value], color: [u8; 3]) -> Vec<String> {
    let sentences = scene(things, lines).describe(&cx(), &plain(color)).await.unwrap();
    sentences.into_iter().map(|s| s.text).collect()
}

const GREEN: [u8; 3] = [30, 160, 40];

#[tokio::test]
async fn things_are_counted_and_placed() {
    let at = |x: f64| [x, 50.0, x + 20.0, 90.0];
    let things = [
        thing("person", 0.9, at(10.0)),
        thing("person", 0.8, at(140.0)),
        thing("person", 0.8, at(150.0)),
        thing("dog", 0.7, [260.0, 60.0, 280.0, 75.0]),
        thing("skis", 0.5, [260.0, 60.0, 270.0, 75.0]),
        thing("vase", 0.3, [0.0, 0.0, 9.0, 9.0]),
        thing("dog", 0.3, [0.0, 0.0, 9.0, 9.0]),
    ];
    assert_eq!(
        said(&things, &[], GREEN).await,
        [
            "There are 3 people, 1 on the left and 2 in the middle.",
            "There is a dog on the right.",
            "There are skis on the right.",
            "Perhaps it also shows a vase.",
            "No text was found.",
            "The main colour is green.",
        ]
    );
}

#[tokio::test]
async fn one_large_thing_many_kinds_and_many_of_a_kind() {
    let large = [thing("elephant", 0.9, [10.0, 10.0, 290.0, 190.0])];
    assert_eq!(said(&large, &[], GREEN).await[0], "An elephant takes up most of the picture.");
    let glasses: Vec<Value> = (0..9).map(|n| thing("wine glass", 0.5, [30.0 * f64::from(n), 0.0, 30.0, 9.0])).collect();
    assert_eq!(said(&glasses, &[], GREEN).await[0], "There are 9 wine glasses.");
    let kinds = ["cup", "knife", "bowl", "orange", "bus", "sheep", "mouse", "couch"];
    let one_each: Vec<Value> =
        (0_u32..).zip(kinds).map(|(n, k)| thing(k, 0.5, [0.0, 0.0, 30.0 - f64::from(n), 9.0])).collect();
    assert_eq!(said(&one_each, &[], GREEN).await[6], "It also shows a mouse and a couch.");
}

#[tokio::test]
async fn text_is_quoted_and_light_is_told() {
    let few = [read("OPEN"), read("say \"no\"")];
    assert_eq!(
        said(&[], &few, [250, 250, 250]).await,
        [
            "No objects that can be recognised were found.",
            "It reads \"OPEN\" and \"say 'no'\".",
            "The main colour is white.",
            "The picture is bright.",
        ]
    );
    let many: Vec<Value> = (0..12).map(|n| read(&format!("line {n}"))).collect();
    let described = said(&[], &many, [5, 5, 5]).await;
    assert_eq!(described[1], "There are 12 lines of text, beginning with \"line 0\", \"line 1\" and \"line 2\".");
    assert_eq!(described.last().unwrap(), "The picture is dark.");
}

#[tokio::test]
async fn each_sentence_carries_what_it_rests_on() {
    let things = [thing("cat", 0.9, [0.0, 0.0, 20.0, 20.0]), thing("vase", 0.3, [30.0, 0.0, 40.0, 20.0])];
    let manifest = Manifest::parse(include_str!("../../tools/describe_scene.toml")).unwrap();
    let scene: SharedTool = Arc::new(Typed::new(scene(&things, &[read("EXIT")]), &manifest).unwrap());
    let args = [("image".to_owned(), Value::Image(plain(GREEN)))].into_iter().collect();
    let value = scene.call(&cx(), args).await.unwrap();
    let sentences: Vec<Sentence> = serde_json::from_value(value.to_json()["sentences"].clone()).unwrap();
    let labels: Vec<Vec<&str>> =
        sentences.iter().map(|s| s.regions.iter().map(|r| r.label.as_str()).collect()).collect();
    assert_eq!(labels[..3], [vec!["cat"], vec!["vase"], vec![]]);
    assert_eq!(sentences[2].lines[0].text, "EXIT");
    // What an answer rests on can be drawn.
    let placed = lavr::agent::placed(&value);
    let names: Vec<&str> = placed.iter().map(lavr::tool::Item::name).collect();
    assert_eq!(names, ["cat", "vase", "EXIT"]);
}

#[tokio::test]
async fn further_tools_of_a_catalog_speak_too() {
    let mut spoken = spec("caption", signature(&["image: Image"], "Text", None));
    spoken.kind = ToolKind::Expert;
    let caption = tool(spoken.clone(), |_, _| async { Ok(Value::Text("A cat sleeps.".to_owned())) });
    spoken.name = "scene_type".to_owned();
    spoken.signature = signature(&["image: Image", "top?: Number"], "Labels", None);
    let label = Label { label: "kitchen".to_owned(), score: 0.8 };
    let kind = tool(spoken.clone(), move |_, _| {
        let label = label.clone();
        async move { Ok(Value::Labels(vec![label])) }
    });
    spoken.name = "broken".to_owned();
    let broken = tool(spoken, |_, _| async { Err(Error::new(ErrorKind::Model, "it broke")) });
    let mut catalog = crate::fakes::catalog([
        returns("detect_objects", Value::List(Vec::new()), "List<Region>"),
        returns("read_text", Value::List(Vec::new()), "List<Line>"),
        // An operation, and an expert that needs more than an image, are not asked.
        returns("tint", Value::Labels(vec![Label { label: "sepia".to_owned(), score: 1.0 }]), "Labels"),
        caption,
        kind,
        broken,
    ]);
    catalog.add(builtin::describe_scene(&catalog).unwrap()).unwrap();
    catalog.replace(builtin::describe_scene(&catalog).unwrap()).unwrap();
    let args = [("image".to_owned(), Value::Image(plain(GREEN)))].into_iter().collect();
    let described = catalog.get("describe_scene").unwrap().call(&cx(), args).await.unwrap().to_json();
    let texts: Vec<&str> =
        described["sentences"].as_array().unwrap().iter().map(|s| s["text"].as_str().unwrap()).collect();
    assert_eq!(texts[..2], ["A cat sleeps.", "scene type: kitchen."]);
    assert!(!texts.iter().any(|t| t.contains("sepia")), "{texts:?}");
    assert_eq!(builtin::describe_scene(&Catalog::new()).err().map(|e| e.kind()), Some(ErrorKind::NotFound));
}

fn slow(name: &str, returns: &str) -> SharedTool {
    tool(spec(name, signature(&["image: Image"], returns, None)), |_, _| async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        Ok(Value::List(Vec::new()))
    })
}

#[tokio::test]
async fn parts_run_at_the_same_time_and_a_cancelled_run_ends_at_once() {
    let scene =
        || DescribeScene::new(slow("detect_objects", "List<Region>"), slow("read_text", "List<Line>"), Vec::new());
    let began = Instant::now();
    scene().describe(&cx(), &plain(GREEN)).await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(550), "{:?}", began.elapsed());
    let cancel = CancellationToken::new();
    let cx = Cx::with(Budget::default(), cancel.clone(), Vec::new());
    let began = Instant::now();
    let (result, ()) = tokio::join!(async { scene().describe(&cx, &plain(GREEN)).await }, async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        cancel.cancel();
    });
    assert_eq!(result.err().map(|e| e.kind()), Some(ErrorKind::Cancelled));
    assert!(began.elapsed() < Duration::from_millis(250), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_further_tool_that_hangs_panics_or_breaks_its_promise_is_left_out() {
    let mut spoken = spec("caption", signature(&["image: Image"], "Text", None));
    spoken.timeout = Duration::from_millis(20);
    let hangs = tool(spoken.clone(), |_, _| std::future::pending());
    let panics = tool(spoken.clone(), |_, _| async { panic!("lost my mind") });
    let lies = tool(spoken.clone(), |_, _| async { Ok(Value::Number(3.0)) });
    let speaks = tool(spoken, |_, _| async { Ok(Value::Text("A cat sleeps.".to_owned())) });
    let nothing = |name, of| returns(name, Value::List(Vec::new()), of);
    let further = vec![hangs, panics, lies, speaks];
    let scene = DescribeScene::new(nothing("d", "List<Region>"), nothing("r", "List<Line>"), further);
    let texts: Vec<String> = scene.describe(&cx(), &plain(GREEN)).await.unwrap().into_iter().map(|s| s.text).collect();
    let expected = ["A cat sleeps.", "No objects that can be recognised were found.", "No text was found."];
    assert_eq!(texts[..3], expected);
}

/// A further tool that panics while it loads.
struct Unloadable(lavr::tool::ToolSpec);

#[async_trait::async_trait]
impl lavr::tool::Tool for Unloadable {
    fn spec(&self) -> &lavr::tool::ToolSpec {
        &self.0
    }

    async fn call(&self, _cx: &Cx, _args: lavr::tool::Args) -> Result<Value> {
        Ok(Value::Text("It loaded.".to_owned()))
    }

    async fn prepare(&self, _cx: &Cx) -> Result<()> {
        panic!("no such file")
    }
}

#[tokio::test]
async fn a_further_tool_that_cannot_load_does_not_hold_up_the_others() {
    let further: SharedTool = Arc::new(Unloadable(spec("caption", signature(&["image: Image"], "Text", None))));
    let nothing = |name, of| returns(name, Value::List(Vec::new()), of);
    let scene = DescribeScene::new(nothing("d", "List<Region>"), nothing("r", "List<Line>"), vec![further]);
    scene.prepare(&cx()).await.unwrap();
}

#[tokio::test]
async fn a_part_that_panics_is_an_error_of_the_part() {
    let spec = spec("detect_objects", signature(&["image: Image"], "List<Region>", None));
    let panics = tool(spec, |_, _| async { panic!("lost my mind") });
    let reader = returns("read_text", Value::List(Vec::new()), "List<Line>");
    let error = DescribeScene::new(panics, reader, Vec::new()).describe(&cx(), &plain(GREEN)).await.unwrap_err();
    assert!(error.to_string().contains("`detect_objects` panicked"), "{error}");
}

#[tokio::test]
async fn a_detector_that_fails_is_an_error() {
    let failing =
        quick("detect_objects", &["image: Image"], "List<Region>", |_| Err(Error::new(ErrorKind::Model, "it broke")));
    let reader = returns("read_text", Value::List(Vec::new()), "List<Line>");
    let result: Result<_> = DescribeScene::new(failing, reader, Vec::new()).describe(&cx(), &plain(GREEN)).await;
    assert_eq!(result.err().map(|e| e.kind()), Some(ErrorKind::Model));
}

/// `describe_scene` as it is built in.
fn real() -> Option<DescribeScene> {
    let detect = Manifest::parse(include_str!("../../tools/detect_objects.toml")).unwrap();
    Some(DescribeScene::new(
        Arc::new(Typed::new(detector()?, &detect).unwrap()),
        described("read_text").tool,
        Vec::new(),
    ))
}

/// Of the kinds of things that a photo's captions mention, and of those that are there, how many are named;
/// and of what is named how much is there.
#[tokio::test]
async fn photos_are_described_with_the_things_that_captions_mention() {
    let (Some(scene), Some(detector), Some(photos)) = (real(), detector(), evaluation("photos")) else {
        return println!("skipped: LAVR_HOME has no ONNX Runtime or LAVR_EVAL_DATA no photos");
    };
    let coco = std::fs::read_to_string(repository("src/tool/detect/coco80.txt")).unwrap();
    let classes = |text: &str| -> BTreeSet<String> {
        let mentions = detector.mentions(text).into_iter().map(|m| m.name);
        mentions.filter(|name| coco.lines().any(|class| class.trim() == name)).collect()
    };
    let (mut captions, mut truths, mut sure, mut perhaps) = ([0; 2], [0; 2], [0; 2], [0; 2]);
    for row in crate::real::json_lines(&photos.join("questions.jsonl")) {
        let described = scene.describe(&cx(), &image(&photos.join(row["image"].as_str().unwrap()))).await.unwrap();
        let named = |hedged: bool| -> BTreeSet<String> {
            let about_things = described.iter().filter(|s| !s.regions.is_empty());
            about_things.filter(|s| s.text.starts_with("Perhaps") == hedged).flat_map(|s| classes(&s.text)).collect()
        };
        let references = row["references"].as_array().into_iter().flatten().filter_map(Json::as_str);
        let mentioned: BTreeSet<String> = references.flat_map(&classes).collect();
        let there: BTreeSet<String> = row["object_counts"].as_object().unwrap().keys().cloned().collect();
        let (certain, hedged) = (named(false), named(true));
        let all: BTreeSet<String> = certain.union(&hedged).cloned().collect();
        let add = |sum: &mut [usize; 2], part: usize, of: usize| {
            sum[0] += part;
            sum[1] += of;
        };
        let right =
            |set: &BTreeSet<String>| set.iter().filter(|c| there.contains(*c) || mentioned.contains(*c)).count();
        add(&mut captions, mentioned.intersection(&all).count(), mentioned.len());
        add(&mut truths, there.intersection(&all).count(), there.len());
        add(&mut sure, right(&certain), certain.len());
        add(&mut perhaps, right(&hedged), hedged.len());
    }
    let percent = |[part, of]: [usize; 2]| 100.0 * part as f64 / of.max(1) as f64;
    println!("named of what captions mention: {captions:?} = {:.0} %", percent(captions));
    println!("named of what is there: {truths:?} = {:.0} %", percent(truths));
    println!(
        "there of what is named: {sure:?} = {:.0} %, with \"perhaps\": {perhaps:?} = {:.0} %",
        percent(sure),
        percent(perhaps)
    );
    assert!(percent(captions) >= 60.0 && percent(sure) >= 75.0);
}

#[tokio::test]
async fn pictures_of_the_repository_are_described() {
    let Some(scene) = real() else { return println!("skipped: LAVR_HOME has no ONNX Runtime") };
    for (picture, parts) in [
        ("gallery.jpg", vec!["There are 3 people", "It reads \"OPEN DAILY 9-17\"."]),
        ("nothing.png", vec!["No objects that can be recognised were found.", "No text was found."]),
        ("receipt.png", vec!["lines of text, beginning with", "The picture is bright."]),
    ] {
        let sentences = scene.describe(&cx(), &image(&repository("tests/images").join(picture))).await.unwrap();
        let text = sentences.iter().map(|s| s.text.as_str()).collect::<Vec<_>>().join(" ");
        println!("{picture}: {text}");
        for part in parts {
            assert!(text.contains(part), "{picture}: {text}");
        }
    }
}
