//! Runs that are taken on: kept, followed, cancelled, done again from a step, and gone on with after a restart.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lavr::chat::{Capabilities, ChatModel, ChatReply, ChatRequest};
use lavr::config::{Config, RunsConfig, ServiceConfig};
use lavr::cx::Cx;
use lavr::error::{Error, ErrorKind};
use lavr::image::{Image, ImageLimits};
use lavr::run_store::{FolderRuns, RunStore as _};
use lavr::trace::Event;
use lavr::value::Value;
use reqwest::{Response, StatusCode};
use serde_json::{Value as Json, json};
use tokio::sync::Notify;

use super::{Running, client, config, data_url, dogs};
use crate::agent::{dogs_plan, says, tools};
use crate::fakes::{Script, catalog, picture, quick, regions, signature, spec, tool};
use crate::followup::alone;

fn kept_in(folder: &std::path::Path) -> Config {
    let runs = RunsConfig { folder: Some(folder.to_owned()), ..RunsConfig::default() };
    Config { service: ServiceConfig { runs, ..ServiceConfig::default() }, ..config() }
}

fn asked() -> Json {
    json!({ "question": "How many dogs are there?", "images": [data_url()] })
}

async fn post(service: &Running, body: &Json) -> (StatusCode, Json) {
    let response = client().post(service.url("/v1/runs")).json(body).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

async fn get(service: &Running, path: &str) -> Response {
    service.get(path).send().await.unwrap()
}

/// The id of a run that is taken on.
async fn begin(service: &Running, body: &Json) -> String {
    let (status, run) = post(service, body).await;
    assert_eq!(status, 202, "{run}");
    run["id"].as_str().unwrap().to_owned()
}

/// The events of a run to its end, as they are sent: their numbers, names and data.
async fn events(service: &Running, id: &str, last: Option<&str>) -> Vec<(u64, String, Json)> {
    let request = service.get(&format!("/v1/runs/{id}/events"));
    let request =
        last.map_or(service.get(&format!("/v1/runs/{id}/events")), |last| request.header("last-event-id", last));
    let text = request.send().await.unwrap().text().await.unwrap();
    let field = |event: &str, name: &str| {
        event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
    };
    text.split("\n\n")
        .filter_map(|event| {
            let data: Json = serde_json::from_str(&field(event, "data")?).unwrap();
            let name = field(event, "event").unwrap_or_else(|| data["event"].as_str().unwrap().to_owned());
            Some((field(event, "id").unwrap().parse().unwrap(), name, data))
        })
        .collect()
}

/// A run when it is over.
async fn ended(service: &Running, id: &str) -> Json {
    events(service, id, None).await.pop().unwrap().2
}

#[tokio::test]
async fn a_run_is_taken_on_and_goes_by_itself() {
    let service = Running::scripted(dogs()).await;
    let response = client().post(service.url("/v1/runs")).json(&asked()).send().await.unwrap();
    assert_eq!(response.status(), 202);
    let place = response.headers()["location"].to_str().unwrap().to_owned();
    let run: Json = response.json().await.unwrap();
    let id = run["id"].as_str().unwrap();
    assert_eq!((place, &run["object"], &run["images"]), (format!("runs/{id}"), &json!("run"), &json!(1)));
    let events = events(&service, id, None).await;
    let names: Vec<&str> = events.iter().map(|(_, name, _)| name.as_str()).collect();
    let all = ["started", "shown", "llm_call", "planned", "step_started", "step_ended", "step_started", "step_ended"];
    assert_eq!(names, [&all[..], &["llm_call", "answered", "end"]].concat());
    assert_eq!(events.iter().map(|(n, ..)| *n).collect::<Vec<_>>(), (0..11).collect::<Vec<_>>());
    let end = &events.last().unwrap().2;
    assert_eq!((&end["status"], &end["answer"]), (&json!("answered"), &json!("There are 2 dogs.")));
    assert_eq!(end["report"]["claims"], json!([{ "text": "There are 2 dogs.", "steps": ["n"] }]));
    let shown: Json = get(&service, &format!("/v1/runs/{id}")).await.json().await.unwrap();
    assert_eq!(&shown, end);
    let told = json!(events).to_string();
    assert!(!told.contains("You plan how to answer") && !told.contains("\"reply\""), "prompts and replies stay inside");

    // What a client has seen already is not sent again.
    let rest = super::runs::events(&service, id, Some("8")).await;
    assert_eq!(rest.iter().map(|(n, ..)| *n).collect::<Vec<_>>(), [9, 10]);
    let all = service.get(&format!("/v1/runs/{id}/events")).header("last-event-id", "10").send().await.unwrap();
    assert_eq!(all.status(), 204, "there is nothing more to come");
    let faulty = service.get(&format!("/v1/runs/{id}/events")).header("last-event-id", "x").send().await.unwrap();
    assert_eq!(faulty.status(), 400);
}

#[tokio::test]
async fn a_run_is_shown_as_a_trace_a_page_and_a_picture() {
    let service = Running::scripted(dogs()).await;
    let id = begin(&service, &asked()).await;
    ended(&service, &id).await;
    let trace = get(&service, &format!("/v1/runs/{id}/trace")).await.text().await.unwrap();
    let lines: Vec<Json> = trace.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["event"]), (10, &json!("started")));
    assert!(lines.iter().all(|line| line.get("prompt").is_none() && line.get("reply").is_none()));
    let page = get(&service, &format!("/v1/runs/{id}/view")).await;
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    let page = page.text().await.unwrap();
    assert!(page.contains("Content-Security-Policy") && page.contains("How many dogs are there?"));
    assert!(page.contains("data:image/png;base64,"), "the image is in the page");
    let drawn = get(&service, &format!("/v1/runs/{id}/images/1/annotated")).await;
    assert_eq!(drawn.headers()["content-type"], "image/png");
    let drawn = Image::decode(drawn.bytes().await.unwrap().to_vec(), &ImageLimits::default()).unwrap();
    assert_eq!((drawn.width(), drawn.height()), (8, 6));
    assert_ne!(drawn.pixels(), picture().pixels(), "the dogs are marked");
    let digest = picture().digest().to_owned();
    let blob = get(&service, &format!("/v1/runs/{id}/blobs/{digest}")).await;
    assert_eq!((blob.status().as_u16(), blob.bytes().await.unwrap().to_vec()), (200, picture().encoded().to_vec()));
    for path in ["images/2/annotated", "images/0/annotated", "blobs/sha256:00", "blobs/..%2Frun.json"] {
        assert_eq!(get(&service, &format!("/v1/runs/{id}/{path}")).await.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn a_form_with_files_asks_too() {
    let [plan, answer] = dogs();
    let followed = [alone("How many dogs are there?"), plan, answer];
    let service = Running::scripted(dogs().into_iter().chain(followed)).await;
    let boundary = "----form";
    let mut body = Vec::new();
    for (name, value) in [("question", "How many dogs are there?"), ("guess", "false"), ("mode", "controller")] {
        body.extend(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes(),
        );
    }
    let head = "Content-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\nContent-Type: image/png";
    body.extend(format!("--{boundary}\r\n{head}\r\n\r\n").bytes());
    body.extend(picture().encoded());
    body.extend(format!("\r\n--{boundary}--\r\n").bytes());
    let form = |body: Vec<u8>| {
        let kind = format!("multipart/form-data; boundary={boundary}");
        client().post(service.url("/v1/runs")).header("content-type", kind).body(body).send()
    };
    let response = form(body.clone()).await.unwrap();
    assert_eq!(response.status(), 202);
    let run: Json = response.json().await.unwrap();
    assert_eq!(ended(&service, run["id"].as_str().unwrap()).await["answer"], "There are 2 dogs.");

    // A field for each question that was asked before.
    let mut followed = Vec::new();
    for earlier in ["How many people are there?", "And cats?"] {
        followed.extend(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"earlier\"\r\n\r\n{earlier}\r\n").bytes(),
        );
    }
    followed.extend(&body);
    let run: Json = form(followed).await.unwrap().json().await.unwrap();
    let events = events(&service, run["id"].as_str().unwrap(), None).await;
    assert_eq!(events[0].2["task"]["earlier"], json!(["How many people are there?", "And cats?"]), "{events:?}");

    let part = |name: &str, value: &str| {
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n--{boundary}--\r\n")
    };
    for (body, said) in [
        (part("questions", "x"), "the form has a field `questions`"),
        (part("guess", "perhaps"), "the field `guess` of the form is no JSON"),
        (part("question", ""), "the question is empty"),
        (
            part("question", "x").replace("--\r\n", "\r\n")
                + &part("earlier", " ").replacen(&format!("--{boundary}\r\n"), "", 1),
            "earlier question 1 is empty",
        ),
        (part("image", "x"), "the question is empty"),
        ("no form".to_owned(), "the form cannot be read"),
    ] {
        let response = form(body.into_bytes()).await.unwrap();
        let (status, told) = (response.status(), response.json::<Json>().await.unwrap());
        assert_eq!(status, 400, "{told}");
        assert!(told["error"]["message"].as_str().unwrap().contains(said), "{told}");
    }
    let text =
        client().post(service.url("/v1/runs")).header("content-type", "text/plain").body("x").send().await.unwrap();
    assert_eq!(text.status(), 415);
}

#[tokio::test]
async fn a_run_goes_on_from_what_was_asked_before() {
    let folder = tempfile::tempdir().unwrap();
    let [plan, answer] = dogs();
    let chat = Script::new([alone("How many dogs are there?"), plan, answer.clone(), answer]);
    let service = Running::start(chat.clone(), tools(), kept_in(folder.path()), "").await;
    let asked = json!({ "question": "And dogs?", "earlier": ["How many cats are there?"], "images": [data_url()] });
    let id = begin(&service, &asked).await;
    let all = events(&service, &id, None).await;
    let told = all.iter().find(|(_, name, _)| name == "rewritten").map(|(.., told)| told.clone()).unwrap();
    assert_eq!((&told["question"], &told["standalone"]), (&json!("And dogs?"), &json!("How many dogs are there?")));
    let end = &all.last().unwrap().2;
    assert_eq!((&end["answer"], &end["report"]["standalone"]), (&json!("There are 2 dogs."), &told["standalone"]));
    assert_eq!(end["question"], "And dogs?");
    let drawn = get(&service, &format!("/v1/runs/{id}/images/1/annotated")).await;
    assert_eq!(drawn.status(), 200, "it is done again from its trace, as it was understood");
    // What goes out from it asks what it asked.
    let again = begin(&service, &json!({ "from": { "run": id, "step": "dogs" } })).await;
    let again = ended(&service, &again).await;
    assert_eq!((&again["answer"], &again["report"]["standalone"]), (&json!("There are 2 dogs."), &told["standalone"]));
    assert_eq!(chat.requests().len(), 4);
    let both = json!({ "from": { "run": id, "step": "dogs" }, "earlier": ["How many cats are there?"] });
    for (body, said) in [
        (both, "leave all but `plan` out"),
        (
            json!({ "question": "And dogs?", "earlier": ["", "x"], "images": [data_url()] }),
            "earlier question 1 is empty",
        ),
        (json!({ "question": "And dogs?", "earlier": "x", "images": [data_url()] }), "invalid type"),
    ] {
        let (status, told) = post(&service, &body).await;
        assert_eq!(status, 400, "{told}");
        assert!(told["error"]["message"].as_str().unwrap().contains(said), "{told}");
    }
}

#[tokio::test]
async fn what_is_sent_again_is_the_same_run() {
    let chat = Script::new(dogs());
    let service = Running::start(chat.clone(), tools(), config(), "").await;
    let send = |key: &'static str, body: Json| {
        let request = client().post(service.url("/v1/runs")).header("idempotency-key", key).json(&body);
        async move {
            let response = request.send().await.unwrap();
            (response.status().as_u16(), response.json::<Json>().await.unwrap())
        }
    };
    let sent = futures::future::join_all((0..6).map(|_| send("a", asked()))).await;
    let ids: std::collections::BTreeSet<&str> = sent.iter().map(|(_, run)| run["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 1, "{sent:?}");
    assert_eq!(sent.iter().filter(|(status, _)| *status == 202).count(), 1, "{sent:?}");
    ended(&service, ids.first().unwrap()).await;
    let (status, again) = send("a", asked()).await;
    assert_eq!((status, &again["status"]), (200, &json!("answered")));
    let (status, other) = send("a", json!({ "question": "What else?", "images": [data_url()] })).await;
    assert_eq!((status, &other["error"]["code"]), (422, &json!("idempotency_key_reused")));
    assert_eq!(send("", asked()).await.0, 400);
    assert_eq!(chat.requests().len(), 2, "the run ran once");
}

#[tokio::test]
async fn a_run_belongs_to_the_key_that_asked_for_it() {
    let keys = "the-first-key-of-all,the-second-key-of-all";
    let service = Running::start(Script::new(dogs()), tools(), config(), keys).await;
    let with = |key: &'static str, request: reqwest::RequestBuilder| request.bearer_auth(key).send();
    let post = client().post(service.url("/v1/runs")).json(&asked());
    let run: Json = with("the-first-key-of-all", post).await.unwrap().json().await.unwrap();
    let id = run["id"].as_str().unwrap();
    for path in ["", "/events", "/trace", "/view", "/images/1/annotated", "/blobs/DIGEST"] {
        let path = format!("/v1/runs/{id}{path}").replace("DIGEST", picture().digest());
        let other = with("the-second-key-of-all", service.get(&path)).await.unwrap();
        assert_eq!(other.status(), 404, "{path}");
        assert_eq!(service.get(&path).send().await.unwrap().status(), 401, "{path}");
    }
    let cancel = client().post(service.url(&format!("/v1/runs/{id}/cancel")));
    assert_eq!(with("the-second-key-of-all", cancel).await.unwrap().status(), 404);
    let own = with("the-first-key-of-all", service.get(&format!("/v1/runs/{id}"))).await.unwrap();
    assert_eq!(own.status(), 200);
}

#[tokio::test]
async fn a_run_is_cancelled_while_it_waits_and_while_it_runs() {
    let never = json!({
        "steps": [{ "id": "a", "tool": "never", "args": { "image": "$image" } }], "result": "$a",
    });
    let one = Config { service: ServiceConfig { max_runs: 1, ..ServiceConfig::default() }, ..config() };
    let service = Running::start(Script::new([never]), tools(), one, "").await;
    let (runs, waits) = (begin(&service, &asked()).await, begin(&service, &asked()).await);
    let cancel = |id: String| client().post(service.url(&format!("/v1/runs/{id}/cancel"))).send();
    assert_eq!(cancel(waits.clone()).await.unwrap().status(), 200);
    let end = ended(&service, &waits).await;
    assert_eq!((&end["status"], &end["error"]["kind"]), (&json!("cancelled"), &json!("cancelled")));
    assert_eq!(events(&service, &waits, None).await.len(), 1, "nothing happened in it");
    // The step runs by now, or will: cancelling stops it in either case.
    cancel(runs.clone()).await.unwrap();
    assert_eq!(ended(&service, &runs).await["status"], "cancelled");
    assert_eq!(cancel(runs).await.unwrap().status(), 200, "once more does no harm");
    assert_eq!(get(&service, "/v1/runs/run-0/events").await.status(), 404);
}

#[tokio::test]
async fn a_run_goes_out_from_a_step_of_another() {
    let calls = Arc::new(AtomicUsize::new(0));
    let found = Arc::clone(&calls);
    let tools = catalog([
        quick("detect_objects", &["image: Image", "labels?: List<Text>"], "List<Region>", move |_| {
            found.fetch_add(1, Ordering::SeqCst);
            Ok(regions(&["dog"; 2]))
        }),
        quick("count", &["items: List<Any>"], "Number", |args| match args.get("items") {
            Some(Value::List(items)) => Ok(Value::Number(items.len() as f64)),
            _ => Err(Error::new(ErrorKind::Tool, "no list")),
        }),
    ]);
    let [plan, answer] = dogs();
    let chat = Script::new([plan, answer.clone(), answer]);
    let service = Running::start(chat.clone(), tools, config(), "").await;
    let old = begin(&service, &asked()).await;
    ended(&service, &old).await;
    let mut plan = dogs_plan();
    plan["steps"][1]["id"] = json!("number");
    plan["result"] = json!("$number");
    let new = begin(&service, &json!({ "from": { "run": old, "step": "n" }, "plan": plan })).await;
    let end = ended(&service, &new).await;
    assert_eq!(
        (&end["status"], &end["report"]["claims"][0]["steps"]),
        (&json!("answered"), &json!(["number"])),
        "{end}"
    );
    assert_eq!(end["question"], "How many dogs are there?");
    assert_eq!((calls.load(Ordering::SeqCst), chat.requests().len()), (1, 3), "what came before is taken over");
    let edited = events(&service, &new, None).await;
    assert!(edited.iter().any(|(_, name, data)| name == "llm_call" && data["edited"] == true), "{edited:?}");
    for (body, status, said) in [
        (json!({ "from": { "run": old, "step": "m" } }), 422, "there are `dogs`, `n`"),
        (json!({ "from": { "run": old, "step": "n" }, "plan": { "steps": [] } }), 422, "the plan is faulty"),
        (
            json!({ "from": { "run": old, "step": "n" }, "plan": { "steps": [{ "id": "a", "tool": "fly", "args": {} }], "result": "$a" } }),
            422,
            "`fly`",
        ),
        (json!({ "from": { "run": "run-0", "step": "n" } }), 404, "there is no run `run-0`"),
        (json!({ "from": { "run": old, "step": "n" }, "question": "What?" }), 400, "leave all but `plan` out"),
        (json!({ "question": "What?", "plan": {} }), 400, "a plan goes with `from`"),
    ] {
        let (got, told) = post(&service, &body).await;
        assert_eq!(got, status, "{told}");
        assert!(told["error"]["message"].as_str().unwrap().contains(said), "{told}");
    }
}

#[tokio::test]
async fn the_oldest_runs_that_are_over_are_forgotten() {
    let runs = RunsConfig { max_kept: 2, ..RunsConfig::default() };
    let few = Config { service: ServiceConfig { runs, ..ServiceConfig::default() }, ..config() };
    let [plan, answer] = dogs();
    let replies = [plan.clone(), answer.clone(), plan.clone(), answer.clone(), plan, answer];
    let service = Running::start(Script::new(replies), tools(), few, "").await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(begin(&service, &asked()).await);
        ended(&service, ids.last().unwrap()).await;
    }
    let mut kept = Vec::new();
    for id in &ids {
        kept.push(get(&service, &format!("/v1/runs/{id}")).await.status().as_u16());
    }
    assert_eq!(kept, [404, 200, 200]);
}

#[tokio::test]
async fn a_service_that_is_started_again_goes_on_with_its_runs() {
    let folder = tempfile::tempdir().unwrap();
    let begun = Arc::new(Notify::new());
    let waits = {
        let begun = Arc::clone(&begun);
        tool(spec("count", signature(&["items: List<Any>"], "Number", None)), move |_, _| {
            let begun = Arc::clone(&begun);
            async move {
                begun.notify_one();
                std::future::pending().await
            }
        })
    };
    let calls = Arc::new(AtomicUsize::new(0));
    let find = || {
        let calls = Arc::clone(&calls);
        quick("detect_objects", &["image: Image", "labels?: List<Text>"], "List<Region>", move |_| {
            calls.fetch_add(1, Ordering::SeqCst);
            Ok(regions(&["dog"; 2]))
        })
    };
    let quickly =
        Config { service: ServiceConfig { drain_ms: 1, max_runs: 1, ..kept_in(folder.path()).service }, ..config() };
    let service = Running::start(Script::new([dogs_plan()]), catalog([find(), waits]), quickly.clone(), "").await;
    let (runs, waiting) = (begin(&service, &asked()).await, begin(&service, &asked()).await);
    begun.notified().await;
    let second = Running::start(Script::new(dogs()), tools(), quickly.clone(), "").await;
    let refused = second.ended.await.unwrap().unwrap_err();
    assert!(refused.to_string().contains("is used by another process"), "{refused}");
    service.stop.cancel();
    service.ended.await.unwrap().unwrap();

    let count = quick("count", &["items: List<Any>"], "Number", |args| match args.get("items") {
        Some(Value::List(items)) => Ok(Value::Number(items.len() as f64)),
        _ => Err(Error::new(ErrorKind::Tool, "no list")),
    });
    // The first run's plan is in its trace.
    let answer = || says(&["There are 2 dogs."]);
    let chat = Script::new([answer(), dogs_plan(), answer()]);
    let service = Running::start(chat.clone(), catalog([find(), count]), quickly, "").await;
    for id in [&runs, &waiting] {
        let end = ended(&service, id).await;
        assert_eq!((&end["status"], &end["answer"]), (&json!("answered"), &json!("There are 2 dogs.")), "{end}");
    }
    assert_eq!((chat.requests().len(), calls.load(Ordering::SeqCst)), (3, 2), "what was over was not done again");
    service.stop.cancel();
    service.ended.await.unwrap().unwrap();
    let store = FolderRuns::open(folder.path()).unwrap();
    for id in [&runs, &waiting] {
        let entries = store.entries(id).unwrap();
        let ends = entries.iter().filter(|e| matches!(e.event, Event::Answered { .. } | Event::Failed { .. })).count();
        let starts = entries.iter().filter(|e| matches!(e.event, Event::Started { .. })).count();
        assert_eq!((starts, ends), (1, 1), "{entries:?}");
    }
}

#[tokio::test]
async fn a_run_that_brings_the_process_down_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(Script::new(dogs()), tools(), kept_in(folder.path()), "").await;
    let id = begin(&service, &asked()).await;
    ended(&service, &id).await;
    service.stop.cancel();
    service.ended.await.unwrap().unwrap();
    // As if it had been begun as often as may be from here, and no end had come.
    let events = std::fs::read_to_string(folder.path().join(&id).join("trace.jsonl")).unwrap().lines().count();
    let begun = json!({ "events": events, "times": 25 }).to_string();
    std::fs::write(folder.path().join(&id).join("begun.json"), begun).unwrap();
    std::fs::remove_file(folder.path().join(&id).join("end.json")).unwrap();
    std::fs::create_dir(folder.path().join("photos")).unwrap();
    let unaccepted = folder.path().join(lavr::run_store::new_id());
    std::fs::create_dir(&unaccepted).unwrap();
    let service = Running::start(Script::new(dogs()), tools(), kept_in(folder.path()), "").await;
    let end = ended(&service, &id).await;
    assert_eq!((&end["status"], &end["error"]["kind"]), (&json!("failed"), &json!("internal")), "{end}");
    assert!(folder.path().join("photos").exists() && !unaccepted.exists(), "what is no run is left alone");
}

