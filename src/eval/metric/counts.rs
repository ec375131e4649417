//! Hits, wrong finds and misses, and the ratios made of them.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::Serialize;

/// How many of the wanted things were found, how many finds are none of them, how many were missed.
///
/// A ratio whose denominator is 0 is 0, as in scikit-learn. Summing counts before taking the ratio
/// gives the micro average.
///
/// ```
/// use lavr::eval::metric::Counts;
///
/// let cases = [Counts { hits: 3, wrong: 1, missed: 0 }, Counts { hits: 0, wrong: 0, missed: 2 }];
/// let sum: Counts = cases.into_iter().sum();
/// assert_eq!((sum.precision(), sum.recall(), sum.f1()), (0.75, 0.6, 2.0 / 3.0));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Found and wanted: true positives.
    pub hits: usize,
    /// Found but not wanted: false positives.
    pub wrong: usize,
    /// Wanted but not found: false negatives.
    pub missed: usize,
}

impl Counts {
    /// The share of the finds that are right, 0 to 1.
    pub fn precision(&self) -> f64 {
        ratio(self.hits, self.hits + self.wrong)
    }

    /// The share of the wanted that was found, 0 to 1.
    pub fn recall(&self) -> f64 {
        ratio(self.hits, self.hits + self.missed)
    }

    /// The harmonic mean of precision and recall, 0 to 1.
    pub fn f1(&self) -> f64 {
        ratio(2 * self.hits, 2 * self.hits + self.wrong + self.missed)
    }

    /// Whether nothing was wanted and nothing found, so that no ratio means anything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { hits: self.hits + other.hits, wrong: self.wrong + other.wrong, missed: self.missed + other.missed }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Add::add)
    }
}

/// A quotient; 0 when it has no denominator.
pub(super) fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
