//! The value that belongs to a key.

use super::address::address_of;
use super::amount::{amount_of, count_of};
use super::company::company_of;
use super::contact::{code_of, email_of, phone_of, url_of};
use super::day::{date_of, time_of};
use super::keys::{Key, Kind, asked_words, keys, vocabulary};
use super::label::{Hit, hits, places, strays};
use super::page::{Cell, Page, part_of};
use crate::value::Line;

/// Whether a text names a key that is known by its kind.
pub(super) fn is_known(text: &str) -> bool {
    keys().find(text).is_some()
}

/// The value of a key, best first; nothing when nothing fits.
pub(super) fn value_of(lines: &[Line], text: &str) -> Vec<Line> {
    match keys().find(text) {
        Some(key) => {
            let page = Page::new(lines, vocabulary());
            let found = known(&page, key);
            found.into_iter().collect()
        }
        None => other(lines, text),
    }
}

/// The value of a known key.
pub(super) fn known(page: &Page<'_>, key: &Key) -> Option<Line> {
    match key.kind {
        Kind::Amount => amount_of(page, key),
        Kind::Count => count_of(page, key),
        Kind::Date | Kind::LabelledDate => date_of(page, key),
        Kind::Time => time_of(page, key),
        Kind::Phone | Kind::LabelledPhone => phone_of(page, key),
        Kind::Email => email_of(page),
        Kind::Url => url_of(page),
        Kind::Code => code_of(page, key),
        Kind::Company => company_of(page),
        Kind::Address => address_of(page),
        Kind::Text => {
            let mut labels = hits(page, key);
            labels.sort_by_key(|hit| (hit.rank, hit.from));
            labels.iter().find_map(|hit| beside(page, hit))
        }
    }
}

/// Words that ask for an amount rather than for text.
const PRICE: [&str; 4] = ["price", "cost", "amount", "costs"];

/// The values right of or below any words.
fn other(lines: &[Line], text: &str) -> Vec<Line> {
    let asked = asked_words(text);
    let named: Vec<&str> = asked.iter().map(String::as_str).filter(|w| !PRICE.contains(w)).collect();
    if named.is_empty() {
        return Vec::new();
    }
    let mut vocabulary = vocabulary().clone();
    named.iter().for_each(|word| vocabulary.learn(word));
    let page = Page::new(lines, &vocabulary);
    let mut out: Vec<(usize, Line)> = Vec::new();
    for cell in &page.cells {
        for from in places(&cell.words, &named) {
            let hit = Hit { cell, rank: 0, from, to: from + named.len() };
            let found = if named.len() < asked.len() { price(&page, &hit) } else { beside(&page, &hit) };
            if let Some(line) = found {
                // A label at the start of its line is more of a label than a word within a sentence.
                out.push((from, line));
            }
        }
    }
    out.sort_by_key(|(from, _)| *from);
    out.into_iter().map(|(_, line)| line).collect()
}

/// The text that belongs to a label: the amount of its row, or the rest of its line, or what stands right of it or below.
fn beside(page: &Page<'_>, hit: &Hit<'_, '_>) -> Option<Line> {
    let text = &hit.cell.line.text;
    let rest = text.get(hit.end()..).unwrap_or_default();
    let value = rest.trim_matches(|c: char| c.is_whitespace() || ":;=#.-–—_*|>)".contains(c));
    let right: Vec<&Cell<'_>> = page.right_of(hit.cell).collect();
    // A priced item: several cells right of it, the last of them its amount.
    if right.iter().any(|c| c.amounts.iter().any(|a| a.decimals)) {
        return price(page, hit);
    }
    if !value.is_empty() && value.chars().any(char::is_alphanumeric) {
        let at = hit.end() + rest.find(value).unwrap_or(0);
        let last = hit.cell.amounts.last().filter(|a| a.decimals && a.span.start >= at && a.span.end + 2 >= text.len());
        let span = match last {
            Some(amount) => amount.span.clone(),
            None => at..at + value.len(),
        };
        return Some(part_of(hit.cell.line, &span));
    }
    // A lone letter is a mark of the item, not its value.
    let is_mark = |c: &&&Cell<'_>| {
        c.line.text.chars().filter(|c| c.is_alphanumeric()).count() == 1 && c.line.text.contains(char::is_alphabetic)
    };
    if let Some(cell) = right.iter().find(|c| !is_mark(c)) {
        return clean(cell);
    }
    if !right.is_empty()
        && let Some(amount) = price(page, hit)
    {
        return Some(amount);
    }
    let under = |c: &&Cell<'_>| c.left < hit.cell.right && hit.cell.left < c.right;
    page.next_row(hit.cell).find(under).and_then(clean)
}

/// A cell without the punctuation that parts it from its label.
fn clean(cell: &Cell<'_>) -> Option<Line> {
    let text = &cell.line.text;
    let value = text.trim_matches(|c: char| c.is_whitespace() || ":;=|".contains(c));
    let at = text.find(value)?;
    (!value.is_empty()).then(|| part_of(cell.line, &(at..at + value.len())))
}

/// The amount of an item: the last of its row before the next item, or of the row below when that has only numbers.
fn price(page: &Page<'_>, hit: &Hit<'_, '_>) -> Option<Line> {
    let amount = |cell: &Cell<'_>, from: usize| {
        let last = cell.amounts.iter().rev().find(|a| (a.decimals || a.currency) && a.span.start >= from)?;
        Some(Line { text: last.printed(&cell.line.text), ..part_of(cell.line, &last.span) })
    };
    let mut in_row = amount(hit.cell, hit.end());
    for cell in page.right_of(hit.cell) {
        if in_row.is_some() && cell.amounts.is_empty() && strays(cell.words.iter()) > 0 {
            break;
        }
        in_row = amount(cell, 0).or(in_row);
    }
    in_row.or_else(|| {
        let next: Vec<&Cell<'_>> = page.next_row(hit.cell).collect();
        let numbers_only = next.iter().all(|c| strays(c.words.iter()) == 0);
        next.iter().rev().filter(|_| numbers_only).find_map(|cell| amount(cell, 0))
    })
}
