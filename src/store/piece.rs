//! What has arrived, and how the final file is put together from it.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use flate2::read::{DeflateDecoder, GzDecoder};
use sha2::{Digest, Sha256};
use zip::ZipArchive;

use super::artefact::Artefact;
use super::download::disk_fault;
use crate::error::{Error, ErrorKind, Result};

/// A local file that holds a part of the final file.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) path: PathBuf,
    pub(super) form: Form,
    /// Where it came from, for messages.
    pub(super) origin: String,
}

/// How the part lies in the local file.
#[derive(Debug)]
pub(super) enum Form {
    /// As it is.
    Plain,
    /// Compressed with raw deflate.
    Deflated,
    /// As a member of a zip file.
    Zip(String),
    /// As a member of a gzipped tar file whose first folder has any name.
    Tar(String),
}

/// The final file while it grows.
pub(super) struct Assembly {
    path: PathBuf,
    file: File,
    hasher: Sha256,
    written: u64,
    size: u64,
}

impl Assembly {
    pub(super) fn start(folder: &Path, artefact: &Artefact) -> Result<Self> {
        let path = folder.join(super::place::unique("assembled"));
        let file = File::create(&path).map_err(|error| disk_fault(&path, error))?;
        Ok(Self { path, file, hasher: Sha256::new(), written: 0, size: artefact.size })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends what a piece holds.
    pub(super) fn append(&mut self, piece: &Piece) -> Result<()> {
        let file = File::open(&piece.path).map_err(|error| damaged(piece, &error))?;
        match &piece.form {
            Form::Plain => self.copy(piece, file),
            Form::Deflated => self.copy(piece, DeflateDecoder::new(BufReader::new(file))),
            Form::Zip(member) => {
                let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| damaged(piece, &error))?;
                let member = archive.by_name(member).map_err(|error| damaged(piece, &error))?;
                self.copy(piece, member)
            }
            Form::Tar(member) => self.append_from_tar(piece, file, member),
        }
    }

    fn append_from_tar(&mut self, piece: &Piece, file: File, member: &str) -> Result<()> {
        let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
        for entry in archive.entries().map_err(|error| damaged(piece, &error))? {
            let entry = entry.map_err(|error| damaged(piece, &error))?;
            let path = entry.path_bytes().into_owned();
            let path = String::from_utf8_lossy(&path);
            let inner = path.split_once('/').map(|(_, inner)| inner);
            if entry.header().entry_type().is_file() && (path == member || inner == Some(member)) {
                return self.copy(piece, entry);
            }
        }
        Err(Error::new(ErrorKind::NotFound, format!("{}: has no `{member}`", piece.origin)))
    }

    fn copy(&mut self, piece: &Piece, mut from: impl Read) -> Result<()> {
        let mut buffer = vec![0; 1 << 18];
        loop {
            let read = match from.read(&mut buffer) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(damaged(piece, &error)),
            };
            let bytes = buffer.get(..read).unwrap_or_default();
            if bytes.is_empty() {
                return Ok(());
            }
            self.written = self.written.saturating_add(read as u64);
            if self.written > self.size {
                let size = self.size;
                return Err(integrity(format!("{}: holds more than {size} bytes", piece.origin)));
            }
            self.hasher.update(bytes);
            self.file.write_all(bytes).map_err(|error| disk_fault(&self.path, error))?;
        }
    }

    /// What has been put together, whatever it is: its path, size and digest; it is safely on the disk.
    pub(super) fn taken(self) -> Result<(PathBuf, u64, String)> {
        self.file.sync_all().map_err(|error| disk_fault(&self.path, error))?;
        Ok((self.path, self.written, hex::encode(self.hasher.finalize())))
    }

    /// Checks size and digest; what comes back is safely on the disk.
    pub(super) fn finish(self, artefact: &Artefact) -> Result<PathBuf> {
        if self.written != artefact.size {
            return Err(integrity(format!("gave {} bytes instead of {}", self.written, artefact.size)));
        }
        let sha256 = hex::encode(self.hasher.finalize());
        if sha256 != artefact.sha256 {
            return Err(integrity(format!("gave a file with sha256 {sha256} instead of {}", artefact.sha256)));
        }
        self.file.sync_all().map_err(|error| disk_fault(&self.path, error))?;
        Ok(self.path)
    }
}

fn integrity(message: String) -> Error {
    Error::new(ErrorKind::Integrity, message)
}

fn damaged(piece: &Piece, error: &dyn std::error::Error) -> Error {
    integrity(format!("{}: cannot be read ({error})", piece.origin))
}
