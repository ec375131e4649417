//! Vision LLMs over the wire: whole runs with eyes of their own against traffic that is kept under
//! `tests/cassettes/vision`. No vision LLM wrote the replies; they are constructed from the protocol's specification.
//!
//! `LAVR_RECORD=1 cargo test --release --test suite -- vision::` writes the requests anew; the replies stay.

use std::path::PathBuf;
use std::sync::Arc;

use lavr::agent::{Agent, Report};
use lavr::answer::Status;
use lavr::chain::Chain;
use lavr::chat::openai::{OpenAiModel, OpenAiOptions};
use lavr::task::{Mode, Task};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::options;
use super::server::{Answer, Server};
use crate::agent::tools;
use crate::experts::repository;
use crate::fakes::picture;

fn file(name: &str) -> PathBuf {
    repository("tests/cassettes/vision").join(format!("{name}.json"))
}

/// A request without the bytes of its images: their kind and their digest are left.
fn digested(request: &Json) -> Json {
    let mut request = request.clone();
    let messages = request["messages"].as_array_mut().unwrap();
    for part in messages.iter_mut().filter_map(|message| message["content"].as_array_mut()).flatten() {
        if let Some(url) = part.pointer_mut("/image_url/url") {
            let (kind, data) = url.as_str().unwrap().split_once(',').unwrap();
            let digest: String = Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect();
            *url = json!(format!("{kind},sha256:{digest}"));
        }
    }
    request
}

/// A run with the replies of a file, whose requests are those of the file.
async fn run(name: &str, settings: &str) -> Report {
    let text = std::fs::read_to_string(file(name)).unwrap();
    let mut kept: Json = serde_json::from_str(&text).unwrap();
    assert!(kept["made"].as_str().unwrap().contains("Constructed from the protocol's specification"));
    let calls = kept["calls"].as_array_mut().unwrap();
    let server = Server::start(calls.iter().map(|call| Answer::json(200, &call["response"]))).await;
    let llm = OpenAiModel::new(OpenAiOptions { images: true, model: "vision".to_owned(), ..options(&server) }).unwrap();
    let agent = Agent::builder().chat(Arc::new(llm)).catalog(tools()).build().unwrap();
    let task = Task::new("How many dogs are there?", vec![picture()]).with_mode(Mode::Controller);
    let report = agent.ask(&task.with_chain(Chain::default().with(settings).unwrap())).await.unwrap();
    let requests: Vec<Json> = server.bodies().iter().map(digested).collect();
    assert_eq!(requests.len(), calls.len(), "{:?}", report.error);
    if std::env::var_os("LAVR_RECORD").is_some() {
        calls.iter_mut().zip(requests).for_each(|(call, request)| call["request"] = request);
        std::fs::write(file(name), serde_json::to_string_pretty(&kept).unwrap() + "\n").unwrap();
        return report;
    }
    for (call, request) in calls.iter().zip(requests) {
        assert_eq!(call["request"], request);
    }
    report
}

#[tokio::test]
async fn native_eyes_send_the_image_and_answer_from_it() {
    let report = run("native", "bridge=native").await;
    assert_eq!((report.answer.text.as_str(), report.answer.status), ("There are 3 dogs.", Status::Answered));
    assert_eq!((report.answer.short.as_deref(), report.answer.claims[0].steps[0].as_str()), (Some("3"), "look"));
    assert_eq!((report.usage.llm_calls, report.usage.prompt_tokens), (1, 1105));
}

#[tokio::test]
async fn eyes_and_experts_that_disagree_are_both_told() {
    let report = run("both", "bridge=both").await;
    assert_eq!(report.answer.against.as_deref(), Some("There are 3 dogs, one behind the tree."));
    assert_eq!((report.answer.short.as_deref(), report.usage.llm_calls), (Some("2"), 3));
}

#[tokio::test]
async fn eyes_that_refuse_leave_the_question_open() {
    let report = run("refusal", "bridge=native").await;
    assert_ne!(report.answer.status, Status::Answered);
    assert!(report.answer.claims.is_empty());
}
