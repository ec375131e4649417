//! The built binary with `--tools`.

use std::process::{Command, Output};

use serde_json::{Value as Json, json};

use super::{ABOUT, detector, folder};
use crate::experts::{json as json_file, repository};

pub(super) fn lavr(args: &[&str]) -> Output {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("lavr"));
    command.env_remove("LAVR_LLM").args(args).output().unwrap()
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_faulty_manifest_of_a_folder_is_named_and_the_others_are_added() {
    let (folder, path) = folder("yolov8.onnx", &detector("family = \"yolov8\""));
    std::fs::write(folder.path().join("bad.toml"), format!("{ABOUT}nonsense = 1\n")).unwrap();
    let (dir, bad) = (folder.path().to_str().unwrap(), folder.path().join("bad.toml"));
    let list = lavr(&["tools", "list", "--json", "--tools", dir]);
    let tools: Json = serde_json::from_slice(&list.stdout).unwrap();
    assert!(tools["tools"].as_array().unwrap().iter().any(|tool| tool["name"] == "my_tool"), "{tools}");
    let said = text(&list.stderr);
    assert!(said.contains("left out: `") && said.contains("bad.toml`: ") && said.contains("nonsense"), "{said}");
    let alone = lavr(&["tools", "list", "--tools", bad.to_str().unwrap()]);
    assert_eq!(alone.status.code(), Some(2));
    assert!(
        text(&alone.stderr).contains("bad.toml") && text(&alone.stderr).contains("line "),
        "{}",
        text(&alone.stderr)
    );
    let image = repository("tests/models/picture.png");
    let args =
        ["tools", "run", "my_tool", "--tools", path.to_str().unwrap(), "--image", image.to_str().unwrap(), "--json"];
    let run = lavr(&args);
    let report: Json = serde_json::from_slice(&run.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&run.stderr)));
    assert!(report.to_string().contains("\"zebra\""), "{report}");
    let show = lavr(&["tools", "show", "my_tool", "--tools", path.to_str().unwrap()]);
    assert!(text(&show.stdout).contains("labels: List<Text>, optional"), "{}", text(&show.stdout));
}

#[test]
fn the_schema_is_printed_and_empty_or_mixed_tools_are_refused() {
    let schema: Json = serde_json::from_slice(&lavr(&["tools", "schema"]).stdout).unwrap();
    assert_eq!(schema["title"], "Manifest");
    let empty = tempfile::tempdir().unwrap();
    let none = lavr(&["tools", "list", "--tools", empty.path().to_str().unwrap()]);
    assert!(!none.status.success() && text(&none.stderr).contains("has no manifest"), "{}", text(&none.stderr));
    let (_folder, path) = folder_of_raw();
    let catalogue = empty.path().join("nodes.json");
    std::fs::write(
        &catalogue,
        json!({ "nodes": [{ "id": "a", "input-type": ["text"], "output-type": ["text"] }] }).to_string(),
    )
    .unwrap();
    let both = ["tools", "list", "--tools", path.to_str().unwrap(), "--tools", catalogue.to_str().unwrap()];
    assert!(text(&lavr(&both).stderr).contains("give it alone"), "{}", text(&lavr(&both).stderr));
    let twice = ["tools", "list", "--tools", path.to_str().unwrap(), "--tools", path.to_str().unwrap()];
    assert!(text(&lavr(&twice).stderr).contains("already a tool `my_tool`"), "{}", text(&lavr(&twice).stderr));
}

/// A receipt, turned clockwise by quarters of a circle: the model says by how many degrees it is turned.
#[test]
fn the_orientation_of_pages_needs_no_rust() {
    let folder = tempfile::tempdir().unwrap();
    let mut page = image::open(repository("tests/images/receipt.png")).unwrap();
    for degrees in ["0", "90", "180", "270"] {
        let turned = folder.path().join(format!("{degrees}.png"));
        page.save(&turned).unwrap();
        page = page.rotate90();
        let args = ["--image", turned.to_str().unwrap(), "--json"];
        let run = lavr(&[&["tools", "run", "page_orientation"], args.as_slice()].concat());
        let report: Json = serde_json::from_slice(&run.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&run.stderr)));
        println!("{degrees}: {report}");
        assert_eq!(report["result"][0]["label"], degrees, "{report}");
    }
}

/// A folder with this model and nothing else.
fn model(file: &str) -> (tempfile::TempDir, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file);
    std::fs::copy(repository("tests/models").join(file), &path).unwrap();
    let manifest = folder.path().join("find_pets.toml").to_string_lossy().into_owned();
    (folder, path.to_string_lossy().into_owned(), manifest)
}

fn picture() -> String {
    repository("tests/models/picture.png").to_string_lossy().into_owned()
}

