//! Guesses: what is answered where the evidence does not answer, when an answer is wanted in any case.

use std::sync::Arc;

use lavr::agent::{Agent, Report};
use lavr::answer::Status;
use lavr::budget::Budget;
use lavr::task::{Mode, Task};
use lavr::tool::SharedTool;
use lavr::value::Value;
use serde_json::{Value as Json, json};

use crate::fakes::{Script, catalog, picture, quick, regions};

fn tools(describes: bool) -> Vec<SharedTool> {
    let scene = json!({ "sentences": [
        { "text": "There is a bed in the middle.", "regions": [], "lines": [] },
        { "text": "No text was found.", "regions": [], "lines": [] },
    ] });
    let found = |_| Ok(regions(&["bed", "bed"]));
    let mut tools = vec![
        quick("find_things", &["image: Image"], "List<Region>", found),
        quick("count", &["items: List<Any>"], "Number", |_| Ok(Value::Number(2.0))),
    ];
    if describes {
        tools.push(quick("describe_scene", &["image: Image"], "Json", move |_| Ok(Value::Json(scene.clone()))));
    }
    tools
}

fn looks() -> Json {
    json!({ "steps": [{ "id": "things", "tool": "find_things", "args": { "image": "$image" } }], "result": "$things" })
}

fn refused() -> Json {
    json!({ "answerable": false, "missing": "the room" })
}

fn guessed(guess: &str) -> Json {
    json!({ "guess": guess })
}

async fn ask(chat: &Arc<Script>, question: &str, mode: Mode) -> Report {
    let agent = Agent::builder().chat(chat.clone()).catalog(catalog(tools(true))).build().unwrap();
    agent.ask(&Task::new(question, vec![picture()]).with_mode(mode).with_guess(true)).await.unwrap()
}

#[tokio::test]
async fn a_refusal_becomes_a_guess_from_a_description() {
    let chat = Script::new([looks(), refused(), guessed("bedroom")]);
    let report = ask(&chat, "What kind of room is this?", Mode::Auto).await;
    assert_eq!(report.answer.status, Status::Guessed);
    assert_eq!(report.answer.text, "Best guess: bedroom.");
    assert_eq!(report.answer.short.as_deref(), Some("bedroom"));
    assert!(report.answer.claims.is_empty(), "a guess rests on nothing");
    // What was looked at for it stands in the trace.
    let tools: Vec<&str> = report.trace.observations.iter().map(|o| o.tool.as_str()).collect();
    assert_eq!(tools, ["find_things", "describe_scene"]);
    let asked = chat.requests().pop().unwrap();
    let said = &asked.messages.last().unwrap().content;
    assert!(said.contains("There is a bed in the middle.") && !said.contains("No text"), "{said}");
}

#[tokio::test]
async fn an_invalid_plan_becomes_a_guess_too() {
    let faulty = json!({ "steps": [], "result": "$x" });
    let chat = Script::new([faulty.clone(), faulty.clone(), faulty, guessed("yes")]);
    let report = ask(&chat, "Is this a bedroom?", Mode::Controller).await;
    assert_eq!((report.answer.status, report.answer.short.as_deref()), (Status::Guessed, Some("yes")));
    assert!(report.error.is_none());
}

#[tokio::test]
async fn used_up_rounds_become_a_guess_where_nothing_is_known() {
    let round = json!({ "thought": "nothing is known", "missing": "everything", "steps": looks()["steps"] });
    let ask = async |verdict: Json| {
        let chat = Script::new([round.clone(), verdict, guessed("bedroom")]);
        let agent = Agent::builder().chat(chat.clone()).catalog(catalog(tools(true))).build().unwrap();
        let budget = Budget { max_rounds: 1, ..Budget::default() };
        let task = Task::new("What kind of room is this?", vec![picture()]).with_mode(Mode::DecisionMaker);
        agent.ask(&task.with_budget(budget).with_guess(true)).await.unwrap()
    };
    let report = ask(refused()).await;
    assert_eq!((report.answer.status, report.answer.short.as_deref()), (Status::Guessed, Some("bedroom")));
    assert!(report.error.is_none());
    // Part of an answer is more than a guess.
    let report = ask(json!({ "answerable": true, "answer": ["There are 2 beds."] })).await;
    assert_eq!(report.answer.status, Status::Budget);
    assert!(report.answer.text.contains("2 beds"), "{}", report.answer.text);
}

#[tokio::test]
async fn used_up_steps_are_a_limit_and_no_guess() {
    let two = json!({ "steps": [
        { "id": "things", "tool": "find_things", "args": { "image": "$image" } },
        { "id": "n", "tool": "count", "args": { "items": "$things" } },
    ], "result": "$n" });
    let chat = Script::new([two, guessed("2")]);
    let agent = Agent::builder().chat(chat.clone()).catalog(catalog(tools(true))).build().unwrap();
    let budget = Budget { max_steps: 1, ..Budget::default() };
    let task = Task::new("How many beds are there?", vec![picture()]).with_budget(budget).with_guess(true);
    let report = agent.ask(&task).await.unwrap();
    assert_eq!(report.answer.status, Status::Budget, "{}", report.answer.text);
    assert!(report.error.unwrap().message.contains("--max-steps"));
}

