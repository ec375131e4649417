//! Pairs of a printed key and its value, as forms and receipts have them.

use std::ops::Range;

use super::dates::dates;
use super::keys::{keys, vocabulary};
use super::label::places;
use super::money::amounts;
use super::page::{Cell, Page};
use super::value::known;
use super::words::Word;
use crate::value::Line;

/// Longer texts before a colon are sentences, not keys.
const MAX_KEY: usize = 48;
/// Most words of a key.
const MAX_WORDS: usize = 6;

/// The pairs of key and value on a page, row by row, left to right.
///
/// A value stands behind its key's colon, right of its key in the same row, or below it where nothing is
/// right of it. Of a row with several amounts (quantity, price, amount) the last one is the value.
///
/// The date and the total of a receipt often have no legible key: where they can be told all the same and
/// are no value yet, they come last, with `date` and `total` as their keys.
pub(crate) fn pairs(lines: &[Line]) -> Vec<(String, String)> {
    let page = Page::new(lines, vocabulary());
    let mut found = Found { page: &page, taken: vec![false; page.cells.len()], pairs: Vec::new() };
    for at in 0..page.cells.len() {
        found.visit(at);
    }
    if !found.pairs.is_empty() {
        ["date", "total"].into_iter().for_each(|key| found.complete(key));
    }
    found.pairs
}

/// The pairs so far, and the cells that are values of some.
struct Found<'p, 'a> {
    page: &'p Page<'a>,
    taken: Vec<bool>,
    pairs: Vec<(String, String)>,
}

impl Found<'_, '_> {
    fn visit(&mut self, at: usize) {
        let page = self.page;
        let (Some(cell), Some(false)) = (page.cells.get(at), self.taken.get(at).copied()) else { return };
        let mut parts = within(cell);
        let open = parts.pop_if(|(_, value)| value.is_empty()).map(|(key, _)| key);
        let has_parts = !parts.is_empty();
        for (key, value) in parts {
            self.add(&key, &value);
        }
        let (key, marked) = match open {
            Some(key) => (key, true),
            None if !has_parts && may_be_key(cell) => (cell.line.text.clone(), false),
            None => return,
        };
        if let Some(value) = self.right(at, marked).or_else(|| self.below(at, marked)) {
            self.add(&key, &value);
        }
    }

    /// Adds a value that can be told without its key, unless it is there.
    fn complete(&mut self, name: &str) {
        let Some(line) = keys().named(name).and_then(|key| known(self.page, key)) else { return };
        let days = |text: &str| dates(text).into_iter().map(|date| date.day).collect::<Vec<_>>();
        let sums = |text: &str| amounts(text).into_iter().map(|amount| amount.cents).collect::<Vec<_>>();
        let (days_told, sums_told) = (days(&line.text), sums(&line.text));
        let there = |(_, value): &(String, String)| {
            days(value).iter().any(|day| days_told.contains(day))
                || sums(value).iter().any(|sum| sums_told.contains(sum))
        };
        if !self.pairs.iter().any(there) {
            self.add(name, &line.text);
        }
    }

    fn add(&mut self, key: &str, value: &str) {
        let (key, value) = unwrapped(trimmed(key), value.trim_matches(|c: char| c.is_whitespace() || ":=".contains(c)));
        let letters = key.chars().filter(|c| c.is_alphabetic()).count();
        if letters >= 2 && key.chars().count() <= MAX_KEY && value.contains(char::is_alphanumeric) {
            self.pairs.push((key.to_owned(), value.to_owned()));
        }
    }

