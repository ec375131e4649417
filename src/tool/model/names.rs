//! What a model's classes are called.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::error::{Error, ErrorKind, Result};
use crate::files;
use crate::runner::ModelFacts;

/// Most bytes of a file of labels.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// The table `[labels]`: what the classes are called, from one of three places.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Labels {
    /// A file beside the manifest with one label a line, in the order of the classes.
    pub file: Option<String>,
    /// The labels themselves, in the order of the classes.
    pub names: Vec<String>,
    /// A key of the model's own metadata. Its value may be lines, a JSON list or object, or what `print` makes of a
    /// dictionary in Python.
    pub metadata: Option<String>,
}

impl Labels {
    /// Refuses a table that does not name exactly one place.
    ///
    /// # Errors
    /// `InvalidInput`.
    pub fn check(&self) -> Result<()> {
        let places = [self.file.is_some(), !self.names.is_empty(), self.metadata.is_some()];
        if places.iter().filter(|given| **given).count() != 1 {
            return Err(Error::invalid("[labels] needs one of `file`, `names` and `metadata`"));
        }
        Ok(())
    }

    /// The labels, in the order of the classes, where the manifest or a file beside it, in `folder`, tells them; none
    /// where the model does.
    ///
    /// # Errors
    /// `InvalidInput`, `NotFound` or `Io` naming the file.
    pub fn listed(&self, folder: &Path) -> Result<Vec<String>> {
        let Some(file) = &self.file else { return Ok(self.names.clone()) };
        let path = beside(folder, file)?;
        let place = |error: Error| error.context(format!("[labels] `{}`", path.display()));
        if !path.is_file() {
            return Err(place(Error::new(ErrorKind::NotFound, "there is no such file")));
        }
        let bytes = files::read_at_most(&path, MAX_BYTES).map_err(|e| place(e.into()))?;
        let text = String::from_utf8(bytes).map_err(|e| place(Error::invalid("it is not UTF-8").with_source(e)))?;
        let names = lines(&text);
        if names.is_empty() { Err(place(Error::invalid("it is empty"))) } else { Ok(names) }
    }

    /// The labels that the model notes.
    ///
    /// # Errors
    /// `Model` naming the key that the model does not have, or that holds none.
    pub fn noted(&self, facts: &ModelFacts) -> Result<Vec<String>> {
        let key = self.metadata.as_deref().unwrap_or_default();
        let names = parse(facts.metadata.get(key).ok_or_else(|| no_key(key, facts))?);
        if names.is_empty() {
            return Err(Error::new(ErrorKind::Model, format!("[labels]: the model's metadata `{key}` holds none")));
        }
        Ok(names)
    }
}

/// A file beside a manifest, by its plain name: no manifest reads what lies elsewhere.
///
/// # Errors
/// `InvalidInput` when the name has folders in it.
pub(in crate::tool) fn beside(folder: &Path, file: &str) -> Result<std::path::PathBuf> {
    let plain = !file.is_empty() && !file.contains(['/', '\\', '\0']) && !matches!(file, "." | "..");
    if !plain {
        let message = format!("`{}` must be the plain name of a file beside the manifest", file.escape_debug());
        return Err(Error::invalid(message));
    }
    Ok(folder.join(file))
}

fn no_key(key: &str, facts: &ModelFacts) -> Error {
    let keys: Vec<&str> = facts.metadata.keys().map(String::as_str).collect();
    let has = if keys.is_empty() { "it has none".to_owned() } else { format!("it has {}", keys.join(", ")) };
    Error::new(ErrorKind::Model, format!("[labels]: the model has no metadata `{key}`; {has}"))
}

fn lines(text: &str) -> Vec<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// Labels as exporters note them: `{0: 'person', 1: 'it\'s'}`, `["a", "b"]`, `{"0": "a"}`, or lines.
pub(super) fn parse(text: &str) -> Vec<String> {
    match serde_json::from_str::<Json>(text) {
        Ok(Json::Array(items)) => items.iter().map(as_name).collect(),
        Ok(Json::Object(entries)) => in_order(entries.iter().map(|(key, name)| (key.clone(), as_name(name)))),
        _ => python(text).unwrap_or_else(|| lines(text)),
    }
}

fn as_name(json: &Json) -> String {
    json.as_str().map_or_else(|| json.to_string(), str::to_owned)
}

/// Entries by number; classes between them that have no name are empty.
fn in_order(entries: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (key, name) in entries {
        let Some(at) = key.trim().parse::<usize>().ok().filter(|at| *at < 1_000_000) else { continue };
        if names.len() <= at {
            names.resize(at + 1, String::new());
        }
        if let Some(slot) = names.get_mut(at) {
            *slot = name;
        }
    }
    names
}

/// A dictionary or list of strings as Python prints it.
fn python(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    let inner = text.strip_prefix('{').and_then(|t| t.strip_suffix('}'));
    let is_dictionary = inner.is_some();
    let inner = inner.or_else(|| text.strip_prefix('[').and_then(|t| t.strip_suffix(']')))?;
    let mut entries = Vec::new();
    let mut rest = inner.trim_start();
    while !rest.is_empty() {
        let mut key = entries.len().to_string();
        if is_dictionary {
            let (number, after) = rest.split_once(':')?;
            key = number.trim().trim_matches(['\'', '"']).to_owned();
            rest = after.trim_start();
        }
        let (name, after) = quoted(rest)?;
        entries.push((key, name));
        rest = after.trim_start().trim_start_matches(',').trim_start();
    }
    Some(in_order(entries.into_iter()))
}

/// A string in quotes, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let mut name = String::new();
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => {
                name.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            _ if c == quote => return Some((name, text.get(at + c.len_utf8()..)?)),
            _ => name.push(c),
        }
    }
    None
}
