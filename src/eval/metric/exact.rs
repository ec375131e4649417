//! Exact match.

use super::text::{best, one_if, squeezed};

/// 1 when the answer is one of the truths, else 0.
///
/// Case, white space around the text and runs of white space in it do not matter; punctuation does.
///
/// ```
/// assert_eq!(lavr::eval::metric::exact::score(" Twelve\n o'clock", &["noon", "twelve o'clock"]), 1.0);
/// ```
pub fn score<S: AsRef<str>>(answer: &str, truths: &[S]) -> f64 {
    let answer = squeezed(answer);
    best(truths, |truth| one_if(squeezed(truth) == answer))
}
