//! Yes or no, and the sums of POPE.
//!
//! Li et al., "Evaluating Object Hallucination in Large Vision-Language Models" (EMNLP 2023) and its
//! `evaluate.py`; "yes" is the positive class.

use serde::Serialize;

use super::Counts;
use super::counts::ratio;
use super::text::one_if;

/// Reads yes or no; nothing when an answer says neither or both.
///
/// A first word `yes` or `no` decides. Otherwise one of the two kinds must be there alone:
/// `yes`, or one of `no`, `not`, `none`, `nothing`, `never` and words in `n't`.
pub fn read(answer: &str) -> Option<bool> {
    let text = answer.to_lowercase().replace('’', "'");
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|word| !word.is_empty()).collect();
    match words.first() {
        Some(&"yes") => return Some(true),
        Some(&"no") => return Some(false),
        _ => {}
    }
    let denies = words
        .iter()
        .any(|w| matches!(*w, "no" | "not" | "none" | "nothing" | "never" | "cannot") || w.ends_with("n't"));
    match (words.contains(&"yes"), denies) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}

/// Reads an answer as POPE's script does: no when the first sentence has a word `No`, `no` or `not`, else yes.
pub fn read_as_pope(answer: &str) -> bool {
    let sentence = answer.split('.').next().unwrap_or_default().replace(',', "");
    !sentence.split(' ').any(|word| matches!(word, "No" | "no" | "not"))
}

/// 1 when the answer says what is true, else 0.
pub fn score(answer: &str, truth: bool) -> f64 {
    one_if(read(answer) == Some(truth))
}

/// The sums of POPE over many questions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Pope {
    /// Yes, and right.
    pub true_yes: usize,
    /// Yes, but the truth is no.
    pub false_yes: usize,
    /// No, and right.
    pub true_no: usize,
    /// No, but the truth is yes.
    pub false_no: usize,
    /// Neither yes nor no where the truth is yes.
    pub unread_yes: usize,
    /// Neither yes nor no where the truth is no.
    pub unread_no: usize,
}

impl Pope {
    /// Sums up pairs of what was answered and what is true.
    ///
    /// With [`read_as_pope`] every answer is one of the two, and the numbers are those of the script. An answer
    /// that is neither counts as wrong: against the accuracy, and where the truth is yes against the recall.
    pub fn of(pairs: impl IntoIterator<Item = (Option<bool>, bool)>) -> Self {
        let mut sums = Self::default();
        for pair in pairs {
            let slot = match pair {
                (Some(true), true) => &mut sums.true_yes,
                (Some(true), false) => &mut sums.false_yes,
                (Some(false), false) => &mut sums.true_no,
                (Some(false), true) => &mut sums.false_no,
                (None, true) => &mut sums.unread_yes,
                (None, false) => &mut sums.unread_no,
            };
            *slot += 1;
        }
        sums
    }

    /// How many questions there are.
    pub fn len(&self) -> usize {
        self.true_yes + self.false_yes + self.true_no + self.false_no + self.unread_yes + self.unread_no
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The counts of "yes", for precision, recall and F1.
    pub fn counts(&self) -> Counts {
        Counts { hits: self.true_yes, wrong: self.false_yes, missed: self.false_no + self.unread_yes }
    }

    /// The share of right answers, 0 to 1.
    pub fn accuracy(&self) -> f64 {
        ratio(self.true_yes + self.true_no, self.len())
    }

    /// The share of "yes" among the answers, 0 to 1.
    pub fn yes_ratio(&self) -> f64 {
        ratio(self.true_yes + self.false_yes, self.len())
    }
}
