//! The service: questions about images over HTTP, for clients of the OpenAI protocol and of MCP ([`crate::mcp`]).
//!
//! [`router`] mounts into a host's own axum app; [`serve`] listens by itself, as `lavr serve` does. What it takes on is
//! bounded by a [`ServiceConfig`]: what finds no room is refused at once, and a client that goes away stops its run.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use lavr::config::Config;
//! use lavr::service::{self, ApiKeys};
//! use lavr::store::Silent;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::default();
//! let agent = config.agent(Arc::new(Silent)).await?;
//! let vision = service::router(agent, &config, ApiKeys::from_env(&config.service)?)?;
//! let app = axum::Router::new().nest("/vision", vision);
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! axum::serve(listener, app).await?;
//! # Ok(())
//! # }
//! ```

pub(crate) mod access;
pub(crate) mod admission;
pub(crate) mod body;
mod chat;
mod health;
pub(crate) mod images;
mod listen;
pub(crate) mod metrics;
mod models;
mod openapi;
mod playground;
pub(crate) mod refusal;
pub(crate) mod request;
mod routes;
pub(crate) mod run;
mod runs;
mod stream;
pub(crate) mod told;
mod unread;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use access::{ApiKeys, KEYS};

use self::admission::Admission;
use self::metrics::Metrics;
use self::models::Models;
use self::runs::Runs;
use crate::agent::Agent;
use crate::config::{Config, ServiceConfig};
use crate::error::{Error, Result};
use crate::fetch::Fetcher;
use crate::otel::Exporter;

/// What all requests share.
pub(crate) struct Parts {
    pub(crate) agent: Agent,
    models: Models,
    pub(crate) config: ServiceConfig,
    keys: ApiKeys,
    pub(crate) admission: Admission,
    pub(crate) metrics: Arc<Metrics>,
    /// Where runs go as spans, if anywhere.
    spans: Option<Exporter>,
    /// Fetches images at addresses, where that is allowed.
    fetcher: Option<Fetcher>,
    /// How many requests for runs may have their images decoded at a time.
    pub(crate) decoding: Arc<Semaphore>,
    runs: Runs,
    /// Where it listens, as far as that is known here.
    listens: Option<SocketAddr>,
    /// No more requests are taken.
    stopping: CancellationToken,
    /// Stops all runs.
    pub(crate) stop: CancellationToken,
}

impl Parts {
    /// Waits for runs that were stopped, but not for long, and sends what is left of their spans.
    pub(crate) async fn end_runs(&self) {
        self.runs.going.close();
        drop(tokio::time::timeout(GRACE, self.runs.going.wait()).await);
        self.end_spans().await;
    }

    async fn end_spans(&self) {
        if let Some(spans) = &self.spans {
            spans.end().await;
        }
    }

    /// The configuration of those who name no other.
    pub(crate) fn whole(&self) -> &Config {
        self.models.whole()
    }
}

pub(crate) type Shared = Arc<Parts>;

/// How long connections may stay open after their runs were stopped.
const GRACE: Duration = Duration::from_secs(5);

/// The routes of the service, for a host's own axum app.
///
/// # Errors
/// `InvalidInput` when the configuration is faulty, or there is no API key and it was not said that there shall be none
/// ([`ApiKeys::none`]): where the app listens is not known here.
pub fn router(agent: Agent, config: &Config, keys: ApiKeys) -> Result<Router> {
    let fetcher = fetcher(config)?;
    mounted(agent, config, keys, fetcher)
}

/// As [`router`], with a fetcher of the host's own in place of what the configuration says of image addresses: for a
/// network whose names are looked up otherwise.
///
/// # Errors
/// As [`router`].
pub fn router_with(agent: Agent, config: &Config, keys: ApiKeys, fetcher: Fetcher) -> Result<Router> {
    mounted(agent, config, keys, Some(fetcher))
}

fn mounted(agent: Agent, config: &Config, keys: ApiKeys, fetcher: Option<Fetcher>) -> Result<Router> {
    if keys.is_empty() && !keys.is_open() {
        let message = "routes without an API key are open to whoever reaches them; set LAVR_API_KEY, or say so with \
                       `ApiKeys::none()`";
        return Err(Error::invalid(message));
    }
    let shared = shared(agent, config, keys, fetcher, None)?;
    runs::go_on(&shared)?;
    routes::router(shared)
}

