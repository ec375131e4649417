//! Real architectures at toy size, against what the library they come from makes of the same picture.
//!
//! `tests/models/architectures.py` built and exported them, and wrote down the reference.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lavr::error::Result;
use lavr::tool::Args;
use lavr::tool::model::{Look, numbers_of};
use lavr::value::Value;
use serde_json::Value as Json;

use super::{ABOUT, floats, picture, read};
use crate::experts::{cx, json, repository, runtime};

const ROOT: &str = "tests/models/architectures";

/// What was written down of an architecture.
pub(super) fn reference(name: &str) -> Json {
    json(&repository(ROOT).join("reference.json"))[name].clone()
}

/// A folder with the files of an architecture, and a manifest of these tables.
pub(super) fn folder(architecture: &str, tables: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(repository(ROOT).join(architecture)).unwrap() {
        let file = entry.unwrap();
        std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    let path = folder.path().join("my_tool.toml");
    std::fs::write(&path, format!("{ABOUT}\n{tables}")).unwrap();
    (folder, path)
}

/// What the tool of a manifest of these tables makes of the picture; its files are those of the architecture.
pub(super) async fn look(architecture: &str, tables: &str, args: &[(&str, Value)]) -> Result<Look> {
    let (folder, path) = folder(architecture, tables);
    let added = read(&path, &runtime().unwrap())?;
    let args = args.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect::<Args>();
    // Some have a picture of their own.
    let own = folder.path().join("picture.png");
    let picture = if own.is_file() { crate::experts::image(&own) } else { picture() };
    added.tool.look(&cx(), &picture, &args).await
}

/// The table `[input]` of an image processor of transformers.
pub(super) fn input(processor: &Json) -> String {
    let mut lines = vec!["[input]".to_owned()];
    let size = &processor["size"];
    let short = size["shortest_edge"].as_u64();
    if let (Some(short), Some(long)) = (short, size["longest_edge"].as_u64()) {
        lines.push(format!("resize = \"within\"\nshort = {short}\nlong = {long}"));
    } else if size["longest_edge"].is_u64() {
        let pad = &processor["pad_size"];
        lines.push(format!("resize = \"longest\"\nsize = [{}, {}]", pad["width"], pad["height"]));
    } else if let Some(short) = short {
        let crop = &processor["crop_size"];
        lines.push(format!("resize = \"shortest\"\nmiddle = \"lower\"\nshort = {short}"));
        lines.push(format!("size = [{}, {}]", crop["width"], crop["height"]));
    } else {
        lines.push(format!("size = [{}, {}]", size["width"], size["height"]));
    }
    if processor["keep_aspect_ratio"] == true {
        lines.push(format!("resize = \"fit\"\nmultiple_of = {}", processor["ensure_multiple_of"]));
    }
    lines.push(format!("filter = {}", processor["resample"]));
    if processor["do_normalize"] == true {
        lines.push(format!("mean = {}\nstd = {}", processor["image_mean"], processor["image_std"]));
    }
    lines.join("\n") + "\n"
}

/// The picture went in as in the reference: to the last level of 255, and in sum.
pub(super) fn assert_input(look: &Look, reference: &Json) {
    let numbers = look.input.iter().map(|(_, tensor)| numbers_of(tensor)).find(|n| n.len() > 100).unwrap();
    for (got, want) in numbers.iter().zip(floats(&reference["first"])) {
        assert!((got - want).abs() < 1e-4, "{got} and {want}");
    }
    let (sum, want) = (numbers.iter().sum::<f64>(), reference["sum"].as_f64().unwrap());
    assert!((sum - want).abs() < 0.01, "{sum} and {want}");
}

/// The options of one generation as keys of `[decoder]`.
fn options(generation: &Json, prompt: &Json) -> String {
    let options = &generation["options"];
    let begun = prompt.as_array().unwrap().len() as u64;
    let max = options["max_length"].as_u64().map(|most| most - begun).or(options["max_new_tokens"].as_u64()).unwrap();
    let mut lines = vec![format!("max_tokens = {max}"), format!("beams = {}", options["num_beams"])];
    if let Some(penalty) = options["length_penalty"].as_f64() {
        lines.push(format!("length_penalty = {penalty:.1}"));
    }
    if let Some(early) = options["early_stopping"].as_bool() {
        lines.push(format!("early_stopping = {early}"));
    }
    lines.join("\n") + "\n"
}

fn text(value: &Value) -> &str {
    if let Value::Text(text) = value { text } else { panic!("{value:?}") }
}

/// All generations of one task of an architecture, with these tables but for the options.
async fn writes(architecture: &str, task: &str, tables: &str, args: &[(&str, Value)]) {
    let reference = reference(architecture);
    let generations = reference[task]["generations"].as_array().unwrap_or_else(|| panic!("{architecture}: {task}"));
    assert!(!generations.is_empty());
    for generation in generations {
        let options = options(generation, &reference[task]["prompt_ids"]);
        let tables = format!("{tables}{options}{}", input(&reference["processor"]));
        let look = look(architecture, &tables, args).await.unwrap_or_else(|e| panic!("{architecture}: {e}\n{tables}"));
        assert_input(&look, &reference["pixel_values"]);
        let asked = args.iter().any(|(name, _)| *name == "question");
        let written = if asked { generation.get("text_after_prompt") } else { None };
        let wanted = written.unwrap_or(&generation["text"]).as_str().unwrap();
        assert_eq!(text(&look.value), wanted, "{architecture}, {task}: {generation}");
    }
}

fn captioner(model: &str, decoder: &str, start: &Json, end: &Json) -> String {
    format!(
        "[model]\nfile = \"{model}\"\n[head]\ntype = \"captioner\"\n\
         [decoder]\n{decoder}\ntokenizer = \"tokenizer.json\"\nstart = [{start}]\nend = [{end}]\n"
    )
}

#[tokio::test]
async fn a_captioner_writes_what_transformers_writes_with_and_without_a_cache() {
    let (start, end) = (&reference("vit_gpt2")["caption"]["prompt_ids"][0], &reference("vit_gpt2")["end"]);
    let decoders = [
        "file = \"decoder_model.onnx\"",
        "file = \"decoder_model.onnx\"\nwith_past = \"decoder_with_past_model.onnx\"",
        "file = \"decoder_model_merged.onnx\"",
    ];
    for decoder in decoders {
        let tables = captioner("encoder_model.onnx", decoder, start, end);
        writes("vit_gpt2", "caption", &tables, &[]).await;
    }
}

#[tokio::test]
async fn blip_writes_captions_with_and_without_a_beginning() {
    let blip = reference("blip");
    let tables = captioner("vision_model.onnx", "file = \"text_decoder.onnx\"", &blip["start"], &blip["end"]);
    writes("blip", "caption", &tables, &[]).await;
    let begun = format!("{tables}prompt = {}\n", blip["prompt"]);
    writes("blip", "prompted", &begun, &[]).await;
}

#[tokio::test]
async fn blip_answers_what_its_text_encoder_reads() {
    let blip = reference("blip_vqa");
    let tables = captioner("vision_model.onnx", "file = \"text_decoder.onnx\"", &blip["start"], &blip["end"])
        .replace("captioner", "vqa")
        .replace("[decoder]", "[text]\nfile = \"text_encoder.onnx\"\ntokenizer = \"tokenizer.json\"\n[decoder]");
    let question = Value::Text(blip["question"].as_str().unwrap().to_owned());
    writes("blip_vqa", "answer", &tables, &[("question", question)]).await;
}

fn scores(look: &Look) -> BTreeMap<String, f64> {
    let Value::Labels(labels) = &look.value else { panic!("{look:?}") };
    assert!(labels.windows(2).all(|pair| pair[0].score >= pair[1].score), "best first: {labels:?}");
    labels.iter().map(|label| (label.label.clone(), label.score)).collect()
}

/// Two encoders, or one model of both.
#[tokio::test]
async fn clip_and_siglip_tell_which_words_fit() {
    for (name, family, scored) in [("clip", "clip", "probabilities"), ("siglip", "siglip", "scores")] {
        let reference = reference(name);
        let labels: Vec<String> = serde_json::from_value(reference["labels"].clone()).unwrap();
        let asked = Value::List(labels.iter().cloned().map(Value::Text).collect());
        let template = &reference["template"];
        let head = |more: &str| format!("[head]\ntype = \"zero_shot\"\nfamily = \"{family}\"\n{more}");
        let of = |key: &str| reference[key].as_f64();
        let mut pair = head(&format!("logit_scale = {:.6}\n", of("logit_scale").unwrap()));
        if let Some(bias) = of("logit_bias") {
            pair.push_str(&format!("logit_bias = {bias:.6}\n"));
        }
        let mut text = format!("tokenizer = \"tokenizer.json\"\ntemplate = {template}\n");
        // SigLIP reads texts of one length, and its encoders have an output for each token before the one that counts.
        let length = reference["input_ids"][0].as_array().unwrap().len();
        let pooled = if name == "siglip" { "output = \"pooler_output\"\n" } else { "" };
        if name == "siglip" {
            text.push_str(&format!("length = {length}\npad = 1\n"));
        }
        let two = format!(
            "[model]\nfile = \"vision_model.onnx\"\n{pair}{pooled}[text]\nfile = \"text_model.onnx\"\n{text}{pooled}"
        );
        let mut ways = vec![two];
        if repository(ROOT).join(name).join("model.onnx").is_file() {
            ways.push(format!(
                "[model]\nfile = \"model.onnx\"\n{}output = \"logits_per_image\"\n[text]\n{text}",
                head("")
            ));
        }
        for tables in ways {
            let tables = format!("{tables}{}", input(&reference["processor"]));
            let look =
                look(name, &tables, &[("labels", asked.clone())]).await.unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_input(&look, &reference["pixel_values"]);
            let got = scores(&look);
            for (label, want) in labels.iter().zip(floats(&reference[scored])) {
                assert!((got[label] - want).abs() < 1e-4, "{name}: {label} is {} and should be {want}", got[label]);
            }
        }
    }
}

/// One model that takes the picture and the tokens together.
#[tokio::test]
async fn git_writes_captions_and_answers() {
    let git = reference("git");
    let head = |kind: &str, prompt: &str| {
        format!(
            "[model]\nfile = \"model.onnx\"\n[head]\ntype = \"{kind}\"\n[decoder]\ntokenizer = \"tokenizer.json\"\n\
             start = [{}]\nend = [{}]\n{prompt}",
            git["start"], git["end"]
        )
    };
    writes("git", "caption", &head("captioner", ""), &[]).await;
    let question = Value::Text(git["question"].as_str().unwrap().to_owned());
    writes("git", "answer", &head("vqa", "prompt = \"{question}\"\n"), &[("question", question)]).await;
}

/// The class of each pixel, from runs of (class, length).
pub(super) fn spread(runs: &Json) -> Vec<u64> {
    let runs = runs.as_array().unwrap().iter();
    runs.flat_map(|run| vec![run[0].as_u64().unwrap(); run[1].as_u64().unwrap() as usize]).collect()
}

#[tokio::test]
async fn segformer_outlines_the_classes_of_each_pixel() {
    let segformer = reference("segformer");
    let names = ["wall", "floor", "sky", "tree", "road"];
    let tables = format!(
        "[model]\nfile = \"model.onnx\"\n[head]\ntype = \"segmenter\"\nfamily = \"semantic\"\n[labels]\nnames = {names:?}\n{}",
        input(&segformer["processor"])
    );
    let seen = look("segformer", &tables, &[]).await.unwrap();
    assert_input(&seen, &segformer["pixel_values"]);
    let Value::List(masks) = &seen.value else { panic!("{seen:?}") };
    let width = picture().width();
    for (n, class) in spread(&segformer["class_runs"]).into_iter().enumerate() {
        let (x, y) = (f64::from(n as u32 % width) + 0.5, f64::from(n as u32 / width) + 0.5);
        let of = |mask: &Value| {
            if let Value::Mask(mask) = mask { (mask.region.label.clone(), mask.at(x, y)) } else { panic!() }
        };
        let found: Vec<(String, f64)> = masks.iter().map(of).filter(|(_, sure)| *sure > 0.0).collect();
        assert_eq!(found, [(names[class as usize].to_owned(), 1.0)], "at {x}, {y}");
    }
}

#[tokio::test]
async fn depth_anything_tells_how_near_each_place_is() {
    let depth = reference("depth_anything");
    let head = |more: &str| {
        let input = input(&depth["processor"]);
        format!("[model]\nfile = \"model.onnx\"\n[head]\ntype = \"depth\"\n{more}{input}")
    };
    let plain = look("depth_anything", &head("normalize = false\n"), &[]).await.unwrap();
    assert_input(&plain, &depth["pixel_values"]);
    let Value::Map(grid) = &plain.value else { panic!("{plain:?}") };
    let (width, height) = (f64::from(picture().width()), f64::from(picture().height()));
    assert_eq!(grid.bounds, [0.0, 0.0, width, height]);
    let wanted = floats(&depth["predicted_depth"]["data"]);
    assert_eq!(grid.data.len(), wanted.len());
    for (got, want) in grid.data.iter().zip(&wanted) {
        assert!((f64::from(*got) - want).abs() < 1e-3 * want.abs().max(1.0), "{got} and {want}");
    }
    let most =
        |grid: &lavr::value::Grid| (0..grid.data.len()).max_by(|a, b| grid.data[*a].total_cmp(&grid.data[*b])).unwrap();
    for (more, near) in [("", most(grid)), ("invert = true\n", usize::MAX)] {
        let look = look("depth_anything", &head(more), &[]).await.unwrap();
        let Value::Map(scaled) = &look.value else { panic!("{look:?}") };
        assert!(scaled.data.iter().all(|n| (0.0..=1.0).contains(n)) && scaled.data.contains(&1.0));
        assert_eq!(most(scaled) == near, near != usize::MAX);
    }
}

#[tokio::test]
async fn detectors_of_transformers_find_what_their_own_code_finds() {
    for (name, family) in [("detr", "detr"), ("rt_detr", "rt_detr"), ("d_fine", "rt_detr")] {
        let reference = reference(name);
        let names: Vec<String> = serde_json::from_value(reference["classes"].clone()).unwrap();
        let tables = format!(
            "[model]\nfile = \"model.onnx\"\n[head]\ntype = \"detector\"\nfamily = \"{family}\"\nmin_score = {}\n\
             [labels]\nnames = {names:?}\n{}",
            reference["threshold"],
            input(&reference["processor"])
        );
        let look = look(name, &tables, &[]).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_input(&look, &reference["pixel_values"]);
        let found = super::regions(&look.value);
        let (labels, scores) = (floats(&reference["labels"]), floats(&reference["scores"]));
        let boxes = floats(&reference["boxes"]["data"]);
        assert_eq!(found.len(), labels.len(), "{name}: {found:?}");
        let (width, height) = (f64::from(picture().width()), f64::from(picture().height()));
        for ((label, score), sides) in labels.iter().zip(scores).zip(boxes.chunks_exact(4)) {
            let region = found.iter().find(|region| (region.score - score).abs() < 1e-4);
            let region = region.unwrap_or_else(|| panic!("{name}: nothing of {score} in {found:?}"));
            assert_eq!(region.label, names[*label as usize], "{name}");
            for (n, (got, want)) in region.bounds.iter().zip(sides).enumerate() {
                let want = want.clamp(0.0, if n % 2 == 0 { width } else { height });
                assert!((got - want).abs() < 1e-2, "{name}: {region:?}, {sides:?}");
            }
        }
    }
}

#[tokio::test]
async fn trocr_reads_with_and_without_a_cache() {
    let trocr = reference("trocr");
    for decoder in ["decoder_model.onnx", "decoder_model_merged.onnx"] {
        let tables = captioner(
            "encoder_model.onnx",
            &format!("file = \"{decoder}\""),
            &trocr["text"]["prompt_ids"][0],
            &trocr["end"],
        );
        writes("trocr", "text", &tables, &[]).await;
    }
}

#[tokio::test]
async fn donut_answers_from_a_document() {
    let donut = reference("donut");
    let prompt = "prompt = \"<s_docvqa><s_question>{question}</s_question><s_answer>\"\nforced_end = true\n";
    let tables = captioner("encoder_model.onnx", "file = \"decoder_model_merged.onnx\"", &Json::Null, &donut["end"])
        .replace("captioner", "vqa")
        .replace("start = [null]\n", prompt);
    let question = Value::Text(donut["question"].as_str().unwrap().to_owned());
    writes("donut", "answer", &tables, &[("question", question)]).await;
}

/// What the model does not see of a picture is no part of what it finds there.
#[tokio::test]
async fn what_is_cut_off_is_in_no_outline_and_on_no_map() {
    let names = ["wall", "floor", "sky", "tree", "road"];
    let cut = "[input]\nresize = \"shortest\"\nsize = [64, 64]\n";
    let tables = format!(
        "[model]\nfile = \"model.onnx\"\n[head]\ntype = \"segmenter\"\nfamily = \"semantic\"\n[labels]\nnames = {names:?}\n{cut}"
    );
    let seen = look("segformer", &tables, &[]).await.unwrap();
    let Value::List(masks) = &seen.value else { panic!("{seen:?}") };
    // Of the picture, 37 pixels wide and 23 high, the model sees the middle 23.
    let inside = |bounds: [f64; 4]| bounds[0] >= 6.5 && bounds[2] <= 30.5;
    assert!(!masks.is_empty());
    for mask in masks {
        let region = mask.region().unwrap();
        assert!(inside(region.bounds), "{region:?}");
    }
}

/// What a picture was filled up with is on no map of depth.
#[tokio::test]
async fn padding_is_on_no_map_of_depth() {
    let tables =
        "[model]\nfile = \"model.onnx\"\n[head]\ntype = \"segmenter\"\nfamily = \"salient\"\noutput = \"logits\"\n";
    assert!(
        look("segformer", &format!("{tables}[input]\nsize = [64, 64]\n"), &[]).await.is_err(),
        "five grids are not one"
    );
    let depth = "[head]\ntype = \"depth\"\n[input]\nresize = \"letterbox\"\nsize = [64, 64]\n";
    let look = super::look("u2net.onnx", depth, &[]).await.unwrap();
    let Value::Map(map) = &look.value else { panic!("{look:?}") };
    // Twenty cells over the input; the picture takes up all of its width, and 40 of its 64 rows from the twelfth on.
    assert_eq!((map.width, map.height), (20, 12), "{:?}", map.bounds);
    let [left, top, right, bottom] = map.bounds;
    assert!(left.abs() < 1e-9 && (right - 37.0).abs() < 1e-9 && top > -1.0 && bottom < 24.0, "{:?}", map.bounds);
    assert!(map.data.contains(&0.0) && map.data.contains(&1.0));
}
