//! Pins: the digests of files whose manifests state none, as they were when they were first fetched.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::artefact::Artefact;
use super::place::write_whole;
use crate::error::{Error, ErrorKind, Result};
use crate::files;

/// The file's name in the store's folder.
const FILE: &str = "lavr.lock";
/// The source of a file that was put in its place by hand.
pub(super) const PLACED: &str = "placed by hand";
/// Most bytes of it.
const MAX_BYTES: u64 = 4 * 1024 * 1024;
const HEAD: &str = "# Files whose manifests state no digest, as they were when they were first fetched. From then on nothing else\n\
                    # is taken for them; remove an entry, and the file, to fetch another one.\n\n";

/// What is known of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pin {
    /// Where it came from.
    source: String,
    size: u64,
    sha256: String,
}

/// The file of pins.
#[derive(Debug, Clone)]
pub(super) struct Pins {
    path: PathBuf,
}

impl Pins {
    pub(super) fn new(home: &Path) -> Self {
        Self { path: home.join(FILE) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file to lock before one writes.
    pub(super) fn lock(&self) -> PathBuf {
        self.path.with_extension("lock.taken")
    }

    /// The artefact with the size and digest that its file had when it was first fetched; nothing when it was not
    /// fetched yet.
    ///
    /// # Errors
    /// `InvalidInput` when the file of pins is damaged, `Integrity` when it was fetched from a source that the manifest
    /// does not name: then it is another file.
    pub(super) fn pinned(&self, artefact: &Artefact) -> Result<Option<Artefact>> {
        let pins = self.read()?;
        let Some(pin) = pins.get(&artefact.name) else { return Ok(None) };
        let known = pin.source == PLACED || artefact.sources.iter().any(|source| source.label() == pin.source);
        if !known {
            let (name, source, path) = (&artefact.name, &pin.source, self.path.display());
            let message = format!(
                "`{name}` is pinned in {path} from {source}, which its manifest does not name: give it another name, or remove \
                 the entry to take another file"
            );
            return Err(Error::new(ErrorKind::Integrity, message));
        }
        Ok(Some(Artefact { size: pin.size, sha256: pin.sha256.clone(), ..artefact.clone() }))
    }

    /// Writes down what an artefact's file is, now that it is known; the caller holds the lock.
    ///
    /// # Errors
    /// `Io` when it cannot be written.
    pub(super) fn write(&self, artefact: &Artefact, source: String) -> Result<()> {
        let mut pins = self.read()?;
        let pin = Pin { source, size: artefact.size, sha256: artefact.sha256.clone() };
        pins.insert(artefact.name.clone(), pin);
        let text = toml::to_string(&pins).map_err(|e| Error::internal("pins have no TOML form").with_source(e))?;
        let place = |e: std::io::Error| Error::from(e).context(format!("cannot write {}", self.path.display()));
        write_whole(&self.path, format!("{HEAD}{text}").as_bytes()).map_err(place)
    }

    fn read(&self) -> Result<BTreeMap<String, Pin>> {
        if !self.path.exists() {
            return Ok(BTreeMap::new());
        }
        let place = |e: Error| e.context(format!("`{}`", self.path.display()));
        let bytes = files::read_at_most(&self.path, MAX_BYTES).map_err(|e| place(e.into()))?;
        let text = String::from_utf8(bytes).map_err(|e| place(Error::invalid("it is not UTF-8").with_source(e)))?;
        toml::from_str(&text).map_err(|e| place(Error::invalid(format!("it is damaged: {e}")).with_source(e)))
    }
}
