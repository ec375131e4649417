//! More than there is room for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use lavr::chat::{Capabilities, ChatModel, ChatReply, ChatRequest, ChatUsage, FinishReason};
use lavr::config::Config;
use lavr::cx::Cx;
use lavr::error::Result;
use lavr::tool::Catalog;
use lavr::value::Value;
use reqwest::RequestBuilder;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::{Running, config, question};
use crate::agent::says;
use crate::fakes::{Script, catalog, signature, spec, tool};

/// A tool that waits at a gate, and a plan that calls it.
fn gated() -> (Catalog, Arc<Semaphore>, Json) {
    let gate = Arc::new(Semaphore::new(0));
    let waits = {
        let gate = Arc::clone(&gate);
        tool(spec("wait", signature(&["image: Image"], "Number", None)), move |_, _| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await.unwrap().forget();
                Ok(Value::Number(1.0))
            }
        })
    };
    let plan = json!({ "steps": [{ "id": "a", "tool": "wait", "args": { "image": "$image" } }], "result": "$a" });
    (catalog([waits]), gate, plan)
}

/// An LLM for any number of runs: who asks for a plan gets this one, and everybody else an answer.
pub struct Steady(pub Json);

#[async_trait]
impl ChatModel for Steady {
    async fn complete(&self, _cx: &Cx, request: &ChatRequest) -> Result<ChatReply> {
        let plans = json!(request.prefix).to_string().contains("You plan how to answer");
        let text = if plans { self.0.to_string() } else { says(&["It is 1."]).to_string() };
        Ok(ChatReply { text, finish: FinishReason::Stop, usage: ChatUsage::default() })
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { model: "steady".to_owned(), context: 4096, constrained: false, images: false }
    }
}

