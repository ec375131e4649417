//! `lavr eval`: cases in, records out, and what they come to.

mod binary;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lavr::agent::Agent;
use lavr::budget::Budget;
use lavr::chain::Chain;
use lavr::error::{Error, ErrorKind};
use lavr::eval::case::Case;
use lavr::eval::cause::Cause;
use lavr::eval::compare::compare;
use lavr::eval::judge::Metric;
use lavr::eval::oracle::Oracle;
use lavr::eval::record::Record;
use lavr::eval::results::{self, Results};
use lavr::eval::run::{Evaluation, Setting};
use lavr::eval::summary::summary;
use lavr::image::ImageLimits;
use lavr::style::Style;
use lavr::task::Mode;
use lavr::tool::Tool;
use lavr::value::Value;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use crate::declared;
use crate::fakes::{Script, catalog, lines, picture, quick, regions};

/// A folder with a picture `a.png` in it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    picture().pixels().save(folder.path().join("a.png")).unwrap();
    folder
}

fn case(folder: &Path, json: &Json) -> Case {
    Case::parse(&json.to_string(), 1, folder).unwrap()
}

/// Tools that find two dogs, read nothing, and count.
fn tools() -> [Arc<dyn Tool>; 3] {
    [
        quick("detect_objects", &["image: Image", "labels?: List<Text>"], "List<Region>", |_| {
            Ok(regions(&["dog", "dog"]))
        }),
        quick("read_text", &["image: Image"], "List<Line>", |_| Ok(Value::List(Vec::new()))),
        quick("count", &["items: List<Any>"], "Number", |args| match args.get("items") {
            Some(Value::List(items)) => Ok(Value::Number(items.len() as f64)),
            _ => Err(Error::new(ErrorKind::Tool, "no list")),
        }),
    ]
}

fn setting(metric: Metric, oracle: Option<Oracle>) -> Setting {
    Setting {
        metric,
        mode: Mode::Controller,
        guess: false,
        chain: Chain::default(),
        style: Style::default(),
        options: Json::Null,
        budget: Budget::default(),
        images: ImageLimits::default(),
        oracle,
        llm: "script".to_owned(),
    }
}

/// Runs a case with an LLM that says this.
async fn run(
    metric: Metric,
    oracle: Option<Oracle>,
    case: &Case,
    said: &[Json],
) -> lavr::error::Result<Option<Record>> {
    let builder = Agent::builder().chat(Script::new(said)).catalog(catalog(tools()));
    Evaluation::new(setting(metric, oracle), builder).unwrap().run(case, &CancellationToken::new()).await
}

fn counting(label: &str) -> Json {
    json!({
        "steps": [
            { "id": "found", "tool": "detect_objects", "args": { "image": "$image", "labels": [label] } },
            { "id": "n", "tool": "count", "args": { "items": "$found" } }
        ],
        "result": "$n"
    })
}

fn says(text: &str) -> Json {
    json!({ "answerable": true, "answer": [text] })
}

#[tokio::test]
async fn a_case_becomes_a_record() {
    let folder = folder();
    let asked = json!({ "image": "a.png", "question": "How many dogs are there?", "answer": "2", "other": [1] });
    let said = [counting("dog"), says("There are 2 dogs.")];
    let record = run(Metric::Number, None, &case(folder.path(), &asked), &said).await.unwrap().unwrap();
    assert_eq!((record.score, record.cause, record.rounds), (1.0, None, 1));
    let json = serde_json::to_value(&record).unwrap();
    assert_eq!(json["image"], "a.png");
    assert_eq!(json["question"], "How many dogs are there?");
    assert_eq!(json["truth"], "2");
    assert_eq!(json["text"], "There are 2 dogs.");
    assert_eq!(json["plan"], counting("dog"));
    assert_eq!((json["mode"].as_str(), json["llm"].as_str()), (Some("controller"), Some("script")));
    assert_eq!(json["usage"]["prompt_tokens"], 20);
    assert_eq!(serde_json::from_value::<Record>(json).unwrap(), record);
}

