//! Replies kept in a file: what was asked before is not asked again.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lavr::budget::Budget;
use lavr::chat::cached::Cached;
use lavr::chat::layers::call;
use lavr::chat::{ChatModel, ChatReply, ChatRequest};
use lavr::cx::Cx;
use lavr::error::{Error, ErrorKind, Result};
use lavr::message::Message;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::fakes::Script;
use crate::real;

fn cx() -> Cx {
    Cx::new(Budget { timeout_ms: 5_000, ..Budget::default() })
}

fn request(question: &str) -> ChatRequest {
    let prefix = vec![Message::system("You answer.")];
    ChatRequest::new(prefix, vec![Message::user(question)])
}

fn cached(script: &Arc<Script>, file: &Path) -> Cached {
    Cached::open(Arc::<Script>::clone(script), file).unwrap()
}

async fn ask(llm: &Cached, request: &ChatRequest) -> Result<ChatReply> {
    llm.complete(&cx(), request).await
}

#[tokio::test]
async fn a_request_is_asked_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("replies.jsonl");
    let script = Script::new(["One.", "Two."]);
    let llm = cached(&script, &file);
    assert!(llm.is_empty());
    let first = ask(&llm, &request("1?")).await.unwrap();
    assert!(!first.usage.reused);
    let again = ask(&llm, &request("1?")).await.unwrap();
    assert_eq!((again.text.as_str(), again.finish), ("One.", first.finish));
    assert!(again.usage.reused && again.usage.prompt_time == Duration::ZERO && again.usage.cost_usd.is_none());
    assert_eq!(
        (again.usage.prompt_tokens, again.usage.completion_tokens),
        (first.usage.prompt_tokens, first.usage.completion_tokens)
    );
    // Whatever an LLM sees makes another request.
    assert_eq!(ask(&llm, &request("2?")).await.unwrap().text, "Two.");
    assert_eq!((script.requests().len(), llm.len()), (2, 2));

    let others = [
        ChatRequest { schema: Some(json!({})), ..request("1?") },
        ChatRequest { max_tokens: 7, ..request("1?") },
        ChatRequest { prefix: vec![Message::system("You ask.")], ..request("1?") },
        ChatRequest { images: vec![crate::fakes::picture()], ..request("1?") },
    ];
    let script = Script::new(["\"a\"", "b", "c", "d"]);
    let llm = cached(&script, &file);
    assert_eq!(llm.len(), 2, "the file outlives the process");
    for (other, text) in others.iter().zip(["\"a\"", "b", "c", "d"]) {
        assert_eq!(ask(&llm, other).await.unwrap().text, text);
    }
    let mut streamed = String::new();
    let reply = llm.stream(&cx(), &request("1?"), &mut |text| streamed.push_str(text)).await.unwrap();
    assert_eq!((reply.text.as_str(), streamed.as_str()), ("One.", "One."));
}

#[tokio::test]
async fn variety_and_failures_are_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("replies.jsonl");
    let script = Script::new(["One.", "Another."]);
    let llm = cached(&script, &file);
    let warm = ChatRequest { temperature: 0.7, ..request("1?") };
    assert_eq!(ask(&llm, &warm).await.unwrap().text, "One.");
    assert_eq!(ask(&llm, &warm).await.unwrap().text, "Another.");
    script.then(Error::new(ErrorKind::Model, "it is out of order"));
    assert!(ask(&llm, &request("1?")).await.is_err());
    assert!(llm.is_empty());
}

#[tokio::test]
async fn reused_calls_are_counted_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let llm = cached(&Script::new(["One."]), &folder.path().join("replies.jsonl"));
    let cx = cx();
    for _ in 0..3 {
        call(&cx, &llm, "plan", &request("1?")).await.unwrap();
    }
    let usage = cx.meter().usage();
    assert_eq!((usage.llm_calls, usage.reused_calls), (3, 2));
    assert_eq!(json!(usage)["reused_calls"], 2);
}