/// Listens and answers until `stop` is cancelled. Then no more requests are taken; those that run may end, and are
/// stopped after [`ServiceConfig::drain_ms`].
///
/// # Errors
/// `InvalidInput` when the configuration is faulty, or the listener is on more than the loopback without an API key;
/// `Io` when the listener has no address.
pub async fn serve(
    listener: TcpListener,
    agent: Agent,
    config: &Config,
    keys: ApiKeys,
    stop: CancellationToken,
) -> Result<()> {
    Ready::new(listener, agent, config, keys)?.serve(stop).await
}

/// A service that has all it needs, and does not answer yet.
pub(crate) struct Ready {
    listener: TcpListener,
    shared: Shared,
    app: Router,
}

impl Ready {
    /// # Errors
    /// As [`serve`].
    pub(crate) fn new(listener: TcpListener, agent: Agent, config: &Config, keys: ApiKeys) -> Result<Self> {
        let at = listener.local_addr()?;
        guarded(at, &keys)?;
        let shared = shared(agent, config, keys, fetcher(config)?, Some(at))?;
        let app = routes::router(Shared::clone(&shared))?;
        Ok(Self { listener, shared, app })
    }

    /// Goes on with what was left unfinished, listens and answers, see [`serve`].
    pub(crate) async fn serve(self, stop: CancellationToken) -> Result<()> {
        runs::go_on(&self.shared)?;
        let shared = Shared::clone(&self.shared);
        self.answer(&stop).await;
        shared.end_spans().await;
        Ok(())
    }

    async fn answer(self, stop: &CancellationToken) {
        let Self { listener, shared, app } = self;
        let drain = Duration::from_millis(shared.config.drain_ms);
        let (stopping, stop_runs) = (shared.stopping.clone(), shared.stop.clone());
        let listened = async {
            listen::listen(listener, app, &shared.config, stop).await;
            // Runs without a client that waits for them end too, or are stopped with the others.
            shared.runs.going.close();
            shared.runs.going.wait().await;
        };
        let overdue = async {
            stop.cancelled().await;
            stopping.cancel();
            tokio::time::sleep(drain).await;
            stop_runs.cancel();
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            () = listened => {}
            () = overdue => tracing::warn!("connections or runs were open when the service ended"),
        }
    }
}

/// Checks what can be checked without an agent: the limits, the models' settings, and that a service without a key
/// listens on the loopback alone.
///
/// # Errors
/// `InvalidInput` naming what is wrong.
pub fn check(config: &Config, keys: &ApiKeys) -> Result<()> {
    config.service.validate()?;
    Models::new(config)?;
    guarded(config.service.listen, keys)
}

/// Without a key only this machine may ask.
fn guarded(listen: SocketAddr, keys: &ApiKeys) -> Result<()> {
    if keys.is_empty() && !listen.ip().is_loopback() {
        let message = format!(
            "without an API key the service listens on the loopback alone, and not on {listen}; \
             set {KEYS}, or `api_keys_file`"
        );
        return Err(Error::invalid(message));
    }
    Ok(())
}

/// What fetches images for a configuration that says from where.
fn fetcher(config: &Config) -> Result<Option<Fetcher>> {
    let fetcher = config.service.image_urls.as_ref().map(Fetcher::new).transpose();
    fetcher.map_err(|e| e.context("service.image_urls"))
}

/// What requests share, wherever they come from.
///
/// # Errors
/// `InvalidInput` when the configuration is faulty.
pub(crate) fn shared(
    agent: Agent,
    config: &Config,
    keys: ApiKeys,
    fetcher: Option<Fetcher>,
    listens: Option<SocketAddr>,
) -> Result<Shared> {
    config.service.validate()?;
    Ok(Arc::new(Parts {
        metrics: Arc::new(Metrics::new(agent.catalog())),
        spans: config.service.otlp.as_ref().map(Exporter::new).transpose().map_err(|e| e.context("service.otlp"))?,
        agent,
        models: Models::new(config)?,
        admission: Admission::new(&config.service),
        config: config.service.clone(),
        keys,
        fetcher,
        decoding: Arc::new(Semaphore::new(config.service.max_runs.min(Semaphore::MAX_PERMITS))),
        runs: Runs::open(&config.service.runs)?,
        listens,
        stopping: CancellationToken::new(),
        stop: CancellationToken::new(),
    }))
}
