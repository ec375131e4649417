//! Plans: their JSON form, their program form, the checker and the schema.

mod check;
mod json;
mod program;
mod schema;

use lavr::plan::Plan;
use lavr::plan::PlanLimits;
use lavr::signature::{Arg, Returns, Signature, Signatures, ValueType};
use serde_json::{Value as Json, json};

/// Tools as a plan sees them, without anything behind them.
pub(crate) struct Tools(Vec<(&'static str, Signature)>);

impl Signatures for Tools {
    fn signature(&self, tool: &str) -> Option<&Signature> {
        self.0.iter().find(|(name, _)| *name == tool).map(|(_, signature)| signature)
    }

    fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| *name).collect()
    }
}

impl Tools {
    /// The same tools without one of them.
    pub(crate) fn without(mut self, tool: &str) -> Self {
        self.0.retain(|(name, _)| *name != tool);
        self
    }
}

/// `labels?: List<Text>`, `region: Region|Line`, `op: "==" "<"`.
fn arg(text: &str) -> Arg {
    let (name, types) = text.split_once(": ").unwrap();
    let choices: Vec<String> = types.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    let types = match choices.is_empty() {
        true => types.split('|').map(|t| t.parse().unwrap()).collect(),
        false => vec![ValueType::Text],
    };
    Arg {
        name: name.trim_end_matches('?').to_owned(),
        doc: String::new(),
        types,
        required: !name.ends_with('?'),
        choices,
        default: None,
    }
}

fn tool(name: &'static str, args: &[&str], returns: &str, maps_over: Option<&str>) -> (&'static str, Signature) {
    let returns = match returns.strip_prefix('=') {
        Some(arg) => Returns::SameAs(arg.to_owned()),
        None => Returns::Type(returns.parse().unwrap()),
    };
    let args = args.iter().map(|a| arg(a)).collect();
    (name, Signature { args, returns, maps_over: maps_over.map(str::to_owned) })
}

