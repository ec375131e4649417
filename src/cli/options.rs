//! Options that several commands share.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{ArgAction, Args};
use tracing_subscriber::EnvFilter;

use super::output;
use super::progress::Bars;
use crate::agent::Agent;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::image::Image;

/// Options of the commands that use an LLM.
#[derive(Args)]
pub(super) struct LlmOptions {
    /// The LLM: `local` (Qwen2.5-Coder 1.5B), `local:tiny` (SmolLM2 135M, for smoke tests), or `local:FILE.gguf`
    #[arg(long, value_name = "LLM", default_value = "local", env = "LAVR_LLM")]
    pub(super) llm: String,

    /// A folder of prompt files that override the built-in ones (same layout as `prompts/`)
    #[arg(long, value_name = "DIR")]
    pub(super) prompts: Option<PathBuf>,

    /// Most steps a plan may have
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub(super) max_steps: u64,

    /// Wall-clock limit in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300.0, value_parser = seconds)]
    pub(super) timeout: f64,

    /// Say more on stderr (-v steps, -vv also log lines of lavr, -vvv everything)
    #[arg(short, long, action = ArgAction::Count)]
    pub(super) verbose: u8,
}

fn seconds(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(n) if n > 0.0 && n <= 86_400.0 => Ok(n),
        _ => Err("give a number of seconds above 0, at most 86400".to_owned()),
    }
}

impl LlmOptions {
    /// The configuration these options describe.
    pub(super) fn config(&self) -> Config {
        let mut config = Config { llm: self.llm.clone(), prompts: self.prompts.clone(), ..Config::default() };
        config.budget.max_steps = self.max_steps;
        config.budget.timeout_ms = (self.timeout * 1000.0) as u64;
        config
    }

    /// The agent these options describe, its models being fetched and loaded in the background.
    pub(super) async fn agent(&self, config: &Config) -> Result<Agent> {
        config.agent(Arc::new(Bars::new())).await
    }

    /// Switches log lines on as `-v` asks.
    pub(super) fn start_log(&self) {
        start_log(self.verbose);
    }
}

/// Log lines on stderr: `-vv` those of lavr, `-vvv` all; `RUST_LOG` overrides.
pub(super) fn start_log(verbose: u8) {
    let default = match verbose {
        0 | 1 => "off",
        2 => "lavr=debug",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    // A host that set a subscriber before keeps its own.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}

/// Opens the images, naming the first that cannot be used.
pub(super) fn open_images(paths: &[PathBuf], config: &Config) -> Result<Vec<Image>> {
    paths.iter().map(|path| Image::open(path, &config.images)).collect()
}

/// Writes a file whose format follows from its name.
pub(super) fn save_image(image: &Image, path: &std::path::Path) -> Result<()> {
    image
        .pixels()
        .save(path)
        .map_err(|e| Error::invalid(format!("picture `{}` cannot be written: {e}", path.display())).with_source(e))
}

/// Whether steps are shown as they happen.
pub(super) fn show_steps(verbose: u8, json: bool) -> bool {
    verbose > 0 || (output::watched() && !json)
}
