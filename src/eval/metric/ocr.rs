//! Reading: the character error rate and the F1 of whole lines.
//!
//! The rate is that of speech and text recognition, edits by length of the truth (as in jiwer). Lines
//! are matched as a multiset, so their order does not matter.

use std::collections::HashMap;
use std::iter::Sum;
use std::ops::Add;

use serde::Serialize;

use super::Counts;
use super::text::squeezed;

/// The edits that turn a truth into what was read, and the truth's length, both in characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Edits {
    /// Insertions, deletions and substitutions.
    pub edits: usize,
    /// Characters of the truth.
    pub length: usize,
}

impl Edits {
    /// The character error rate: 0 is perfect, more than 1 is possible. An empty truth has the rate 0 when
    /// nothing was read and 1 otherwise.
    pub fn rate(&self) -> f64 {
        match (self.edits, self.length) {
            (0, _) => 0.0,
            (_, 0) => 1.0,
            (edits, length) => edits as f64 / length as f64,
        }
    }

    /// The share that is right, 0 to 1.
    pub fn score(&self) -> f64 {
        (1.0 - self.rate()).max(0.0)
    }
}

impl Add for Edits {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { edits: self.edits + other.edits, length: self.length + other.length }
    }
}

impl Sum for Edits {
    fn sum<I: Iterator<Item = Self>>(edits: I) -> Self {
        edits.fold(Self::default(), Add::add)
    }
}

/// Compares texts character by character; only white space around them does not matter.
///
/// The time grows with the product of the lengths. The rate of a corpus is that of the sum.
///
/// ```
/// let edits = lavr::eval::metric::ocr::edits("TOTAI 9.0O", "TOTAL 9.00");
/// assert_eq!((edits.edits, edits.rate()), (2, 0.2));
/// ```
pub fn edits(read: &str, truth: &str) -> Edits {
    let (read, truth) = (read.trim(), truth.trim());
    Edits { edits: strsim::levenshtein(read, truth), length: truth.chars().count() }
}

/// Compares the lines of two texts, in any order, each as often as it stands there.
///
/// Case and the amount of white space do not matter; empty lines do not count.
pub fn lines(read: &str, truth: &str) -> Counts {
    let mut open: HashMap<String, usize> = HashMap::new();
    for line in normal_lines(truth) {
        *open.entry(line).or_default() += 1;
    }
    let mut counts = Counts::default();
    for line in normal_lines(read) {
        match open.get_mut(&line) {
            Some(left) if *left > 0 => {
                *left -= 1;
                counts.hits += 1;
            }
            _ => counts.wrong += 1,
        }
    }
    counts.missed = open.values().sum();
    counts
}

fn normal_lines(text: &str) -> impl Iterator<Item = String> + '_ {
    text.lines().map(squeezed).filter(|line| !line.is_empty())
}
