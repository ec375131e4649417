//! Fields of receipts, as the third task of SROIE has them.
//!
//! Huang et al., "ICDAR2019 Competition on Scanned Receipt OCR and Information Extraction": a field is
//! right when it is exactly the truth. Here equal means equal in value: dates and totals are read,
//! and of company and address the words count, without case and punctuation.

use serde::{Deserialize, Serialize};

use super::text::{one_if, plain, squeezed};
use super::{Counts, anls};
use crate::tool::find_text::{dates, find_amount, parse_date, parse_number};

/// A field of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Field {
    /// Who issued it.
    Company,
    /// Where they are.
    Address,
    /// When it was issued.
    Date,
    /// What was to be paid.
    Total,
}

/// How well a field was read.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FieldScore {
    /// 1 when the answer is the truth, else 0.
    pub exact: f64,
    /// Of company and address also the similarity ([`anls`]).
    pub anls: Option<f64>,
    /// Whether anything was answered.
    pub answered: bool,
}

impl FieldScore {
    /// The field as counts, for SROIE's precision (of what was answered), recall (of all fields) and F1.
    pub fn counts(&self) -> Counts {
        let right = self.exact > 0.0;
        Counts { hits: usize::from(right), wrong: usize::from(self.answered && !right), missed: usize::from(!right) }
    }
}

/// Scores the answer to the question for a field.
///
/// - `Total`: equal to the cent; currencies and thousands separators do not matter. The answer may be a
///   sentence with one amount in it.
/// - `Date`: the same day in whatever form, the day before the month where either could be; the answer may be
///   a sentence that names one day.
/// - `Company`, `Address`: the same letters and digits in the same words; case and punctuation do not matter.
///
/// A truth that is no amount or no date is compared as text.
///
/// ```
/// use lavr::eval::metric::field::{Field, score};
///
/// assert_eq!(score(Field::Total, "It is RM 1,009.00.", "1009.00").exact, 1.0);
/// assert_eq!(score(Field::Date, "2018-03-19", "19 MAR 2018").exact, 1.0);
/// ```
pub fn score(field: Field, answer: &str, truth: &str) -> FieldScore {
    let (same, with_anls) = match field {
        Field::Total => (same_by(amount, answer, truth, |a, b| (a - b).abs() < 0.005), false),
        Field::Date => (same_by(day, answer, truth, |a, b| a == b), false),
        Field::Company | Field::Address => (plain(answer) == plain(truth), true),
    };
    FieldScore {
        exact: one_if(same),
        anls: with_anls.then(|| anls::score(answer, &[truth])),
        answered: !answer.trim().is_empty(),
    }
}

/// Whether two texts read the same; a truth that cannot be read is compared as it stands.
fn same_by<T>(read: impl Fn(&str) -> Option<T>, answer: &str, truth: &str, same: impl Fn(&T, &T) -> bool) -> bool {
    match (read(answer), read(truth)) {
        (Some(a), Some(b)) => same(&a, &b),
        (None, Some(_)) => false,
        (_, None) => squeezed(answer) == squeezed(truth),
    }
}

fn amount(text: &str) -> Option<f64> {
    parse_number(text).or_else(|| find_amount(text)).or_else(|| {
        // One decimal, as in `RM 9.0`.
        let number = text.trim().trim_start_matches(|c: char| !c.is_ascii_digit() && c != '-').replace(',', "");
        number.trim_end_matches('.').parse().ok().filter(|n: &f64| n.is_finite())
    })
}

/// The day that a text is, or the only one it names.
fn day(text: &str) -> Option<(i32, u32, u32)> {
    parse_date(text).or_else(|| {
        let found = dates(text);
        let first = found.first()?.day;
        found.iter().all(|date| date.day == first).then_some(first)
    })
}
