//! `detect_objects` finds what NanoDet in single precision finds in Python; the references are in `tests/reference/detect`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lavr::error::ErrorKind;
use lavr::image::{Frame, Image};
use lavr::runner::ModelFacts;
use lavr::tool::{DetectObjects, TypedTool as _};
use lavr::value::Region;
use proptest::prelude::*;
use serde_json::Value as Json;

use crate::added::stated::{Stated, floats};
use crate::experts::{cx, detector, evaluation, files, image, json, overlap, repository};

async fn find(detector: &DetectObjects, picture: &str, labels: &[&str]) -> Vec<Region> {
    let labels: Vec<String> = labels.iter().map(|l| (*l).to_owned()).collect();
    let image = image(&repository("tests/images").join(picture));
    detector.regions(&cx(), &image, &labels, 0.35).await.expect("the picture is searched")
}

fn regions(list: &Json, width: f64, height: f64) -> Vec<Region> {
    let mut regions: Vec<Region> = serde_json::from_value(list.clone()).expect("regions");
    for region in &mut regions {
        let [x1, y1, x2, y2] = region.bounds;
        let (x, y) = (|v: f64| v.clamp(0.0, width), |v: f64| v.clamp(0.0, height));
        region.bounds = [x(x1), y(y1), x(x2), y(y2)];
    }
    regions
}

/// Whether a score is so near to the threshold that half precision may move it across.
fn at_threshold(region: &Region) -> bool {
    (0.34..=0.36).contains(&region.score)
}

fn same(a: &Region, b: &Region) -> bool {
    a.label == b.label && (a.score - b.score).abs() <= 0.01 && overlap(a.bounds, b.bounds) >= 0.95
}

#[tokio::test]
async fn photos_show_what_the_reference_finds() {
    let (Some(detector), Some(photos)) = (detector(), evaluation("photos")) else {
        return println!("skipped: LAVR_HOME has no ONNX Runtime or LAVR_EVAL_DATA no photos");
    };
    let objects = objects(&photos.join("questions.jsonl"));
    let mut counts = [0usize; 3];
    let mut reference_counts = [0usize; 3];
    for path in files(&photos.join("images"), &["jpg", "png"]) {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let record = json(&repository("tests/reference/detect").join(format!("{stem}.json")));
        let image = image(&path);
        let size = (f64::from(image.width()), f64::from(image.height()));
        let found = detector.regions(&cx(), &image, &[], 0.35).await.expect("the photo is searched");
        let reference = regions(&record["at_035"], size.0, size.1);
        let nearly = regions(&record["at_034"], size.0, size.1);
        for region in &found {
            assert!(
                reference.iter().chain(&nearly).any(|r| same(r, region)) || at_threshold(region),
                "{stem}: {region:?}"
            );
        }
        for region in &reference {
            assert!(found.iter().any(|f| same(f, region)) || at_threshold(region), "{stem} lacks {region:?}");
        }
        let there = objects.get(&format!("images/{stem}.jpg")).expect("the photo has labels");
        add(&mut counts, count(&found, there, size));
        add(&mut reference_counts, count(&reference, there, size));
    }
    println!("F1@0.5: {:.4}, reference {:.4}", f1(counts), f1(reference_counts));
    assert!((f1(counts) - f1(reference_counts)).abs() < 0.01);
    assert!(f1(counts) > 0.53);
}

/// The labelled objects of every photo: label and centre, width and height as shares of the photo.
fn objects(questions: &std::path::Path) -> BTreeMap<String, Vec<(String, [f64; 4])>> {
    let text = std::fs::read_to_string(questions).expect("the questions open");
    let mut photos = BTreeMap::new();
    for row in text.lines().map(|l| serde_json::from_str::<Json>(l).expect("a row is JSON")) {
        let objects = row["objects"].as_array().cloned().unwrap_or_default();
        let objects = objects.iter().map(|o| {
            let bounds: [f64; 4] = serde_json::from_value(o["cxcywh"].clone()).expect("a box");
            (o["label"].as_str().unwrap_or_default().to_owned(), bounds)
        });
        photos.entry(row["image"].as_str().unwrap_or_default().to_owned()).or_insert(objects.collect());
    }
    photos
}

/// True positives, false positives, false negatives.
fn count(found: &[Region], there: &[(String, [f64; 4])], (width, height): (f64, f64)) -> [usize; 3] {
    let mut free: Vec<(String, [f64; 4])> = there
        .iter()
        .map(|(label, [x, y, w, h])| {
            let corners =
                [(x - w / 2.0) * width, (y - h / 2.0) * height, (x + w / 2.0) * width, (y + h / 2.0) * height];
            (label.clone(), corners)
        })
        .collect();
    let mut hits = 0;
    for region in found {
        let fit = |o: &(String, [f64; 4])| if o.0 == region.label { overlap(o.1, region.bounds) } else { 0.0 };
        let best = (0..free.len()).max_by(|a, b| fit(&free[*a]).total_cmp(&fit(&free[*b])));
        if let Some(best) = best.filter(|b| fit(&free[*b]) >= 0.5) {
            free.remove(best);
            hits += 1;
        }
    }
    [hits, found.len() - hits, free.len()]
}

