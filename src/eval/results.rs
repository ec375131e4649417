//! Results: the file of records, which survives being cut off at any byte.

use std::collections::HashSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::record::Record;
use crate::error::{Error, ErrorKind, Result};
use crate::files::read_at_most;

/// Longest file of records, in bytes.
const MAX_BYTES: u64 = 4 << 30;
/// What a record begins with, whole or cut off.
const BEGINNING: &[u8] = br#"{"line":"#;

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
        lock(path, &file)?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Goes on with a file: the records in it, and the file behind the last whole one. A record that was cut off is
    /// taken out. A file that is not there begins empty.
    ///
    /// # Errors
    /// `InvalidInput` naming the line that is no record or repeats one, or when somebody else is writing the file;
    /// `Io` when it cannot be read or written. The file is as it was then.
    pub fn resume(path: &Path) -> Result<(Vec<Record>, Self)> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|e| failed(path, &e))?;
        lock(path, &file)?;
        let bytes = read_at_most(path, MAX_BYTES).map_err(|e| failed(path, &e))?;
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
        let (lines, rest) = bytes.split_at(whole);
        let records = parse(path, lines)?;
        if !rest.iter().zip(BEGINNING).all(|(a, b)| a == b) {
            let n = records.len() + 1;
            return Err(Error::invalid(format!("{}: this is no record of `lavr eval`", place(path, n))));
        }
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
    parse(path, &read_at_most(path, MAX_BYTES).map_err(|e| failed(path, &e))?)
}

/// The file belongs to this process as long as it is open.
fn lock(path: &Path, file: &File) -> Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            Err(Error::invalid(format!("results `{}`: another `lavr eval` is writing them", path.display())))
        }
        // Some file systems know no locks.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<Record>> {
    let mut records: Vec<Record> = Vec::new();
    let mut seen = HashSet::new();
    for (n, line) in bytes.split(|b| *b == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let wrong = |what: &str| Error::invalid(format!("{}: {what}", place(path, n + 1)));
        let record: Record = serde_json::from_slice(line)
            .map_err(|e| wrong(&format!("this is no record of `lavr eval`: {e}")).with_source(e))?;
        if !(0.0..=1.0).contains(&record.score) {
            return Err(wrong(&format!("a score of {} is not between 0 and 1", record.score)));
        }
        if !seen.insert(record.line) {
            return Err(wrong(&format!("the case of line {} stands here a second time; take one out", record.line)));
        }
        records.push(record);
    }
    Ok(records)
}

fn place(path: &Path, line: usize) -> String {
    format!("results `{}`, line {line}", path.display())
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    let kind = if error.kind() == std::io::ErrorKind::NotFound { ErrorKind::NotFound } else { ErrorKind::Io };
    Error::new(kind, format!("results `{}`: {error}", path.display()))
}
