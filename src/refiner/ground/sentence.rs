//! Sentences, taken apart into the values that a result must contain.

use super::fact::squash;
use super::number::{NUMBER_WORDS, number_words};
use crate::refiner::evidence::split_hole;
use crate::refiner::text::{number_tokens, words};
use crate::refiner::wording::{self, spoken};

/// Words that say nothing about the picture.
pub(super) const STOP: [&str; 44] = [
    "the", "a", "an", "is", "are", "was", "were", "there", "it", "its", "this", "that", "these", "those", "on", "in",
    "at", "of", "to", "and", "or", "with", "for", "from", "by", "say", "read", "show", "picture", "image", "photo",
    "sign", "text", "yes", "no", "not", "can", "be", "has", "have", "you", "see", "one", "than",
];

/// The values of a sentence that a step's result must contain.
pub(super) enum Essential {
    Number(String),
    /// How many more or fewer: only a calculation says so.
    Difference(String),
    Quote(String),
    Name(String),
    Step(String),
}

/// A sentence taken apart.
pub(super) struct Sentence {
    pub(super) essentials: Vec<Essential>,
    /// What stands neither in quotes nor for a step.
    pub(super) own: String,
    pub(super) polarity: Polarity,
    /// It begins with yes or no.
    pub(super) outright: bool,
    /// The words that compare.
    pub(super) comparisons: Vec<String>,
    /// A number in it may stand for one below zero.
    pub(super) points_down: bool,
}

/// Whether a sentence affirms or denies.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Polarity {
    Yes,
    No,
    Neither,
}

impl Sentence {
    pub(super) fn parse(written: &str) -> Self {
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
        let spoken = spoken(&own);
        let comparisons = wording::comparisons(&spoken);
        let numbers = number_tokens(&own).into_iter().chain(number_words(&own));
        essentials.extend(
            numbers.map(|n| if differs(&n, &spoken) { Essential::Difference(n) } else { Essential::Number(n) }),
        );
        essentials.extend(names(&own).into_iter().map(Essential::Name));
        let points_down = wording::points_down(&own, &spoken);
        let outright = matches!(spoken.first().map(String::as_str), Some("yes" | "no"));
        Self { essentials, polarity: polarity(&spoken), own, outright, comparisons, points_down }
    }

    /// It says how many there are: "there are 3 people".
    pub(super) fn counts(&self) -> bool {
        spoken(&self.own).windows(2).any(|pair| {
            matches!(pair, [there, is] if there == "there" && matches!(is.as_str(), "is" | "are" | "was" | "were"))
        })
    }

    /// It says that there is a thing: "there is a dog".
    pub(super) fn names_one(&self) -> bool {
        spoken(&self.own).windows(3).any(|three| {
            matches!(three, [there, is, a] if there == "there" && is == "is" && matches!(a.as_str(), "a" | "an"))
        })
    }
}

/// What stands in quotes, and the sentence without it.
pub(in crate::refiner) fn split_quotes(sentence: &str) -> (Vec<String>, String) {
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
        '「' => Some('」'),
        '『' => Some('』'),
        '\'' | '`' => Some(open),
        _ => None,
    }
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

/// The number says how many more or fewer: "3 fewer", "a difference of 3".
fn differs(number: &str, spoken: &[String]) -> bool {
    let same = |word: &String| word == number || NUMBER_WORDS.iter().any(|(w, n)| w == word && *n == number);
    spoken.windows(2).any(|pair| match pair {
        [n, word] => same(n) && matches!(word.as_str(), "more" | "fewer" | "less"),
        _ => false,
    })
}
