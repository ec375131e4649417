//! Cassettes: recorded LLM calls, replayed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lavr::agent::{Agent, Report};
use lavr::budget::Budget;
use lavr::chat::cassette::{self, Asked, Cassette};
use lavr::chat::record::Recorded;
use lavr::chat::replay::Replay;
use lavr::chat::{ChatModel, ChatRequest, FinishReason};
use lavr::config::Config;
use lavr::cx::Cx;
use lavr::error::{Error, ErrorKind};
use lavr::image::Image;
use lavr::message::Message;
use lavr::store::{Progress, Silent, Store, StoreOptions};
use lavr::task::{Mode, Task};
use regex::Regex;
use serde_json::{Value as Json, json};

use crate::experts::repository;
use crate::fakes::{Script, picture};
use crate::real;

fn cx() -> Cx {
    Cx::new(Budget::default())
}

fn request(question: &str) -> ChatRequest {
    let prefix = vec![Message::system("You answer."), Message::user("1?"), Message::assistant("One.")];
    ChatRequest { schema: Some(json!({ "type": "string" })), ..ChatRequest::new(prefix, vec![Message::user(question)]) }
}

/// Records the replies of a script to these questions, and reads the cassette's lines.
async fn record(folder: &Path, script: Arc<Script>, questions: &[&str]) -> Vec<Json> {
    let llm = Recorded::new(script, folder).unwrap();
    for question in questions {
        let _ = llm.complete(&cx(), &request(question)).await;
    }
    real::json_lines(&cassette::path(folder))
}

async fn replies(llm: &Replay, questions: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    for question in questions {
        all.push(llm.complete(&cx(), &request(question)).await.unwrap().text);
    }
    all
}

/// A run whose LLM calls are kept under `tests/cassettes`, and what its answer says.
struct Kept {
    name: &'static str,
    images: &'static [&'static str],
    question: &'static str,
    mode: Mode,
    answer: &'static str,
}

const KEPT: [Kept; 4] = [
    Kept {
        name: "people",
        images: &["gallery.jpg"],
        question: "How many people are there?",
        mode: Mode::Auto,
        answer: r"\b(3|three)\b",
    },
    Kept {
        name: "sign-and-people",
        images: &["gallery.jpg"],
        question: "What does the sign say, and how many people are there?",
        mode: Mode::Auto,
        answer: "OPEN DAILY 9-17.*3",
    },
    Kept {
        name: "total",
        images: &["receipt.png"],
        question: "What is the total?",
        mode: Mode::Auto,
        answer: r"\d+\.\d\d",
    },
    Kept {
        name: "rounds",
        images: &["memo.jpg", "staff.jpg", "keys.jpg"],
        question: "The parcel has to go into the room of the person it is for. On which hook is the key?",
        mode: Mode::DecisionMaker,
        answer: "K14",
    },
];

/// With `LAVR_RECORD` naming an LLM, records anew; else replays, so that every request has to be the recorded one.
#[test]
fn kept_cassettes_replay_through_the_whole_agent() {
    let _turn = real::turn();
    for kept in &KEPT {
        let name = kept.name;
        let folder = repository("tests/cassettes").join(name);
        let anew = std::env::var("LAVR_RECORD").ok();
        if let Some(llm) = &anew {
            let _ = std::fs::remove_dir_all(&folder);
            let chat = Config { llm: llm.clone(), ..Config::default() };
            real::block_on(async {
                let chat = chat.chat(Arc::new(Silent)).unwrap();
                run(Arc::new(Recorded::new(chat, &folder).unwrap()), kept).await
            });
        }
        let replay = Arc::new(Replay::open(&folder).unwrap());
        let report = real::block_on(run(Arc::<Replay>::clone(&replay), kept));
        let hint = "when the prompts are meant to have changed, record again: see tests/cassettes/README.md";
        assert!(report.error.is_none(), "{name}: {:?}\n{hint}", report.error);
        assert_eq!(replay.unused(), 0, "{name}: not every recorded call was asked for; {hint}");
        assert!(Regex::new(kept.answer).unwrap().is_match(&report.answer.text), "{name}: {}", report.answer.text);
        assert!(!report.answer.claims.is_empty(), "{name}");
    }
}

/// The real tools with another LLM.
async fn run(chat: Arc<dyn ChatModel>, kept: &Kept) -> Report {
    let progress: Arc<dyn Progress> = Arc::new(Silent);
    let catalog = Config::default().catalog(&progress).unwrap();
    let store = Store::open(StoreOptions::from_env().unwrap()).unwrap();
    let embedder = lavr::embedder::builtin(&store, &progress).unwrap();
    let agent = Agent::builder().chat(chat).catalog(catalog).embedder(embedder).build().unwrap();
    let open = |name: &&str| Image::open(real::picture(name), &Config::default().images).unwrap();
    let images = kept.images.iter().map(open).collect();
    agent.ask(&Task::new(kept.question, images).with_mode(kept.mode)).await.unwrap()
}

