//! ANLS, the average normalised Levenshtein similarity of ST-VQA and DocVQA.
//!
//! Biten et al., "Scene Text Visual Question Answering" (ICCV 2019), equation 1, with the threshold 0.5.

use super::text::{best, squeezed};

/// Distances from here on count as a different answer.
const THRESHOLD: f64 = 0.5;

/// The similarity to the nearest truth, 0 to 1; 0 where half of the characters or more differ.
///
/// Case and the amount of white space do not matter. The distance is Levenshtein's over characters,
/// divided by the longer text's length; two empty texts are equal. At a distance of exactly one half the
/// paper gives 0 (and so does this), the competition's own script 0.5.
///
/// ```
/// assert_eq!(lavr::eval::metric::anls::score("ABC HO TRADNG", &["abc ho trading"]), 1.0 - 1.0 / 14.0);
/// ```
pub fn score<S: AsRef<str>>(answer: &str, truths: &[S]) -> f64 {
    let answer = squeezed(answer);
    best(truths, |truth| similarity(&answer, &squeezed(truth)))
}

fn similarity(a: &str, b: &str) -> f64 {
    let longer = a.chars().count().max(b.chars().count());
    if longer == 0 {
        return 1.0;
    }
    let distance = strsim::levenshtein(a, b) as f64 / longer as f64;
    if distance < THRESHOLD { 1.0 - distance } else { 0.0 }
}
