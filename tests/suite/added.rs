//! Tools that manifests describe: pre-processing, heads, and how they are added.

mod architectures;
mod binary;
mod catalogue;
mod drafts;
mod hostile;
mod lines;
mod named;
mod off;
mod offering;
mod people;
mod prompted;
mod reading;
mod seeing;
pub(crate) mod stated;
mod worded;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lavr::error::Result;
use lavr::image::Image;
use lavr::runner::OrtRuntime;
use lavr::store::{Progress, Silent, Store, StoreOptions};
use lavr::tool::model::{Look, numbers_of};
use lavr::tool::{Added, Args, Manifest};
use lavr::value::Value;
use serde_json::{Value as Json, json};

use crate::experts::{cx, image, json, repository, runtime};

const ABOUT: &str = r#"
name = "my_tool"
kind = "expert"
description = "Looks at a picture."
use_for = "looking at pictures"
licence = "CC0-1.0"
"#;

/// A folder with a manifest of these tables, beside this model.
fn folder(model: &str, tables: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(repository("tests/models").join(model), folder.path().join(model)).unwrap();
    let path = folder.path().join("my_tool.toml");
    std::fs::write(&path, format!("{ABOUT}\n[model]\nfile = \"{model}\"\n{tables}")).unwrap();
    (folder, path)
}

fn read(path: &Path, runtime: &OrtRuntime) -> Result<Added> {
    let store = Store::open(StoreOptions::from_env()?)?;
    let silent: Arc<dyn Progress> = Arc::new(Silent);
    Added::read(path, runtime, &store, &silent)
}

fn picture() -> Image {
    image(&repository("tests/models/picture.png"))
}

/// What the tool of this manifest makes of the picture.
async fn look(model: &str, tables: &str, args: &[(&str, Value)]) -> Result<Look> {
    let (_folder, path) = folder(model, tables);
    let added = read(&path, &runtime().unwrap())?;
    let args = args.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect::<Args>();
    added.tool.look(&cx(), &picture(), &args).await
}

fn reference() -> Json {
    json(&repository("tests/models/reference.json"))
}

