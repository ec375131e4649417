//! Where things lie in the store's folder.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::artefact::Artefact;
use super::digest::{self, Check, Stamp};
use crate::error::{Error, Result};

#[derive(Debug, Clone)]
pub(super) struct Place {
    home: PathBuf,
}

impl Place {
    pub(super) fn new(home: &Path) -> Self {
        Self { home: home.to_owned() }
    }

    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    pub(super) fn file(&self, artefact: &Artefact) -> PathBuf {
        self.folder().join(&artefact.file)
    }

    pub(super) fn lock(&self, artefact: &Artefact) -> PathBuf {
        self.folder().join(".locks").join(&artefact.file)
    }

    /// The folder of an artefact's downloads in progress.
    pub(super) fn partial(&self, artefact: &Artefact) -> PathBuf {
        // Of a file that is not known yet, its name stands for its digest.
        let unknown = || digest::of_text(&artefact.name);
        let digest = if artefact.is_open() { unknown() } else { artefact.sha256.clone() };
        self.folder().join(".partial").join(digest)
    }

    fn stamp(&self, artefact: &Artefact) -> PathBuf {
        self.folder().join(".stamps").join(format!("{}.json", artefact.file))
    }

    fn folder(&self) -> PathBuf {
        self.home.join("artefacts")
    }

    /// Makes the folders that fetching needs.
    pub(super) fn prepare(&self, artefact: &Artefact) -> Result<()> {
        let folders = [self.folder().join(".locks"), self.folder().join(".stamps"), self.partial(artefact)];
        folders.iter().try_for_each(|folder| make_folder(folder))
    }

    /// The state of the file when it can be told without reading it.
    pub(super) fn quick_check(&self, artefact: &Artefact) -> Result<Option<Check>> {
        let Some(now) = Stamp::of(&self.file(artefact), &artefact.sha256)? else { return Ok(Some(Check::Missing)) };
        if now.size != artefact.size {
            return Ok(Some(Check::Damaged));
        }
        let known = fs::read(self.stamp(artefact)).ok();
        let known: Option<Stamp> = known.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok((known == Some(now)).then_some(Check::Ready))
    }

    /// The state of the file; reads all of it unless it is known to be unchanged.
    pub(super) fn check(&self, artefact: &Artefact) -> Result<Check> {
        if let Some(check) = self.quick_check(artefact)? {
            return Ok(check);
        }
        let path = self.file(artefact);
        let Some(before) = Stamp::of(&path, &artefact.sha256)? else { return Ok(Check::Missing) };
        if digest::of_file(&path)? != artefact.sha256 {
            return Ok(Check::Damaged);
        }
        self.write_stamp(artefact, &before);
        Ok(Check::Ready)
    }

    /// Gives a verified file its final name.
    pub(super) fn settle(&self, artefact: &Artefact, verified: &Path) -> Result<()> {
        let path = self.file(artefact);
        fs::rename(verified, &path)
            .map_err(|error| Error::from(error).context(format!("cannot move the file to {}", path.display())))?;
        sync_folder(&self.folder());
        if let Some(stamp) = Stamp::of(&path, &artefact.sha256)? {
            self.write_stamp(artefact, &stamp);
        }
        // What is left over is of no use to anyone now; failing to remove it harms nothing.
        drop(fs::remove_dir_all(self.partial(artefact)));
        Ok(())
    }

    fn write_stamp(&self, artefact: &Artefact, stamp: &Stamp) {
        let path = self.stamp(artefact);
        let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
        let bytes = serde_json::to_vec(stamp).unwrap_or_default();
        if let Err(error) = folder.and_then(|()| write_whole(&path, &bytes)) {
            tracing::debug!(%error, path = %path.display(), "cannot note that the file is verified");
        }
    }
}

fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|error| {
        Error::from(error)
            .context(format!("cannot make the folder {}; set LAVR_HOME to one that can be written", folder.display()))
    })
}

/// Writes a small file so that readers see the old content or the new, never a part.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_extension(unique("new"));
    let mut file = fs::File::create(&temporary)?;
    file.write_all(bytes)?;
    drop(file);
    fs::rename(&temporary, path).inspect_err(|_| drop(fs::remove_file(&temporary)))
}

/// A file name ending that no other task or process uses now.
pub(super) fn unique(end: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}.{end}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Makes a rename last through a power cut, where the system can.
fn sync_folder(folder: &Path) {
    if cfg!(unix) {
        drop(fs::File::open(folder).and_then(|folder| folder.sync_all()));
    }
}
