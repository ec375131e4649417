//! The model store: files of models and libraries, fetched once, verified, kept in one folder.
//!
//! A file is described by an [`Artefact`]: its size, its SHA-256 and the [`Source`]s it can come
//! from, in the order in which they are tried. What arrives is checked against the digest before it
//! gets its final name, so no source has to be trusted. Under [`StoreOptions::home`]:
//!
//! ```text
//! artefacts/FILE              the verified files
//! artefacts/.stamps/          what was verified, so that the next use need not read the file again
//! artefacts/.locks/           one lock a file; two processes never fetch the same one at once
//! artefacts/.partial/SHA256/  downloads in progress, continued by the next attempt
//! dead-hosts.json             hosts that did not answer lately
//! ```
//!
//! # Why a file is not hashed at every start
//! Reading a 1.1 GB model takes over a second. A file that was verified gets a stamp with its size and
//! modification time; while both are unchanged it counts as verified. A change of either, or a
//! missing stamp, makes the store read the whole file again.

mod acquire;
mod artefact;
mod digest;
mod download;
mod hosts;
pub(crate) mod http;
mod index;
mod lock;
mod meter;
mod npm;
mod options;
mod piece;
mod pins;
mod pip;
mod pip_config;
mod place;
mod progress;
mod pypi;
mod ranged;
mod source;
mod vars;
mod web;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Semaphore;

pub use artefact::{Artefact, builtin, builtin_artefact, for_platform, parse_artefacts, platform};
pub use options::{PipUse, StoreOptions};
pub use progress::{Progress, Silent};
pub use source::Source;

use crate::error::{Error, ErrorKind, Result};
use acquire::Acquisition;
use digest::Check;
use lock::Lock;
use pins::Pins;
use place::Place;
use web::Web;

/// How many transfers run at once, over all artefacts of one store.
const TRANSFERS: usize = 6;

/// Finds artefacts on disk and fetches the missing ones. Clones share one state.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    options: StoreOptions,
    place: Place,
    pins: Pins,
    web: Web,
    pip: pip::Pip,
    transfers: Semaphore,
}

impl Store {
    /// Opens the store. Nothing is read, written or asked for yet.
    ///
    /// # Errors
    /// `InvalidInput` when the options name no folder and none can be derived from the environment.
    pub fn open(options: StoreOptions) -> Result<Self> {
        let home = options.home_folder()?;
        let web = Web::new(&options, &home);
        let pip = pip::Pip::new(options.vars.clone());
        let (place, pins) = (Place::new(&home), Pins::new(&home));
        let transfers = Semaphore::new(TRANSFERS);
        Ok(Self { inner: Arc::new(Inner { options, place, pins, web, pip, transfers }) })
    }

    /// The folder that holds everything of this store.
    pub fn home(&self) -> &Path {
        self.inner.place.home()
    }

    /// Whether fetching is switched off.
    pub fn is_offline(&self) -> bool {
        self.inner.options.offline
    }

    /// Where the file of an artefact is or will be; put it here to place it by hand.
    ///
    /// # Errors
    /// `InvalidInput` when the artefact is not valid.
    pub fn path(&self, artefact: &Artefact) -> Result<PathBuf> {
        artefact.validate()?;
        Ok(self.inner.place.file(artefact))
    }

    /// The file's path when it is there and has the right digest; fetches nothing.
    ///
    /// Takes microseconds when nothing has changed since it was last verified. Otherwise the whole
    /// file is read on the calling thread, so call it from where blocking is allowed.
    pub fn path_if_ready(&self, artefact: &Artefact) -> Option<PathBuf> {
        artefact.validate().ok()?;
        let pinned = self.pinned(artefact).ok()??;
        match self.inner.place.check(&pinned) {
            Ok(Check::Ready) => Some(self.inner.place.file(&pinned)),
            _ => None,
        }
    }

