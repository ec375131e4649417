//! Behaviour tests of the crate.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "tests fail by panicking"
)]

mod agent;
mod executor;
mod fakes;
mod image;
mod plan;
mod refiner;