    /// What stands right of a key up to the next key: the last amount, or all of it.
    fn right(&mut self, at: usize, marked: bool) -> Option<String> {
        let page = self.page;
        let row = page.cells.get(at)?.row;
        let after = page.cells.iter().enumerate().skip(at + 1).take_while(|(_, c)| c.row == row);
        let values: Vec<(usize, &Cell<'_>)> = after.take_while(|(_, c)| is_value(c)).collect();
        let (_, first) = values.first()?;
        // A label beside a label is the head of a table.
        let sure = marked || tells(first) || (page.cells.get(at).is_some_and(is_label) && !begins_with_label(first));
        if !sure {
            return None;
        }
        let text = value_of(&values.iter().map(|(_, c)| *c).collect::<Vec<_>>())?;
        self.take(values.iter().map(|(n, _)| *n));
        Some(text)
    }

    /// What stands below a key that has nothing right of it, or below one of a row of keys.
    fn below(&mut self, at: usize, marked: bool) -> Option<String> {
        let page = self.page;
        let cell = page.cells.get(at)?;
        let under: Vec<usize> =
            page.next_row(cell).filter_map(|c| page.cells.iter().position(|p| std::ptr::eq(p, c))).collect();
        let alone = page.right_of(cell).next().is_none() && page.left_of(cell).is_none();
        if !(marked || is_label(cell) && alone || self.is_head(cell)) {
            return None;
        }
        let overlaps = |c: &Cell<'_>| c.left < cell.right && cell.left < c.right;
        let values: Vec<(usize, &Cell<'_>)> = under
            .into_iter()
            .filter_map(|n| Some((n, page.cells.get(n)?)))
            .filter(|(n, c)| overlaps(c) && is_value(c) && !is_label(c) && self.taken.get(*n) == Some(&false))
            .collect();
        let text = value_of(&values.iter().map(|(_, c)| *c).collect::<Vec<_>>())?;
        self.take(values.into_iter().map(|(n, _)| n));
        Some(text)
    }

    /// Whether a cell is of a row of keys with one row of values below: more rows are a table of items.
    fn is_head(&self, cell: &Cell<'_>) -> bool {
        let page = self.page;
        let heads: Vec<&Cell<'_>> = page.row(cell.row).collect();
        let below: Vec<&Cell<'_>> = page.row(cell.row + 1).collect();
        let more = page.row(cell.row + 2).filter(|c| is_value(c)).count();
        heads.len() >= 2
            && heads.iter().all(|c| may_be_key(c))
            && below.iter().any(|c| tells(c))
            && below.len() == heads.len()
            && more < heads.len()
    }

    fn take(&mut self, cells: impl Iterator<Item = usize>) {
        for n in cells {
            if let Some(taken) = self.taken.get_mut(n) {
                *taken = true;
            }
        }
    }
}

/// The text of the cells that make up a value.
fn value_of(cells: &[&Cell<'_>]) -> Option<String> {
    let amounts = cells.iter().flat_map(|c| c.amounts.iter().filter(|a| a.decimals).map(move |a| (c, a)));
    if cells.len() > 1
        && let Some((cell, amount)) = amounts.last()
    {
        return Some(amount.printed(&cell.line.text));
    }
    let text = cells.iter().map(|c| c.line.text.trim()).collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then_some(text)
}

/// A key and a value without the brackets that stand around both: `(Reg. No` and `123)`.
fn unwrapped<'t>(key: &'t str, value: &'t str) -> (&'t str, &'t str) {
    let open = key.strip_prefix('(').filter(|rest| !rest.contains(')'));
    match (open, value.strip_suffix(')').filter(|rest| !rest.contains('('))) {
        (Some(key), Some(value)) => (key, value),
        (open, _) => (open.unwrap_or(key), value),
    }
}

fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ":;=|*_".contains(c)).trim_end_matches(['-', '–', '.', ' '])
}

/// The pairs within a line; the last value is empty when the line ends with its key.
fn within(cell: &Cell<'_>) -> Vec<(String, String)> {
    let text = &cell.line.text;
    let colons = colons(text);
    if colons.is_empty() {
        return parted(cell);
    }
    let mut out: Vec<(String, String)> = Vec::new();
    let mut from = 0;
    for (n, colon) in colons.iter().enumerate() {
        let end = colons.get(n + 1).map_or(text.len(), |next| last_key(text, colon.end, next.start));
        let (key, value) = (text.get(from..colon.start), text.get(colon.end..end));
        if let (Some(key), Some(value)) = (key, value) {
            out.push((key.to_owned(), value.trim().to_owned()));
        }
        from = end;
    }
    out.retain(|(key, _)| key.split_whitespace().count() <= MAX_WORDS);
    out
}

/// The colons that part a key from its value: not those of times, ratios and web addresses.
fn colons(text: &str) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = Vec::new();
    for (at, colon) in text.match_indices([':', '：']) {
        let before = text.get(..at).unwrap_or_default().trim_end();
        let after = text.get(at + colon.len()..).unwrap_or_default();
        let digits = before.ends_with(|c: char| c.is_ascii_digit()) && after.starts_with(|c: char| c.is_ascii_digit());
        let address = after.starts_with("//");
        let from = out.last().map_or(0, |last| last.end);
        let named = text.get(from..at).is_some_and(|key| key.contains(char::is_alphabetic));
        if !digits && !address && named {
            out.push(at..at + colon.len());
        }
    }
    out
}

