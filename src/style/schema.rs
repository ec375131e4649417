//! JSON Schemas of answers: whether they can be used, and whether a text fits.

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::ApproximateTokEnv;
use llguidance::{Matcher, ParserFactory};
use serde_json::Value as Json;

use super::Style;
use crate::error::{Error, Result};

/// Most alternatives, parts and values that a schema lists: a reader compares them with each other.
const MAX_LISTED: usize = 256;
/// What lists them.
const LISTS: [&str; 6] = ["allOf", "anyOf", "oneOf", "enum", "prefixItems", "patternProperties"];

/// Checks that a schema can be used.
///
/// # Errors
/// `InvalidInput` saying why not.
pub(super) fn check(schema: &Json) -> Result<()> {
    if !schema.is_object() {
        return Err(Error::invalid(
            "the JSON Schema is no JSON object; it begins like {\"type\": \"object\", \"properties\": ...}",
        ));
    }
    if schema.to_string().len() > Style::MAX_SCHEMA {
        let most = Style::MAX_SCHEMA >> 10;
        return Err(Error::invalid(format!("the JSON Schema has more than {most} KB; shorten it")));
    }
    if listed(schema) > MAX_LISTED {
        let lists = LISTS.join(", ");
        return Err(Error::invalid(format!(
            "the JSON Schema lists more than {MAX_LISTED} things ({lists}); shorten it"
        )));
    }
    matcher(schema).map(|_| ())
}

/// How many things a schema lists, those within others included.
fn listed(schema: &Json) -> usize {
    match schema {
        Json::Array(items) => items.iter().map(listed).sum(),
        Json::Object(object) => {
            let own = |(key, value): (&String, &Json)| match value {
                Json::Array(items) if LISTS.contains(&key.as_str()) => items.len(),
                Json::Object(items) if LISTS.contains(&key.as_str()) => items.len(),
                _ => 0,
            };
            object.iter().map(own).sum::<usize>() + object.values().map(listed).sum::<usize>()
        }
        _ => 0,
    }
}

/// Whether a text is JSON that fits.
///
/// # Errors
/// `InvalidInput` when the schema cannot be used.
pub(super) fn fits(schema: &Json, text: &str) -> Result<bool> {
    let mut matcher = matcher(schema)?;
    // Every byte is a token of its own.
    let bytes: Vec<u32> = text.trim().bytes().map(u32::from).collect();
    let taken = matcher.validate_tokens(&bytes).unwrap_or(0);
    Ok(taken == bytes.len() && matcher.consume_tokens(&bytes).is_ok() && matcher.is_accepting().unwrap_or(false))
}

fn matcher(schema: &Json) -> Result<Matcher> {
    let unusable = |e: String| Error::invalid(format!("the JSON Schema cannot be used: {}", first_line(&e)));
    let env = ApproximateTokEnv::single_byte_env();
    let mut factory = ParserFactory::new_simple(&env).map_err(|e| unusable(e.to_string()))?;
    factory.quiet();
    let parser = factory
        .create_parser(TopLevelGrammar::from_json_schema(schema.clone()))
        .map_err(|e| unusable(e.to_string()))?;
    Ok(Matcher::new(Ok(parser)))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
