//! The service under load: how many requests a second it answers and how fast, whether its memory stays as it is, and
//! what becomes of requests for which there is no room.
//!
//!     cargo bench --bench service -- [rate] [memory] [runs] [overload] [--short]
//!
//! Without a part it does all of them, in about 15 minutes; `--short` takes one, to see that it works. The requests are
//! made by `wrk` (<https://github.com/wg/wrk>), and by a client of this program's own where runs are followed to their
//! end or each status has times of its own. Service and clients are processes of their own on one machine, over the
//! loopback. The LLM is played back and the tools are operations and a stand-in for a detector, so that what is measured
//! is `lavr` and not a model. Prints one table in Markdown.
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

/// How long the parts take, in seconds.
pub(crate) struct Spans {
    /// Each row of requests a second.
    rate: u64,
    /// Chat completions whose memory is watched.
    memory: u64,
    /// Runs whose memory is watched.
    runs: u64,
    /// Each part of the overload.
    overload: u64,
}

const FULL: Spans = Spans { rate: 10, memory: 600, runs: 60, overload: 20 };
const SHORT: Spans = Spans { rate: 2, memory: 20, runs: 10, overload: 4 };
const PARTS: [&str; 4] = ["rate", "memory", "runs", "overload"];

#[tokio::main]
async fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if child::is_one(&args) {
        return child::run(&args).await;
    }
    // Cargo passes `--bench`.
    let (flags, parts): (Vec<&str>, Vec<&str>) = args.iter().map(String::as_str).partition(|arg| arg.starts_with('-'));
    if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(part)) {
        return Err(format!("there is no part `{unknown}`; there are {}", PARTS.join(", ")).into());
    }
    let spans = if flags.contains(&"--short") { SHORT } else { FULL };
    let wanted = |part| parts.is_empty() || parts.contains(&part);
    if wanted("rate") || wanted("memory") {
        wrk::check().await?;
    }
    let mut table = Table::default();
    if wanted("rate") {
        rate::measure(&spans, &mut table).await?;
    }
    if wanted("overload") {
        overload::measure(&spans, &mut table).await?;
    }
    if wanted("runs") {
        memory::of_runs(&spans, &mut table).await?;
    }
    if wanted("memory") {
        memory::of_completions(&spans, &mut table).await?;
    }
    println!("{}", table.to_markdown());
    Ok(())
}
