//! Registers a vision tool of your own: a Rust type with typed arguments, and a description for the planner.
//!
//! Models: Qwen2.5-Coder 1.5B (Apache-2.0), fetched on the first run.
//!
//!     cargo run --release --example custom_tool -- tests/images/gallery.jpg "How bright is the picture?"
#![allow(clippy::print_stdout, reason = "an example shows its results")]

use std::sync::Arc;

use lavr::agent::Agent;
use lavr::config::Config;
use lavr::cx::Cx;
use lavr::error::Result;
use lavr::image::Image;
use lavr::store::{Progress, Silent};
use lavr::task::Task;
use lavr::tool::{ImageRef, Manifest, TypedTool};

struct Brightness;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct BrightnessArgs {
    /// the image to measure
    image: ImageRef,
}

#[async_trait::async_trait]
impl TypedTool for Brightness {
    const NAME: &'static str = "brightness";
    type Args = BrightnessArgs;
    type Output = f64;

    async fn call(&self, cx: &Cx, args: BrightnessArgs) -> Result<f64> {
        let image = args.image.load(cx)?;
        let sum: u64 = image.pixels().iter().map(|&v| u64::from(v)).sum();
        Ok((sum as f64 / image.pixels().len() as f64 / 2.55).round())
    }
}

const MANIFEST: &str = r#"
name = "brightness"
kind = "operation"
description = "Measures how bright an image is, in percent."
use_for = "how bright or dark the image is, in percent"
licence = "MIT OR Apache-2.0"
"#;

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let path = args.next().unwrap_or_else(|| "tests/images/gallery.jpg".to_owned());
    let question = args.next().unwrap_or_else(|| "How bright is the picture?".to_owned());

    let config = Config::default();
    let progress: Arc<dyn Progress> = Arc::new(Silent);
    let mut catalog = config.catalog(&progress)?;
    catalog.register(Brightness, &Manifest::parse(MANIFEST)?)?;
    let agent = Agent::builder().chat(config.chat(progress)?).catalog(catalog).build()?;

    let image = Image::open(path, &config.images)?;
    let report = agent.ask(&Task::new(question, vec![image])).await?;
    println!("{}", report.answer.text);
    Ok(())
}
