//! A schema in few words, for LLMs that only the prompt can tell what form a reply has.

use serde_json::{Map, Value as Json};

/// Longest gist, in bytes.
const MAX_GIST: usize = 1500;
/// How deep a gist goes.
const MAX_DEPTH: usize = 6;
/// Most alternatives that are named.
const MAX_ALTERNATIVES: usize = 16;

/// The gist of a JSON Schema: `{"n": number, "of": ["a" | "b", ...]}`.
pub(super) fn gist(schema: &Json) -> String {
    let mut text = Gist { root: schema }.of(schema, 0);
    if let Some((end, _)) = text.char_indices().find(|(at, _)| *at >= MAX_GIST) {
        text.truncate(end);
        text.push_str(" ...");
    }
    text
}

struct Gist<'a> {
    root: &'a Json,
}

impl Gist<'_> {
    fn of(&self, schema: &Json, depth: usize) -> String {
        let Some(object) = schema.as_object().filter(|_| depth < MAX_DEPTH) else { return "...".to_owned() };
        if let Some(value) = object.get("const") {
            return value.to_string();
        }
        if let Some(Json::Array(values)) = object.get("enum") {
            return alternatives(values.iter().map(Json::to_string));
        }
        if let Some(target) = object.get("$ref").and_then(Json::as_str) {
            let target = target.strip_prefix('#').and_then(|path| self.root.pointer(path));
            return target.map_or_else(|| "...".to_owned(), |target| self.of(target, depth + 1));
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(Json::Array(schemas)) = object.get(key) {
                return alternatives(schemas.iter().map(|schema| self.of(schema, depth + 1)));
            }
        }
        match object.get("type").and_then(Json::as_str) {
            Some("object") => self.object(object, depth),
            Some("array") => {
                let item = object.get("items").map_or_else(|| "...".to_owned(), |items| self.of(items, depth + 1));
                format!("[{item}, ...]")
            }
            Some(name) => name.to_owned(),
            None => "...".to_owned(),
        }
    }

    fn object(&self, object: &Map<String, Json>, depth: usize) -> String {
        let required: Vec<&str> =
            object.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
        let named = object.get("properties").and_then(Json::as_object).into_iter().flatten();
        let mut fields: Vec<String> = named
            .map(|(name, schema)| {
                let optional = if required.contains(&name.as_str()) { "" } else { " (optional)" };
                format!("\"{name}\"{optional}: {}", self.of(schema, depth + 1))
            })
            .collect();
        let patterns = object.get("patternProperties").and_then(Json::as_object).into_iter().flatten();
        fields.extend(patterns.map(|(_, schema)| format!("name: {}", self.of(schema, depth + 1))));
        format!("{{{}}}", fields.join(", "))
    }
}

fn alternatives(all: impl Iterator<Item = String>) -> String {
    let mut distinct: Vec<String> = Vec::new();
    for one in all {
        if !distinct.contains(&one) {
            distinct.push(one);
        }
    }
    let more = if distinct.len() > MAX_ALTERNATIVES { " | ..." } else { "" };
    distinct.truncate(MAX_ALTERNATIVES);
    format!("{}{more}", distinct.join(" | "))
}

/// Whether JSON has the outline that a schema asks for: an object with the required names of one alternative.
pub(super) fn fits_roughly(schema: &Json, reply: &Json) -> bool {
    for key in ["anyOf", "oneOf"] {
        if let Some(Json::Array(schemas)) = schema.get(key) {
            return schemas.iter().any(|schema| fits_roughly(schema, reply));
        }
    }
    if schema.get("type").and_then(Json::as_str) != Some("object") {
        return true;
    }
    let mut required = schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
    reply.is_object() && required.all(|name| reply.get(name).is_some())
}
