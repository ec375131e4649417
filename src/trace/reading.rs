//! Reading traces, of this version and of others.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::Entry;
use crate::error::{Error, Result};

/// An entry as it stands in the file, of this version or of another: nothing is known of it but when it was, and its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RawEntry {
    /// Milliseconds since the run began.
    pub t_ms: u64,
    /// The event's name.
    pub event: String,
    /// Its other keys.
    #[serde(flatten)]
    pub rest: Map<String, Json>,
}

/// Reads a trace file. A last line that was cut off when the run was killed is left out.
///
/// # Errors
/// `NotFound`/`Io` when it cannot be read, `InvalidInput` naming the line that is not an entry.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<Entry>> {
    read_as(path.as_ref())
}

/// As [`read`], for traces of other versions, too: events that this version does not know are there as they stand.
///
/// # Errors
/// As [`read`], a line being an entry when it says when it was and what happened.
pub fn read_raw(path: impl AsRef<Path>) -> Result<Vec<RawEntry>> {
    read_as(path.as_ref())
}

fn read_as<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let place = || format!("trace `{}`", path.display());
    let bytes = std::fs::read(path).map_err(|e| Error::from(e).context(place()))?;
    // A run may be killed in the middle of a character.
    let (whole, rest) = bytes.split_at(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
    let whole =
        std::str::from_utf8(whole).map_err(|e| Error::invalid(format!("it is not UTF-8: {e}")).context(place()))?;
    let rest = std::str::from_utf8(rest).ok().filter(|line| serde_json::from_str::<T>(line).is_ok());
    whole
        .lines()
        .chain(rest)
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(n, line)| {
            serde_json::from_str(line)
                .map_err(|e| Error::invalid(format!("line {} is not a trace entry: {e}", n + 1)).context(place()))
        })
        .collect()
}
