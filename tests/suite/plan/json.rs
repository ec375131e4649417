//! The JSON form of plans.

use lavr::plan::{ArgValue, FaultKind, Plan, Reference, Segment, Step};
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::{REALISTIC, plan_json};

/// Where the faults of a plan's JSON are.
fn places(json: &Json) -> Vec<String> {
    let faults = Plan::from_json(json).expect_err("the plan is malformed");
    assert!(faults.iter().all(|fault| fault.kind == FaultKind::Malformed));
    faults.into_iter().map(|fault| fault.at).collect()
}

fn with_arg(arg: &Json) -> Json {
    json!({ "steps": [{ "id": "a", "tool": "t", "args": { "x": arg } }], "result": "$a" })
}

fn arg_of(arg: &Json) -> ArgValue {
    Plan::from_json(&with_arg(arg)).unwrap().steps[0].arg("x").unwrap().clone()
}

#[test]
fn realistic_plans_come_back_as_they_were_written() {
    for lines in REALISTIC {
        let json = plan_json(lines);
        let plan = Plan::from_json(&json).unwrap();
        assert_eq!(plan.to_json().to_string(), json.to_string());
        assert_eq!(Plan::parse(&json.to_string()).unwrap(), plan);
    }
}

#[test]
fn a_doubled_dollar_is_a_literal_dollar() {
    assert_eq!(arg_of(&json!("$$5")), ArgValue::Literal(json!("$5")));
    assert_eq!(arg_of(&json!("$$")), ArgValue::Literal(json!("$")));
    assert_eq!(arg_of(&json!("$$$x")), ArgValue::Literal(json!("$$x")));
    assert_eq!(arg_of(&json!("a $x")), ArgValue::Literal(json!("a $x")));
    assert_eq!(arg_of(&json!("$x")), ArgValue::Ref(Reference::to("x")));
}

#[test]
fn references_are_found_inside_lists_and_objects() {
    let value = arg_of(&json!({ "b": ["$x[0].score", 1], "a": { "c": "$y" } }));
    let names: Vec<String> = value.references().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["$x[0].score", "$y"]);
    let ArgValue::Object(entries) = value else { panic!("it is an object") };
    assert_eq!(entries.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["b", "a"]);
}

#[test]
fn every_malformation_is_reported_with_its_place() {
    let json = json!({
        "steps": [
            { "id": "A", "tool": 3, "args": { "x": "$", "y": ["ok", "$a..b"], "z": { "k": "$a[x]" } } },
            { "id": "b", "tols": "t", "args": [] },
            "count",
        ],
        "result": "b",
        "why": "because",
    });
    let expected = [
        "plan",
        "steps[0].id",
        "steps[0].tool",
        "steps[0].args.x",
        "steps[0].args.y[1]",
        "steps[0].args.z.k",
        "steps[1]",
        "steps[1]",
        "steps[1].args",
        "steps[2]",
        "result",
    ];
    assert_eq!(places(&json), expected);
    let faults = Plan::from_json(&json).unwrap_err();
    let hint = |n: usize| faults[n].suggestion.as_deref();
    assert_eq!(hint(1), Some("write `a`"));
    assert_eq!(hint(6), Some("did you mean `tool`?"));
    assert_eq!(hint(10), Some("did you mean `$b`?"));
}

#[test]
fn what_is_not_a_plan_is_malformed() {
    for json in [json!(null), json!([]), json!("plan"), json!(1)] {
        assert_eq!(places(&json), ["plan"]);
    }
    assert_eq!(places(&json!({})), ["plan", "plan"]);
    assert_eq!(places(&json!({ "steps": {}, "result": null })), ["steps", "result"]);
    assert_eq!(Plan::parse("").unwrap_err()[0].kind, FaultKind::Malformed);
    assert_eq!(Plan::parse("count(people)").unwrap_err().len(), 1);
    assert_eq!(Plan::parse(&" ".repeat(100_000)).unwrap_err().len(), 1);
}

#[test]
fn a_repeated_key_is_malformed() {
    let text = r#"{"steps":[{"id":"a","tool":"t","args":{"x":1,"x":2}}],"result":"$a"}"#;
    let faults = Plan::parse(text).unwrap_err();
    assert!(faults[0].message.contains("the key `x` stands twice"), "{faults:?}");
}

