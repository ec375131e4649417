//! Metrics, one module each: what a case scores, and how cases are summed up.
//!
//! | module | of a case | of many |
//! | --- | --- | --- |
//! | [`vqa`], [`exact`], [`anls`], [`choice`], [`number`] | `score`, 0 to 1 | the mean |
//! | [`field`] | `score`, exact and ANLS | the mean, or F1 of the summed [`Counts`] |
//! | [`yesno`] | `score`, 0 or 1 | [`yesno::Pope`] |
//! | [`detection`] | [`Counts`] | F1 of their sum; [`detection::average_precision`] of all scenes |
//! | [`ocr`] | characters and lines | the rate of the summed edits, F1 of the summed [`Counts`] |
//! | [`caption`] | BLEU-4, CIDEr-D | BLEU-4 of the corpus, mean CIDEr-D |
//! | [`plan`] | [`plan::PlanCounts`] | F1 of their sum |

pub mod anls;
pub mod caption;
pub mod choice;
mod counts;
pub mod detection;
pub mod exact;
pub mod field;
pub mod number;
pub mod ocr;
pub mod plan;
pub(super) mod text;
pub mod vqa;
pub mod yesno;

pub use counts::Counts;
