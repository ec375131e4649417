//! What the head of a receipt says: whose it is, and where they are.

use super::keys::keys;
use super::label::places;
use super::page::{Cell, Page};
use super::words::Word;
use crate::value::Line;

/// How many rows at the top may hold the name of the company.
const HEAD: usize = 10;

/// The name of the company: the first line at the top with a legal form or a trade in it, or the first with a name.
pub(super) fn company_of(page: &Page<'_>) -> Option<Line> {
    let head: Vec<&Cell<'_>> = page.cells.iter().filter(|c| c.row < HEAD && is_name(c)).collect();
    let end = head.iter().position(|c| is_address(c)).unwrap_or(head.len());
    let names = head.get(..end).filter(|n| !n.is_empty()).or(head.get(..1))?;
    let at = names
        .iter()
        .position(|c| has_legal_form(&c.words))
        .filter(|n| *n <= 1)
        .or_else(|| names.iter().position(|c| has_trade(&c.words)))
        .or_else(|| names.iter().position(|c| has_legal_form(&c.words)))
        .unwrap_or(0);
    let first = names.get(at)?;
    let more = names.get(at + 1..).unwrap_or_default();
    // A long name goes on to its legal form.
    let length = if has_legal_form_at_end(&first.words) {
        0
    } else {
        more.iter().take(2).position(|c| has_legal_form(&c.words)).map_or(0, |n| n + 1)
    };
    let parts: Vec<&Cell<'_>> = std::iter::once(*first).chain(more.iter().take(length).copied()).collect();
    joined(&parts).map(|line| Line { text: without_number(&line.text), ..line })
}

fn is_name(cell: &Cell<'_>) -> bool {
    let letters = cell.line.text.chars().filter(|c| c.is_alphabetic()).count();
    let digits = cell.line.text.chars().filter(char::is_ascii_digit).count();
    letters >= 3 && letters > digits && !cell.words.iter().take(2).any(|w| keys().company.is_other(&w.text))
}

fn is_address(cell: &Cell<'_>) -> bool {
    let first = cell.words.first().is_some_and(|w| matches!(w.text.as_str(), "no" | "lot" | "jalan" | "level" | "jln"));
    let words = cell.words.iter().filter(|w| keys().in_address(&w.text)).count();
    let digits = cell.words.iter().any(Word::is_number);
    let street = cell.words.iter().any(|w| STREETS.contains(&w.text.as_str()));
    (digits && (first || street || words >= 2 || (words == 1 && cell.line.text.contains(','))))
        || (words * 2 > cell.words.len() && words >= 2)
}

/// Words that make a line with a number the line of a street.
const STREETS: [&str; 12] =
    ["jalan", "jln", "lorong", "lrg", "persiaran", "street", "road", "avenue", "lane", "boulevard", "taman", "lebuh"];

fn contains(words: &[Word], labels: &[String]) -> bool {
    labels.iter().any(|label| !places(words, &label.split(' ').collect::<Vec<_>>()).is_empty())
}

fn has_legal_form(words: &[Word]) -> bool {
    contains(words, &keys().company.legal)
}

/// A legal form that ends the name in earnest: more than `enterprise` within it.
fn has_legal_form_at_end(words: &[Word]) -> bool {
    words.len() > 1 && has_legal_form(words)
}

fn has_trade(words: &[Word]) -> bool {
    contains(words, &keys().company.trade)
}

/// A name without the registration number after it: `(519537-X)`.
fn without_number(text: &str) -> String {
    let Some(open) = text.rfind('(') else { return text.trim().to_owned() };
    let inside = text.get(open..).unwrap_or_default();
    let digits = inside.chars().filter(char::is_ascii_digit).count();
    let kept = if digits >= 4 { text.get(..open).unwrap_or(text) } else { text };
    kept.trim().to_owned()
}

/// The address: lines in a row near the top that read like one.
pub(super) fn address_of(page: &Page<'_>) -> Option<Line> {
    let head: Vec<&Cell<'_>> = page.cells.iter().filter(|c| c.row < 2 * HEAD).collect();
    let ends = |c: &Cell<'_>| c.words.iter().take(2).any(|w| keys().ends_address(&w.text)) || is_number_line(c);
    let from = head.iter().position(|c| is_address(c) && !ends(c))?;
    let lines = head.get(from..)?;
    let after = |c: &&&Cell<'_>| !ends(c) && (is_address(c) || has_postcode(c) || goes_on(c));
    let mut parts: Vec<&Cell<'_>> = lines.iter().take(6).take_while(after).copied().collect();
    while parts.len() > 1 && parts.last().is_some_and(|c| !is_address(c) && !has_postcode(c) && !in_region(c)) {
        parts.pop();
    }
    joined(&parts)
}

fn is_number_line(cell: &Cell<'_>) -> bool {
    let digits = cell.line.text.chars().filter(char::is_ascii_digit).count();
    let letters = cell.line.text.chars().filter(|c| c.is_alphabetic()).count();
    let text = cell.line.text.trim();
    digits >= 6 && letters <= 3 || (text.starts_with('(') && text.ends_with(')'))
}

/// A postcode: five digits, or a word of the address with one.
fn has_postcode(cell: &Cell<'_>) -> bool {
    cell.words.iter().any(|w| w.is_number() && w.text.len() == 5)
}

fn in_region(cell: &Cell<'_>) -> bool {
    cell.words.iter().any(|w| keys().in_address(&w.text))
}

/// A line that may be the middle of an address.
fn goes_on(cell: &Cell<'_>) -> bool {
    cell.line.text.trim_end().ends_with(',') || in_region(cell)
}

/// One line of several, with the box around them.
fn joined(parts: &[&Cell<'_>]) -> Option<Line> {
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