#[tokio::test]
async fn wrong_cases_have_a_cause() {
    let folder = folder();
    let how_many = |answer: i32| json!({ "image": "a.png", "question": "How many dogs are there?", "answer": answer });
    let reading = json!({
        "steps": [{ "id": "text", "tool": "read_text", "args": { "image": "$image" } }], "result": "$text"
    });
    let missing = json!({ "answerable": false, "missing": "the dogs" });
    let bad = json!({ "steps": [], "result": "$n" });
    let cases: [(Json, Vec<Json>, Cause); 6] = [
        (how_many(3), vec![counting("dog"), says("There are 2 dogs.")], Cause::WrongFinding),
        (how_many(2), vec![counting("dog"), missing.clone()], Cause::Refused),
        (how_many(3), vec![counting("dog"), missing.clone()], Cause::Refused),
        (how_many(2), vec![bad.clone(), bad.clone(), bad], Cause::PlanInvalid),
        (how_many(2), vec![reading, missing], Cause::NothingFound),
        (how_many(2), vec![], Cause::Budget),
    ];
    for (asked, said, cause) in cases {
        let builder = Agent::builder().chat(Script::new(&said)).catalog(catalog(tools()));
        let budget = Budget { timeout_ms: 300, ..Budget::default() };
        let setting = Setting { budget, ..setting(Metric::Number, None) };
        let evaluation = Evaluation::new(setting, builder).unwrap();
        let record = evaluation.run(&case(folder.path(), &asked), &CancellationToken::new()).await.unwrap().unwrap();
        assert_eq!((record.score, record.cause), (0.0, Some(cause)), "{record:?}");
    }
}

/// Right evidence is that which says the truth in words: "no" does not stand in "nothing".
#[tokio::test]
async fn short_truths_are_words_of_their_own_where_they_are_looked_for() {
    let folder = folder();
    let reading = json!({
        "steps": [{ "id": "text", "tool": "read_text", "args": { "image": "$image" } }], "result": "$text"
    });
    let cases = [
        ("nothing", "no", Cause::WrongFinding),
        ("No way", "no", Cause::WrongAnswer),
        ("cation", "cat", Cause::WrongFinding),
        ("Mainstreet", "main street", Cause::WrongAnswer),
        ("A 17", "a1", Cause::WrongFinding),
    ];
    for (read, truth, cause) in cases {
        let reader = quick("read_text", &["image: Image"], "List<Line>", move |_| Ok(lines(&[read])));
        let said = [reading.clone(), says("It says zebra.")];
        let builder = Agent::builder().chat(Script::new(&said)).catalog(catalog([reader]));
        let evaluation = Evaluation::new(setting(Metric::Exact, None), builder).unwrap();
        let asked = case(folder.path(), &json!({ "image": "a.png", "question": "What does it say?", "answer": truth }));
        let record = evaluation.run(&asked, &CancellationToken::new()).await.unwrap().unwrap();
        assert_eq!((record.score, record.cause), (0.0, Some(cause)), "{read}: {record:?}");
    }
}

