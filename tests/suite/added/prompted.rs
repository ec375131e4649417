//! Segmenters that are asked about places: SAM at toy size, as optimum and as segment_anything export it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use lavr::config::Config;
use lavr::cx::Cx;
use lavr::error::{ErrorKind, Result};
use lavr::image::{Frame, Image};
use lavr::plan::{Plan, PlanLimits};
use lavr::runner::{LazyFile, ModelFacts, OrtModel, Runner, Tensors};
use lavr::store::{Progress, Silent, Store, StoreOptions};
use lavr::tool::model::{Look, ModelTool, Parts};
use lavr::tool::{Args, Manifest, builtin};
use lavr::value::{Mask, Point, Region, Value};
use serde_json::{Value as Json, json};

use super::architectures::{assert_input, folder, input, look, reference, spread};
use super::stated::{Stated, facts, floats as tensor};
use super::{ABOUT, floats, picture, read};
use crate::experts::{cx, repository, runtime};

const OPTIMUM: [&str; 3] = ["sam", "vision_encoder.onnx", "prompt_encoder_mask_decoder.onnx"];
const META: [&str; 3] = ["segment_anything", "encoder.onnx", "decoder.onnx"];
const META_SINGLE: [&str; 3] = ["segment_anything", "encoder.onnx", "decoder_single.onnx"];

/// A manifest of these files.
fn tables([architecture, encoder, decoder]: [&str; 3]) -> String {
    format!(
        "[model]\nfile = \"{encoder}\"\n[head]\ntype = \"segmenter\"\nfamily = \"sam\"\n\
         [mask_decoder]\nfile = \"{decoder}\"\n{}",
        input(&reference(architecture)["processor"])
    )
}

async fn outlines(export: [&str; 3], at: Value) -> Result<Look> {
    look(export[0], &tables(export), &[("at", at)]).await
}

fn masks(value: &Value) -> Vec<&Mask> {
    let Value::List(items) = value else { panic!("{value:?}") };
    items.iter().map(|item| if let Value::Mask(mask) = item { mask } else { panic!("{item:?}") }).collect()
}

/// A place of the reference as a plan would write it.
fn place(prompt: &Json) -> Value {
    let side = |n: &f64| Value::Number(*n);
    let key = if prompt["point"].is_array() { "point" } else { "box" };
    Value::List(floats(&prompt[key]).iter().map(side).collect())
}

/// The outline of a prompt, pixel for pixel, and its score.
fn assert_outline(mask: &Mask, prompt: &Json, name: &str) {
    let want = prompt["score"].as_f64().unwrap();
    assert!((mask.region.score - want).abs() < 1e-4, "{name}: {} and {want}", mask.region.score);
    let width = picture().width();
    let inside = spread(&prompt["runs"]);
    assert_eq!(inside.len() as u32, width * picture().height());
    for (n, want) in inside.into_iter().enumerate() {
        let (x, y) = (f64::from(n as u32 % width) + 0.5, f64::from(n as u32 / width) + 0.5);
        assert_eq!(mask.at(x, y), want as f64, "{name}: at {x}, {y}");
    }
}

#[tokio::test]
async fn outlines_are_those_of_the_original_pixel_for_pixel() {
    for export in [OPTIMUM, META, META_SINGLE] {
        let reference = reference(export[0]);
        let prompts = reference["prompts"].as_array().unwrap();
        assert_eq!(prompts.len(), 3);
        for prompt in prompts {
            let seen = outlines(export, place(prompt)).await.unwrap_or_else(|e| panic!("{export:?}: {e}"));
            assert_input(&seen, &reference["pixel_values"]);
            let [mask] = masks(&seen.value)[..] else { panic!("{seen:?}") };
            assert_eq!(mask.region.label, "thing");
            assert_outline(mask, prompt, export[0]);
        }
        // All at once: in order, with one look at the picture.
        let all = outlines(export, Value::List(prompts.iter().map(place).collect())).await.unwrap();
        let found = masks(&all.value);
        assert_eq!(found.len(), prompts.len());
        found.iter().zip(prompts).for_each(|(mask, prompt)| assert_outline(mask, prompt, export[0]));
    }
}

