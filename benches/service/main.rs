//! The service under load: how many requests a second it answers and how fast, whether its memory stays as it is, and
//! what becomes of requests for which there is no room.
//!
//!     cargo bench --bench service -- [PART[=SECONDS]]...
//!
//! The parts are `rate`, `overload`, `runs` and `memory`; without one it does all of them, in about 15 minutes. Requests
//! are made by `wrk` (<https://github.com/wg/wrk>), and by a client of this program's own where runs are followed to
//! their end or each status has times of its own. Service and clients are processes of their own on one machine, over
//! the loopback. The LLM is played back and the tools are operations and a stand-in for a detector, so that what is
//! measured is `lavr` and not a model. Prints one table in Markdown.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints")]

mod asked;
mod child;
mod memory;
mod overload;
mod rate;
mod table;
mod wrk;

use std::error::Error;

use table::Table;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The parts, and how many seconds they take: each row of `rate`, both halves of `overload`, and what is watched.
const PARTS: [(&str, u64); 4] = [("rate", 10), ("overload", 20), ("runs", 120), ("memory", 600)];

#[tokio::main]
async fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if child::is_one(&args) {
        return child::run(&args).await;
    }
    // Cargo passes `--bench`.
    let asked: Vec<&String> = args.iter().filter(|arg| *arg != "--bench").collect();
    let parts = asked.into_iter().map(|arg| part(arg)).collect::<Outcome<Vec<_>>>()?;
    let parts = if parts.is_empty() { PARTS.to_vec() } else { parts };
    if parts.iter().any(|(name, _)| ["rate", "memory"].contains(name)) {
        wrk::check().await?;
    }
    let mut table = Table::default();
    for (name, seconds) in parts {
        match name {
            "rate" => rate::measure(seconds, &mut table).await?,
            "overload" => overload::measure(seconds, &mut table).await?,
            "runs" => memory::of_runs(seconds, &mut table).await?,
            _ => memory::of_completions(seconds, &mut table).await?,
        }
    }
    println!("{}", table.to_markdown());
    Ok(())
}

/// A part by its name, and how long it takes: `memory`, or `memory=60`.
fn part(arg: &str) -> Outcome<(&'static str, u64)> {
    let (name, seconds) = arg.split_once('=').map_or((arg, None), |(name, seconds)| (name, Some(seconds)));
    let Some((name, usual)) = PARTS.into_iter().find(|(known, _)| *known == name) else {
        let names: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
        return Err(format!("there is no part `{name}`; there are {}", names.join(", ")).into());
    };
    match seconds.map_or(Ok(usual), str::parse)? {
        0 => Err(format!("`{arg}`: give a second or more").into()),
        seconds => Ok((name, seconds)),
    }
}
