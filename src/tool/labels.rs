//! Labels: whether two names mean the same kind of thing.

use std::ops::Range;

use super::Mention;
use super::detect::covers;

/// Most words of a phrase that means something.
const MAX_PHRASE: usize = 3;

/// Plurals that no rule makes.
const IRREGULAR: [(&str, &str); 16] = [
    ("people", "person"),
    ("persons", "person"),
    ("men", "man"),
    ("women", "woman"),
    ("children", "child"),
    ("mice", "mouse"),
    ("geese", "goose"),
    ("feet", "foot"),
    ("teeth", "tooth"),
    ("knives", "knife"),
    ("wolves", "wolf"),
    ("calves", "calf"),
    ("shelves", "shelf"),
    ("leaves", "leaf"),
    ("skis", "skis"),
    ("scissors", "scissors"),
];

/// Whether a thing with this label is what `wanted` names: case, white space, `_` and `-`, an article,
/// and singular or plural make no difference, and the detector's everyday words are understood.
pub fn same_label(label: &str, wanted: &str) -> bool {
    canonical(label) == canonical(wanted) || covers(wanted, label)
}

/// The plural of a label: `people`, `wine glasses`, `skis`.
pub(crate) fn plural(label: &str) -> String {
    let (before, last) = label.rsplit_once(' ').map_or(("", label), |(before, last)| (before, last));
    let space = if before.is_empty() { "" } else { " " };
    format!("{before}{space}{}", plural_word(last))
}

fn plural_word(word: &str) -> String {
    if let Some((many, _)) = IRREGULAR.iter().find(|(_, one)| *one == word) {
        return (*many).to_owned();
    }
    let ends = |endings: &[&str]| endings.iter().any(|end| word.ends_with(end));
    match word.strip_suffix('y') {
        _ if matches!(word, "sheep" | "broccoli" | "luggage") => word.to_owned(),
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if ends(&["s", "x", "z", "ch", "sh"]) => format!("{word}es"),
        _ => format!("{word}s"),
    }
}

/// The labels that a text names: `cats and dogs` are two.
pub(crate) fn split(text: &str) -> Vec<String> {
    let mut out = vec![text.trim().to_owned()];
    let parts: Vec<String> = text
        .replace(" and ", ",")
        .replace(" or ", ",")
        .split([',', ';', '|', '/'])
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect();
    if parts.len() > 1 {
        out.extend(parts);
    }
    out
}

/// The names that a question's words mean, by the longest phrase: `meaning` says what a phrase means, and for one that
/// means nothing by itself, but hides what its words mean, `Some(None)`.
pub(crate) fn named_in(question: &str, meaning: impl Fn(&str) -> Option<Option<String>>) -> Vec<Mention> {
    let words = word_ranges(question);
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let longest = (1..=MAX_PHRASE).rev().find_map(|n| {
            let range = words.get(at)?.start..words.get(at + n - 1)?.end;
            let name = meaning(question.get(range.clone())?)?;
            Some((n, name.map(|name| Mention { range, name })))
        });
        let (taken, mention) = longest.unwrap_or((1, None));
        found.extend(mention);
        at += taken;
    }
    found
}

/// Where the words of a text stand, in bytes.
fn word_ranges(text: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (start, c.is_alphanumeric()) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                words.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    words
}

/// Lower case, single spaces, no article, the last word in the singular.
fn canonical(label: &str) -> String {
    let lower = label.to_lowercase().replace(['_', '-'], " ");
    let mut words: Vec<&str> = lower.split_whitespace().collect();
    if words.len() > 1 && matches!(words.first(), Some(&("the" | "a" | "an"))) {
        words.remove(0);
    }
    let last = words.pop().unwrap_or_default();
    let mut out = words.join(" ");
    if !out.is_empty() {
        out.push(' ');
    }
    out + &singular(last)
}

/// A word in the singular, where it is a plural.
pub(crate) fn singular(word: &str) -> String {
    if let Some((_, one)) = IRREGULAR.iter().find(|(many, _)| *many == word) {
        return (*one).to_owned();
    }
    if let Some(stem) = word.strip_suffix("ies").filter(|s| s.len() > 1) {
        return format!("{stem}y");
    }
    for end in ["ches", "shes", "sses", "xes", "zes"] {
        if word.ends_with(end) {
            return word.strip_suffix("es").unwrap_or(word).to_owned();
        }
    }
    match word.strip_suffix('s') {
        Some(stem) if stem.len() > 1 && !stem.ends_with('s') && !stem.ends_with('u') => stem.to_owned(),
        _ => word.to_owned(),
    }
}
