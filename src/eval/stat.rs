//! How certain a score is: percentiles, and bootstrap intervals of means, differences and anything else.
//!
//! Efron, "Bootstrap Methods: Another Look at the Jackknife" (1979): the cases are drawn with replacement as often
//! as there are cases; the percentiles of what the draws give bound the interval. With few cases (say under
//! 20) such intervals are too narrow.

use serde::{Deserialize, Serialize};

/// How a bootstrap draws.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bootstrap {
    /// How many times the cases are drawn anew.
    pub resamples: usize,
    /// The share of the draws that lie inside, 0 to 1.
    pub level: f64,
    /// The same seed gives the same interval.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 2000, level: 0.95, seed: 0 }
    }
}

/// An estimate and the interval around it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// What the cases give as they are.
    pub estimate: f64,
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

/// The mean; nothing without values.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The value below which `percent` (0 to 100) of the values lie, linear between neighbours, as in NumPy.
///
/// Nothing without values. Values that are no numbers are left out.
///
/// ```
/// assert_eq!(lavr::eval::stat::percentile(&[4.0, 1.0, 2.0, 3.0], 50.0), Some(2.5));
/// ```
pub fn percentile(values: &[f64], percent: f64) -> Option<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    of_sorted(&sorted, percent)
}

fn of_sorted(sorted: &[f64], percent: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = (percent / 100.0).clamp(0.0, 1.0) * last as f64;
    let below = *sorted.get(place.floor() as usize)?;
    let above = *sorted.get(place.ceil() as usize)?;
    // Equal neighbours may be infinite.
    Some(if below == above { below } else { below + (above - below) * place.fract() })
}

/// The interval of a mean; nothing without values.
pub fn mean_interval(values: &[f64], options: &Bootstrap) -> Option<Interval> {
    interval(values.len(), options, |drawn| {
        drawn.iter().filter_map(|n| values.get(*n)).sum::<f64>() / drawn.len() as f64
    })
}

/// The interval of the mean difference, first minus second, of pairs of scores of the same cases.
///
/// Two systems differ when 0 lies outside. Drawing cases rather than scores keeps what makes a case hard for both
/// out of the interval.
pub fn paired_difference(pairs: &[(f64, f64)], options: &Bootstrap) -> Option<Interval> {
    let differences: Vec<f64> = pairs.iter().map(|(first, second)| first - second).collect();
    mean_interval(&differences, options)
}

/// The interval of whatever `estimate` makes of cases, given by their numbers from 0, a case possibly several
/// times: F1 of summed counts, mAP, corpus BLEU.
///
/// Nothing without cases. Draws for which the estimate is no number are left out.
///
/// ```
/// use lavr::eval::metric::Counts;
/// use lavr::eval::stat::{Bootstrap, interval};
///
/// let cases = [Counts { hits: 3, wrong: 1, missed: 0 }, Counts { hits: 1, wrong: 0, missed: 2 }];
/// let f1 = interval(cases.len(), &Bootstrap::default(), |drawn| {
///     drawn.iter().map(|n| cases[*n]).sum::<Counts>().f1()
/// });
/// assert_eq!(f1.expect("there are cases").estimate, 8.0 / 11.0);
/// ```
pub fn interval(cases: usize, options: &Bootstrap, estimate: impl Fn(&[usize]) -> f64) -> Option<Interval> {
    if cases == 0 {
        return None;
    }
    let all: Vec<usize> = (0..cases).collect();
    let whole = estimate(&all);
    let mut random = Random::new(options.seed);
    let mut drawn = all;
    let draw = |_| {
        drawn.fill_with(|| random.below(cases));
        estimate(&drawn)
    };
    let estimates: Vec<f64> = (0..options.resamples).map(draw).collect();
    let tail = 100.0 * (1.0 - options.level.clamp(0.0, 1.0)) / 2.0;
    let bound = |percent| percentile(&estimates, percent).unwrap_or(whole);
    Some(Interval { estimate: whole, low: bound(tail), high: bound(100.0 - tail) })
}

/// Vigna's xorshift64*, "An experimental exploration of Marsaglia's xorshift generators, scrambled" (2016).
#[derive(Debug)]
struct Random(u64);

impl Random {
    /// Any seed will do; the state must not be 0.
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0x2545_F491_4F6C_DD1D).max(1))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number from 0 to below `n`; the bias is below n / 2^64.
    fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }
}