/// A model that counts how often it runs.
struct Counted {
    runner: Arc<dyn Runner>,
    runs: AtomicUsize,
}

#[async_trait]
impl Runner for Counted {
    async fn run(&self, cx: &Cx, inputs: Tensors) -> Result<Tensors> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.runner.run(cx, inputs).await
    }

    async fn facts(&self) -> Result<ModelFacts> {
        self.runner.facts().await
    }
}

#[tokio::test]
async fn a_picture_is_looked_at_once_however_many_places_are_asked_for() {
    let (folder, path) = folder(OPTIMUM[0], &tables(OPTIMUM));
    let manifest = Manifest::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let counted = |file: &str| {
        let file = OrtModel::File(LazyFile::at(folder.path().join(file)));
        Arc::new(Counted {
            runner: Arc::new(runtime().unwrap().runner("half".to_owned(), file)),
            runs: AtomicUsize::new(0),
        })
    };
    let (encoder, decoder) = (counted(OPTIMUM[1]), counted(OPTIMUM[2]));
    let mut parts = Parts::of(encoder.clone());
    parts.mask_decoder = Some(decoder.clone());
    let tool = ModelTool::new(&manifest, folder.path(), parts).unwrap();
    for (at, runs) in
        [(json!([[9, 8], [30, 16], [4, 3, 21, 19]]), [1, 3]), (json!([]), [1, 3]), (json!([9, 8]), [2, 4])]
    {
        let args: Args = [("at".to_owned(), Value::Json(at))].into_iter().collect();
        tool.look(&cx(), &picture(), &args).await.unwrap();
        assert_eq!([&encoder, &decoder].map(|model| model.runs.load(Ordering::Relaxed)), runs);
    }
}

#[tokio::test]
async fn places_come_as_regions_points_and_json() {
    let reference = reference(OPTIMUM[0]);
    let prompts = reference["prompts"].as_array().unwrap();
    let (point, sides) = (floats(&prompts[0]["point"]), floats(&prompts[2]["box"]));
    let bounds: [f64; 4] = sides.clone().try_into().unwrap();
    let region = Value::Region(Region { label: "dog".to_owned(), score: 0.9, bounds });
    let named = Value::Points(vec![Point { label: "nose".to_owned(), score: 0.9, x: point[0], y: point[1] }]);
    let polygon =
        json!([[bounds[0], bounds[1]], [bounds[2], bounds[1]], [bounds[2], bounds[3]], [bounds[0], bounds[3]]]);
    for (at, label, prompt) in [
        (region.clone(), "dog", 2),
        (Value::List(vec![region]), "dog", 2),
        (named, "nose", 0),
        (Value::Json(json!({ "x": point[0], "y": point[1] })), "thing", 0),
        (Value::Json(json!({ "box": sides, "label": "cat" })), "cat", 2),
        (Value::Json(json!([sides[2], sides[3], sides[0], sides[1]])), "thing", 2),
        (Value::Json(json!({ "text": "EXIT", "score": 1.0, "polygon": polygon })), "EXIT", 2),
    ] {
        let seen = outlines(OPTIMUM, at.clone()).await.unwrap_or_else(|e| panic!("{at:?}: {e}"));
        let [mask] = masks(&seen.value)[..] else { panic!("{seen:?}") };
        assert_eq!(mask.region.label, label, "{at:?}");
        assert_outline(mask, &prompts[prompt], label);
    }
    let named = format!("{}[labels]\nnames = [\"part\"]\n", tables(OPTIMUM));
    let seen = look(OPTIMUM[0], &named, &[("at", place(&prompts[0]))]).await.unwrap();
    assert_eq!(masks(&seen.value)[0].region.label, "part");
    // Nothing was found, so there is nothing to outline.
    let none = outlines(OPTIMUM, Value::List(Vec::new())).await.unwrap();
    assert!(masks(&none.value).is_empty());
}