#[tokio::test]
async fn pictures_become_inputs_as_they_do_in_python() {
    let reference = reference();
    let raw = "[head]\ntype = \"raw\"\n";
    let small = "size = [16, 12]\n";
    let cases = [
        ("stretch", format!("[input]\n{small}"), 0.0),
        ("normalised", format!("[input]\n{small}mean = [0.485, 0.456, 0.406]\nstd = [0.229, 0.224, 0.225]\n"), 0.0),
        ("bgr_bytes", format!("[input]\n{small}colour = \"bgr\"\nscale = 1\n"), 0.0),
        ("letterbox", "[input]\nsize = [20, 20]\nresize = \"letterbox\"\n".to_owned(), 0.0),
        (
            "corner",
            "[input]\nsize = [20, 20]\nresize = \"letterbox\"\nplace = \"corner\"\ncolour = \"bgr\"\nscale = 1\n"
                .to_owned(),
            0.0,
        ),
        (
            "shortest",
            "[input]\nsize = [12, 12]\nshort = 14\nresize = \"shortest\"\nfilter = \"bilinear\"\n".to_owned(),
            0.0,
        ),
        ("bicubic", format!("[input]\n{small}filter = \"bicubic\"\nscale = 1\n"), 0.0),
        ("bilinear", format!("[input]\n{small}filter = \"bilinear\"\nscale = 1\n"), 0.0),
        ("lanczos", format!("[input]\n{small}filter = \"lanczos\"\nscale = 1\n"), 0.0),
        ("grey", format!("[input]\n{small}colour = \"grey\"\nscale = 127.5\nmean = 1\n"), 1.0 / 127.5),
        (
            "cut",
            "[input]\nscale = 1\nsize = [12, 12]\nscaled = [21, 21]\nresize = \"cut\"\nmiddle = \"lower\"\n\
             filter = \"bilinear\"\n"
                .to_owned(),
            0.0,
        ),
        ("keep", "[input]\nresize = \"keep\"\n".to_owned(), 0.0),
        ("bytes", format!("[input]\n{small}scale = 1\n"), 0.0),
    ];
    for (name, input, tolerance) in cases {
        let model = if name == "bytes" { "identity_bytes.onnx" } else { "identity.onnx" };
        let look = look(model, &format!("{input}{raw}"), &[]).await.unwrap();
        let (_, tensor) = &look.outputs[0];
        let wanted = &reference["inputs"][name];
        let shape: Vec<usize> =
            wanted["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
        assert_eq!(tensor.shape()[1..], shape[..], "{name}");
        let numbers = numbers_of(tensor);
        let worst = wanted["data"].as_array().unwrap().iter().zip(&numbers);
        let worst = worst.map(|(want, got)| (want.as_f64().unwrap() - got).abs()).fold(0.0, f64::max);
        assert!(worst <= tolerance + 2e-5, "{name}: off by {worst}");
    }
}

fn labels(value: &Value) -> Vec<(String, f64)> {
    let Value::Labels(labels) = value else { panic!("{value:?}") };
    labels.iter().map(|label| (label.label.clone(), label.score)).collect()
}

fn floats(json: &Json) -> Vec<f64> {
    json.as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect()
}

#[tokio::test]
async fn classes_tags_and_vectors_are_those_of_the_reference() {
    let heads = &reference()["heads"];
    let names = ["red thing", "green", "it's blue", "grey"];
    let labelled = "[labels]\nmetadata = \"names\"\n";
    let look = |head: &'static str, labels: &'static str| async move {
        look("classifier.onnx", &format!("[head]\n{head}\n{labels}"), &[]).await.unwrap().value
    };
    let classes = labels(&look("type = \"classifier\"", labelled).await);
    let softmax = floats(&heads["softmax"]);
    assert_eq!(classes.len(), 4);
    assert!(classes.windows(2).all(|pair| pair[0].1 >= pair[1].1), "best first: {classes:?}");
    for (name, score) in &classes {
        let at = names.iter().position(|known| known == name).unwrap();
        assert!((score - softmax[at]).abs() < 1e-5, "{classes:?}, {softmax:?}");
    }
    let listed = "[labels]\nnames = [\"a\", \"b\", \"c\", \"d\"]\n";
    assert_eq!(labels(&look("type = \"classifier\"\ntop = 1", listed).await).len(), 1);
    let tags = labels(&look("type = \"tagger\"\nmin_score = 0.5", labelled).await);
    let sure: Vec<f64> = floats(&heads["sigmoid"]).into_iter().filter(|score| *score >= 0.5).collect();
    assert_eq!(tags.len(), sure.len(), "{tags:?}");
    let Value::Vector(unit) = look("type = \"embedder\"", "").await else { panic!("no vector") };
    for (got, want) in unit.iter().zip(floats(&heads["unit"])) {
        assert!((f64::from(*got) - want).abs() < 1e-5);
    }
}

const DETECTORS: [(&str, &str); 9] = [
    ("yolov5", "family = \"yolov5\""),
    ("yolov8", "family = \"yolov8\""),
    ("yolox", "family = \"yolox\""),
    ("detr", "family = \"detr\""),
    ("rt_detr", "family = \"rt_detr\""),
    ("ssd", "family = \"ssd\"\nfirst_class = 1"),
    ("end_to_end", "family = \"end_to_end\""),
    ("end_to_end3", "family = \"end_to_end\""),
    ("end_to_end_unnamed", "family = \"end_to_end\""),
];

fn detector(family: &str) -> String {
    let input = "[input]\nresize = \"letterbox\"\n";
    format!("{input}[head]\ntype = \"detector\"\n{family}\n[labels]\nmetadata = \"names\"\n")
}

fn regions(value: &Value) -> Vec<&lavr::value::Region> {
    let Value::List(items) = value else { panic!("{value:?}") };
    items.iter().map(|item| if let Value::Region(region) = item { region } else { panic!("{item:?}") }).collect()
}

#[tokio::test]
async fn detectors_of_all_families_find_what_is_there() {
    let reference = reference();
    let names = ["cat", "dog", "zebra"];
    for (model, family) in DETECTORS {
        let look = look(&format!("{model}.onnx"), &detector(family), &[]).await.unwrap();
        let (found, wanted) = (regions(&look.value), reference["detectors"].as_array().unwrap());
        assert_eq!(found.len(), wanted.len(), "{model}: {found:?}");
        for (found, wanted) in found.iter().zip(wanted) {
            assert_eq!(found.label, names[wanted["class"].as_u64().unwrap() as usize], "{model}");
            assert!((found.score - wanted["score"].as_f64().unwrap()).abs() < 1e-4, "{model}: {found:?}");
            for (got, want) in found.bounds.iter().zip(floats(&wanted["box"])) {
                assert!((got - want).abs() < 1e-3, "{model}: {found:?}, {wanted}");
            }
        }
    }
}

#[tokio::test]
async fn a_detector_can_be_asked_for_some_things_alone() {
    let asked = |labels: &[&str], least: f64| {
        let labels = labels.iter().map(|label| Value::Text((*label).to_owned())).collect();
        [("labels", Value::List(labels)), ("min_score", Value::Number(least))]
    };
    let look = async |args: &[(&str, Value)]| look("yolov8.onnx", &detector("family = \"yolov8\""), args).await;
    let zebras = look(&asked(&["zebras"], 0.35)).await.unwrap();
    assert_eq!(regions(&zebras.value).iter().map(|r| r.label.as_str()).collect::<Vec<_>>(), ["zebra"]);
    assert_eq!(regions(&look(&asked(&[], 0.85)).await.unwrap().value).len(), 1);
    let error = look(&asked(&["unicorn"], 0.35)).await.unwrap_err().to_string();
    assert!(error.contains("does not know `unicorn`, only cat, dog, zebra"), "{error}");
    let error = look(&asked(&[], 1.5)).await.unwrap_err().to_string();
    assert!(error.contains("`min_score` is 1.5"), "{error}");
}

#[tokio::test]
async fn what_is_no_number_is_never_found_and_nothing_is_nothing() {
    let family = detector("family = \"yolov8\"");
    let none = look("end_to_end_none.onnx", &detector("family = \"end_to_end\""), &[]).await.unwrap();
    assert_eq!(regions(&none.value).len(), 0);
    let look = async |model: &str| look(model, &family, &[]).await.unwrap();
    assert_eq!(regions(&look("yolov8_none.onnx").await.value).len(), 0);
    assert!(regions(&look("yolov8_nan.onnx").await.value).iter().all(|r| r.score.is_finite()));
}

/// A cut-out's boxes are in the whole picture's pixels.
#[tokio::test]
async fn boxes_in_a_cut_out_are_those_of_the_whole_picture() {
    let (_folder, path) = folder("yolov8.onnx", &detector("family = \"yolov8\""));
    let added = read(&path, &runtime().unwrap()).unwrap();
    let whole = Image::from_pixels(image::RgbImage::new(100, 100), lavr::image::Frame::ROOT);
    let cut = lavr::tool::crop::crop(&whole, [20.0, 30.0, 57.0, 53.0], 0.0).unwrap();
    let look = added.tool.look(&cx(), &cut, &Args::new()).await.unwrap();
    let wanted = reference();
    for (found, wanted) in regions(&look.value).iter().zip(wanted["detectors"].as_array().unwrap()) {
        let shifted = floats(&wanted["box"]).into_iter().zip([20.0, 30.0, 20.0, 30.0]).map(|(side, by)| side + by);
        assert!(found.bounds.iter().zip(shifted).all(|(got, want)| (got - want).abs() < 1e-3), "{found:?}");
    }
}

#[test]
fn the_schema_knows_every_key() {
    let schema = serde_json::to_value(Manifest::schema()).unwrap();
    for key in ["name", "kind", "artefacts", "available", "model", "input", "head", "labels"] {
        assert!(schema["properties"].get(key).is_some(), "{key}: {schema}");
    }
    assert_eq!(schema["additionalProperties"], false);
    let input = &schema["$defs"]["Input"];
    for key in ["size", "resize", "short", "filter", "colour", "scale", "mean", "std", "layout", "dtype", "pad"] {
        assert!(input["properties"][key]["description"].is_string(), "{key}: {input}");
    }
    assert_eq!(input["additionalProperties"], false);
    assert!(schema["$defs"]["Artefact"]["properties"]["sha256"].is_object());
}

#[test]
fn faulty_manifests_say_where_and_what_would_be_right() {
    let classes = "[labels]\nnames = [\"a\"]\n";
    let head = |head: &str| format!("[head]\n{head}\n");
    let cases = [
        (format!("{}[input]\nsizes = [3, 3]\n{classes}", head("type = \"raw\"")), "did you mean `size`?"),
        (format!("{}[input]\nsizes = [3, 3]\n", head("type = \"raw\"")), "line 13"),
        (head("type = \"clasifier\""), "clasifier"),
        (head("type = \"classifier\""), "a classifier needs [labels]"),
        (format!("{}{classes}", head("type = \"detector\"")), "a detector needs its `family`"),
        (format!("{}{classes}", head("type = \"classifier\"\noverlap = 0.5")), "`overlap` has no meaning"),
        (format!("{}{classes}", head("type = \"tagger\"\nmin_score = 2")), "go from 0 to 1"),
        (format!("{}[labels]\n", head("type = \"tagger\"")), "one of `file`, `names` and `metadata`"),
        (format!("{}{classes}", head("type = \"raw\"")), "[labels] has no meaning"),
        (format!("{}[input]\nstd = 0\n", head("type = \"raw\"")), "`std`"),
        (format!("{}[input]\nsize = [0, 3]\n", head("type = \"raw\"")), "from 1 to 4096"),
        (format!("{}[input]\nshort = 3\n", head("type = \"raw\"")), "`short` belongs to"),
        (format!("{}[input]\ntiles = 2\n", head("type = \"raw\"")), "`tiles` has no meaning"),
        (format!("{}[input]\nresize = \"within\"\n", head("type = \"raw\"")), "needs `short` and `long`"),
        (format!("{}[input]\nresize = \"cut\"\n", head("type = \"raw\"")), "`scaled` belongs to"),
        (format!("{}{classes}", head("type = \"segmenter\"\nfamily = \"yolov8\"")), "none of a segmenter"),
        (format!("{}{classes}", head("type = \"depth\"")), "[labels] has no meaning"),
        (head("type = \"zero_shot\"\nfamily = \"clip\""), "needs [text]"),
        (head("type = \"captioner\""), "needs [decoder]"),
        (format!("{}[decoder]\ntokenizer = \"t\"\nend = [1]\n", head("type = \"captioner\"")), "`start` or `prompt`"),
        (
            format!("{}[decoder]\ntokenizer = \"t\"\nend = [1]\nstart = [1]\n", head("type = \"vqa\"")),
            "has `{question}`",
        ),
        (
            format!("{}[decoder]\ntokenizer = \"../t\"\nend = [1]\nstart = [1]\n", head("type = \"captioner\"")),
            "plain name of a file",
        ),
        (
            format!(
                "{}[text]\ntokenizer = \"t\"\ntemplate = \"no place\"\n",
                head("type = \"zero_shot\"\nfamily = \"clip\"")
            ),
            "`template` has `{}` once",
        ),
        (String::new(), "it has no [head]"),
        (format!("{}[args.size]\ndoc = \"x\"\n", head("type = \"raw\"")), "takes no such argument, only image"),
        (
            format!("{}{classes}[args.min_score]\ndefault = 7\n", head("type = \"detector\"\nfamily = \"yolov8\"")),
            "`default` goes from 0 to 1",
        ),
        (
            format!("{}{classes}", head("type = \"segmenter\"\nfamily = \"semantic\"\nmin_score = 0.5")),
            "`min_score` has no",
        ),
        (format!("{}{classes}", head("type = \"classifier\"\nactivation = \"min_max\"")), "`activation` has no"),
        (
            format!(
                "{}[text]\nfile = \"t.onnx\"\ntokenizer = \"t\"\n",
                head("type = \"zero_shot\"\nfamily = \"siglip\"")
            ),
            "needs `logit_scale`",
        ),
        (
            format!(
                "{}{classes}[args.min_score]\ndefault = \"high\"\n",
                head("type = \"detector\"\nfamily = \"yolov8\"")
            ),
            "`default` is \"high\", but it should be Number",
        ),
        (format!("{}[batching]\nmax_batch = 0\n", head("type = \"raw\"")), "`max_batch` goes from 1 to 256"),
        (
            format!("{}{classes}", head("type = \"detector\"\nfamily = \"blazeface\"\nfirst_class = 1")),
            "`first_class` has no meaning for this family",
        ),
    ];
    for (tables, part) in cases {
        let (_folder, path) = folder("identity.onnx", &tables);
        let error = read(&path, &runtime().unwrap()).err().unwrap_or_else(|| panic!("no error: {tables}"));
        let text = error.to_string();
        assert!(text.contains(part) && text.contains("my_tool.toml"), "{part}: {text}");
    }
}

#[tokio::test]
async fn a_model_that_does_not_fit_its_manifest_is_named_with_what_it_has() {
    let cases = [
        (
            "classifier.onnx",
            "[head]\ntype = \"classifier\"\n[labels]\nnames = [\"a\"]\n",
            "tells 4 classes, and [labels] names 1",
        ),
        (
            "classifier.onnx",
            "[head]\ntype = \"classifier\"\n[labels]\nmetadata = \"classes\"\n",
            "no metadata `classes`; it has names",
        ),
        ("classifier.onnx", "[input]\nname = \"y\"\n[head]\ntype = \"raw\"\n", "no input `y`, only x"),
        ("classifier.onnx", "[input]\nsize = [3, 3]\n[head]\ntype = \"raw\"\n", "f32[1, 3, 3, 3]"),
        ("identity.onnx", "[head]\ntype = \"raw\"\n", "set `size` in [input]"),
        ("classifier.onnx", "[head]\ntype = \"embedder\"\noutput = \"z\"\n", "no output `z`, only logits"),
        (
            "yolov8.onnx",
            "[head]\ntype = \"detector\"\nfamily = \"detr\"\n[labels]\nmetadata = \"names\"\n",
            "`output0` [1, 7, 84]",
        ),
        (
            "yolov8.onnx",
            "[head]\ntype = \"detector\"\nfamily = \"yolox\"\n[labels]\nmetadata = \"names\"\n[input]\nsize = [64, 64]\n",
            "",
        ),
        ("two_inputs.onnx", "[head]\ntype = \"raw\"\n", "takes more than a picture (x, sizes)"),
        (
            "yolov5.onnx",
            "[head]\ntype = \"detector\"\nfamily = \"yolov8\"\n[labels]\nmetadata = \"names\"\n",
            "boxes with 7 numbers each, by the number of labels, and the outputs are `output0` [1, 84, 8]",
        ),
        (
            "detr.onnx",
            "[head]\ntype = \"detector\"\nfamily = \"yolov8\"\n[labels]\nmetadata = \"names\"\n",
            "one output of boxes with 7 numbers each",
        ),
    ];
    for (model, tables, part) in cases {
        match look(model, tables, &[]).await {
            Err(error) => assert!(error.to_string().contains(part), "{part}: {error}"),
            Ok(look) => assert!(part.is_empty(), "{part}: {look:?}"),
        }
    }
}

/// Tools of a manifest in a plan: they are offered, checked and run like any other.
#[tokio::test]
async fn a_plan_calls_an_added_tool() {
    use lavr::plan::{Plan, PlanLimits};
    let (_folder, path) = folder(
        "yolov8.onnx",
        &detector("family = \"yolov8\"").replace("metadata = \"names\"", "names = [\"cat\", \"dog\", \"zebra\"]"),
    );
    let mut catalog = lavr::tool::Catalog::new();
    read(&path, &runtime().unwrap()).unwrap().add_to(&mut catalog).unwrap();
    let plan = |label: &str| {
        let step = json!({ "id": "s", "tool": "my_tool", "args": { "image": "$image", "labels": [label] } });
        Plan::parse(&json!({ "steps": [step], "result": "$s" }).to_string()).unwrap()
    };
    let limits = PlanLimits { max_steps: 4, images: 1 };
    assert_eq!(catalog.check(&plan("zebra"), &limits), []);
    let named: Vec<String> = catalog.mentions("Are there zebras or a cat?").into_iter().map(|m| m.name).collect();
    assert_eq!(named, ["zebra", "cat"]);
    let faults = catalog.check(&plan("unicorn"), &limits);
    assert!(faults.len() == 1 && faults[0].to_string().contains("cat, dog, zebra"), "{faults:?}");
    let off = folder("identity.onnx", "[head]\ntype = \"raw\"\n");
    let text = std::fs::read_to_string(&off.1).unwrap();
    std::fs::write(&off.1, format!("available = \"off\"\n{text}")).unwrap();
    let mut empty = lavr::tool::Catalog::new();
    read(&off.1, &runtime().unwrap()).unwrap().add_to(&mut empty).unwrap();
    assert_eq!(empty.iter().count(), 0);
}

/// The compiled-in detector's weights, described by a manifest: the same finds as with its own Rust code, which is held
/// to the outputs of its original in Python.
#[tokio::test]
async fn a_trained_detector_needs_no_rust() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["nanodet.onnx", "coco80.txt"] {
        std::fs::copy(repository("tools/weights").join(file), folder.path().join(file)).unwrap();
    }
    let path = folder.path().join("my_tool.toml");
    // The size in which the detector's own code looks at a picture of 3 to 2.
    let tables = "[model]\nfile = \"nanodet.onnx\"\n[input]\nsize = [512, 352]\ncolour = \"bgr\"\nscale = 1\n\
                  mean = [103.53, 116.28, 123.675]\nstd = [57.375, 57.12, 58.395]\n\
                  [head]\ntype = \"detector\"\nfamily = \"nanodet\"\noverlap = 0.5\n[labels]\nfile = \"coco80.txt\"\n";
    std::fs::write(&path, format!("{ABOUT}{tables}")).unwrap();
    let added = read(&path, &runtime().unwrap()).unwrap();
    let picture = image(&repository("tests/images/gallery.jpg"));
    let look = added.tool.look(&cx(), &picture, &Args::new()).await.unwrap();
    let own = crate::experts::detector().unwrap().regions(&cx(), &picture, &[], 0.35).await.unwrap();
    assert!(own.len() >= 3, "{own:?}");
    let found = regions(&look.value);
    assert_eq!(found.len(), own.len(), "{found:?}, {own:?}");
    for (found, own) in found.into_iter().zip(own) {
        assert_eq!((&found.label, found.score), (&own.label, own.score));
        assert!(found.bounds.iter().zip(own.bounds).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}, {own:?}");
    }
}

