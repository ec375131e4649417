//! Grounding: which steps' results contain the values of a sentence.

use std::collections::HashSet;

use super::evidence::{Evidence, number_tokens, regions_of, tally, whole_text, words};
use crate::answer::Claim;
use crate::value::Value;

/// Number words and what they stand for; "one" and "a" are left out, they are rarely a count.
const NUMBER_WORDS: [&str; 11] =
    ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
/// Words that say nothing about the picture.
const STOP: [&str; 44] = [
    "the", "a", "an", "is", "are", "was", "were", "there", "it", "its", "this", "that", "these", "those", "on", "in",
    "at", "of", "to", "and", "or", "with", "for", "from", "by", "say", "read", "show", "picture", "image", "photo",
    "sign", "text", "yes", "no", "not", "can", "be", "has", "have", "you", "see", "one", "than",
];

/// Ties sentences to the steps that support them.
pub struct Grounding<'a> {
    asked_words: HashSet<String>,
    asked_numbers: HashSet<String>,
    facts: Vec<Fact<'a>>,
}

/// One step's result, prepared for look-ups.
struct Fact<'a> {
    id: &'a str,
    value: &'a Value,
    squashed: String,
    words: HashSet<String>,
    numbers: HashSet<String>,
}

/// The values of a sentence that a step's result must contain.
enum Essential {
    Number(String),
    Quote(String),
}

/// Whether a sentence affirms or denies.
#[derive(Clone, Copy, PartialEq)]
enum Polarity {
    Yes,
    No,
    Neither,
}

impl<'a> Grounding<'a> {
    /// Prepares the evidence for look-ups.
    pub fn new(question: &str, evidence: &Evidence<'a>) -> Self {
        Self {
            asked_words: words(question).into_iter().collect(),
            asked_numbers: number_tokens(question).into_iter().chain(number_words(question)).collect(),
            facts: evidence.observations().map(|(o, value)| Fact::new(&o.id, value)).collect(),
        }
    }

    /// The sentence as a claim, or nothing when the evidence does not bear it out.
    ///
    /// Every number and every quotation must stand in some step's result
    /// (numbers of the question excepted); a sentence without either needs a
    /// result that contains its words, or its yes or no.
    pub fn claim(&self, sentence: &str) -> Option<Claim> {
        let sentence = sentence.trim();
        let polarity = polarity(sentence);
        if sentence.is_empty() || self.contradicted(polarity) {
            return None;
        }
        let mut steps: Vec<&str> = Vec::new();
        for essential in essentials(sentence) {
            let supporting: Vec<&str> = self.facts.iter().filter(|f| f.contains(&essential)).map(|f| f.id).collect();
            if supporting.is_empty() && !self.was_asked(&essential) {
                return None;
            }
            steps.extend(supporting);
        }
        if steps.is_empty() {
            steps.extend(self.facts.iter().filter(|f| f.decides(polarity)).map(|f| f.id));
        }
        if steps.is_empty() {
            steps.extend(self.facts.iter().filter(|f| self.speaks_of(f, sentence, polarity)).map(|f| f.id));
        }
        let ordered: Vec<String> =
            self.facts.iter().filter(|f| steps.contains(&f.id)).map(|f| f.id.to_owned()).collect();
        (!ordered.is_empty()).then(|| Claim { text: sentence.to_owned(), steps: ordered })
    }

    fn was_asked(&self, essential: &Essential) -> bool {
        match essential {
            Essential::Number(token) => self.asked_numbers.contains(token),
            Essential::Quote(text) => words(text).iter().all(|w| self.asked_words.contains(w)),
        }
    }

    /// A yes against a `false`, a no against a `true`: operations decide, not the LLM.
    fn contradicted(&self, polarity: Polarity) -> bool {
        let mut decisions =
            self.facts.iter().filter_map(|f| if let Value::Bool(b) = f.value { Some(*b) } else { None });
        match polarity {
            Polarity::Neither => false,
            Polarity::Yes => decisions.next().is_some_and(|first| !first && decisions.all(|b| !b)),
            Polarity::No => decisions.next().is_some_and(|first| first && decisions.all(|b| b)),
        }
    }

    /// The words that the sentence adds to the question stand in the result.
    fn speaks_of(&self, fact: &Fact<'_>, sentence: &str, polarity: Polarity) -> bool {
        let denies = polarity == Polarity::No;
        let new: Vec<String> = words(sentence)
            .into_iter()
            .filter(|w| !STOP.contains(&w.as_str()) && (!self.asked_words.contains(w) || fact.words.contains(w)))
            .collect();
        let found = new.iter().filter(|w| fact.words.contains(*w)).count();
        match fact.value {
            Value::List(items) if items.is_empty() => denies,
            Value::Image(_) => !denies,
            _ if denies => !fact.words.is_empty() && fact.is_text(),
            _ => found > 0 && found * 2 >= new.len(),
        }
    }
}

