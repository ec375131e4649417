//! The built-in tools: their manifests, compiled in, joined with their code.

use std::path::{Component, Path};
use std::sync::Arc;

use super::catalog::nearest;
use super::point_at::PointAt;
use super::read_small_text::ReadSmallText;
use super::zoom_detect::ZoomDetect;
use super::{
    Added, Catalog, DescribeScene, DetectObjects, Manifest, NANODET, SharedTool, Typed, added, operations, ready,
};
use crate::error::{Error, ErrorKind, Result};
use crate::runner::{LazyFile, OrtModel, OrtRuntime};
use crate::signature::{Returns, ValueType};
use crate::store::{Artefact, Progress, Store, builtin_artefact, for_platform};

/// The manifests of the built-in experts.
static READ_TEXT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tools/read_text.toml"));
static DETECT_OBJECTS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tools/detect_objects.toml"));
static DESCRIBE_SCENE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tools/describe_scene.toml"));
static POINT_AT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tools/point_at.toml"));

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
    read_text(&runtime, store, progress)?.add_to(&mut catalog)?;
    let runner = runtime.runner("nanodet", OrtModel::Bytes(NANODET));
    catalog.register(DetectObjects::new(Arc::new(runner))?, &Manifest::parse(DETECT_OBJECTS)?)?;
    operations::register(&mut catalog)?;
    let experts = ready::experts(&runtime, store, progress)?;
    experts.iter().try_for_each(|expert| expert.add_to(&mut catalog))?;
    complete(&mut catalog)?;
    let describe = describe_scene(&catalog)?;
    catalog.add(describe)?;
    Ok(catalog)
}

/// The files of experts that are off, or offered once their files are there, each with the tool that uses it.
///
/// # Errors
/// `InvalidInput` when a manifest is faulty.
pub fn more_artefacts() -> Result<Vec<(Artefact, Vec<String>)>> {
    ready::artefacts()
}

/// The built-in tools that are manifests alone, whether they are on or not.
///
/// # Errors
/// `InvalidInput` when a manifest is faulty.
pub fn experts(store: &Store, progress: &Arc<dyn Progress>) -> Result<Vec<Added>> {
    let files = Files { store: store.clone(), progress: Arc::clone(progress) };
    let runtime = OrtRuntime::new(files.lazy(builtin_artefact("onnxruntime")?));
    let mut experts = ready::experts(&runtime, store, progress)?;
    experts.insert(0, read_text(&runtime, store, progress)?);
    Ok(experts)
}

fn read_text(runtime: &OrtRuntime, store: &Store, progress: &Arc<dyn Progress>) -> Result<Added> {
    Added::of(READ_TEXT, Path::new("read_text.toml"), runtime, store, progress)
}

/// Adds what can be done with masks and maps of depth, where some tool returns them.
fn complete(catalog: &mut Catalog) -> Result<()> {
    for (of, tool) in operations::companions()? {
        let returns = |tool: &SharedTool| match &tool.spec().signature.returns {
            Returns::Type(ValueType::List(element)) => **element == of,
            Returns::Type(returned) => *returned == of,
            Returns::SameAs(_) => false,
        };
        if catalog.get(&tool.spec().name).is_none() && catalog.shared().any(returns) {
            catalog.add(tool)?;
        }
    }
    Ok(())
}

/// A built-in tool that is off until it is switched on by name.
pub struct Off {
    /// The name that switches it on; its tool has another one when it takes the place of that.
    pub name: String,
    /// The tool.
    pub tool: SharedTool,
    /// The tools that are switched on with it.
    pub needs: Vec<String>,
}

impl Off {
    /// Whether it takes the place of another tool.
    pub fn replaces(&self) -> bool {
        self.name != self.tool.spec().name
    }
}

impl From<SharedTool> for Off {
    fn from(tool: SharedTool) -> Self {
        Self { name: tool.spec().name.clone(), tool, needs: Vec::new() }
    }
}

/// The built-in tools that are off until they are switched on by name, made of the tools of `catalog` where they need
/// others. Those whose files have to be pulled first are among them, until they are.
///
/// # Errors
/// `InvalidInput` when a manifest is faulty, `NotFound` when the catalog lacks a tool that one of them needs.
pub fn off(catalog: &Catalog, store: &Store, progress: &Arc<dyn Progress>) -> Result<Vec<Off>> {
    let mut off: Vec<Off> = operations::off()?.into_iter().map(Off::from).collect();
    off.extend(on_pieces(catalog)?.map(Off::from));
    let companions = operations::companions()?.into_iter().map(|(_, tool)| tool);
    off.extend(companions.filter(|tool| catalog.get(&tool.spec().name).is_none()).map(Off::from));
    let files = Files { store: store.clone(), progress: Arc::clone(progress) };
    let runtime = OrtRuntime::new(files.lazy(builtin_artefact("onnxruntime")?));
    let experts = ready::experts(&runtime, store, progress)?.into_iter().filter(|expert| !expert.is_available());
    off.extend(experts.map(|Added { manifest, tool, .. }| Off { name: manifest.name, tool, needs: manifest.needs }));
    Ok(off)
}

