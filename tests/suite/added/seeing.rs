//! Heads whose results are outlines, joints and depth.

use lavr::tool::color_of::mask_colors;
use lavr::tool::model::Look;
use lavr::value::{Mask, Point, Value};

use super::{floats, look, picture, reference};

fn masks(value: &Value) -> Vec<&Mask> {
    let Value::List(items) = value else { panic!("{value:?}") };
    items.iter().map(|item| if let Value::Mask(mask) = item { mask } else { panic!("{item:?}") }).collect()
}

/// How sure it is that the middle of each pixel of the picture is the thing, row by row.
fn spread(mask: &Mask) -> Vec<f64> {
    let (width, height) = (picture().width(), picture().height());
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (f64::from(x) + 0.5, f64::from(y) + 0.5)));
    places.map(|(x, y)| mask.at(x, y)).collect()
}

#[tokio::test]
async fn a_subject_is_cut_out_as_rembg_does() {
    let head = "[head]\ntype = \"segmenter\"\nfamily = \"salient\"\n";
    let look = look("u2net.onnx", head, &[]).await.unwrap();
    let found = masks(&look.value);
    let (mask, wanted) = (found[0], floats(&reference()["segmenters"]["salient"]));
    assert_eq!((found.len(), mask.region.label.as_str()), (1, "subject"));
    for (got, want) in spread(mask).iter().zip(&wanted) {
        // What is less than half sure, outside the box around the rest, is no part of it.
        let want = want / 255.0;
        assert!((got - want).abs() < 1e-9 || (*got == 0.0 && want < 0.5), "{got} and {want}");
    }
    assert!(wanted.iter().filter(|w| **w >= 128.0).count() > 20);
    let named = look_named().await;
    assert_eq!(masks(&named)[0].region.label, "cup");
}

async fn look_named() -> Value {
    let head = "[head]\ntype = \"segmenter\"\nfamily = \"salient\"\n[labels]\nnames = [\"cup\"]\n";
    look("u2net.onnx", head, &[]).await.unwrap().value
}

#[tokio::test]
async fn things_in_boxes_have_the_outlines_of_ultralytics() {
    let head = "[head]\ntype = \"segmenter\"\nfamily = \"yolov8_seg\"\n[labels]\nmetadata = \"names\"\n";
    let all = look("yolov8_seg.onnx", head, &[]).await.unwrap().value;
    let (found, reference) = (masks(&all), reference());
    let wanted = reference["segmenters"]["masks"].as_array().unwrap();
    assert_eq!(found.len(), wanted.len(), "{found:?}");
    for (mask, wanted) in found.iter().zip(wanted) {
        assert_eq!(mask.region.label, ["cat", "dog", "zebra"][wanted["class"].as_u64().unwrap() as usize]);
        assert!((mask.region.score - wanted["score"].as_f64().unwrap()).abs() < 1e-5);
        assert_eq!(spread(mask), floats(&wanted["mask"]), "{:?}", mask.region);
    }
    let zebra = Value::List(vec![Value::Text("zebra".to_owned())]);
    let zebras = look("yolov8_seg.onnx", head, &[("labels", zebra)]).await.unwrap().value;
    assert_eq!(masks(&zebras).iter().map(|mask| mask.region.label.as_str()).collect::<Vec<_>>(), ["zebra"]);
    let least = look("yolov8_seg.onnx", head, &[("min_score", Value::Number(0.85))]).await.unwrap().value;
    assert_eq!(masks(&least).len(), 1);
}

/// The colours of a thing are those within its outline.
#[tokio::test]
async fn a_mask_is_measured_and_coloured_within_its_outline() {
    let value = look_named().await;
    let mask = masks(&value)[0];
    let inside: f64 = spread(mask).iter().sum();
    let [left, top, right, bottom] = mask.region.bounds;
    assert!((mask.fill() * (right - left) * (bottom - top) - inside).abs() < 0.5);
    let shares = mask_colors(&picture(), mask).unwrap();
    assert!(!shares.is_empty() && shares[0].score <= 1.0, "{shares:?}");
}

fn people(value: &Value) -> Vec<&Vec<Point>> {
    let Value::List(items) = value else { panic!("{value:?}") };
    items.iter().map(|item| if let Value::Points(points) = item { points } else { panic!("{item:?}") }).collect()
}

#[tokio::test]
async fn joints_are_where_the_models_say() {
    for model in ["movenet", "yolov8_pose"] {
        let head = format!("[head]\ntype = \"pose\"\nfamily = \"{model}\"\nmin_score = 0.4\n");
        let look = look(&format!("{model}.onnx"), &head, &[]).await.unwrap();
        let (found, reference) = (people(&look.value), reference());
        let wanted = reference["poses"][model].as_array().unwrap();
        assert_eq!(found.len(), wanted.len(), "{model}: {found:?}");
        for (points, wanted) in found.iter().zip(wanted) {
            let rows = floats(wanted);
            let sure: Vec<&[f64]> = rows.chunks_exact(3).filter(|row| row[2] >= 0.4).collect();
            assert_eq!(points.len(), sure.len(), "{model}: {points:?}");
            for (point, row) in points.iter().zip(sure) {
                let off = [point.x - row[0], point.y - row[1], point.score - row[2]];
                assert!(off.iter().all(|off| off.abs() < 1e-3), "{model}: {point:?}, {row:?}");
            }
        }
        assert!(found[0].iter().all(|point| point.label == "nose" || point.label.contains("t ")), "{found:?}");
    }
    // Points by name; "wrists" are both.
    let head = "[head]\ntype = \"pose\"\nfamily = \"movenet\"\nmin_score = 0\n";
    let only = |label: &str| [("labels", Value::List(vec![Value::Text(label.to_owned())]))];
    let labels =
        |look: Look| -> Vec<String> { people(&look.value).into_iter().flatten().map(|p| p.label.clone()).collect() };
    let both = look("movenet.onnx", head, &only("wrists")).await.unwrap();
    assert_eq!(labels(both), ["left wrist", "right wrist"]);
    assert_eq!(labels(look("movenet.onnx", head, &only("nose")).await.unwrap()), ["nose"]);
    let error = look("movenet.onnx", head, &only("tail")).await.unwrap_err().to_string();
    assert!(error.contains("does not know `tail`, only nose, left eye"), "{error}");
    let named = "[head]\ntype = \"pose\"\nfamily = \"movenet\"\n[labels]\nnames = [\"a\", \"b\"]\n";
    let error = look("movenet.onnx", named, &[]).await.unwrap_err().to_string();
    assert!(error.contains("one output of 2 points"), "{error}");
}
