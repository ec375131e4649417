//! Amounts that belong to a key, and the total of a receipt.

use super::keys::{Key, keys};
use super::label::{Hit, hits, strays};
use super::money::Amount;
use super::page::{Cell, Page, part_of};
use super::words::Word;
use crate::value::Line;

/// An amount with the label it was read for.
#[derive(Debug, Clone)]
struct Reading<'p, 'a> {
    cell: &'p Cell<'a>,
    amount: &'p Amount,
    rank: usize,
    /// Words that do not belong beside the label.
    strays: usize,
    /// Whether it stands in a row of several amounts, as in a table.
    in_table: bool,
    /// The row of the label.
    row: usize,
}

impl Reading<'_, '_> {
    fn line(&self) -> Line {
        line_of(self.cell, self.amount)
    }
}

fn line_of(cell: &Cell<'_>, amount: &Amount) -> Line {
    Line { text: amount.printed(&cell.line.text), ..part_of(cell.line, &amount.span) }
}

/// The amount that belongs to a key, when one does.
pub(super) fn amount_of(page: &Page<'_>, key: &Key) -> Option<Line> {
    if key.name == "total" {
        return total_of(page, key);
    }
    let quality = |r: &Reading<'_, '_>| {
        let whole = if r.amount.decimals || r.amount.currency { 0.0 } else { 1.0 };
        -(r.rank as f64) - 0.5 * r.strays as f64 - whole - if r.in_table { 1.0 } else { 0.0 }
    };
    let found = readings(page, key);
    // `max_by` takes the last of equals; the first is wanted.
    found.iter().rev().max_by(|a, b| quality(a).total_cmp(&quality(b))).map(Reading::line)
}

/// The whole number that belongs to a key, when one does.
pub(super) fn count_of(page: &Page<'_>, key: &Key) -> Option<Line> {
    let found = readings(page, key);
    let whole = found.iter().filter(|r| !r.amount.decimals);
    whole.min_by_key(|r| (r.rank, r.strays)).or(found.first()).map(Reading::line)
}

fn readings<'p, 'a>(page: &'p Page<'a>, key: &Key) -> Vec<Reading<'p, 'a>> {
    hits(page, key).iter().filter_map(|hit| reading(page, key, hit)).collect()
}

