//! Writing traces.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::{BlobFolder, Entry};
use crate::cx::EventSink;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;

/// Writes a trace: JSON lines to `FILE`, images to `FILE.blobs/`.
///
/// Every line is flushed as it is written, so a killed run keeps what happened before.
#[derive(Debug)]
pub struct TraceWriter {
    path: PathBuf,
    blobs: BlobFolder,
    state: Mutex<(File, HashSet<String>)>,
    failed: Mutex<Option<Error>>,
}

impl TraceWriter {
    /// Creates the file; one that is there already is replaced.
    ///
    /// # Errors
    /// `Io` or `NotFound` naming the file.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        // What stands in it goes; from here on lines are only added.
        let open = || File::create(path).and_then(|_| File::options().append(true).open(path));
        Ok(Self::to(path, open().map_err(|e| place(e, path))?))
    }

    /// Goes on with a file; a last line that was cut off when its run was killed is taken away. The file is made when
    /// there is none.
    ///
    /// # Errors
    /// As [`TraceWriter::create`].
    pub fn go_on(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let open = || {
            let mut file = File::options().create(true).read(true).append(true).open(path)?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let rest = bytes.get(whole..).unwrap_or_default();
            if serde_json::from_slice::<Entry>(rest).is_ok() {
                // Only its end is missing.
                file.write_all(b"\n")?;
            } else {
                file.set_len(whole as u64)?;
            }
            Ok(file)
        };
        Ok(Self::to(path, open().map_err(|e| place(e, path))?))
    }

    fn to(path: &Path, file: File) -> Self {
        let (blobs, state) = (BlobFolder::beside(path), Mutex::new((file, HashSet::new())));
        Self { path: path.to_owned(), blobs, state, failed: Mutex::default() }
    }

    /// Appends one entry, first storing the images it mentions.
    ///
    /// # Errors
    /// `Io` naming the file, e.g. when the disk is full.
    pub fn append(&self, entry: &Entry, images: &[&Image]) -> Result<()> {
        let mut state = self.state.lock().map_err(|_| Error::internal("the trace's lock is poisoned"))?;
        for image in images {
            if !state.1.contains(image.digest()) {
                self.blobs.put(image)?;
                state.1.insert(image.digest().to_owned());
            }
        }
        let mut line =
            serde_json::to_vec(entry).map_err(|e| Error::internal("a trace entry has no JSON form").with_source(e))?;
        line.push(b'\n');
        let end = state.0.metadata().map_err(|e| place(e, &self.path))?.len();
        state.0.write_all(&line).map_err(|e| {
            // Half a line would spoil the lines after it.
            drop(state.0.set_len(end));
            place(e, &self.path)
        })
    }

    /// The first error since the last call, when entries arrived as events: a sink cannot return it.
    pub fn take_error(&self) -> Option<Error> {
        self.failed.lock().ok().and_then(|mut failed| failed.take())
    }
}

impl EventSink for TraceWriter {
    fn event(&self, entry: &Entry, images: &[&Image]) {
        if let Err(error) = self.append(entry, images)
            && let Ok(mut failed) = self.failed.lock()
        {
            failed.get_or_insert(error);
        }
    }
}

fn place(error: std::io::Error, path: &Path) -> Error {
    Error::new(ErrorKind::Io, format!("trace `{}` cannot be written: {error}", path.display())).with_source(error)
}
