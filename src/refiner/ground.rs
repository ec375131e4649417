//! Grounding: which steps' results contain the values of a sentence.

use std::collections::HashSet;

use super::evidence::{Evidence, number_tokens, regions_of, split_hole, tally, whole_text, words};
use crate::answer::Claim;
use crate::value::Value;

/// Number words and what they stand for; "one" is seldom a count and looked at apart.
const NUMBER_WORDS: [(&str, &str); 28] = [
    ("zero", "0"),
    ("two", "2"),
    ("three", "3"),
    ("four", "4"),
    ("five", "5"),
    ("six", "6"),
    ("seven", "7"),
    ("eight", "8"),
    ("nine", "9"),
    ("ten", "10"),
    ("eleven", "11"),
    ("twelve", "12"),
    ("thirteen", "13"),
    ("fourteen", "14"),
    ("fifteen", "15"),
    ("sixteen", "16"),
    ("seventeen", "17"),
    ("eighteen", "18"),
    ("nineteen", "19"),
    ("twenty", "20"),
    ("thirty", "30"),
    ("forty", "40"),
    ("fifty", "50"),
    ("sixty", "60"),
    ("seventy", "70"),
    ("eighty", "80"),
    ("ninety", "90"),
    ("dozen", "12"),
];
/// Words before "one" that make it a count: "there is one dog".
const COUNTING: [&str; 7] = ["is", "only", "just", "exactly", "has", "shows", "contains"];
/// What may be said of an image that a step made.
const DRAWN: [&str; 14] = [
    "annotated",
    "marked",
    "drawn",
    "draw",
    "mark",
    "boxe",
    "box",
    "cropped",
    "crop",
    "highlighted",
    "outlined",
    "ready",
    "here",
    "around",
];
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
    /// Another step works on it: that step decides, not this one.
    consumed: bool,
    text: String,
    squashed: String,
    words: HashSet<String>,
    numbers: HashSet<String>,
}

/// The values of a sentence that a step's result must contain.
enum Essential {
    Number(String),
    Quote(String),
    Name(String),
    Step(String),
}

