//! Runs as spans of OpenTelemetry: written from a trace, and sent to a collector.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lavr::chat::{Capabilities, ChatModel, ChatReply, ChatRequest};
use lavr::config::{Config, Otlp, ServiceConfig};
use lavr::cx::Cx;
use lavr::otel::{conventions, otlp};
use lavr::trace::{Entry, RawEntry};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span, TracesData};
use prost::Message as _;
use serde_json::{Value as Json, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::agent::tools;
use crate::experts::repository;
use crate::fakes::Script;
use crate::service::{Running, config, dogs, question};

const WHEN: &str = "2026-05-04T03:02:01.500Z";

/// A run with two parallel steps, of which one fails and one leads on, and a step that is cut off.
fn entries() -> Vec<RawEntry> {
    let plan = json!({
        "steps": [
            { "id": "dogs", "tool": "detect_objects", "args": { "image": "$image", "label": "dog" } },
            { "id": "text", "tool": "read_text", "args": { "image": "$image" } },
            { "id": "n", "tool": "count", "args": { "items": "$dogs" } },
        ],
        "result": "$n",
    });
    let call = |t_ms: u64, purpose: &str, reply: &str| {
        json!({
            "t_ms": t_ms, "event": "llm_call", "purpose": purpose, "reply": reply, "schema": {},
            "prompt": [{ "role": "system", "content": "Be secret." }, { "role": "user", "content": "How many dogs?" }],
            "prompt_tokens": 10, "cached_tokens": 100, "completion_tokens": 5, "ms": 40,
        })
    };
    let answer = json!({ "text": "There are 2 dogs.", "short": "2", "status": "answered", "claims": [] });
    let usage = json!({
        "llm_calls": 2, "prompt_tokens": 20, "cached_tokens": 200, "completion_tokens": 10, "steps": 3, "rounds": 1,
    });
    let lines = json!([
        {
            "t_ms": 0, "event": "started", "lavr": "0.1.0", "question": "How many dogs?", "images": [{ "blob": "sha256:ab" }],
            "model": "http://llm.example:8080/v1#tiny", "task": { "mode": "auto" }, "at": WHEN,
        },
        call(50, "plan", "the plan"),
        { "t_ms": 51, "event": "planned", "plan": plan, "repairs": 0 },
        { "t_ms": 52, "event": "step_started", "id": "dogs", "tool": "detect_objects", "args": { "label": "dog" } },
        { "t_ms": 53, "event": "step_started", "id": "text", "tool": "read_text", "args": {} },
        {
            "t_ms": 60, "event": "step_ended", "id": "text", "tool": "read_text", "ms": 7,
            "error": { "kind": "tool", "message": "no text in the secret image" },
        },
        { "t_ms": 80, "event": "step_ended", "id": "dogs", "tool": "detect_objects", "result": ["rex"], "ms": 28 },
        { "t_ms": 80, "event": "step_ended", "id": "n", "tool": "count", "result": 2, "ms": 0 },
        { "t_ms": 81, "event": "from_the_future", "what": 1 },
        call(130, "refine", "There are 2 dogs."),
        { "t_ms": 131, "event": "answered", "answer": answer, "usage": usage },
    ]);
    serde_json::from_value(lines).unwrap()
}

/// Spans by their names, and then attributes as JSON.
fn spans(resources: &[ResourceSpans]) -> Vec<Span> {
    resources.iter().flat_map(|of| &of.scope_spans).flat_map(|of| of.spans.clone()).collect()
}

fn written(text: &str) -> Vec<Span> {
    spans(&serde_json::from_str::<TracesData>(text).unwrap().resource_spans)
}

fn value(value: &AnyValue) -> Json {
    match value.value.as_ref().unwrap() {
        Value::StringValue(text) => json!(text),
        Value::BoolValue(is) => json!(is),
        Value::IntValue(number) => json!(number),
        Value::DoubleValue(number) => json!(number),
        Value::ArrayValue(list) => list.values.iter().map(self::value).collect(),
        other => panic!("{other:?}"),
    }
}

fn attributes(of: &[KeyValue]) -> BTreeMap<String, Json> {
    of.iter().map(|of| (of.key.clone(), value(of.value.as_ref().unwrap()))).collect()
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no span `{name}` among {spans:#?}"))
}

fn has(span: &Span, expected: &Json) {
    let attributes = attributes(&span.attributes);
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(attributes.get(name), Some(value), "`{name}` of `{}`: {attributes:#?}", span.name);
    }
}

#[test]
fn a_trace_becomes_spans_of_the_run_its_llm_calls_and_its_steps() {
    let spans = written(&otlp(&entries(), SystemTime::now(), false).unwrap());
    let mut names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    names.sort_unstable();
    let expected =
        ["chat tiny", "chat tiny", "execute_tool count", "execute_tool detect_objects", "execute_tool read_text"];
    assert_eq!(names, [&expected[..], &["invoke_agent lavr"]].concat());
    let run = named(&spans, "invoke_agent lavr");
    assert!(run.parent_span_id.is_empty());
    for other in spans.iter().filter(|span| span.span_id != run.span_id) {
        assert_eq!((&other.trace_id, &other.parent_span_id), (&run.trace_id, &run.span_id), "{}", other.name);
    }
    has(
        run,
        &json!({
            "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "lavr", "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "tiny", "gen_ai.usage.input_tokens": 220, "gen_ai.usage.cache_read.input_tokens": 200,
            "gen_ai.usage.output_tokens": 10, "lavr.run.status": "answered", "lavr.run.steps": 3, "lavr.run.images": 1,
        }),
    );
    let events: Vec<&str> = run.events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(events, ["planned"]);
    let call = named(&spans, "chat tiny");
    has(
        call,
        &json!({
            "gen_ai.operation.name": "chat", "gen_ai.request.model": "tiny", "gen_ai.output.type": "json",
            "gen_ai.usage.input_tokens": 110, "gen_ai.usage.output_tokens": 5, "lavr.llm.purpose": "plan",
            "gen_ai.response.finish_reasons": ["stop"], "server.address": "llm.example", "server.port": 8080,
        }),
    );
    let step = named(&spans, "execute_tool detect_objects");
    has(
        step,
        &json!({
            "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "detect_objects", "gen_ai.tool.call.id": "step-1",
            "gen_ai.tool.type": "function",
        }),
    );
    // Client and internal.
    assert_eq!((call.kind, step.kind, run.kind), (3, 1, 1));
    let failed = named(&spans, "execute_tool read_text");
    has(failed, &json!({ "error.type": "tool" }));
    assert_eq!(failed.status.as_ref().unwrap().code, 2);
    assert_eq!(step.status.as_ref().unwrap().code, 0);
    let links: Vec<_> = named(&spans, "execute_tool count").links.iter().map(|link| link.span_id.clone()).collect();
    assert_eq!(links, std::slice::from_ref(&step.span_id));
}

#[test]
fn spans_stand_where_the_trace_says() {
    let began = humantime::parse_rfc3339(WHEN).unwrap();
    let at = |ms: u64| nanos(began + Duration::from_millis(ms));
    let spans = written(&otlp(&entries(), SystemTime::now(), false).unwrap());
    let times = |name: &str| {
        let span = named(&spans, name);
        (span.start_time_unix_nano, span.end_time_unix_nano)
    };
    assert_eq!(times("invoke_agent lavr"), (at(0), at(131)));
    assert_eq!(times("chat tiny"), (at(10), at(50)));
    assert_eq!(times("execute_tool detect_objects"), (at(52), at(80)));
    // Traces of earlier versions do not say when they began.
    let mut old = entries();
    old[0].rest.shift_remove("at");
    let spans = written(&otlp(&old, began, false).unwrap());
    assert_eq!(named(&spans, "invoke_agent lavr").end_time_unix_nano, nanos(began));
}

fn nanos(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos().try_into().unwrap()
}

#[test]
fn the_same_trace_has_the_same_spans() {
    let (now, entries) = (SystemTime::now(), entries());
    assert_eq!(otlp(&entries, now, false).unwrap(), otlp(&entries, now, false).unwrap());
    let ids: std::collections::BTreeSet<_> =
        written(&otlp(&entries, now, false).unwrap()).into_iter().map(|span| span.span_id).collect();
    assert_eq!(ids.len(), 6);
}

#[test]
fn contents_are_told_only_when_they_are_asked_for() {
    let bare = otlp(&entries(), SystemTime::now(), false).unwrap();
    for content in ["secret", "How many dogs", "There are 2", "the plan", "rex", "sha256", "\"label\"", "\"dogs\""] {
        assert!(!written_values(&bare).contains(content), "{content}: {bare}");
    }
    let spans = written(&otlp(&entries(), SystemTime::now(), true).unwrap());
    let text = |span: &Span, name: &str| attributes(&span.attributes)[name].as_str().unwrap().to_owned();
    let call = named(&spans, "chat tiny");
    let prompt: Json = serde_json::from_str(&text(call, conventions::INPUT_MESSAGES)).unwrap();
    let said = |role: &str, said: &str| json!({ "role": role, "parts": [{ "type": "text", "content": said }] });
    assert_eq!(prompt, json!([said("system", "Be secret."), said("user", "How many dogs?")]));
    let reply: Json = serde_json::from_str(&text(call, conventions::OUTPUT_MESSAGES)).unwrap();
    assert_eq!(reply[0]["parts"][0]["content"], "the plan");
    assert_eq!(reply[0]["finish_reason"], "stop");
    let step = named(&spans, "execute_tool detect_objects");
    assert_eq!(text(step, conventions::TOOL_CALL_ARGUMENTS), r#"{"label":"dog"}"#);
    assert_eq!(text(step, conventions::TOOL_CALL_RESULT), r#"["rex"]"#);
    assert_eq!(named(&spans, "execute_tool read_text").status.as_ref().unwrap().message, "no text in the secret image");
    assert_eq!(text(step, conventions::TOOL_CALL_ID), "dogs");
    let run = named(&spans, "invoke_agent lavr");
    assert!(text(run, conventions::INPUT_MESSAGES).contains("How many dogs?"));
    assert!(text(run, conventions::OUTPUT_MESSAGES).contains("There are 2 dogs."));
}

/// A run that was gone on with: its clock starts anew, and what is told when all is said is none of it.
#[test]
fn spans_go_on_where_a_run_was_gone_on_with() {
    let mut entries = entries();
    for (entry, t_ms) in entries.iter_mut().skip(5).zip([3, 9, 10, 11, 60, 61]) {
        entry.t_ms = t_ms;
    }
    let late = json!({ "t_ms": 90, "event": "verified", "step": "n", "finding": "confirmed", "why": "" });
    entries.push(serde_json::from_value(late).unwrap());
    let spans = written(&otlp(&entries, SystemTime::now(), false).unwrap());
    let zero = nanos(humantime::parse_rfc3339(WHEN).unwrap());
    let times = |name: &str| {
        let span = named(&spans, name);
        ((span.start_time_unix_nano - zero) / 1_000_000, (span.end_time_unix_nano - zero) / 1_000_000)
    };
    assert_eq!(spans.len(), 6);
    assert!(spans.iter().all(|span| span.start_time_unix_nano <= span.end_time_unix_nano), "{spans:#?}");
    // 53 ms before, and then from 0 again.
    assert_eq!(times("execute_tool read_text"), (53, 56));
    assert_eq!(times("execute_tool detect_objects"), (52, 62));
    assert_eq!(times("invoke_agent lavr"), (0, 114));
}

/// Long values stay JSON.
#[test]
fn long_contents_are_cut_off() {
    let mut entries = entries();
    entries[6].rest["result"] = json!("x".repeat(40_000));
    let spans = written(&otlp(&entries, SystemTime::now(), true).unwrap());
    let result = &attributes(&named(&spans, "execute_tool detect_objects").attributes)[conventions::TOOL_CALL_RESULT];
    let result: Json = serde_json::from_str(result.as_str().unwrap()).unwrap();
    assert_eq!((&result["truncated"], result["begins"].as_str().unwrap().len()), (&json!(true), 16_004));
}

/// All texts of spans but ids.
fn written_values(text: &str) -> String {
    let spans = written(text);
    let said = |span: &Span| format!("{} {:?} {:?}", span.name, attributes(&span.attributes), span.status);
    spans.iter().map(said).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_run_that_was_cut_off_ends_where_its_trace_does() {
    let cut: Vec<RawEntry> = entries().into_iter().take(5).collect();
    let spans = written(&otlp(&cut, SystemTime::now(), false).unwrap());
    for name in ["invoke_agent lavr", "execute_tool detect_objects", "execute_tool read_text"] {
        has(named(&spans, name), &json!({ "error.type": "cut_off" }));
    }
    let run = named(&spans, "invoke_agent lavr");
    assert_eq!(run.end_time_unix_nano - run.start_time_unix_nano, 53_000_000);
    assert!(
        spans.iter().filter(|span| !span.name.starts_with("chat")).all(|span| span.status.as_ref().unwrap().code == 2)
    );
    let error = otlp(&cut[1..], SystemTime::now(), false).unwrap_err().to_string();
    assert!(error.contains("no run began in it"), "{error}");
}

#[test]
fn attributes_are_those_of_the_pinned_conventions() {
    let data: TracesData = serde_json::from_str(&otlp(&entries(), SystemTime::now(), true).unwrap()).unwrap();
    let of = &data.resource_spans[0];
    assert_eq!(attributes(&of.resource.as_ref().unwrap().attributes)["service.name"], "lavr");
    assert_eq!(of.scope_spans[0].schema_url, conventions::SCHEMA_URL);
    assert!(conventions::SCHEMA_URL.ends_with(&format!("/{}", conventions::VERSION)));
    let source = std::fs::read_to_string(repository("src/otel/conventions.rs")).unwrap();
    for span in spans(&data.resource_spans) {
        for name in attributes(&span.attributes).keys() {
            assert!(source.contains(&format!("\"{name}\"")), "`{name}` is in no list");
        }
    }
}

/// A collector, and what it took.
struct Collector(MockServer);

impl Collector {
    async fn start() -> Self {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(200);
        Mock::given(method("POST")).and(path("/v1/traces")).respond_with(answer).mount(&server).await;
        Self(server)
    }

    async fn spans(&self) -> Vec<Span> {
        let mut all = Vec::new();
        for request in self.0.received_requests().await.unwrap() {
            assert_eq!(request.headers["content-type"], "application/x-protobuf");
            let taken = ExportTraceServiceRequest::decode(request.body.as_slice()).unwrap();
            all.extend(spans(&taken.resource_spans));
        }
        all
    }

    fn config(&self) -> Config {
        let otlp = Some(Otlp { endpoint: Some(self.0.uri()), contents: false });
        Config { service: ServiceConfig { otlp, ..ServiceConfig::default() }, ..config() }
    }
}

#[tokio::test]
async fn a_service_sends_its_runs_as_parts_of_what_its_clients_say() {
    let collector = Collector::start().await;
    let chat = Script::new([dogs(), dogs()].concat());
    let service = Running::start(chat, tools(), collector.config(), "").await;
    let whole = "4bf92f3577b34da6a3ce929d0e0e4736";
    let (parent, asked) = (format!("00-{whole}-00f067aa0ba902b7-01"), question("How many dogs are there?"));
    let reply = service.post(&asked).header("traceparent", &parent).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    let run = json!({ "question": "How many dogs are there?", "images": [crate::service::data_url()] });
    let kept = crate::service::client().post(service.url("/v1/runs")).json(&run).header("traceparent", "nonsense");
    let kept: Json = kept.send().await.unwrap().json().await.unwrap();
    let id = kept["id"].as_str().unwrap().to_owned();
    service.get(&format!("/v1/runs/{id}/events")).send().await.unwrap().text().await.unwrap();
    service.stop.cancel();
    service.ended.await.unwrap().unwrap();
    let spans = collector.spans().await;
    let runs: Vec<&Span> = spans.iter().filter(|span| span.name == "invoke_agent lavr").collect();
    let [asked, kept] = runs[..] else { panic!("{runs:#?}") };
    assert_eq!(
        (hex::encode(&asked.trace_id), hex::encode(&asked.parent_span_id)),
        (whole.into(), "00f067aa0ba902b7".into())
    );
    has(asked, &json!({ "lavr.run.status": "answered", "gen_ai.usage.input_tokens": 220 }));
    has(kept, &json!({ "lavr.run.id": id, "lavr.run.status": "answered" }));
    assert!(kept.parent_span_id.is_empty());
    let steps = spans.iter().filter(|span| span.name.starts_with("execute_tool ")).count();
    let calls = spans.iter().filter(|span| span.name.starts_with("chat ")).count();
    assert_eq!((steps, calls), (4, 4));
    let told: Vec<String> = spans.iter().map(|span| format!("{:?}", attributes(&span.attributes))).collect();
    assert!(!told.join("").contains("How many"), "{told:#?}");
}

#[tokio::test]
async fn runs_do_not_wait_for_a_collector_that_is_away() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let otlp = Some(Otlp { endpoint: Some(format!("http://{closed}")), contents: true });
    let config = Config { service: ServiceConfig { otlp, ..ServiceConfig::default() }, ..config() };
    let service = Running::start(Script::new(dogs()), tools(), config, "").await;
    let (status, reply) = service.ask(&question("How many dogs are there?")).await;
    assert_eq!((status.as_u16(), &reply["lavr"]["status"]), (200, &json!("answered")));
    service.stop.cancel();
    service.ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_address_that_is_none_is_refused() {
    for (endpoint, said) in [
        ("collector:4318", "give e.g. `http://127.0.0.1:4318`"),
        ("http://me:secret@collector", "OTEL_EXPORTER_OTLP_HEADERS"),
        ("http://collector/?key=1", "without `?`"),
    ] {
        let otlp = Some(Otlp { endpoint: Some(endpoint.to_owned()), contents: false });
        let error = ServiceConfig { otlp, ..ServiceConfig::default() }.validate().unwrap_err().to_string();
        assert!(error.contains("service.otlp") && error.contains(said) && !error.contains("secret"), "{error}");
    }
}

/// `lavr serve` with these variables, which does not come to listen.
fn serve(variables: &[(&str, &str)]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lavr"));
    // Not without a key.
    command.args(["serve", "--listen", "0.0.0.0:0"]).env_remove("LAVR_CONFIG").env_remove("LAVR_API_KEY");
    command.envs(variables.iter().copied()).output().unwrap()
}

#[test]
fn what_the_environment_asks_for_and_is_not_spoken_is_refused() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    for (variable, value, said) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "port 4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc", "`http/protobuf`"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "`otlp`"),
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "perhaps", "`span_only`"),
    ] {
        let output = serve(&[endpoint, (variable, value)]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(variable) && told.contains(said), "{told}");
        // Where spans are switched off, none of it counts.
        let told = serve(&[endpoint, (variable, value), ("OTEL_SDK_DISABLED", "true")]).stderr;
        assert!(!String::from_utf8_lossy(&told).contains(variable));
    }
}

#[tokio::test]
async fn a_run_that_panics_ends_as_one_that_was_cut_off() {
    let collector = Collector::start().await;
    let service = Running::start(Arc::new(Panics), tools(), collector.config(), "").await;
    let (status, _) = service.ask(&question("How many dogs are there?")).await;
    assert_eq!(status.as_u16(), 500);
    service.stop.cancel();
    service.ended.await.unwrap().unwrap();
    let spans = collector.spans().await;
    let run = named(&spans, "invoke_agent lavr");
    has(run, &json!({ "error.type": "cut_off" }));
    assert_eq!(run.status.as_ref().unwrap().code, 2);
}

/// An LLM with a defect.
struct Panics;

#[async_trait::async_trait]
impl ChatModel for Panics {
    async fn complete(&self, _cx: &Cx, _request: &ChatRequest) -> lavr::error::Result<ChatReply> {
        panic!("a defect")
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { model: "local:broken".to_owned(), context: 8_000, constrained: true, images: false }
    }
}

/// Events are read back as they were written, with and without the time.
#[test]
fn a_start_tells_when_it_was() {
    let started: Entry = serde_json::from_value(json!(entries()[0])).unwrap();
    assert_eq!(json!(started)["at"], WHEN);
}
