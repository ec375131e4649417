//! pip's configuration: where its index is. Read the way pip reads it, without running it.

use std::path::PathBuf;

use super::vars::Vars;

/// What pip is told about its index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PipConfig {
    pub(super) index: Option<String>,
    pub(super) extra_indexes: Vec<String>,
    pub(super) no_index: bool,
}

impl PipConfig {
    /// Reads the configuration files, then the variables, which win.
    pub(super) fn read(vars: &Vars) -> Self {
        let texts: Vec<String> = files(vars).iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect();
        let mut config = Self::from_files(&texts);
        for name in ["index-url", "extra-index-url", "no-index"] {
            if let Some(value) = vars.get(&format!("PIP_{}", name.replace('-', "_").to_ascii_uppercase())) {
                config.set(name, value);
            }
        }
        config
    }

    /// Merges files, later ones over earlier ones; a command's section counts more than `[global]`.
    fn from_files(texts: &[String]) -> Self {
        let mut config = Self::default();
        let entries: Vec<Entry> = texts.iter().flat_map(|text| parse(text)).collect();
        for wanted in ["global", "install", "download"] {
            for Entry { key, value, .. } in entries.iter().filter(|entry| entry.section == wanted) {
                config.set(key, value);
            }
        }
        config
    }

    fn set(&mut self, key: &str, value: &str) {
        let mut words = value.split_whitespace().map(str::to_owned);
        match key {
            "index-url" => self.index = words.next(),
            "extra-index-url" => self.extra_indexes = words.collect(),
            "no-index" => {
                let value = value.trim().to_ascii_lowercase();
                self.no_index = matches!(value.as_str(), "1" | "true" | "yes" | "on" | "y" | "t");
            }
            _ => {}
        }
    }
}

/// One setting in a file.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    section: String,
    key: String,
    value: String,
}

/// Reads an INI file. Lines that make no sense are passed over.
fn parse(text: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut section = String::new();
    let mut may_continue = false;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with([' ', '\t']) && may_continue {
            if let Some(last) = entries.last_mut() {
                last.value.push('\n');
                last.value.push_str(trimmed);
            }
            continue;
        }
        may_continue = false;
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name) {
            section = name.trim().to_owned();
        } else if let Some(at) = trimmed.find(['=', ':']) {
            let (key, value) = trimmed.split_at(at);
            let key = key.trim().to_ascii_lowercase().replace('_', "-");
            let value = value.get(1..).unwrap_or_default().trim().to_owned();
            entries.push(Entry { section: section.clone(), key, value });
            may_continue = true;
        }
    }
    entries
}

/// The configuration files in the order in which later ones win: system, user, environment, `PIP_CONFIG_FILE`.
fn files(vars: &Vars) -> Vec<PathBuf> {
    let named = vars.path("PIP_CONFIG_FILE");
    let null = if cfg!(windows) { "nul" } else { "/dev/null" };
    if named.as_deref().is_some_and(|path| path.as_os_str().eq_ignore_ascii_case(null)) {
        return Vec::new();
    }
    let mut files = system_files(vars);
    if !named.as_deref().is_some_and(|path| path.exists()) {
        files.extend(user_files(vars));
    }
    let name = if cfg!(windows) { "pip.ini" } else { "pip.conf" };
    files.extend(["VIRTUAL_ENV", "CONDA_PREFIX"].iter().filter_map(|var| Some(vars.path(var)?.join(name))));
    files.extend(named);
    files
}

fn system_files(vars: &Vars) -> Vec<PathBuf> {
    if cfg!(windows) {
        return vars.path("PROGRAMDATA").map(|folder| folder.join("pip").join("pip.ini")).into_iter().collect();
    }
    if cfg!(target_os = "macos") {
        return vec![PathBuf::from("/Library/Application Support/pip/pip.conf")];
    }
    let folders = vars.get("XDG_CONFIG_DIRS").unwrap_or("/etc/xdg");
    let mut files: Vec<PathBuf> = std::env::split_paths(folders).map(|folder| folder.join("pip/pip.conf")).collect();
    files.push(PathBuf::from("/etc/pip.conf"));
    files
}

fn user_files(vars: &Vars) -> Vec<PathBuf> {
    let Some(home) = vars.home() else { return Vec::new() };
    if cfg!(windows) {
        let roaming = vars.path("APPDATA").map(|folder| folder.join("pip").join("pip.ini"));
        return [home.join("pip").join("pip.ini")].into_iter().chain(roaming).collect();
    }
    let legacy = home.join(".pip/pip.conf");
    let library = home.join("Library/Application Support/pip");
    let new = if cfg!(target_os = "macos") && library.is_dir() {
        library
    } else {
        vars.path("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config")).join("pip")
    };
    vec![legacy, new.join("pip.conf")]
}
