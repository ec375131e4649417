//! The built-in tools: their manifests, compiled in, joined with their code.

use std::path::{Component, Path};
use std::sync::Arc;

use super::catalog::nearest;
use super::read_small_text::ReadSmallText;
use super::zoom_detect::ZoomDetect;
use super::{
    Added, Catalog, DescribeScene, DetectObjects, Manifest, NANODET, ReadText, SharedTool, Typed, added, operations,
};
use crate::error::{Error, ErrorKind, Result};
use crate::runner::{LazyFile, OrtModel, OrtRuntime, Runner};
use crate::store::{Artefact, Progress, Store, builtin_artefact, for_platform};

/// The manifests of the built-in experts.
static READ_TEXT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tools/read_text.toml"));
static DETECT_OBJECTS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tools/detect_objects.toml"));
static DESCRIBE_SCENE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tools/describe_scene.toml"));

static ZOOM_DETECT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tools/zoom_detect.toml"));
static READ_SMALL_TEXT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tools/read_small_text.toml"));

/// The files that the built-in experts need on this platform, each with the tools that use it.
///
/// # Errors
/// `InvalidInput` when a manifest is faulty.
pub fn artefacts() -> Result<Vec<(Artefact, Vec<String>)>> {
    let mut tools = Vec::new();
    let mut all: Vec<(Artefact, Vec<String>)> = Vec::new();
    for manifest in [READ_TEXT, DETECT_OBJECTS] {
        let Manifest { name, artefacts, .. } = Manifest::parse(manifest)?;
        for artefact in for_platform(artefacts) {
            match all.iter_mut().find(|(known, _)| known.name == artefact.name) {
                Some((_, users)) => users.push(name.clone()),
                None => all.push((artefact, vec![name.clone()])),
            }
        }
        tools.push(name);
    }
    all.insert(0, (builtin_artefact("onnxruntime")?, tools));
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
    let manifest = Manifest::parse(READ_TEXT)?;
    catalog.register(files.read_text(&runtime, &manifest)?, &manifest)?;
    let runner = runtime.runner("nanodet", OrtModel::Bytes(NANODET));
    catalog.register(DetectObjects::new(Arc::new(runner))?, &Manifest::parse(DETECT_OBJECTS)?)?;
    operations::register(&mut catalog)?;
    let describe = describe_scene(&catalog)?;
    catalog.add(describe)?;
    Ok(catalog)
}

/// The built-in tools that are off until they are switched on by name, made of the tools of `catalog` where they need
/// others.
///
/// # Errors
/// `InvalidInput` when a manifest is faulty, `NotFound` when the catalog lacks a tool that one of them needs.
pub fn off(catalog: &Catalog) -> Result<Vec<SharedTool>> {
    let mut tools = operations::off()?;
    let (detector, reader) = (catalog.find("detect_objects")?, catalog.find("read_text")?);
    tools.push(ZoomDetect::tool(Arc::clone(detector), &Manifest::parse(ZOOM_DETECT)?)?);
    let small_text = ReadSmallText::new(Arc::clone(reader));
    tools.push(Arc::new(Typed::new(small_text, &Manifest::parse(READ_SMALL_TEXT)?)?));
    Ok(tools)
}

/// Adds the built-in tool of this name, which is off otherwise. One that is there already stays as it is.
///
/// # Errors
/// `NotFound` when there is no such tool, with the names that there are; else as [`off`].
pub fn switch_on(catalog: &mut Catalog, name: &str) -> Result<()> {
    if catalog.get(name).is_some() {
        return Ok(());
    }
    let off = off(catalog)?;
    if let Some(tool) = off.iter().find(|tool| tool.spec().name == name) {
        return catalog.add(Arc::clone(tool));
    }
    let names: Vec<&str> = off.iter().map(|tool| tool.spec().name.as_str()).collect();
    let meant = nearest(name, &names).map_or_else(String::new, |near| format!("did you mean `{near}`? "));
    let all = names.join(", ");
    let message = format!(
        "there is no file `{name}`, and no tool of this name that can be switched on; {meant}those that can are {all}"
    );
    Err(Error::new(ErrorKind::NotFound, message))
}