/// Of a picture that was cut out and enlarged, places are still those of the whole.
#[tokio::test]
async fn places_are_in_pixels_of_the_root_image() {
    for export in [OPTIMUM, META] {
        let (_folder, path) = folder(export[0], &tables(export));
        let added = read(&path, &runtime().unwrap()).unwrap();
        let frame = Frame { x: 100.0, y: 40.0, scale: 2.0 };
        let part = Image::from_pixels(picture().pixels().clone(), frame);
        let reference = reference(export[0]);
        let prompts = reference["prompts"].as_array().unwrap();
        for prompt in prompts {
            let sides = floats(if prompt["point"].is_array() { &prompt["point"] } else { &prompt["box"] });
            let moved: Vec<f64> = sides
                .chunks(2)
                .flat_map(|pair| {
                    let (x, y) = frame.to_root(pair[0], pair[1]);
                    [x, y]
                })
                .collect();
            let args: Args = [("at".to_owned(), Value::Json(json!(moved)))].into_iter().collect();
            let seen = added.tool.look(&cx(), &part, &args).await.unwrap();
            let [mask] = masks(&seen.value)[..] else { panic!("{seen:?}") };
            let [left, top, right, bottom] = mask.region.bounds;
            let ((left, top), (right, bottom)) = (frame.to_local(left, top), frame.to_local(right, bottom));
            let region = Region { bounds: [left, top, right, bottom], ..mask.region.clone() };
            assert_outline(&Mask { region, pixels: mask.pixels.clone() }, prompt, export[0]);
        }
    }
}

