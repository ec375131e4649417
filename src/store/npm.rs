//! `npm:` sources: one file of a Node package, from the registry that npm is configured for.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use serde_json::Value;
use tokio::process::Command;

use super::acquire::{Item, split_auth};
use super::http;
use super::options::PipUse;
use super::piece::{Form, Piece};
use super::vars::Vars;
use super::web::{Ask, Auth};
use crate::error::{Error, ErrorKind, Result};

/// How long npm may take to say which registry it uses.
const PATIENCE: Duration = Duration::from_secs(20);

/// Fetches a file of a package.
pub(super) async fn piece(item: &Item<'_>, package: &str, version: &str, member: &str) -> Result<Piece> {
    let vars = &item.job.inner.options.vars;
    let rc = Npmrc::read(vars);
    let may_run = item.job.inner.options.pip != PipUse::Never;
    let registry = registry(vars, &rc, package, may_run).await?;
    let (mut base, own_auth) = split_auth(&registry, "npm's registry")?;
    let scoped = package.replace('/', "%2f");
    if !base.path().ends_with('/') {
        let path = format!("{}/", base.path());
        base.set_path(&path);
    }
    let described = |path: &str| base.join(path).map_err(|_| Error::invalid("npm's registry is not an address"));
    let auth = rc.auth(&base).or(own_auth);
    let tarball =
        match item.job.inner.web.text(&Ask::new(described(&format!("{scoped}/{version}"))?, auth.clone())).await {
            Ok((_, text, url)) => tarball(&text, &["dist", "tarball"], &url)?,
            // Some registries describe whole packages only.
            Err(one) => match item.job.inner.web.text(&Ask::new(described(&scoped)?, auth.clone())).await {
                Ok((_, text, url)) => tarball(&text, &["versions", version, "dist", "tarball"], &url)?,
                Err(_) => return Err(one),
            },
        };
    let auth = rc.auth(&tarball).or(auth.filter(|_| super::acquire::is_same_origin(&base, &tarball)));
    item.archive(&tarball, auth, Form::Tar(member.to_owned())).await
}

fn tarball(text: &str, path: &[&str], page: &Url) -> Result<Url> {
    let described: Option<Value> = serde_json::from_str(text).ok();
    let found = described.as_ref().and_then(|json| path.iter().try_fold(json, |json, key| json.get(key)));
    let url = found.and_then(Value::as_str).and_then(|address| page.join(address).ok());
    url.filter(|url| matches!(url.scheme(), "http" | "https")).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("{}: names no archive of that version", http::shown(page)))
    })
}

/// The registry for a package: its scope's, the configured one, or what npm says.
async fn registry(vars: &Vars, rc: &Npmrc, package: &str, may_run: bool) -> Result<String> {
    let scope = package.split_once('/').map(|(scope, _)| format!("{scope}:registry"));
    let configured = scope.and_then(|key| rc.get(&key).map(str::to_owned));
    let configured = configured.or_else(|| vars.get_any_case("npm_config_registry").map(str::to_owned));
    if let Some(registry) = configured.or_else(|| rc.get("registry").map(str::to_owned)) {
        return Ok(registry);
    }
    let asked = if may_run { ask_npm(vars).await } else { None };
    asked.ok_or_else(|| {
        let what = "no Node package registry is known: install npm, or set npm_config_registry";
        Error::new(ErrorKind::NotFound, what)
    })
}

async fn ask_npm(vars: &Vars) -> Option<String> {
    let mut command = Command::new(vars.which("npm")?);
    command.env_clear().envs(vars.all()).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.args(["config", "get", "registry"]).output();
    let output = tokio::time::timeout(PATIENCE, output).await.ok()?.ok()?;
    let answer = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && Url::parse(&answer).is_ok()).then_some(answer)
}

/// The settings of `.npmrc` files; earlier ones win.
#[derive(Debug, Default)]
struct Npmrc(Vec<(String, String)>);

impl Npmrc {
    /// Reads the project's file, then the user's.
    fn read(vars: &Vars) -> Self {
        let project = std::env::current_dir().ok().map(|folder| folder.join(".npmrc"));
        let named = vars.get_any_case("npm_config_userconfig").map(PathBuf::from);
        let user = named.or_else(|| Some(vars.home()?.join(".npmrc")));
        let texts = [project, user].into_iter().flatten().filter_map(|path| std::fs::read_to_string(path).ok());
        Self(texts.flat_map(|text| Self::parse(&text, vars)).collect())
    }

    fn parse(text: &str, vars: &Vars) -> Vec<(String, String)> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';', '[']));
        let pairs = lines.filter_map(|line| line.split_once('='));
        pairs
            .map(|(key, value)| {
                let value = value.trim().trim_matches(['"', '\'']);
                (key.trim().to_owned(), expand(value, vars))
            })
            .collect()
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, value)| name == key && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// The credentials for an address: those of the longest `//host/path/` that it starts with.
    fn auth(&self, url: &Url) -> Option<Auth> {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let mut place = format!("//{}{port}{}", url.host_str()?, url.path());
        loop {
            place.truncate(place.rfind('/')? + 1);
            for place in [place.as_str(), place.trim_end_matches('/')] {
                if let Some(auth) = self.auth_at(place) {
                    return Some(auth);
                }
            }
            place.pop();
        }
    }

    fn auth_at(&self, place: &str) -> Option<Auth> {
        let at = |what: &str| self.get(&format!("{place}:{what}"));
        if let Some(token) = at("_authToken") {
            return Some(Auth::Bearer(token.to_owned()));
        }
        if let Some(encoded) = at("_auth") {
            return Some(Auth::Encoded(encoded.to_owned()));
        }
        let password = STANDARD.decode(at("_password")?).ok()?;
        Some(Auth::Basic(at("username")?.to_owned(), String::from_utf8(password).ok()?))
    }
}

/// Puts variables in the place of `${NAME}`; an unknown one stays as it is.
fn expand(value: &str, vars: &Vars) -> String {
    let mut expanded = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        expanded.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            rest = rest.get(before.len()..).unwrap_or_default();
            break;
        };
        match vars.get(name) {
            Some(value) => expanded.push_str(value),
            None => expanded.push_str(&format!("${{{name}}}")),
        }
        rest = tail;
    }
    expanded.push_str(rest);
    expanded
}
