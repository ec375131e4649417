//! OpenTelemetry: runs as spans, sent to a collector as they end, or written from a trace.
//!
//! Spans are named by the semantic conventions for generative AI ([`conventions`]): `invoke_agent` is a run, `chat` a
//! call of the LLM, `execute_tool` a step. Questions, prompts, replies, arguments and results are left out unless they
//! are asked for, and images always.
//!
//! [`Spans`] makes them with any tracer: a program that has a provider of its own watches a run with it.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use lavr::agent::{Agent, Watch};
//! use lavr::otel::Spans;
//! use lavr::task::Task;
//! use opentelemetry::trace::TracerProvider;
//! use opentelemetry_sdk::trace::SdkTracerProvider;
//!
//! # async fn example(provider: SdkTracerProvider, agent: Agent, task: Task) -> lavr::error::Result<()> {
//! let spans = Spans::new(provider.tracer("my-app"));
//! let report = agent.ask_watched(&task, Watch { sinks: vec![Arc::new(spans)], ..Watch::default() }).await?;
//! # Ok(())
//! # }
//! ```

pub mod conventions;
mod exporter;
mod file;
mod settings;
mod spans;

use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::ResourceBuilder;

pub(crate) use exporter::{Exporter, traceparent};
pub use file::otlp;
pub use settings::from_env;
pub use spans::Spans;

/// Who says these spans.
fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("lavr")
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url(conventions::SCHEMA_URL)
        .build()
}

/// What they are of.
fn named(resource: ResourceBuilder) -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    resource.with_service_name("lavr").with_attribute(version).build()
}
