//! A trace as OTLP.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use opentelemetry::Context;
use opentelemetry::trace::{SpanId, TraceId, TracerProvider as _};
use opentelemetry_proto::tonic::trace::v1::TracesData;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{IdGenerator, Sampler, SdkTracerProvider, Span, SpanData, SpanLimits, SpanProcessor};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::Spans;
use super::spans::Clock;
use crate::cx::EventSink as _;
use crate::error::{Error, Result};
use crate::trace::{Entry, Event, RawEntry};

/// A trace as OTLP in its JSON form, on one line: what a collector takes as a file, or at `/v1/traces`.
///
/// The ids of spans follow from the trace, so that the same trace has the same. Traces say when their run began; those
/// of earlier versions do not, and count as if they ended at `end`. How long a run rested before it was gone on with is
/// not known, and counts as nothing. Events that this version does not know are left out. With `contents`, prompts,
/// replies, arguments and results are in it; images never are.
///
/// # Errors
/// `InvalidInput` when no run began in the trace.
pub fn otlp(entries: &[RawEntry], end: SystemTime, contents: bool) -> Result<String> {
    let known = entries.iter().filter_map(|entry| serde_json::from_value::<Entry>(json!(entry)).ok());
    let known: Vec<Entry> = known.collect();
    let resource = super::named(Resource::builder_empty());
    let spans = spans(&known, began(&known, end)?, contents, Ids::of(entries), &resource);
    let mut resource = ResourceAttributesWithSchema::from(&resource);
    resource.attributes.0.sort_by(|a, b| a.key.cmp(&b.key));
    let data = TracesData { resource_spans: group_spans_by_resource_and_scope(spans, &resource) };
    let json = serde_json::to_string(&data).map_err(|e| Error::internal("spans have no JSON form").with_source(e))?;
    Ok(json + "\n")
}

/// Whatever the environment says of those that are sent.
const LIMITS: SpanLimits = SpanLimits {
    max_events_per_span: 100_000,
    max_attributes_per_span: 128,
    max_links_per_span: 1_000,
    max_attributes_per_event: 128,
    max_attributes_per_link: 128,
};

fn spans(entries: &[Entry], zero: SystemTime, contents: bool, ids: Ids, resource: &Resource) -> Vec<SpanData> {
    let kept = Kept::default();
    let provider = SdkTracerProvider::builder()
        .with_id_generator(ids)
        .with_sampler(Sampler::AlwaysOn)
        .with_span_limits(LIMITS)
        .with_span_processor(kept.clone())
        .with_resource(resource.clone())
        .build();
    let spans = Spans::new(provider.tracer_with_scope(super::scope())).with_contents(contents).begun(zero);
    entries.iter().for_each(|entry| spans.event(entry, &[]));
    spans.cut_off();
    let mut kept = kept.0.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *kept)
}

/// When the run's clock began.
fn began(entries: &[Entry], end: SystemTime) -> Result<SystemTime> {
    let started = entries.iter().find_map(|entry| match &entry.event {
        Event::Started { at, .. } => Some((entry.t_ms, at.as_deref())),
        _ => None,
    });
    let Some((t_ms, at)) = started else {
        return Err(Error::invalid("no run began in it; give a file that `lavr ask --trace` wrote"));
    };
    let at = at.and_then(|at| humantime::parse_rfc3339(at).ok());
    let (known, t_ms) = at.map_or_else(|| (end, length(entries)), |at| (at, t_ms));
    Ok(known.checked_sub(Duration::from_millis(t_ms)).unwrap_or(SystemTime::UNIX_EPOCH))
}

/// How long a run went on.
fn length(entries: &[Entry]) -> u64 {
    let mut clock = Clock::default();
    entries.iter().for_each(|entry| clock.shows(entry.t_ms));
    clock.now
}

/// Keeps what ends.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanProcessor for Kept {
    fn on_start(&self, _span: &mut Span, _cx: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Ids that follow from a trace.
#[derive(Debug)]
struct Ids {
    seed: Vec<u8>,
    count: AtomicU64,
}

impl Ids {
    fn of(entries: &[RawEntry]) -> Self {
        Self { seed: Sha256::digest(json!(entries).to_string()).to_vec(), count: AtomicU64::new(0) }
    }

    fn next<const N: usize>(&self) -> [u8; N] {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let digest = Sha256::new_with_prefix(&self.seed).chain_update(count.to_le_bytes()).finalize();
        digest.first_chunk().copied().unwrap_or([1; N])
    }
}

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        TraceId::from_bytes(self.next())
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from_bytes(self.next())
    }
}