/// Two open files, as two processes have them.
#[tokio::test]
async fn two_runs_write_to_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("replies.jsonl");
    let (one, two) = (cached(&Script::new(["One."]), &file), cached(&Script::new(["Two."]), &file));
    ask(&one, &request("1?")).await.unwrap();
    ask(&two, &request("2?")).await.unwrap();
    assert_eq!(cached(&Script::new([""; 0]), &file).len(), 2);
}

#[tokio::test]
async fn a_reply_that_was_cut_off_is_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("replies.jsonl");
    ask(&cached(&Script::new(["\"Fünf 三.\""]), &file), &request("1?")).await.unwrap();
    let whole = fs::read(&file).unwrap();
    for length in 0..whole.len() {
        fs::write(&file, &whole[..length]).unwrap();
        let llm = cached(&Script::new(["\"One again.\""]), &file);
        assert_eq!(ask(&llm, &request("1?")).await.unwrap().text, "\"One again.\"", "{length}");
        assert_eq!(real::json_lines(&file).len(), 2);
    }
}

#[tokio::test]
async fn what_should_be_json_and_is_not_is_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let llm = cached(&Script::new(["One", "\"One\""]), &folder.path().join("replies.jsonl"));
    let request = ChatRequest { schema: Some(json!({ "type": "string" })), ..request("1?") };
    assert_eq!(ask(&llm, &request).await.unwrap().text, "One");
    assert_eq!(ask(&llm, &request).await.unwrap().text, "\"One\"");
    assert_eq!(llm.len(), 1);
}

#[test]
fn runs_that_begin_together_share_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("replies.jsonl");
    std::thread::scope(|scope| {
        for n in 0..8 {
            let file = &file;
            scope.spawn(move || {
                let llm = cached(&Script::new([format!("\"{n}\"")]), file);
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(ask(&llm, &request(&format!("{n}?")))).unwrap();
            });
        }
    });
    assert_eq!(cached(&Script::new([""; 0]), &file).len(), 8);
}

#[test]
fn what_is_no_file_of_replies_is_named_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("replies.jsonl");
    for (text, says) in [
        ("{\"question\": \"What?\"}\n", "its first line is not {\"replies\":1}"),
        ("{\"replies\": 2}\n", "its format is 2"),
        ("{\"replies\": 1}\n{\"request\": \"a\"}\n", "line 2 is no reply"),
        ("{\"replies\": 1}\n\nnonsense\n", "line 3 is no reply"),
    ] {
        fs::write(&file, text).unwrap();
        let error = Cached::open(Script::new([""; 0]), &file).err().unwrap().to_string();
        assert!(error.contains(says) && error.contains("replies.jsonl"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
    // Without the end of its line, too.
    for text in ["{\"a\": 1}", "{\"replies\":1}\n{\"question\": \"What?\"}", "{\"question\": 1}\n{\"question\": 2}"] {
        fs::write(&file, text).unwrap();
        assert!(Cached::open(Script::new([""; 0]), &file).is_err(), "{text}");
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
    fs::write(&file, b"\xff\xfe\n").unwrap();
    assert!(Cached::open(Script::new([""; 0]), &file).is_err());
    assert!(Cached::open(Script::new([""; 0]), &folder.path().join("none/replies.jsonl")).is_err());
}

proptest! {
    #[test]
    fn any_file_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), begun in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("replies.jsonl");
        let header: &[u8] = if begun { b"{\"replies\": 1}\n" } else { b"" };
        fs::write(&file, [header, &bytes].concat()).unwrap();
        if Cached::open(Script::new([""; 0]), &file).is_ok() {
            prop_assert!(Cached::open(Script::new([""; 0]), &file).is_ok(), "what was read once is read again");
        }
    }
}

#[test]
fn a_line_has_the_documented_form() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("replies.jsonl");
    real::block_on(ask(&cached(&Script::new(["One."]), &file), &request("1?"))).unwrap();
    let lines = real::json_lines(&file);
    assert_eq!(lines[0], json!({ "replies": 1 }));
    let keys: Vec<&str> = lines[1].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["request", "text", "finish", "usage"]);
    assert!(lines[1]["request"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(lines[1]["usage"]["completion_tokens"], Json::from(5));
}
