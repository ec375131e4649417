//! The format: what is read, what is refused, and with which words.

use lavr::demo::{Demo, DemoFor, append, files, lines, open};
use lavr::error::ErrorKind;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{counting, file};
use crate::refiner::any_json;

fn error_of(json: &Json) -> String {
    let error = Demo::parse(&json.to_string()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    error.to_string()
}

/// The counting demo with one key set, or taken out.
fn with(key: &str, value: &Json) -> Json {
    let mut demo = counting("How many cats are there?", "a sofa");
    demo.as_object_mut().unwrap().remove(key);
    if !value.is_null() {
        demo[key] = value.clone();
    }
    demo
}

#[test]
fn a_demo_serves_whom_it_has_something_for() {
    let serves = |demo: &Json| Demo::parse(&demo.to_string()).unwrap().serves();
    let whole = counting("How many cats are there?", "a sofa");
    assert_eq!(serves(&whole), DemoFor::ALL);
    use DemoFor::{FirstRound, LaterRound, Planner, Refiner};
    assert_eq!(serves(&with("observations", &Json::Null)), [Planner, FirstRound]);
    assert_eq!(serves(&with("answer", &Json::Null)), [Planner, FirstRound]);
    assert_eq!(serves(&with("plan", &Json::Null)), [Refiner]);
    let only_cats = json!([{ "id": "cats", "text": "4 cat" }]);
    assert_eq!(serves(&with("observations", &only_cats)), [Planner, FirstRound, Refiner], "the result was not seen");
    let mut long = whole;
    let steps: Vec<Json> =
        (0..7).map(|n| json!({ "id": format!("s{n}"), "tool": "read_text", "args": { "image": "$image" } })).collect();
    long["plan"] = json!({ "steps": steps, "result": "$s6" });
    long["observations"] = json!([{ "id": "s6", "text": "\"A\"" }]);
    assert_eq!(serves(&long), [Planner, LaterRound, Refiner], "seven steps are no round");
}

#[test]
fn what_stands_in_a_demo_is_read_and_written_the_same() {
    let mut whole = counting("How many cats are there?", "a sofa");
    assert_eq!(Demo::parse(&whole.to_string()).unwrap().to_json(), whole);
    whole["images"] = json!(2);
    whole["image"] = json!("cats/a.jpg");
    whole.as_object_mut().unwrap().remove("answer");
    whole["missing"] = json!("it does not say how many");
    let demo = Demo::parse(&whole.to_string()).unwrap();
    assert_eq!(Demo::parse(&demo.to_json().to_string()).unwrap(), demo);
    assert_eq!((demo.images, demo.missing.as_deref()), (2, Some("it does not say how many")));
}

#[test]
fn what_is_wrong_is_named_with_the_way_out() {
    let twice = r#"{"question": "a", "question": "b"}"#;
    assert!(Demo::parse(twice).unwrap_err().to_string().contains("the key `question` stands twice"));
    let cases = [
        (with("plann", &json!(1)), "there is no key `plann`; did you mean `plan`?"),
        (with("reliability", &json!(1)), "the keys of a demo are question, image, images, description, plan"),
        (with("question", &Json::Null), "the key `question` is missing"),
        (with("question", &json!(3)), "`question` should be a text"),
        (with("question", &json!("a\nb")), "`question` has a line break"),
        (with("description", &json!("  ")), "`description` is empty"),
        (with("images", &json!(17)), "`images` should be a number from 0 to 16"),
        (
            with("plan", &json!({ "step": [] })),
            "`plan` is no plan: plan: there is no key `step`; did you mean `steps`?",
        ),
        (with("answer", &json!("There are 4.")), "`answer` should be a list"),
        (with("answer", &json!([])), "`answer` has 0 entries"),
        (with("answer", &json!([1])), "`answer[0]` should be a text"),
        (with("missing", &json!("the rest")), "it has both `answer` and `missing`"),
        (with("observations", &json!([{ "id": "cats" }])), "`observations[0]` has no `text`"),
        (
            with("observations", &json!([{ "id": "cats", "txt": "4" }])),
            "observations[0]: there is no key `txt`; did you mean `text`?",
        ),
        (with("observations", &json!([{ "id": "Cats", "text": "4" }])), "`observations[0].id` is no id"),
        (
            with("observations", &json!([{ "id": "dogs", "text": "4" }])),
            "tells of `dogs`, which is no step; the steps are cats, many",
        ),
        (json!([1]), "a demo is an object with question"),
        (json!({ "question": "What is it?", "answer": ["It is a cat."] }), "it shows nothing: give it a `plan`"),
    ];
    for (demo, part) in cases {
        let error = error_of(&demo);
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_file_names_the_line_and_a_folder_is_read_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), &[counting("How many cats are there?", "a sofa")]);
    std::fs::write(folder.path().join("a.jsonl"), format!("\n{}\n", counting("Cats?", "a hat"))).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "no demos").unwrap();
    let all = open(folder.path()).unwrap();
    let places: Vec<String> = all.iter().map(|demo| demo.place()).collect();
    let at = |name: &str, line: usize| format!("{}:{line}", folder.path().join(name).display());
    assert_eq!(places, [at("a.jsonl", 2), at("demos.jsonl", 1)]);
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("{\"questoin\": \"Why?\"}\n");
    std::fs::write(&path, text).unwrap();
    let error = open(&path).unwrap_err().to_string();
    let wanted = format!("demos `{}`: line 2: there is no key `questoin`; did you mean `question`?", path.display());
    assert_eq!(error, wanted);
    let missing = files(&folder.path().join("none.jsonl")).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let empty = tempfile::tempdir().unwrap();
    assert!(open(empty.path()).unwrap_err().to_string().contains("the folder has no *.jsonl"));
}