/// What a manifest says of an argument is what planners and checkers see, and what a call gets that does not give it.
#[test]
fn a_manifest_says_otherwise_of_an_argument() {
    use lavr::tool::Tool as _;
    let tables = format!(
        "{}[args.min_score]\ndefault = 0.7\ndoc = \"how sure\"\n[args.labels]\ndefault = [\"zebra\"]\n",
        detector("family = \"yolov8\"")
    );
    let (_folder, path) = folder("yolov8.onnx", &tables);
    let added = read(&path, &runtime().unwrap()).unwrap();
    let signature = &added.tool.spec().signature;
    let score = signature.arg("min_score").unwrap();
    assert_eq!((score.doc.as_str(), score.default.clone()), ("how sure", Some(json!(0.7))));
    assert_eq!(signature.arg("labels").unwrap().default, Some(json!(["zebra"])));
}

/// Calls that come at the same time go through the model as one; what each gets is what it would get alone.
#[tokio::test]
async fn calls_in_batches_get_what_they_would_get_alone() {
    use lavr::runner::{Batching, LazyFile, OrtModel, Runner as _, Tensor};
    use ndarray::ArrayD;
    let delay = std::time::Duration::from_millis(300);
    let batching = Batching { max_batch: 4, max_delay: delay, max_queue: 16 };
    // Each row of its output says how many rows there were.
    let rows = OrtModel::File(LazyFile::at(repository("tests/models/rows.onnx")));
    let together = runtime().unwrap().runner("batched", rows).with_batching(batching);
    let input =
        |rows: usize, width: usize| vec![("x".to_owned(), Tensor::F32(ArrayD::from_elem(vec![rows, width], 1.0)))];
    together.load().await.unwrap();
    let cx = cx();
    let said = async |calls: &[(usize, usize)]| -> Vec<Vec<f64>> {
        let calls = calls.iter().map(|(rows, width)| together.run(&cx, input(*rows, *width)));
        let all = futures::future::join_all(calls).await;
        all.into_iter().map(|outputs| numbers_of(&outputs.unwrap()[0].1)).collect()
    };
    assert_eq!(said(&[(1, 2); 4]).await, vec![vec![4.0]; 4], "four calls in one");
    assert_eq!(said(&[(1, 2), (2, 2), (1, 2)]).await, [vec![4.0], vec![4.0, 4.0], vec![4.0]], "of several rows each");
    assert_eq!(said(&[(1, 2), (1, 3)]).await, [vec![1.0], vec![1.0]], "of two shapes");
    // One whose output is not by row runs once for each.
    let shape = OrtModel::File(LazyFile::at(repository("tests/models/shape.onnx")));
    let three = Batching { max_batch: 3, ..batching };
    let shape = runtime().unwrap().runner("shape", shape).with_batching(three);
    shape.load().await.unwrap();
    let all = futures::future::join_all((0..3).map(|_| shape.run(&cx, input(1, 2)))).await;
    for outputs in all {
        assert_eq!(numbers_of(&outputs.unwrap()[0].1), [1.0, 2.0], "three of one row are not one of three");
    }
    // A model of a fixed first dimension takes them one by one.
    let fixed = OrtModel::File(LazyFile::at(repository("tests/models/classifier.onnx")));
    let fixed = runtime().unwrap().runner("fixed", fixed).with_batching(batching);
    let picture = |n: usize| vec![("x".to_owned(), Tensor::F32(ArrayD::from_elem(vec![1, 3, 12, 16], n as f32 / 9.0)))];
    let alone = fixed.run(&cx, picture(3)).await.unwrap();
    let all = futures::future::join_all((0..4).map(|n| fixed.run(&cx, picture(n)))).await;
    assert_eq!(all[3].as_ref().unwrap(), &alone);
}

