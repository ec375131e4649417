//! Detectors of any words: OWL-ViT and Grounding DINO at toy size.

use std::sync::Arc;

use lavr::error::ErrorKind;
use lavr::runner::LazyFile;
use lavr::tool::model::{ModelTool, Parts};
use lavr::tool::{Args, Manifest, Tool};
use lavr::value::{Region, Value};

use super::architectures::{assert_input, folder, input, look, reference};
use super::stated::{Stated, facts};
use super::{floats, picture, read, regions};
use crate::experts::{cx, repository, runtime};

const WORDS: &str = "[text]\ntokenizer = \"tokenizer.json\"\nlength = 16\npad = 0\n";

/// A manifest of an architecture with these keys of `[head]` and this table `[text]`.
fn manifest(family: &str, head: &str, text: &str) -> String {
    let input = input(&reference(family)["processor"]);
    format!(
        "[model]\nfile = \"model.onnx\"\n[head]\ntype = \"detector\"\nfamily = \"{family}\"\n{head}\n{text}\n{input}"
    )
}

/// That of OWL-ViT.
fn tables(head: &str, text: &str) -> String {
    manifest("owlvit", head, &format!("{text}template = {}", reference("owlvit")["template"]))
}

/// That of Grounding DINO.
fn grounded(head: &str) -> String {
    manifest("grounding_dino", head, "[text]\ntokenizer = \"tokenizer.json\"")
}

fn words(labels: &[&str]) -> Value {
    Value::List(labels.iter().map(|label| Value::Text((*label).to_owned())).collect())
}

/// What was found is what the reference says.
fn assert_found(found: &[&Region], name: &str) {
    let reference = reference(name);
    let names: Vec<String> = serde_json::from_value(reference["classes"].clone()).unwrap();
    let (labels, scores) = (floats(&reference["labels"]), floats(&reference["scores"]));
    assert_eq!(found.len(), labels.len(), "{name}: {found:?}");
    let (width, height) = (f64::from(picture().width()), f64::from(picture().height()));
    for ((label, score), sides) in labels.iter().zip(scores).zip(floats(&reference["boxes"]["data"]).chunks_exact(4)) {
        let region = found.iter().find(|region| (region.score - score).abs() < 1e-4);
        let region = region.unwrap_or_else(|| panic!("{name}: nothing of {score} in {found:?}"));
        assert_eq!(region.label, names[*label as usize], "{name}");
        for (n, (got, want)) in region.bounds.iter().zip(sides).enumerate() {
            let want = want.clamp(0.0, if n % 2 == 0 { width } else { height });
            assert!((got - want).abs() < 1e-2, "{name}: {region:?}, {sides:?}");
        }
    }
}