#[test]
fn a_model_becomes_a_tool_without_rust() {
    let (folder, from, manifest) = model("yolov8.onnx");
    let new = lavr(&["tools", "new", "find_pets", "--from", &from]);
    let said = text(&new.stdout);
    assert!(new.status.success() && said.contains("as YOLOv8 writes its boxes down"), "{said}{}", text(&new.stderr));
    assert!(std::fs::read_to_string(&manifest).unwrap().contains("# guessed"));
    let again = lavr(&["tools", "new", "find_pets", "--from", &from]);
    assert!(!again.status.success() && text(&again.stderr).contains("--force"), "{}", text(&again.stderr));
    let (picture, expected) = (picture(), folder.path().join("expected.json"));
    let seen = folder.path().join("seen.png");
    let base = ["tools", "test", "find_pets", "--tools", &manifest, "--image", &picture];
    let test = |more: &[&str]| lavr(&[&base, more].concat());
    let shown = text(&test(&["--annotate", seen.to_str().unwrap()]).stdout);
    let parts =
        ["input   `images` f32[1, 3, 64, 64]", "output  `output0` f32[1, 7, 84]", "result  cat 0.90 at", "ms to load"];
    for part in parts {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(image::open(&seen).is_ok());
    let expect = ["--expect", expected.to_str().unwrap()];
    let missing = test(&expect);
    assert!(!missing.status.success() && text(&missing.stderr).contains("--update"), "{}", text(&missing.stderr));
    assert!(test(&[expect.as_slice(), &["--update"]].concat()).status.success());
    assert_eq!(test(&expect).status.code(), Some(0));
    let kept = std::fs::read_to_string(&expected).unwrap();
    std::fs::write(&expected, kept.replacen("\"cat\"", "\"cow\"", 1)).unwrap();
    let differs = test(&expect);
    assert_eq!(differs.status.code(), Some(1));
    let said = text(&differs.stdout);
    assert!(said.contains("Not as expected: result[0].label is \"cat\", and \"cow\" was expected"), "{said}");
}

#[test]
fn drafts_of_all_families_find_what_is_there() {
    for file in ["yolov8", "yolox", "detr", "rt_detr", "ssd", "end_to_end", "end_to_end3", "classifier"] {
        let (_folder, from, manifest) = model(&format!("{file}.onnx"));
        let new = lavr(&["tools", "new", "find_pets", "--from", &from]);
        assert!(new.status.success(), "{file}: {}", text(&new.stderr));
        let test = lavr(&["tools", "test", "find_pets", "--tools", &manifest, "--image", &picture(), "--json"]);
        let seen: Json = serde_json::from_slice(&test.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&test.stderr)));
        let found = seen["result"].as_array().unwrap_or_else(|| panic!("{file}: {seen}"));
        let labels: Vec<&str> = found.iter().map(|r| r["label"].as_str().unwrap()).collect();
        let wanted = if file == "classifier" { ["grey", "red thing", "green"] } else { ["cat", "zebra", "dog"] };
        assert_eq!(labels[..3], wanted, "{file}: {seen}");
    }
}