/// Where the key that ends at a colon begins: the longest known label before it, or one word.
fn last_key(text: &str, from: usize, colon: usize) -> usize {
    let part = text.get(from..colon).unwrap_or_default();
    let words = vocabulary().words(part);
    let tail = |n: usize| words.get(words.len().saturating_sub(n)..).unwrap_or_default();
    let known = (1..=MAX_WORDS.min(words.len())).rev().find(|n| is_known(tail(*n)));
    let first = tail(known.unwrap_or(1)).first();
    first.map_or(colon, |word| from + word.start)
}

/// The pairs of a line without a colon: it ends with an amount or a date, or begins with a known key.
fn parted(cell: &Cell<'_>) -> Vec<(String, String)> {
    let text = &cell.line.text;
    let amounts = cell.amounts.iter().filter(|a| a.decimals).map(|a| (a.span.clone(), a.printed(text)));
    let dates = dates(text).into_iter().map(|d| (d.span.clone(), text.get(d.span).unwrap_or_default().to_owned()));
    let mut values: Vec<(Range<usize>, String)> = dates.collect();
    if values.is_empty() {
        values = amounts.collect();
    }
    let short = |rest: &str| rest.chars().filter(|c| c.is_alphanumeric()).count() <= 2;
    if !values.last().is_some_and(|(span, _)| text.get(span.end..).is_some_and(short)) {
        return labelled(cell).into_iter().collect();
    }
    let ends = std::iter::once(0).chain(values.iter().map(|(span, _)| span.end));
    let all: Vec<(String, String)> = ends
        .zip(&values)
        .filter_map(|(from, (span, value))| Some((text.get(from..span.start)?.to_owned(), value.clone())))
        .filter(|(key, _)| key.contains(char::is_alphabetic) && key.split_whitespace().count() <= MAX_WORDS)
        .collect();
    if all.len() == values.len() {
        return all;
    }
    // Several amounts of one thing: quantity, price, amount.
    let last = values.pop().map(|(_, value)| value);
    all.into_iter().next().zip(last).map(|((key, _), value)| (key, value)).into_iter().collect()
}

/// A line that begins with a known key and goes on with a number.
fn labelled(cell: &Cell<'_>) -> Option<(String, String)> {
    let text = &cell.line.text;
    let known = |n: &usize| cell.words.get(..*n).is_some_and(is_known);
    let longest = (1..=MAX_WORDS.min(cell.words.len())).rev().find(known)?;
    let end = cell.words.get(longest - 1)?.end;
    let rest = text.get(end..)?.trim_start_matches(|c: char| c.is_whitespace() || "#.-=".contains(c));
    rest.starts_with(|c: char| c.is_ascii_digit())
        .then(|| (text.get(..end).unwrap_or_default().to_owned(), rest.to_owned()))
}

/// Whether words are how a known key is printed.
fn is_known(words: &[Word]) -> bool {
    !words.is_empty()
        && keys().labels().any(|label| label.len() == words.len() && places(words, &label).first() == Some(&0))
}

/// Whether a line begins with the label of a known key.
fn begins_with_label(cell: &Cell<'_>) -> bool {
    (1..=MAX_WORDS.min(cell.words.len())).any(|n| cell.words.get(..n).is_some_and(is_known))
}

/// Whether a whole line is the label of a known key.
fn is_label(cell: &Cell<'_>) -> bool {
    is_known(&cell.words)
}

/// Whether a line without a colon may be a key: a few words without a number.
fn may_be_key(cell: &Cell<'_>) -> bool {
    let text = &cell.line.text;
    text.contains(char::is_alphabetic)
        && text.chars().count() <= MAX_KEY
        && cell.words.len() <= MAX_WORDS
        && (is_label(cell) || !text.contains(|c: char| c.is_ascii_digit()))
}

/// Whether a line may be a value: it holds no key of its own.
fn is_value(cell: &Cell<'_>) -> bool {
    let text = cell.line.text.trim_start_matches([':', ' ', '=']);
    colons(text).is_empty()
}

/// Whether a line is a value by its looks: it has a number, or the colon of the key left of it.
fn tells(cell: &Cell<'_>) -> bool {
    cell.line.text.contains(|c: char| c.is_ascii_digit()) || cell.line.text.trim_start().starts_with(':')
}
