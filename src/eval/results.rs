//! Results: the file of records, which survives being cut off at any byte.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::record::Record;
use crate::error::{Error, ErrorKind, Result};

/// A file of records, one JSON object a line, that grows as cases are done.
#[derive(Debug)]
pub struct Results {
    path: PathBuf,
    file: File,
}

impl Results {
    /// Begins a file that is not there yet.
    ///
    /// # Errors
    /// `InvalidInput` when it is there already, `Io` when it cannot be written.
    pub fn create(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::AlreadyExists => Error::invalid(format!(
                "results `{}` are there already; go on with `--resume`, or give another file",
                path.display()
            )),
            _ => failed(path, &e),
        })?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Goes on with a file: the records in it, and the file behind the last whole one. A line that was cut off is
    /// taken out. A file that is not there begins empty.
    ///
    /// # Errors
    /// `InvalidInput` naming the line that is no record, `Io` when it cannot be read or written.
    pub fn resume(path: &Path) -> Result<(Vec<Record>, Self)> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|e| failed(path, &e))?;
        let bytes = std::fs::read(path).map_err(|e| failed(path, &e))?;
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
        let records = parse(path, bytes.get(..whole).unwrap_or_default())?;
        file.set_len(whole as u64).map_err(|e| failed(path, &e))?;
        file.seek(SeekFrom::End(0)).map_err(|e| failed(path, &e))?;
        Ok((records, Self { path: path.to_owned(), file }))
    }

    /// Adds a record; it is on its way to the disk when this returns.
    ///
    /// # Errors
    /// `Io` when it cannot be written.
    pub fn add(&mut self, record: &Record) -> Result<()> {
        let mut line =
            serde_json::to_string(record).map_err(|e| Error::internal(format!("a record has no JSON: {e}")))?;
        line.push('\n');
        self.file.write_all(line.as_bytes()).map_err(|e| failed(&self.path, &e))
    }
}

/// Reads the records of a file.
///
/// # Errors
/// `NotFound` or `Io` when it cannot be read, `InvalidInput` naming the line that is no record.
pub fn read(path: &Path) -> Result<Vec<Record>> {
    parse(path, &std::fs::read(path).map_err(|e| failed(path, &e))?)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<Record>> {
    let lines = bytes.split(|b| *b == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    lines
        .map(|(n, line)| {
            serde_json::from_slice(line).map_err(|e| {
                let place = format!("results `{}`, line {}", path.display(), n + 1);
                Error::invalid(format!("{place}: this is no record of `lavr eval`: {e}")).with_source(e)
            })
        })
        .collect()
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    let kind = if error.kind() == std::io::ErrorKind::NotFound { ErrorKind::NotFound } else { ErrorKind::Io };
    Error::new(kind, format!("results `{}`: {error}", path.display()))
}
