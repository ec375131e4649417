//! What a service tells of itself: counts of its own runs, steps, LLM calls and refusals.

use std::collections::BTreeMap;

use lavr::config::{Config, ServiceConfig};
use serde_json::json;

use super::{Running, client, config, data_url, dogs, question};
use crate::agent::tools;
use crate::fakes::Script;

/// The samples of a service, by name and labels.
async fn samples(service: &Running) -> BTreeMap<String, f64> {
    let response = service.get("/metrics").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = response.text().await.unwrap();
    let (mut samples, mut family) = (BTreeMap::new(), String::new());
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let (kind, rest) = comment.split_once(' ').unwrap();
            if kind == "HELP" {
                family = rest.split_once(' ').unwrap().0.to_owned();
            }
            assert!(kind == "TYPE" || kind == "HELP", "{line}");
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with(&family), "{line} stands under {family}");
        assert!(samples.insert(name.to_owned(), value.parse().unwrap()).is_none(), "{line} is there twice");
    }
    samples
}

#[tokio::test]
async fn a_service_counts_what_it_did_and_no_other_does() {
    let service = Running::scripted(dogs()).await;
    let other = Running::scripted(dogs()).await;
    let (status, reply) = service.ask(&question("How many dogs are there?")).await;
    assert_eq!(status, 200, "{reply}");
    assert_eq!(service.ask(&json!({ "messages": [] })).await.0, 400);
    assert_eq!(service.get("/v1/nothing").send().await.unwrap().status(), 404);
    let elsewhere = service.get("/v1/models").header("host", "elsewhere.example");
    assert_eq!(elsewhere.send().await.unwrap().status(), 421);
    let told = samples(&service).await;
    for (name, value) in [
        (r#"lavr_runs_total{status="answered"}"#, 1.0),
        (r#"lavr_runs_total{status="failed"}"#, 0.0),
        ("lavr_run_duration_seconds_count", 1.0),
        (r#"lavr_run_duration_seconds_bucket{le="+Inf"}"#, 1.0),
        (r#"lavr_steps_total{tool="detect_objects",outcome="done"}"#, 1.0),
        (r#"lavr_steps_total{tool="count",outcome="done"}"#, 1.0),
        (r#"lavr_steps_total{tool="count",outcome="failed"}"#, 0.0),
        (r#"lavr_step_duration_seconds_count{tool="count"}"#, 1.0),
        (r#"lavr_llm_calls_total{outcome="replied"}"#, 2.0),
        (r#"lavr_llm_calls_total{outcome="reused"}"#, 0.0),
        (r#"lavr_llm_tokens_total{kind="prompt"}"#, 20.0),
        (r#"lavr_llm_tokens_total{kind="cached"}"#, 200.0),
        (r#"lavr_llm_tokens_total{kind="completion"}"#, 10.0),
        ("lavr_llm_call_duration_seconds_count", 2.0),
        (r#"lavr_refusals_total{code="invalid_request"}"#, 1.0),
        (r#"lavr_refusals_total{code="unknown_route"}"#, 1.0),
        (r#"lavr_refusals_total{code="unknown_host"}"#, 1.0),
        ("lavr_runs_running", 0.0),
        ("lavr_runs_waiting", 0.0),
        ("lavr_runs_kept", 0.0),
    ] {
        assert_eq!(told.get(name), Some(&value), "{name} in {told:#?}");
    }
    let version = format!(r#"lavr_build_info{{version="{}"}}"#, env!("CARGO_PKG_VERSION"));
    assert_eq!(told.get(&version), Some(&1.0));
    assert_eq!(told.contains_key("process_resident_memory_bytes"), cfg!(target_os = "linux"));
    assert!(!told.keys().any(|name| name.contains("tool=\"crop\"")), "it was never called");
    let buckets: Vec<f64> = ["0.005", "0.025", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "60", "300", "+Inf"]
        .map(|le| told[&format!(r#"lavr_step_duration_seconds_bucket{{tool="count",le="{le}"}}"#)])
        .to_vec();
    assert!(buckets.is_sorted() && buckets.last() == Some(&1.0), "{buckets:?}");
    let none = samples(&other).await;
    assert_eq!(none[r#"lavr_runs_total{status="answered"}"#], 0.0);
    assert!(!none.keys().any(|name| name.contains("refusals_total") || name.contains("steps_total")), "{none:#?}");
}

#[tokio::test]
async fn failures_repetitions_and_calls_of_tools_are_told_apart() {
    let step = |id: &str, tool: &str| json!({ "id": id, "tool": tool, "args": { "image": "$image" } });
    let plan = json!({ "steps": [step("a", "fail")], "result": "$a" });
    let service = Running::scripted([plan.clone(), plan]).await;
    service.ask(&question("Does it fail?")).await;
    for (id, name) in [(1, "fail"), (2, "crop"), (3, "nothing")] {
        let params = json!({ "name": name, "arguments": { "image": data_url() } });
        let call = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
        let request = client().post(service.url("/mcp")).json(&call);
        let request = request.header("accept", "application/json, text/event-stream");
        let answer = request.header("mcp-protocol-version", "2025-06-18").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.text().await.unwrap();
    }
    let told = samples(&service).await;
    let failed = told[r#"lavr_steps_total{tool="fail",outcome="failed"}"#];
    let repeated = told[r#"lavr_steps_total{tool="fail",outcome="repeated"}"#];
    assert!(failed >= 2.0, "a step of the run, and the call: {told:#?}");
    assert_eq!(told[r#"lavr_step_duration_seconds_count{tool="fail"}"#], failed, "repeated: {repeated}");
    assert_eq!(told[r#"lavr_steps_total{tool="crop",outcome="done"}"#], 1.0);
    assert_eq!(told[r#"lavr_refusals_total{code="tool"}"#], 1.0);
    assert_eq!(told[r#"lavr_refusals_total{code="invalid_request"}"#], 1.0);
    assert!(!told.keys().any(|name| name.contains("nothing")), "{told:#?}");
}

#[tokio::test]
async fn runs_are_told_while_they_wait_and_run_and_once_they_are_over() {
    let never = json!({
        "steps": [{ "id": "a", "tool": "never", "args": { "image": "$image" } }], "result": "$a",
    });
    let one = Config { service: ServiceConfig { max_runs: 1, ..ServiceConfig::default() }, ..config() };
    let service = Running::start(Script::new([never]), tools(), one, "").await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let asked = json!({ "question": "How many dogs are there?", "images": [data_url()] });
        let run = client().post(service.url("/v1/runs")).json(&asked).send().await.unwrap();
        let run: serde_json::Value = run.json().await.unwrap();
        ids.push(run["id"].as_str().unwrap().to_owned());
    }
    let told = loop {
        let told = samples(&service).await;
        if told["lavr_runs_running"] == 1.0 {
            break told;
        }
    };
    assert_eq!((told["lavr_runs_waiting"], told["lavr_runs_kept"]), (1.0, 2.0));
    assert!(told["lavr_runs_kept_bytes"] > 0.0, "{told:#?}");
    for id in ids.iter().rev() {
        client().post(service.url(&format!("/v1/runs/{id}/cancel"))).send().await.unwrap();
        service.get(&format!("/v1/runs/{id}/events")).send().await.unwrap().text().await.unwrap();
    }
    let told = samples(&service).await;
    assert_eq!(told[r#"lavr_runs_total{status="cancelled"}"#], 2.0);
    assert_eq!(told["lavr_run_duration_seconds_count"], 1.0, "the other one never ran");
    assert_eq!((told["lavr_runs_running"], told["lavr_runs_waiting"]), (0.0, 0.0));
}
