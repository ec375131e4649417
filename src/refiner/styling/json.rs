//! Answers in JSON: each value stands in the facts.

use std::collections::HashSet;

use serde_json::Value as Json;

use super::Job;
use super::held::{Held, one_line};
use super::number::numbers;
use crate::error::Result;
use crate::refiner::text::words;
use crate::style::Language;

/// Words that say nothing by themselves.
const SILENT: &str = "the a an is are was were there it this that on in at of to and or with for from by no not none";

/// The reply as JSON, or what of it the facts do not bear out.
///
/// # Errors
/// `InvalidInput` when the schema cannot be used.
pub(super) fn judge(job: &Job<'_>, reply: &str) -> Result<std::result::Result<Json, String>> {
    let Ok(data) = serde_json::from_str::<Json>(reply) else { return Ok(Err("it is no complete JSON".to_owned())) };
    if !job.style.fits(reply)? {
        return Ok(Err("it does not fit the JSON Schema".to_owned()));
    }
    let held = job.held();
    let mut literals = HashSet::new();
    collect(job.style.schema.as_ref().unwrap_or(&Json::Null), &mut literals);
    let told = words(&format!("{} {} {SILENT}", held.text(), job.question)).into_iter().collect();
    let check = Check { held: &held, literals, told, in_english: job.language == Language::English };
    let strange = check.strange(&data).or_else(|| job.strange_characters(&held.without(&texts(&data))));
    Ok(strange.map_or(Ok(data), Err))
}

/// What values are held against.
struct Check<'a> {
    held: &'a Held,
    /// Values that the schema itself names.
    literals: HashSet<String>,
    /// Words of the facts and the question.
    told: HashSet<String>,
    in_english: bool,
}

impl Check<'_> {
    /// The first value that stands in no fact.
    fn strange(&self, value: &Json) -> Option<String> {
        match value {
            Json::Array(items) => items.iter().find_map(|item| self.strange(item)),
            Json::Object(entries) => entries.values().find_map(|entry| self.strange(entry)),
            Json::Number(number) => {
                let number = number.to_string();
                let own = numbers(number.trim_start_matches('-'));
                let known = own.iter().all(|number| self.held.knows(number));
                (!known).then(|| format!("the number {number} stands in no fact"))
            }
            Json::String(text) if self.literals.contains(text) => None,
            Json::String(text) => {
                let text = one_line(text);
                self.held.faults(&text, false).or_else(|| self.unheard(&text))
            }
            Json::Bool(_) | Json::Null => None,
        }
    }

    /// In English, words that stand neither in the facts nor in the question.
    fn unheard(&self, text: &str) -> Option<String> {
        let strange = |word: &String| word.chars().any(char::is_alphabetic) && !self.told.contains(word);
        let word = words(text).into_iter().find(strange).filter(|_| self.in_english)?;
        Some(format!("`{word}` stands in no fact"))
    }
}

/// The texts that a schema names as values.
fn collect(schema: &Json, literals: &mut HashSet<String>) {
    let Some(object) = schema.as_object() else {
        schema.as_array().into_iter().flatten().for_each(|item| collect(item, literals));
        return;
    };
    for (key, value) in object {
        match (key.as_str(), value) {
            ("enum", Json::Array(items)) => literals.extend(items.iter().filter_map(Json::as_str).map(str::to_owned)),
            ("const", Json::String(text)) => drop(literals.insert(text.clone())),
            (_, value) => collect(value, literals),
        }
    }
}

/// All texts of a value, in one.
fn texts(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Array(items) => items.iter().map(texts).collect::<Vec<_>>().join(" "),
        Json::Object(entries) => entries.values().map(texts).collect::<Vec<_>>().join(" "),
        _ => String::new(),
    }
}