#[tokio::test]
async fn what_is_no_place_is_named_with_what_would_be_one() {
    let number = |n: f64| Value::Number(n);
    for (at, part) in [
        (
            Value::List(vec![number(500.0), number(4.0)]),
            "the point [500.0, 4.0] lies outside the image, which covers [0.0, 0.0, 37.0, 23.0]: give a place in it",
        ),
        (
            Value::List([40.0, 2.0, 60.0, 9.0].map(number).to_vec()),
            "the box [40.0, 2.0, 60.0, 9.0] lies outside the image",
        ),
        (
            Value::List([1.0, 2.0, 3.0].map(number).to_vec()),
            "`at` is [1,2,3], which is no place: give a point `[x, y]`, a box",
        ),
        (Value::Text("the dog".to_owned()), "`at` is \"the dog\", which is no place"),
        (Value::Number(f64::NAN), "`at` is null, which is no place"),
        (Value::List([f64::NAN, 3.0].map(number).to_vec()), "which is no place"),
        (Value::Json(json!({ "x": 1 })), "which is no place"),
        (Value::Json(json!(vec![[3, 4]; 101])), "101 places, and 100 at most"),
    ] {
        let error = outlines(OPTIMUM, at.clone()).await.err().unwrap_or_else(|| panic!("{at:?}")).to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
    let error = look(OPTIMUM[0], &tables(OPTIMUM), &[]).await.err().unwrap().to_string();
    assert!(error.contains("`at` is missing: give a point `[x, y]`, a box"), "{error}");
}

/// Each form that `docs/TOOLS.md` names, written down or taken from a step before.
#[test]
fn every_form_of_a_place_can_stand_in_a_plan() {
    let progress: Arc<dyn Progress> = Arc::new(Silent);
    let store = Store::open(StoreOptions::from_env().unwrap()).unwrap();
    let mut catalog = Config::default().catalog(&progress).unwrap();
    for name in ["segment_at", "estimate_pose"] {
        builtin::switch_on(&mut catalog, name, &store, &progress).unwrap();
    }
    let faults = |at: Json| {
        let steps = json!({ "result": "$outlines", "steps": [
            { "id": "dogs", "tool": "detect_objects", "args": { "image": "$image", "labels": ["dog"] } },
            { "id": "joints", "tool": "estimate_pose", "args": { "image": "$image" } },
            { "id": "outlines", "tool": "segment_at", "args": { "image": "$image", "at": at } },
        ] });
        catalog.check(&Plan::from_json(&steps).unwrap(), &PlanLimits { max_steps: 9, images: 1 })
    };
    for at in [
        json!("$dogs"),
        json!("$dogs[0]"),
        json!(["$dogs[0]", "$dogs[1]"]),
        json!("$dogs[0].box"),
        json!(["$dogs[0].box", [240, 160]]),
        json!("$joints"),
        json!("$joints[0]"),
        json!(["$joints[0]"]),
        json!([240, 160]),
        json!([200, 120, 280, 200]),
        json!([[240, 160], [10, 20]]),
        json!([[200, 120, 280, 200], [240, 160]]),
    ] {
        assert_eq!(faults(at.clone()), [], "{at}");
    }
    for at in [json!("the dog"), json!(240), json!([["dog"]]), json!("$image"), json!([[[1, 2]]])] {
        assert!(!faults(at.clone()).is_empty(), "{at}");
    }
}

/// A mask as large as a decoder states is made within limits, and its elements are of a type that there is.
#[tokio::test]
async fn a_decoder_that_takes_an_endless_mask_or_odd_elements_is_named() {
    let tables = "[model]\nfile = \"a.onnx\"\n[head]\ntype = \"segmenter\"\nfamily = \"sam\"\n\
                  [mask_decoder]\nfile = \"b.onnx\"\n";
    let manifest = Manifest::parse(&format!("{ABOUT}{tables}")).unwrap();
    for (points, mask, part) in [
        ("f32", "f32[1, 1, 100000, 100000]", "`mask_input` is f32[1, 1, 100000, 100000], and 4194304 numbers at most"),
        ("f32", "f32[9999999999, 9999999999, 9, 9]", "numbers at most can be given to it"),
        ("f32", "f16[1, 1, 256, 256]", "`mask_input` has elements of type f16, which cannot be given"),
        ("f64", "f32[1, 1, 256, 256]", "`point_coords` has elements of type f64, which cannot be given"),
    ] {
        let encoder = Stated::new(facts(&["x: f32[1, 3, 16, 16]"], &["image_embeddings: f32[1, 1]"]), |_| {
            vec![("image_embeddings".to_owned(), tensor(&[1, 1], vec![0.0]))]
        });
        let inputs = [format!("point_coords: {points}[1, ?, 2]"), format!("mask_input: {mask}")];
        let inputs = [inputs[0].as_str(), "point_labels: f32[1, ?]", inputs[1].as_str()];
        let mut parts = Parts::of(Arc::new(encoder));
        parts.mask_decoder = Some(Arc::new(Stated::idle(facts(&inputs, &["masks: f32[?]"]))));
        let tool = ModelTool::new(&manifest, std::path::Path::new("."), parts).unwrap();
        let args: Args = [("at".to_owned(), Value::Json(json!([9, 8])))].into_iter().collect();
        let error = tool.look(&cx(), &picture(), &args).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Model && error.to_string().contains(part), "{part}: {error}");
    }
}

/// A box that lies partly outside is cut off, and one without an area is a point.
#[tokio::test]
async fn boxes_are_cut_off_at_the_edges_of_the_image() {
    for export in [OPTIMUM, META] {
        let whole = outlines(export, Value::Json(json!([20, 5, 37, 23]))).await.unwrap().value;
        assert_eq!(outlines(export, Value::Json(json!([20, 5, 90, 70]))).await.unwrap().value, whole);
        let point = outlines(export, Value::Json(json!([9, 8]))).await.unwrap().value;
        assert_eq!(outlines(export, Value::Json(json!([9, 8, 9, 8]))).await.unwrap().value, point);
    }
}