fn add(sum: &mut [usize; 3], counts: [usize; 3]) {
    for (sum, count) in sum.iter_mut().zip(counts) {
        *sum += count;
    }
}

fn f1([hits, wrong, missed]: [usize; 3]) -> f64 {
    2.0 * hits as f64 / (2 * hits + wrong + missed).max(1) as f64
}

#[tokio::test]
async fn everyday_words_mean_the_detectors_classes() {
    let Some(detector) = detector() else { return println!("skipped: LAVR_HOME has no ONNX Runtime") };
    let all = find(&detector, "gallery.jpg", &[]).await;
    let people = all.iter().filter(|r| r.label == "person").count();
    assert!(people > 0, "{all:?}");
    for word in ["person", "people", "Women", "the men", "CHILDREN", "human-beings"] {
        let found = find(&detector, "gallery.jpg", &[word]).await;
        assert_eq!(found.len(), people, "{word}");
        assert!(found.iter().all(|r| r.label == "person"));
    }
    assert!(find(&detector, "gallery.jpg", &["vehicles", "sofa", "bikes", "knives", "fruit"]).await.is_empty());
    let scores: Vec<f64> = all.iter().map(|r| r.score).collect();
    assert!(scores.windows(2).all(|w| w[0] >= w[1]));
}

#[tokio::test]
async fn an_unknown_label_suggests_near_ones() {
    let Some(detector) = detector() else { return println!("skipped: LAVR_HOME has no ONNX Runtime") };
    let image = image(&repository("tests/images/coffee.jpg"));
    let error = |label: &'static str| {
        let (detector, image) = (&detector, &image);
        async move { detector.regions(&cx(), image, &[label.to_owned()], 0.35).await.expect_err("unknown") }
    };
    let near = error("girafe").await;
    assert_eq!(near.kind(), ErrorKind::Tool);
    assert!(near.to_string().contains("80 COCO classes") && near.to_string().contains("`giraffe`"), "{near}");
    let far = error("quasar").await;
    assert!(far.to_string().contains("ask for people, vehicles"), "{far}");
}

#[tokio::test]
async fn a_score_that_is_none_is_refused() {
    let Some(detector) = detector() else { return println!("skipped: LAVR_HOME has no ONNX Runtime") };
    let image = image(&repository("tests/images/coffee.jpg"));
    for score in [-0.1, 1.5, f64::NAN] {
        assert!(detector.regions(&cx(), &image, &[], score).await.is_err());
    }
}

#[tokio::test]
async fn pictures_of_any_proportions_are_searched() {
    let Some(detector) = detector() else { return println!("skipped: LAVR_HOME has no ONNX Runtime") };
    for (width, height) in [(1, 1), (1, 5_000), (5_000, 1), (31, 33), (3_000, 200)] {
        let image = Image::from_pixels(image::RgbImage::new(width, height), Frame::ROOT);
        let plain = detector.regions(&cx(), &image, &[], 0.01).await.expect("it is searched");
        let asked = detector.asked(&cx(), &image, &["dog".to_owned()]).await.expect("it is searched");
        for Region { bounds: [left, top, right, bottom], .. } in plain.iter().chain(&asked) {
            let inside = 0.0 <= *left && left <= right && *right <= f64::from(width);
            assert!(inside && 0.0 <= *top && top <= bottom && *bottom <= f64::from(height), "{width} x {height}");
        }
    }
}

#[tokio::test]
async fn what_is_asked_for_by_name_is_looked_for_longer_and_less_strictly() {
    let (Some(detector), Some(photos)) = (detector(), evaluation("photos")) else {
        return println!("skipped: LAVR_HOME has no ONNX Runtime or LAVR_EVAL_DATA no photos");
    };
    let objects = objects(&photos.join("questions.jsonl"));
    let all: BTreeSet<&String> = objects.values().flatten().map(|(label, _)| label).collect();
    let (mut told, mut labels) = (0.0, 0.0);
    // Of one strict look, and of all four less strict ones: how often it is right whether there is one, and how many there are.
    let mut right = [[0.0; 2]; 2];
    for path in files(&photos.join("images"), &["jpg", "png"]) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some((_, things)) = objects.iter().find(|(image, _)| image.ends_with(&name)) else { continue };
        let image = image(&path);
        let count = |label: &str| things.iter().filter(|(other, _)| other == label).count();
        let present: BTreeSet<&String> = things.iter().map(|(label, _)| label).collect();
        // As many that are not there, spread over all.
        let absent: Vec<&String> = all.iter().copied().filter(|label| !present.contains(label)).collect();
        let every = absent.len() / present.len().max(1);
        let absent = absent.into_iter().step_by(every.max(1)).take(present.len());
        for label in present.iter().copied().chain(absent) {
            let found =
                detector.asked(&cx(), &image, std::slice::from_ref(label)).await.expect("the photo is searched");
            assert!(found.iter().all(|region| region.label == *label));
            assert!(found.windows(2).all(|pair| pair[0].score >= pair[1].score));
            let strict =
                detector.regions(&cx(), &image, std::slice::from_ref(label), 0.35).await.expect("it is searched again");
            told += 1.0;
            labels += f64::from(count(label) > 0);
            for (right, found) in right.iter_mut().zip([&strict, &found]) {
                right[0] += f64::from(found.is_empty() == (count(label) == 0));
                right[1] += f64::from(count(label) > 0 && found.len() == count(label));
            }
        }
    }
    let [strict, asked] = right.map(|[whether, number]| [whether / told, number / labels]);
    println!("right whether and how many, of {told} and {labels} labels: {strict:.3?} strictly, {asked:.3?} asked for");
    assert!(asked[0] >= 0.87 && asked[1] >= 0.62, "{asked:?}");
    assert!(asked[0] > strict[0] && asked[1] > strict[1] + 0.1, "{strict:?} {asked:?}");
}

