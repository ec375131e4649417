//! The built-in tools: their manifests, compiled in, joined with their code.

use std::sync::Arc;

use super::{Catalog, DetectObjects, Manifest, NANODET, ReadText, operations};
use crate::error::{Error, ErrorKind, Result};
use crate::runner::{LazyFile, OrtModel, OrtRuntime, Runner};
use crate::store::{Artefact, Progress, Store, builtin_artefact};

macro_rules! manifests {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tools/", $name, ".toml")))),+]
    };
}

/// In the order in which planners see the tools.
static MANIFESTS: &[(&str, &str)] = manifests![
    "read_text",
    "find_text",
    "detect_objects",
    "count",
    "filter",
    "compare",
    "calculate",
    "crop",
    "annotate",
];

/// The manifests of all built-in tools.
///
/// # Errors
/// `InvalidInput` naming the faulty manifest.
pub fn manifests() -> Result<Vec<Manifest>> {
    MANIFESTS.iter().map(|(name, toml)| Manifest::parse(toml).map_err(|e| e.context(format!("tool `{name}`")))).collect()
}

/// The manifest of one built-in tool.
///
/// # Errors
/// `NotFound` when there is no such tool, `InvalidInput` when its manifest is faulty.
pub fn manifest(name: &str) -> Result<Manifest> {
    manifests()?
        .into_iter()
        .find(|manifest| manifest.name == name)
        .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no built-in tool `{name}`")))
}

/// Every file that the built-in tools and LLMs need on this platform.
///
/// # Errors
/// `InvalidInput` when a manifest is faulty.
pub fn artefacts() -> Result<Vec<Artefact>> {
    let mut all = crate::store::for_platform(crate::store::builtin()?);
    for manifest in manifests()? {
        all.extend(crate::store::for_platform(manifest.artefacts));
    }
    Ok(all)
}

/// The built-in tools; the files they need are fetched when first needed, reporting to `progress`.
///
/// # Errors
/// `InvalidInput` when a manifest is faulty.
pub fn catalog(store: &Store, progress: &Arc<dyn Progress>) -> Result<Catalog> {
    let files = Files { store: store.clone(), progress: Arc::clone(progress) };
    let runtime = OrtRuntime::new(files.lazy(builtin_artefact("onnxruntime")?));
    let mut catalog = Catalog::new();
    for manifest in manifests()? {
        match manifest.name.as_str() {
            "read_text" => catalog.register(files.read_text(&runtime, &manifest)?, &manifest)?,
            "detect_objects" => {
                let runner = runtime.runner("nanodet", OrtModel::Bytes(NANODET));
                catalog.register(DetectObjects::new(Arc::new(runner))?, &manifest)?;
            }
            _ => operations::register(&mut catalog, &manifest)?,
        }
    }
    Ok(catalog)
}

/// Finds artefacts in the store when they are needed.
struct Files {
    store: Store,
    progress: Arc<dyn Progress>,
}

impl Files {
    fn lazy(&self, artefact: Artefact) -> LazyFile {
        let (store, progress) = (self.store.clone(), Arc::clone(&self.progress));
        LazyFile::new(move || {
            let (store, progress, artefact) = (store.clone(), Arc::clone(&progress), artefact.clone());
            async move { store.get(&artefact, progress.as_ref()).await }
        })
    }

    fn read_text(&self, runtime: &OrtRuntime, manifest: &Manifest) -> Result<ReadText> {
        let runner = |artefact: &str| -> Result<Arc<dyn Runner>> {
            let model = OrtModel::File(self.lazy(manifest.artefact(artefact)?.clone()));
            Ok(Arc::new(runtime.runner(artefact, model)))
        };
        Ok(ReadText::new(
            runner("PP-OCRv6_det_small")?,
            runner("ch_ppocr_mobile_v2.0_cls_mobile")?,
            runner("PP-OCRv6_rec_small")?,
        ))
    }
}
