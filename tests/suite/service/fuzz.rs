//! Whatever is sent to whichever route: it is answered as the routes are described, and the service goes on.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lavr::config::Config;
use lavr::value::Value;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config as Cases, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Value as Json, json};

use super::openapi::{document, operations};
use super::pressure::Steady;
use super::{Running, client, config, data_url, question};
use crate::fakes::{catalog, quick};

/// How often each route is called, and how often one that reads a body.
const CASES: u32 = 16;
const BODIES: u32 = 100;
/// Stands for a number that JSON has and Rust has not.
const HUGE: &str = "@huge@";

/// One request.
#[derive(Clone)]
struct Sent {
    method: String,
    /// With its query.
    path: String,
    headers: Vec<(&'static str, Vec<u8>)>,
    body: Vec<u8>,
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}", self.method, self.path)?;
        self.headers.iter().try_for_each(|(name, value)| writeln!(f, "{name}: {}", value.escape_ascii()))?;
        let body: String = self.body.escape_ascii().to_string().chars().take(2000).collect();
        writeln!(f, "{body}")
    }
}

/// A service for any number of runs, one of which is over.
async fn service() -> (Running, String) {
    let tools = catalog([quick("wait", &["image: Image"], "Number", |_| Ok(Value::Number(1.0)))]);
    let plan = json!({ "steps": [{ "id": "a", "tool": "wait", "args": { "image": "$image" } }], "result": "$a" });
    let mut config: Config = config();
    config.service.max_body_bytes = 256 << 10;
    config.service.max_queue = 64;
    config.service.max_runs_per_key = 64;
    let service = Running::start(Arc::new(Steady(plan)), tools, config, "").await;
    let asked = json!({ "question": "What is it?", "images": [data_url()] });
    let run = client().post(service.url("/v1/runs")).json(&asked).send().await.unwrap();
    let id = run.json::<Json>().await.unwrap()["id"].as_str().unwrap().to_owned();
    service.get(&format!("/v1/runs/{id}/events")).send().await.unwrap().text().await.unwrap();
    (service, id)
}

/// Any JSON.
fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        "\\PC{0,12}".prop_map(Json::from),
        Just(json!(HUGE)),
        Just(json!("data:image/png;base64,AAAA")),
        Just(json!("http://10.0.0.5/a.png")),
        Just(json!({ "type": "text" })),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::hash_map("[a-z_]{1,8}", inner, 0..4)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

/// All places in JSON, the whole first.
fn places(json: &Json, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match json {
        Json::Array(items) => items.iter().enumerate().for_each(|(n, item)| places(item, &format!("{at}/{n}"), found)),
        Json::Object(object) => object.iter().for_each(|(name, item)| places(item, &format!("{at}/{name}"), found)),
        _ => {}
    }
}

/// What a route takes, with something else in one or two places.
fn mutated(good: Vec<Json>) -> impl Strategy<Value = String> {
    let change = (any::<prop::sample::Index>(), any_json(), any::<bool>());
    (select(good), prop::collection::vec(change, 0..3)).prop_map(|(mut json, changes)| {
        for (index, other, removes) in changes {
            let mut all = Vec::new();
            places(&json, "", &mut all);
            let place = index.get(&all).clone();
            match place.rsplit_once('/') {
                Some((parent, name)) if removes => {
                    if let Some(object) = json.pointer_mut(parent).and_then(Json::as_object_mut) {
                        object.remove(name);
                    }
                }
                _ => *json.pointer_mut(&place).unwrap() = other,
            }
        }
        json.to_string().replace(&format!("\"{HUGE}\""), "1e999999")
    })
}

/// Requests that the routes with bodies take.
fn good(path: &str, run: &str) -> Vec<Json> {
    let asked = json!({ "question": "What is it?", "images": [data_url()] });
    let call = |method: &str, params: Json| json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    match path {
        "/v1/chat/completions" => {
            let mut rich = question("What is it?");
            rich["stream"] = json!(true);
            rich["stream_options"] = json!({ "include_usage": true });
            rich["lavr"] = json!({ "mode": "auto", "guess": true, "chain": "votes=2", "style": "tone=formal", "box": [0, 0, 4, 4] });
            let mut data = question("What is it?");
            let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] });
            data["response_format"] =
                json!({ "type": "json_schema", "json_schema": { "name": "n", "schema": schema } });
            vec![question("What is it?"), rich, data]
        }
        "/v1/runs" => {
            let settings = json!({ "mode": "controller", "guess": false, "box": [0, 0, 4, 4] });
            let mut set = asked.clone();
            set["settings"] = settings;
            set["earlier"] = json!(["What was it?"]);
            set["schema"] = json!({ "type": "object" });
            let plan =
                json!({ "steps": [{ "id": "b", "tool": "wait", "args": { "image": "$image" } }], "result": "$b" });
            vec![asked, set, json!({ "from": { "run": run, "step": "a" }, "plan": plan })]
        }
        "/mcp" => vec![
            call("tools/list", json!({})),
            call("tools/call", json!({ "name": "wait", "arguments": { "image": data_url() } })),
            call(
                "tools/call",
                json!({ "name": "ask_image", "arguments": { "images": [data_url()], "question": "What is it?" } }),
            ),
            call("notifications/cancelled", json!({ "requestId": 1 })),
            call("ping", json!({})),
        ],
        _ => vec![json!({})],
    }
}

