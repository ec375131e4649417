//! Which demos resemble a question: cosine similarity of words and word pairs, weighted by rarity (tf-idf).
//!
//! # Why things lose their names
//! What decides a plan is the question's shape, not the thing it asks about:
//! "how many more cows than horses" is planned like "how many more cups than
//! forks". So words that a tool knows by name count as one word, and so do numbers.

use std::collections::{BTreeMap, HashMap};

use crate::tool::Mention;

/// The words and word pairs of a text, with how often each occurs.
#[derive(Debug, Clone, Default)]
pub(super) struct Shape(BTreeMap<String, f64>);

impl Shape {
    /// The shape of a question whose known things are `mentions`.
    pub(super) fn new(question: &str, mentions: &[Mention]) -> Self {
        let mut words: Vec<String> = vec!["^".to_owned()];
        let mut at = 0;
        for mention in mentions {
            words.extend(split(question.get(at..mention.range.start).unwrap_or_default()));
            words.push("<thing>".to_owned());
            at = mention.range.end;
        }
        words.extend(split(question.get(at..).unwrap_or_default()));
        let mut counts = BTreeMap::new();
        let pairs = words.iter().zip(words.iter().skip(1)).map(|(a, b)| format!("{a} {b}"));
        for term in words.iter().skip(1).cloned().chain(pairs) {
            *counts.entry(term).or_insert(0.0) += 1.0;
        }
        Self(counts)
    }
}

fn split(text: &str) -> Vec<String> {
    let lower = text.to_lowercase().replace("what's", "what is").replace("whats", "what is");
    // Both spellings ask alike.
    let lower = lower.replace("colour", "color").replace("grey", "gray");
    lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .map(|w| if w.chars().all(|c| c.is_ascii_digit()) { "<number>".to_owned() } else { w.to_owned() })
        .collect()
}

/// Shapes to look similar ones up in.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    weights: HashMap<String, f64>,
    shapes: Vec<Shape>,
}

impl Index {
    pub(super) fn new(shapes: Vec<Shape>) -> Self {
        let mut weights: HashMap<String, f64> = HashMap::new();
        for term in shapes.iter().flat_map(|shape| shape.0.keys()) {
            *weights.entry(term.clone()).or_insert(0.0) += 1.0;
        }
        let total = shapes.len() as f64;
        for weight in weights.values_mut() {
            *weight = (1.0 + total / *weight).ln();
        }
        Self { weights, shapes }
    }

    /// The similarities of all shapes to one, in their order, from 0 to 1.
    pub(super) fn similarities(&self, shape: &Shape) -> Vec<f64> {
        self.shapes.iter().map(|other| self.cosine(shape, other)).collect()
    }

    /// The similarity of two of the shapes, by number.
    pub(super) fn between(&self, a: usize, b: usize) -> f64 {
        self.shapes.get(a).zip(self.shapes.get(b)).map_or(0.0, |(a, b)| self.cosine(a, b))
    }

    fn weight(&self, term: &str) -> f64 {
        // A word that no demo has still makes a question less like any of them.
        self.weights.get(term).copied().unwrap_or(1.0)
    }

    fn cosine(&self, a: &Shape, b: &Shape) -> f64 {
        let norm = |shape: &Shape| shape.0.iter().map(|(t, n)| (n * self.weight(t)).powi(2)).sum::<f64>().sqrt();
        let dot: f64 = a.0.iter().filter_map(|(t, n)| Some(n * b.0.get(t)? * self.weight(t).powi(2))).sum();
        let length = norm(a) * norm(b);
        if length > 0.0 { dot / length } else { 0.0 }
    }
}
