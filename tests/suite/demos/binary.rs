//! `lavr demos`, and demos that go along with what the built binary asks.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value as Json, json};

use super::{counting, file};
use crate::experts::repository;
use crate::openai::server::{Answer, Server};
use crate::real;

fn lavr(args: &[&str]) -> Output {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("lavr"));
    command.env_remove("LAVR_LLM").env_remove("LAVR_CONFIG").args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn ok(args: &[&str]) -> String {
    let output = lavr(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {} {}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn json_of(args: &[&str]) -> Json {
    serde_json::from_str(&ok(args)).unwrap()
}

fn name(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The messages of a request to the server, but for the last.
fn shown(body: &Json) -> Vec<String> {
    let messages = body["messages"].as_array().unwrap();
    let content = |message: &Json| message["content"].as_str().unwrap().to_owned();
    messages[..messages.len() - 1].iter().map(content).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_learned_and_goes_along_with_a_similar_question() {
    let folder = tempfile::tempdir().unwrap();
    let (trace, mine) = (folder.path().join("run.jsonl"), folder.path().join("mine.jsonl"));
    let llm = format!("replay:{}", repository("tests/cassettes/people").display());
    let gallery = real::picture("gallery.jpg");
    ok(&["ask", name(&gallery), "How many people are there?", "--llm", &llm, "--trace", name(&trace)]);
    let add = ["demos", "add", "--from", name(&trace), "--to", name(&mine)];
    let added = json_of(&[add.as_slice(), &["--image-description", "three people in a gallery", "--json"]].concat());
    assert_eq!((&added["line"], &added["demo"]["answer"]), (&json!(1), &json!(["There are 3 people."])));
    assert_eq!(added["demo"]["observations"][0]["text"], "3 person; from left to right: person, person, person");
    let again = ok(&add);
    assert!(again.contains("has this question with this plan already"), "{again}");
    assert_eq!(real::json_lines(&mine).len(), 1);
    assert_eq!(ok(&["demos", "check", name(&mine)]), "1 demo is sound\n");

    let question = "How many people are there here?";
    let found = json_of(&["demos", "search", question, "--demos", name(&mine), "--json"]);
    let first = &found["demos"][0];
    assert_eq!(first["place"], format!("{}:1", mine.display()));
    assert!(first["similarity"].as_f64().unwrap() > 0.5, "{first}");

    let plan = added["demo"]["plan"].to_string();
    let answer = json!({ "answerable": true, "answer": ["There are 3 people."] }).to_string();
    let server = Server::start([&plan, &answer, &plan, &answer].map(|reply| Answer::whole(reply))).await;
    let llm = format!("{}#m", server.base());
    let ask = ["ask", name(&gallery), question, "--llm", &llm, "--demos", name(&mine)];
    let run = |more: &[&str]| {
        let args: Vec<String> = ask.iter().chain(more).map(|arg| (*arg).to_owned()).collect();
        tokio::task::spawn_blocking(move || ok(&args.iter().map(String::as_str).collect::<Vec<_>>()))
    };
    run(&[]).await.unwrap();
    run(&["--chain", "demos=0"]).await.unwrap();
    let bodies = server.bodies();
    let (planned, refined) = (shown(&bodies[0]), shown(&bodies[1]));
    assert!(planned.iter().any(|text| text.starts_with("Question: How many people are there?\n")), "{planned:?}");
    assert!(refined.iter().any(|text| text.contains("Evidence:\npeople: detect_objects(\"person\") = 3 person")));
    assert_eq!((shown(&bodies[2]).len(), shown(&bodies[3]).len()), (1, 1), "zero-shot: instructions and the question");
}

#[test]
fn check_names_each_line_that_is_wrong_and_exits_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let mut faulty = counting("How many dogs are there?", "a lawn");
    faulty["plan"]["steps"][1]["tool"] = json!("cuont");
    let mut unseen = counting("How many cows are there?", "a meadow");
    unseen["image"] = json!("none.jpg");
    let good = counting("How many cats are there?", "a sofa");
    let path = file(folder.path(), &[good.clone(), json!({ "questoin": "Why?" }), faulty, good, unseen]);
    let output = lavr(&["demos", "check", name(&path)]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    let lines: Vec<&str> = said.lines().collect();
    for (line, part) in lines.iter().zip([
        "line 2: there is no key `questoin`; did you mean `question`?",
        "line 3: the plan does not fit the tools: steps[1].tool: there is no tool `cuont`; did you mean `count`?",
        "line 4: it repeats line 1",
        "line 5: there is no image `none.jpg`",
        "1 demo is sound",
    ]) {
        assert!(line.contains(part), "{said}");
    }
    let output = lavr(&["demos", "check", name(&path), "--json"]);
    let json: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["sound"], json["flaws"].as_array().unwrap().len()), (&json!(1), 4));
    assert_eq!(json["flaws"][0]["line"], 2);
    assert_eq!(lavr(&["demos", "check", "none.jsonl"]).status.code(), Some(1));
}

#[test]
fn list_tells_what_demos_there_are_and_for_whom() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), &[counting("How many cats are there?", "a sofa")]);
    let all = json_of(&["demos", "list", "--demos", name(&path), "--json"])["demos"].as_array().unwrap().clone();
    assert_eq!(all[0]["for"], json!(["planner", "first-round", "later-round", "refiner"]));
    assert_eq!((&all[0]["tools"], &all[0]["description"]), (&json!(["detect_objects", "count"]), &json!("a sofa")));
    for place in ["prompts/plan/demos", "prompts/plan/library", "prompts/decide/demos", "prompts/refine/demos"] {
        assert!(all.iter().any(|demo| demo["place"] == place), "{place}");
    }
    let text = ok(&["demos", "list", "--demos", name(&path)]);
    assert!(text.contains(": How many cats are there? [detect_objects, count] for planner, first-round"), "{text}");
    let output = lavr(&["demos", "list", "--demos", "none.jsonl"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn search_shows_what_would_go_along_and_how_alike_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), &[counting("How many cats are there?", "There is a cat on a sofa.")]);
    let search = ["demos", "search", "How many cats are there?", "--demos", name(&path)];
    let with = |more: &[&str]| json_of(&[search.as_slice(), more, &["--json"]].concat())["demos"].clone();
    let similar = with(&["-k", "3"]);
    assert_eq!(similar.as_array().unwrap().len(), 3);
    assert!(similar[0]["place"].as_str().unwrap().ends_with("demos.jsonl:1"));
    assert!(similar[0]["similarity"].as_f64().unwrap() > 0.99, "{}", similar[0]);
    let random = with(&["-k", "3", "--choice", "random", "--seed", "4"]);
    assert_eq!(random, with(&["-k", "3", "--choice", "random", "--seed", "4"]));
    assert!(random[0]["similarity"].is_null());
    let cat = real::picture("cat.jpg");
    let by_image = with(&["-k", "1", "--choice", "image", "--image", name(&cat)]);
    assert!(by_image[0]["place"].as_str().unwrap().ends_with("demos.jsonl:1"), "{by_image}");
    let output = lavr(&[search.as_slice(), &["--choice", "image"]].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("give one with --image"));
    assert!(ok(&search).contains("1.00  How many cats are there?"), "{}", ok(&search));
}

