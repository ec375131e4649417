//! Manifests and models that are damaged, or mean harm: an error, and never a panic, a hang, or a foreign file.

use std::time::{Duration, Instant};

use lavr::tool::Args;
use proptest::prelude::*;

use super::{ABOUT, detector, folder, look, picture, read};
use crate::experts::{cx, repository, runtime};
use crate::real;

const RAW: &str = "[head]\ntype = \"raw\"\n";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Cut off, or with a letter changed anywhere.
    #[test]
    fn damaged_manifests_are_errors_that_name_the_file(cut in 0.0..1.0f64, at in 0.0..1.0f64, letter in any::<char>()) {
        let whole = format!("{ABOUT}[model]\nfile = \"yolov8.onnx\"\n{}", detector("family = \"yolov8\""));
        let letters: Vec<char> = whole.chars().collect();
        let place = |share: f64| ((letters.len() as f64 * share) as usize).min(letters.len() - 1);
        let mut changed = letters.clone();
        changed[place(at)] = letter;
        let (_folder, path) = folder("identity.onnx", RAW);
        for text in [letters[..place(cut)].iter().collect::<String>(), changed.iter().collect()] {
            std::fs::write(&path, text).unwrap();
            if let Err(error) = read(&path, &runtime().unwrap()) {
                prop_assert!(error.to_string().contains("my_tool.toml"), "{error}");
            }
        }
    }
}

/// Models cut off at many places, and with bytes changed: they do not load, or give something; and the next loads.
#[test]
fn damaged_models_do_no_harm() {
    let began = Instant::now();
    let mut loaded = 0;
    for model in ["yolov8.onnx", "classifier.onnx"] {
        let bytes = std::fs::read(repository("tests/models").join(model)).unwrap();
        let (folder, path) = folder(model, RAW);
        let mut variants: Vec<Vec<u8>> = (0..25).map(|n| bytes[..bytes.len() * n / 25].to_vec()).collect();
        variants.extend((0..25).map(|n| {
            let mut changed = bytes.clone();
            let at = changed.len() * n / 25;
            changed[at] ^= 0xff;
            changed
        }));
        for variant in variants {
            std::fs::write(folder.path().join(model), variant).unwrap();
            let added = read(&path, &runtime().unwrap()).unwrap();
            let looked = real::block_on(added.tool.look(&cx(), &picture(), &Args::new()));
            match looked {
                Ok(_) => loaded += 1,
                Err(error) => assert!(error.to_string().contains("my_tool"), "{error}"),
            }
        }
    }
    println!("{loaded} of 100 damaged models ran");
    assert!(loaded < 60 && began.elapsed() < Duration::from_secs(120));
}

#[tokio::test]
async fn no_file_outside_the_folder_is_read() {
    for name in ["../identity.onnx", "/etc/hostname", "a/b.onnx", "..", "", "a\\b.onnx", "a\0b"] {
        let (_folder, path) = folder("identity.onnx", RAW);
        let text = std::fs::read_to_string(&path)
            .unwrap()
            .replace("\"identity.onnx\"", &format!("{name:?}").replace("\\0", "\\u0000"));
        std::fs::write(&path, text).unwrap();
        let error = read(&path, &runtime().unwrap()).err().unwrap_or_else(|| panic!("{name:?} was taken")).to_string();
        assert!(error.contains("plain name of a file beside the manifest"), "{name:?}: {error}");
    }
    let classes = "[head]\ntype = \"classifier\"\n[labels]\nfile = \"../outside.txt\"\n";
    let (_folder, path) = folder("classifier.onnx", classes);
    let error = read(&path, &runtime().unwrap()).err().unwrap().to_string();
    assert!(error.contains("plain name"), "{error}");
    // Weights that a model says are in a file elsewhere.
    for model in ["outside_above.onnx", "outside_absolute.onnx"] {
        let (folder, path) = folder(model, RAW);
        std::fs::write(folder.path().parent().unwrap().join("outside.bin"), [0; 4]).unwrap();
        let added = read(&path, &runtime().unwrap()).unwrap();
        let looked = added.tool.look(&cx(), &picture(), &Args::new()).await;
        let error = looked.err().unwrap_or_else(|| panic!("{model} was loaded")).to_string();
        println!("{error}");
    }
}

/// A pipe is no manifest and no file of labels: opening it would wait for ever.
#[cfg(unix)]
#[test]
fn pipes_are_refused() {
    let (folder, path) = folder("classifier.onnx", "[head]\ntype = \"classifier\"\n[labels]\nfile = \"labels.txt\"\n");
    let pipe = |name: &str| {
        let made = std::process::Command::new("mkfifo").arg(folder.path().join(name)).status().unwrap();
        assert!(made.success());
        folder.path().join(name)
    };
    pipe("labels.txt");
    for (path, part) in [(path, "labels.txt"), (pipe("pipe.toml"), "pipe.toml")] {
        let error = read(&path, &runtime().unwrap()).err().unwrap().to_string();
        assert!(error.contains(part) && error.contains("no such file"), "{error}");
    }
}

#[tokio::test]
async fn large_outputs_are_summed_up_and_names_with_slashes_refused() {
    let looked = look("large.onnx", RAW, &[]).await.unwrap();
    let lavr::value::Value::Json(json) = looked.value else { panic!("no JSON") };
    assert!(json["y"]["mean"].is_number() && json["y"]["data"].is_null(), "{json}");
    for name in ["a/b", "../a", "A", "", "a b"] {
        let (_folder, path) = folder("identity.onnx", RAW);
        let text = std::fs::read_to_string(&path).unwrap().replace("\"my_tool\"", &format!("{name:?}"));
        std::fs::write(&path, text).unwrap();
        let error = read(&path, &runtime().unwrap()).err().unwrap_or_else(|| panic!("{name:?} was taken")).to_string();
        assert!(error.contains("is not a tool name"), "{error}");
    }
    let (folder, path) = folder("classifier.onnx", "[head]\ntype = \"classifier\"\n[labels]\nfile = \"labels.txt\"\n");
    std::fs::write(folder.path().join("labels.txt"), vec![b'a'; 5 * 1024 * 1024]).unwrap();
    let error = read(&path, &runtime().unwrap()).err().unwrap().to_string();
    assert!(error.contains("labels.txt") && error.contains("more than"), "{error}");
}
