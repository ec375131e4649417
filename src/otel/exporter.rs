//! Sending spans to a collector, by OTLP over HTTP.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Bytes;
use axum::http::{HeaderMap, Request, Response};
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use reqwest::redirect::Policy;
use tokio::runtime::Handle;

use super::Spans;
use crate::config::Otlp;
use crate::error::{Error, Result};
use crate::store::http;

/// The path of a collector that takes spans.
const PATH: &str = "v1/traces";

/// How long the last spans may take when all ends.
const PATIENCE: Duration = Duration::from_secs(3);

/// Sends spans to a collector, many at a time, beside the runs: a collector that is slow or away holds nothing up, and
/// spans that find no room are dropped.
pub(crate) struct Exporter {
    provider: SdkTracerProvider,
    contents: bool,
}

impl Exporter {
    /// Begins to send. Nothing has been sent when this returns.
    ///
    /// # Errors
    /// `InvalidInput` when the address is none, or there is no Tokio runtime around this.
    pub(crate) fn new(otlp: &Otlp) -> Result<Self> {
        let faulty = |e| Error::invalid(format!("spans cannot be sent: {e}"));
        let mut exporter = SpanExporter::builder().with_http().with_http_client(Sender::new()?);
        exporter = exporter.with_protocol(protocol());
        if let Some(endpoint) = &otlp.endpoint {
            exporter = exporter.with_endpoint(format!("{}/{PATH}", endpoint.trim_end_matches('/')));
        }
        let exporter = exporter.build().map_err(|e| faulty(e.to_string()))?;
        let provider = SdkTracerProvider::builder().with_resource(resource()).with_batch_exporter(exporter).build();
        Ok(Self { provider, contents: otlp.contents })
    }

    /// Spans of a run, as a part of what its client said.
    pub(crate) fn spans(&self, traceparent: Option<&str>) -> Spans<SdkTracer> {
        let spans = Spans::new(self.provider.tracer_with_scope(super::scope()));
        spans.with_contents(self.contents).below(below(traceparent))
    }

    /// Sends what is left, and ends.
    pub(crate) async fn end(&self) {
        let provider = self.provider.clone();
        let ending = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(PATIENCE));
        if let Ok(Err(error)) = ending.await {
            tracing::warn!("the last spans are not sent: {error}");
        }
    }
}

impl Drop for Exporter {
    /// The provider waits for what is sent last, which goes by the runtime that may be waiting here.
    fn drop(&mut self) {
        let provider = self.provider.clone();
        drop(std::thread::Builder::new().spawn(move || drop(provider.shutdown_with_timeout(PATIENCE))));
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("contents", &self.contents).finish_non_exhaustive()
    }
}

/// The header by which a client says what its request is a part of (W3C Trace Context).
const TRACEPARENT: &str = "traceparent";

/// What a client says its request is a part of, where that is well formed.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<String> {
    let said = headers.get(TRACEPARENT)?.to_str().ok()?;
    below(Some(said)).span().span_context().is_valid().then(|| said.to_owned())
}

/// The context of what is a part of it.
pub(crate) fn below(traceparent: Option<&str>) -> Context {
    let carrier: HashMap<String, String> =
        traceparent.map(|said| (TRACEPARENT.to_owned(), said.to_owned())).into_iter().collect();
    TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier)
}

/// The form of what is sent, as the environment says: [`super::from_env`] refuses what is neither.
fn protocol() -> Protocol {
    let said = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"].into_iter().find_map(|name| {
        let said = std::env::var(name).ok()?;
        Some(said.trim().to_lowercase()).filter(|said| !said.is_empty())
    });
    if said.as_deref() == Some("http/json") { Protocol::HttpJson } else { Protocol::HttpBinary }
}

/// How long a collector may take, as the environment says.
fn timeout() -> Duration {
    let said = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"].into_iter().find_map(|name| {
        let ms: u64 = std::env::var(name).ok()?.trim().parse().ok()?;
        Some(Duration::from_millis(ms)).filter(|timeout| !timeout.is_zero())
    });
    said.unwrap_or(Duration::from_secs(10))
}

/// What the environment says of this service, and its name where it says none.
fn resource() -> Resource {
    let said = Resource::builder().build();
    let has_name = said
        .iter()
        .any(|(key, name)| key.as_str() == "service.name" && !name.to_string().starts_with("unknown_service"));
    // A service of another name has a version of its own.
    if has_name { said } else { super::named(Resource::builder()) }
}

/// Sends on the runtime of the service: whoever collects spans has a thread of its own, and no runtime.
#[derive(Debug)]
struct Sender {
    client: reqwest::Client,
    runtime: Handle,
    /// The last time it did not work, which was said.
    failing: AtomicBool,
}

impl Sender {
    fn new() -> Result<Self> {
        let runtime = Handle::try_current()
            .map_err(|_| Error::invalid("sending spans needs a Tokio runtime: make the routes within one"))?;
        let client = http::builder(&[]).redirect(Policy::none()).timeout(timeout()).build();
        let client = client.map_err(|e| Error::internal("cannot set up the HTTP client").with_source(e))?;
        Ok(Self { client, runtime, failing: AtomicBool::new(false) })
    }

    /// Says once that it does not work, and once that it does again.
    fn note(&self, host: &str, failure: Option<&str>) {
        let failed_before = self.failing.swap(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(why) if !failed_before => tracing::warn!("spans cannot be sent to {host}: {why}"),
            None if failed_before => tracing::warn!("spans are sent to {host} again"),
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> std::result::Result<Response<Bytes>, HttpError> {
        let host = request.uri().authority().map_or("", |to| to.as_str().rsplit('@').next().unwrap_or("")).to_owned();
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move { client.send_bytes(request).await }).await;
        let sent = sent.map_err(HttpError::from).and_then(|sent| sent);
        match &sent {
            Ok(response) if response.status().is_success() => self.note(&host, None),
            Ok(response) => self.note(&host, Some(response.status().as_str())),
            Err(error) => {
                let known = error.downcast_ref::<reqwest::Error>().map(http::describe);
                self.note(&host, Some(known.as_deref().unwrap_or("the request failed")));
            }
        }
        sent
    }
}
