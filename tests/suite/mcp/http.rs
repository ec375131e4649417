//! MCP over HTTP: who may call, what is told, and what stops a call.

use std::sync::Arc;

use futures::StreamExt as _;
use lavr::error::{Error, ErrorKind};
use lavr::tool::Catalog;
use lavr::value::Value;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value as Json, json};
use tokio::sync::{Semaphore, mpsc};

use super::{call, endless, images, quiet, soon, text, url_of};
use crate::agent::tools;
use crate::fakes::{Script, catalog, quick, signature, spec, tool};
use crate::service::{Running, client, config, data_url, dogs, question};

const KEY: &str = "0123456789abcdef";

/// A message, as a client of an older version of the protocol sends it.
fn post(service: &Running, message: &Json) -> RequestBuilder {
    let request = client().post(service.url("/mcp")).json(message);
    request.header("accept", "application/json, text/event-stream").header("mcp-protocol-version", "2025-06-18")
}

/// The messages that come back.
async fn messages(response: Response) -> Vec<Json> {
    assert_eq!(response.status(), 200);
    let text = response.text().await.unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
    data.filter(|data| !data.is_empty()).map(|data| serde_json::from_str(data).unwrap()).collect()
}

async fn reply(service: &Running, message: &Json) -> Json {
    messages(post(service, message).send().await.unwrap()).await.pop().expect("no answer")
}

async fn with(catalog: Catalog, config: lavr::config::Config) -> Running {
    Running::start(Script::new(Vec::<String>::new()), catalog, config, "").await
}

/// A message as clients of the newer version send it: all that it needs goes with it.
fn newer(service: &Running, mut message: Json) -> RequestBuilder {
    let mut of_request = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    if let Some(token) = message["params"]["_meta"].get("progressToken") {
        of_request["progressToken"] = token.clone();
    }
    message["params"]["_meta"] = of_request;
    let request = client().post(service.url("/mcp")).header("accept", "application/json, text/event-stream");
    let method = message["method"].as_str().unwrap().to_owned();
    let request = request.header("mcp-protocol-version", "2026-07-28").header("mcp-method", method);
    match message["params"]["name"].as_str() {
        Some(name) => request.header("mcp-name", name),
        None => request,
    }
    .json(&message)
}

#[tokio::test]
async fn tools_are_listed_and_called_by_clients_of_both_versions() {
    let service = Running::start(Script::new(dogs()), tools(), config(), "").await;
    let listed = reply(&service, &json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" })).await;
    assert_eq!(listed["result"]["tools"][0]["name"], "ask_image", "{listed}");
    let images_of = &listed["result"]["tools"][0]["inputSchema"]["properties"]["images"];
    assert!(!images_of["items"]["description"].as_str().unwrap().contains("path"), "{listed}");
    let cropped = reply(&service, &quiet(2, "crop", &json!({ "image": data_url() }))).await;
    assert_eq!(images(&cropped)[0].width(), 8);
    let list = json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/list", "params": {} });
    let listed = messages(newer(&service, list).send().await.unwrap()).await.pop().unwrap();
    assert_eq!(listed["result"]["tools"][1]["name"], "detect_objects", "{listed}");
    let asked = json!({ "images": [data_url()], "question": "How many dogs are there?" });
    let all = messages(newer(&service, call(4, "ask_image", &asked)).send().await.unwrap()).await;
    let (last, told) = all.split_last().unwrap();
    assert_eq!((text(last), &last["result"]["structuredContent"]["status"]), ("There are 2 dogs.", &json!("answered")));
    let said: Vec<&str> = told.iter().map(|message| message["params"]["message"].as_str().unwrap()).collect();
    assert!(said[0] == "planned 2 steps" && said.len() == 5, "{said:?}");
}

#[tokio::test]
async fn the_same_keys_hosts_and_origins_hold() {
    let service = Running::start(Script::new(Vec::<String>::new()), tools(), config(), KEY).await;
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    assert_eq!(post(&service, &list).send().await.unwrap().status(), 401);
    assert_eq!(post(&service, &list).bearer_auth("0123456789abcdeX").send().await.unwrap().status(), 401);
    let with_key = || post(&service, &list).bearer_auth(KEY);
    assert_eq!(with_key().send().await.unwrap().status(), 200);
    assert_eq!(with_key().header("host", "evil.example").send().await.unwrap().status(), 421);
    assert_eq!(with_key().header("origin", "https://evil.example").send().await.unwrap().status(), 403);
    // There is no stream of the server's own, and no session to end.
    for method in [reqwest::Method::GET, reqwest::Method::DELETE] {
        let request = client().request(method, service.url("/mcp")).bearer_auth(KEY);
        assert_eq!(request.header("accept", "text/event-stream").send().await.unwrap().status(), 405);
    }
}

#[tokio::test]
async fn no_file_is_read_and_no_address_is_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("picture.png");
    std::fs::write(&file, crate::fakes::picture().encoded()).unwrap();
    let service = with(tools(), config()).await;
    for source in [file.to_str().unwrap(), "/etc/passwd", "file:///etc/passwd", "http://10.0.0.5/a.png", ""] {
        let asked = json!({ "images": [source], "question": "What is it?" });
        for (name, arguments) in [("crop", json!({ "image": source })), ("ask_image", asked)] {
            let reply = reply(&service, &quiet(1, name, &arguments)).await;
            assert_eq!(reply["error"]["code"], -32602, "{reply}");
            let message = reply["error"]["message"].as_str().unwrap();
            assert!(message.starts_with("image 1: over HTTP no file is read and no address is fetched"), "{message}");
        }
    }
}

