//! Choices among demos: by relevance and novelty, or drawn.

use std::cmp::Reverse;

use sha2::{Digest, Sha256};

/// Maximal marginal relevance: how much being like the question counts against being unlike what is chosen.
const RELEVANCE: f64 = 0.5;

/// Picks at most `most` by maximal marginal relevance, the first one first: each is the one for which
/// 0.5 times its relevance less 0.5 times its similarity to the nearest one picked before is largest. Of equals
/// the first.
///
/// ```
/// // The second is nearly the first one again, so the third goes before it.
/// let alike = |a: usize, b: usize| if a.max(b) < 2 { 0.95 } else { 0.1 };
/// assert_eq!(lavr::demo::diverse(&[0.9, 0.89, 0.5], alike, 2), [0, 2]);
/// ```
pub fn diverse(relevance: &[f64], alike: impl Fn(usize, usize) -> f64, most: usize) -> Vec<usize> {
    let mut picked: Vec<usize> = Vec::new();
    // For each the similarity to the nearest one that is picked.
    let mut nearest = vec![0.0_f64; relevance.len()];
    while picked.len() < most.min(relevance.len()) {
        let scores = relevance.iter().zip(&nearest).enumerate().filter(|(n, _)| !picked.contains(n));
        let scores = scores.map(|(n, (of, near))| (n, RELEVANCE * of - (1.0 - RELEVANCE) * near));
        let Some((best, _)) = scores.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0))) else { break };
        for (n, near) in nearest.iter_mut().enumerate() {
            let like = alike(best, n);
            *near = if picked.is_empty() { like } else { near.max(like) };
        }
        picked.push(best);
    }
    picked
}

/// The numbers below `of` in an order drawn by a seed and the question: always the same for the same two, and
/// another one for another question.
pub fn drawn(seed: u64, question: &str, of: usize) -> Vec<usize> {
    let lot = |n: &usize| {
        let mut hash = Sha256::new();
        hash.update(seed.to_le_bytes());
        hash.update((*n as u64).to_le_bytes());
        hash.update(question);
        hash.finalize().to_vec()
    };
    let mut order: Vec<usize> = (0..of).collect();
    order.sort_by_cached_key(|n| Reverse(lot(n)));
    order
}
