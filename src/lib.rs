//! `lavr`: LLM-aided visual reasoning. An LLM plans, small expert vision models see.

pub mod agent;
pub mod answer;
pub mod budget;
pub mod chat;
pub mod cli;
pub mod config;
pub mod cx;
pub mod error;
pub mod executor;
pub mod image;
pub mod message;
pub mod observation;
pub mod plan;
pub mod planner;
pub mod prompt;
pub mod refiner;
pub mod runner;
pub mod signature;
pub mod store;
pub mod task;
pub mod tool;
pub mod trace;
pub mod value;
