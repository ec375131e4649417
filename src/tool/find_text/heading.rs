//! The head of a receipt: what its lines are, and lines that belong together.

use std::sync::LazyLock;

use regex::Regex;

use super::dates::dates;
use super::keys::keys;
use super::label::places;
use super::page::Cell;
use super::words::Word;
use crate::value::Line;

/// How many rows at the top may hold the name of the company.
pub(super) const HEAD: usize = 10;

fn compiled(pattern: &str) -> Option<Regex> {
    Regex::new(pattern).ok()
}

/// `TEL :`, `Document No:`, `(Co. Reg.:`, but not the `NO:` of a house.
static LABEL: LazyLock<Option<Regex>> = LazyLock::new(|| compiled(r"^\W*([A-Za-z][A-Za-z0-9 .&/'\-]{1,24}?)\s?[:#]"));
/// `12-A,`, `7-1-4 D'`, `S117,`, `No. 5 & 6`: what an address begins with.
static HOUSE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compiled(
        r"(?i)^\W*(?:(?:no|lot|unit)\W*)?[a-z]{0,3}-?[0-9]+[a-z]?(?:\s?[-/&,.]\s?[a-z]?[0-9]*[a-z]?\b)*[\s,.]+[a-z(]",
    )
});
/// `Co. Reg. No 123456-X`
static REGISTERED: LazyLock<Option<Regex>> =
    LazyLock::new(|| compiled(r"(?i)^\W*(?:(?:co|company|business|reg|regn|roc|ssm|no)\b[\s.]*)+[0-9]{5,}"));
static SINGAPORE: LazyLock<Option<Regex>> = LazyLock::new(|| compiled(r"(?i)\bs(?:ingapore|'?pore)?\W{0,2}[0-9]{6}\b"));

fn matches(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|p| p.is_match(text))
}

/// Words that make a line with a number the line of a street.
const STREETS: [&str; 22] = [
    "jalan",
    "jln",
    "lorong",
    "lrg",
    "persiaran",
    "street",
    "road",
    "avenue",
    "lane",
    "boulevard",
    "taman",
    "tmn",
    "lebuh",
    "lebuhraya",
    "medan",
    "drive",
    "highway",
    "kawasan",
    "ave",
    "rd",
    "crescent",
    "lingkaran",
];
/// What the first line of an address begins with.
const HOUSES: [&str; 10] = ["no", "lot", "level", "blk", "block", "blok", "unit", "suite", "km", "tingkat"];

/// Whether a line is one of an address, by itself.
pub(super) fn is_address(cell: &Cell<'_>) -> bool {
    let text = &cell.line.text;
    let words = cell.words.iter().filter(|w| keys().in_address(&w.text)).count();
    let digits = cell.words.iter().any(Word::is_number);
    let street = cell.words.iter().any(|w| is_street(&w.text));
    let named = is_trading(cell);
    if named && !street && !text.contains(',') && !has_postcode(cell) {
        return false;
    }
    let first = cell.words.first().is_some_and(|w| HOUSES.contains(&w.text.as_str()) || is_street(&w.text));
    (digits && (first || street || words >= 2 || (words == 1 && text.contains(','))))
        || (!named && words * 2 > cell.words.len() && words >= 2)
}

/// A street, also one that is glued to its name.
fn is_street(word: &str) -> bool {
    STREETS.iter().any(|s| word == *s || (s.len() >= 5 && word.starts_with(s)))
}

/// A postcode: five digits, or six after `Singapore`.
pub(super) fn has_postcode(cell: &Cell<'_>) -> bool {
    // `LOT PTB 19668` is the number of a plot.
    const PLOTS: [&str; 9] = ["lot", "p", "t", "pt", "ptb", "ptd", "no", "d", "gm"];
    let before = std::iter::once(None).chain(cell.words.iter().map(Some));
    let is_code = |(before, w): (Option<&Word>, &Word)| {
        w.is_number() && w.text.len() == 5 && before.is_none_or(|b| !PLOTS.contains(&b.text.as_str()))
    };
    before.zip(&cell.words).any(is_code) || matches(&SINGAPORE, &cell.line.text)
}

/// Whether a line begins as an address does: with the number of a house.
pub(super) fn begins_with_house(cell: &Cell<'_>) -> bool {
    cell.line.text.contains(',') && matches(&HOUSE, &cell.line.text)
}

