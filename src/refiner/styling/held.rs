//! What a text holds that must come through when it is worded anew: its numbers and its quotations.

use std::collections::HashSet;

use super::number::{Number, numbers};
use crate::refiner::ground::split_quotes;
use crate::refiner::wording;
use crate::style::is_han;

/// Characters and words that deny.
const DENYING: &[char] = &['不', '沒', '没', '無', '无', '否', '未', '非'];
const DENYING_WORDS: &[&str] = &["no", "not", "none", "nothing", "nobody", "zero", "cannot", "without", "neither"];

/// The numbers and quotations of a text.
pub(super) struct Held {
    /// The whole text.
    text: String,
    /// What stands in quotes, the longest first.
    quotes: Vec<String>,
    /// Numbers that stand outside of quotes, each once, as they are written.
    numbers: Vec<String>,
    /// All numbers, and the parts of those that are made of several.
    known: HashSet<String>,
}

/// How a text says something else than another: a number or a quotation that is only in one of them.
pub(crate) fn unlike(text: &str, said: &str) -> Option<String> {
    Held::of(&one_line(text)).faults(&one_line(said), true)
}

/// What a text leaves out or changes of the numbers and quotations of another.
pub(crate) fn left_out(text: &str, said: &str) -> Option<String> {
    let (held, said) = (Held::of(&one_line(text)), one_line(said));
    held.missing_quote(&said).or_else(|| held.missing_number(&said))
}

impl Held {
    pub(super) fn of(text: &str) -> Self {
        let (quotes, own) = split_quotes(text);
        let mut quotes: Vec<String> = quotes.iter().map(|quote| one_line(quote)).collect();
        quotes.retain(|quote| quote.chars().any(char::is_alphanumeric));
        let mut needed: Vec<String> = Vec::new();
        for number in numbers(&own).into_iter().filter(|number| !number.may_be_an_article()) {
            if !needed.contains(&number.token) {
                needed.push(number.token);
            }
        }
        let mut known: HashSet<String> =
            numbers(text).iter().flat_map(|number| number.parts().into_iter().chain([number.token.clone()])).collect();
        // "No dogs" is 0 of them, "a dog" is 1.
        if denies(text) {
            known.insert("0".to_owned());
        }
        if wording::spoken(text).iter().any(|word| matches!(word.as_str(), "a" | "an" | "one")) {
            known.insert("1".to_owned());
        }
        quotes.sort_by_key(|quote| std::cmp::Reverse(quote.len()));
        quotes.dedup();
        Self { text: text.to_owned(), quotes, numbers: needed, known }
    }

    /// The quotations and numbers, for a prompt.
    pub(super) fn in_words(&self) -> String {
        let quotes = self.quotes.iter().map(|quote| format!("\"{quote}\""));
        quotes.chain(self.numbers.iter().cloned()).collect::<Vec<_>>().join(", ")
    }

    /// The text as it is, whatever was made of it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The first thing that another text adds to this one or, where it has to be complete, leaves out.
    pub(super) fn faults(&self, said: &str, complete: bool) -> Option<String> {
        if let Some(fault) = self.missing_quote(said).filter(|_| complete) {
            return Some(fault);
        }
        let rest = self.without(said);
        let strange = |quote: &String| !squash(&self.text).contains(&squash(quote));
        if let Some(quote) = split_quotes(&rest).0.into_iter().find(strange) {
            return Some(format!("\"{}\" is in quotes and was not read", one_line(&quote)));
        }
        if let Some(number) = numbers(&rest).iter().find(|number| !self.knows(number)) {
            return Some(format!("the number {} stands in no fact", number.token));
        }
        self.missing_number(said).filter(|_| complete)
    }

    /// The first quotation that another text has not, or not letter by letter.
    fn missing_quote(&self, said: &str) -> Option<String> {
        let missing = self.quotes.iter().find(|quote| !said.contains(quote.as_str()));
        missing.map(|quote| format!("it leaves out or changes \"{quote}\""))
    }

    /// The first number outside of quotations that another text has not.
    fn missing_number(&self, said: &str) -> Option<String> {
        let own = numbers(&self.without(said));
        let has = |needed: &str| {
            own.iter().any(|number| number.token == needed || number.parts().contains(&needed.to_owned()))
        };
        let made_up = |needed: &str| needed.split(['/', '-', ':']).all(has);
        let left = self.numbers.iter().find(|needed| !has(needed) && !made_up(needed));
        // It may stand inside of a quotation that was kept.
        let left = left.filter(|needed| !self.quotes.iter().any(|quote| quote == *needed));
        left.map(|number| format!("it leaves out the number {number}"))
    }

    /// Whether a number stands in the text.
    pub(super) fn knows(&self, number: &Number) -> bool {
        let parts = number.parts();
        number.may_be_an_article()
            || self.known.contains(&number.token)
            || (parts.len() > 1 && parts.iter().all(|part| self.known.contains(part)))
    }

    /// A text with something done to all of it but the quotations.
    pub(super) fn outside(&self, said: &str, form: impl Fn(&str) -> String) -> String {
        let (mut out, mut rest) = (String::new(), said);
        while let Some((at, quote)) = self.first_quote(rest) {
            out.push_str(&form(rest.get(..at).unwrap_or_default()));
            out.push_str(quote);
            rest = rest.get(at + quote.len()..).unwrap_or_default();
        }
        out + &form(rest)
    }

    /// A text without the quotations.
    pub(super) fn without(&self, said: &str) -> String {
        let (mut out, mut rest) = (String::new(), said);
        while let Some((at, quote)) = self.first_quote(rest) {
            out.push_str(rest.get(..at).unwrap_or_default());
            out.push(' ');
            rest = rest.get(at + quote.len()..).unwrap_or_default();
        }
        out + rest
    }

    fn first_quote(&self, text: &str) -> Option<(usize, &str)> {
        let places = self.quotes.iter().filter_map(|quote| Some((text.find(quote.as_str())?, quote.as_str())));
        places.min_by_key(|(at, quote)| (*at, std::cmp::Reverse(quote.len())))
    }
}

/// How a text makes a yes of a no, or a no of a yes, as far as its language is one that is known.
pub(super) fn turned(facts: &[String], said: &str) -> Option<String> {
    let (yes, _) = wording::lead(facts.first()?)?;
    let known = said.chars().any(is_han) || wording::spoken(said).iter().any(|word| is_english(word));
    let begins = said.trim_start().starts_with(DENYING) || wording::lead(said).is_some_and(|(yes, _)| !yes);
    match yes {
        true if begins => Some("the answer is yes, and it says no".to_owned()),
        false if known && !denies(said) => Some("the answer is no, and it does not say so".to_owned()),
        _ => None,
    }
}

/// Words by which English is told from other languages.
fn is_english(word: &str) -> bool {
    matches!(word, "the" | "there" | "is" | "are" | "yes" | "picture" | "image" | "and" | "of")
}

fn denies(text: &str) -> bool {
    let denying = |word: &String| DENYING_WORDS.contains(&word.as_str()) || word.ends_with("n't");
    text.contains(DENYING) || wording::spoken(text).iter().any(denying)
}

/// Text on one line, that cannot look like the end of a chat message.
pub(super) fn one_line(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    line.replace("<|", "< |").replace("|>", "| >")
}

/// Letters and digits, in lower case.
fn squash(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