#[test]
fn what_was_stacked_comes_apart_as_it_was() {
    use lavr::runner::{Batching, LazyFile, OrtModel, Runner as _, Tensor};
    use ndarray::{ArrayD, IxDyn};
    use proptest::prelude::*;
    let batching = Batching { max_batch: 5, max_delay: std::time::Duration::from_millis(20), max_queue: 16 };
    let identity = OrtModel::File(LazyFile::at(repository("tests/models/identity.onnx")));
    let identity = runtime().unwrap().runner("identity", identity).with_batching(batching);
    let executor = tokio::runtime::Runtime::new().unwrap();
    let call = |samples: usize, width: usize, from: usize| {
        let numbers = (0..samples * width).map(|n| (from * 100 + n) as f32).collect();
        let array = ArrayD::from_shape_vec(IxDyn(&[samples, width, 1, 1]), numbers).unwrap();
        Tensor::F32(array)
    };
    let sizes = proptest::collection::vec(1..4_usize, 1..6);
    proptest!(ProptestConfig::with_cases(32), |(sizes in sizes, width in 1..5_usize)| {
        let calls: Vec<Tensor> = sizes.iter().enumerate().map(|(n, size)| call(*size, width, n)).collect();
        let cx = cx();
        let runs = calls.iter().map(|tensor| identity.run(&cx, vec![("x".to_owned(), tensor.clone())]));
        let outputs = executor.block_on(futures::future::join_all(runs));
        for (outputs, tensor) in outputs.into_iter().zip(calls) {
            prop_assert_eq!(outputs.unwrap(), vec![("y".to_owned(), tensor)]);
        }
    });
}

