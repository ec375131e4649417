//! One lock a file, held while it is fetched; it ends with the process that holds it.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};

pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, waiting for another holder; `waiting` is called once when it has to wait.
    pub(super) async fn take(path: &Path, waiting: impl FnOnce()) -> Result<Self> {
        let fault = |error| Error::from(error).context(format!("cannot lock {}", path.display()));
        let file = File::options().create(true).truncate(false).write(true).open(path).map_err(fault)?;
        let mut waiting = Some(waiting);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::Error(error)) => return Err(fault(error)),
                Err(TryLockError::WouldBlock) => {
                    if let Some(waiting) = waiting.take() {
                        waiting();
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}
