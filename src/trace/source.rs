//! Where the images of a trace are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;

/// Where the images of a trace are.
pub trait Source: Send + Sync {
    /// The encoded image with this digest.
    ///
    /// # Errors
    /// `NotFound` or `Io` when it is not there.
    fn blob(&self, digest: &str) -> Result<Vec<u8>>;
}

/// The digests of the images that stand anywhere in JSON, as `{"blob": ...}`.
pub fn blobs_in(json: &Json) -> BTreeSet<&str> {
    let (mut named, mut open) = (BTreeSet::new(), vec![json]);
    while let Some(json) = open.pop() {
        match json {
            Json::Array(items) => open.extend(items),
            Json::Object(object) => {
                named.extend(object.get("blob").and_then(Json::as_str));
                open.extend(object.values());
            }
            _ => {}
        }
    }
    named
}

/// The folder `FILE.blobs` beside a trace.
#[derive(Debug, Clone)]
pub struct BlobFolder(PathBuf);

impl BlobFolder {
    /// That of a trace file.
    pub fn beside(trace: impl AsRef<Path>) -> Self {
        let mut folder = trace.as_ref().to_owned().into_os_string();
        folder.push(".blobs");
        Self(folder.into())
    }

    /// Where the image with this digest is.
    ///
    /// # Errors
    /// `InvalidInput` when it is no digest, and might lead elsewhere.
    pub fn path(&self, digest: &str) -> Result<PathBuf> {
        let hex = digest.strip_prefix("sha256:").filter(|hex| hex.len() == 64);
        if !hex.is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            return Err(Error::invalid(format!("`{digest}` is no name of a blob; it begins with `sha256:`")));
        }
        Ok(self.0.join(digest.replace(':', "-")))
    }

    /// Stores an image, unless it is there. Under its name a file is whole, even when the process is killed meanwhile.
    ///
    /// # Errors
    /// `Io` naming the file, e.g. when the disk is full.
    pub fn put(&self, image: &Image) -> Result<()> {
        self.put_bytes(image.digest(), image.encoded())
    }

    /// As [`BlobFolder::put`], with the image's digest and its encoded bytes.
    ///
    /// # Errors
    /// As [`BlobFolder::put`]; `InvalidInput` when it is no digest.
    pub fn put_bytes(&self, digest: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path(digest)?;
        if path.exists() {
            return Ok(());
        }
        let part = path.with_extension(format!("{}.part", std::process::id()));
        let write = || {
            std::fs::create_dir_all(&self.0)?;
            std::fs::write(&part, bytes)?;
            std::fs::rename(&part, &path)
        };
        write().map_err(|e| {
            let why = format!("image `{}` of a trace cannot be written: {e}", path.display());
            Error::new(ErrorKind::Io, why).with_source(e)
        })
    }
}

impl Source for BlobFolder {
    fn blob(&self, digest: &str) -> Result<Vec<u8>> {
        let path = self.path(digest)?;
        std::fs::read(&path).map_err(|e| Error::from(e).context(format!("image `{}` of the trace", path.display())))
    }
}