impl<'a> Fact<'a> {
    fn new(id: &'a str, value: &'a Value) -> Self {
        let text = match value {
            Value::Json(json) => json.to_string(),
            other => whole_text(other),
        };
        let mut numbers: HashSet<String> = HashSet::new();
        for token in number_tokens(&text) {
            numbers.extend(token.split(['/', '-', ':']).map(canonical));
            numbers.insert(canonical(&token));
        }
        Self { id, value, squashed: squash(&text), words: words(&text).into_iter().collect(), numbers }
    }

    fn contains(&self, essential: &Essential) -> bool {
        match essential {
            Essential::Quote(text) => {
                let wanted = squash(text);
                !wanted.is_empty() && self.squashed.contains(&wanted)
            }
            Essential::Number(token) => match self.value {
                Value::Number(value) => same_number(token, *value),
                Value::List(items) if !regions_of(items).is_empty() => {
                    let counts = tally(&regions_of(items));
                    let total = items.len();
                    same_number(token, total as f64) || counts.iter().any(|(_, n)| same_number(token, *n as f64))
                }
                _ => {
                    let whole = squash(token);
                    self.numbers.contains(&canonical(token))
                        || (whole.chars().count() >= 4 && self.squashed.contains(&whole))
                }
            },
        }
    }

    /// Whether the result is itself a yes or a no of this polarity.
    fn decides(&self, polarity: Polarity) -> bool {
        let yes = match self.value {
            Value::Bool(bool) => *bool,
            Value::Number(number) => *number > 0.0,
            Value::List(items) if !self.is_text() => !items.is_empty(),
            _ => return false,
        };
        match polarity {
            Polarity::Yes => yes,
            Polarity::No => !yes,
            Polarity::Neither => false,
        }
    }

    fn is_text(&self) -> bool {
        match self.value {
            Value::Text(_) | Value::Line(_) => true,
            Value::List(items) => items.iter().any(|v| matches!(v, Value::Line(_) | Value::Text(_))),
            _ => false,
        }
    }
}

fn essentials(sentence: &str) -> Vec<Essential> {
    let mut found: Vec<Essential> = Vec::new();
    let mut rest = sentence;
    let mut outside = String::new();
    while let Some(start) = rest.find(['"', '“']) {
        let (before, after) = rest.split_at(start);
        outside.push_str(before);
        let mut chars = after.chars();
        chars.next();
        let inner = chars.as_str();
        let Some(end) = inner.find(['"', '”']) else {
            outside.push_str(inner);
            rest = "";
            break;
        };
        let (quote, behind) = inner.split_at(end);
        found.push(Essential::Quote(quote.to_owned()));
        let mut chars = behind.chars();
        chars.next();
        rest = chars.as_str();
    }
    outside.push_str(rest);
    found.extend(number_tokens(&outside).into_iter().map(Essential::Number));
    found.extend(number_words(&outside).into_iter().map(Essential::Number));
    found
}

/// The number words of a text as digits.
fn number_words(text: &str) -> Vec<String> {
    let spoken: Vec<String> = text.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase).collect();
    spoken.iter().filter_map(|w| NUMBER_WORDS.iter().position(|n| n == w)).map(|n| (n + 2).to_string()).collect()
}

fn polarity(sentence: &str) -> Polarity {
    let lower = sentence.to_lowercase();
    let spoken: Vec<&str> =
        lower.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|w| !w.is_empty()).collect();
    match spoken.first() {
        Some(&"yes") => return Polarity::Yes,
        Some(&"no") => return Polarity::No,
        _ => {}
    }
    let denies = |w: &&str| matches!(*w, "no" | "not" | "none" | "nothing" | "nobody" | "zero") || w.ends_with("n't");
    if spoken.iter().any(denies) { Polarity::No } else { Polarity::Neither }
}

fn same_number(token: &str, value: f64) -> bool {
    let plain = token.replace(',', "");
    let Ok(number) = plain.parse::<f64>() else { return false };
    let decimals = plain.split_once('.').map_or(0, |(_, d)| d.len());
    let tolerance = if decimals >= 2 { 0.5 * 10f64.powi(-(decimals.min(12) as i32)) } else { 0.0 };
    (number - value).abs() <= tolerance + 1e-9
}

/// One form for a number however it is written: no thousands, no zeros that say nothing.
fn canonical(token: &str) -> String {
    let plain = token.replace(',', "");
    match plain.parse::<f64>() {
        Ok(number) => format!("{number}"),
        Err(_) => plain,
    }
}

fn squash(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