/// An LLM that panics when it is asked about poison, and else does as its script says.
struct Poisoned(Arc<Script>);

#[async_trait::async_trait]
impl ChatModel for Poisoned {
    async fn complete(&self, cx: &Cx, request: &ChatRequest) -> lavr::error::Result<ChatReply> {
        assert!(!request.messages.iter().any(|message| message.content.contains("poison")), "poison");
        self.0.complete(cx, request).await
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
}

#[tokio::test]
async fn a_poisoned_run_ends_alone() {
    let chat = Arc::new(Poisoned(Script::new(dogs())));
    let service = Running::start(chat, tools(), config(), "").await;
    let poison = begin(&service, &json!({ "question": "Is there poison?", "images": [data_url()] })).await;
    let sound = begin(&service, &asked()).await;
    let end = ended(&service, &poison).await;
    assert_eq!((&end["status"], &end["error"]["kind"]), (&json!("failed"), &json!("internal")), "{end}");
    assert_eq!(ended(&service, &sound).await["answer"], "There are 2 dogs.");
}

#[tokio::test]
async fn a_cancelled_run_stays_cancelled_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(Script::new(dogs()), tools(), kept_in(folder.path()), "").await;
    let id = begin(&service, &asked()).await;
    ended(&service, &id).await;
    service.stop.cancel();
    service.ended.await.unwrap().unwrap();
    // As if the process had been killed after the client was told so, and before anything came of it.
    let run = folder.path().join(&id);
    std::fs::remove_file(run.join("end.json")).unwrap();
    std::fs::remove_file(run.join("trace.jsonl")).unwrap();
    FolderRuns::open(folder.path()).unwrap().cancel(&id).unwrap();
    let service = Running::start(Script::new(dogs()), tools(), kept_in(folder.path()), "").await;
    assert_eq!(ended(&service, &id).await["status"], "cancelled");
}

