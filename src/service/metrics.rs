//! Metrics: what a service has done, and how it stands, in the text format of Prometheus.
//!
//! They are a service's own: several in one process do not mix. Events of runs feed them, and counting takes no lock.
//! Labels are bounded: tools are those of the catalog, and all others are `other`.

mod histogram;
mod memory;
mod text;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use self::histogram::Histogram;
use self::text::Text;
use super::Shared;
use super::refusal::Code;
use super::run::Outcome;
use crate::agent::Report;
use crate::cx::EventSink;
use crate::error::Result;
use crate::image::Image;
use crate::tool::Catalog;
use crate::trace::{Entry, Event};

/// A number that only grows.
#[derive(Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a service counts.
pub(crate) struct Metrics {
    runs: [Counter; Outcome::ALL.len()],
    run_time: Histogram,
    tools: HashMap<String, OfTool>,
    /// Tools that are not in the catalog: those that others are made of.
    other: OfTool,
    llm: OfLlm,
    /// Refusals by code. Codes are words of this program, so they are few.
    refusals: Mutex<BTreeMap<&'static str, u64>>,
}

#[derive(Default)]
struct OfTool {
    done: Counter,
    failed: Counter,
    repeated: Counter,
    time: Histogram,
}

#[derive(Default)]
struct OfLlm {
    replied: Counter,
    failed: Counter,
    reused: Counter,
    prompt_tokens: Counter,
    cached_tokens: Counter,
    completion_tokens: Counter,
    time: Histogram,
}

impl Metrics {
    /// Nothing has happened yet with these tools.
    pub(super) fn new(catalog: &Catalog) -> Self {
        let tools = catalog.iter().map(|tool| (tool.spec().name.clone(), OfTool::default())).collect();
        Self {
            runs: Default::default(),
            run_time: Histogram::default(),
            tools,
            other: OfTool::default(),
            llm: OfLlm::default(),
            refusals: Mutex::default(),
        }
    }

    /// A run begins, or goes on.
    pub(super) fn run(self: &Arc<Self>) -> RunCount {
        RunCount { metrics: Arc::clone(self), since: Instant::now(), outcome: Some(Outcome::Failed) }
    }

    /// A run ended, or never began.
    pub(super) fn run_ended(&self, outcome: Outcome) {
        if let Some(runs) = self.runs.get(outcome as usize) {
            runs.add(1);
        }
    }

    fn tool(&self, name: &str) -> &OfTool {
        self.tools.get(name).unwrap_or(&self.other)
    }

    /// A tool was called, outside of a run.
    pub(crate) fn called<T>(&self, tool: &str, outcome: &Result<T>, time: Duration) {
        let tool = self.tool(tool);
        if outcome.is_ok() { &tool.done } else { &tool.failed }.add(1);
        tool.time.add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    }

    /// A request was refused.
    pub(crate) fn refused(&self, code: &'static str) {
        *self.refusals.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() += 1;
    }
}

impl EventSink for Metrics {
    fn event(&self, entry: &Entry, _: &[&Image]) {
        match &entry.event {
            Event::LlmCall { error, reused, prompt_tokens, cached_tokens, completion_tokens, ms, .. } => {
                let llm = &self.llm;
                llm.prompt_tokens.add(*prompt_tokens);
                llm.cached_tokens.add(*cached_tokens);
                llm.completion_tokens.add(*completion_tokens);
                if *reused {
                    return llm.reused.add(1);
                }
                if error.is_none() { &llm.replied } else { &llm.failed }.add(1);
                llm.time.add(*ms);
            }
            Event::StepEnded { tool, error, same_as, ms, .. } => {
                let tool = self.tool(tool);
                if same_as.is_some() {
                    return tool.repeated.add(1);
                }
                if error.is_none() { &tool.done } else { &tool.failed }.add(1);
                tool.time.add(*ms);
            }
            _ => {}
        }
    }
}

/// A run that goes on. When it is dropped before it has ended, as in a panic, it has failed.
pub(super) struct RunCount {
    metrics: Arc<Metrics>,
    since: Instant,
    outcome: Option<Outcome>,
}

impl RunCount {
    /// The run has come to its end.
    pub(super) fn ended(mut self, report: &Result<Report>) {
        self.outcome = Some(report.as_ref().map_or(Outcome::Failed, Outcome::of));
    }