/// Records of a request that is planned with declared tools as its truth has it.
async fn planned(tools: &str, answer: &Json, plan: &Json) -> Record {
    let asked = case(Path::new(""), &json!({ "question": "Do it with a.png for Rome", "answer": answer }));
    let builder = Agent::builder().chat(Script::new(&[declared::spoken(plan)])).catalog(declared::catalog(tools));
    let evaluation = Evaluation::new(setting(Metric::Plan, None), builder).unwrap();
    evaluation.run(&asked, &CancellationToken::new()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_perfect_plan_scores_perfectly_in_each_form_of_truth() {
    let services = declared::plan(&[
        ("a", "get_weather", json!({ "location": "Rome", "date": "Monday" })),
        ("b", "take_note", json!({ "content": "Rome" })),
    ]);
    let daily = json!({
        "task_nodes": [
            { "task": "get_weather", "arguments": [
                { "name": "location", "value": "Rome" }, { "name": "date", "value": "Monday" }] },
            { "task": "take_note", "arguments": [{ "name": "content", "value": "Rome" }] }
        ],
        "task_links": []
    });
    let resources = json!({
        "task_nodes": [
            { "task": "get_weather", "arguments": ["Rome", "Monday"] }, { "task": "take_note", "arguments": ["Rome"] }
        ],
        "task_links": []
    });
    let steps = json!([
        { "task": "image-perception", "id": 0, "dep": [-1], "args": [
            { "type": "image", "value": "a.png" }, { "type": "text", "value": "Rome" }] },
        { "task": ["image-editing"], "id": 1, "dep": [0], "args": [
            { "type": "image", "value": "a.png" }, { "type": "mask", "value": "<GENERATED>-0" },
            { "type": "text", "value": "Rome" }] }
    ]);
    let vision = declared::plan(&[
        ("a", "image-perception", json!({ "image": "a.png", "text": "Rome" })),
        ("b", "image-editing", json!({ "image": "a.png", "mask": "$a", "text": "Rome" })),
    ]);
    let parts = ["nodes", "links", "argument_names", "argument_values"];
    let cases = [
        (declared::SERVICES, &daily, &services, parts.to_vec()),
        // Texts are named by their type there, and this catalogue's arguments are not.
        (declared::SERVICES, &resources, &services, vec!["nodes", "links"]),
        (declared::VISION, &steps, &vision, parts.to_vec()),
    ];
    for (tools, answer, plan, parts) in cases {
        let record = planned(tools, answer, plan).await;
        assert_eq!((record.score, record.cause), (1.0, None), "{record:?}");
        for part in parts {
            let counts = &record.detail["counts"][part];
            assert!(counts["wrong"] == 0 && counts["missed"] == 0, "{part}: {:?}", record.detail);
        }
    }
}

/// TaskBench's list of links can have more than its arguments bear out; its script scores the latter.
#[tokio::test]
async fn links_are_those_of_the_arguments_where_these_refer_to_steps() {
    let answer = json!({
        "task_nodes": [
            { "task": "image-perception", "arguments": ["a.png"] },
            { "task": "image-editing", "arguments": ["<node-0>", "Rome"] }
        ],
        "task_links": [
            { "source": "image-perception", "target": "image-editing" },
            { "source": "image-editing", "target": "image-perception" }
        ]
    });
    let vision = declared::plan(&[
        ("a", "image-perception", json!({ "image": "a.png", "text": "Rome" })),
        ("b", "image-editing", json!({ "image": "a.png", "mask": "$a", "text": "Rome" })),
    ]);
    let record = planned(declared::VISION, &answer, &vision).await;
    let links = &record.detail["counts"]["links"];
    assert_eq!((links["hits"].as_u64(), links["missed"].as_u64()), (Some(1), Some(0)), "{:?}", record.detail);
}

/// An empty list of objects says that nothing is there.
#[tokio::test]
async fn the_oracle_knows_that_nothing_is_there() {
    let folder = folder();
    let asked = json!({ "image": "a.png", "question": "How many dogs are there?", "answer": 0, "objects": [] });
    let said = [counting("dog"), says("There are no dogs.")];
    let told = run(Metric::Number, Some(Oracle::Tools), &case(folder.path(), &asked), &said).await.unwrap().unwrap();
    assert_eq!(told.score, 1.0, "{told:?}");
}

#[tokio::test]
async fn what_is_no_fault_of_the_case_ends_the_run() {
    let folder = folder();
    let gone = json!({ "image": "b.png", "question": "How many?", "answer": 2 });
    let error = run(Metric::Number, None, &case(folder.path(), &gone), &[]).await.unwrap_err();
    assert!(error.kind() == ErrorKind::NotFound && error.to_string().contains("b.png"), "{error}");
    let there = json!({ "image": "a.png", "question": "How many?", "answer": 2 });
    let chat = Script::failing(Error::new(ErrorKind::Network, "LLM unreachable"));
    let builder = Agent::builder().chat(chat).catalog(catalog(tools()));
    let evaluation = Evaluation::new(setting(Metric::Number, None), builder).unwrap();
    let error = evaluation.run(&case(folder.path(), &there), &CancellationToken::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
}

#[tokio::test]
async fn oracles_put_the_truth_in_place_of_tools_or_plans() {
    let folder = folder();
    let object = |label: &str| json!({ "label": label, "cxcywh": [0.5, 0.5, 0.2, 0.2] });
    let asked = json!({
        "image": "a.png", "question": "How many dogs are there?", "answer": 3,
        "objects": [object("dog"), object("dog"), object("dog"), object("cat")]
    });
    let asked = case(folder.path(), &asked);
    let said = [counting("dog"), says("There are 3 dogs.")];
    let told = run(Metric::Number, Some(Oracle::Tools), &asked, &said).await.unwrap().unwrap();
    assert_eq!((told.score, told.oracle), (1.0, Some(Oracle::Tools)), "the detector finds what is there: {told:?}");
    let blind = json!({ "image": "a.png", "question": "How many dogs are there?", "answer": 3 });
    let blind = case(folder.path(), &blind);
    assert_eq!(run(Metric::Number, Some(Oracle::Tools), &blind, &said).await.unwrap(), None, "nothing is known");
    assert_eq!(run(Metric::Number, Some(Oracle::Plan), &blind, &said).await.unwrap(), None, "no tool knows a dog");
    let mut planned = json!({ "image": "a.png", "question": "How many?", "answer": 2, "plan": counting("dog") });
    let with_plan = case(folder.path(), &planned);
    let record = run(Metric::Number, Some(Oracle::Plan), &with_plan, &[says("There are 2 dogs.")]).await;
    assert_eq!(record.unwrap().unwrap().score, 1.0, "the LLM is asked for the answer alone");
    planned["plan"]["steps"][0]["tool"] = json!("nonsense");
    let error = run(Metric::Number, Some(Oracle::Plan), &case(folder.path(), &planned), &[]).await.unwrap_err();
    assert!(error.to_string().contains("`plan` is faulty") && error.to_string().contains("nonsense"), "{error}");
}

#[test]
fn faulty_cases_are_named_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cases.jsonl");
    let good = r#"{"image": "a.png", "question": "?", "answer": "x"}"#;
    let texts = [
        (format!("{good}\n\nnonsense\n"), "line 3"),
        (format!("{good}\n{{\"image\": \"a.png\"}}\n"), "line 2: this is no case: missing field `question`"),
        (r#"{"image": "a.png", "question": "  "}"#.to_owned(), "line 1: `question` is empty"),
        ("\n".to_owned(), "there is none"),
        (
            r#"{"question": "?", "objects": [{"label": "cat", "bbox": [1, 2, 3, 4]}]}"#.to_owned(),
            "line 1: the object `cat`",
        ),
        (
            r#"{"question": "?", "objects": [{"label": "cat", "box": null}]}"#.to_owned(),
            "neither a `cxcywh` nor a `box`",
        ),
        (r#"{"question": "?", "objects": [{"label": "cat", "cxcywh": [1e308, 0, 1, 1]}]}"#.to_owned(), "`cat`"),
    ];
    for (text, part) in texts {
        std::fs::write(&file, text).unwrap();
        let error = Case::read(&file).unwrap_err();
        assert!(error.kind() == ErrorKind::InvalidInput && error.to_string().contains(part), "{error}");
    }
    assert_eq!(Case::read(&folder.path().join("none")).unwrap_err().kind(), ErrorKind::NotFound);
    std::fs::write(&file, format!("\u{feff}{good}\n")).unwrap();
    assert_eq!(Case::read(&file).unwrap().len(), 1, "a byte order mark is no part of the case");
}

#[test]
fn every_metric_says_what_a_case_lacks() {
    let lacking = case(Path::new(""), &json!({ "image": "a.png", "question": "?" }));
    let wants = [
        ("vqa", "`answer_gt`"),
        ("exact", "`answer`"),
        ("anls", "`answer`"),
        ("field", "`answer`"),
        ("choice", "`choices`"),
        ("number", "a number"),
        ("yesno", "yes or no"),
        ("detection", "`objects`"),
        ("ocr", "`lines`"),
        ("caption", "`references`"),
        ("plan", "no plan"),
    ];
    for (metric, part) in wants {
        let error = metric.parse::<Metric>().unwrap().check(&lacking).unwrap_err();
        assert!(error.to_string().contains(part) && error.to_string().contains("line 1"), "{metric}: {error}");
    }
    let no_option = json!({ "image": "a.png", "question": "?", "choices": ["a cat", "a dog"], "answer": "a cow" });
    let error = Metric::Choice.check(&case(Path::new(""), &no_option)).unwrap_err();
    assert!(error.to_string().contains("one of the `choices`"), "{error}");
    let blind = case(Path::new(""), &json!({ "question": "?", "answer": "yes" }));
    assert!(Metric::Yesno.check(&blind).unwrap_err().to_string().contains("no `image`"));
    assert!("cider".parse::<Metric>().unwrap_err().to_string().contains("vqa, exact"));
}

fn record(line: usize, score: f64) -> Record {
    let json = json!({
        "line": line, "image": "a.png", "question": format!("Q{line}"), "answer": "ä \"x\"", "truth": "b",
        "score": score, "status": "answered", "metric": "exact", "llm": "script", "mode": "auto", "rounds": 1,
        "ms": 1500, "usage": { "llm_calls": 2, "prompt_tokens": 10, "cached_tokens": 0, "completion_tokens": 5,
        "steps": 1, "rounds": 1 }, "cause": (score < 0.5).then_some("wrong_answer")
    });
    serde_json::from_value(json).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Wherever the file was cut off, the whole records are kept, and the next one follows them.
    #[test]
    fn a_file_cut_off_anywhere_goes_on(cut in 0_usize..900) {
        let folder = tempfile::tempdir().unwrap();
        let path: PathBuf = folder.path().join("out.jsonl");
        let mut file = Results::create(&path).unwrap();
        for line in 1..=3 {
            file.add(&record(line, 1.0)).unwrap();
        }
        drop(file);
        let bytes = std::fs::read(&path).unwrap();
        let kept = &bytes[..cut.min(bytes.len())];
        std::fs::write(&path, kept).unwrap();
        let whole = kept.iter().filter(|b| **b == b'\n').count();
        let (records, mut file) = Results::resume(&path).unwrap();
        prop_assert_eq!(records.len(), whole);
        file.add(&record(9, 0.0)).unwrap();
        let read = results::read(&path).unwrap();
        prop_assert_eq!(read.len(), whole + 1);
        prop_assert_eq!(read.last(), Some(&record(9, 0.0)));
    }
}

#[test]
fn results_are_not_overwritten_and_a_file_of_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.jsonl");
    std::fs::write(&path, "{\"a\": 1}\n").unwrap();
    assert!(Results::create(&path).unwrap_err().to_string().contains("--resume"));
    let error = Results::resume(&path).unwrap_err();
    assert!(error.to_string().contains("line 1: this is no record of `lavr eval`"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"a\": 1}\n", "nothing was lost");
    // What has no end of line is a record that was cut off, or something else that is not to be lost.
    let whole = format!("{}\n", serde_json::to_string(&record(1, 1.0)).unwrap());
    for other in ["{\"precious\": 1}".to_owned(), format!("{whole}my notes")] {
        std::fs::write(&path, &other).unwrap();
        let error = Results::resume(&path).unwrap_err();
        assert!(error.to_string().contains("this is no record"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), other);
    }
}

#[test]
fn records_that_cannot_be_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.jsonl");
    let lines = |records: &[Record]| -> String {
        records.iter().map(|record| format!("{}\n", serde_json::to_string(record).unwrap())).collect()
    };
    let cases = [
        (
            lines(&[record(1, 1.0), record(2, 1.0), record(1, 0.0)]),
            "line 3: the case of line 1 stands here a second time",
        ),
        (lines(&[record(1, 7.0)]), "line 1: a score of 7 is not between 0 and 1"),
    ];
    for (text, part) in cases {
        std::fs::write(&path, text).unwrap();
        for error in [results::read(&path).unwrap_err(), Results::resume(&path).unwrap_err()] {
            assert!(error.kind() == ErrorKind::InvalidInput && error.to_string().contains(part), "{error}");
        }
    }
}

#[test]
fn two_do_not_write_the_same_results() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.jsonl");
    let first = Results::create(&path).unwrap();
    let error = Results::resume(&path).unwrap_err();
    assert!(error.to_string().contains("another `lavr eval` is writing them"), "{error}");
    drop(first);
    assert!(Results::resume(&path).is_ok());
}

#[test]
fn two_files_are_compared_case_by_case() {
    let first: Vec<Record> = (1..=10).map(|n| record(n, if n <= 4 { 1.0 } else { 0.0 })).collect();
    let second: Vec<Record> = (2..=11).map(|n| record(n, if n <= 6 && n != 3 { 1.0 } else { 0.0 })).collect();
    let compared = compare(&first, &second).unwrap();
    assert_eq!((compared.cases, compared.unpaired), (9, 2));
    let flipped: Vec<(usize, [f64; 2])> = compared.flipped.iter().map(|flip| (flip.line, flip.scores)).collect();
    assert_eq!(flipped, [(3, [1.0, 0.0]), (5, [0.0, 1.0]), (6, [0.0, 1.0])]);
    assert!((compared.difference.estimate - 1.0 / 9.0).abs() < 1e-9);
    assert!(compared.difference.low < 0.0 && compared.difference.high > 0.1);
    assert!(compare(&first[..1], &second).unwrap_err().to_string().contains("no case in common"));
    for other in [
        Record { image: json!("b.png"), ..record(2, 1.0) },
        Record { truth: json!("c"), ..record(2, 1.0) },
        Record { question: "Why?".to_owned(), ..record(2, 1.0) },
    ] {
        assert!(compare(&first, &[other]).unwrap_err().to_string().contains("no case in common"));
    }
    let other = vec![Record { metric: Metric::Anls, ..record(2, 1.0) }];
    assert!(compare(&first, &other).unwrap_err().to_string().contains("`exact`, the other by `anls`"));
}

#[test]
fn records_sum_up() {
    let records: Vec<Record> = (1..=10).map(|n| record(n, if n <= 4 { 1.0 } else { 0.0 })).collect();
    let sum = summary(&records).unwrap();
    assert_eq!((sum.cases, sum.scores[0].interval.estimate), (10, 0.4));
    let interval = sum.scores[0].interval;
    assert!((0.0..0.4).contains(&interval.low) && interval.high > 0.4 && interval.high <= 1.0);
    assert_eq!(sum.causes.into_iter().collect::<Vec<_>>(), [(Cause::WrongAnswer, 6)]);
    assert_eq!((sum.seconds, sum.tokens, sum.cost_usd), ([1.5, 1.5], [15.0, 15.0], None));
    assert_eq!(summary(&[]), None);
}
