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

/// Tokenizers and decoders cut off at many places, and with bytes changed.
#[test]
fn damaged_tokenizers_and_decoders_do_no_harm() {
    let tables = "[model]\nfile = \"encoder_model.onnx\"\n[input]\nsize = [32, 32]\n[head]\ntype = \"captioner\"\n\
                  [decoder]\nfile = \"decoder_model_merged.onnx\"\ntokenizer = \"tokenizer.json\"\n\
                  start = [80]\nend = [80]\nprompt = \"a\"\n";
    let (folder, path) = super::architectures::folder("vit_gpt2", tables);
    let (mut ran, mut tried) = (0, 0);
    for (file, count) in [("tokenizer.json", 40), ("decoder_model_merged.onnx", 10)] {
        let bytes = std::fs::read(folder.path().join(file)).unwrap();
        let mut variants: Vec<Vec<u8>> = (0..count).map(|n| bytes[..bytes.len() * n / count].to_vec()).collect();
        variants.extend((0..count).map(|n| {
            let mut changed = bytes.clone();
            let at = changed.len() * n / count;
            changed[at] = changed[at].wrapping_add(1);
            changed
        }));
        for variant in variants {
            std::fs::write(folder.path().join(file), variant).unwrap();
            let added = read(&path, &runtime().unwrap()).unwrap();
            tried += 1;
            ran += usize::from(real::block_on(added.tool.look(&cx(), &picture(), &Args::new())).is_ok());
        }
        std::fs::write(folder.path().join(file), bytes).unwrap();
    }
    println!("{ran} of {tried} damaged captioners ran");
    assert!(ran < tried * 3 / 5);
    let added = read(&path, &runtime().unwrap()).unwrap();
    assert!(real::block_on(added.tool.look(&cx(), &picture(), &Args::new())).is_ok(), "the whole one runs");
}

/// Models that a manifest takes for something else: an error that says what they are.
#[tokio::test]
async fn models_of_another_kind_are_named_with_their_outputs() {
    let names = "[labels]\nmetadata = \"names\"\n";
    let cases = [
        ("yolov8.onnx", format!("[head]\ntype = \"segmenter\"\nfamily = \"yolov8_seg\"\n{names}"), "second output"),
        ("yolov8.onnx", format!("[head]\ntype = \"segmenter\"\nfamily = \"semantic\"\n{names}"), "[7, 84]"),
        ("u2net.onnx", format!("[head]\ntype = \"segmenter\"\nfamily = \"semantic\"\n{names}"), "[1, 20, 20]"),
        ("yolov8.onnx", "[head]\ntype = \"pose\"\nfamily = \"movenet\"\n".to_owned(), "17 points"),
        ("yolov8_seg.onnx", "[head]\ntype = \"depth\"\noutput = \"output1\"\n".to_owned(), "no single grid"),
        ("yolov8_nan.onnx", "[head]\ntype = \"depth\"\n".to_owned(), "not all numbers"),
        ("yolov8_nan.onnx", "[head]\ntype = \"segmenter\"\nfamily = \"salient\"\n".to_owned(), "not all numbers"),
    ];
    for (model, tables, part) in cases {
        let error = look(model, &tables, &[]).await.err().unwrap_or_else(|| panic!("{model} is {tables}")).to_string();
        assert!(error.contains(part), "{model}, {tables}: {error}");
    }
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
