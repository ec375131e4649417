//! Declared tools: a foreign catalogue of names, descriptions and types, to plan with and not to run.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value as Json};

use super::{Args, Catalog, Effects, Tool, ToolKind, ToolSpec};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::files::read_at_most;
use crate::signature::{Arg, Returns, Signature, ValueType};
use crate::value::Value;

/// Longest catalogue, in bytes.
pub(crate) const MAX_BYTES: u64 = 4 << 20;
/// Most tools of a catalogue.
const MAX_TOOLS: usize = 1_000;
/// Most arguments of a tool.
const MAX_ARGS: usize = 32;
/// Longest name of a tool or an argument, in characters.
const MAX_NAME: usize = 100;
/// What a catalogue is, for messages.
const FORM: &str = r#"a catalogue is JSON: {"nodes": [{"id": "...", "desc": "...", "input-type": ["text"], "output-type": ["image"]}]}"#;

/// A tool of which nothing but the declaration is there.
struct Declared(ToolSpec);

#[async_trait]
impl Tool for Declared {
    fn spec(&self) -> &ToolSpec {
        &self.0
    }

    async fn call(&self, _cx: &Cx, _args: Args) -> Result<Value> {
        Err(Error::new(ErrorKind::Tool, format!("`{}` is only declared; it cannot be called", self.0.name)))
    }
}

/// Reads a catalogue from its file.
pub(super) fn open(file: &Path) -> Result<Catalog> {
    let named = |error: Error| error.context(format!("tools `{}`", file.display()));
    let size = std::fs::metadata(file).map_err(|e| named(e.into()))?;
    if size.is_dir() {
        return Err(named(Error::invalid(format!("this is a folder; name the file of a catalogue: {FORM}"))));
    }
    let bytes = read_at_most(file, MAX_BYTES).map_err(|e| match e.kind() {
        std::io::ErrorKind::Other => named(Error::invalid(format!("{e}; leave tools out"))),
        _ => named(e.into()),
    })?;
    let text = String::from_utf8(bytes).map_err(|_| named(Error::invalid(format!("it is not UTF-8 text; {FORM}"))))?;
    read(&text).map_err(named)
}

/// Reads a catalogue from its text.
pub(super) fn read(text: &str) -> Result<Catalog> {
    let json: Json = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|e| Error::invalid(format!("this is not JSON: {e}; {FORM}")).with_source(e))?;
    let nodes = json.get("nodes").ok_or_else(|| Error::invalid(format!("`nodes` is missing; {FORM}")))?;
    let nodes = nodes.as_array().ok_or_else(|| Error::invalid(format!("`nodes` is not a list; {FORM}")))?;
    if nodes.is_empty() || nodes.len() > MAX_TOOLS {
        let message = format!("`nodes` has {} tools; give from 1 to {MAX_TOOLS}", nodes.len());
        return Err(Error::invalid(message));
    }
    let mut catalog = Catalog::new();
    for (n, node) in nodes.iter().enumerate() {
        let add = |node| catalog.add(Arc::new(Declared(spec(node)?)));
        node.as_object()
            .ok_or_else(|| Error::invalid(format!("it is not an object; {FORM}")))
            .and_then(add)
            .map_err(|e| e.context(format!("nodes[{n}]")))?;
    }
    Ok(catalog)
}

fn spec(node: &Map<String, Json>) -> Result<ToolSpec> {
    let name = name(node, "id")?;
    let description = plain(text(node, &["desc", "description"])?.unwrap_or_default());
    Ok(ToolSpec {
        kind: ToolKind::Declared,
        use_for: description.clone(),
        description,
        limitations: "It is only declared: a plan can name it, nothing can call it.".to_owned(),
        licence: "unknown".to_owned(),
        signature: Signature { args: args(node)?, returns: Returns::Type(returned(node)?), maps_over: None },
        effects: Effects::Unknown,
        describes: false,
        timeout: Duration::ZERO,
        name,
    })
}

/// What stands in the tool list is one line.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A name that can stand in a line of its own.
fn name(object: &Map<String, Json>, key: &str) -> Result<String> {
    let name = text(object, &[key])?.ok_or_else(|| Error::invalid(format!("`{key}` is missing; {FORM}")))?;
    let fits = !name.trim().is_empty() && name.chars().count() <= MAX_NAME && !name.contains(char::is_control);
    if fits {
        return Ok(name.to_owned());
    }
    Err(Error::invalid(format!("`{key}` should be a name of one line, at most {MAX_NAME} characters")))
}