/// The detector and the reader of a catalog, looking at enlarged pieces as well.
fn on_pieces(catalog: &Catalog) -> Result<[SharedTool; 2]> {
    let (detector, reader) = (catalog.find("detect_objects")?, catalog.find("read_text")?);
    let small_text = Typed::new(ReadSmallText::new(Arc::clone(reader)), &Manifest::parse(READ_SMALL_TEXT)?)?;
    Ok([ZoomDetect::tool(Arc::clone(detector), &Manifest::parse(ZOOM_DETECT)?)?, Arc::new(small_text)])
}

/// Makes the tools anew that are made of others, which may have been replaced.
fn remake(catalog: &mut Catalog) -> Result<()> {
    if catalog.get("detect_objects").is_none() || catalog.get("read_text").is_none() {
        return Ok(());
    }
    for tool in on_pieces(catalog)? {
        let known = catalog.get(&tool.spec().name).map(|known| known.spec().description.clone());
        if known.is_some_and(|description| description == tool.spec().description) {
            catalog.replace(tool)?;
        }
    }
    if catalog.get("describe_scene").is_some() {
        catalog.replace(describe_scene(catalog)?)?;
    }
    Ok(())
}

/// Switches on the built-in tool of this name, which is off otherwise. One that is there already stays as it is.
///
/// # Errors
/// `NotFound` when there is no such tool, with the names that there are; else as [`off`].
pub fn switch_on(catalog: &mut Catalog, name: &str, store: &Store, progress: &Arc<dyn Progress>) -> Result<()> {
    let unknown = format!("there is no file `{name}`, and no tool of this name that can be switched on");
    switch_on_or(&unknown, catalog, name, store, progress)
}

/// The same, with what to say where there is no such tool.
fn switch_on_or(
    unknown: &str,
    catalog: &mut Catalog,
    name: &str,
    store: &Store,
    progress: &Arc<dyn Progress>,
) -> Result<()> {
    if catalog.get(name).is_some() {
        return Ok(());
    }
    let off = off(catalog, store, progress)?;
    if let Some(found) = off.iter().find(|off| off.name == name) {
        catalog.replace(Arc::clone(&found.tool))?;
        return switch_on_all(catalog, &found.needs, store, progress);
    }
    if ready::names()?.iter().any(|known| known == name) {
        // Its files are there, so it is on already, in the place of another.
        return Ok(());
    }
    let names: Vec<&str> = off.iter().map(|off| off.name.as_str()).collect();
    let meant = nearest(name, &names).map_or_else(String::new, |near| format!("did you mean `{near}`? "));
    let all = names.join(", ");
    Err(Error::new(ErrorKind::NotFound, format!("{unknown}; {meant}those that can are {all}")))
}

/// Switches on what `needs` of a manifest names.
fn switch_on_all(catalog: &mut Catalog, names: &[String], store: &Store, progress: &Arc<dyn Progress>) -> Result<()> {
    names.iter().try_for_each(|name| {
        let unknown = format!("`needs`: no tool `{name}` is on, and none of this name can be switched on");
        switch_on_or(&unknown, catalog, name, store, progress)
    })
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
        Some(name) => switch_on(catalog, name, store, progress)?,
        None => add_manifests(catalog, path, store, progress)?,
    }
    complete(catalog)?;
    remake(catalog)
}

fn add_manifests(catalog: &mut Catalog, path: &Path, store: &Store, progress: &Arc<dyn Progress>) -> Result<()> {
    for added in added(&[path], store, progress)? {
        match with(catalog, &added, store, progress) {
            Err(error) if path.is_dir() => progress.note("left out", &error.to_string()),
            more => *catalog = more?,
        }
    }
    Ok(())
}

/// The catalog with one more tool, and with what that needs; it stays as it is where either cannot be added.
fn with(catalog: &Catalog, added: &Added, store: &Store, progress: &Arc<dyn Progress>) -> Result<Catalog> {
    let mut more = catalog.clone();
    if added.is_available() {
        let place = |error: Error| error.context(format!("`{}`", added.path.display()));
        switch_on_all(&mut more, &added.manifest.needs, store, progress).map_err(place)?;
    }
    added.add_to(&mut more)?;
    Ok(more)
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

/// Adds what says which region a user points at, made of the tools of the catalog; see [`PointAt::of`]. It is in no list.
///
/// # Errors
/// `InvalidInput` when the catalog has a tool of its name.
pub(crate) fn add_point_at(catalog: &mut Catalog) -> Result<()> {
    let tool = Typed::new(PointAt::of(catalog), &Manifest::parse(POINT_AT)?)?;
    catalog.add_unlisted(Arc::new(tool))
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
}
