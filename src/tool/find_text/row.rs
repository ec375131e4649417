//! Rows: everything that stands beside some words, as in a table.

use super::keys::vocabulary;
use super::label::places;
use super::page::{Cell, Page};
use super::search::fuzzy;
use crate::value::Line;

/// The rows that have the words, one line each, its cells left to right; those with a cell that is nothing
/// but the words before those that have them among others.
pub(super) fn rows(lines: &[Line], text: &str) -> Vec<Line> {
    let mut vocabulary = vocabulary().clone();
    vocabulary.learn(text);
    let page = Page::new(lines, &vocabulary);
    let wanted: Vec<String> = vocabulary.words(text).into_iter().map(|word| word.text).collect();
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    let mut hits: Vec<(bool, usize)> = page.cells.iter().filter_map(|cell| hit(cell, &wanted)).collect();
    if hits.is_empty() {
        let like = fuzzy(lines, text);
        let is_like = |cell: &&Cell<'_>| like.contains(cell.line);
        hits = page.cells.iter().filter(is_like).map(|cell| (true, cell.row)).collect();
    }
    hits.sort_unstable();
    let mut found: Vec<usize> = Vec::new();
    for (_, row) in hits {
        if !found.contains(&row) {
            found.push(row);
        }
    }
    found.into_iter().filter_map(|row| joined(&page, row)).collect()
}

/// Whether a cell has other words beside the wanted ones, and its row; nothing when it has not all of these.
fn hit(cell: &Cell<'_>, wanted: &[&str]) -> Option<(bool, usize)> {
    let there = !wanted.is_empty() && places(&cell.words, wanted).into_iter().next().is_some();
    there.then_some((cell.words.len() > wanted.len(), cell.row))
}

/// A row as one line.
fn joined(page: &Page<'_>, row: usize) -> Option<Line> {
    let cells: Vec<&Line> = page.row(row).map(|cell| cell.line).collect();
    let (first, last) = (cells.first()?, cells.last()?);
    let text = cells.iter().map(|line| line.text.trim()).collect::<Vec<_>>().join("  ");
    let score = cells.iter().map(|line| line.score).fold(1.0, f64::min);
    let polygon = [first.polygon[0], last.polygon[1], last.polygon[2], first.polygon[3]];
    Some(Line { text, score, polygon })
}
