//! The behaviour suites, in one binary: models are loaded once and LLM tests take turns.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking, and has no public API"
)]

mod added;
mod agent;
mod answers;
mod bad_input;
mod boxes;
mod cached;
mod cassettes;
mod chain;
mod cli;
mod declared;
mod demos;
mod describing;
mod detect;
mod embedder;
mod evaluation;
mod evidence;
mod executor;
mod experts;
mod fakes;
mod fetch;
mod followup;
mod guess;
mod hops;
mod image;
mod injections;
mod layout;
mod local_llm;
mod mcp;
mod metrics;
mod ocr;
mod openai;
mod operations;
mod otel;
mod plan;
mod planner;
mod pointed;
mod real;
mod reasoning;
mod refiner;
mod replay;
mod resizing;
mod rounds;
mod runner;
mod service;
mod short;
mod store;
mod style;
mod view;
mod words;