#[test]
fn the_example_of_two_demos_is_sound_and_makes_a_prompt_of_two_demos_and_a_query() {
    let path = repository("examples/demos.jsonl");
    assert_eq!(ok(&["demos", "check", name(&path)]), "2 demos are sound\n");
    let search = ["demos", "search", "What is on the sign?", "--demos", name(&path), "-k", "2", "--choice", "fixed"];
    for reader in ["planner", "first-round", "later-round", "refiner"] {
        let demos = json_of(&[search.as_slice(), &["--for", reader, "--json"]].concat())["demos"].clone();
        let questions: Vec<&Json> = demos.as_array().unwrap().iter().map(|demo| &demo["question"]).collect();
        assert_eq!(questions, ["How many boats are on the lake?", "What does the board over the shop say?"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn eval_records_which_demos_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let demos = file(folder.path(), &[counting("How many cats are there?", "a sofa")]);
    let case = json!({ "image": real::picture("gallery.jpg"), "question": "How many people are there?", "answer": 3 });
    let (cases, out) = (folder.path().join("cases.jsonl"), folder.path().join("out.jsonl"));
    std::fs::write(&cases, case.to_string()).unwrap();
    let plan = json!({
        "steps": [{ "id": "people", "tool": "detect_objects", "args": { "image": "$image", "labels": ["person"] } }],
        "result": "$people"
    });
    let answer = json!({ "answerable": true, "answer": ["There are 3 people."] });
    let server = Server::start([&plan, &answer].map(|reply| Answer::whole(&reply.to_string()))).await;
    let llm = format!("{}#m", server.base());
    let args: Vec<String> = ["eval", name(&cases), "--metric", "number", "--llm", &llm, "--out", name(&out)]
        .iter()
        .chain(&["--demos", name(&demos), "--chain", "demos=1,demo-choice=fixed"])
        .map(|arg| (*arg).to_owned())
        .collect();
    let run = move || ok(&args.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap();
    let options = &real::json_lines(&out)[0]["options"];
    assert!(options["demos"].as_str().unwrap().starts_with("sha256:"), "{options}");
    assert_eq!(options["chain"], "demos=1,demo-choice=fixed");
    assert_eq!(shown(&server.bodies()[0]).len(), 3, "instructions, a demo, the question");
}
