//! Asks one question about one image and prints the answer with its evidence.
//!
//! Models: Qwen2.5-Coder 1.5B (Apache-2.0), PP-OCRv6 (Apache-2.0), NanoDet (Apache-2.0); fetched on the first run.
//!
//!     cargo run --release --example ask -- tests/images/gallery.jpg "How many people are there?"
#![allow(clippy::print_stdout, reason = "an example shows its results")]

use std::sync::Arc;

use lavr::config::Config;
use lavr::image::Image;
use lavr::store::Silent;
use lavr::task::Task;

#[tokio::main]
async fn main() -> lavr::error::Result<()> {
    let mut args = std::env::args().skip(1);
    let path = args.next().unwrap_or_else(|| "tests/images/gallery.jpg".to_owned());
    let question = args.next().unwrap_or_else(|| "How many people are there?".to_owned());

    let config = Config::default();
    let agent = config.agent(Arc::new(Silent)).await?;
    let image = Image::open(path, &config.images)?;
    let report = agent.ask(&Task::new(question, vec![image])).await?;

    println!("{}", report.answer.text);
    for claim in &report.answer.claims {
        println!("  {:?} rests on {}", claim.text, claim.steps.join(", "));
    }
    for item in report.evidence(0) {
        println!("  {} at {:?}", item.name(), item.bounds());
    }
    Ok(())
}