/// The name that stands in the place of a path: one word without an ending, where there is no such file or folder.
pub fn name_of(path: &Path) -> Option<&str> {
    let mut parts = path.components();
    let (Some(Component::Normal(name)), None) = (parts.next(), parts.next()) else { return None };
    let name = name.to_str()?;
    (!name.contains('.') && !path.exists()).then_some(name)
}

/// Adds the tools that manifests in a file or a folder describe, or switches on the built-in tool of this name.
///
/// A faulty manifest of a folder is left out, and `progress` is told why; the others are added. `describe_scene` then
/// speaks of what they say, where it can.
///
/// # Errors
/// When there is no manifest, or the file is a faulty one; those of [`switch_on`].
pub fn add(catalog: &mut Catalog, path: &Path, store: &Store, progress: &Arc<dyn Progress>) -> Result<()> {
    match name_of(path) {
        Some(name) => switch_on(catalog, name)?,
        None => add_manifests(catalog, path, store, progress)?,
    }
    if catalog.get("describe_scene").is_some() {
        catalog.replace(describe_scene(catalog)?)?;
    }
    Ok(())
}

fn add_manifests(catalog: &mut Catalog, path: &Path, store: &Store, progress: &Arc<dyn Progress>) -> Result<()> {
    for added in added(&[path], store, progress)? {
        match added.add_to(catalog) {
            Err(error) if path.is_dir() => progress.note("left out", &error.to_string()),
            done => done?,
        }
    }
    Ok(())
}

/// The tools that manifests in these files and folders describe; see [`add`].
///
/// # Errors
/// When there is no manifest, or a file is a faulty one.
pub fn added(paths: &[impl AsRef<Path>], store: &Store, progress: &Arc<dyn Progress>) -> Result<Vec<Added>> {
    let files = Files { store: store.clone(), progress: Arc::clone(progress) };
    let runtime = OrtRuntime::new(files.lazy(builtin_artefact("onnxruntime")?));
    let mut all = Vec::new();
    for path in paths.iter().map(AsRef::as_ref) {
        for file in added::manifests(path)? {
            match Added::read(&file, &runtime, store, progress) {
                Err(error) if path.is_dir() => progress.note("left out", &error.to_string()),
                added => all.push(added?),
            }
        }
    }
    Ok(all)
}

/// `describe_scene` made of the tools of a catalog; see [`DescribeScene::of`].
///
/// The built-in one is made of the built-in tools. After a captioner or a classifier was added, this makes
/// one that speaks of what they say, too; [`Catalog::replace`] puts it in place of the other.
///
/// # Errors
/// `NotFound` when the catalog has no `detect_objects` or no `read_text`.
pub fn describe_scene(catalog: &Catalog) -> Result<SharedTool> {
    Ok(Arc::new(Typed::new(DescribeScene::of(catalog)?, &Manifest::parse(DESCRIBE_SCENE)?)?))
}

/// Finds artefacts in the store when they are needed.
struct Files {
    store: Store,
    progress: Arc<dyn Progress>,
}

impl Files {
    fn lazy(&self, artefact: Artefact) -> LazyFile {
        LazyFile::stored(&self.store, artefact, &self.progress)
    }

    fn read_text(&self, runtime: &OrtRuntime, manifest: &Manifest) -> Result<ReadText> {
        let runner = |artefact: &str| -> Result<Arc<dyn Runner>> {
            let model = OrtModel::File(self.lazy(manifest.artefact(artefact)?.clone()));
            Ok(Arc::new(runtime.runner(artefact, model)))
        };
        Ok(ReadText::new(runner("pp-ocrv6-det-small")?, runner("pp-ocr-cls-mobile")?, runner("pp-ocrv6-rec-small")?))
    }
}