#[tokio::test]
async fn what_the_evidence_answers_is_not_guessed() {
    let plan = json!({ "steps": [
        { "id": "things", "tool": "find_things", "args": { "image": "$image" } },
        { "id": "n", "tool": "count", "args": { "items": "$things" } },
    ], "result": "$n" });
    let chat = Script::new([plan, json!({ "answerable": true, "answer": ["There are 2 beds."] })]);
    let report = ask(&chat, "How many beds are there?", Mode::Auto).await;
    assert_eq!((report.answer.status, report.answer.short.as_deref()), (Status::Answered, Some("2")));
}

#[tokio::test]
async fn a_description_that_leaves_the_question_open_gets_a_guess_beside_it() {
    let plan = json!({
        "steps": [{ "id": "scene", "tool": "describe_scene", "args": { "image": "$image" } }], "result": "$scene"
    });
    let said = json!({ "answerable": true, "answer": ["There is a bed in the middle."] });
    let chat = Script::new([plan.clone(), said.clone(), guessed("bedroom")]);
    let report = ask(&chat, "What kind of room is this?", Mode::Auto).await;
    assert_eq!(report.answer.text, "There is a bed in the middle. Best guess: bedroom.");
    assert_eq!(report.answer.claims.len(), 1);
    assert_eq!(report.trace.observations.len(), 1, "it was described already");
    let asked = chat.requests().pop().unwrap();
    let content = &asked.messages.last().unwrap().content;
    assert_eq!(content.matches("There is a bed in the middle.").count(), 1, "{content}");
    // A request to describe asks for no value.
    let report = ask(&Script::new([plan, said]), "Describe this picture.", Mode::Auto).await;
    assert_eq!(report.answer.status, Status::Answered);
}

#[tokio::test]
async fn without_the_wish_nothing_is_guessed() {
    let chat = Script::new([looks(), refused()]);
    let agent = Agent::builder().chat(chat.clone()).catalog(catalog(tools(true))).build().unwrap();
    let task = Task::new("What kind of room is this?", vec![picture()]).with_mode(Mode::Controller);
    assert_eq!(agent.ask(&task).await.unwrap().answer.status, Status::Unanswerable);
}

#[tokio::test]
async fn a_guess_that_is_no_json_leaves_the_refusal() {
    let chat = Script::new([looks().to_string(), refused().to_string(), "bedroom".to_owned()]);
    let report = ask(&chat, "What kind of room is this?", Mode::Auto).await;
    assert_eq!(report.answer.status, Status::Unanswerable);
}

#[tokio::test]
async fn tools_that_describe_nothing_leave_the_evidence() {
    let chat = Script::new([looks(), refused(), guessed("bedroom")]);
    let agent = Agent::builder().chat(chat.clone()).catalog(catalog(tools(false))).build().unwrap();
    let task = Task::new("What kind of room is this?", vec![picture()]).with_guess(true);
    assert_eq!(agent.ask(&task).await.unwrap().answer.status, Status::Guessed);
    let asked = chat.requests().pop().unwrap();
    assert!(asked.messages.last().unwrap().content.contains("2 bed"), "{:?}", asked.messages);
}

/// What a guess about this question may be.
async fn form(question: &str) -> Json {
    let chat = Script::new([looks(), refused(), guessed("x")]);
    ask(&chat, question, Mode::Controller).await;
    chat.requests().pop().unwrap().schema.unwrap()["properties"]["guess"].clone()
}

#[tokio::test]
async fn the_question_fixes_the_form() {
    assert_eq!(form("Is the bed made?").await, json!({ "enum": ["yes", "no"] }));
    assert_eq!(form("Is the bed wide or narrow?").await, json!({ "enum": ["wide", "narrow"] }));
    assert_eq!(
        form("What is this? Options: (A) a hall, (B) a bedroom, (C) a cellar").await,
        json!({ "enum": ["A", "B", "C"] })
    );
    let number = form("How many windows are there?").await;
    let number = regex::Regex::new(number["pattern"].as_str().unwrap()).unwrap();
    assert!(number.is_match("7") && !number.is_match("many"));
    let words = form("What is the boy holding?").await;
    let words = regex::Regex::new(words["pattern"].as_str().unwrap()).unwrap();
    assert!(words.is_match("tennis racket") && !words.is_match("A tennis racket."));
    // In the spelling of the question.
    for (question, grey) in [("What color is the wall?", "gray"), ("What colour is the wall?", "grey")] {
        let colors = form(question).await["enum"].as_array().unwrap().clone();
        assert!(colors.contains(&json!(grey)) && colors.contains(&json!("silver")), "{question}: {colors:?}");
    }
}

#[tokio::test]
async fn requests_are_not_guessed_at() {
    for question in ["Could you describe this picture?", "Can you crop the bed?"] {
        let plan = json!({
            "steps": [{ "id": "scene", "tool": "describe_scene", "args": { "image": "$image" } }], "result": "$scene"
        });
        let said = json!({ "answerable": true, "answer": ["There is a bed in the middle."] });
        let report = ask(&Script::new([plan, said]), question, Mode::Controller).await;
        assert_eq!(report.answer.status, Status::Answered, "{question}");
    }
}

#[tokio::test]
async fn an_llm_that_goes_away_is_no_refusal() {
    use lavr::error::{Error, ErrorKind};
    let chat = Script::new([looks(), refused()]);
    chat.then(Error::new(ErrorKind::Network, "gone"));
    let report = ask(&chat, "What kind of room is this?", Mode::Controller).await;
    assert_eq!(report.error.map(|error| error.kind), Some(ErrorKind::Network));
}
