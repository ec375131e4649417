//! `lavr serve`

use std::net::SocketAddr;

use clap::Args;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::options::{ServerOptions, agent};
use super::{Exit, Stop, output, usage};
use crate::config::Config;
use crate::error::Error;
use crate::otel;
use crate::service::{self, ApiKeys, Ready};

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    lavr serve\n  \
    lavr serve --config lavr.toml --llm openai:gpt-4.1-mini\n  \
    LAVR_API_KEY=$(openssl rand -hex 24) lavr serve --listen 0.0.0.0:8321\n\n\
    Then, from any client of the OpenAI protocol: base_url=http://127.0.0.1:8321/v1, model=lavr.\n\
    Images come along as `data:` URLs; a table [service.image_urls] with `allowed_hosts` in the configuration\n\
    lets the service fetch them from those hosts, too.\n\
    OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 sends runs to an OpenTelemetry collector, as spans without contents.\n\
    docs/SERVICE.md says more.")]
pub(super) struct ServeArgs {
    /// The address and port to listen on [default: 127.0.0.1:8321]; beyond the loopback LAVR_API_KEY has to be set
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,

    #[command(flatten)]
    server: ServerOptions,
}

pub(super) async fn run(args: ServeArgs, cancel: CancellationToken) -> Result<Exit, Stop> {
    let mut config = args.server.config().map_err(usage)?;
    config.service.listen = args.listen.unwrap_or(config.service.listen);
    config.service.otlp = otel::from_env(config.service.otlp).map_err(usage)?;
    let keys = ApiKeys::from_env(&config.service).map_err(usage)?;
    service::check(&config, &keys).map_err(usage)?;
    let address = config.service.listen;
    let bound = TcpListener::bind(address).await;
    let listener = bound.map_err(|e| Error::from(e).context(format!("cannot listen on {address}")))?;
    let agent = agent(&config, &cancel).await?;
    let address = listener.local_addr().map_err(Error::from)?;
    let is_open = keys.is_empty();
    let ready = Ready::new(listener, agent, &config, keys)?;
    let who = if is_open { "without a key, for this machine alone" } else { "for those with an API key" };
    output::note(&format!("listening on http://{address} ({who}); Ctrl-C stops"));
    note_spans(&config);
    stop_on_terminate(cancel.clone())?;
    ready.serve(cancel).await?;
    output::note("stopped");
    Ok(Exit::Answered)
}

/// Says that runs are told to others.
pub(super) fn note_spans(config: &Config) {
    if let Some(otlp) = &config.service.otlp {
        let contents = if otlp.contents { "with all contents" } else { "without contents" };
        output::note(&format!("runs are sent to an OpenTelemetry collector, {contents}"));
    }
}

/// A service is mostly stopped by its supervisor.
#[cfg(unix)]
fn stop_on_terminate(cancel: CancellationToken) -> Result<(), Error> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        if terminate.recv().await.is_some() {
            cancel.cancel();
        }
    });
    Ok(())
}

#[cfg(not(unix))]
fn stop_on_terminate(_: CancellationToken) -> Result<(), Error> {
    Ok(())
}