#[tokio::test]
async fn detectors_of_words_find_what_their_own_code_finds() {
    for (name, make) in [
        ("owlvit", &(|head: &str| tables(head, WORDS)) as &dyn Fn(&str) -> String),
        ("grounding_dino", &|head: &str| grounded(head)),
    ] {
        let reference = reference(name);
        let names: Vec<String> = serde_json::from_value(reference["classes"].clone()).unwrap();
        let asked = words(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let least = format!("min_score = {}", reference["threshold"]);
        let seen = look(name, &make(&least), &[("labels", asked.clone())]).await.unwrap();
        assert_input(&seen, &reference["pixel_values"]);
        let found = regions(&seen.value);
        assert_found(&found, name);
        // The toy of the other one finds no two boxes that overlap.
        if name != "owlvit" {
            continue;
        }
        // Of boxes that overlap too much the best of its word stays, where the manifest says so.
        let seen = look(name, &make(&format!("overlap = 0.02\n{least}")), &[("labels", asked)]).await.unwrap();
        let kept = regions(&seen.value);
        assert!(kept.len() < found.len() && kept[0] == found[0], "{name}: {kept:?}");
    }
}

/// Words go into one text as lower-case phrases, and come out as they were written.
#[tokio::test]
async fn grounding_dino_reads_words_as_one_text() {
    let reference = reference("grounding_dino");
    let tables = grounded(&format!("min_score = {}", reference["threshold"]));
    let asked = words(&[" Cat", "DOG?", "red car.", "a small house"]);
    let seen = look("grounding_dino", &tables, &[("labels", asked)]).await.unwrap();
    let plain = |label: &str| label.to_lowercase().trim_matches([' ', '.', '?']).to_owned();
    let found = regions(&seen.value).into_iter();
    let found: Vec<Region> = found.map(|found| Region { label: plain(&found.label), ..found.clone() }).collect();
    assert_found(&found.iter().collect::<Vec<_>>(), "grounding_dino");
    for (labels, part) in [
        (vec!["cat", "..."], "the model has no token for `...`"),
        (vec![], "`labels` is empty: name the words to look for"),
    ] {
        let error = look("grounding_dino", &tables, &[("labels", words(&labels))]).await.err().unwrap().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
    // More words than the text that the model reads has room for.
    let short = tables.replace("[text]", "[text]\nlength = 6");
    let error = look("grounding_dino", &short, &[("labels", words(&["cat", "dog", "house"]))]).await;
    let error = error.err().unwrap().to_string();
    assert!(error.contains("no token for") && error.contains("name fewer words"), "{error}");
}

/// Models that tell something else than tokens.
#[tokio::test]
async fn tokens_that_are_none_are_an_error() {
    let tables = grounded("min_score = 0.2");
    for (file, labels, part) in [
        (
            "owlvit_few.onnx",
            vec!["cat", "dog"],
            "`labels`: the words make 5 tokens or more, and the model tells 2: name fewer",
        ),
        ("owlvit_nan.onnx", vec!["a"], "`logits` are not all numbers (NaN)"),
        ("yolov8_nan.onnx", vec!["a"], "[model] takes no words"),
    ] {
        let (folder, path) = folder("grounding_dino", &tables.replace("[text]", "[text]\nlength = 16"));
        std::fs::copy(repository("tests/models").join(file), folder.path().join("model.onnx")).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace("resize = \"within\"", "size = [32, 32]");
        let text = text.lines().filter(|line| !line.starts_with("short") && !line.starts_with("long"));
        std::fs::write(&path, text.collect::<Vec<_>>().join("\n")).unwrap();
        let added = read(&path, &runtime().unwrap()).unwrap();
        let args: Args = [("labels".to_owned(), words(&labels))].into_iter().collect();
        let error = added.tool.look(&cx(), &picture(), &args).await.err().unwrap_or_else(|| panic!("{file}"));
        assert!(error.to_string().contains(part), "{file}: {error}");
    }
}

/// What a model states is believed within limits, and before anything of that size is made.
#[tokio::test]
async fn a_model_that_takes_endless_texts_or_odd_elements_is_named() {
    let (folder, path) = folder("owlvit", &tables("min_score = 0.2", "[text]\ntokenizer = \"tokenizer.json\"\n"));
    let manifest = Manifest::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
    for (ids, part) in [
        (
            "input_ids: i64[?, 100000000000]",
            "`input_ids` is i64[?, 100000000000], and a text can be filled up to 4096 tokens",
        ),
        ("input_ids: f16[?, 16]", "`input_ids` has elements of type f16, which cannot be given"),
    ] {
        let outputs = ["logits: f32[?, ?, ?]", "pred_boxes: f32[?, ?, 4]"];
        let model = Stated::idle(facts(&["pixel_values: f32[1, 3, 32, 32]", ids], &outputs));
        let mut parts = Parts::of(Arc::new(model));
        parts.text_tokenizer = Some(LazyFile::at(folder.path().join("tokenizer.json")));
        let tool = ModelTool::new(&manifest, folder.path(), parts).unwrap();
        let args: Args = [("labels".to_owned(), words(&["cat"]))].into_iter().collect();
        let error = tool.look(&cx(), &picture(), &args).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Model && error.to_string().contains(part), "{part}: {error}");
    }
}

/// More words than a model tells: those who name them can mend that, and the model is not run.
#[tokio::test]
async fn too_many_words_for_a_model_are_said_to_be_that() {
    let (folder, path) = folder("grounding_dino", &grounded("min_score = 0.2"));
    let manifest = Manifest::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let model = facts(
        &["pixel_values: f32[?, 3, ?, ?]", "input_ids: i64[?, ?]", "token_type_ids: i64[?, ?]"],
        &["logits: f32[?, 900, 6]", "pred_boxes: f32[?, 900, 4]"],
    );
    let mut parts = Parts::of(Arc::new(Stated::idle(model)));
    parts.text_tokenizer = Some(LazyFile::at(folder.path().join("tokenizer.json")));
    let tool = ModelTool::new(&manifest, folder.path(), parts).unwrap();
    let args: Args = [("labels".to_owned(), words(&["cat", "dog", "house", "car"]))].into_iter().collect();
    let error = tool.look(&cx(), &picture(), &args).await.unwrap_err();
    let part = "the model tells 6: name fewer words";
    assert!(error.kind() == ErrorKind::Tool && error.to_string().contains(part), "{error}");
}

/// The tool takes words that nobody listed, at least one, and a least score.
#[tokio::test]
async fn words_are_an_argument() {
    let (_folder, path) = folder("owlvit", &tables("min_score = 0.2", WORDS));
    let added = read(&path, &runtime().unwrap()).unwrap();
    let arg = |name: &str| added.tool.spec().signature.arg(name).unwrap().clone();
    assert!(arg("labels").required && !arg("min_score").required);
    assert!(added.tool.mentions("Where is the cat?").is_empty());
    assert!(added.tool.objections(&serde_json::json!({ "labels": ["a thing of any name"] })).is_empty());
    let one = |labels: Value, least: f64| {
        let args = [("labels".to_owned(), labels), ("min_score".to_owned(), Value::Number(least))];
        args.into_iter().collect::<Args>()
    };
    for labels in [vec!["house"], vec!["rain", "two dogs", "a small green house, seen from the street on a red page"]] {
        let seen = added.tool.look(&cx(), &picture(), &one(words(&labels), 0.0)).await.unwrap();
        let found = regions(&seen.value);
        assert!(!found.is_empty() && found.iter().all(|region| labels.contains(&region.label.as_str())), "{found:?}");
    }
    for (args, part) in [
        (one(words(&[]), 0.1), "`labels` is empty: name the words to look for"),
        (one(Value::Text("cat".to_owned()), 0.1), "argument `labels` should be List<Text>"),
        (one(words(&["cat"]), 7.0), "a number from 0 to 1"),
    ] {
        let error = added.tool.look(&cx(), &picture(), &args).await.err().unwrap().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[tokio::test]
async fn other_models_and_faulty_manifests_are_named() {
    let whole = tables("min_score = 0.2", WORDS);
    for (tables, part) in [
        (tables("", "").replace("template = ", "# "), "a detector of this family needs [text]"),
        (tables("", &WORDS.replace("[text]", "[text]\nfile = \"model.onnx\"")), "[model] takes the words itself"),
        (tables("first_class = 1", WORDS), "`first_class` has no meaning for this family"),
        (format!("{whole}[labels]\nnames = [\"cat\"]\n"), "[labels] has no meaning for type = \"detector\""),
    ] {
        let (_folder, path) = folder("owlvit", &tables);
        let error = read(&path, &runtime().unwrap()).err().unwrap_or_else(|| panic!("{tables}")).to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
    // Models that take no words, and one that answers with something else.
    for (architecture, file, part) in [
        ("owlvit", "yolov8_nan.onnx", "[model] takes no words, only `images`"),
        ("clip", "model.onnx", "`logits` and `pred_boxes`"),
        ("owlvit", "owlvit_nan.onnx", "not all numbers (NaN)"),
        ("owlvit", "owlvit_few.onnx", "for each box a number for each of 3 words"),
    ] {
        let (folder, path) = folder(architecture, &whole);
        if architecture == "owlvit" {
            std::fs::copy(repository("tests/models").join(file), folder.path().join("model.onnx")).unwrap();
        }
        let added = read(&path, &runtime().unwrap()).unwrap();
        let args: Args = [("labels".to_owned(), words(&["cat", "dog", "house"]))].into_iter().collect();
        let error =
            added.tool.look(&cx(), &picture(), &args).await.err().unwrap_or_else(|| panic!("{file}")).to_string();
        assert!(error.contains(part), "{file}: {error}");
    }
}
