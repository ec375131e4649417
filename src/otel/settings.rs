//! What OpenTelemetry's own environment variables say.

use crate::config::Otlp;
use crate::error::{Error, Result};

/// Where spans go, from the environment variables that OpenTelemetry names, over what a configuration says:
///
/// - `OTEL_EXPORTER_OTLP_ENDPOINT` and `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` switch sending on, and say where to;
///   `OTEL_SDK_DISABLED=true` and `OTEL_TRACES_EXPORTER=none` switch it off.
/// - `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` says whether contents are told, too.
/// - `OTEL_EXPORTER_OTLP_HEADERS`, `_TIMEOUT` and `_PROTOCOL`, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`,
///   `OTEL_TRACES_SAMPLER`, `OTEL_BSP_MAX_QUEUE_SIZE`, `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` and `OTEL_BSP_SCHEDULE_DELAY`
///   are read when spans are sent.
///
/// # Errors
/// `InvalidInput` when a protocol or an exporter is asked for that is not spoken here.
pub fn from_env(configured: Option<Otlp>) -> Result<Option<Otlp>> {
    decided(configured, &|name| std::env::var(name).ok())
}

fn decided(configured: Option<Otlp>, variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Otlp>> {
    let value = |name: &str| variable(name).map(|value| value.trim().to_lowercase()).filter(|value| !value.is_empty());
    let exporter = value("OTEL_TRACES_EXPORTER");
    if value("OTEL_SDK_DISABLED").as_deref() == Some("true") || exporter.as_deref() == Some("none") {
        return Ok(None);
    }
    let endpoints = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
    let is_there = endpoints.into_iter().any(|name| value(name).is_some());
    let Some(mut otlp) = configured.or_else(|| is_there.then(Otlp::default)) else { return Ok(None) };
    if is_there {
        otlp.endpoint = None;
    }
    if let Some(other) = exporter.filter(|exporter| exporter != "otlp") {
        let message = format!("OTEL_TRACES_EXPORTER is `{other}`; spans are sent as `otlp`, or not at all with `none`");
        return Err(Error::invalid(message));
    }
    let protocols = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
    let protocol = protocols.into_iter().find_map(|name| Some((name, value(name)?)));
    if let Some((name, other)) = protocol.filter(|(_, value)| value != "http/protobuf" && value != "http/json") {
        let why = "spans are sent over HTTP; set `http/protobuf` (collectors take it at port 4318) or `http/json`";
        return Err(Error::invalid(format!("{name} is `{other}`, but {why}")));
    }
    let capture = value("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT");
    match capture.as_deref() {
        Some("true" | "span_only" | "span_and_event") => otlp.contents = true,
        Some("false" | "no_content" | "event_only") => otlp.contents = false,
        Some(other) => {
            let what = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";
            return Err(Error::invalid(format!("{what} is `{other}`; set `true`, `false` or `span_only`")));
        }
        None => {}
    }
    Ok(Some(otlp))
}