pub(super) fn in_region(cell: &Cell<'_>) -> bool {
    cell.words.iter().any(|w| keys().in_address(&w.text))
}

/// A line of nothing but words of an address: `JOHOR BAHRU, JOHOR.`
pub(super) fn is_region(cell: &Cell<'_>) -> bool {
    let mut words = cell.words.iter().filter(|w| w.text.chars().count() > 1).peekable();
    words.peek().is_some() && words.all(|w| w.is_number() || keys().in_address(&w.text))
}

/// Whether a line says something else than who and where: a number, a telephone, a date, the kind of paper.
pub(super) fn is_other(cell: &Cell<'_>) -> bool {
    cell.words.iter().take(2).any(|w| keys().ends_address(&w.text))
        || is_number_line(cell)
        || matches(&REGISTERED, &cell.line.text)
        || is_labelled(cell)
        || (!dates(&cell.line.text).is_empty() && !is_address(cell))
}

fn is_number_line(cell: &Cell<'_>) -> bool {
    let digits = cell.line.text.chars().filter(char::is_ascii_digit).count();
    let letters = cell.line.text.chars().filter(|c| c.is_alphabetic()).count();
    (digits >= 6 && letters <= 3 && !matches(&SINGAPORE, &cell.line.text)) || in_brackets(cell)
}

pub(super) fn in_brackets(cell: &Cell<'_>) -> bool {
    let text = cell.line.text.trim();
    text.starts_with('(') && text.ends_with(')')
}

/// Whether a line begins with a label and its colon, other than that of a house or of the address itself.
pub(super) fn is_labelled(cell: &Cell<'_>) -> bool {
    const OWN: [&str; 8] = ["no", "lot", "blk", "block", "unit", "address", "add", "alamat"];
    let Some(found) = LABEL.as_ref().and_then(|label| label.captures(&cell.line.text)) else { return false };
    let end = found.get(1).map_or(0, |label| label.end());
    let mut words = cell.words.iter().filter(|w| w.end <= end);
    !words.all(|w| OWN.contains(&w.text.as_str()))
}

fn contains(words: &[Word], labels: &[String]) -> bool {
    labels.iter().any(|label| !places(words, &label.split(' ').collect::<Vec<_>>()).is_empty())
}

/// Whether a line has a legal form in it, such as `SDN BHD`.
pub(super) fn has_legal_form(cell: &Cell<'_>) -> bool {
    contains(&cell.words, &keys().company.legal) || contains(&cell.words, &keys().company.weak)
}

/// Whether a line begins with a legal form: the end of a name that began in the line before.
pub(super) fn begins_with_legal_form(cell: &Cell<'_>) -> bool {
    let company = &keys().company;
    // `(M) SDN BHD`, `(KL) ENTERPRISE`
    let bracket = if cell.line.text.starts_with('(') { cell.line.text.find(')').unwrap_or(0) } else { 0 };
    let at = cell.words.iter().position(|w| w.start >= bracket);
    let begins = |label: &String| places(&cell.words, &label.split(' ').collect::<Vec<_>>()).first().copied() == at;
    at.is_some() && company.legal.iter().chain(&company.weak).any(begins)
}

/// Whether a line ends the name of a company for good: `SDN BHD`, not `ENTERPRISE`.
pub(super) fn has_strong_form(cell: &Cell<'_>) -> bool {
    contains(&cell.words, &keys().company.legal)
}

/// Whether a line has a trade in it, such as `RESTORAN`.
pub(super) fn has_trade(cell: &Cell<'_>) -> bool {
    contains(&cell.words, &keys().company.trade)
}

pub(super) fn is_trading(cell: &Cell<'_>) -> bool {
    has_legal_form(cell) || has_trade(cell)
}

/// One line of several, with the box around them.
pub(super) fn joined(parts: &[&Cell<'_>]) -> Option<Line> {
    let first = parts.first()?;
    if parts.len() == 1 {
        return Some(first.line.clone());
    }
    let bounds = parts.iter().map(|c| c.line.bounds());
    let [x1, y1, x2, y2] = bounds.reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])])?;
    let text = parts.iter().map(|c| c.line.text.trim()).collect::<Vec<_>>().join(" ");
    let score = parts.iter().map(|c| c.line.score).fold(f64::INFINITY, f64::min);
    Some(Line { text, score, polygon: [[x1, y1], [x2, y1], [x2, y2], [x1, y2]] })
}