/// The text of the first of these keys that is there.
fn text<'a>(object: &'a Map<String, Json>, keys: &[&str]) -> Result<Option<&'a str>> {
    let found = keys.iter().find_map(|key| Some((key, object.get(*key).filter(|value| !value.is_null())?)));
    let Some((key, value)) = found else { return Ok(None) };
    value.as_str().map(Some).ok_or_else(|| Error::invalid(format!("`{key}` is not a text")))
}

/// The names of types in the first of these keys that is there: a list of texts, or one text.
fn types<'a>(node: &'a Map<String, Json>, keys: &[&str]) -> Result<Vec<&'a str>> {
    let found = keys.iter().find_map(|key| Some((key, node.get(*key).filter(|value| !value.is_null())?)));
    let Some((key, value)) = found else { return Ok(Vec::new()) };
    let names = match value {
        Json::String(name) => Some(vec![name.as_str()]),
        Json::Array(names) => names.iter().map(Json::as_str).collect(),
        _ => None,
    };
    names.ok_or_else(|| Error::invalid(format!("`{key}` is not a list of type names")))
}

fn returned(node: &Map<String, Json>) -> Result<ValueType> {
    Ok(one_of(&types(node, &["output-type", "output_type"])?))
}

fn args(node: &Map<String, Json>) -> Result<Vec<Arg>> {
    let (mut args, stated) = match node.get("parameters").filter(|value| !value.is_null()) {
        Some(Json::Array(list)) => {
            let args: Vec<Arg> = list.iter().map(parameter).collect::<Result<_>>()?;
            (args, list.iter().any(|parameter| parameter.get("required").is_some()))
        }
        Some(_) => return Err(Error::invalid(r#"`parameters` is not a list of {"name", "type", "desc"}"#)),
        None => (types(node, &["input-type", "input_type"])?.into_iter().map(input).collect(), false),
    };
    if args.len() > MAX_ARGS {
        return Err(Error::invalid(format!("it has {} arguments, more than {MAX_ARGS}", args.len())));
    }
    tell_apart(&mut args);
    // Which of several inputs have to be given, a catalogue does not say; nothing can be done without any.
    if let Some(first) = args.first_mut().filter(|_| !stated) {
        first.required = true;
    }
    Ok(args)
}

/// An argument that is called after its type.
fn input(type_name: &str) -> Arg {
    let name = ValueType::named([type_name]).map_or_else(|| "input".to_owned(), |of| of.to_string());
    arg(name, "", one_of(&[type_name]))
}

fn parameter(json: &Json) -> Result<Arg> {
    let object = json.as_object().ok_or_else(|| Error::invalid("a parameter is not an object"))?;
    let of = one_of(&types(object, &["type"])?);
    let doc = plain(text(object, &["desc", "description"])?.unwrap_or_default());
    let mut arg = arg(name(object, "name")?, &doc, of);
    arg.required = object.get("required").and_then(Json::as_bool).unwrap_or(false);
    Ok(arg)
}

/// A type by its names; `any`, or no name, is everything.
fn one_of(names: &[&str]) -> ValueType {
    match ValueType::named(names.iter().copied()) {
        Some(ValueType::Named(words)) if words.iter().any(|word| word == "any") => ValueType::Any,
        named => named.unwrap_or(ValueType::Any),
    }
}

fn arg(name: String, doc: &str, of: ValueType) -> Arg {
    Arg { name, doc: doc.to_owned(), types: vec![of], required: false, choices: Vec::new(), default: None }
}

/// Numbers arguments of one name: `text`, `text2` ...
fn tell_apart(args: &mut [Arg]) {
    let mut taken: HashMap<String, usize> = args.iter().map(|arg| (arg.name.clone(), 0)).collect();
    for arg in args {
        let base = arg.name.clone();
        let mut uses = taken.get(&base).copied().unwrap_or(0) + 1;
        if uses > 1 {
            while taken.contains_key(&format!("{base}{uses}")) {
                uses += 1;
            }
            arg.name = format!("{base}{uses}");
            taken.insert(arg.name.clone(), 1);
        }
        taken.insert(base, uses);
    }
}
