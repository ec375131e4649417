//! `lavr`: LLM-aided visual reasoning. An LLM that never sees a pixel plans, small expert vision
//! models see, and every statement of the answer points at the steps that support it.
//!
//! A run goes one way: a [`task::Task`] is planned by a [`planner::Planner`], the checked
//! [`plan::Plan`] is run by the [`executor::Executor`] on the [`tool::Catalog`]'s tools, and a
//! [`refiner::Refiner`] turns the [`observation::Observation`]s into an [`answer::Answer`].
//! [`agent::Agent`] holds it together; [`config::Config`] builds one with everything that ships.
//! [`eval`] scores what comes out of it, and [`view`] shows a recorded run as a page.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use lavr::config::Config;
//! use lavr::image::Image;
//! use lavr::store::Silent;
//! use lavr::task::Task;
//!
//! # async fn example() -> lavr::error::Result<()> {
//! let config = Config::default();
//! let agent = config.agent(Arc::new(Silent)).await?;
//! let image = Image::open("photo.jpg", &config.images)?;
//! let report = agent.ask(&Task::new("How many people are there?", vec![image])).await?;
//! println!("{}", report.answer.text);
//! # Ok(())
//! # }
//! ```

pub mod agent;
pub mod answer;
pub mod budget;
pub mod chain;
pub mod chat;
pub mod cli;
pub mod config;
pub mod cx;
pub mod demo;
pub mod embedder;
pub mod error;
pub mod eval;
pub mod executor;
pub mod fetch;
mod files;
pub mod image;
mod keep;
pub mod mcp;
pub mod message;
pub mod observation;
pub mod otel;
pub mod plan;
pub mod planner;
pub mod pointed;
pub mod prompt;
pub mod reason;
pub mod refiner;
pub mod replay;
pub mod run_store;
pub mod runner;
pub mod service;
pub mod signature;
pub mod store;
pub mod style;
pub mod task;
pub mod tool;
pub mod trace;
pub mod value;
pub mod view;
mod words;
