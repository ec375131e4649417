//! Captions: CIDEr-D and BLEU-4 as coco-caption computes them.
//!
//! Vedantam et al., "CIDEr" (CVPR 2015), its variant D with sigma 6 and 1- to 4-grams; Papineni et al., "BLEU"
//! (ACL 2002), with the nearest reference length and the small constants of coco-caption.
//!
//! # Why the numbers differ a little from published ones
//! coco-caption runs the PTB tokenizer of Stanford CoreNLP, in Java. [`tokens`] is simpler: lower case,
//! punctuation removed. Possessives and contractions therefore stay one token.

use std::collections::BTreeMap;
use std::iter::Sum;
use std::ops::Add;

/// A caption and what people wrote about the same image.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The caption to score.
    pub caption: &'a str,
    /// The references, usually five.
    pub references: &'a [String],
}

/// The longest n-grams.
const N: usize = 4;

/// The words of a caption: lower case, runs of letters and digits with apostrophes and hyphens between them.
///
/// ```
/// assert_eq!(lavr::eval::metric::caption::tokens("A T-shirt, the man's."), ["a", "t-shirt", "the", "man's"]);
/// ```
pub fn tokens(caption: &str) -> Vec<String> {
    let text = caption.to_lowercase().replace('’', "'");
    let words = text.split(|c: char| !c.is_alphanumeric() && !matches!(c, '\'' | '-'));
    words.map(|word| word.trim_matches(['\'', '-']).to_owned()).filter(|word| !word.is_empty()).collect()
}

type Counted<'a, T> = BTreeMap<&'a [String], T>;

/// How often every 1- to 4-gram stands there.
fn grams(words: &[String]) -> Counted<'_, usize> {
    let mut counts = Counted::new();
    for gram in (1..=N).flat_map(|n| words.windows(n)) {
        *counts.entry(gram).or_default() += 1;
    }
    counts
}

/// What BLEU-4 is made of; sums up to the corpus.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bleu {
    /// N-grams that a reference has too, clipped to how often it has them; by n - 1.
    matched: [usize; N],
    /// N-grams of the caption, by n - 1.
    made: [usize; N],
    length: usize,
    reference_length: usize,
}

impl Bleu {
    /// Counts one caption's n-grams against its references.
    pub fn of(case: Case<'_>) -> Self {
        let words = tokens(case.caption);
        let references: Vec<Vec<String>> = case.references.iter().map(|r| tokens(r)).collect();
        let mut most: Counted<'_, usize> = Counted::new();
        for (gram, count) in references.iter().flat_map(|r| grams(r)) {
            let most = most.entry(gram).or_default();
            *most = count.max(*most);
        }
        let mut bleu = Self { length: words.len(), ..Self::default() };
        // Of lengths equally near the shorter counts.
        let lengths = references.iter().map(Vec::len);
        bleu.reference_length = lengths.min_by_key(|l| (l.abs_diff(words.len()), *l)).unwrap_or(0);
        bleu.made = std::array::from_fn(|n| words.len().saturating_sub(n));
        for (gram, count) in grams(&words) {
            if let Some(matched) = bleu.matched.get_mut(gram.len() - 1) {
                *matched += count.min(most.get(gram).copied().unwrap_or(0));
            }
        }
        bleu
    }

    /// BLEU-4, 0 to 1: the geometric mean of the four precisions, less when the captions are shorter than the
    /// references.
    pub fn score(&self) -> f64 {
        let (small, tiny) = (1e-9, 1e-15);
        let precision = |(matched, made): (&usize, &usize)| (*matched as f64 + tiny) / (*made as f64 + small);
        let product: f64 = self.matched.iter().zip(&self.made).map(precision).product();
        let ratio = (self.length as f64 + tiny) / (self.reference_length as f64 + small);
        let brevity = if ratio < 1.0 { (1.0 - 1.0 / ratio).exp() } else { 1.0 };
        (product.powf(1.0 / N as f64) * brevity).clamp(0.0, 1.0)
    }
}

