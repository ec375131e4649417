//! Comparing two runs over the same cases.

use std::collections::BTreeMap;

use serde::Serialize;

use super::record::Record;
use super::stat::{Bootstrap, Interval, paired_difference};
use crate::error::{Error, Result};

/// Two runs over the same cases.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Cases that both have.
    pub cases: usize,
    /// Cases that only one of them has.
    pub unpaired: usize,
    /// The mean score of the first, of the cases that both have.
    pub first: f64,
    /// The mean score of the second.
    pub second: f64,
    /// The mean of second minus first, with its interval.
    pub difference: Interval,
    /// The cases that were wrong and are right, or the other way round.
    pub flipped: Vec<Flip>,
}

/// A case that the two runs judge differently.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Flip {
    /// The line of the case, from 1.
    pub line: usize,
    /// What was asked.
    pub question: String,
    /// Scores: first, second.
    pub scores: [f64; 2],
    /// Answers: first, second.
    pub answers: [serde_json::Value; 2],
    /// What is true.
    pub truth: serde_json::Value,
}

/// The records by what makes a case the same: its line, image, question and truth.
fn by_case(records: &[Record]) -> BTreeMap<(usize, String, String, String), &Record> {
    let case = |r: &Record| (r.line, r.question.clone(), r.image.to_string(), r.truth.to_string());
    records.iter().map(|record| (case(record), record)).collect()
}

/// Compares two runs, case by case.
///
/// The scores are those of single cases; of plans and boxes, means of cases are not what a summary begins with.
///
/// # Errors
/// `InvalidInput` when they have no case in common, or were scored by different metrics.
pub fn compare(first: &[Record], second: &[Record]) -> Result<Comparison> {
    let (first, second) = (by_case(first), by_case(second));
    let pairs: Vec<(&Record, &Record)> = first.iter().filter_map(|(case, a)| Some((*a, *second.get(case)?))).collect();
    if let Some((a, b)) = pairs.iter().find(|(a, b)| a.metric != b.metric) {
        return Err(Error::invalid(format!("one file is scored by `{}`, the other by `{}`", a.metric, b.metric)));
    }
    let scores: Vec<(f64, f64)> = pairs.iter().map(|(a, b)| (b.score, a.score)).collect();
    let difference = paired_difference(&scores, &Bootstrap::default())
        .ok_or_else(|| Error::invalid("the two files have no case in common"))?;
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| scores.iter().map(of).sum::<f64>() / scores.len() as f64;
    let flipped = pairs.iter().filter(|(a, b)| a.is_wrong() != b.is_wrong()).map(|(a, b)| Flip {
        line: a.line,
        question: a.question.clone(),
        scores: [a.score, b.score],
        answers: [a.answer.clone(), b.answer.clone()],
        truth: a.truth.clone(),
    });
    Ok(Comparison {
        cases: pairs.len(),
        unpaired: first.len() + second.len() - 2 * pairs.len(),
        first: mean(&|(_, a)| *a),
        second: mean(&|(b, _)| *b),
        difference,
        flipped: flipped.collect(),
    })
}
