//! Evidence: how results read in the refiner's prompt and in an answer.

use lavr::observation::{Observation, Outcome};
use lavr::refiner::{Evidence, Grounding};
use lavr::trace::Trace;
use lavr::value::{Label, Table, Value};
use serde_json::{Value as Json, json};

use crate::fakes::{lines, plan, regions};

/// What is known after these steps: id, tool, arguments, result.
fn known(steps: &[(&str, &str, Json, Value)]) -> Trace {
    let written: Vec<Json> =
        steps.iter().map(|(id, tool, args, _)| json!({ "id": id, "tool": tool, "args": args })).collect();
    let result = format!("${}", steps.last().map_or("none", |s| s.0));
    let observe = |(id, tool, args, value): &(&str, &str, Json, Value)| Observation {
        id: (*id).to_owned(),
        tool: (*tool).to_owned(),
        args: args.clone(),
        outcome: Outcome::Returned(value.clone()),
        same_as: None,
        ms: 1,
    };
    let plan = plan(&json!({ "steps": written, "result": result }));
    Trace { plan: Some(plan), observations: steps.iter().map(observe).collect(), ..Trace::default() }
}

fn colors(names: &[&str]) -> Value {
    Value::Labels(names.iter().map(|n| Label { label: (*n).to_owned(), score: 0.4 }).collect())
}

fn shown(tool: &str, args: Json, value: Value) -> String {
    Evidence::gather("What?", &known(&[("r", tool, args, value)])).text()
}

fn plain(tool: &str, value: Value) -> String {
    let known = known(&[("r", tool, json!({ "image": "$image" }), value)]);
    Evidence::gather("What?", &known).plain_claim().map(|claim| claim.text).unwrap_or_default()
}

fn description() -> Value {
    let region = json!({ "label": "cat", "score": 0.9, "box": [17, 23, 41, 59] });
    Value::Json(json!({ "sentences": [
        { "text": "There is a cat on the left.", "regions": [region], "lines": [] },
        { "text": "It reads \"EXIT {r}\".", "regions": [], "lines": [] },
    ] }))
}

#[test]
fn colors_read_as_what_a_thing_has_and_classes_as_alternatives() {
    let args = json!({ "image": "$image" });
    assert_eq!(shown("color_of", args.clone(), colors(&["red", "white"])), "r: color_of() = red, then white");
    assert_eq!(shown("classify", args.clone(), colors(&["cat", "dog"])), "r: classify() = cat, or maybe dog");
    let two = Value::List(vec![colors(&["red", "white"]), colors(&["blue"])]);
    assert_eq!(shown("color_of", args, two.clone()), "r: color_of() = red, then white; blue");
    assert_eq!(plain("color_of", colors(&["red", "white"])), "red, then white");
    assert_eq!(plain("color_of", two), "red, then white\nblue");
}

#[test]
fn a_table_reads_as_keys_with_values() {
    let rows = |n: usize| (0..n).map(|n| vec![format!("key {n}"), format!("va\"lue {n}")]).collect();
    let shown_rows = shown("key_values", json!({ "lines": "$image" }), Value::Table(Table { rows: rows(2) }));
    assert_eq!(shown_rows, "r: key_values() = \"key 0: va'lue 0\" | \"key 1: va'lue 1\"");
    let long = shown("key_values", json!({ "lines": "$image" }), Value::Table(Table { rows: rows(90) }));
    assert!(long.chars().count() < 600 && long.ends_with('…'), "{long}");
    assert_eq!(plain("key_values", Value::Table(Table { rows: rows(2) })), "key 0: va'lue 0\nkey 1: va'lue 1");
}

#[test]
fn a_description_reads_as_its_sentences() {
    let text = shown("describe_scene", json!({ "image": "$image" }), description());
    assert_eq!(text, "r: describe_scene() = There is a cat on the left. It reads 'EXIT (r)'.");
    assert_eq!(plain("describe_scene", description()), "There is a cat on the left. It reads \"EXIT {r}\".");
}

