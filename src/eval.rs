//! Scores of answers and plans by published definitions, and how certain they are.
//!
//! [`metric`] and [`stat`] are pure functions of what was answered and what is true;
//! [`run`] runs [`case`]s into [`record`]s, [`results`] keeps them, and [`summary`] and [`compare`] sum them up.
//!
//! ```
//! use lavr::eval::metric::vqa;
//! use lavr::eval::stat::{Bootstrap, mean_interval};
//!
//! let truths = ["down", "down", "at table", "skateboard", "down", "table", "down", "down", "down", "down"];
//! let scores = [vqa::score("Down.", &truths), vqa::score("left", &truths)];
//! assert_eq!(scores, [1.0, 0.0]);
//! let interval = mean_interval(&scores, &Bootstrap::default()).expect("there are scores");
//! assert!(interval.low <= 0.5 && 0.5 <= interval.high);
//! ```

pub mod case;
pub mod cause;
pub mod compare;
pub mod gold;
pub mod judge;
pub mod metric;
pub mod oracle;
pub mod record;
pub mod results;
pub mod run;
pub mod stat;
pub mod summary;
