//! Registers a vision tool of your own: a Rust type with typed arguments, and a description for the planner.
//!
//! Models: Qwen2.5-Coder 1.5B (Apache-2.0), fetched on the first run.
//!
//!     cargo run --release --example custom_tool -- tests/images/gallery.jpg "How sharp is the picture?"
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

struct Sharpness;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct SharpnessArgs {
    /// the image to measure
    image: ImageRef,
}

#[async_trait::async_trait]
impl TypedTool for Sharpness {
    const NAME: &'static str = "sharpness";
    type Args = SharpnessArgs;
    type Output = f64;

    async fn call(&self, cx: &Cx, args: SharpnessArgs) -> Result<f64> {
        let grey = image::imageops::grayscale(args.image.load(cx)?.pixels());
        let steps = grey.pixels().zip(grey.pixels().skip(1)).map(|(a, b)| f64::from(a[0].abs_diff(b[0])));
        Ok((steps.sum::<f64>() / f64::from(grey.width() * grey.height()) * 10.0).round() / 10.0)
    }
}

const MANIFEST: &str = r#"
name = "sharpness"
kind = "operation"
description = "Measures how sharp an image is: the mean difference of neighbouring pixels."
use_for = "how sharp or blurred the image is, as a number"
licence = "MIT OR Apache-2.0"
"#;

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let path = args.next().unwrap_or_else(|| "tests/images/gallery.jpg".to_owned());
    let question = args.next().unwrap_or_else(|| "How sharp is the picture?".to_owned());

    let config = Config::default();
    let progress: Arc<dyn Progress> = Arc::new(Silent);
    let mut catalog = config.catalog(&progress)?;
    catalog.register(Sharpness, &Manifest::parse(MANIFEST)?)?;
    let agent = Agent::builder().chat(config.chat(progress)?).catalog(catalog).build()?;

    let image = Image::open(path, &config.images)?;
    let report = agent.ask(&Task::new(question, vec![image])).await?;
    println!("{}", report.answer.text);
    Ok(())
}
