//! Streamed completions: server-sent events, each a chunk of the OpenAI protocol.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::chat::{Head, finish_reason, usage};
use super::run::Run;
use super::told::Told;
use crate::agent::Report;

/// How often a silent stream shows that it lives.
const ALIVE: Duration = Duration::from_secs(10);

type Out = UnboundedSender<Sent>;

/// Answers with the events of a run, then its answer. A client that goes away stops the run.
pub(super) fn respond(run: Run, head: Head, with_usage: bool) -> Response {
    let (out, chunks) = unbounded_channel();
    tokio::spawn(async move {
        tokio::select! {
            () = out.closed() => {}
            () = produce(run, &head, with_usage, &out) => {}
        }
    });
    let chunks = stream::unfold(chunks, |mut chunks| async move {
        chunks.recv().await.map(|chunk| (Ok::<_, Infallible>(chunk), chunks))
    });
    let events = Sse::new(chunks).keep_alive(KeepAlive::new().interval(ALIVE));
    // Proxies would gather the pieces.
    ([("x-accel-buffering", "no")], events).into_response()
}

async fn produce(mut run: Run, head: &Head, with_usage: bool, out: &Out) {
    send(out, &head.chunk(&json!({ "role": "assistant", "content": "" }), None, None));
    let mut told = Told::default();
    while let Some(entry) = run.event().await {
        if let Some(event) = told.event(&entry) {
            send(out, &head.chunk(&json!({}), None, Some(event)));
        }
    }
    match run.end().await {
        Ok(report) => finish(&report, head, with_usage, out),
        Err(refusal) => send(out, &refusal.to_json()),
    }
    // A reader that is gone needs no end.
    let _ = out.send(Sent::default().data("[DONE]"));
}

fn finish(report: &Report, head: &Head, with_usage: bool, out: &Out) {
    let key = if head.refuses(report) { "refusal" } else { "content" };
    let told = Told::of(report);
    for piece in pieces(&told.text(&report.answer.text)) {
        send(out, &head.chunk(&json!({ key: piece }), None, None));
    }
    let whole = json!({ "report": told.report(report) });
    send(out, &head.chunk(&json!({}), Some(finish_reason(report)), Some(whole)));
    if with_usage {
        let mut last = head.chunk(&json!({}), None, None);
        if let Some(last) = last.as_object_mut() {
            last.insert("choices".to_owned(), json!([]));
            last.insert("usage".to_owned(), usage(&report.usage));
        }
        send(out, &last);
    }
}

/// The pieces in which an answer is sent: its lines, and the sentences of each.
fn pieces(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').flat_map(|line| line.split_inclusive(". ")).collect()
}

fn send(out: &Out, chunk: &Value) {
    // A reader that is gone stops the run elsewhere.
    let _ = out.send(Sent::default().data(chunk.to_string()));
}