/// A sentence taken apart.
struct Sentence {
    essentials: Vec<Essential>,
    /// What stands neither in quotes nor for a step.
    own: String,
    polarity: Polarity,
    /// It begins with yes or no.
    outright: bool,
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
        let fact = |id: &'a str, value| Fact::new(id, value, evidence.is_consumed(id));
        Self {
            asked_words: words(question).into_iter().collect(),
            asked_numbers: number_tokens(question).into_iter().chain(number_words(question)).collect(),
            facts: evidence.observations().map(|(o, value)| fact(&o.id, value)).collect(),
        }
    }

    /// The sentence as a claim, or nothing when the evidence does not bear it out.
    ///
    /// `written` is the sentence of the LLM, in which `{id}` stands for a step's
    /// text, and `shown` the same sentence with those texts. Every number, every
    /// quotation and every name must stand in some step's result (those of the
    /// question excepted), and a yes or no in a result that decides it; a
    /// sentence without any of them needs a result that contains its words.
    pub fn claim(&self, written: &str, shown: &str) -> Option<Claim> {
        let sentence = Sentence::parse(written);
        if shown.trim().is_empty() || !self.allows(&sentence) {
            return None;
        }
        let mut steps: Vec<&str> = self.values(&sentence)?;
        if !steps.is_empty() && sentence.outright {
            let bools = self.facts.iter().filter(|f| matches!(f.value, Value::Bool(_)));
            steps.extend(bools.filter(|f| f.decides(sentence.polarity)).map(|f| f.id));
        }
        if steps.is_empty() {
            steps.extend(self.facts.iter().filter(|f| f.decides(sentence.polarity)).map(|f| f.id));
        }
        if steps.is_empty() {
            steps.extend(self.facts.iter().filter(|f| self.speaks_of(f, &sentence)).map(|f| f.id));
        }
        let ordered: Vec<String> =
            self.facts.iter().filter(|f| steps.contains(&f.id)).map(|f| f.id.to_owned()).collect();
        (!ordered.is_empty()).then(|| Claim { text: shown.trim().to_owned(), steps: ordered })
    }

    /// The steps whose results contain the sentence's values; nothing when some value is in none.
    fn values(&self, sentence: &Sentence) -> Option<Vec<&'a str>> {
        let mut steps = Vec::new();
        let counted = self.facts.iter().any(Fact::is_count) && sentence.counts();
        for essential in &sentence.essentials {
            // A number that happens to stand in a text counts nothing.
            let may = |f: &Fact<'_>| !(counted && f.is_text() && matches!(essential, Essential::Number(_)));
            let found = self.facts.iter().filter(|f| may(f) && f.contains(essential)).map(|f| f.id);
            let before = steps.len();
            steps.extend(found);
            if steps.len() == before && !self.was_asked(essential) {
                return None;
            }
        }
        Some(steps)
    }

    /// No decision stands against the sentence, and an outright yes or no is not the LLM's own.
    fn allows(&self, sentence: &Sentence) -> bool {
        let decided = || self.facts.iter().any(|f| f.is_text() || f.decides(sentence.polarity));
        !self.contradicted(sentence.polarity) && (!sentence.outright || decided())
    }

    fn was_asked(&self, essential: &Essential) -> bool {
        match essential {
            Essential::Number(token) => self.asked_numbers.contains(token),
            Essential::Quote(text) => words(text).iter().all(|w| self.asked_words.contains(w)),
            Essential::Name(word) => self.asked_words.contains(word),
            Essential::Step(_) => false,
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
    fn speaks_of(&self, fact: &Fact<'_>, sentence: &Sentence) -> bool {
        let denies = sentence.polarity == Polarity::No;
        let new: Vec<String> = words(&sentence.own)
            .into_iter()
            .filter(|w| !STOP.contains(&w.as_str()) && (!self.asked_words.contains(w) || fact.words.contains(w)))
            .collect();
        let found = new.iter().filter(|w| fact.words.contains(*w)).count();
        match fact.value {
            Value::List(items) if items.is_empty() => denies,
            Value::Image(_) => !denies && new.iter().all(|w| DRAWN.contains(&w.as_str())),
            Value::Number(n) if *n == 1.0 && sentence.names_one() => new.is_empty(),
            _ if denies => !fact.words.is_empty() && fact.is_text(),
            _ => found > 0 && found * 2 >= new.len(),
        }
    }
}

impl Sentence {
    fn parse(written: &str) -> Self {
        let mut essentials = Vec::new();
        let mut rest = written;
        let mut unfilled = String::new();
        while let Some((before, id, behind)) = split_hole(rest) {
            unfilled.push_str(before);
            essentials.push(Essential::Step(id.to_owned()));
            rest = behind;
        }
        unfilled.push_str(rest);
        let (quotes, own) = split_quotes(&unfilled);
        essentials.extend(quotes.into_iter().filter(|q| !squash(q).is_empty()).map(Essential::Quote));
        essentials.extend(number_tokens(&own).into_iter().chain(number_words(&own)).map(Essential::Number));
        essentials.extend(names(&own).into_iter().map(Essential::Name));
        let spoken = spoken(&own);
        let outright = matches!(spoken.first().map(String::as_str), Some("yes" | "no"));
        Self { essentials, polarity: polarity(&spoken), own, outright }
    }

    /// It says how many there are: "there are 3 people".
    fn counts(&self) -> bool {
        spoken(&self.own).windows(2).any(|pair| {
            matches!(pair, [there, is] if there == "there" && matches!(is.as_str(), "is" | "are" | "was" | "were"))
        })
    }

    /// It says that there is a thing: "there is a dog".
    fn names_one(&self) -> bool {
        spoken(&self.own).windows(3).any(|three| {
            matches!(three, [there, is, a] if there == "there" && is == "is" && matches!(a.as_str(), "a" | "an"))
        })
    }
}

impl<'a> Fact<'a> {
    fn new(id: &'a str, value: &'a Value, consumed: bool) -> Self {
        let text = match value {
            Value::Json(json) => json.to_string(),
            other => whole_text(other),
        };
        let mut numbers: HashSet<String> = HashSet::new();
        for token in number_tokens(&text) {
            numbers.extend(token.split(['/', '-', ':']).map(canonical));
            numbers.insert(canonical(&token));
        }
        numbers.extend(number_words(&text));
        Self { id, value, consumed, squashed: squash(&text), words: words(&text).into_iter().collect(), numbers, text }
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
                _ => self.numbers.contains(&canonical(token)) || self.has_digits(token),
            },
            Essential::Name(word) => self.words.contains(word),
            Essential::Step(id) => self.id == id,
        }
    }

    /// The same four digits or more, however they are parted: `14/03/2024` and `14.03.2024`.
    fn has_digits(&self, token: &str) -> bool {
        let wanted = squash(token);
        let mut parts = self.text.split(|c: char| !c.is_ascii_digit());
        wanted.len() >= 4
            && (parts.any(|part| part == wanted)
                || number_tokens(&self.text).iter().any(|whole| squash(whole) == wanted))
    }

    /// Whether the result says how many there are.
    fn is_count(&self) -> bool {
        match self.value {
            Value::Number(_) => true,
            Value::List(items) => !regions_of(items).is_empty(),
            _ => false,
        }
    }

    /// Whether the result is itself a yes or a no of this polarity.
    fn decides(&self, polarity: Polarity) -> bool {
        let yes = match self.value {
            Value::Bool(bool) => *bool,
            Value::Number(number) if !self.consumed => *number > 0.0,
            Value::List(items) if !self.consumed && !self.is_text() => !items.is_empty(),
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

/// What stands in quotes, and the sentence without it.
fn split_quotes(sentence: &str) -> (Vec<String>, String) {
    let mut quotes = Vec::new();
    let mut own = String::new();
    let mut quote: Option<(char, String)> = None;
    let mut before = ' ';
    let mut chars = sentence.chars().peekable();
    while let Some(c) = chars.next() {
        let at_end = chars.peek().is_none_or(|next| !next.is_alphanumeric());
        match &mut quote {
            Some((close, inner)) if c == *close && (c != '\'' || at_end) => {
                quotes.push(std::mem::take(inner));
                quote = None;
                own.push(' ');
            }
            Some((_, inner)) => inner.push(c),
            None => match closing(c).filter(|close| *close != '\'' || !before.is_alphanumeric()) {
                Some(close) => quote = Some((close, String::new())),
                None => own.push(c),
            },
        }
        before = c;
    }
    // A quote that is never closed is part of the sentence.
    own.extend(quote.into_iter().map(|(_, inner)| inner));
    (quotes, own)
}

/// The character that ends the quote which this one begins.
fn closing(open: char) -> Option<char> {
    match open {
        '"' => Some('"'),
        '“' | '„' => Some('”'),
        '‘' => Some('’'),
        '«' => Some('»'),
        '\'' | '`' => Some(open),
        _ => None,
    }
}

/// Lower-case words, in order.
fn spoken(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’')
        .filter(|w| !w.is_empty())
        .map(|w| w.to_lowercase().replace('’', "'"))
        .collect()
}

/// The number words of a text as digits.
fn number_words(text: &str) -> Vec<String> {
    let spoken = spoken(text);
    let word = |n: usize| spoken.get(n).map_or("", String::as_str);
    (0..spoken.len())
        .filter_map(|n| match word(n) {
            "one" => {
                let counts = n > 0 && COUNTING.contains(&word(n - 1)) && word(n + 1) != "of";
                counts.then(|| "1".to_owned())
            }
            other => NUMBER_WORDS.iter().find(|(w, _)| *w == other).map(|(_, digits)| (*digits).to_owned()),
        })
        .collect()
}

/// Words with a capital inside a sentence: names.
fn names(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut begins = true;
    for word in text.split_whitespace() {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let capital = bare.starts_with(char::is_uppercase) && bare.chars().count() > 1;
        let known = |w: &String| STOP.contains(&w.as_str()) || NUMBER_WORDS.iter().any(|(n, _)| n == w);
        if capital && !begins {
            found.extend(words(bare).into_iter().filter(|w| w.chars().count() > 1 && !known(w)));
        }
        begins = word.ends_with(['.', '!', '?', ':']) || (begins && matches!(bare, "Yes" | "No" | ""));
    }
    found
}

fn polarity(spoken: &[String]) -> Polarity {
    match spoken.first().map(String::as_str) {
        Some("yes") => return Polarity::Yes,
        Some("no") => return Polarity::No,
        _ => {}
    }
    let denies =
        |w: &String| matches!(w.as_str(), "no" | "not" | "none" | "nothing" | "nobody" | "zero") || w.ends_with("n't");
    if spoken.iter().any(denies) { Polarity::No } else { Polarity::Neither }
}

fn same_number(token: &str, value: f64) -> bool {
    let plain = token.replace(',', "");
    let Ok(number) = plain.parse::<f64>() else { return false };
    let decimals = plain.split_once('.').map_or(0, |(_, d)| d.len());
    let tolerance = if decimals >= 2 { 0.5 * 10f64.powi(-(decimals.min(12) as i32)) } else { 0.0 };
    // "5 fewer" is -5.
    (number - value.abs()).abs() <= tolerance + 1e-9
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
