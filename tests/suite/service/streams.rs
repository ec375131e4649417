//! Streamed completions.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use serde_json::{Value as Json, json};

use super::{Running, config, dogs, question};
use crate::agent::says;
use crate::fakes::{Script, catalog, signature, spec, tool};

/// The data of all events of a stream; it has to end with `[DONE]`.
async fn chunks(service: &Running, asked: &Json) -> Vec<Json> {
    let response = service.post(asked).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let text = response.text().await.unwrap();
    let mut data: Vec<&str> = text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
    assert_eq!(data.pop(), Some("[DONE]"), "{text}");
    data.into_iter().map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn streamed(text: &str) -> Json {
    let mut asked = question(text);
    asked["stream"] = json!(true);
    asked
}

#[tokio::test]
async fn steps_come_first_and_then_the_answer() {
    let [plan, _] = dogs();
    let service = Running::scripted([plan, says(&["There are 2 dogs.", "The image has 2 of them."])]).await;
    let mut asked = streamed("How many dogs are there?");
    asked["stream_options"] = json!({ "include_usage": true });
    let mut chunks = chunks(&service, &asked).await;
    let usage = chunks.pop().unwrap();
    assert_eq!((&usage["choices"], &usage["usage"]["total_tokens"]), (&json!([]), &json!(230)));
    assert!(chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk" && chunk["id"] == usage["id"]));
    // Clients that know of no extension read nothing but deltas.
    assert_eq!(chunks[0]["choices"][0]["delta"], json!({ "role": "assistant", "content": "" }));
    let text: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "There are 2 dogs. The image has 2 of them.");
    let events: Vec<&str> = chunks.iter().filter_map(|chunk| chunk["lavr"]["event"].as_str()).collect();
    assert_eq!(events, ["planned", "step_started", "step_ended", "step_started", "step_ended"]);
    assert!(chunks.iter().filter(|chunk| chunk.get("lavr").is_some()).all(|c| c["choices"][0]["delta"] == json!({})));
    let last = chunks.last().unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert_eq!(last["lavr"]["report"]["status"], "answered");
    assert!(!json!(chunks).to_string().contains("You plan how to answer"), "prompts stay inside");
}

#[tokio::test]
async fn a_run_that_fails_ends_its_stream_with_an_error() {
    let service = Running::scripted(["nonsense", "nonsense", "nonsense"]).await;
    let chunks = chunks(&service, &streamed("How many dogs are there?")).await;
    assert_eq!(chunks.last().unwrap()["error"]["code"], "plan", "{chunks:?}");
    assert!(chunks.iter().any(|chunk| chunk["lavr"]["event"] == "faults"), "{chunks:?}");
    assert!(!json!(chunks).to_string().contains("nonsense"), "replies stay inside");
    // What is wrong with the request itself has a status.
    let (status, _) = service.ask(&json!({ "messages": [], "stream": true })).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn a_client_that_goes_away_stops_its_run() {
    let plan = json!({ "steps": [{ "id": "a", "tool": "never", "args": { "image": "$image" } }], "result": "$a" });
    let (gone, mut stopped) = tokio::sync::mpsc::unbounded_channel();
    let (begins, mut began) = tokio::sync::mpsc::unbounded_channel();
    let never = tool(spec("never", signature(&["image: Image"], "Number", None)), move |_, _| {
        let guard = OnDrop(gone.clone());
        begins.send(()).unwrap();
        async move {
            let _guard = guard;
            std::future::pending().await
        }
    });
    for streams in [true, false] {
        let chat = Script::new([&plan]);
        let service = Running::start(chat, catalog([Arc::clone(&never)]), config(), "").await;
        let mut asked = question("How many?");
        asked["stream"] = json!(streams);
        if streams {
            let mut body = service.post(&asked).send().await.unwrap().bytes_stream();
            while !String::from_utf8_lossy(&body.next().await.unwrap().unwrap()).contains("step_started") {}
            drop(body);
            began.recv().await.unwrap();
        } else {
            let asking = tokio::spawn(service.post(&asked).send());
            began.recv().await.unwrap();
            asking.abort();
        }
        tokio::time::timeout(Duration::from_secs(20), stopped.recv()).await.expect("the step is stopped").unwrap();
    }
}

struct OnDrop(tokio::sync::mpsc::UnboundedSender<()>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}
