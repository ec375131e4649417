//! Behaviour suites, one program.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod detect;
mod experts;
mod ocr;