#[test]
fn deep_nesting_is_a_fault_and_not_an_overflow() {
    let deep = format!("{}{}", "[".repeat(60_000 / 2), "]".repeat(60_000 / 2));
    assert!(Plan::parse(&deep).is_err());
    let mut json = json!(1);
    for _ in 0..100 {
        json = json!([json]);
    }
    assert_eq!(places(&with_arg(&json)).len(), 1);
}

#[test]
fn malformed_references_are_rejected() {
    let bad = [
        "",
        "a",
        "$",
        "$A",
        "$1a",
        "$a.",
        "$a..b",
        "$a[x]",
        "$a[]",
        "$a[-1]",
        "$a[01]",
        "$a[0",
        "$a]",
        "$a b",
        "$a.1",
        "$a[0]b",
        "$é",
        "$a.é",
        "$a[9999999999]",
        "$a ",
        " $a",
        "$a\n",
    ];
    for text in bad {
        assert!(text.parse::<Reference>().is_err(), "{text:?}");
    }
    for text in ["$a", "$a_1", "$a.b", "$a[0]", "$a[10].Text", "$a.b[0][1].c_d"] {
        assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
    }
}

pub(super) fn reference() -> impl Strategy<Value = Reference> {
    let segment = prop_oneof![
        "[A-Za-z_][A-Za-z0-9_]{0,6}".prop_map(Segment::Field),
        (0usize..1_000_000_000).prop_map(Segment::Index),
    ];
    ("[a-z][a-z0-9_]{0,8}", prop::collection::vec(segment, 0..4)).prop_map(|(id, path)| Reference { id, path })
}

pub(super) fn value() -> impl Strategy<Value = ArgValue> {
    let leaf = prop_oneof![
        reference().prop_map(ArgValue::Ref),
        Just(ArgValue::Literal(Json::Null)),
        any::<bool>().prop_map(|b| ArgValue::Literal(json!(b))),
        (-1_000_000i32..1_000_000).prop_map(|n| ArgValue::Literal(json!(f64::from(n) / 64.0))),
        any::<i64>().prop_map(|n| ArgValue::Literal(json!(n))),
        "\\PC{0,8}".prop_map(|t| ArgValue::Literal(json!(t))),
        "\\${1,3}[a-z.\\[\\]0]{0,5}".prop_map(|t| ArgValue::Literal(json!(t))),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(ArgValue::List),
            prop::collection::btree_map("[a-z$ .]{0,4}", inner, 0..4)
                .prop_map(|entries| ArgValue::Object(entries.into_iter().rev().collect())),
        ]
    })
}

pub(super) fn plan() -> impl Strategy<Value = Plan> {
    let args = prop::collection::btree_map("[a-z_]{1,8}", value(), 0..4);
    let step = ("[a-z][a-z0-9_]{0,8}", "\\PC{0,12}", args).prop_map(|(id, tool, args)| Step {
        id,
        tool,
        args: args.into_iter().rev().collect(),
    });
    (prop::collection::vec(step, 0..5), reference()).prop_map(|(steps, result)| Plan { steps, result })
}

fn json_value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        "[$a.\\[\\]0]{0,6}".prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let key = prop_oneof!["steps|result|id|tool|args", any::<String>()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::vec((key, inner), 0..5)
                .prop_map(|entries| Json::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn a_plan_survives_its_json_form(plan in plan()) {
        let json = plan.to_json();
        let back = Plan::from_json(&json).unwrap();
        prop_assert_eq!(&back, &plan);
        prop_assert_eq!(back.to_json().to_string(), json.to_string());
        prop_assert_eq!(Plan::parse(&json.to_string()).unwrap(), plan);
    }

    #[test]
    fn arbitrary_text_never_panics(text in ".*") {
        let _ = Plan::parse(&text);
        let _ = text.parse::<Reference>();
    }

    #[test]
    fn arbitrary_json_is_a_plan_or_has_faults(json in json_value()) {
        let whole = json!({ "steps": [{ "id": json, "tool": json, "args": json }, json], "result": json });
        for json in [&json, &whole] {
            match Plan::from_json(json) {
                Ok(plan) => prop_assert_eq!(&plan.to_json(), json),
                Err(faults) => prop_assert!(!faults.is_empty()),
            }
        }
    }
}