/// Asks, and asks again while there is no room, which whoever looks whether there is some can take up.
fn started(request: RequestBuilder) -> JoinHandle<(u16, Json)> {
    tokio::spawn(async move {
        loop {
            let response = request.try_clone().unwrap().send().await.unwrap();
            if response.status() != 429 {
                return (response.status().as_u16(), response.json().await.unwrap());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
}

fn room(max_runs: usize, max_queue: usize, max_runs_per_key: usize) -> Config {
    let mut config = config();
    config.service.max_runs = max_runs;
    config.service.max_queue = max_queue;
    config.service.max_runs_per_key = max_runs_per_key;
    config
}

/// Waits until the service refuses a run for want of room, and returns the refusal.
async fn refused(service: &Running, key: &str) -> (Option<String>, Json) {
    let late = Duration::from_secs(20);
    let full = async {
        loop {
            // An empty question is refused otherwise where there is room.
            let empty = service.post(&json!({ "messages": [{ "role": "user", "content": "" }] }));
            let response = empty.bearer_auth(key).send().await.unwrap();
            if response.status() == 429 {
                let after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
                return (after, response.json().await.unwrap());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(late, full).await.expect("there is room for ever")
}

#[tokio::test]
async fn what_finds_no_room_is_refused_at_once() {
    let (tools, gate, plan) = gated();
    let service = Running::start(Arc::new(Steady(plan)), tools, room(2, 0, 9), "").await;
    let asking = [started(service.post(&question("What is it?"))), started(service.post(&question("What is it?")))];
    let (after, reply) = refused(&service, "").await;
    assert_eq!((after.as_deref(), &reply["error"]["type"]), (Some("5"), &json!("rate_limit_error")));
    gate.add_permits(2);
    for one in asking {
        let (status, reply) = one.await.unwrap();
        assert_eq!(status, 200, "{reply}");
    }
    // There is room again.
    let (status, _) = service.ask(&json!({ "messages": [{ "role": "user", "content": "" }] })).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn what_waits_gets_its_turn_and_one_key_has_not_all_the_room() {
    let (tools, gate, plan) = gated();
    let keys = ["0123456789abcdef", "fedcba9876543210"];
    let service = Running::start(Arc::new(Steady(plan)), tools, room(1, 5, 2), &keys.join(",")).await;
    let asked = || service.post(&question("What is it?"));
    let asking = [started(asked().bearer_auth(keys[0])), started(asked().bearer_auth(keys[0]))];
    let (_, reply) = refused(&service, keys[0]).await;
    assert!(reply["error"]["message"].as_str().unwrap().contains("this key has 2 runs already"), "{reply}");
    // Another key has room.
    let other = started(asked().bearer_auth(keys[1]));
    gate.add_permits(3);
    for one in asking.into_iter().chain([other]) {
        let (status, reply) = one.await.unwrap();
        assert_eq!((status, &reply["choices"][0]["message"]["content"]), (200, &json!("It is 1.")));
    }
}

#[tokio::test]
async fn who_stops_waiting_leaves_the_queue() {
    let (tools, gate, plan) = gated();
    let service = Running::start(Arc::new(Steady(plan)), tools, room(1, 1, 9), "").await;
    let first = started(service.post(&question("What is it?")));
    let second = started(service.post(&question("What is it?")));
    refused(&service, "").await;
    second.abort();
    let _ = second.await;
    let late = Duration::from_secs(20);
    let waits = async {
        loop {
            let (status, _) = service.ask(&json!({ "messages": [{ "role": "user", "content": "" }] })).await;
            if status == 400 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(late, waits).await.expect("the place is never given back");
    gate.add_permits(1);
    assert_eq!(first.await.unwrap().0, 200);
}

#[tokio::test]
async fn large_and_slow_bodies_are_cut_off() {
    let mut config = config();
    config.service.max_body_bytes = 10_000;
    config.service.max_images = 1;
    let service = Running::start(Script::new(Vec::<String>::new()), crate::agent::tools(), config.clone(), "").await;
    let mut two = question("How many dogs are there?");
    let image = two["messages"][0]["content"][1].clone();
    two["messages"][0]["content"].as_array_mut().unwrap().push(image);
    let (status, reply) = service.ask(&two).await;
    assert_eq!(status, 413, "{reply}");
    assert!(reply["error"]["message"].as_str().unwrap().contains("2 images, and 1 is the most"), "{reply}");
    let (status, reply) = service.ask(&question(&"x".repeat(20_000))).await;
    assert_eq!((status.as_u16(), &reply["error"]["code"]), (413, &json!("request_too_large")), "{reply}");
    // One byte, and then nothing more.
    config.service.body_timeout_ms = 300;
    let service = Running::start(Script::new(Vec::<String>::new()), crate::agent::tools(), config, "").await;
    let mut slow = TcpStream::connect(service.address).await.unwrap();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{";
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut reply = [0; 12];
    tokio::time::timeout(Duration::from_secs(20), slow.read_exact(&mut reply))
        .await
        .expect("it waits for ever")
        .unwrap();
    assert_eq!(&reply, b"HTTP/1.1 408");
}

#[tokio::test]
async fn connections_are_bounded_and_do_not_idle_for_ever() {
    let mut config = config();
    config.service.max_connections = 1;
    config.service.header_timeout_ms = 300;
    let service = Running::start(Script::new(Vec::<String>::new()), crate::agent::tools(), config, "").await;
    let mut silent = TcpStream::connect(service.address).await.unwrap();
    let began = Instant::now();
    silent.write_all(b"GET /health/live HT").await.unwrap();
    // The next one is answered only when the silent one has lost its place.
    let next = tokio::spawn(service.get("/health/live").send());
    let mut rest = Vec::new();
    silent.read_to_end(&mut rest).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(250), "it was closed at once");
    assert_eq!(next.await.unwrap().unwrap().status(), 200);
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&rest));
}

#[tokio::test]
async fn a_client_that_reads_nothing_loses_its_connection() {
    let mut config = config();
    config.service.max_connections = 1;
    config.service.write_timeout_ms = 300;
    let service = Running::start(Script::new(Vec::<String>::new()), crate::agent::tools(), config, "").await;
    let (asked, one) = (1000, service.get("/openapi.json").send().await.unwrap().bytes().await.unwrap());
    let mut deaf = TcpStream::connect(service.address).await.unwrap();
    // Answers of tens of MB, which no socket holds.
    let asks = "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(asked);
    deaf.write_all(asks.as_bytes()).await.unwrap();
    // The next one is answered only when the other has lost its place.
    assert_eq!(service.get("/health/live").send().await.unwrap().status(), 200);
    let mut rest = Vec::new();
    // Whether it ends or breaks off, it was not answered whole.
    let _ = deaf.read_to_end(&mut rest).await;
    assert!(rest.starts_with(b"HTTP/1.1 200") && rest.len() < asked * one.len(), "{} bytes", rest.len());
}

#[tokio::test]
async fn connections_that_stay_open_do_not_hold_up_the_end() {
    let mut config = config();
    config.service.drain_ms = 100;
    let service = Running::start(Script::new(Vec::<String>::new()), crate::agent::tools(), config, "").await;
    let mut silent = TcpStream::connect(service.address).await.unwrap();
    silent.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-").await.unwrap();
    assert_eq!(service.get("/health/ready").send().await.unwrap().status(), 200);
    service.stop.cancel();
    tokio::time::timeout(Duration::from_secs(20), service.ended).await.expect("it goes on").unwrap().unwrap();
}

#[tokio::test]
async fn images_are_bounded_before_they_are_decoded() {
    let mut config = config();
    config.service.images.max_pixels = 10;
    let service = Running::start(Script::new(Vec::<String>::new()), crate::agent::tools(), config, "").await;
    let (status, reply) = service.ask(&question("How many dogs are there?")).await;
    assert_eq!(status, 400);
    assert!(reply["error"]["message"].as_str().unwrap().contains("more than the limit of 10"), "{reply}");
}

/// An LLM with a defect: its first call panics.
struct Defective(Steady, AtomicBool);

#[async_trait]
impl ChatModel for Defective {
    async fn complete(&self, cx: &Cx, request: &ChatRequest) -> Result<ChatReply> {
        assert!(self.1.swap(true, Ordering::Relaxed), "a defect in the LLM's code");
        self.0.complete(cx, request).await
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
}

#[tokio::test]
async fn a_run_that_panics_harms_no_other() {
    let (tools, gate, plan) = gated();
    gate.add_permits(1);
    let chat = Defective(Steady(plan), AtomicBool::new(false));
    let service = Running::start(Arc::new(chat), tools, room(1, 0, 9), "").await;
    let (status, reply) = service.ask(&question("What is it?")).await;
    assert_eq!((status.as_u16(), &reply["error"]["code"]), (500, &json!("internal")), "{reply}");
    assert!(!reply.to_string().contains("defect"), "{reply}");
    let (status, reply) = service.ask(&question("What is it?")).await;
    assert_eq!((status.as_u16(), &reply["choices"][0]["message"]["content"]), (200, &json!("It is 1.")), "{reply}");
}

#[tokio::test]
async fn a_large_request_that_is_refused_reads_why() {
    let (tools, gate, plan) = gated();
    let service = Running::start(Arc::new(Steady(plan)), tools, room(1, 0, 9), "").await;
    let first = started(service.post(&question("What is it?")));
    refused(&service, "").await;
    let (status, reply) = service.ask(&question(&"x".repeat(8 << 20))).await;
    assert_eq!(status, 429, "{reply}");
    gate.add_permits(1);
    assert_eq!(first.await.unwrap().0, 200);
}

#[tokio::test]
async fn all_images_of_a_request_are_bounded_together() {
    let mut config = config();
    config.service.max_total_pixels = 60;
    let service = Running::start(Script::new(Vec::<String>::new()), crate::agent::tools(), config, "").await;
    let mut asked = question("How many dogs are there?");
    let image = asked["messages"][0]["content"][1].clone();
    asked["messages"][0]["content"].as_array_mut().unwrap().push(image);
    let (status, reply) = service.ask(&asked).await;
    assert_eq!(status, 400, "{reply}");
    assert!(reply["error"]["message"].as_str().unwrap().contains("image 2: the image has"), "{reply}");
}

#[tokio::test]
async fn what_runs_may_end_when_the_service_stops() {
    let (tools, gate, plan) = gated();
    let service = Running::start(Arc::new(Steady(plan.clone())), tools, room(1, 0, 9), "").await;
    let asking = started(service.post(&question("What is it?")));
    refused(&service, "").await;
    service.stop.cancel();
    tokio::time::sleep(Duration::from_millis(100)).await;
    gate.add_permits(1);
    assert_eq!(asking.await.unwrap().0, 200);
    tokio::time::timeout(Duration::from_secs(20), service.ended).await.expect("it goes on").unwrap().unwrap();
    // What does not end is stopped.
    let (tools, _gate, _) = gated();
    let mut config = room(1, 0, 9);
    config.service.drain_ms = 200;
    let service = Running::start(Arc::new(Steady(plan)), tools, config, "").await;
    let asking = started(service.post(&question("What is it?")));
    refused(&service, "").await;
    service.stop.cancel();
    let (status, reply) = asking.await.unwrap();
    assert_eq!((status, &reply["error"]["code"]), (503, &json!("cancelled")), "{reply}");
    tokio::time::timeout(Duration::from_secs(20), service.ended).await.expect("it goes on").unwrap().unwrap();
}
