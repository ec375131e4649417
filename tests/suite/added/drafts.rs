//! Drafts of models by what their files say.

use lavr::runner::{LazyFile, ModelFacts, OrtModel, Runner as _};
use lavr::tool::model::{Colour, Draft, Family, HeadKind, draft};
use lavr::tool::{Args, Manifest, Tool as _};
use lavr::value::Value;

use super::binary::{lavr, text};
use super::catalogue::{pictures, reference};
use super::stated::facts;
use super::{picture, read};
use crate::experts::{cx, described, image, repository, runtime};
use crate::real::model_file;

fn drafted(file: &str, facts: &ModelFacts) -> (Draft, Manifest) {
    let draft = draft("my_tool", file, facts).unwrap_or_else(|e| panic!("{file}: {e}"));
    let manifest = Manifest::parse(&draft.toml).unwrap_or_else(|e| panic!("{}: {e}", draft.toml));
    (draft, manifest)
}

fn noted(mut facts: ModelFacts, key: &str, text: &str) -> ModelFacts {
    facts.metadata.insert(key.to_owned(), text.to_owned());
    facts
}

#[test]
fn models_that_find_text_and_models_that_read_lines_are_told_apart() {
    let any = facts(&["x: f32[?, 3, ?, ?]"], &["y: f32[?, 1, ?, ?]"]);
    let (_, finds) = drafted("ch_PP-OCRv4_det.onnx", &any);
    assert_eq!(finds.head.unwrap().kind, HeadKind::Ocr);
    assert_eq!(finds.model.unwrap().file.as_deref(), Some("ch_PP-OCRv4_det.onnx"));
    assert_eq!(finds.ocr.unwrap().recogniser, "recogniser.onnx");
    assert_eq!(finds.input.unwrap().colour, Colour::Bgr);
    // By another name it may be anything that has a number for each place.
    for facts in [any, facts(&["x: f32[1, 3, 320, 320]"], &["y: f32[1, 1, 320, 320]"])] {
        let (_, mask) = drafted("subject.onnx", &facts);
        assert_eq!(mask.head.unwrap().family, Some(Family::Salient));
        assert_eq!(mask.model.unwrap().file.as_deref(), Some("subject.onnx"));
        assert!(mask.ocr.is_none());
    }
    let reads = noted(facts(&["x: f32[?, 3, 48, ?]"], &["y: f32[?, ?, 5]"]), "character", "a\nb\nc");
    let (draft, reads) = drafted("rec.onnx", &reads);
    let ocr = reads.ocr.unwrap();
    assert_eq!((ocr.recogniser.as_str(), ocr.height), ("rec.onnx", 48), "{}", draft.toml);
    assert_eq!(reads.model.unwrap().file.as_deref(), Some("detector.onnx"));
}

/// Drafted of the real detector, with the real recogniser beside it under the name in the draft.
#[test]
fn a_drafted_detector_of_text_reads_with_a_recogniser_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    for (model, name) in [("PP-OCRv6_det_small.onnx", "text_det.onnx"), ("PP-OCRv6_rec_small.onnx", "recogniser.onnx")]
    {
        std::os::unix::fs::symlink(model_file(model), file(name)).unwrap();
    }
    let new = lavr(&["tools", "new", "read_it", "--from", file("text_det.onnx").to_str().unwrap()]);
    assert!(new.status.success(), "{}", text(&new.stderr));
    let (manifest, sign) = (file("read_it.toml"), repository("tests/images/gallery.jpg"));
    let args = ["--tools", manifest.to_str().unwrap(), "--image", sign.to_str().unwrap(), "--json"];
    let test = lavr(&[&["tools", "test", "read_it"], args.as_slice()].concat());
    let seen: serde_json::Value =
        serde_json::from_slice(&test.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&test.stderr)));
    assert!(seen["result"][0]["text"].is_string(), "{seen}");
}

