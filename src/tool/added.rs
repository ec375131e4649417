//! Tools that are added at run time: manifests in a file or a folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::catalog::is_name;
use super::model::{ModelTool, OcrParts, Parts, beside};
use super::weights::compiled_in;
use super::{Available, Catalog, Manifest, ToolKind};
use crate::error::{Error, ErrorKind, Result};
use crate::files;
use crate::runner::{LazyFile, OrtModel, OrtRuntime, Runner};
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
    /// Whether all files that it names are in the store, where that decides whether plans may call it.
    is_pulled: bool,
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
        Self::of(&text, path, runtime, store, progress)
    }

    /// The tool of a manifest with this text, in this file.
    ///
    /// # Errors
    /// `InvalidInput` naming the file, when it is faulty.
    pub fn of(
        text: &str,
        path: &Path,
        runtime: &OrtRuntime,
        store: &Store,
        progress: &Arc<dyn Progress>,
    ) -> Result<Self> {
        let place = |error: Error| error.context(format!("`{}`", path.display()));
        let manifest = Manifest::parse(text).map_err(place)?;
        let tool = tool(&manifest, path, runtime, store, progress).map_err(place)?;
        // Looking may mean to read whole files: only where it matters.
        let is_there = |artefact| store.path_if_ready(artefact).is_some();
        let is_pulled = manifest.available == Available::Pulled && manifest.artefacts.iter().all(is_there);
        Ok(Self { manifest, path: path.to_owned(), tool: Arc::new(tool), is_pulled })
    }

    /// Adds it to a catalog, unless its manifest says that it is off.
    ///
    /// # Errors
    /// As [`Catalog::add`].
    pub fn add_to(&self, catalog: &mut Catalog) -> Result<()> {
        if !self.is_available() {
            return Ok(());
        }
        let place = |e: Error| e.context(format!("`{}`", self.path.display()));
        match &self.manifest.replaces {
            Some(name) => {
                catalog.takes_place_of(name, self.tool.as_ref()).map_err(place)?;
                catalog.replace(self.tool.clone()).map_err(place)
            }
            None => catalog.add(self.tool.clone()).map_err(place),
        }?;
        self.manifest.demos.iter().try_for_each(|demo| demo.check(catalog)).map_err(place)
    }

    /// Whether plans may call it.
    pub fn is_available(&self) -> bool {
        match self.manifest.available {
            Available::Off => false,
            Available::Auto => true,
            Available::Pulled => self.is_pulled,
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
    let stored = |name: &str| Ok::<_, Error>(LazyFile::stored(store, manifest.artefact(name)?.clone(), progress));
    // A plain name is that of an artefact, or else of a file beside the manifest.
    let named = |name: &str| match manifest.artefacts.iter().any(|artefact| artefact.name == name) {
        true => stored(name),
        false => beside(&folder, name).map(LazyFile::at),
    };
    let file = |file: &Option<String>, artefact: &Option<String>| match (file, artefact) {
        (Some(file), None) => beside(&folder, file).map(LazyFile::at).map(Some),
        (None, Some(name)) => stored(name).map(Some),
        _ => Ok(None),
    };
    let batching = manifest.batching.clone().unwrap_or_default().batching()?;
    let run = |name: String, model: OrtModel| -> Arc<dyn Runner> {
        Arc::new(runtime.runner(name, model).with_batching(batching))
    };
    let runner = |part: &str, file: LazyFile| run(format!("{}/{part}", manifest.name), OrtModel::File(file));
    let main = match &model.builtin {
        Some(name) if model.file.is_none() && model.artefact.is_none() => Some(OrtModel::Bytes(compiled_in(name)?)),
        Some(_) => None,
        None => file(&model.file, &model.artefact)?.map(OrtModel::File),
    };
    let main = main.ok_or_else(|| Error::invalid("[model] needs one of `file`, `artefact` and `builtin`"))?;
    let mut parts = Parts::of(run(manifest.name.clone(), main));
    if let Some(text) = &manifest.text {
        parts.text = file(&text.file, &text.artefact)?.map(|file| runner("text", file));
        parts.text_tokenizer = Some(named(&text.tokenizer)?);
    }
    if let Some(decoder) = &manifest.mask_decoder {
        parts.mask_decoder = file(&decoder.file, &decoder.artefact)?.map(|file| runner("mask decoder", file));
    }
    if let Some(decoder) = &manifest.decoder {
        parts.decoder = file(&decoder.file, &decoder.artefact)?.map(|file| runner("decoder", file));
        parts.with_past =
            decoder.with_past.as_deref().map(named).transpose()?.map(|file| runner("decoder with past", file));
        parts.decoder_tokenizer = Some(named(&decoder.tokenizer)?);
    }
    if let Some(ocr) = &manifest.ocr {
        let other = |part: &str, name: &str| named(name).map(|file| runner(part, file));
        parts.ocr = Some(OcrParts {
            direction: ocr.direction.as_deref().map(|name| other("direction", name)).transpose()?,
            recogniser: other("recogniser", &ocr.recogniser)?,
            characters: ocr.characters.as_deref().map(named).transpose()?,
        });
    }
    ModelTool::new(manifest, &folder, parts)
}