    /// The run has no end yet: it goes on when the service is started again.
    pub(super) fn leave_off(mut self) {
        self.outcome = None;
    }
}

impl Drop for RunCount {
    fn drop(&mut self) {
        if let Some(outcome) = self.outcome {
            self.metrics.run_ended(outcome);
            self.metrics.run_time.add(u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX));
        }
    }
}

/// Counts refusals, whoever made them.
pub(super) async fn count_refusals(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    if let Some(Code(code)) = response.extensions().get() {
        shared.metrics.refused(code);
    }
    response
}

/// `GET /metrics`
pub(super) async fn tell(State(shared): State<Shared>) -> Response {
    let mut text = Text::default();
    text.family("lavr_build_info", "gauge", "The version, as a label.");
    text.sample("", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    shared.metrics.tell_runs(&mut text);
    let (running, waiting) = shared.admission.inside();
    text.single("lavr_runs_running", "gauge", "Runs and calls that have a turn.", running);
    text.single("lavr_runs_waiting", "gauge", "Runs and calls that have a place, and wait for a turn.", waiting);
    let (kept, bytes) = shared.runs.kept();
    text.single("lavr_runs_kept", "gauge", "Runs that can be asked for under /v1/runs.", kept);
    text.single("lavr_runs_kept_bytes", "gauge", "What they take, about.", bytes);
    shared.metrics.tell_tools(&mut text);
    shared.metrics.tell_llm(&mut text);
    shared.metrics.tell_refusals(&mut text);
    if let Some(bytes) = memory::resident() {
        text.single("process_resident_memory_bytes", "gauge", "Memory of the process that is not swapped out.", bytes);
    }
    ([(header::CONTENT_TYPE, text::TYPE)], text.into_string()).into_response()
}

impl Metrics {
    fn tell_runs(&self, text: &mut Text) {
        text.family("lavr_runs_total", "counter", "Runs that are over, by what they came to.");
        for (outcome, runs) in Outcome::ALL.iter().zip(&self.runs) {
            text.sample("", &[("status", outcome.as_str())], runs.get());
        }
        text.family("lavr_run_duration_seconds", "histogram", "How long runs took, without waiting for a turn.");
        self.run_time.tell(text, &[]);
    }

    /// Tools that were never called have nothing to tell.
    fn tell_tools(&self, text: &mut Text) {
        let mut tools: Vec<(&str, &OfTool)> = self.tools.iter().map(|(name, tool)| (name.as_str(), tool)).collect();
        tools.push(("other", &self.other));
        tools.retain(|(_, tool)| [&tool.done, &tool.failed, &tool.repeated].iter().any(|count| count.get() > 0));
        tools.sort_unstable_by_key(|(name, _)| *name);
        text.family("lavr_steps_total", "counter", "Steps of runs, and calls of single tools over MCP.");
        for (name, tool) in &tools {
            for (outcome, count) in [("done", &tool.done), ("failed", &tool.failed), ("repeated", &tool.repeated)] {
                text.sample("", &[("tool", name), ("outcome", outcome)], count.get());
            }
        }
        text.family("lavr_step_duration_seconds", "histogram", "How long steps took that were no repetition.");
        for (name, tool) in &tools {
            tool.time.tell(text, &[("tool", name)]);
        }
    }

    fn tell_llm(&self, text: &mut Text) {
        let llm = &self.llm;
        text.family("lavr_llm_calls_total", "counter", "Calls of the LLM; reused are replies to earlier calls.");
        for (outcome, count) in [("replied", &llm.replied), ("failed", &llm.failed), ("reused", &llm.reused)] {
            text.sample("", &[("outcome", outcome)], count.get());
        }
        text.family("lavr_llm_tokens_total", "counter", "Tokens: computed of prompts, held by a cache, and written.");
        let kinds =
            [("prompt", &llm.prompt_tokens), ("cached", &llm.cached_tokens), ("completion", &llm.completion_tokens)];
        for (kind, count) in kinds {
            text.sample("", &[("kind", kind)], count.get());
        }
        text.family("lavr_llm_call_duration_seconds", "histogram", "How long calls of the LLM took.");
        llm.time.tell(text, &[]);
    }

    fn tell_refusals(&self, text: &mut Text) {
        text.family("lavr_refusals_total", "counter", "Requests that were answered with an error, by its code.");
        for (code, count) in self.refusals.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            text.sample("", &[("code", code)], count);
        }
    }
}