/// Small things are found in pieces of the picture: with the compiled-in detector's weights, as `zoom_detect` finds them.
#[tokio::test]
async fn a_detector_looks_at_pieces_when_its_manifest_says_so() {
    use lavr::tool::Tool as _;
    let folder = tempfile::tempdir().unwrap();
    for file in ["nanodet.onnx", "coco80.txt"] {
        std::fs::copy(repository("tools/weights").join(file), folder.path().join(file)).unwrap();
    }
    let path = folder.path().join("my_tool.toml");
    let found = async |tiles: u32| {
        let tables = format!(
            "[model]\nfile = \"nanodet.onnx\"\n[input]\nsize = [416, 416]\ntiles = {tiles}\ncolour = \"bgr\"\nscale = 1\n\
             mean = [103.53, 116.28, 123.675]\nstd = [57.375, 57.12, 58.395]\n\
             [head]\ntype = \"detector\"\nfamily = \"nanodet\"\noverlap = 0.5\n[labels]\nfile = \"coco80.txt\"\n"
        );
        std::fs::write(&path, format!("{ABOUT}{tables}")).unwrap();
        let added = read(&path, &runtime().unwrap()).unwrap();
        let picture = image(&repository("tests/images/gallery.jpg"));
        let args = [("image".to_owned(), Value::Image(picture))].into_iter().collect();
        regions(&added.tool.call(&cx(), args).await.unwrap()).into_iter().cloned().collect::<Vec<_>>()
    };
    let (whole, pieces) = (found(1).await, found(2).await);
    assert!(whole.iter().all(|one| pieces.iter().any(|other| other.label == one.label)), "{pieces:?}");
    assert!(pieces.windows(2).all(|pair| pair[0].score >= pair[1].score) && pieces != whole, "{pieces:?}");
}