    /// The artefact with its size and digest; nothing when its manifest states none and it was not fetched yet.
    ///
    /// # Errors
    /// `InvalidInput` when `lavr.lock` is damaged.
    pub fn pinned(&self, artefact: &Artefact) -> Result<Option<Artefact>> {
        if artefact.is_open() { self.inner.pins.pinned(artefact) } else { Ok(Some(artefact.clone())) }
    }

    /// The path of an artefact's verified file, fetched first when it is missing or damaged.
    ///
    /// Sources are tried in order; the first that delivers the right bytes wins. Another task or
    /// process that fetches the same file is waited for. Dropping the future stops the transfers and
    /// keeps what has arrived for the next attempt.
    ///
    /// # Errors
    /// `Offline` when the file is missing and fetching is switched off: the message says how to get it.
    /// `Network` when no source delivered, `Integrity` when what they delivered was wrong; the message
    /// lists every source and why it failed. `Io` when the disk fails.
    pub async fn get(&self, artefact: &Artefact, progress: &dyn Progress) -> Result<PathBuf> {
        artefact.validate()?;
        let Some(artefact) = &self.pinned(artefact)? else { return self.first(artefact, progress).await };
        let before = self.check(artefact).await?;
        let path = self.inner.place.file(artefact);
        if before == Check::Ready {
            return Ok(path);
        }
        let acquisition = Acquisition::new(&self.inner, artefact, progress);
        if self.is_offline() && !acquisition.has_local_source() {
            return Err(self.offline(artefact, before));
        }
        let place = &self.inner.place;
        place.prepare(artefact)?;
        let _lock = Lock::take(&place.lock(artefact), || {
            progress.note(&artefact.name, "waiting for another process that fetches it");
        })
        .await?;
        if self.check(artefact).await? != Check::Ready {
            acquisition.run().await?;
        }
        Ok(path)
    }

    /// Fetches a file of which nothing is known, and pins what it is.
    async fn first(&self, artefact: &Artefact, progress: &dyn Progress) -> Result<PathBuf> {
        let acquisition = Acquisition::new(&self.inner, artefact, progress);
        let place = &self.inner.place;
        if self.is_offline() && !acquisition.has_local_source() && !place.file(artefact).is_file() {
            return Err(self.offline(artefact, Check::Missing));
        }
        place.prepare(artefact)?;
        let _lock = Lock::take(&place.lock(artefact), || {
            progress.note(&artefact.name, "waiting for another process that fetches it");
        })
        .await?;
        // The other process may have pinned it.
        let pinned = match self.pinned(artefact)? {
            Some(pinned) if self.check(&pinned).await? == Check::Ready => pinned,
            _ => acquisition.first().await?,
        };
        Ok(place.file(&pinned))
    }

    /// Checks the file; hashing happens off the async threads.
    async fn check(&self, artefact: &Artefact) -> Result<Check> {
        if let Some(check) = self.inner.place.quick_check(artefact)? {
            return Ok(check);
        }
        let (store, artefact) = (self.clone(), artefact.clone());
        blocking(move || store.inner.place.check(&artefact)).await
    }

    fn offline(&self, artefact: &Artefact, found: Check) -> Error {
        let Artefact { name, size, .. } = artefact;
        let path = self.inner.place.file(artefact);
        let state = if found == Check::Damaged { "damaged" } else { "missing" };
        Error::new(
            ErrorKind::Offline,
            format!(
                "`{name}` ({}) is {state} and LAVR_OFFLINE forbids fetching it. Run `lavr models pull {name}` \
                 without LAVR_OFFLINE, or place the file at {} ({})",
                if artefact.is_open() { "of unknown size".to_owned() } else { human_size(*size) },
                path.display(),
                artefact.identity()
            ),
        )
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("home", &self.home()).field("offline", &self.is_offline()).finish()
    }
}

/// A size in words: `1.1 GB`, `34.8 MB`.
pub fn human_size(bytes: u64) -> String {
    let units = [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    let bytes = bytes as f64;
    match units.iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{:.1} {name}", bytes / unit),
        None => format!("{bytes} B"),
    }
}

/// Runs blocking work off the async threads.
async fn blocking<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::internal("a worker of the model store stopped").with_source(error)),
    }
}
