//! Times the experts on pictures: `cargo bench --bench experts -- FOLDER...`, models from the store.
#![allow(clippy::print_stdout, reason = "a benchmark prints")]

use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use lavr::budget::Budget;
use lavr::cx::Cx;
use lavr::image::{Image, ImageLimits};
use lavr::runner::{LazyFile, OrtModel, OrtRuntime, Runner};
use lavr::store::{Silent, Store, StoreOptions};
use lavr::tool::{DetectObjects, NANODET, Ocr, OcrModels, builtin};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = Store::open(StoreOptions::from_env()?)?;
    let mut files = HashMap::new();
    for (artefact, _) in builtin::artefacts()? {
        files.insert(artefact.name.clone(), store.get(&artefact, &Silent).await?);
    }
    let file = |name: &str| LazyFile::at(files.get(name).cloned().unwrap_or_default());
    let runtime = OrtRuntime::new(file("onnxruntime"));
    let runner = |name: &str| -> Arc<dyn Runner> { Arc::new(runtime.runner(name, OrtModel::File(file(name)))) };
    let reader = Ocr::new(OcrModels {
        detector: runner("pp-ocrv6-det-small"),
        direction: Some(runner("pp-ocr-cls-mobile")),
        recogniser: runner("pp-ocrv6-rec-small"),
        characters: None,
    });
    let detector = DetectObjects::new(Arc::new(runtime.runner("nanodet", OrtModel::Bytes(NANODET))))?;
    for folder in std::env::args().skip(1).filter(|a| !a.starts_with('-')) {
        let images = pictures(Path::new(&folder))?;
        // The first call loads the models.
        if let Some(first) = images.first() {
            reader.lines(&Cx::new(Budget::default()), first).await?;
            detector.regions(&Cx::new(Budget::default()), first, &[], 0.35).await?;
        }
        let (mut reading, mut detecting) = (Vec::new(), Vec::new());
        for image in &images {
            let start = Instant::now();
            reader.lines(&Cx::new(Budget::default()), image).await?;
            reading.push(start.elapsed().as_secs_f64() * 1e3);
            let start = Instant::now();
            detector.regions(&Cx::new(Budget::default()), image, &[], 0.35).await?;
            detecting.push(start.elapsed().as_secs_f64() * 1e3);
        }
        println!("{folder}: {} pictures", images.len());
        report("read_text", reading);
        report("detect_objects", detecting);
    }
    Ok(())
}

fn pictures(folder: &Path) -> Result<Vec<Image>, Box<dyn Error>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?.filter_map(|e| Some(e.ok()?.path())).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "jpg" || e == "png"));
    files.sort();
    Ok(files.iter().map(|f| Image::open(f, &ImageLimits::default())).collect::<Result<_, _>>()?)
}

fn report(name: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let mean = times.iter().sum::<f64>() / times.len().max(1) as f64;
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or_default();
    println!("  {name}: mean {mean:.0} ms, median {:.0}, p90 {:.0}", at(0.5), at(0.9));
}