/// Tools like those of the catalog.
pub(crate) fn tools() -> Tools {
    Tools(vec![
        tool("read_text", &["image: Image"], "List<Line>", Some("image")),
        tool(
            "detect_objects",
            &["image: Image", "labels?: List<Text>", "min_score?: Number"],
            "List<Region>",
            Some("image"),
        ),
        tool("crop", &["image: Image", "region: Region|Line"], "Image", Some("region")),
        tool("count", &["items: List<Any>"], "Number", None),
        tool(
            "filter",
            &["items: List<Region>|List<Line>", "label?: Text", "min_score?: Number", "inside?: Region"],
            "=items",
            None,
        ),
        tool("compare", &["a: Any", "b: Any", r#"op?: "equal" "less" "greater""#], "Bool", None),
        tool("calculate", &["expression: Text", "values: Json"], "Number", None),
        tool(
            "find_text",
            &[
                "lines: List<Line>",
                "text: Text",
                r#"mode?: "exact" "regex" "fuzzy" "right_of" "below""#,
                "first?: Bool",
            ],
            "List<Line>",
            None,
        ),
        tool("annotate", &["image: Image", "items: List<Region>|List<Line>", "lines?: List<Line>"], "Image", None),
    ])
}

pub(crate) const LIMITS: PlanLimits = PlanLimits { max_steps: 8, images: 1 };

/// A plan's JSON from lines like `people = detect_objects {"image":"$image"}`; the last step is the result.
pub(crate) fn plan_json(lines: &[&str]) -> Json {
    let steps: Vec<Json> = lines
        .iter()
        .map(|line| {
            let (id, call) = line.split_once(" = ").unwrap();
            let (tool, args) = call.split_once(' ').unwrap();
            json!({ "id": id, "tool": tool, "args": serde_json::from_str::<Json>(args).unwrap() })
        })
        .collect();
    let result = format!("${}", steps.last().map_or("none", |step| step["id"].as_str().unwrap()));
    json!({ "steps": steps, "result": result })
}

/// Plans that people's questions about photos, signs and receipts need.
pub(crate) const REALISTIC: &[&[&str]] = &[
    &[r#"text = read_text {"image": "$image"}"#],
    &[r#"things = detect_objects {"image": "$image"}"#],
    &[r#"people = detect_objects {"image": "$image", "labels": ["person"]}"#, r#"n = count {"items": "$people"}"#],
    &[r#"cars = detect_objects {"image": "$image", "labels": ["car", "truck"], "min_score": 0.5}"#],
    &[
        r#"text = read_text {"image": "$image"}"#,
        r#"total = find_text {"lines": "$text", "text": "total", "mode": "right_of"}"#,
    ],
    &[
        r#"text = read_text {"image": "$image"}"#,
        r#"date = find_text {"lines": "$text", "text": "\\d{2}/\\d{2}/\\d{4}", "mode": "regex", "first": true}"#,
    ],
    &[
        r#"people = detect_objects {"image": "$image", "labels": ["person"]}"#,
        r#"dogs = detect_objects {"image": "$image", "labels": ["dog"]}"#,
        r#"n_people = count {"items": "$people"}"#,
        r#"n_dogs = count {"items": "$dogs"}"#,
        r#"more = compare {"a": "$n_people", "b": "$n_dogs", "op": "greater"}"#,
    ],
    &[
        r#"cups = detect_objects {"image": "$image", "labels": ["cup"]}"#,
        r#"n = count {"items": "$cups"}"#,
        r#"half = calculate {"expression": "n / 2", "values": {"n": "$n"}}"#,
    ],
    &[
        r#"sign = detect_objects {"image": "$image", "labels": ["stop sign"]}"#,
        r#"part = crop {"image": "$image", "region": "$sign"}"#,
        r#"text = read_text {"image": "$part"}"#,
    ],
    &[
        r#"sign = detect_objects {"image": "$image", "labels": ["stop sign"]}"#,
        r#"part = crop {"image": "$image", "region": "$sign[0]"}"#,
        r#"text = read_text {"image": "$part"}"#,
    ],
    &[
        r#"all = detect_objects {"image": "$image"}"#,
        r#"sure = filter {"items": "$all", "min_score": 0.8}"#,
        r#"n = count {"items": "$sure"}"#,
    ],
    &[
        r#"cars = detect_objects {"image": "$image", "labels": ["car"]}"#,
        r#"people = detect_objects {"image": "$image", "labels": ["person"]}"#,
        r#"inside = filter {"items": "$people", "inside": "$cars[0]"}"#,
        r#"n = count {"items": "$inside"}"#,
    ],
    &[
        r#"people = detect_objects {"image": "$image", "labels": ["person"]}"#,
        r#"marked = annotate {"image": "$image", "items": "$people"}"#,
    ],
    &[
        r#"people = detect_objects {"image": "$image", "labels": ["person"]}"#,
        r#"text = read_text {"image": "$image"}"#,
        r#"marked = annotate {"image": "$image", "items": "$people", "lines": "$text"}"#,
    ],
    &[
        r#"text = read_text {"image": "$image"}"#,
        r#"exit = find_text {"lines": "$text", "text": "EXIT", "mode": "exact"}"#,
        r#"n = count {"items": "$exit"}"#,
        r#"there = compare {"a": "$n", "b": 0, "op": "greater"}"#,
    ],
    &[
        r#"text = read_text {"image": "$image"}"#,
        r#"tax = find_text {"lines": "$text", "text": "tax", "mode": "right_of"}"#,
        r#"total = find_text {"lines": "$text", "text": "total", "mode": "right_of"}"#,
        r#"net = calculate {"expression": "total - tax", "values": {"total": "$total[0].text", "tax": "$tax[0].text"}}"#,
    ],
    &[
        r#"text = read_text {"image": "$image"}"#,
        r#"phone = find_text {"lines": "$text", "text": "[0-9]{3}-[0-9]{4}", "mode": "regex"}"#,
    ],
    &[
        r#"text = read_text {"image": "$image"}"#,
        r#"price = find_text {"lines": "$text", "text": "$$12.50", "mode": "fuzzy"}"#,
    ],
    &[
        r#"dog = detect_objects {"image": "$image", "labels": ["dog"]}"#,
        r#"label = compare {"a": "$dog[0].label", "b": "dog", "op": "equal"}"#,
    ],
    &[
        r#"chairs = detect_objects {"image": "$image", "labels": ["chair"]}"#,
        r#"tables = detect_objects {"image": "$image", "labels": ["dining table"]}"#,
        r#"a = count {"items": "$chairs"}"#,
        r#"b = count {"items": "$tables"}"#,
        r#"ratio = calculate {"expression": "a / b", "values": {"a": "$a", "b": "$b"}}"#,
    ],
    &[r#"sum = calculate {"expression": "a * (b + 2)", "values": {"a": 3, "b": -4.5}}"#],
    &[
        r#"text = read_text {"image": "$image"}"#,
        r#"sure = filter {"items": "$text", "min_score": 0.9}"#,
        r#"found = find_text {"lines": "$sure", "text": "Café", "mode": "fuzzy"}"#,
    ],
    &[
        r#"text = read_text {"image": "$image"}"#,
        r#"line = crop {"image": "$image", "region": "$text[0]"}"#,
        r#"things = detect_objects {"image": "$line"}"#,
    ],
    &[
        r#"text = read_text {"image": "$image"}"#,
        r#"name = find_text {"lines": "$text", "text": "name", "mode": "below"}"#,
        r#"same = compare {"a": "$name[0].text", "b": "SMITH \"JR\"", "op": "equal"}"#,
    ],
    &[
        r#"plate = detect_objects {"image": "$image", "labels": ["car"]}"#,
        r#"score = compare {"a": "$plate[0].score", "b": 0.5, "op": "less"}"#,
    ],
];

#[test]
fn steps_that_repeat_a_call_are_merged() {
    let text = r#"{"steps": [
        {"id": "a", "tool": "read_text", "args": {"image": "$image"}},
        {"id": "b", "tool": "read_text", "args": {"image": "$image"}},
        {"id": "c", "tool": "count", "args": {"items": "$a"}},
        {"id": "d", "tool": "count", "args": {"items": "$b"}},
        {"id": "e", "tool": "compare", "args": {"a": "$d[0].x", "b": {"k": ["$c"]}, "op": "equal"}},
        {"id": "f", "tool": "count", "args": {"items": "$e"}}
    ], "result": "$d.y"}"#;
    let merged = Plan::parse(text).unwrap().without_repeats(|_| true);
    let ids: Vec<&str> = merged.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["a", "c", "e", "f"]);
    assert_eq!(merged.result.to_string(), "$c.y");
    let args = merged.step("e").unwrap().to_json();
    assert_eq!((&args["args"]["a"], &args["args"]["b"]["k"][0]), (&"$c[0].x".into(), &"$c".into()));
    assert_eq!(merged.clone().without_repeats(|_| true), merged);
    let whole = Plan::parse(text).unwrap();
    assert_eq!(whole.clone().without_repeats(|_| false), whole, "what has effects is done twice");
}