#[tokio::test]
async fn what_was_recorded_is_replayed_without_the_llm() {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path(), Script::new(["One.", "Two."]), &["1?", "2?"]).await;
    let replay = Replay::open(folder.path()).unwrap();
    assert_eq!(replay.capabilities().model, "script");
    let reply = replay.complete(&cx(), &request("2?")).await.unwrap();
    assert_eq!((reply.text.as_str(), reply.finish), ("Two.", FinishReason::Stop));
    assert_eq!((reply.usage.prompt_tokens, reply.usage.cached_tokens, reply.usage.completion_tokens), (10, 100, 5));
    let mut pieces = Vec::new();
    replay.stream(&cx(), &request("1?"), &mut |piece| pieces.push(piece.to_owned())).await.unwrap();
    assert_eq!(pieces, ["One."]);
    assert_eq!(replay.unused(), 0);
}

#[tokio::test]
async fn the_same_request_gets_its_replies_in_order_and_then_the_last_one_again() {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path(), Script::new(["a", "b", "other"]), &["1?", "1?", "2?"]).await;
    let replay = Replay::open(folder.path()).unwrap();
    assert_eq!(replies(&replay, &["1?", "1?", "1?", "2?", "1?", "2?"]).await, ["a", "b", "b", "other", "b", "other"]);
}

#[tokio::test]
async fn where_the_constant_part_ends_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path(), Script::new(["a"]), &["1?"]).await;
    let mut moved = request("1?");
    moved.messages = moved.prefix.drain(..).chain(moved.messages.clone()).collect();
    assert_eq!(Replay::open(folder.path()).unwrap().complete(&cx(), &moved).await.unwrap().text, "a");
}

#[tokio::test]
async fn a_recorded_failure_fails_the_same_way() {
    let folder = tempfile::tempdir().unwrap();
    let failing = Script::failing(Error::new(ErrorKind::Network, "LLM unreachable"));
    let lines = record(folder.path(), failing, &["1?"]).await;
    assert_eq!(lines[3]["error"], json!({ "kind": "network", "message": "LLM unreachable" }));
    let error = Replay::open(folder.path()).unwrap().complete(&cx(), &request("1?")).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Network, "LLM unreachable"));
}

#[tokio::test]
async fn a_call_that_the_run_stopped_is_not_recorded() {
    let folder = tempfile::tempdir().unwrap();
    for kind in [ErrorKind::Cancelled, ErrorKind::Budget] {
        assert!(record(folder.path(), Script::failing(Error::new(kind, "stopped")), &["1?"]).await.is_empty());
    }
}

#[tokio::test]
async fn a_cassette_has_the_documented_lines() {
    let folder = tempfile::tempdir().unwrap();
    let lines = record(folder.path(), Script::new(["One.", "Two."]), &["1?", "2?"]).await;
    let keys = |line: &Json| line.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&lines[0]), ["cassette", "lavr", "model", "date", "context", "constrained", "images"]);
    assert_eq!((lines[0]["cassette"].as_u64(), lines[0]["model"].as_str()), (Some(1), Some("script")));
    let date = lines[0]["date"].as_str().unwrap();
    assert!(Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$").unwrap().is_match(date), "{date}");
    assert_eq!(keys(&lines[1]), ["prefix", "messages"]);
    assert_eq!(keys(&lines[2]), ["schema", "json"]);
    assert_eq!(keys(&lines[3]), ["call", "request", "reply"]);
    assert_eq!(keys(&lines[3]["request"]), ["prefix", "messages", "schema", "max_tokens", "temperature"]);
    assert_eq!(keys(&lines[3]["reply"]), ["text", "finish", "usage"]);
    assert_eq!(lines[3]["request"]["prefix"], lines[1]["prefix"]);
    assert_eq!(lines[4]["call"], 2);
    assert_eq!(lines.len(), 5, "what calls share is written once");
}

#[tokio::test]
async fn a_recording_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = cassette::path(folder.path());
    std::fs::write(&path, "").unwrap();
    record(folder.path(), Script::new(["a"]), &["1?"]).await;
    let before = std::fs::read(&path).unwrap();
    let Err(error) = Recorded::new(Script::new(["b"]), folder.path()) else { panic!("it was written over") };
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("name another folder, or remove that file"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let Err(error) = Recorded::new(Script::new(["b"]), &path) else { panic!("a file was taken for a folder") };
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
}

