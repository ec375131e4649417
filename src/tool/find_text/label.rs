//! Labels on a page: where a key is printed.

use super::keys::{Key, keys};
use super::page::{Cell, Page};
use super::words::Word;

/// A label that was found in a cell.
#[derive(Debug, Clone)]
pub(super) struct Hit<'p, 'a> {
    pub(super) cell: &'p Cell<'a>,
    /// 0 is the best.
    pub(super) rank: usize,
    /// The label's words in the cell.
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Hit<'_, '_> {
    /// Where the label ends in the cell's text, in bytes.
    pub(super) fn end(&self) -> usize {
        self.to.checked_sub(1).and_then(|last| self.cell.words.get(last)).map_or(0, |w| w.end)
    }

    /// Where it begins.
    pub(super) fn start(&self) -> usize {
        self.cell.words.get(self.from).map_or(0, |w| w.start)
    }

    /// Words of the cell around the label, up to `reach` of them on either side, no further than a number.
    pub(super) fn around(&self, reach: usize) -> impl Iterator<Item = &Word> {
        let words = &self.cell.words;
        let before = words.get(..self.from).unwrap_or_default().iter().rev();
        let after = words.get(self.to..).unwrap_or_default().iter();
        let letters = |w: &&Word| !w.is_number();
        before.take(reach).take_while(letters).chain(after.take(reach).take_while(letters))
    }
}

/// The best label of a key in every cell that has one.
pub(super) fn hits<'p, 'a>(page: &'p Page<'a>, key: &Key) -> Vec<Hit<'p, 'a>> {
    page.cells.iter().flat_map(|cell| labels_in(cell, key)).collect()
}

/// The labels of a key in a cell: the better and longer ones first, without those that overlap.
fn labels_in<'p, 'a>(cell: &'p Cell<'a>, key: &Key) -> Vec<Hit<'p, 'a>> {
    let mut found: Vec<Hit<'p, 'a>> = Vec::new();
    for (rank, label) in key.labels() {
        for from in places(&cell.words, &label) {
            let to = from + label.len();
            if found.iter().all(|hit| to <= hit.from || hit.to <= from) {
                found.push(Hit { cell, rank, from, to });
            }
        }
    }
    found
}

/// Where a label's words stand one after the other.
pub(super) fn places(words: &[Word], label: &[&str]) -> Vec<usize> {
    if label.is_empty() {
        return Vec::new();
    }
    let same = |window: &[Word]| window.iter().zip(label).all(|(word, label)| word.text == *label);
    words.windows(label.len()).enumerate().filter(|(_, window)| same(window)).map(|(at, _)| at).collect()
}

/// How many of the words are strange beside the label of an amount.
pub(super) fn strays<'w>(words: impl Iterator<Item = &'w Word>) -> usize {
    words.filter(|w| !w.is_number() && w.text.chars().count() > 1 && !keys().may_stand_beside(&w.text)).count()
}