/// A draft of weights that are compiled in is as good as the manifest that was written for them.
#[tokio::test]
async fn drafts_for_faces_and_poses_see_what_the_built_in_tools_see() {
    for (file, built_in) in [("faces.onnx", "detect_faces"), ("movenet.onnx", "estimate_pose")] {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join(file);
        std::fs::copy(repository("tools/weights").join(file), &model).unwrap();
        let facts = runtime().unwrap().runner("draft", OrtModel::File(LazyFile::at(&model))).facts().await.unwrap();
        let (draft, _) = drafted(file, &facts);
        assert!(draft.labels.is_none(), "{}", draft.toml);
        let path = folder.path().join("my_tool.toml");
        std::fs::write(&path, &draft.toml).unwrap();
        let (drafted, built_in) = (read(&path, &runtime().unwrap()).unwrap().tool, described(built_in).tool);
        let all = if file == "faces.onnx" { pictures(&reference("faces")) } else { Vec::new() };
        let photos = all.iter().map(|(path, _)| image(path)).take(8).chain([picture()]);
        for photo in photos {
            let args: Args = [("image".to_owned(), Value::Image(photo))].into_iter().collect();
            let (got, want) = (drafted.call(&cx(), args.clone()).await, built_in.call(&cx(), args).await);
            assert_eq!(got.unwrap(), want.unwrap(), "{file}");
        }
    }
}

#[test]
fn faces_are_known_by_their_anchors() {
    let back = facts(&["x: f32[1, 3, 256, 256]"], &["r: f32[1, 896, 16]", "c: f32[1, 896, 1]"]);
    let full = facts(&["x: f32[1, 192, 192, 3]"], &["r: f32[1, 2304, 16]", "c: f32[1, 2304, 1]"]);
    let grids = ["a: f32[1, 512, 1]", "b: f32[1, 384, 1]", "c: f32[1, 512, 16]", "d: f32[1, 384, 16]"];
    for facts in [back, full, facts(&["x: f32[1, 128, 128, 3]"], &grids)] {
        let (draft, manifest) = drafted("model.onnx", &facts);
        assert_eq!(manifest.head.unwrap().family, Some(Family::Blazeface));
        assert_eq!(manifest.labels.unwrap().names, ["face"], "{}", draft.toml);
        assert!(manifest.description.contains("face"), "{}", draft.toml);
    }
    let other = facts(&["x: f32[1, 3, 256, 256]"], &["r: f32[1, 897, 16]", "c: f32[1, 897, 1]"]);
    assert_ne!(drafted("model.onnx", &other).1.head.unwrap().family, Some(Family::Blazeface));
}

#[test]
fn drafts_of_models_of_one_channel_are_manifests() {
    let reads = noted(facts(&["x: f32[?, 1, 32, ?]"], &["y: f32[?, ?, 5]"]), "character", "a\nb\nc");
    let (draft, manifest) = drafted("rec.onnx", &reads);
    assert_eq!(manifest.head.unwrap().kind, HeadKind::Raw);
    assert!(draft.guesses[0].contains("readers of text take coloured ones"), "{:?}", draft.guesses);
    let yolox = facts(&["x: f32[1, 1, 64, 64]"], &["y: f32[1, 84, 8]"]);
    let (_, manifest) = drafted("yolox.onnx", &yolox);
    assert_eq!(manifest.head.unwrap().family, Some(Family::Yolox));
    assert_eq!(manifest.input.unwrap().colour, Colour::Grey);
}

/// Whatever a model is, its draft is a manifest.
#[test]
fn drafts_of_all_kinds_of_shapes_are_manifests() {
    let outputs = [
        "y: f32[1, 1000]",
        "y: f32[1, 512]",
        "y: f32[1, 1, 17, 3]",
        "y: f32[1, 21, 64, 64]",
        "y: f32[1, 1, ?, ?]",
        "y: f32[1, 84, 8400]",
        "y: f32[1, 25200, 85]",
        "y: f32[1, 300, 6]",
        "y: f32[1, 56, 8400]",
        "depth: f32[1, 9, 9]",
        "y: f32[?, ?, ?]",
        "y: f32[?]",
        "detection_boxes: f32[1, 9, 4]",
        "image_embeddings: f32[1, 256, 64, 64]",
    ];
    for input in ["x: f32[1, 3, 64, 64]", "x: f32[1, 1, 64, 64]", "x: u8[1, 64, 64, 3]", "x: f32[?, ?, ?, ?]"] {
        for output in outputs {
            for names in [None, Some("['a', 'b']")] {
                let facts = facts(&[input, "odd\"name: f32[1]"], &[output]);
                let facts = names.map_or(facts.clone(), |names| noted(facts, "names", names));
                drafted("a \"file\".onnx", &facts);
            }
        }
    }
}
