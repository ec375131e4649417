//! Runs become demos.

use std::sync::Arc;

use lavr::agent::{Agent, Watch};
use lavr::cx::EventSink;
use lavr::demo::{Demo, learn};
use lavr::error::{Error, ErrorKind, Result};
use lavr::task::{Mode, Task};
use lavr::tool::Catalog;
use lavr::trace::{Entry, Event};
use lavr::value::Value;
use serde_json::{Value as Json, json};

use crate::agent::{dogs_plan, says, tools};
use crate::fakes::{Record, Script, catalog, picture, quick};

/// What happened in a run with these replies.
async fn run(replies: Vec<Json>, tools: Catalog, mode: Mode) -> Vec<Entry> {
    let (chat, record) = (Script::new(replies), Arc::new(Record::default()));
    let agent = Agent::builder().chat(chat).catalog(tools).build().unwrap();
    let task = Task::new("How many dogs are there?", vec![picture()]).with_mode(mode);
    let sinks: Vec<Arc<dyn EventSink>> = vec![Arc::<Record>::clone(&record)];
    agent.ask_watched(&task, Watch { sinks, ..Watch::default() }).await.unwrap();
    record.entries()
}

async fn counted() -> Vec<Entry> {
    run(vec![dogs_plan(), says(&["There are 2 dogs."])], tools(), Mode::Controller).await
}

fn why_not(learned: Result<Demo>) -> String {
    let error = learned.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    error.to_string()
}

fn wanted() -> Json {
    json!({
        "question": "How many dogs are there?",
        "plan": dogs_plan(),
        "observations": [
            { "id": "dogs", "text": "2 dog; from left to right: dog, dog" },
            { "id": "n", "text": "2" },
        ],
        "answer": ["There are 2 dogs."],
    })
}

#[tokio::test]
async fn a_run_that_answered_becomes_a_demo_with_what_the_refiner_saw() {
    let demo = learn(&counted().await, &tools(), None).unwrap();
    assert_eq!(demo.observations[1].text, "2");
    assert!(demo.observations[0].text.starts_with("2 dog"), "{demo:?}");
    let mut json = demo.to_json();
    json["observations"] = wanted()["observations"].clone();
    assert_eq!(json, wanted());
    let told = learn(&counted().await, &tools(), Some("two dogs\non a lawn".to_owned())).unwrap();
    assert_eq!(told.description.as_deref(), Some("two dogs on a lawn"));
}

#[tokio::test]
async fn the_steps_of_all_rounds_that_returned_something_make_the_plan() {
    let steps = dogs_plan()["steps"].clone();
    let round = |steps: Json| json!({ "thought": "Not yet.", "missing": "more", "steps": steps });
    let failing = json!({ "id": "x", "tool": "fail", "args": { "image": "$image" } });
    let replies = vec![
        round(json!([steps[0], failing])),
        round(json!([steps[1]])),
        json!({ "thought": "n says 2.", "result": "$n" }),
        says(&["There are 2 dogs."]),
    ];
    let entries = run(replies, tools(), Mode::DecisionMaker).await;
    let demo = learn(&entries, &tools(), None).unwrap();
    assert_eq!(demo.plan.as_ref().unwrap().to_json(), dogs_plan(), "the step that failed is left out");
    assert_eq!(demo.serves(), lavr::demo::DemoFor::ALL);
    let mut old = entries;
    for entry in &mut old {
        if let Event::Decided { calls, .. } = &mut entry.event {
            calls.clear();
        }
    }
    assert!(why_not(learn(&old, &tools(), None)).contains("ask again with this version"));
}

#[tokio::test]
async fn a_step_that_describes_the_image_gives_the_description() {
    let told =
        |_| Ok(Value::Json(json!({ "sentences": [{ "text": "There are 2 dogs." }, { "text": "It is sunny." }] })));
    let mut all = catalog([quick("describe_scene", &["image: Image"], "Json", told)]);
    for tool in tools().shared() {
        all.add(Arc::clone(tool)).unwrap();
    }
    let mut plan = dogs_plan();
    let scene = json!({ "id": "scene", "tool": "describe_scene", "args": { "image": "$image" } });
    plan["steps"].as_array_mut().unwrap().push(scene);
    let entries = run(vec![plan, says(&["There are 2 dogs."])], all.clone(), Mode::Controller).await;
    let demo = learn(&entries, &all, None).unwrap();
    assert_eq!(demo.description.as_deref(), Some("There are 2 dogs. It is sunny."));
}

#[tokio::test]
async fn nothing_is_learned_from_a_run_that_did_not_answer() {
    let unanswered = json!({ "answerable": false, "missing": "the dogs" });
    let entries = run(vec![dogs_plan(), unanswered], tools(), Mode::Controller).await;
    assert!(why_not(learn(&entries, &tools(), None)).contains("found no answer in its evidence"));
    let failed = run(vec![json!({}), json!({}), json!({})], tools(), Mode::Controller).await;
    assert!(why_not(learn(&failed, &tools(), None)).contains("this one failed: the LLM wrote no valid plan"));
    let mut killed = counted().await;
    killed.pop();
    assert!(why_not(learn(&killed, &tools(), None)).contains("did not end"));
    let mut guessed = counted().await;
    if let Some(Event::Answered { answer, .. }) = guessed.last_mut().map(|entry| &mut entry.event) {
        answer.status = lavr::answer::Status::Guessed;
    }
    assert!(why_not(learn(&guessed, &tools(), None)).contains("only guessed"));
    assert!(why_not(learn(&[], &tools(), None)).contains("no run began in this trace"));
}

#[tokio::test]
async fn nothing_is_learned_when_the_plan_no_longer_fits_the_tools() {
    let entries = counted().await;
    let gone = catalog([quick("detect_objects", &["image: Image", "labels?: List<Text>"], "List<Region>", |_| {
        Err(Error::new(ErrorKind::Tool, "unused"))
    })]);
    let why = why_not(learn(&entries, &gone, None));
    assert!(
        why.contains("does not fit the tools that there are now") && why.contains("there is no tool `count`"),
        "{why}"
    );
}