#[tokio::test]
async fn an_unknown_request_fails_with_the_first_difference() {
    let asked = Asked::from(&ChatRequest { images: vec![picture()], ..request("How many people are there?") });
    let change = |change: &dyn Fn(&mut Asked)| {
        let mut recorded = asked.clone();
        change(&mut recorded);
        asked.difference(&recorded).map(|difference| difference.to_string()).unwrap_or_default()
    };
    let content = |n: usize, text: &str| {
        let text = text.to_owned();
        change(&move |recorded: &mut Asked| recorded.messages[n].content.clone_from(&text))
    };
    assert_eq!(change(&|_| {}), "");
    assert_eq!(
        content(3, "How many dogs are there?\nNow."),
        "message 4 (user) differs at character 10: asked `How many people are there?`, \
         recorded `How many dogs are there?\\nNow.`"
    );
    assert_eq!(
        content(0, "You answer. Ü and much more text that no one wants to read in an error"),
        "message 1 (system) differs at character 12: asked `You answer.`, \
         recorded `You answer. Ü and much more text that no on…`"
    );
    let role = change(&|recorded| recorded.messages[2].role = recorded.messages[1].role);
    assert_eq!(role, "message 3 is of the assistant, recorded of the user");
    let fewer = change(&|recorded| drop(recorded.messages.pop()));
    assert_eq!(fewer, "there are 4 messages, recorded 3");
    let schema = change(&|recorded| recorded.schema = Some(json!({ "type": "number" })));
    assert!(schema.starts_with("the schema differs at character 10: asked `{\"type\":\"string\"}`"), "{schema}");
    assert!(change(&|recorded| recorded.schema = None).contains("recorded `none`"));
    assert_eq!(change(&|recorded| recorded.max_tokens = 7), "`max_tokens` is 512, recorded 7");
    assert_eq!(change(&|recorded| recorded.temperature = 0.5), "the temperature is 0, recorded 0.5");
    let images = change(&|recorded| recorded.images.clear());
    assert!(images.starts_with("the images differ: asked sha256:") && images.ends_with("recorded none"), "{images}");
}

#[tokio::test]
async fn an_unknown_request_is_compared_to_the_nearest_call_that_is_left() {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path(), Script::new(["a", "b", "c"]), &["What?", "How many cats?", "How many dogs?"]).await;
    let replay = Replay::open(folder.path()).unwrap();
    let fails = async |question: &str| replay.complete(&cx(), &request(question)).await.unwrap_err().to_string();
    let error = fails("How many dots?").await;
    assert!(
        error.contains("call 3 of the cassette, message 4 (user) differs at character 12: asked `How many dots?`"),
        "{error}"
    );
    replies(&replay, &["How many dogs?"]).await;
    let error = fails("How many dots?").await;
    assert!(error.contains("call 2 of the cassette"), "{error}");
    assert!(error.starts_with("no recorded call fits this LLM call") && error.contains("--record"), "{error}");
    replies(&replay, &["What?", "How many cats?"]).await;
    assert!(fails("How many dots?").await.contains("call 3 of the cassette"));
}

#[tokio::test]
async fn a_faulty_cassette_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str| Replay::open(&folder.path().join(name)).unwrap_err();
    let error = open("none");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("there is no folder"), "{error}");
    let error = Replay::open(folder.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("holds no cassette.jsonl; record one with `--record"), "{error}");
    let header = r#"{"cassette":1,"lavr":"0.1.0","model":"m","date":"2026-01-01T00:00:00Z","context":10}"#;
    let call = r#"{"call":1,"request":{"prefix":"sha256:x","messages":[],"max_tokens":1,"temperature":0.0},"reply":{"text":"","finish":"stop"}}"#;
    let cases = [
        (String::new(), "it is empty"),
        ("{\"lavr\": \"0.1.0\"}\n".to_owned(), "line 1: it is no cassette's header"),
        (header.replace("\"cassette\":1", "\"cassette\":2") + "\n", "of format 2, and this version of lavr knows 1"),
        (format!("{header}\n\n{{}}\n"), "line 3 is faulty"),
        (format!("{header}\n{call}\n"), "line 2 is faulty: there is no prefix `sha256:x` before it"),
        (
            format!(
                "{header}\n{}\n",
                call.replace("\"reply\":", "\"error\":{\"kind\":\"model\",\"message\":\"\"},\"reply\":")
            ),
            "line 2 is faulty",
        ),
    ];
    for (text, part) in cases {
        let path = cassette::path(folder.path());
        std::fs::write(&path, &text).unwrap();
        let error = Replay::open(folder.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let said = error.to_string();
        assert!(said.contains(part) && said.contains("cassette.jsonl") && !said.contains('\n'), "{said}");
    }
    let cut = format!("{header}\n{}", &call[..40]);
    assert!(Cassette::parse(&cut).unwrap().calls.is_empty(), "a line that was cut off is left out");
}

#[tokio::test]
async fn a_replay_ends_with_its_run() {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path(), Script::new(["a"]), &["1?"]).await;
    let ended = Cx::new(Budget { timeout_ms: 1, ..Budget::default() });
    tokio::time::sleep(Duration::from_millis(5)).await;
    let error = Replay::open(folder.path()).unwrap().complete(&ended, &request("1?")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Budget);
}
