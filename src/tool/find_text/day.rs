//! The date and the time that a page tells.

use std::ops::Range;

use super::dates::{Date, dates, times};
use super::keys::{Key, Kind};
use super::label::{Hit, hits};
use super::page::{Cell, Page, part_of};
use crate::value::Line;

/// The date that belongs to a key; for the plain date, the likeliest of the page even without a label.
pub(super) fn date_of(page: &Page<'_>, key: &Key) -> Option<Line> {
    let labels = hits(page, key);
    let found: Vec<(&Cell<'_>, Date)> =
        page.cells.iter().flat_map(|cell| dates(&cell.line.text).into_iter().map(move |date| (cell, date))).collect();
    let scored = found.iter().map(|(cell, date)| {
        let label = label_score(page, &labels, key, cell, &date.span);
        let repeated = found.iter().filter(|(_, other)| other.day == date.day).count() > 1;
        let stamped = page.row(cell.row).any(|c| !times(&c.line.text).is_empty());
        let recent = (1990..2050).contains(&date.day.0);
        let bonus = [(stamped, 1.0), (date.full_year, 0.3), (repeated, 0.3), (recent, 0.3)];
        (label, label + bonus.iter().map(|(is, by)| if *is { *by } else { 0.0 }).sum::<f64>(), cell, date)
    });
    let wanted =
        scored.filter(|(label, score, ..)| if key.kind == Kind::LabelledDate { *label > 0.0 } else { *score > -1.0 });
    // Of equals the first.
    let best = wanted.reduce(|best, next| if next.1 > best.1 { next } else { best })?;
    let part = part_of(best.2.line, &best.3.span);
    Some(Line { text: mended(&part.text), ..part })
}

/// Letters among the digits of a date are misread digits; names of months stay.
fn mended(text: &str) -> String {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    if letters >= 3 {
        return text.to_owned();
    }
    let digit = |c| match c {
        'O' | 'o' => '0',
        'I' | 'l' => '1',
        other => other,
    };
    text.chars().map(digit).collect()
}

/// How well a label stands by a date: before it in the line, left of it in the row, above it; below 0 for another key's.
fn label_score(page: &Page<'_>, labels: &[Hit<'_, '_>], key: &Key, cell: &Cell<'_>, span: &Range<usize>) -> f64 {
    if let Some(verdict) = verdict_before(labels, key, cell, span.start) {
        return verdict;
    }
    if let Some(left) = page.left_of(cell).filter(|l| dates(&l.line.text).is_empty())
        && let Some(verdict) = verdict_before(labels, key, left, usize::MAX)
    {
        return verdict;
    }
    let above = labels.iter().map(|hit| hit.cell).find(|label| {
        label.row < cell.row
            && page.next_row(label).any(|c| std::ptr::eq(c, cell))
            && label.left < cell.right
            && cell.left < label.right
            && dates(&label.line.text).is_empty()
    });
    above.and_then(|label| verdict_before(labels, key, label, usize::MAX)).map_or(0.0, |v| v * 0.8)
}

/// What the words of a cell before a position say: 3 for the key's label, -4 for a word of another key.
fn verdict_before(labels: &[Hit<'_, '_>], key: &Key, cell: &Cell<'_>, end: usize) -> Option<f64> {
    let mine = |hit: &&Hit<'_, '_>| std::ptr::eq(hit.cell, cell) && hit.end() <= end;
    let label = labels.iter().filter(mine).max_by_key(|hit| hit.end());
    let from = label.map_or(0, |hit| hit.start());
    let near = cell.words.iter().filter(|w| w.end <= end).filter(|w| label.is_none() || w.end + 12 >= from);
    if near.clone().any(|w| key.excludes(w)) {
        return Some(-4.0);
    }
    label.map(|_| 3.0)
}

/// The time of day that belongs to a key; without a label the first that stands by a date, or the first at all.
pub(super) fn time_of(page: &Page<'_>, key: &Key) -> Option<Line> {
    let labels = hits(page, key);
    let found = page.cells.iter().flat_map(|cell| times(&cell.line.text).into_iter().map(move |span| (cell, span)));
    let scored = found.map(|(cell, span)| {
        let label = label_score(page, &labels, key, cell, &span);
        let dated = page.row(cell.row).any(|c| !dates(&c.line.text).is_empty());
        (label + if dated { 1.0 } else { 0.0 }, cell, span)
    });
    let best = scored.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
    Some(part_of(best.1.line, &best.2))
}