#[tokio::test]
async fn what_failures_say_of_this_machine_stays_here() {
    let secret = "loading /home/someone/model.onnx from http://10.0.0.5";
    let kinds = [ErrorKind::Model, ErrorKind::InvalidInput, ErrorKind::Io, ErrorKind::NotFound, ErrorKind::Integrity];
    for kind in kinds {
        let fails = quick("detect_objects", &["image: Image"], "List<Region>", move |_| Err(Error::new(kind, secret)));
        let plan = json!({
            "steps": [{ "id": "a", "tool": "detect_objects", "args": { "image": "$image" } }], "result": "$a",
        });
        let chat = Script::new([plan.clone(), plan]);
        chat.then(Error::new(kind, secret));
        let service = Running::start(chat, catalog([fails]), config(), "").await;
        let single = reply(&service, &quiet(1, "detect_objects", &json!({ "image": data_url() }))).await;
        assert_eq!(single["result"]["isError"], true, "{single}");
        let asked = json!({ "images": [data_url()], "question": "Is there a dog?" });
        for id in [2, 3] {
            let all = messages(post(&service, &call(id, "ask_image", &asked)).send().await.unwrap()).await;
            let text = json!([single, all]).to_string();
            assert!(!text.contains("someone") && !text.contains("10.0.0.5"), "{text}");
        }
    }
}

#[tokio::test]
async fn messages_that_are_none_are_refused() {
    let service = with(tools(), config()).await;
    let many = format!("[{}]", vec!["1"; 60_000].join(","));
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for (body, status, said) in [
        ("{".to_owned(), 400, "no message of JSON-RPC"),
        ("[]".to_owned(), 400, "it is no object"),
        (format!("[{list}]"), 400, "it is no object"),
        ("{}".to_owned(), 400, "missing field `jsonrpc`"),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#.to_owned(), 400, "unknown variant `1.0`"),
        ("\"tools/call\"".to_owned(), 400, "no message of JSON-RPC"),
        (deep, 400, "no message of JSON-RPC"),
        (many, 413, "more than 25000 values"),
    ] {
        let response = post(&service, &json!({})).body(body).send().await.unwrap();
        assert_eq!(response.status(), status);
        let reply: Json = response.json().await.unwrap();
        assert_eq!((&reply["jsonrpc"], &reply["id"]), (&json!("2.0"), &Json::Null));
        let message = reply["error"]["message"].as_str().unwrap();
        assert!(message.contains(said) && message.chars().count() < 500, "{reply}");
    }
    let unknown = reply(&service, &json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/destroy" })).await;
    assert_eq!(unknown["error"]["code"], -32601, "{unknown}");
    let as_text = client().post(service.url("/mcp")).body("{}").send().await.unwrap();
    assert_eq!(as_text.status(), 415);
}

#[tokio::test]
async fn bodies_and_images_are_bounded() {
    let mut small = config();
    small.service.max_body_bytes = 300_000;
    small.service.images.max_pixels = 1_000;
    let service = with(tools(), small).await;
    let huge = json!({ "image": format!("data:image/png;base64,{}", "A".repeat(400_000)) });
    let response = post(&service, &quiet(1, "crop", &huge)).send().await.unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(response.json::<Json>().await.unwrap()["error"]["data"]["code"], "request_too_large");
    let large = reply(&service, &quiet(2, "crop", &json!({ "image": url_of(40, 40) }))).await;
    assert!(large["error"]["message"].as_str().unwrap().contains("more than the limit of 1000"), "{large}");
}

#[tokio::test]
async fn what_finds_no_room_is_refused_at_once_and_the_rest_comes_through() {
    let (waits, mut began, mut stopped) = endless();
    let mut one = config();
    one.service.max_runs = 1;
    one.service.max_queue = 0;
    let service = with(catalog([waits]), one).await;
    let waiting = quiet(1, "wait", &json!({ "image": data_url() }));
    let first = tokio::spawn(post(&service, &waiting).send());
    soon(&mut began).await;
    let mut large = waiting.clone();
    large["params"]["_meta"] = json!({ "note": "x".repeat(100_000) });
    for (message, id) in [(&waiting, json!(1)), (&large, Json::Null)] {
        let response = post(&service, message).send().await.unwrap();
        assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (429, &"5".parse().unwrap()));
        let reply: Json = response.json().await.unwrap();
        assert!(reply["error"]["message"].as_str().unwrap().contains("no room for more"), "{reply}");
        assert_eq!(reply["id"], id);
    }
    // Chat completions and calls share the room.
    assert_eq!(service.ask(&question("What is it?")).await.0, 429);
    let ping = reply(&service, &json!({ "jsonrpc": "2.0", "id": 2, "method": "ping" })).await;
    assert_eq!(ping["result"], json!({}));
    // Who goes away gives its place back.
    drop(first.await.unwrap());
    soon(&mut stopped).await;
}

