//! The keys that are known by name, from `keys.toml`.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::words::{Vocabulary, Word};

/// What kind of value a key has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Amount,
    Count,
    Date,
    #[serde(rename = "labelled date")]
    LabelledDate,
    Time,
    Phone,
    #[serde(rename = "labelled phone")]
    LabelledPhone,
    Email,
    Url,
    Code,
    Text,
    Company,
    Address,
}

/// A key and how it is printed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) kind: Kind,
    asked: Vec<String>,
    /// Labels, better ones first.
    printed: Vec<Vec<String>>,
    /// Words beside a label that make it another key's.
    never: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Beside {
    words: String,
    inclusive: String,
}

/// What tells the name of a company.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Company {
    pub(super) legal: Vec<String>,
    pub(super) weak: Vec<String>,
    pub(super) trade: Vec<String>,
    other: String,
    doubtful: String,
}

/// What tells an address.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Address {
    words: String,
    ends: String,
}

/// All of `keys.toml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    alias: HashMap<String, String>,
    beside: Beside,
    key: Vec<Key>,
    pub(super) company: Company,
    address: Address,
}

static KEYS: LazyLock<(Keys, Vocabulary)> = LazyLock::new(|| {
    // A test reads the file, so that it cannot be faulty here.
    let keys: Keys = toml::from_str(include_str!("keys.toml")).unwrap_or_default();
    let mut vocabulary = Vocabulary::new(keys.alias.clone());
    for key in &keys.key {
        key.asked.iter().chain(key.printed.iter().flatten()).for_each(|text| vocabulary.learn(text));
        vocabulary.learn(&key.never);
    }
    vocabulary.learn(&keys.beside.words);
    keys.company.weak.iter().for_each(|form| vocabulary.learn(form));
    vocabulary.learn(&keys.company.other);
    vocabulary.learn(&keys.company.doubtful);
    vocabulary.learn(&keys.address.ends);
    (keys, vocabulary)
});

/// The known keys.
pub(super) fn keys() -> &'static Keys {
    &KEYS.0
}

/// The words that the known keys are made of.
pub(super) fn vocabulary() -> &'static Vocabulary {
    &KEYS.1
}

/// Words in a question that do not belong to the key.
const FILLERS: [&str; 14] =
    ["the", "a", "an", "of", "on", "this", "what", "is", "receipt's", "for", "value", "my", "s", "printed"];

/// The words of what is asked for.
pub(super) fn asked_words(text: &str) -> Vec<String> {
    let words: Vec<String> = vocabulary().words(text).into_iter().map(|w| w.text).collect();
    let kept: Vec<String> = words.iter().filter(|w| !FILLERS.contains(&w.as_str())).cloned().collect();
    if kept.is_empty() { words } else { kept }
}

impl Keys {
    /// The key of this name, or that is asked for in these words.
    pub(super) fn find(&self, text: &str) -> Option<&Key> {
        let asked = asked_words(text);
        let is = |name: &String| asked_words(name) == asked;
        let by_name = self.key.iter().find(|key| is(&key.name) || key.asked.iter().any(is));
        by_name.or_else(|| self.key.iter().find(|key| key.printed.iter().flatten().any(is)))
    }

    /// The key of this name.
    pub(super) fn named(&self, name: &str) -> Option<&Key> {
        self.key.iter().find(|key| key.name == name)
    }

    /// How all keys are printed, as words.
    pub(super) fn labels(&self) -> impl Iterator<Item = Vec<&str>> {
        self.key.iter().flat_map(|key| key.labels().map(|(_, label)| label))
    }

    /// Whether a word may stand beside the label of an amount.
    pub(super) fn may_stand_beside(&self, word: &str) -> bool {
        has(&self.beside.words, word)
    }

    /// Whether a word says that tax is part of an amount.
    pub(super) fn says_inclusive(&self, word: &str) -> bool {
        has(&self.beside.inclusive, word)
    }
}

impl Key {
    /// Labels with their rank, 0 the best; the longer come first in a rank.
    pub(super) fn labels(&self) -> impl Iterator<Item = (usize, Vec<&str>)> {
        self.printed.iter().enumerate().flat_map(|(rank, labels)| {
            let mut labels: Vec<Vec<&str>> = labels.iter().map(|l| l.split(' ').collect()).collect();
            labels.sort_by_key(|l: &Vec<&str>| std::cmp::Reverse(l.len()));
            labels.into_iter().map(move |l| (rank, l))
        })
    }

    /// Whether a word beside the label makes it another key's.
    pub(super) fn excludes(&self, word: &Word) -> bool {
        has(&self.never, &word.text)
    }
}

impl Company {
    /// Whether a word is no part of a company's name.
    pub(super) fn is_other(&self, word: &str) -> bool {
        has(&self.other, word)
    }

    /// Whether a word is none, unless a trade or a legal form follows.
    pub(super) fn is_doubtful(&self, word: &str) -> bool {
        has(&self.doubtful, word)
    }
}

impl Keys {
    /// Whether a word belongs to an address.
    pub(super) fn in_address(&self, word: &str) -> bool {
        has(&self.address.words, word)
    }

    /// Whether a word shows that an address is over.
    pub(super) fn ends_address(&self, word: &str) -> bool {
        has(&self.address.ends, word)
    }
}

fn has(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|w| w == word)
}