#[test]
fn appending_leaves_what_is_there_and_does_not_repeat_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.jsonl");
    let demo = |question: &str| Demo::parse(&counting(question, "a sofa").to_string()).unwrap();
    // As a person may leave it: spaces of their own, and no end of the last line.
    let first = counting("How many cats are there?", "a sofa").to_string().replace(':', " : ");
    std::fs::write(&path, &first).unwrap();
    assert_eq!(append(&path, &demo("HOW many  cats are there?")).unwrap(), None, "the same question and plan");
    assert_eq!(append(&path, &demo("How many kittens are there?")).unwrap(), Some(2));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with(&format!("{first}\n{{")) && text.ends_with("}\n"), "{text}");
    assert_eq!(open(&path).unwrap().len(), 2);
    assert_eq!(append(&folder.path().join("new.jsonl"), &demo("Cats?")).unwrap(), Some(1));
    std::fs::write(&path, "{}\n").unwrap();
    assert!(append(&path, &demo("Cats?")).unwrap_err().to_string().contains("line 1: the key `question` is missing"));
}

/// Something like a demo: its keys, with any values.
fn nearly_a_demo() -> impl Strategy<Value = String> {
    let keys = ["question", "image", "images", "description", "plan", "observations", "answer", "missing", "other"];
    let entries = prop::collection::vec((prop::sample::select(keys.to_vec()), any_json()), 0..6);
    let whole = |entries: Vec<(&str, Json)>| {
        let mut demo = counting("How many cats are there?", "a sofa");
        for (key, value) in entries {
            demo[key] = value;
        }
        demo.to_string()
    };
    entries.prop_map(whole)
}

proptest! {
    #[test]
    fn no_line_makes_the_reader_panic_and_every_error_names_its_line(
        all in prop::collection::vec(prop_oneof![".*", nearly_a_demo(), "[\\[\\]{}\":,a-z$0-9 ]{0,80}"], 0..6)
    ) {
        for (line, demo) in lines(&all.join("\n")) {
            match demo {
                Ok(demo) => prop_assert_eq!(Demo::parse(&demo.to_json().to_string()).unwrap(), demo),
                Err(error) => prop_assert!(error.to_string().starts_with(&format!("line {line}: ")), "{}", error),
            }
        }
    }
}