#[test]
fn a_measure_reads_with_its_unit() {
    for (what, unit) in [("share", "percent"), ("distance", "pixels"), ("area", "square pixels")] {
        let text = shown("measure", json!({ "what": what, "image": "$image" }), Value::Number(12.5));
        assert_eq!(text, format!("r: measure(\"{what}\") = 12.5 {unit}"));
    }
    let several = Value::List(vec![Value::Number(3.0), Value::Number(4.0)]);
    assert_eq!(
        shown("measure", json!({ "what": "width", "image": "$image" }), several),
        "r: measure(\"width\") = 3, 4 pixels"
    );
}

#[test]
fn a_measure_of_the_largest_thing_is_said_with_its_unit() {
    let share = known(&[
        (
            "people",
            "detect_objects",
            json!({ "image": "$image", "labels": ["person"] }),
            regions(&["person", "person"]),
        ),
        ("largest", "filter", json!({ "items": "$people", "keep": "largest" }), regions(&["person"])),
        (
            "share",
            "measure",
            json!({ "what": "share", "image": "$image", "region": "$largest" }),
            Value::List(vec![Value::Number(12.2)]),
        ),
    ]);
    let question = "How much of the picture does the largest person cover?";
    let evidence = Evidence::gather(question, &share);
    let claim = |sentence: &str| Grounding::new(question, &evidence).claim(sentence, sentence);
    assert!(claim("The largest person covers 12.2% of the picture.").is_some());
    assert!(claim("The smallest person covers 12.2% of the picture.").is_none(), "no step decided which is smallest");
    assert!(claim("The largest person covers 14% of the picture.").is_none());
    assert_eq!(evidence.plain_claim().map(|c| c.text), Some("12.2 percent".to_owned()));
}

#[test]
fn a_normalized_value_is_said_in_either_form() {
    let day = known(&[
        ("text", "read_text", json!({ "image": "$image" }), lines(&["Date: 9 Jan 2019"])),
        ("date", "find_text", json!({ "lines": "$text", "text": "date" }), lines(&["9 Jan 2019"])),
        ("day", "normalize", json!({ "value": "$date", "kind": "date" }), Value::Text("2019-01-09".to_owned())),
    ]);
    let evidence = Evidence::gather("When was this bought?", &day);
    let claim = |sentence: &str| Grounding::new("When was this bought?", &evidence).claim(sentence, sentence);
    assert!(claim("It was bought on 9 Jan 2019.").is_some());
    assert!(claim("It was bought on 2019-01-09.").is_some());
    assert!(claim("It was bought on 9 Feb 2019.").is_none());
    assert_eq!(evidence.plain_claim().map(|c| c.text), Some("2019-01-09".to_owned()));
}

#[test]
fn sentences_rest_on_descriptions_and_colors_but_not_on_coordinates() {
    let claim = |question: &str, known: &Trace, sentence: &str| {
        Grounding::new(question, &Evidence::gather(question, known)).claim(sentence, sentence).map(|c| c.steps)
    };
    let scene = known(&[("scene", "describe_scene", json!({ "image": "$image" }), description())]);
    assert!(claim("Describe the picture.", &scene, "There is a cat on the left.").is_some());
    assert!(claim("Describe the picture.", &scene, "There are 17 cats.").is_none(), "17 is a coordinate");
    assert!(claim("Describe the picture.", &scene, "A train arrives.").is_none());
    let car = known(&[
        ("car", "detect_objects", json!({ "image": "$image", "labels": ["car"] }), regions(&["car"])),
        ("color", "color_of", json!({ "image": "$image", "region": "$car" }), Value::List(vec![colors(&["red"])])),
    ]);
    assert_eq!(claim("What colour is the car?", &car, "The car is red."), Some(vec!["color".to_owned()]));
    assert!(claim("What colour is the car?", &car, "The car is blue.").is_none());
    assert!(claim("Is the car blue?", &car, "Yes, the car is blue.").is_none());
    let wide = known(&[("w", "measure", json!({ "what": "brightness", "image": "$image" }), Value::Number(12.5))]);
    assert!(claim("Is the picture bright?", &wide, "Yes.").is_none(), "a measure is neither a yes nor a no");
}