/// A model of two halves, and one that takes words: each half and each input is known by its names.
#[test]
fn segmenters_of_places_and_detectors_of_words_are_drafted_so_that_they_run() {
    for (architecture, file, args, size) in [
        ("sam", "vision_encoder.onnx", r#"{"at": [[9, 8], [4, 3, 21, 19]]}"#, 64),
        ("segment_anything", "encoder.onnx", r#"{"at": [{"box": [4, 3, 21, 19]}]}"#, 64),
        ("owlvit", "model.onnx", r#"{"labels": ["cat", "dog"], "min_score": 0.0}"#, 32),
        ("grounding_dino", "model.onnx", r#"{"labels": ["cat", "dog"], "min_score": 0.0}"#, 0),
    ] {
        let (folder, _) = super::architectures::folder(architecture, "");
        let manifest = folder.path().join("find_it.toml");
        let from = folder.path().join(file).to_string_lossy().into_owned();
        let new = lavr(&["tools", "new", "find_it", "--from", &from]);
        assert!(new.status.success(), "{architecture}: {}", text(&new.stderr));
        assert!(!text(&new.stdout).contains("export it without"), "{architecture}: {}", text(&new.stdout));
        // The toy is smaller than what it is a model of.
        let drafted = std::fs::read_to_string(&manifest).unwrap();
        let drafted = drafted.replace("size = [768, 768]", &format!("size = [{size}, {size}]"));
        std::fs::write(&manifest, drafted.replace("= 800", "= 32").replace("= 1333", "= 48")).unwrap();
        let manifest = manifest.to_string_lossy().into_owned();
        let test = ["tools", "test", "find_it", "--tools", &manifest, "--image", &picture(), "--args", args, "--json"];
        let output = lavr(&test);
        let seen: Json =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output.stderr)));
        assert!(!seen["result"].as_array().unwrap().is_empty(), "{architecture}: {seen}");
    }
    for (architecture, file) in
        [("sam", "prompt_encoder_mask_decoder.onnx"), ("segment_anything", "decoder_single.onnx")]
    {
        let (folder, _) = super::architectures::folder(architecture, "");
        let from = folder.path().join(file).to_string_lossy().into_owned();
        let said = text(&lavr(&["tools", "new", "find_it", "--from", &from]).stderr);
        assert!(said.contains("draft from its image encoder") && said.contains("[mask_decoder]"), "{said}");
    }
}

/// One channel, a batch of any size, a side output in half precision: a classifier all the same.
#[test]
fn a_grey_classifier_is_drafted_so_that_it_runs_and_filled_in_labels_are_kept() {
    let (folder, from, manifest) = model("grey.onnx");
    assert!(lavr(&["tools", "new", "find_pets", "--from", &from]).status.success());
    let labels = folder.path().join("find_pets.labels.txt");
    assert_eq!(std::fs::read_to_string(&labels).unwrap(), "class 0\nclass 1\nclass 2\n");
    std::fs::write(&labels, "one\ntwo\nthree\n").unwrap();
    assert!(lavr(&["tools", "new", "find_pets", "--from", &from, "--force"]).status.success());
    assert_eq!(std::fs::read_to_string(&labels).unwrap(), "one\ntwo\nthree\n");
    let test = lavr(&["tools", "test", "find_pets", "--tools", &manifest, "--image", &picture()]);
    let said = text(&test.stdout);
    assert!(said.contains("f32[1, 1, 28, 28]") && said.contains("two"), "{said}{}", text(&test.stderr));
    let (_folder, from, _) = model("two_inputs.onnx");
    let said = text(&lavr(&["tools", "new", "find_pets", "--from", &from]).stdout);
    assert!(said.contains("takes more than a picture"), "{said}");
}

#[test]
fn what_is_no_model_and_what_is_no_tool_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let noise = folder.path().join("noise.onnx");
    std::fs::write(&noise, "this is no model").unwrap();
    let (noise, none) = (noise.to_str().unwrap(), folder.path().join("none.onnx"));
    let cases = [
        (vec!["tools", "new", "a", "--from", noise], "noise.onnx` cannot be loaded"),
        (vec!["tools", "new", "a", "--from", none.to_str().unwrap()], "there is no model"),
        (vec!["tools", "new", "A b", "--from", noise], "is not a tool name"),
    ];
    for (args, part) in cases {
        let output = lavr(&args);
        assert!(!output.status.success() && text(&output.stderr).contains(part), "{part}: {}", text(&output.stderr));
    }
    assert!(!folder.path().join("a.toml").exists(), "nothing is written for what is no model");
    let (_folder, path) = folder_of_raw();
    let args = ["tools", "test", "other", "--tools", path.to_str().unwrap(), "--image", &picture()];
    assert!(text(&lavr(&args).stderr).contains("no manifest describes `other`, only my_tool"));
}

fn folder_of_raw() -> (tempfile::TempDir, std::path::PathBuf) {
    folder("identity.onnx", "[head]\ntype = \"raw\"\n")
}

/// The layout of pages, by a manifest alone: what its original in Python finds.
#[test]
fn the_layout_of_pages_is_that_of_the_original() {
    let reference = json_file(&repository("tests/reference/layout/pages.json"));
    for (page, wanted) in reference.as_object().unwrap() {
        let image = repository("tests/images").join(page);
        let args = ["--image", image.to_str().unwrap(), "--json"];
        let run = lavr(&[&["tools", "run", "page_layout"], args.as_slice()].concat());
        let report: Json = serde_json::from_slice(&run.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&run.stderr)));
        let (found, wanted) = (report["result"].as_array().unwrap(), wanted.as_array().unwrap());
        assert_eq!(found.len(), wanted.len(), "{page}: {report}");
        // In either order where scores are near: each that is wanted is there.
        for wanted in wanted {
            let near = |a: &Json, b: &Json, by: f64| (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < by;
            let same = |found: &&Json| {
                let sides = found["box"].as_array().unwrap().iter().zip(wanted["box"].as_array().unwrap());
                found["label"] == wanted["label"]
                    && near(&found["score"], &wanted["score"], 1e-3)
                    && sides.into_iter().all(|(a, b)| near(a, b, 0.5))
            };
            assert!(found.iter().any(|found| same(&found)), "{page}: {wanted} is not in {report}");
        }
    }
}
