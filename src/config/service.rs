//! Settings of the service, and the configurations that its clients can choose from.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Config;
use crate::chain::Chain;
use crate::error::{Error, Result};
use crate::fetch::ImageUrls;
use crate::image::ImageLimits;
use crate::style::Style;
use crate::task::Mode;

/// How `lavr serve` listens, and what it takes on: the table `[service]` of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceConfig {
    /// The address and port.
    pub listen: SocketAddr,
    /// A file of API keys, one a line; `#` begins a comment. They are added to those of the environment variable
    /// `LAVR_API_KEY` (comma-separated).
    pub api_keys_file: Option<PathBuf>,
    /// Names by which clients may call the service besides the address itself, e.g. `vision.example.com`. On a loopback
    /// address other names are refused, so that no web page can reach the service by a name of its own (DNS rebinding).
    pub allowed_hosts: Vec<String>,
    /// Origins of web pages that may call the service, e.g. `https://app.example.com`: for a proxy that serves both,
    /// and hides the name that was called. There are no CORS headers, so browsers let no page of another origin read
    /// an answer.
    pub allowed_origins: Vec<String>,
    /// Most connections at a time; others wait until one is closed.
    pub max_connections: usize,
    /// How long the headers of a request may take to arrive, and how long a connection may idle, in milliseconds.
    pub header_timeout_ms: u64,
    /// How long a client may take nothing of its answer before its connection is closed, in milliseconds.
    pub write_timeout_ms: u64,
    /// Most runs at a time.
    pub max_runs: usize,
    /// Most runs that wait for their turn; a request beyond it is refused at once (429).
    pub max_queue: usize,
    /// Most runs of one API key, running and waiting; without keys there is no such limit.
    pub max_runs_per_key: usize,
    /// Largest body of a request, in bytes. Images in it take four thirds of their size.
    pub max_body_bytes: usize,
    /// How long a request's body may take to arrive, in milliseconds.
    pub body_timeout_ms: u64,
    /// Most images of a request.
    pub max_images: usize,
    /// Limits on each of them.
    pub images: ImageLimits,
    /// Most pixels of all images of a request.
    pub max_total_pixels: u64,
    /// Where images may be fetched from whose addresses stand in a request; nowhere by default. Each of them has the
    /// limits of [`images`](Self::images), and those of a request together `max_body_bytes`.
    pub image_urls: Option<ImageUrls>,
    /// Where runs are kept, and how many.
    pub runs: RunsConfig,
    /// Where runs go as spans of OpenTelemetry; nowhere by default.
    pub otlp: Option<Otlp>,
    /// How long runs may go on after the service was told to stop, in milliseconds.
    pub drain_ms: u64,
}

/// A collector that takes spans by OTLP over HTTP: the table `[service.otlp]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Otlp {
    /// Its address, without the path, e.g. `http://127.0.0.1:4318`. By default what the environment variable
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` says, and without it this machine. Keys for it go into `OTEL_EXPORTER_OTLP_HEADERS`.
    pub endpoint: Option<String>,
    /// Whether questions, prompts, replies, arguments, results and messages of failures are sent, too.
    pub contents: bool,
}

impl Otlp {
    fn validate(&self) -> Result<()> {
        let Some(endpoint) = &self.endpoint else { return Ok(()) };
        let url = reqwest::Url::parse(endpoint).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        match url {
            Some(url) if !url.username().is_empty() || url.password().is_some() => {
                Err(Error::invalid("`endpoint` has credentials; put them into OTEL_EXPORTER_OTLP_HEADERS"))
            }
            Some(url) if url.query().is_some() || url.fragment().is_some() => {
                Err(Error::invalid(format!("`endpoint` is `{endpoint}`; give it without `?` and `#`")))
            }
            Some(_) => Ok(()),
            None => Err(Error::invalid(format!("`endpoint` is `{endpoint}`; give e.g. `http://127.0.0.1:4318`"))),
        }
    }
}

/// Where runs of `/v1/runs` are kept, and how many: the table `[service.runs]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunsConfig {
    /// A folder, so that runs outlive the process; one service uses it at a time. Without one they are in memory.
    pub folder: Option<PathBuf>,
    /// Most runs that are kept; beyond it the oldest that are over are forgotten.
    pub max_kept: usize,
    /// Most bytes of their images together.
    pub max_kept_bytes: u64,
}

impl Default for RunsConfig {
    fn default() -> Self {
        Self { folder: None, max_kept: 200, max_kept_bytes: 512 << 20 }
    }
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8321),
            api_keys_file: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            max_connections: 512,
            header_timeout_ms: 30_000,
            write_timeout_ms: 30_000,
            max_runs: 2,
            max_queue: 16,
            max_runs_per_key: 8,
            max_body_bytes: 32 << 20,
            body_timeout_ms: 30_000,
            max_images: 8,
            images: ImageLimits { max_bytes: 20 << 20, max_pixels: 24_000_000, max_alloc: 256 << 20 },
            max_total_pixels: 48_000_000,
            image_urls: None,
            runs: RunsConfig::default(),
            otlp: None,
            drain_ms: 20_000,
        }
    }
}

impl ServiceConfig {
    /// Checks that the limits leave room for a request.
    ///
    /// # Errors
    /// `InvalidInput` naming the setting.
    pub fn validate(&self) -> Result<()> {
        for (name, is_zero) in [
            ("max_connections", self.max_connections == 0),
            ("header_timeout_ms", self.header_timeout_ms == 0),
            ("write_timeout_ms", self.write_timeout_ms == 0),
            ("max_runs", self.max_runs == 0),
            ("max_runs_per_key", self.max_runs_per_key == 0),
            ("max_body_bytes", self.max_body_bytes == 0),
            ("body_timeout_ms", self.body_timeout_ms == 0),
            ("max_images", self.max_images == 0),
        ] {
            if is_zero {
                return Err(Error::invalid(format!("service: `{name}` is 0, so nothing could be asked; give more")));
            }
        }
        if let Some(host) = self.allowed_hosts.iter().find(|host| host.contains([':', '/', ' '])) {
            let message = format!("service: `allowed_hosts` has names without scheme and port, and not `{host}`");
            return Err(Error::invalid(message));
        }
        self.otlp.as_ref().map_or(Ok(()), Otlp::validate).map_err(|e| e.context("service.otlp"))?;
        self.image_urls.as_ref().map_or(Ok(()), ImageUrls::validate).map_err(|e| e.context("service.image_urls"))
    }
}

/// A configuration that clients choose by its name: what is set here takes the place of the same field of [`Config`].
/// It stands in a table `[models.NAME]` of a configuration file. LLM, tools and prompts are those of the whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Variant {
    /// Who decides what a run does, and when.
    pub mode: Option<Mode>,
    /// Whether a question that the evidence does not answer gets a guess.
    pub guess: Option<bool>,
    /// How a run reasons.
    pub chain: Option<Chain>,
    /// How answers are worded.
    pub style: Option<Style>,
}

impl Variant {
    /// The configuration with these settings in place of its own.
    pub fn over(&self, config: &Config) -> Config {
        let mut config = config.clone();
        config.mode = self.mode.unwrap_or(config.mode);
        config.guess = self.guess.unwrap_or(config.guess);
        config.chain = self.chain.clone().unwrap_or(config.chain);
        config.style = self.style.clone().unwrap_or(config.style);
        config
    }
}