#[tokio::test]
async fn decoders_of_another_kind_are_named_with_what_they_take() {
    let [architecture, encoder, decoder] = OPTIMUM;
    let at = Value::Json(json!([9, 8]));
    for (export, part) in [
        (
            [architecture, encoder, encoder],
            "[mask_decoder]: the model takes `pixel_values`, but a mask decoder takes `input_points`",
        ),
        ([architecture, decoder, decoder], "the model takes more than a picture"),
    ] {
        let error = outlines(export, at.clone()).await.err().unwrap().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
    // The decoder of one export with the encoder of another.
    let (folder, path) = folder(META[0], &tables([META[0], META[1], decoder]));
    std::fs::copy(repository("tests/models/architectures/sam").join(decoder), folder.path().join(decoder)).unwrap();
    let added = read(&path, &runtime().unwrap()).unwrap();
    let args: Args = [("at".to_owned(), at)].into_iter().collect();
    let error = added.tool.look(&cx(), &picture(), &args).await.err().unwrap().to_string();
    let part = "nothing is known for the input `image_positional_embeddings`";
    assert!(error.contains(part) && error.contains("the two have to be of one export"), "{error}");
}

#[test]
fn faulty_manifests_of_such_segmenters_are_named() {
    let whole = tables(OPTIMUM);
    let file = "[mask_decoder]\nfile = \"prompt_encoder_mask_decoder.onnx\"\n";
    for (tables, part) in [
        (whole.replace(file, ""), "a segmenter of family = \"sam\" needs [mask_decoder]"),
        (whole.replace(file, "[mask_decoder]\n"), "[mask_decoder] needs one of `file` and `artefact`"),
        (
            whole.replace(file, &format!("{file}builtin = \"movenet\"\n")),
            "[mask_decoder]: `builtin` has no meaning here",
        ),
        (
            whole.replace("family = \"sam\"", "family = \"salient\""),
            "[mask_decoder] has no meaning for type = \"segmenter\"",
        ),
        (
            whole.replace("family = \"sam\"", "family = \"sam\"\nmin_score = 0.3"),
            "`min_score` has no meaning for this family",
        ),
        (
            whole.replace("family = \"sam\"", "family = \"sam\"\noutput = \"masks\""),
            "`output` has no meaning for this family",
        ),
        (whole.replace("prompt_encoder", "../prompt_encoder"), "plain name of a file beside the manifest"),
    ] {
        let (_folder, path) = folder(OPTIMUM[0], &tables);
        let error = read(&path, &runtime().unwrap()).err().unwrap_or_else(|| panic!("{tables}")).to_string();
        assert!(error.contains(part) && error.contains("my_tool.toml"), "{part}: {error}");
    }
}

/// Numbers that are none, in what the decoder gives.
#[tokio::test]
async fn outlines_of_no_numbers_are_an_error() {
    let tables = "[model]\nfile = \"encoder.onnx\"\n[input]\nsize = [16, 16]\nresize = \"longest\"\n\
                  [head]\ntype = \"segmenter\"\nfamily = \"sam\"\n[mask_decoder]\nfile = \"decoder.onnx\"\n";
    for (decoder, part) in
        [("sam_nan", "not all numbers (NaN or infinite)"), ("sam_odd", "`pred_masks` and `iou_scores`")]
    {
        let (folder, path) = folder("sam", tables);
        for (half, file) in [("encoder", "sam_encoder"), ("decoder", decoder)] {
            let from = repository("tests/models").join(format!("{file}.onnx"));
            std::fs::copy(from, folder.path().join(format!("{half}.onnx"))).unwrap();
        }
        let added = read(&path, &runtime().unwrap()).unwrap();
        let args: Args = [("at".to_owned(), Value::Json(json!([9, 8])))].into_iter().collect();
        let error = added.tool.look(&cx(), &picture(), &args).await.err().unwrap().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
}