impl Add for Bleu {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            matched: std::array::from_fn(|n| self.matched[n] + other.matched[n]),
            made: std::array::from_fn(|n| self.made[n] + other.made[n]),
            length: self.length + other.length,
            reference_length: self.reference_length + other.reference_length,
        }
    }
}

impl Sum for Bleu {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), Add::add)
    }
}

/// CIDEr-D of every caption, 0 to 10; published numbers are the mean times 100 (a CIDEr of 113 is 1.13 here).
///
/// The weight of an n-gram comes from how many of *these* cases mention it in their references, so scores
/// compare only over the same cases, and a single case scores 0. A case without references scores 0.
///
/// ```
/// use lavr::eval::metric::caption::{Case, cider_d};
///
/// let references = [["a cat sleeps on a mat".to_owned()], ["two dogs run over the grass".to_owned()]];
/// let cases = [
///     Case { caption: "A cat sleeps on a mat.", references: &references[0] },
///     Case { caption: "A plane.", references: &references[1] },
/// ];
/// let scores = cider_d(&cases);
/// assert!((scores[0] - 10.0).abs() < 1e-9 && scores[1] == 0.0);
/// ```
pub fn cider_d(cases: &[Case<'_>]) -> Vec<f64> {
    let captions: Vec<Vec<String>> = cases.iter().map(|c| tokens(c.caption)).collect();
    let references: Vec<Vec<Vec<String>>> =
        cases.iter().map(|c| c.references.iter().map(|r| tokens(r)).collect()).collect();
    let mut documents: Counted<'_, f64> = Counted::new();
    for case in &references {
        let mut mentioned: Counted<'_, ()> = Counted::new();
        mentioned.extend(case.iter().flat_map(|r| grams(r)).map(|(gram, _)| (gram, ())));
        for gram in mentioned.into_keys() {
            *documents.entry(gram).or_default() += 1.0;
        }
    }
    let weigh = |words| Weighed::new(words, &documents, cases.len());
    captions
        .iter()
        .zip(&references)
        .map(|(caption, references)| {
            let caption = weigh(caption);
            let sum: f64 = references.iter().map(|r| caption.similarity(&weigh(r))).sum();
            10.0 * sum / references.len().max(1) as f64
        })
        .collect()
}

/// A caption as the weights of its n-grams.
struct Weighed<'a> {
    weights: Counted<'a, f64>,
    /// The length of the vector of each n.
    norms: [f64; N],
    /// In pairs of words, as in coco-caption.
    length: f64,
}

impl<'a> Weighed<'a> {
    fn new(words: &'a [String], documents: &Counted<'_, f64>, cases: usize) -> Self {
        let total = (cases as f64).ln();
        let weight = |gram: &[String], count: usize| {
            let mentioned = documents.get(gram).copied().unwrap_or(0.0).max(1.0);
            count as f64 * (total - mentioned.ln())
        };
        let weights: Counted<'a, f64> = grams(words).into_iter().map(|(gram, n)| (gram, weight(gram, n))).collect();
        let norm = |n| weights.iter().filter(|(gram, _)| gram.len() == n + 1).map(|(_, w)| w * w).sum::<f64>().sqrt();
        Self { norms: std::array::from_fn(norm), weights, length: words.len().saturating_sub(1) as f64 }
    }

    /// The mean over n of the clipped cosine, less the further the lengths are apart; 0 to 1.
    fn similarity(&self, reference: &Self) -> f64 {
        const SIGMA: f64 = 6.0;
        let mut products = [0.0; N];
        for (gram, weight) in &self.weights {
            if let (Some(other), Some(product)) = (reference.weights.get(gram), products.get_mut(gram.len() - 1)) {
                *product += weight.min(*other) * other;
            }
        }
        let cosine = |n: usize| {
            let norms = self.norms[n] * reference.norms[n];
            if norms > 0.0 { products[n] / norms } else { 0.0 }
        };
        let apart = self.length - reference.length;
        let mean = (0..N).map(cosine).sum::<f64>() / N as f64;
        mean * (-(apart * apart) / (2.0 * SIGMA * SIGMA)).exp()
    }
}
