//! A snapshot of environment variables, so that what the store reads from them can be given by hand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Clone, Default)]
pub(super) struct Vars(Arc<BTreeMap<String, String>>);

impl Vars {
    pub(super) fn from_process() -> Self {
        let texts = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        Self::new(texts)
    }

    pub(super) fn new(vars: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(Arc::new(vars.into_iter().collect()))
    }

    /// A variable's value, when it is set and not blank.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = if cfg!(windows) { self.get_any_case(name) } else { self.0.get(name).map(String::as_str) };
        value.map(str::trim).filter(|value| !value.is_empty())
    }

    /// A variable whose name may be written in any case, as npm reads them.
    pub(super) fn get_any_case(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether a switch such as `LAVR_OFFLINE` is on.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|v| !matches!(v.to_ascii_lowercase().as_str(), "0" | "false" | "no" | "off"))
    }

    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    pub(super) fn home(&self) -> Option<PathBuf> {
        self.path(if cfg!(windows) { "USERPROFILE" } else { "HOME" })
    }

    /// All variables, for a child process.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// A program on `PATH`.
    pub(super) fn which(&self, program: &str) -> Option<PathBuf> {
        let path = self.get("PATH")?;
        let names: &[&str] = if cfg!(windows) { &[".exe", ".cmd", ".bat"] } else { &[""] };
        std::env::split_paths(path)
            .flat_map(|folder| names.iter().map(move |end| folder.join(format!("{program}{end}"))))
            .find(|candidate| is_program(candidate))
    }
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}
