//! Where a company is: the lines of its address.

use std::sync::LazyLock;

use regex::Regex;

use super::company::company_lines;
use super::heading::{
    HEAD, begins_with_house, has_postcode, in_region, is_address, is_labelled, is_other, is_region, is_trading, joined,
};
use super::page::{Cell, Page};
use crate::value::Line;

/// Most lines that an address has.
const LINES: usize = 7;

/// The address: lines one below the other that read like one, behind the name of the company if there.
pub(super) fn address_of(page: &Page<'_>) -> Option<Line> {
    let names = company_lines(page);
    let last = names.last().filter(|c| !is_address(c));
    let name = last.and_then(|last| page.cells.iter().position(|c| std::ptr::eq(c, *last)));
    let behind = name.map_or(0, |n| n + 1);
    let head = page.cells.iter().position(|c| c.row >= 2 * HEAD).unwrap_or(page.cells.len());
    let begins = |from: usize, to: usize| {
        let cells = page.cells.get(from..to)?;
        cells.iter().position(|c| is_address(c) && !is_other(c)).map(|n| from + n)
    };
    let core = begins(behind, head).or_else(|| begins(0, behind)).or_else(|| begins(head, page.cells.len()))?;
    let lowest = if core >= behind { behind } else { 0 };
    let first = beginning(&page.cells, lowest, core);
    let mut parts = lines_from(page.cells.get(first..)?, core - first);
    while parts.len() > 1 && parts.last().is_some_and(|c| !is_address(c) && !has_postcode(c) && !in_region(c)) {
        parts.pop();
    }
    joined(&parts).map(|line| Line { text: clean(&line.text), ..line })
}

/// Where the address begins that is certain at `core`: lines above it that lead to it.
fn beginning(cells: &[Cell<'_>], lowest: usize, core: usize) -> usize {
    let mut first = core;
    while let Some(n) = first.checked_sub(1).filter(|n| *n >= lowest)
        && let (Some(above), Some(below)) = (cells.get(n), cells.get(first))
    {
        let leads = ends_open(above) || begins_with_house(above);
        if is_other(above) || !leads || below.row > above.row + 1 {
            break;
        }
        first = n;
    }
    first
}

/// The lines of an address whose first `certain` lines are known, down to where it ends.
fn lines_from<'p, 'a>(cells: &'p [Cell<'a>], certain: usize) -> Vec<&'p Cell<'a>> {
    let mut parts: Vec<&'p Cell<'a>> = Vec::new();
    let mut complete = false;
    for (n, cell) in cells.iter().take(LINES).enumerate() {
        if n > certain && !follows(parts.last().copied(), cell, complete) {
            break;
        }
        complete = complete || has_postcode(cell);
        parts.push(cell);
    }
    parts
}

/// Whether a line is the next of an address, which is `complete` when its postcode was there.
fn follows(last: Option<&Cell<'_>>, cell: &Cell<'_>, complete: bool) -> bool {
    if is_other(cell) || last.is_some_and(|last| cell.row > last.row + 1) {
        return false;
    }
    if last.is_some_and(ends_open) && !is_trading(cell) {
        return true;
    }
    if complete {
        return is_region(cell) || (is_address(cell) && begins_with_number(cell));
    }
    is_address(cell) || has_postcode(cell) || ends_open(cell) || in_region(cell)
}

fn begins_with_number(cell: &Cell<'_>) -> bool {
    cell.line.text.starts_with(|c: char| c.is_ascii_digit())
}

fn ends_open(cell: &Cell<'_>) -> bool {
    let letters = cell.line.text.chars().filter(|c| c.is_alphabetic()).count();
    letters >= 3 && cell.line.text.trim_end().ends_with([',', '&', '-']) && !is_labelled(cell)
}

static LABEL: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)^\W*(?:address|alamat|addr?)\b\s*[:.\-]?\s*").ok());

/// A capital I in a word of small letters is a misread l: `JIn`.
static SMALL: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\b([A-Z])I([a-z])").ok());

/// An address without the word for it, and with the `l` of `Jln` and `Blk`.
fn clean(text: &str) -> String {
    let text = LABEL.as_ref().map_or(text.into(), |label| label.replace(text, ""));
    SMALL.as_ref().map_or_else(|| text.to_string(), |small| small.replace_all(&text, "${1}l${2}").into_owned())
}
