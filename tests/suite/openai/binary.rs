//! The built binary with an LLM behind the OpenAI protocol.

use std::process::Output;

use assert_cmd::Command;
use serde_json::{Value as Json, json};

use super::server::{Answer, Server};
use crate::real;

/// `lavr` without the keys and names of whoever runs the tests.
fn lavr() -> Command {
    let mut command = Command::cargo_bin("lavr").unwrap();
    for name in ["OPENAI_API_KEY", "OPENAI_BASE_URL", "LAVR_LLM_KEY", "LAVR_LLM", "LAVR_PRICES"] {
        command.env_remove(name);
    }
    command.timeout(std::time::Duration::from_secs(300));
    command
}

fn picture() -> String {
    real::picture("gallery.jpg").to_string_lossy().into_owned()
}

fn one_line(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(text.trim_end().lines().count(), 1, "{text}");
    text
}

#[test]
fn an_llm_that_is_not_there_is_one_line_on_stderr() {
    let output =
        lavr().args(["ask", &picture(), "How many people?", "--llm", "http://127.0.0.1:1/v1#x"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let line = one_line(&output);
    assert!(line.contains("LLM unreachable: http://127.0.0.1:1/v1: cannot connect"), "{line}");
    assert!(line.contains("start the server, or correct the address"), "{line}");
    assert!(output.stdout.is_empty());
}

#[test]
fn names_and_files_that_are_wrong_are_faults_of_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let prices = folder.path().join("prices.toml");
    std::fs::write(&prices, "models = 1").unwrap();
    let prices = prices.to_str().unwrap();
    let cases: [(&[&str], &str); 4] = [
        (&["--llm", "openai:gpt-4.1"], "set OPENAI_API_KEY"),
        (&["--llm", "http://127.0.0.1:1/v1"], "behind a `#`"),
        (&["--llm", "gpt"], "is not an LLM"),
        (&["--llm", "http://127.0.0.1:1/v1#m", "--prices", prices], "prices.toml"),
    ];
    for (args, part) in cases {
        let output = lavr().args(["plan", "How many people?"]).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let line = one_line(&output);
        assert!(line.contains(part), "{line}");
    }
}

/// The log at its most talkative shows nothing of what goes over the wire in secret.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_shows_no_secret() {
    let server = Server::start([Answer::error(401, "no", "")]).await;
    for (llm, key) in [(format!("{}#m", server.base()), "sk-secret-key"), (format!("{}#m", server.secret_base()), "x")]
    {
        let mut command = lavr();
        command.args(["plan", "How many people?", "-vvv", "--llm", &llm]);
        command.env("RUST_LOG", "trace").env("LAVR_LLM_KEY", key).env("LAVR_OFFLINE", "1");
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(log.contains("(401)") && log.contains("TRACE"), "{log}");
        for secret in ["sk-secret-key", "hush hush", "hush%20hush", "YW5uYTpodXNoIGh1c2g=", "query-secret"] {
            let line = log.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret}");
        }
    }
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_recorded_and_replayed() {
    let plan = json!({
        "steps": [
            { "id": "people", "tool": "detect_objects", "args": { "image": "$image", "labels": ["person"] } },
            { "id": "n", "tool": "count", "args": { "items": "$people" } }
        ],
        "result": "$n"
    });
    let answer = json!({ "answerable": true, "answer": ["There are 3 people."] });
    let replies = [plan, answer].map(|reply| Answer::streamed(&[&reply.to_string()]));
    let server = Server::start(replies).await;
    let folder = tempfile::tempdir().unwrap();
    let cassette = folder.path().join("cassette").to_string_lossy().into_owned();
    let prices = folder.path().join("prices.toml");
    std::fs::write(&prices, "[models.m]\ninput = 1\noutput = 1\n").unwrap();
    let llm = format!("{}#m", server.base());
    let ask = async |args: Vec<String>| {
        tokio::task::spawn_blocking(move || {
            lavr().args(["ask", &picture(), "How many people are there?", "--json"]).args(args).output().unwrap()
        })
        .await
        .unwrap()
    };
    let args = |args: &[&str]| args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>();
    let first = ask(args(&["--llm", &llm, "--record", &cassette, "--prices", prices.to_str().unwrap(), "-v"])).await;
    assert!(String::from_utf8_lossy(&first.stderr).contains("cost: $0.000070"), "{first:?}");
    let report: Json = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!(report["answer"], "There are 3 people.", "{report}");
    assert_eq!(server.asked().len(), 2);
    let usage = json!({
        "llm_calls": 2, "prompt_tokens": 20, "cached_tokens": 40, "completion_tokens": 10, "steps": 2, "rounds": 1,
        "cost_usd": 2.0 * 35.0 / 1e6
    });
    assert_eq!(report["usage"], usage);
    let again = ask(args(&["--llm", &format!("replay:{cassette}")])).await;
    let replayed: Json = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(replayed["answer"], report["answer"]);
    assert_eq!(replayed["plan"], report["plan"]);
    assert_eq!(replayed["usage"].get("cost_usd"), None, "a replay costs nothing");
    assert_eq!(server.asked().len(), 2, "a replay calls no one");
    let twice = ask(args(&["--llm", &llm, "--record", &cassette])).await;
    assert_eq!(twice.status.code(), Some(2));
    assert!(one_line(&twice).contains("was recorded before and is not written over"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_goes_on_from_earlier_ones_and_is_replayed_as_it_was_understood() {
    let step = json!({ "id": "size", "tool": "measure", "args": { "what": "width", "image": "$image" } });
    let plan = json!({ "steps": [step], "result": "$size" });
    let answer = json!({ "answerable": true, "answer": ["The image is {size} pixels wide."] });
    let alone = json!({ "question": "How many pixels wide is the image?" });
    let replies = [alone, plan, answer].map(|reply| Answer::streamed(&[&reply.to_string()]));
    let server = Server::start(replies).await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (llm, trace, kept) = (format!("{}#m", server.base()), path("run.jsonl"), path("replies.jsonl"));
    let ask = async |args: Vec<String>| {
        let run = move || {
            let asked = ["ask", &picture(), "And wide?", "--after", "How many pixels high is the image?"];
            lavr().args(asked).args(args).output().unwrap()
        };
        tokio::task::spawn_blocking(run).await.unwrap()
    };
    let args = |args: &[&str]| args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>();
    let first = ask(args(&["--llm", &llm, "--trace", &trace, "--llm-cache", &kept])).await;
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    let said = "understood as: How many pixels wide is the image?";
    assert!(String::from_utf8_lossy(&first.stderr).contains(said), "{first:?}");
    assert!(String::from_utf8_lossy(&first.stdout).contains("pixels wide"), "{first:?}");
    let again = ask(args(&["--llm", &llm, "--llm-cache", &kept, "--json"])).await;
    let report: Json = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(report["standalone"], "How many pixels wide is the image?", "{report}");
    assert_eq!((&report["usage"]["reused_calls"], server.asked().len()), (&json!(3), 3), "{report}");
    let replayed = lavr().args(["replay", &trace, "--json"]).output().unwrap();
    let replayed: Json = serde_json::from_slice(&replayed.stdout).unwrap();
    assert_eq!((&replayed["answer"], &replayed["standalone"]), (&report["answer"], &report["standalone"]));
    let shown = lavr().args(["view", &trace, "-o", &path("run.html")]).output().unwrap();
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    let empty = lavr().args(["ask", &picture(), "And wide?", "--after", " ", "--llm", &llm]).output().unwrap();
    assert_eq!(empty.status.code(), Some(2));
    assert!(one_line(&empty).contains("earlier question 1 is empty"), "{empty:?}");
}

/// An evaluation that is run twice asks once, and says so.
#[tokio::test(flavor = "multi_thread")]
async fn an_evaluation_with_kept_replies_asks_once() {
    let server = Server::start(counting(true)).await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let case = json!({ "image": picture(), "question": "How many people are there?", "answer": 3 });
    std::fs::write(path("cases.jsonl"), format!("{case}\n")).unwrap();
    let llm = format!("{}#m", server.base());
    for reused in [Json::Null, json!([2, 2])] {
        let [cases, replies, llm] = [path("cases.jsonl"), path("replies.jsonl"), llm.clone()];
        let run = move || {
            let kept = ["--llm", &llm, "--llm-cache", &replies, "--json"];
            lavr().args(["eval", &cases, "--metric", "number"]).args(kept).output().unwrap()
        };
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        let summary: Json = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(summary["scores"][0]["estimate"], 1.0, "{output:?}");
        assert_eq!(summary["llm_calls"], reused);
    }
    assert_eq!(server.asked().len(), 2);
    let replay =
        lavr().args(["ask", &picture(), "What?", "--llm", "replay:calls", "--llm-cache", "r"]).output().unwrap();
    assert_eq!(replay.status.code(), Some(2));
    assert!(one_line(&replay).contains("a replay asks no LLM"), "{replay:?}");
    // Neither results nor a trace go to the file of replies.
    let kept = path("replies.jsonl");
    let before = std::fs::read(&kept).unwrap();
    let eval = ["eval", &path("cases.jsonl"), "--metric", "number", "--out", &kept];
    for args in [eval.as_slice(), &["ask", &picture(), "What?", "--trace", &kept], &["plan", "What?", "--trace", &kept]]
    {
        let refused = lavr().args(args).args(["--llm-cache", &kept]).output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(one_line(&refused).contains("is the file of --llm-cache"), "{refused:?}");
    }
    assert_eq!(std::fs::read(&kept).unwrap(), before);
}

/// A plan that counts people, and its answer, as a server says them.
fn counting(usage: bool) -> [Answer; 2] {
    let people =
        json!({ "id": "people", "tool": "detect_objects", "args": { "image": "$image", "labels": ["person"] } });
    let count = json!({ "id": "n", "tool": "count", "args": { "items": "$people" } });
    let plan = json!({ "steps": [people, count], "result": "$n" });
    let answer = json!({ "answerable": true, "answer": ["There are 3 people."] });
    [plan, answer].map(|reply| {
        let mut events = super::server::stream_events(&[&reply.to_string()], "stop");
        if !usage {
            events.truncate(events.len() - 2);
        }
        Answer::events(&events)
    })
}

async fn output(args: &[&str]) -> Output {
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    tokio::task::spawn_blocking(move || lavr().args(args).output().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_shown_to_the_llm_that_plans_only_when_asked_to() {
    for show in [true, false] {
        let server = Server::start(counting(true)).await;
        let (llm, picture) = (format!("{}#m", server.base()), picture());
        let folder = tempfile::tempdir().unwrap();
        let trace = folder.path().join("run.jsonl");
        let trace = trace.to_str().unwrap();
        let mut args = vec!["ask", &picture, "How many people are there?", "--llm", &llm, "--trace", trace];
        if show {
            args.push("--show-images");
        }
        let output = output(&args).await;
        assert_eq!(String::from_utf8_lossy(&output.stdout), "There are 3 people.\n", "{output:?}");
        let bodies: Vec<bool> = server.bodies().iter().map(|b| b.to_string().contains("data:image/jpeg")).collect();
        assert_eq!(bodies, [show, false], "the LLM that words the answer sees text alone");
        let journal = std::fs::read_to_string(trace).unwrap();
        let calls = journal.lines().filter(|line| line.contains("\"llm_call\""));
        let shown: Vec<bool> = calls.map(|line| line.contains("\"images\":[\"sha256:")).collect();
        assert_eq!(shown, [show, false], "{journal}");
    }
}

#[test]
fn in_controller_mode_no_image_has_a_say_in_the_plan() {
    let args = ["ask", &picture(), "How many people?", "--llm", "http://127.0.0.1:1/v1#m", "--show-images"];
    let output = lavr().args(args).args(["--mode", "controller"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(one_line(&output).contains("`--mode controller`"), "{output:?}");
}

#[test]
fn an_llm_that_takes_no_images_cannot_be_shown_any() {
    let output = lavr().args(["ask", &picture(), "How many people?", "--show-images"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(one_line(&output).contains("takes no images"), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_limit_holds_for_a_server_that_counts_none() {
    let server = Server::start(counting(false)).await;
    let (llm, picture) = (format!("{}#m", server.base()), picture());
    let args = ["ask", &picture, "How many people are there?", "--llm", &llm, "--max-tokens", "500"];
    let output = output(&args).await;
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--max-tokens"), "{output:?}");
}