/// A detector whose model finds one thing of each class, the first class surest.
fn of_everything() -> (DetectObjects, Arc<Stated>) {
    let model = Stated::new(ModelFacts::default(), |input| {
        let [_, _, height, width] = *input.shape() else { panic!("{input:?}") };
        let of_stride = |stride: usize| {
            let cells = (height / stride) * (width / stride);
            let score = |n: usize| match (n / 80, n % 80) {
                (cell, class) if stride == 8 && cell == class => 0.9 - class as f32 * 0.005,
                _ => 0.0,
            };
            let scores = floats(&[1, cells, 80], (0..cells * 80).map(score).collect());
            [("scores".to_owned(), scores), ("sides".to_owned(), floats(&[1, cells, 44], vec![0.0; cells * 44]))]
        };
        [8, 16, 32].into_iter().flat_map(of_stride).collect()
    });
    let model = Arc::new(model);
    (DetectObjects::new(model.clone()).unwrap(), model)
}

/// The classes that a word means, in their order; none when it means none.
async fn meant(detector: &DetectObjects, words: &[&str]) -> Vec<String> {
    let image = Image::from_pixels(image::RgbImage::new(416, 416), Frame::ROOT);
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let found = detector.regions(&cx(), &image, &words, 0.35).await.unwrap_or_default();
    found.into_iter().map(|region| region.label).collect()
}

#[tokio::test]
async fn a_word_means_one_class_or_a_group_of_them() {
    let (detector, _) = of_everything();
    for (word, class) in [
        ("people", "person"),
        ("Snowmen", ""),
        ("policemen", ""),
        ("the sofas", "couch"),
        ("BIKES", "bicycle"),
        ("televisions", "tv"),
        ("cell-phones", "cell phone"),
        ("knives", "knife"),
        ("mice", "mouse"),
        ("glasses of wine", ""),
        ("wine glasses", "wine glass"),
        ("puppies", "dog"),
        ("buses", "bus"),
        ("benches", "bench"),
        ("skis", "skis"),
        ("a pair of scissors", "scissors"),
        ("motorbike", "motorcycle"),
        ("planes", "airplane"),
        ("teddy_bear", "teddy bear"),
    ] {
        let classes = meant(&detector, &[word]).await;
        assert_eq!(classes.first().map_or("", String::as_str), class, "{word}: {classes:?}");
        assert!(classes.len() <= 1, "{word}: {classes:?}");
    }
    assert!(meant(&detector, &["vehicles"]).await.contains(&"truck".to_owned()));
    assert_eq!(meant(&detector, &["fruits"]).await, ["banana", "apple", "orange"]);
}

#[tokio::test]
async fn every_class_means_itself() {
    let (detector, _) = of_everything();
    let all = meant(&detector, &[]).await;
    assert_eq!(all.len(), 80);
    for class in &all {
        assert_eq!(meant(&detector, &[class.as_str()]).await, [class.as_str()]);
    }
}

#[test]
fn mentions_are_found_in_questions() {
    let (detector, _) = of_everything();
    let names = |question: &str| detector.mentions(question).into_iter().map(|m| m.name).collect::<Vec<_>>();
    assert_eq!(names("How many ppl and cell-phones are on the sofa?"), ["person", "cell phone", "couch"]);
    assert_eq!(names("What is the phone number?"), [""; 0]);
    assert_eq!(names("Are there wine glasses, or any fruit?"), ["wine glass", "fruit"]);
    assert_eq!(names("Wie viele Ä?"), [""; 0]);
    let question = "two Dogs here";
    assert_eq!(detector.mentions(question).first().map(|m| &question[m.range.clone()]), Some("Dogs"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_model_gets_about_as_many_pixels_as_it_should(width in 1..5_000u32, height in 1..5_000u32) {
        let (detector, model) = of_everything();
        let image = Image::from_pixels(image::RgbImage::new(width, height), Frame::ROOT);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(detector.regions(&cx(), &image, &[], 0.35)).unwrap();
        let shape = model.shapes.lock().unwrap().pop().unwrap();
        let (w, h) = (shape[3], shape[2]);
        prop_assert!(w % 32 == 0 && h % 32 == 0);
        prop_assert!((w * h) as f64 <= 1.5 * 416.0 * 416.0, "{w} x {h}");
        prop_assert!((width > height) == (w > h) || w == h);
    }
}