/// A form, whole or broken.
fn form() -> impl Strategy<Value = String> {
    let names = select(vec!["question", "earlier", "image", "model", "mode", "guess", "box", "schema", "settings", ""]);
    let ends = select(vec!["--x--\r\n", "--x-", "", "--y--\r\n", "--x\r\n"]);
    (prop::collection::vec((names, "\\PC{0,20}"), 0..4), select(vec!["--x", "--y", "--", "x"]), ends).prop_map(
        |(fields, boundary, end)| {
            let part = |(name, text): (&str, String)| {
                format!("{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
            };
            fields.into_iter().map(part).collect::<String>() + end
        },
    )
}

fn bodies(path: &str, run: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    prop_oneof![
        6 => mutated(good(path, run)).prop_map(String::into_bytes),
        2 => (mutated(good(path, run)), any::<prop::sample::Index>())
            .prop_map(|(text, end)| text.as_bytes()[..end.index(text.len().max(1)).min(text.len())].to_vec()),
        2 => prop::collection::vec(any::<u8>(), 0..200),
        2 => form().prop_map(String::into_bytes),
        1 => any_json().prop_map(|json| json.to_string().into_bytes()),
        1 => (1_usize..100_000, select(vec!["[", "{\"a\":", "[{\"messages\":"])).prop_map(|(n, open)| open.repeat(n / open.len()).into_bytes()),
        1 => Just(vec![b' '; (256 << 10) + 1]),
    ]
}

/// What stands in the open places of a path.
fn insides(run: &str) -> impl Strategy<Value = String> + use<> {
    let known = [
        run,
        "run-0",
        "1",
        "0",
        "-1",
        "18446744073709551616",
        "1e3",
        "lavr",
        "%FF%FE",
        "%2F",
        "%00",
        "..%2f..",
        "%",
        "+",
    ];
    let known: Vec<String> = known.map(str::to_owned).to_vec();
    prop_oneof![
        4 => Just(run.to_owned()),
        2 => Just("1".to_owned()),
        3 => select(known),
        1 => "[^/?#\\\\\\p{C}]{1,10}",
        1 => Just("x".repeat(3000)),
    ]
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    let fixed = |name: &'static str, values: &[&str]| {
        let values: Vec<Vec<u8>> = values.iter().map(|value| value.as_bytes().to_vec()).collect();
        select(values).prop_map(move |value| (name, value)).boxed()
    };
    let kinds = [
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "text/plain",
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "\u{1F600}",
        "",
    ];
    let names = [
        "idempotency-key",
        "last-event-id",
        "accept",
        "authorization",
        "mcp-session-id",
        "mcp-protocol-version",
        "origin",
        "content-type",
    ];
    let any_value = prop::collection::vec(select((0x20..=0x7e).chain(0x80..=0xff).collect::<Vec<u8>>()), 0..300);
    let one = prop_oneof![
        3 => fixed("content-type", &kinds),
        2 => fixed("accept", &["application/json, text/event-stream", "text/html", "*/*"]),
        1 => fixed("host", &["localhost", "elsewhere.example", "[::1]:80", "a b", ""]),
        1 => fixed("origin", &["null", "https://elsewhere.example"]),
        1 => fixed("last-event-id", &["0", "3", "-1", "18446744073709551616"]),
        2 => fixed("idempotency-key", &["one", "two", " "]),
        2 => (select(names.to_vec()), any_value),
    ];
    prop::collection::vec(one, 0..3)
}

