//! How a store is set up.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::vars::Vars;
use crate::error::{Error, Result};

/// When the installed `pip` fetches a wheel instead of the store itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PipUse {
    /// The store reads the index itself, and `pip download` is tried when that fails.
    #[default]
    Fallback,
    /// Always `pip download`: for an index that needs what only pip can do, e.g. a keyring.
    Only,
    /// Never run Python or pip.
    Never,
}

/// How a [`Store`](super::Store) is set up.
///
/// Registries, mirrors, proxies, certificates and credentials are taken from the variables and
/// files that pip, npm and the hub's own tools read, so what works for them works here.
#[derive(Clone)]
pub struct StoreOptions {
    /// The folder that holds everything.
    pub home: Option<PathBuf>,
    /// Whether nothing may be fetched; `file:` sources still work.
    pub offline: bool,
    /// When pip fetches.
    pub pip: PipUse,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// How long to wait for the next bytes of an answer.
    pub read_timeout: Duration,
    /// How long a host that did not answer is left alone, also by later processes.
    pub dead_host_memory: Duration,
    pub(super) vars: Vars,
}

impl StoreOptions {
    /// The options that the environment asks for.
    ///
    /// `LAVR_HOME` is the folder (else `lavr` in the user's cache folder, `~/.cache` on Linux),
    /// `LAVR_OFFLINE=1` forbids fetching, `LAVR_PIP` is `fallback`, `only` or `never`.
    ///
    /// # Errors
    /// `InvalidInput` when `LAVR_PIP` is something else.
    pub fn from_env() -> Result<Self> {
        Self::read(Vars::from_process())
    }

    /// As [`from_env`](Self::from_env), with these variables instead of the process's.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_vars<K: Into<String>, V: Into<String>>(vars: impl IntoIterator<Item = (K, V)>) -> Result<Self> {
        Self::read(Vars::new(vars.into_iter().map(|(k, v)| (k.into(), v.into()))))
    }

    /// Sets the folder.
    #[must_use]
    pub fn with_home(mut self, home: impl Into<PathBuf>) -> Self {
        self.home = Some(home.into());
        self
    }

    /// Forbids or allows fetching.
    #[must_use]
    pub fn with_offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    fn read(vars: Vars) -> Result<Self> {
        let pip = match vars.get("LAVR_PIP") {
            None | Some("fallback") => PipUse::Fallback,
            Some("only") => PipUse::Only,
            Some("never") => PipUse::Never,
            Some(other) => {
                return Err(Error::invalid(format!("LAVR_PIP is `{other}`; it can be fallback, only or never")));
            }
        };
        Ok(Self {
            home: home_from(&vars),
            offline: vars.is_on("LAVR_OFFLINE"),
            pip,
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(30),
            dead_host_memory: Duration::from_secs(300),
            vars,
        })
    }

    pub(super) fn home_folder(&self) -> Result<PathBuf> {
        let home = self.home.clone().ok_or_else(|| {
            Error::invalid("there is no home folder to keep models in; set LAVR_HOME to a folder that can be written")
        })?;
        Ok(std::path::absolute(home)?)
    }
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { home, offline, pip, .. } = self;
        // The variables stay out: they may hold credentials.
        f.debug_struct("StoreOptions").field("home", home).field("offline", offline).field("pip", pip).finish()
    }
}

fn home_from(vars: &Vars) -> Option<PathBuf> {
    if let Some(home) = vars.path("LAVR_HOME") {
        return Some(home);
    }
    if cfg!(windows) {
        return Some(vars.path("LOCALAPPDATA")?.join("lavr"));
    }
    let cache = vars.path("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    Some(cache.or_else(|| Some(vars.home()?.join(".cache")))?.join("lavr"))
}
