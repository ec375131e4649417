//! Digests, and the stamps that save computing them again.

use std::fs::File;
use std::io::{ErrorKind as IoKind, Read};
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// What is known about a file in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// There, and it is what it should be.
    Ready,
    /// Not there.
    Missing,
    /// There, but it is something else.
    Damaged,
}

/// What a verified file looked like from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    pub(super) size: u64,
    /// Nanoseconds since 1970, of the last change.
    modified: u64,
    sha256: String,
}

impl Stamp {
    /// The stamp that the file would get now; none when there is no such file.
    pub(super) fn of(path: &Path, sha256: &str) -> Result<Option<Self>> {
        let data = match path.metadata() {
            Ok(data) => data,
            Err(error) if error.kind() == IoKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::from(error).context(path.display().to_string())),
        };
        let modified = data.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified = modified.and_then(|time| u64::try_from(time.as_nanos()).ok()).unwrap_or_default();
        Ok(Some(Self { size: data.len(), modified, sha256: sha256.to_owned() }))
    }
}

/// The SHA-256 of a file, in hexadecimal digits.
pub(super) fn of_file(path: &Path) -> Result<String> {
    let fault = |error| Error::from(error).context(format!("cannot read {}", path.display()));
    let mut file = File::open(path).map_err(fault)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer).map_err(fault)?;
        match buffer.get(..read) {
            None | Some([]) => return Ok(hex::encode(hasher.finalize())),
            Some(bytes) => hasher.update(bytes),
        }
    }
}

/// The SHA-256 of a text, in hexadecimal digits.
pub(super) fn of_text(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}