fn requests(method: &Method, path: &str, run: &str) -> impl Strategy<Value = Sent> + use<> {
    let kept = method.to_string();
    let methods = prop_oneof![
        9 => Just(kept),
        1 => select(vec!["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "BREW"]).prop_map(str::to_owned),
    ];
    let query = prop_oneof![3 => Just(String::new()), 1 => "\\?[^#\\p{C}]{0,20}"];
    let places = prop::collection::vec(insides(run), 2);
    let (path, body) = (path.to_owned(), bodies(path, run));
    (methods, places, query, headers(), body).prop_map(move |(method, places, query, mut headers, body)| {
        let mut places = places.into_iter();
        let parts = path.split('/').map(|part| match part.strip_prefix('{') {
            Some(_) => places.next().unwrap_or_default(),
            None => part.to_owned(),
        });
        let path = parts.collect::<Vec<_>>().join("/") + &query;
        // Most requests come to where their bodies are read.
        let mut put = |name, value: &str| {
            if headers.iter().all(|(own, _)| *own != name) {
                headers.push((name, value.as_bytes().to_vec()));
            }
        };
        put("content-type", "application/json");
        put("accept", "application/json, text/event-stream");
        Sent { method, path, headers, body }
    })
}

/// What has come back so far.
#[derive(Default)]
struct Seen {
    /// The runs that were taken on.
    ids: Mutex<Vec<String>>,
    statuses: Mutex<BTreeSet<(String, u16)>>,
}

/// Sends a request, and says what is wrong with its answer.
async fn wrong(service: &Running, sent: &Sent, operation: &Json, seen: &Seen) -> Option<String> {
    let method: Method = sent.method.parse().unwrap();
    let mut request = client().request(method, service.url(&sent.path)).timeout(Duration::from_secs(60));
    for (name, value) in &sent.headers {
        // What no client can send is not sent.
        let Ok(value) = HeaderValue::from_bytes(value) else { continue };
        request = request.header(HeaderName::from_static(name), value);
    }
    let response = match request.body(sent.body.clone()).send().await {
        Ok(response) => response,
        Err(error) => return Some(format!("no answer: {error:?}")),
    };
    let status = response.status();
    let id = operation["operationId"].as_str().unwrap_or_default();
    seen.statuses.lock().unwrap().insert((id.to_owned(), status.as_u16()));
    let is_json = response.headers().get("content-type").is_some_and(|kind| kind == "application/json");
    let text = match response.bytes().await {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => return Some(format!("the answer ends early: {error:?}")),
    };
    let reply: Json = serde_json::from_str(&text).unwrap_or_default();
    if status == 202 {
        seen.ids.lock().unwrap().extend(reply["id"].as_str().map(str::to_owned));
    }
    if status == 500 {
        return Some(format!("{status}: {text}"));
    }
    if sent.method == "HEAD" {
        return None;
    }
    let error = &reply["error"];
    let told = is_json && error["message"].is_string() && error["type"].is_string() && error["code"].is_string();
    if (status.is_client_error() || status.is_server_error()) && !sent.path.starts_with("/mcp") && !told {
        return Some(format!("{status} without an error in its body: {text:?}"));
    }
    let is_elsewhere = error["code"] == "unknown_route" || error["code"] == "unknown_method";
    if !operation.is_null() && !is_elsewhere && !operation["responses"][status.as_str()].is_object() {
        return Some(format!("{status} is not described: {text}"));
    }
    None
}

async fn still_answers(service: &Running) -> Option<String> {
    let asked = service.post(&question("What is it?")).send().await;
    let reply = match asked {
        Ok(response) => response.text().await.unwrap_or_default(),
        Err(error) => error.to_string(),
    };
    (!reply.contains("It is 1.")).then(|| format!("a good request is answered with {reply}"))
}

#[test]
fn whatever_is_sent_is_answered_as_it_is_described() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (service, run) = runtime.block_on(service());
    let mut targets = operations(&runtime.block_on(document(&service)));
    for path in ["/v", "/v1", "/v1/runs/{id}/{name}", "/v2/{name}", "/v1/runs/{id}/health/live", "/metrics/"] {
        targets.push((Method::GET, path.to_owned(), Json::Null));
        targets.push((Method::POST, path.to_owned(), Json::Null));
    }
    let seen = Seen::default();
    for (n, (method, path, operation)) in targets.into_iter().enumerate() {
        let cases = if operation["requestBody"].is_object() { BODIES } else { CASES };
        let cases = Cases { cases, failure_persistence: None, max_shrink_iters: 64, ..Cases::default() };
        let mut seed = [0; 32];
        seed[0] = u8::try_from(n).unwrap();
        let mut runner = TestRunner::new_with_rng(cases, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
        let tried = runner.run(&requests(&method, &path, &run), |sent| {
            let found = runtime.block_on(async {
                match wrong(&service, &sent, &operation, &seen).await {
                    None => still_answers(&service).await,
                    found => found,
                }
            });
            found.map_or(Ok(()), |found| Err(TestCaseError::fail(found)))
        });
        tried.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
    }
    // Runs that were taken on went by themselves, and none of them came upon a defect.
    let (ids, statuses) = (seen.ids.into_inner().unwrap(), seen.statuses.into_inner().unwrap());
    for (id, status) in [("complete", 200), ("complete", 400), ("ask", 202), ("ask", 400), ("mcp", 200), ("mcp", 400)] {
        assert!(statuses.contains(&(id.to_owned(), status)), "{id} never answered {status}: {statuses:?}");
    }
    runtime.block_on(async {
        for id in ids {
            service.get(&format!("/v1/runs/{id}/events")).send().await.unwrap().text().await.unwrap();
            let run: Json = service.get(&format!("/v1/runs/{id}")).send().await.unwrap().json().await.unwrap();
            assert_ne!(run["error"]["kind"], "internal", "{run}");
        }
    });
}
