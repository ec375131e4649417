//! Scores of answers and plans by published definitions, and how certain they are.
//!
//! Everything here is a pure function of what was answered and what is true: nothing reads a file,
//! asks a model or prints. [`metric`] holds one module per score, [`stat`] the intervals around them.
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

pub mod metric;
pub mod stat;
