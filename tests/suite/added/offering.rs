//! When a tool is offered to plans: once its files are there, in the place of another, with demos of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lavr::prompt::Prompts;
use lavr::store::{Progress, Silent, Store, StoreOptions};
use lavr::tool::{Catalog, builtin};

use super::{architectures, folder, picture};
use crate::experts::{cx, repository};

/// The built-in tools with those of a manifest, with files in this store.
fn catalog(store: &Store, manifest: &Path) -> lavr::error::Result<Catalog> {
    let silent: Arc<dyn Progress> = Arc::new(Silent);
    let mut catalog = builtin::catalog(store, &silent)?;
    builtin::add(&mut catalog, manifest, store, &silent)?;
    Ok(catalog)
}

fn store() -> Store {
    Store::open(StoreOptions::from_env().unwrap()).unwrap()
}

/// A store in a folder of its own, with the library of the usual one.
fn fresh(home: &Path) -> Store {
    Store::open(StoreOptions::from_env().unwrap().with_home(home)).unwrap()
}

/// A captioner whose files come from the repository, with digests that nobody stated.
fn captioner() -> (tempfile::TempDir, PathBuf) {
    let root = repository("tests/models/architectures/vit_gpt2");
    let artefact = |name: &str, file: &str| {
        let path = root.join(file);
        format!(
            "[[artefacts]]\nname = \"toy-{name}\"\nfile = \"toy-{file}\"\nlicence = \"CC0-1.0\"\nsources = [\"file:{}\"]\n",
            path.display()
        )
    };
    let tables = format!(
        "available = \"pulled\"\n[model]\nartefact = \"toy-encoder\"\n[input]\nsize = [32, 32]\nfilter = \"bilinear\"\n\
         mean = 0.5\nstd = 0.5\n[head]\ntype = \"captioner\"\n[decoder]\nartefact = \"toy-decoder\"\n\
         tokenizer = \"toy-words\"\nstart = [80]\nend = [80]\nmax_tokens = 11\n\
         [[demos]]\nquestion = \"What is the man doing?\"\n\
         plan = '{{\"steps\": [{{\"id\": \"c\", \"tool\": \"my_tool\", \"args\": {{\"image\": \"$image\"}}}}], \"result\": \"$c\"}}'\n\
         {}{}{}",
        artefact("encoder", "encoder_model.onnx"),
        artefact("decoder", "decoder_model_merged.onnx"),
        artefact("words", "tokenizer.json"),
    );
    architectures::folder("vit_gpt2", &tables)
}

#[tokio::test]
async fn a_captioner_is_offered_once_its_files_are_there_and_then_used_by_all() {
    let home = tempfile::tempdir().unwrap();
    let (_folder, path) = captioner();
    let before = catalog(&fresh(home.path()), &path).unwrap();
    assert!(before.get("my_tool").is_none());
    let text = std::fs::read_to_string(&path).unwrap();
    for artefact in lavr::tool::Manifest::parse(&text).unwrap().artefacts {
        fresh(home.path()).get(&artefact, &Silent).await.unwrap();
    }
    // The library of ONNX Runtime is in the usual store: the tool is made with that, and the pins are the same.
    let pins = std::fs::read_to_string(home.path().join("lavr.lock")).unwrap();
    assert_eq!(pins.matches("sha256").count(), 3, "{pins}");
    let after = catalog(&fresh(home.path()), &path).unwrap();
    assert!(after.get("my_tool").is_some());
    let demo = |catalog: &Catalog| {
        let lookup = Prompts::builtin().unwrap().plan_lookup(catalog).unwrap();
        let (cx, catalog) = (cx(), catalog.clone());
        async move { lookup.similar(&cx, "What is the man over there doing?", 1, &catalog).await.unwrap() }
    };
    let shown = |messages: &[lavr::message::Message]| messages.iter().any(|m| m.content.contains("my_tool"));
    assert!(shown(&demo(&after).await) && !shown(&demo(&before).await));
    assert!(!before.get("describe_scene").unwrap().spec().description.is_empty());
}

#[tokio::test]
async fn what_a_captioner_says_is_in_the_description() {
    // Its files are beside its manifest: the usual store is no place for toys.
    let tables = "[model]\nfile = \"encoder_model.onnx\"\n[input]\nsize = [32, 32]\nfilter = \"bilinear\"\nmean = 0.5\nstd = 0.5\n\
                  [head]\ntype = \"captioner\"\n[decoder]\nfile = \"decoder_model_merged.onnx\"\ntokenizer = \"tokenizer.json\"\n\
                  start = [80]\nend = [80]\nmax_tokens = 11\n";
    let (_folder, path) = architectures::folder("vit_gpt2", tables);
    let always = std::fs::read_to_string(&path).unwrap();
    let said = async || {
        let catalog = catalog(&store(), &path).unwrap();
        let tool = catalog.get("describe_scene").unwrap().clone();
        let args = [("image".to_owned(), lavr::value::Value::Image(picture()))].into_iter().collect();
        tool.call(&cx(), args).await.unwrap().to_json().to_string()
    };
    let reference = crate::experts::json(&repository("tests/models/architectures/reference.json"));
    let caption = reference["vit_gpt2"]["caption"]["generations"][0]["text"].as_str().unwrap();
    assert!(said().await.contains(caption), "{caption}");
    std::fs::write(&path, format!("describes = false\n{always}")).unwrap();
    assert!(!said().await.contains(caption));
}

