//! A service that is killed at any moment: every run that it took on is there after a restart, and ends once.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lavr::run_store::{FolderRuns, RunStore as _};
use lavr::trace::{Entry, Event};
use serde_json::{Value as Json, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::{client, data_url};

/// How often the service is killed.
const KILLS: u32 = 20;

/// A service of its own process.
struct Served {
    process: Child,
    base: String,
}

impl Served {
    fn start(config: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lavr"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(config);
        command.env_remove("LAVR_LLM").env_remove("LAVR_CONFIG").env_remove("LAVR_API_KEY").env("RUST_LOG", "off");
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let base = lines.find_map(|line| {
            let line = line.unwrap();
            line.split_once("listening on ").and_then(|(_, rest)| rest.split(' ').next()).map(str::to_owned)
        });
        // Whoever writes on must not be stopped by a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, base: base.unwrap() }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An LLM that plans two steps and words what they found, each after a while.
async fn llm() -> MockServer {
    let server = MockServer::start().await;
    let reply = |request: &Request| {
        let asked = String::from_utf8_lossy(&request.body);
        let plan = json!({
            "steps": [
                { "id": "part", "tool": "crop", "args": { "image": "$image", "region": { "box": [1, 1, 7, 5] } } },
                { "id": "colors", "tool": "color_of", "args": { "image": "$part" } },
            ],
            "result": "$colors",
        });
        let answer = json!({ "answerable": true, "answer": ["The main colour is red."] });
        let text = if asked.contains("You plan how to answer") { plan } else { answer };
        let chunk = json!({
            "choices": [{ "index": 0, "delta": { "content": text.to_string() }, "finish_reason": "stop" }],
        });
        let body = format!("data: {chunk}\n\ndata: [DONE]\n\n");
        ResponseTemplate::new(200).set_delay(Duration::from_millis(60)).set_body_raw(body, "text/event-stream")
    };
    Mock::given(method("POST")).respond_with(reply).mount(&server).await;
    server
}

fn count(entries: &[Entry], is: impl Fn(&Event) -> bool) -> usize {
    entries.iter().filter(|entry| is(&entry.event)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_killed_loses_no_run_and_ends_none_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (runs, config, llm) = (folder.path().join("runs"), folder.path().join("lavr.toml"), llm().await);
    let settings = format!(
        "llm = \"{}/v1#m\"\nmode = \"controller\"\n[service.runs]\nfolder = {:?}\n",
        llm.uri(),
        runs.display().to_string()
    );
    std::fs::write(&config, settings).unwrap();
    let mut accepted: BTreeSet<String> = BTreeSet::new();
    // Where the kills fall is drawn, the same way each time.
    let mut drawn = 0x2545_f491_u64;
    for _ in 0..KILLS {
        let served = Served::start(&config);
        drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let life = Duration::from_millis((drawn >> 33) % 400);
        let ask = async {
            loop {
                let asked = json!({ "question": "What is the main colour?", "images": [data_url()] });
                let sent = client().post(format!("{}/v1/runs", served.base)).json(&asked).send().await;
                let Ok(response) = sent else { return };
                if response.status() == 202
                    && let Ok(run) = response.json::<Json>().await
                {
                    accepted.insert(run["id"].as_str().unwrap().to_owned());
                }
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
        };
        let _ = tokio::time::timeout(life, ask).await;
        drop(served);
    }
    assert!(accepted.len() >= 3, "{accepted:?}");
    let served = Served::start(&config);
    for id in &accepted {
        let url = format!("{}/v1/runs/{id}/events", served.base);
        let told = client().get(url).send().await.unwrap().text().await.unwrap();
        assert!(told.contains("event: end"), "{told}");
    }
    drop(served);
    let store = FolderRuns::open(&runs).unwrap();
    for kept in store.all().unwrap() {
        let entries = store.entries(&kept.accepted.id).unwrap();
        let end = kept.end.unwrap_or_default();
        assert_eq!((&end["status"], &end["answer"]), (&json!("answered"), &json!("The main colour is red.")));
        assert_eq!(count(&entries, |event| matches!(event, Event::Started { .. })), 1);
        assert_eq!(count(&entries, |event| matches!(event, Event::LlmCall { .. })), 2, "{entries:?}");
        assert_eq!(count(&entries, |event| matches!(event, Event::StepEnded { .. })), 2, "{entries:?}");
        assert_eq!(count(&entries, |event| matches!(event, Event::Answered { .. } | Event::Failed { .. })), 1);
    }
    assert!(accepted.iter().all(|id| store.one(id).is_ok_and(|run| run.end.is_some())), "{accepted:?}");
}