#[tokio::test]
async fn one_key_has_not_all_the_room() {
    let (waits, mut began, _stopped) = endless();
    let mut few = config();
    few.service.max_runs_per_key = 1;
    let keys = format!("{KEY},fedcba9876543210");
    let service = Running::start(Script::new(Vec::<String>::new()), catalog([waits]), few, &keys).await;
    let waiting = || post(&service, &quiet(1, "wait", &json!({ "image": data_url() })));
    let _first = waiting().bearer_auth(KEY).send().await.unwrap();
    soon(&mut began).await;
    let response = waiting().bearer_auth(KEY).send().await.unwrap();
    assert_eq!(response.status(), 429);
    let _other = waiting().bearer_auth("fedcba9876543210").send().await.unwrap();
    soon(&mut began).await;
}

#[tokio::test]
async fn a_client_that_goes_away_stops_its_call() {
    let plan = json!({ "steps": [{ "id": "a", "tool": "wait", "args": { "image": "$image" } }], "result": "$a" });
    let (waits, mut began, mut stopped) = endless();
    let service = Running::start(Script::new([plan]), catalog([waits]), config(), "").await;
    let single = ("wait", json!({ "image": data_url() }));
    let whole = ("ask_image", json!({ "images": [data_url()], "question": "What is it?" }));
    for ((name, arguments), is_newer) in [(&single, false), (&single, true), (&whole, false)] {
        let request = match is_newer {
            true => newer(&service, call(1, name, arguments)),
            false => post(&service, &call(1, name, arguments)),
        };
        let mut body = request.send().await.unwrap().bytes_stream();
        soon(&mut began).await;
        while !String::from_utf8_lossy(&body.next().await.unwrap().unwrap()).contains("began") {}
        drop(body);
        soon(&mut stopped).await;
    }
    // So does one that was never told anything.
    let asking = tokio::spawn(newer(&service, quiet(1, single.0, &single.1)).send());
    soon(&mut began).await;
    asking.abort();
    soon(&mut stopped).await;
}

/// A tool that waits at a gate, and tells when it begins.
fn gated() -> (Catalog, Arc<Semaphore>, mpsc::UnboundedReceiver<()>) {
    let (begins, began) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let inner = Arc::clone(&gate);
    let waits = tool(spec("wait", signature(&["image: Image"], "Number", None)), move |_, _| {
        let gate = Arc::clone(&inner);
        begins.send(()).unwrap();
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(Value::Number(1.0))
        }
    });
    (catalog([waits]), gate, began)
}

#[tokio::test]
async fn a_call_is_cancelled_by_its_own_client_alone() {
    let (tools, gate, mut began) = gated();
    let service = with(tools, config()).await;
    let response = post(&service, &super::begin()).send().await.unwrap();
    let session = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    assert_eq!(messages(response).await[0]["result"]["serverInfo"]["name"], "lavr");
    let waiting = || {
        let request = post(&service, &quiet(5, "wait", &json!({ "image": data_url() })));
        tokio::spawn(request.header("mcp-session-id", &session).send())
    };
    let cancel = async |session: Option<&str>, id: Json| {
        let message = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } });
        let request = post(&service, &message);
        let request = session.iter().fold(request, |request, session| request.header("mcp-session-id", *session));
        assert_eq!(request.send().await.unwrap().status(), 202);
    };
    let others = waiting();
    soon(&mut began).await;
    for (of, id) in
        [(None, json!(5)), (Some("another"), json!(5)), (Some(&session), json!(6)), (Some(&session), json!("5"))]
    {
        cancel(of, id).await;
    }
    gate.add_permits(1);
    let ended = messages(others.await.unwrap().unwrap()).await;
    assert_eq!(text(&ended[0]), "1", "somebody else's word stops a call");
    let own = waiting();
    soon(&mut began).await;
    cancel(Some(&session), json!(5)).await;
    let ended = messages(own.await.unwrap().unwrap()).await;
    assert_eq!(text(&ended[0]), "the call was cancelled");
}

#[tokio::test]
async fn calls_that_run_may_end_when_the_service_stops() {
    let (tools, gate, mut began) = gated();
    let service = with(tools, config()).await;
    let waiting = quiet(1, "wait", &json!({ "image": data_url() }));
    let asking = tokio::spawn(post(&service, &waiting).send());
    soon(&mut began).await;
    service.stop.cancel();
    gate.add_permits(1);
    let ended = messages(asking.await.unwrap().unwrap()).await;
    assert_eq!(text(&ended[0]), "1");
    tokio::time::timeout(super::LATE, service.ended).await.expect("it goes on").unwrap().unwrap();
}
