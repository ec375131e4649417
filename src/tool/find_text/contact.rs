//! Telephone numbers, e-mail and web addresses, and codes such as an invoice number.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::dates::dates;
use super::keys::{Key, Kind};
use super::label::hits;
use super::page::{Cell, Page, part_of};
use crate::value::Line;

fn compiled(pattern: &str) -> Option<Regex> {
    Regex::new(pattern).ok()
}

static PHONE: LazyLock<Option<Regex>> =
    LazyLock::new(|| compiled(r"\+?\(?[0-9](?:[0-9]|\s?[-–.()\s]\s?[-(]?){5,20}[0-9]"));
static EMAIL: LazyLock<Option<Regex>> =
    LazyLock::new(|| compiled(r"(?i)[a-z0-9._%+\-]+\s?@\s?[a-z0-9\-]+(?:\s?\.\s?[a-z0-9\-]+)*\s?\.\s?[a-z]{2,10}"));
static URL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compiled(
        r"(?i)(?:https?://|www\s?\.)\s?[^\s,;]+|\b[a-z0-9\-]+(?:\.[a-z0-9\-]+)*\.(?:com|net|org|my|sg|co|io|eu|de|fr|uk|info|biz|edu|gov)\b(?:/[^\s,;]*)?",
    )
});
static CODE: LazyLock<Option<Regex>> = LazyLock::new(|| compiled(r"[A-Za-z0-9][A-Za-z0-9/\-_.]*"));

fn spans(pattern: &LazyLock<Option<Regex>>, text: &str, from: usize) -> Vec<Range<usize>> {
    let Some(pattern) = pattern.as_ref() else { return Vec::new() };
    pattern.find_iter(text).map(|m| m.range()).filter(|span| span.start >= from).collect()
}

/// The telephone numbers of a text after a position: 6 to 15 digits that are no date.
fn phones(text: &str, from: usize) -> Vec<Range<usize>> {
    let is_phone = |span: &Range<usize>| {
        let part = text.get(span.clone()).unwrap_or_default();
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        let before = text.get(..span.start).unwrap_or_default().chars().next_back();
        (6..=15).contains(&digits)
            && !before.is_some_and(|c| c.is_ascii_digit() || "/@".contains(c))
            // Glued to letters it is a code, unless they are its label.
            && (span.start == from || !before.is_some_and(char::is_alphabetic))
            && !dates(text).iter().any(|d| d.span.start < span.end && span.start < d.span.end)
    };
    spans(&PHONE, text, from).into_iter().filter(is_phone).collect()
}

/// The first telephone number of a text, as it is printed.
pub(crate) fn find_phone(text: &str) -> Option<&str> {
    text.get(phones(text, 0).into_iter().next()?)
}

/// The telephone number: after its label, right of it, below it; or the first text that can only be one.
pub(super) fn phone_of(page: &Page<'_>, key: &Key) -> Option<Line> {
    let mut labels = hits(page, key);
    labels.sort_by_key(|hit| hit.rank);
    for hit in labels.iter().filter(|hit| !hit.around(1).any(|w| key.excludes(w))) {
        let own = phones(&hit.cell.line.text, hit.end()).into_iter().map(|span| (hit.cell, span));
        let right = page.right_of(hit.cell).flat_map(|c| phones(&c.line.text, 0).into_iter().map(move |s| (c, s)));
        let below = page.next_row(hit.cell).flat_map(|c| phones(&c.line.text, 0).into_iter().map(move |s| (c, s)));
        let ends_here = hit.cell.line.text.len() <= hit.end() + 2;
        if let Some((cell, span)) = own.chain(right).chain(below.filter(|_| ends_here)).next() {
            return Some(part_of(cell.line, &span));
        }
    }
    if key.kind == Kind::LabelledPhone {
        return None;
    }
    let alone = page.cells.iter().find_map(|cell| Some((cell, bare_phone(cell, key)?)));
    alone.map(|(cell, span)| part_of(cell.line, &span))
}

/// A number in groups that is nearly all a line says, or stands after a short word and a colon.
fn bare_phone(cell: &Cell<'_>, key: &Key) -> Option<Range<usize>> {
    let text = &cell.line.text;
    let span = phones(text, 0).into_iter().next()?;
    let part = text.get(span.clone())?;
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let grouped = part.contains(['-', ' ', '(', '+']) && cell.amounts.iter().all(|a| !a.decimals);
    let before = text.get(..span.start)?;
    let named = before.trim_end().ends_with(':') && letters <= 12 && before.chars().filter(|c| *c == ':').count() == 1;
    let in_code = before.ends_with(|c: char| c == '-' || c.is_alphanumeric());
    (grouped && !in_code && (letters <= 3 || named) && !cell.words.iter().any(|w| key.excludes(w))).then_some(span)
}

/// The first e-mail address of the page.
pub(super) fn email_of(page: &Page<'_>) -> Option<Line> {
    first(page, &EMAIL)
}

/// The first web address of the page; an e-mail address is none.
pub(super) fn url_of(page: &Page<'_>) -> Option<Line> {
    let of_mail = |text: &str, span: &Range<usize>| {
        spans(&EMAIL, text, 0).iter().any(|mail| mail.start < span.end && span.start < mail.end)
    };
    page.cells.iter().find_map(|cell| {
        let text = &cell.line.text;
        let span = spans(&URL, text, 0).into_iter().find(|span| !of_mail(text, span))?;
        Some(part_of(cell.line, &span))
    })
}

fn first(page: &Page<'_>, pattern: &LazyLock<Option<Regex>>) -> Option<Line> {
    page.cells.iter().find_map(|cell| Some(part_of(cell.line, spans(pattern, &cell.line.text, 0).first()?)))
}

/// The code that belongs to a key: a run of letters and digits with a digit in it.
pub(super) fn code_of(page: &Page<'_>, key: &Key) -> Option<Line> {
    let mut labels = hits(page, key);
    labels.sort_by_key(|hit| (hit.rank, std::cmp::Reverse(hit.to - hit.from)));
    labels.iter().filter(|hit| !hit.around(2).any(|w| key.excludes(w))).find_map(|hit| {
        let own = code_in(&hit.cell.line.text, hit.end()).map(|span| (hit.cell, span));
        let right = || page.right_of(hit.cell).find_map(|c| Some((c, code_in(&c.line.text, 0)?)));
        let under = || {
            let near = |c: &&Cell<'_>| c.left < hit.cell.right && hit.cell.left < c.right;
            page.next_row(hit.cell).filter(near).find_map(|c| Some((c, code_in(&c.line.text, 0)?)))
        };
        let (cell, span) = own.or_else(right).or_else(under)?;
        Some(part_of(cell.line, &span))
    })
}

/// A code that begins right after a position, at most a word further on, and is neither a date nor an amount.
fn code_in(text: &str, from: usize) -> Option<Range<usize>> {
    let mut found = spans(&CODE, text, from).into_iter().take(2);
    let has_digit = |span: &Range<usize>| text.get(span.clone()).is_some_and(|t| t.bytes().any(|b| b.is_ascii_digit()));
    let span = found.find(has_digit)?;
    let is_date = dates(text).iter().any(|d| d.span.start < span.end && span.start < d.span.end);
    let trimmed = text.get(span.clone())?.trim_end_matches(['.', '-', '/', '_']).len();
    (!is_date).then_some(span.start..span.start + trimmed)
}