#[test]
fn a_stronger_detector_takes_the_place_of_the_built_in_one() {
    let detector =
        "[head]\ntype = \"detector\"\nfamily = \"yolov8\"\n[labels]\nnames = [\"cat\", \"dog\", \"zebra\"]\n";
    let (_folder, path) = folder("yolov8.onnx", detector);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("replaces = \"detect_objects\"\n{text}")).unwrap();
    let usual = builtin::catalog(&store(), &(Arc::new(Silent) as Arc<dyn Progress>)).unwrap();
    let replaced = catalog(&store(), &path).unwrap();
    assert_eq!(replaced.iter().count(), usual.iter().count());
    assert_eq!(replaced.get("detect_objects").unwrap().spec().description, "Looks at a picture.");
    let order = |catalog: &Catalog| catalog.iter().map(|tool| tool.spec().name.clone()).collect::<Vec<_>>();
    assert_eq!(order(&replaced), order(&usual));
    for (name, tables, part) in [
        ("read_text", detector, "cannot replace `read_text`"),
        ("detect_objects", "[head]\ntype = \"raw\"\n", "takes image, labels, min_score and returns List<Region>"),
        ("no_such", detector, "there is no tool `no_such`"),
    ] {
        let (_folder, path) = folder("yolov8.onnx", tables);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("replaces = \"{name}\"\n{text}")).unwrap();
        let error = catalog(&store(), &path).err().unwrap().to_string();
        assert!(error.contains(part) && error.contains("my_tool.toml"), "{part}: {error}");
    }
}

/// What can be done with outlines and maps of depth is offered where some tool finds them.
#[test]
fn operations_on_masks_and_maps_come_with_tools_that_return_them() {
    let usual = builtin::catalog(&store(), &(Arc::new(Silent) as Arc<dyn Progress>)).unwrap();
    assert!(usual.get("cut_out").is_none() && usual.get("depth_of").is_none());
    let (_folder, path) = folder("u2net.onnx", "[head]\ntype = \"segmenter\"\nfamily = \"salient\"\n");
    let with_masks = catalog(&store(), &path).unwrap();
    assert!(with_masks.get("cut_out").is_some() && with_masks.get("depth_of").is_none());
    let (_folder, path) = folder("u2net.onnx", "[head]\ntype = \"depth\"\n");
    assert!(catalog(&store(), &path).unwrap().get("depth_of").is_some());
}

#[test]
fn a_demo_of_a_manifest_is_a_plan() {
    let (_folder, path) =
        folder("u2net.onnx", "[head]\ntype = \"depth\"\n[[demos]]\nquestion = \"Why?\"\nplan = '{}'\n");
    let error = catalog(&store(), &path).err().unwrap().to_string();
    assert!(error.contains("the demo for `Why?` is not a plan") && error.contains("my_tool.toml"), "{error}");
    let wrong =
        "plan = '{\"steps\": [{\"id\": \"a\", \"tool\": \"my_tool\", \"args\": {\"zz\": 1}}], \"result\": \"$a\"}'";
    let tables = format!("[head]\ntype = \"depth\"\n[[demos]]\nquestion = \"Why?\"\n{wrong}\n");
    let (_folder, path) = folder("u2net.onnx", &tables);
    let error = catalog(&store(), &path).err().unwrap().to_string();
    assert!(error.contains("the demo for `Why?`") && error.contains("zz"), "{error}");
}

/// Every manifest of the repository is read, and those that are compiled in are whole.
#[test]
fn every_manifest_of_the_repository_is_sound() {
    let usual = builtin::catalog(&store(), &(Arc::new(Silent) as Arc<dyn Progress>)).unwrap();
    for file in crate::experts::files(&repository("tools"), &["toml"]) {
        let manifest = lavr::tool::Manifest::parse(&std::fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(file.file_stem().unwrap().to_str().unwrap(), manifest.name);
        for demo in &manifest.demos {
            lavr::plan::Plan::parse(&demo.plan).unwrap_or_else(|faults| panic!("{}: {faults:?}", file.display()));
        }
    }
    assert!(usual.get("caption").is_none() || store().home().join("lavr.lock").exists());
}

/// What is made of a detector is made of the one that is there, in whatever order the two come.
#[tokio::test]
async fn tools_made_of_others_are_made_of_those_that_are_there() {
    let detector =
        "[head]\ntype = \"detector\"\nfamily = \"yolov8\"\n[labels]\nnames = [\"cat\", \"dog\", \"zebra\"]\n";
    let (_folder, path) = folder("yolov8.onnx", detector);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("replaces = \"detect_objects\"\n{text}")).unwrap();
    let silent: Arc<dyn Progress> = Arc::new(Silent);
    for order in [["zoom_detect", "mine"], ["mine", "zoom_detect"]] {
        let mut catalog = builtin::catalog(&store(), &silent).unwrap();
        for name in order {
            let tool = if name == "mine" { path.clone() } else { PathBuf::from(name) };
            builtin::add(&mut catalog, &tool, &store(), &silent).unwrap();
        }
        let args = [("image".to_owned(), lavr::value::Value::Image(picture()))].into_iter().collect();
        let found = catalog.get("zoom_detect").unwrap().call(&cx(), args).await.unwrap();
        assert!(found.to_json().to_string().contains("zebra"), "{order:?}: {found:?}");
    }
}