#[tokio::test]
async fn a_run_that_came_to_its_end_ends_once() {
    let folder = tempfile::tempdir().unwrap();
    let short =
        Config { budget: lavr::budget::Budget { max_steps: 1, ..Default::default() }, ..kept_in(folder.path()) };
    let service = Running::start(Script::new([dogs_plan()]), tools(), short.clone(), "").await;
    let id = begin(&service, &asked()).await;
    let end = ended(&service, &id).await;
    assert_eq!(end["status"], "budget", "{end}");
    service.stop.cancel();
    service.ended.await.unwrap().unwrap();
    std::fs::remove_file(folder.path().join(&id).join("end.json")).unwrap();
    let chat = Script::new(dogs());
    let service = Running::start(chat.clone(), tools(), short, "").await;
    let again = ended(&service, &id).await;
    assert_eq!((&again["status"], &again["answer"]), (&end["status"], &end["answer"]));
    assert_eq!(chat.requests().len(), 0);
    service.stop.cancel();
    service.ended.await.unwrap().unwrap();
    let entries = FolderRuns::open(folder.path()).unwrap().entries(&id).unwrap();
    let ends = entries.iter().filter(|e| matches!(e.event, Event::Answered { .. } | Event::Failed { .. })).count();
    assert_eq!(ends, 1, "{entries:?}");
}