/// Reads the amount of a label: in its own line, in the row right of it, or below it.
fn reading<'p, 'a>(page: &'p Page<'a>, key: &Key, hit: &Hit<'p, 'a>) -> Option<Reading<'p, 'a>> {
    let cell = hit.cell;
    let own: Vec<&Amount> = cell.amounts.iter().filter(|a| a.span.end > hit.end()).collect();
    let mut beside: Vec<&Word> = context(hit, own.first().copied());
    if own.is_empty() && hit.from == 0 {
        // `Sub | Total`: the label may begin in the cell before.
        let left = page.left_of(cell).filter(|l| l.amounts.is_empty() && cell.left - l.right < cell.height);
        beside.extend(left.into_iter().flat_map(|l| l.words.iter()));
    }
    let mut found: Vec<(&'p Cell<'a>, &'p Amount)> = own_until_label(hit).into_iter().map(|a| (cell, a)).collect();
    for other in page.right_of(cell) {
        let words = other.words.iter().filter(|w| !w.is_number());
        if !found.is_empty() && strays(words.clone()) > 0 {
            break;
        }
        beside.extend(words);
        found.extend(other.amounts.iter().map(|a| (other, a)));
    }
    if misleading(key, hit, &beside) {
        return None;
    }
    if found.is_empty() {
        found = below(page, cell);
    }
    let in_table = found.iter().filter(|(_, a)| a.decimals).count() > 1;
    let (at, amount) = *found.iter().rev().find(|(_, a)| a.decimals).or(found.last())?;
    let strays = strays(beside.into_iter());
    Some(Reading { cell: at, amount, rank: hit.rank, strays, in_table, row: cell.row })
}

/// The words of the label's cell between the amounts before and after it, without the label.
fn context<'p>(hit: &Hit<'p, '_>, next: Option<&Amount>) -> Vec<&'p Word> {
    let from = hit.cell.amounts.iter().filter(|a| a.span.end <= hit.start()).map(|a| a.span.end).max().unwrap_or(0);
    let to = next.map_or(usize::MAX, |a| a.span.start);
    let words = hit.cell.words.iter().enumerate();
    words.filter(|(n, w)| w.start >= from && w.end <= to && !(hit.from..hit.to).contains(n)).map(|(_, w)| w).collect()
}

/// The amounts after a label in its own cell, up to a word that starts another key.
fn own_until_label<'p>(hit: &Hit<'p, '_>) -> Vec<&'p Amount> {
    let mut out: Vec<&'p Amount> = Vec::new();
    for amount in hit.cell.amounts.iter().filter(|a| a.span.end > hit.end()) {
        if let Some(last) = out.last() {
            let between = |w: &&Word| w.start >= last.span.end && w.end <= amount.span.start;
            if strays(hit.cell.words.iter().filter(between)) > 0 {
                break;
            }
        }
        out.push(amount);
    }
    out
}

/// Whether the words beside a label make it another key's.
fn misleading(key: &Key, hit: &Hit<'_, '_>, beside: &[&Word]) -> bool {
    if beside.iter().any(|w| key.excludes(w)) {
        return true;
    }
    let label = hit.cell.words.get(hit.from..hit.to).unwrap_or_default();
    let inclusive = beside.iter().copied().chain(label).any(|w| keys().says_inclusive(&w.text));
    let tax = beside.iter().any(|w| matches!(w.text.as_str(), "gst" | "tax"));
    key.name == "total" && tax && !inclusive
}

/// The amounts of the row below a cell that stands alone in its own; none when that row says anything else.
fn below<'p, 'a>(page: &'p Page<'a>, cell: &Cell<'a>) -> Vec<(&'p Cell<'a>, &'p Amount)> {
    let alone =
        page.row(cell.row).all(|c| std::ptr::eq(c, cell) || (c.left > cell.left && strays(c.words.iter()) == 0));
    let next: Vec<&Cell<'a>> = page.next_row(cell).collect();
    if !alone || next.iter().any(|c| c.words.iter().any(|w| !w.is_number() && w.text != "rm")) {
        return Vec::new();
    }
    next.into_iter().flat_map(|c| c.amounts.iter().map(move |a| (c, a))).collect()
}

/// Less certain totals are not given.
const CERTAIN: f64 = 0.6;

/// The total: the amount with the best label, backed by the other amounts of the receipt.
fn total_of(page: &Page<'_>, key: &Key) -> Option<Line> {
    let evidence = Evidence::of(page);
    let found = readings(page, key);
    let scored = found.iter().map(|r| (score(page, r, &found, &evidence), r));
    let best =
        scored.filter(|(score, _)| *score >= CERTAIN).max_by(|a, b| a.0.total_cmp(&b.0).then(a.1.row.cmp(&b.1.row)));
    match best {
        Some((_, reading)) => Some(rounded(page, reading, &evidence).unwrap_or_else(|| reading.line())),
        None => evidence.paid(page),
    }
}

fn score(page: &Page<'_>, r: &Reading<'_, '_>, all: &[Reading<'_, '_>], evidence: &Evidence) -> f64 {
    let cents = r.amount.cents;
    let mut score = match r.rank {
        0 => 3.0,
        1 => 2.5,
        2 => 2.4,
        _ => 1.0,
    };
    score -= 0.5 * r.strays as f64;
    let mut less_when = |condition: bool, by: f64| score -= if condition { by } else { 0.0 };
    less_when(r.in_table, 2.0);
    less_when(!r.amount.decimals, 1.5);
    less_when(cents == 0, 1.0);
    less_when(in_summary(page, r.row), 2.0);
    less_when(evidence.settles(cents), -2.0);
    less_when(evidence.cash.contains(&cents), -0.6);
    less_when(all.iter().any(|o| o.amount.cents == cents && o.row != r.row), -0.5);
    let from = |o: &Reading<'_, '_>| evidence.rounding.iter().any(|by| *by != 0 && o.amount.cents + by == cents);
    less_when(all.iter().any(from), -1.5);
    score
}

/// Whether a row belongs to the table of taxes at the end of a receipt.
fn in_summary(page: &Page<'_>, row: usize) -> bool {
    let says = |n: usize, word: &str| page.row(n).any(|c| c.words.iter().any(|w| w.text == word));
    (row.saturating_sub(6)..row)
        .any(|n| (says(n, "summary") || says(n, "code") || says(n, "analysis")) && (says(n, "gst") || says(n, "tax")))
}

/// The amount after rounding, when `reading` is the one before it and that one is printed further down.
fn rounded(page: &Page<'_>, reading: &Reading<'_, '_>, evidence: &Evidence) -> Option<Line> {
    let small = evidence.rounding.iter().filter(|by| **by != 0 && by.abs() < 10);
    let wanted: Vec<i64> = small.flat_map(|by| [reading.amount.cents + by, reading.amount.cents - by]).collect();
    let later = page.cells.iter().filter(|cell| cell.row > reading.row);
    let mut amounts = later.flat_map(|cell| cell.amounts.iter().map(move |a| (cell, a)));
    amounts.find(|(_, a)| a.decimals && wanted.contains(&a.cents)).map(|(cell, a)| line_of(cell, a))
}

/// What other amounts say about the total.
#[derive(Debug, Default)]
struct Evidence {
    cash: Vec<i64>,
    change: Vec<i64>,
    rounding: Vec<i64>,
    /// The rows that these stand in.
    rows: Vec<usize>,
}

impl Evidence {
    fn of(page: &Page<'_>) -> Self {
        let read = |name: &str| keys().named(name).map(|key| readings(page, key)).unwrap_or_default();
        let cents = |found: &[Reading<'_, '_>]| found.iter().map(|r| r.amount.cents).collect();
        let (cash, change) = (read("cash"), read("change"));
        Self {
            cash: cents(&cash),
            change: cents(&change),
            rounding: cents(&read("rounding")),
            rows: cash.iter().chain(&change).map(|r| r.row).collect(),
        }
    }

    /// What was paid less what was given back, for every reading of the two.
    fn settled(&self) -> impl Iterator<Item = i64> {
        self.cash.iter().flat_map(|paid| self.change.iter().map(move |back| paid - back))
    }

    fn settles(&self, cents: i64) -> bool {
        self.settled().any(|c| c == cents)
    }

    /// Without a legible label: the amount that was paid less the change, where it is printed by itself.
    fn paid(&self, page: &Page<'_>) -> Option<Line> {
        let own = page.cells.iter().filter(|cell| !self.rows.contains(&cell.row));
        let mut amounts = own.flat_map(|cell| cell.amounts.iter().map(move |a| (cell, a)));
        amounts.rfind(|(_, a)| a.decimals && a.cents > 0 && self.settles(a.cents)).map(|(cell, a)| line_of(cell, a))
    }
}
