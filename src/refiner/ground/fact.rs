//! Facts: steps' results, prepared for look-ups.

use std::collections::HashSet;

use super::number::{canonical, number_words, same_number};
use super::sentence::{Essential, Polarity};
use crate::observation::Observation;
use crate::refiner::in_words::{regions_of, sentences_of, tally, whole_text};
use crate::refiner::text::{number_tokens, words};
use crate::value::Value;

/// One step's result, prepared for look-ups.
pub(super) struct Fact<'a> {
    pub(super) id: &'a str,
    pub(super) tool: &'a str,
    pub(super) value: &'a Value,
    /// Another step works on it: that step decides, not this one.
    pub(super) consumed: bool,
    /// What it and the steps behind it looked for.
    pub(super) searched: Vec<String>,
    pub(super) text: String,
    squashed: Squashed,
    pub(super) words: HashSet<String>,
    pub(super) numbers: HashSet<String>,
}

impl<'a> Fact<'a> {
    pub(super) fn new(observation: &'a Observation, value: &'a Value, consumed: bool, searched: Vec<String>) -> Self {
        let text = match value {
            Value::Json(json) if sentences_of(json).is_none() => json.to_string(),
            other => whole_text(other),
        };
        let mut numbers: HashSet<String> = HashSet::new();
        for token in number_tokens(&text) {
            numbers.extend(token.split(['/', '-', ':']).map(canonical));
            numbers.insert(canonical(&token));
        }
        numbers.extend(number_words(&text));
        Self {
            id: &observation.id,
            tool: &observation.tool,
            value,
            consumed,
            searched,
            squashed: Squashed::new(&text),
            words: words(&text).into_iter().collect(),
            numbers,
            text,
        }
    }

    pub(super) fn contains(&self, essential: &Essential, points_down: bool) -> bool {
        match essential {
            Essential::Quote(text) => {
                self.squashed.contains(&squash(text)) && number_tokens(text).iter().all(|n| self.writes_number(n))
            }
            Essential::Number(token) => self.has_number(token, points_down),
            Essential::Difference(token) => self.is_calculated() && self.has_number(token, points_down),
            Essential::Name(word) => self.words.contains(word),
            Essential::Step(id) => self.id == id,
        }
    }

    pub(super) fn has_number(&self, token: &str, points_down: bool) -> bool {
        match self.value {
            Value::Number(value) => same_number(token, if points_down { value.abs() } else { *value }),
            Value::List(items) if items.is_empty() => token == "0" && !self.searched.is_empty(),
            Value::List(items) if !regions_of(items).is_empty() => {
                let counts = tally(&regions_of(items));
                same_number(token, items.len() as f64) || counts.iter().any(|(_, n)| same_number(token, *n as f64))
            }
            _ => self.numbers.contains(&canonical(token)) || self.has_digits(token),
        }
    }

    /// Whether the number stands in the text as it is written, or with other marks between its digits.
    pub(super) fn writes_number(&self, token: &str) -> bool {
        let whole = number_tokens(&self.text);
        let parts = |n: &String| n == token || n.split(['/', '-', ':']).any(|part| part == token);
        whole.iter().any(parts) || self.has_digits(token)
    }

    /// A number that was calculated, not counted.
    pub(super) fn is_calculated(&self) -> bool {
        matches!(self.value, Value::Number(_)) && self.tool == "calculate"
    }

    /// The result of an operation on others: it may compare.
    pub(super) fn is_operation(&self) -> bool {
        matches!(self.value, Value::Bool(_)) || self.is_calculated()
    }

    /// The same four digits or more, however they are parted: `14/03/2024` and `14.03.2024`.
    pub(super) fn has_digits(&self, token: &str) -> bool {
        let wanted = squash(token);
        let mut parts = self.text.split(|c: char| !c.is_ascii_digit());
        wanted.len() >= 4
            && (parts.any(|part| part == wanted)
                || number_tokens(&self.text).iter().any(|whole| squash(whole) == wanted))
    }

    /// Whether the result says how many there are.
    pub(super) fn is_count(&self) -> bool {
        match self.value {
            Value::Number(_) => true,
            Value::List(items) => !regions_of(items).is_empty(),
            _ => false,
        }
    }

    /// Whether the result is itself a yes or a no of this polarity.
    pub(super) fn decides(&self, polarity: Polarity) -> bool {
        let yes = match self.value {
            Value::Bool(bool) => *bool,
            // A measure is no count: that a thing has a width says neither yes nor no.
            Value::Number(number) if !self.consumed && self.tool != "measure" => *number > 0.0,
            // Nor do the colours or sizes of several things.
            Value::List(items) if !self.consumed && (items.is_empty() || !regions_of(items).is_empty()) => {
                !items.is_empty()
            }
            _ => return false,
        };
        match polarity {
            Polarity::Yes => yes,
            Polarity::No => !yes,
            Polarity::Neither => false,
        }
    }

    pub(super) fn is_text(&self) -> bool {
        match self.value {
            Value::Text(_) | Value::Line(_) => true,
            Value::List(items) => items.iter().any(|v| matches!(v, Value::Line(_) | Value::Text(_))),
            _ => false,
        }
    }
}

/// A text without white space and punctuation that still knows where its words begin and end.
struct Squashed {
    text: String,
    bounds: HashSet<usize>,
}

impl Squashed {
    pub(super) fn new(text: &str) -> Self {
        let mut squashed = String::new();
        let mut bounds = HashSet::from([0]);
        for word in text.split(|c: char| !c.is_alphanumeric()) {
            squashed.push_str(&squash(word));
            bounds.insert(squashed.len());
        }
        Self { text: squashed, bounds }
    }

    /// Whether whole words of the text are these.
    pub(super) fn contains(&self, wanted: &str) -> bool {
        let bounded = |at: usize| self.bounds.contains(&at) && self.bounds.contains(&(at + wanted.len()));
        !wanted.is_empty()
            && self.bounds.iter().any(|at| bounded(*at) && self.text.get(*at..).is_some_and(|t| t.starts_with(wanted)))
    }
}

pub(super) fn squash(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
