//! The experts as the tests run them: models from `LAVR_HOME`, pictures from the repository or `LAVR_EVAL_DATA`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lavr::budget::Budget;
use lavr::cx::Cx;
use lavr::image::{Image, ImageLimits};
use lavr::runner::{LazyFile, OrtModel, OrtRuntime, Runner};
use lavr::store::{Progress, Silent, Store, StoreOptions};
use lavr::tool::{Added, DetectObjects, NANODET, Ocr, OcrModels};

use crate::real::model_file;

/// A folder of the repository.
pub(crate) fn repository(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

/// A folder of the evaluation data, if there is any.
pub(crate) fn evaluation(folder: &str) -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("LAVR_EVAL_DATA")?).join(folder);
    path.is_dir().then_some(path)
}

/// ONNX Runtime.
pub(crate) fn runtime() -> Option<OrtRuntime> {
    Some(OrtRuntime::new(LazyFile::at(model_file("onnxruntime"))))
}

/// `read_text`.
pub(crate) fn reader() -> Option<Ocr> {
    let runtime = runtime()?;
    let runner = |name: &str, file: &str| -> Option<Arc<dyn Runner>> {
        Some(Arc::new(runtime.runner(name, OrtModel::File(LazyFile::at(model_file(file))))))
    };
    Some(Ocr::new(OcrModels {
        detector: runner("text-detector", "PP-OCRv6_det_small.onnx")?,
        direction: Some(runner("text-classifier", "ch_ppocr_mobile_v2.0_cls_mobile.onnx")?),
        recogniser: runner("text-recogniser", "PP-OCRv6_rec_small.onnx")?,
        characters: None,
    }))
}

/// A tool that is a manifest of the repository, its models fetched when they are not there.
pub(crate) fn described(name: &str) -> Added {
    let store = Store::open(StoreOptions::from_env().unwrap()).unwrap();
    let silent: Arc<dyn Progress> = Arc::new(Silent);
    let path = repository("tools").join(format!("{name}.toml"));
    Added::read(&path, &runtime().unwrap(), &store, &silent).unwrap()
}

/// `detect_objects`.
pub(crate) fn detector() -> Option<DetectObjects> {
    let runner = runtime()?.runner("nanodet", OrtModel::Bytes(NANODET));
    DetectObjects::new(Arc::new(runner)).ok()
}

/// A run without limits that matter here.
pub(crate) fn cx() -> Cx {
    Cx::new(Budget::default())
}

/// A picture from a file.
pub(crate) fn image(path: &Path) -> Image {
    Image::open(path, &ImageLimits::default()).expect("the picture opens")
}

/// The files of a folder that end in one of the endings, by name.
pub(crate) fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder opens");
    let mut files: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    files.retain(|f| f.extension().is_some_and(|e| endings.iter().any(|ending| e == *ending)));
    files.sort();
    files
}

/// A JSON file.
pub(crate) fn json(path: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).expect("the file is JSON")
}

/// Intersection over union of two boxes.
pub(crate) fn overlap(a: [f64; 4], b: [f64; 4]) -> f64 {
    let area = |r: [f64; 4]| (r[2] - r[0]).max(0.0) * (r[3] - r[1]).max(0.0);
    let inner = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let outer = area(a) + area(b) - inner;
    if outer > 0.0 { inner / outer } else { 0.0 }
}
