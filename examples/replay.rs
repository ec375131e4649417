//! Replays a recorded run: the LLM's replies come from a cassette, the tools see the image again.
//!
//! `lavr ask ... --record FOLDER` records one with any LLM. A request that differs from the recorded one fails and names
//! the first difference, so a replay is a test of prompts, tools and answers that needs no LLM.
//!
//! Models: PP-OCRv6 (Apache-2.0), NanoDet (Apache-2.0); fetched on the first run. No LLM.
//!
//!     cargo run --release --example replay -- tests/cassettes/people tests/images/gallery.jpg "How many people are there?"
#![allow(clippy::print_stdout, reason = "an example shows its results")]

use std::sync::Arc;

use lavr::config::Config;
use lavr::image::Image;
use lavr::store::Silent;

#[tokio::main]
async fn main() -> lavr::error::Result<()> {
    let mut args = std::env::args().skip(1);
    let cassette = args.next().unwrap_or_else(|| "tests/cassettes/people".to_owned());
    let path = args.next().unwrap_or_else(|| "tests/images/gallery.jpg".to_owned());
    let question = args.next().unwrap_or_else(|| "How many people are there?".to_owned());

    let config = Config { llm: format!("replay:{cassette}"), ..Config::default() };
    let agent = config.agent(Arc::new(Silent)).await?;
    let image = Image::open(path, &config.images)?;
    let report = agent.ask(&config.task(question, vec![image])).await?;

    println!("{}", report.answer.text);
    match report.error {
        Some(error) => println!("the run differs from the recorded one: {}", error.message),
        None => println!("{} LLM calls were replayed", report.usage.llm_calls),
    }
    lavr::runner::close(std::time::Duration::from_secs(5));
    Ok(())
}
