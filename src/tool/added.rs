//! Tools that are added at run time: manifests in a file or a folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::catalog::is_name;
use super::model::{ModelTool, beside};
use super::{Available, Catalog, Manifest, ToolKind};
use crate::error::{Error, ErrorKind, Result};
use crate::files;
use crate::runner::{LazyFile, OrtModel, OrtRuntime};
use crate::store::{Progress, Store};

/// Most bytes of a manifest.
const MAX_BYTES: u64 = 1024 * 1024;

/// A tool that a manifest describes in full, and where that manifest is.
pub struct Added {
    /// The manifest.
    pub manifest: Manifest,
    /// Its file.
    pub path: PathBuf,
    /// The tool.
    pub tool: Arc<ModelTool>,
}

impl Added {
    /// Reads a manifest with a head; its model is loaded, and fetched where it has to be, when the tool is first used.
    ///
    /// # Errors
    /// `NotFound` or `Io` when the file cannot be read, `InvalidInput` when it is faulty; both name the file.
    pub fn read(path: &Path, runtime: &OrtRuntime, store: &Store, progress: &Arc<dyn Progress>) -> Result<Self> {
        let place = |error: Error| error.context(format!("`{}`", path.display()));
        if !path.is_file() {
            return Err(place(Error::new(ErrorKind::NotFound, "there is no such file")));
        }
        let bytes = files::read_at_most(path, MAX_BYTES).map_err(|e| place(e.into()))?;
        let text = String::from_utf8(bytes).map_err(|e| place(Error::invalid("it is not UTF-8").with_source(e)))?;
        let manifest = Manifest::parse(&text).map_err(place)?;
        let tool = tool(&manifest, path, runtime, store, progress).map_err(place)?;
        Ok(Self { manifest, path: path.to_owned(), tool: Arc::new(tool) })
    }

    /// Adds it to a catalog, unless its manifest says that it is off.
    ///
    /// # Errors
    /// As [`Catalog::add`].
    pub fn add_to(&self, catalog: &mut Catalog) -> Result<()> {
        match self.manifest.available {
            Available::Off => Ok(()),
            Available::Auto => {
                catalog.add(self.tool.clone()).map_err(|e| e.context(format!("`{}`", self.path.display())))
            }
        }
    }
}

/// The manifests of a file or a folder, in the order of their names.
///
/// # Errors
/// `InvalidInput` when there is none, `NotFound` or `Io` when the folder cannot be read.
pub(crate) fn manifests(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let place = |e: std::io::Error| Error::from(e).context(format!("`{}`", path.display()));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(place)? {
        let file = entry.map_err(place)?.path();
        if file.extension().is_some_and(|end| end == "toml") && file.is_file() {
            found.push(file);
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(Error::invalid(format!("the folder `{}` has no manifest (NAME.toml)", path.display())));
    }
    Ok(found)
}

fn tool(
    manifest: &Manifest,
    path: &Path,
    runtime: &OrtRuntime,
    store: &Store,
    progress: &Arc<dyn Progress>,
) -> Result<ModelTool> {
    if manifest.kind != ToolKind::Expert {
        return Err(Error::invalid("kind = \"expert\" is needed: a manifest alone describes a model, no operation"));
    }
    if !is_name(&manifest.name) {
        let name = manifest.name.escape_debug();
        return Err(Error::invalid(format!("`{name}` is not a tool name; use lower-case letters, digits and `_`")));
    }
    let model = manifest.model.as_ref().ok_or_else(|| Error::invalid("it has no [model]"))?;
    let folder = path.parent().map_or_else(PathBuf::new, Path::to_owned);
    let file = match (&model.file, &model.artefact) {
        (Some(file), None) => LazyFile::at(beside(&folder, file)?),
        (None, Some(name)) => LazyFile::stored(store, manifest.artefact(name)?.clone(), progress),
        _ => return Err(Error::invalid("[model] needs one of `file` and `artefact`")),
    };
    let runner = runtime.runner(manifest.name.clone(), OrtModel::File(file));
    ModelTool::new(manifest, &folder, Arc::new(runner))
}
