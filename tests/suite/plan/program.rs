//! The program form of plans.

use lavr::plan::{ArgValue, Fault, FaultKind, Plan, Reference};
use proptest::prelude::*;
use serde_json::json;

use super::json::{plan, reference, value};
use super::{LIMITS, REALISTIC, plan_json, tools};

const DOGS: &str = r#"BOXES = detect_objects(image=IMAGE, labels=["dog"])
N = count(items=BOXES)
RESULT = N"#;

/// The faults of a program, as text.
fn faults(program: &str) -> Vec<String> {
    let faults = Plan::from_program(program).expect_err("the program is malformed");
    assert!(faults.iter().all(|fault| fault.kind == FaultKind::Malformed), "{faults:?}");
    faults.iter().map(Fault::to_string).collect()
}

/// The value of the argument `x`, as JSON.
fn arg(value: &str) -> serde_json::Value {
    let plan = Plan::from_program(&format!("A = t(x={value})")).unwrap_or_else(|faults| panic!("{value}: {faults:?}"));
    plan.steps[0].arg("x").unwrap().to_json()
}

fn program_of(json: &serde_json::Value) -> String {
    Plan::from_json(json).unwrap().to_program()
}

#[test]
fn a_program_is_the_plan_that_its_json_form_is() {
    let json = plan_json(&[
        r#"boxes = detect_objects {"image": "$image", "labels": ["dog"]}"#,
        r#"n = count {"items": "$boxes"}"#,
    ]);
    assert_eq!(Plan::from_program(DOGS).unwrap().to_json(), json);
    assert_eq!(program_of(&json), DOGS);
}

#[test]
fn realistic_plans_survive_their_program_form_and_the_checker() {
    for lines in REALISTIC {
        let plan = Plan::from_json(&plan_json(lines)).unwrap();
        let program = plan.to_program();
        let back = Plan::parse(&program).unwrap_or_else(|faults| panic!("{program}: {faults:?}"));
        assert_eq!(back, plan);
        assert_eq!(lavr::plan::check(&back, &tools(), &LIMITS), []);
    }
}

#[test]
fn values_are_json_as_python_may_write_it() {
    assert_eq!(
        arg(r#"{"a": TOTAL, "b": [2, IMAGE2[0].label]}"#),
        json!({ "a": "$total", "b": [2, "$image2[0].label"] })
    );
    assert_eq!(arg("[True, False, None, true, false, null,]"), json!([true, false, null, true, false, null]));
    assert_eq!(arg("[-4.5, 0, 1e3, 18446744073709551615]"), json!([-4.5, 0, 1000.0, u64::MAX]));
    assert_eq!(arg(r#"'it\'s "so"'"#), json!("it's \"so\""));
    assert_eq!(arg(r#""a\\d\n\t\/\u00e9\ud83d\ude00 # (no comment""#), json!("a\\d\n\t/é😀 # (no comment"));
    assert_eq!(arg("{}"), json!({}));
    assert_eq!(arg("RESULT.rows[12]"), json!("$result.rows[12]"));
    assert_eq!(arg("TRUE"), json!("$true"));
}

#[test]
fn a_text_is_a_text_whatever_it_begins_with() {
    let plan = Plan::from_program(r#"A = t(x="$5", y="$image", z="$$")"#).unwrap();
    let literals = ["$5", "$image", "$$"].map(|text| ArgValue::Literal(json!(text)));
    assert_eq!(plan.steps[0].args.iter().map(|(_, v)| v.clone()).collect::<Vec<_>>(), literals);
    assert_eq!(plan.to_program(), "A = t(x=\"$5\", y=\"$image\", z=\"$$\")\nRESULT = A");
}

#[test]
fn fences_comments_blank_lines_and_long_calls_are_read() {
    let program = "\n```python\n# find the dogs\nBOXES = detect_objects(image=IMAGE,  # all of it\n\n  labels=[\n    \
                   'dog',\n  ],\n)\r\n\n\tN=count( items = BOXES ) # so many\nRESULT  =  N\n```\n";
    assert_eq!(Plan::from_program(program).unwrap().to_program(), DOGS);
    assert_eq!(Plan::parse(program).unwrap().to_program(), DOGS);
}

#[test]
fn the_result_is_a_reference_a_call_or_the_last_step() {
    let result = |program: &str| Plan::from_program(program).unwrap().result.to_string();
    assert_eq!(result("A = t()\nB = t()\nRESULT = A[0].label"), "$a[0].label");
    assert_eq!(result("A = t()\nRESULT = t(x=A)"), "$result");
    assert_eq!(result("RESULT = t()\nA = t(x=RESULT)"), "$result");
    assert_eq!(result("A = t()\nB = t()"), "$b");
    assert_eq!(result("RESULT = t()\nA = t(x=RESULT)\nRESULT = A"), "$a");
    assert_eq!(result("RESULT = t()\nRESULT = RESULT.rows"), "$result.rows");
    for program in ["RESULT = t()\nA = t(x=RESULT)", "RESULT = t()\nA = t(x=RESULT)\nRESULT = A", "RESULT = RESULT"] {
        assert_eq!(Plan::from_program(program).unwrap().to_program(), program);
    }
    let plan = Plan::from_program("RESULT = RESULT").unwrap();
    assert_eq!((plan.steps.len(), plan.result), (0, Reference::to("result")));
}

#[test]
fn names_that_are_no_words_are_quoted() {
    let json = json!({ "steps": [{ "id": "a", "tool": "far.off tool", "args": { "a b": 1, "": 2 } }], "result": "$a" });
    assert_eq!(program_of(&json), "A = \"far.off tool\"(\"a b\"=1, \"\"=2)\nRESULT = A");
    assert_eq!(Plan::from_program(&program_of(&json)).unwrap().to_json(), json);
}

#[test]
fn every_fault_is_reported_with_its_line() {
    let program = "Boxes = detect_objects(image=$image)
# a comment
count(items=BOXES)
N = count(BOXES, labels=[dog, true)
M = count(items=boxes, k=TRue, j=3-2)
P = Q
RESULT = 3
RESULT = M.
S = find_text(text=\"\\d+\")
T = f(items=g(x=1))
RESULT = M
RESULT = N";
    let expected = [
        "line 1: expected a name in upper-case letters, digits and `_`, a letter first, found `Boxes`; write `BOXES`",
        "line 1: expected a value, found `$`; write the name in upper case, without `$`",
        "line 3: expected `=` after `count`, found `(`; give the result a name: `X = count(...)`",
        "line 4: expected `argument=value`, found `BOXES`; write the argument's name and `=` before the value",
        "line 4: expected a value, found `dog`; put a text in quotes: `\"dog\"`",
        "line 4: expected `,` or `]`, found `)`",
        "line 5: expected a value, found `boxes`; put a text in quotes: `\"boxes\"`",
        "line 5: expected a value, found `TRue`; write `true`",
        "line 5: expected a number, found `3-2`",
        "line 6: expected a call, `tool(argument=value)`, after `P =`, found `Q`; write `Q` wherever `P` is meant",
        "line 7: expected a call, `tool(argument=value)`, or the name of a step, found `3`",
        "line 8: expected `.field` or `[0]` after `M`, found `.`; a field is a bare name, an element counts from 0",
        "line 9: expected `\\n`, `\\\"`, `\\\\` or another escape of JSON in a text, found `\\d`; write a backslash twice: `\\\\`",
        "line 10: expected a value, found a call of `g`; give that call a name in a line of its own, and write the name here",
        "line 12: the result stands in line 11 already, found `RESULT =` again; leave one of the two out",
    ];
    assert_eq!(faults(program), expected);
}

#[test]
fn a_word_that_is_a_step_is_told_its_name() {
    let found = faults("BOXES = t()\nN = count(items=boxes, x=image2)\nRESULT = n");
    assert!(found[0].ends_with("found `boxes`; write `BOXES`"), "{found:?}");
    assert!(found[1].ends_with("found `image2`; write `IMAGE2`"), "{found:?}");
    assert!(found[2].starts_with("line 3: expected a call"), "{found:?}");
    let found = faults("N = t()\nRESULT = n");
    assert!(found[0].ends_with("found `n`; write `N`"), "{found:?}");
}

#[test]
fn an_open_bracket_or_quote_spoils_one_statement() {
    let found = faults("A = f(x=[1,\nB = g(x=\"a)\nc = h(\nD = i(x=1\n,,)\n\nE = j()");
    let lines: Vec<&str> = found.iter().map(|fault| fault.split(':').next().unwrap()).collect();
    assert_eq!(lines, ["line 1", "line 2", "line 3", "line 3", "line 5"], "{found:#?}");
    assert!(found[0].ends_with("expected a value, found the end"), "{found:?}");
    assert!(found[1].ends_with("expected `\"` after a text, found the end of the line"), "{found:?}");
}

#[test]
fn repeated_names_are_malformed() {
    assert_eq!(faults("A = f(x=1, x=2)").len(), 1);
    assert_eq!(faults(r#"A = f(x={"k": 1, "k": 2})"#).len(), 1);
}

#[test]
fn what_holds_no_step_is_malformed() {
    for program in ["", "\n\n", "# nothing", "```\n```"] {
        assert_eq!(faults(program).len(), 1, "{program:?}");
    }
    assert_eq!(faults(&"A = f()\n".repeat(9_000)).len(), 1);
}

#[test]
fn deep_nesting_is_a_fault_and_not_an_overflow() {
    for deep in ["[".repeat(60_000), "{\"a\":".repeat(12_000), format!("{}{}", "[".repeat(20_000), "]".repeat(20_000))]
    {
        assert_eq!(faults(&format!("A = f(x={deep})")).len(), 1);
    }
    let most = |depth: usize| format!("A = f(x={}1{})", "[".repeat(depth), "]".repeat(depth));
    assert!(Plan::from_program(&most(16)).is_ok());
    assert!(Plan::from_program(&most(17)).is_err());
}

#[test]
fn either_form_is_told_by_its_looks() {
    let message = |text: &str| Plan::parse(text).unwrap_err()[0].message.clone();
    assert!(message("{\"steps\": \nA = f()").contains("not JSON"));
    assert!(message("I cannot do that.").contains("not JSON"));
    assert!(message("count(items=BOXES)").contains("not JSON"));
    assert!(message("A = f(x=)").contains("expected a value"));
    assert!(message("Here it is:\nA = f()").contains("expected `=` after `Here`"));
}

/// Plans of every kind: also with a step called `result`, names that are no words, and texts of any characters.
fn any_plan() -> impl Strategy<Value = Plan> {
    let odd = prop::collection::btree_map(".{0,6}", value(), 0..3);
    let text = any::<String>().prop_map(|text| ArgValue::Literal(json!(text)));
    let float = any::<f64>().prop_filter("JSON has none", |n| n.is_finite());
    let float = float.prop_map(|n| ArgValue::Literal(json!(n)));
    let result = prop_oneof![reference(), Just(Reference::to("result"))];
    (plan(), odd, text, float, 0usize..6, result, any::<bool>()).prop_map(
        |(mut plan, odd, text, float, at, result, keep)| {
            if let Some(step) = plan.steps.get_mut(at) {
                "result".clone_into(&mut step.id);
                step.args = odd.into_iter().collect();
                step.args.extend([("a text".to_owned() + "______", text), ("a number".to_owned() + "____", float)]);
            }
            plan.result = if keep { plan.result } else { result };
            plan
        },
    )
}

/// A valid program with one piece of it cut out, doubled or replaced.
fn spoiled() -> impl Strategy<Value = String> {
    let junk = prop_oneof!["[\\[\\](){},=\"'#$.\\\\\n`A-Za-z0-9 -]{0,4}", any::<String>()];
    (any_plan(), any::<prop::sample::Index>(), any::<prop::sample::Index>(), junk).prop_map(|(plan, from, to, junk)| {
        let text: Vec<char> = plan.to_program().chars().collect();
        let (from, to) = (from.index(text.len() + 1), to.index(text.len() + 1));
        let head: String = text[..from].iter().collect();
        let tail: String = text[to..].iter().collect();
        head + &junk + &tail
    })
}

/// A program either holds a plan that survives being written, or has faults with a line each.
fn read(program: &str) {
    match Plan::from_program(program) {
        Ok(plan) => assert_eq!(Plan::from_program(&plan.to_program()), Ok(plan), "{program:?}"),
        Err(faults) => {
            assert!(!faults.is_empty());
            let lines = program.split('\n').count();
            for fault in faults {
                let line = fault.at.strip_prefix("line ").and_then(|n| n.parse::<usize>().ok());
                assert!(line.is_some_and(|n| (1..=lines).contains(&n)), "{program:?}: {fault:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn a_plan_survives_its_program_form(plan in any_plan()) {
        let program = plan.to_program();
        prop_assert_eq!(Plan::from_program(&program), Ok(plan.clone()), "{}", program);
        prop_assert_eq!(Plan::parse(&program), Ok(plan.clone()), "{}", program);
        prop_assert_eq!(Plan::from_program(&format!("```python\n{program}\n```\n")), Ok(plan));
    }

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>(), lines in "[A-C]( ?[=(){}\\[\\]\"',:.#$a-cA-C0-9\\\\\n-]{0,3}){0,30}") {
        read(&text);
        read(&lines);
    }

    #[test]
    fn spoiled_programs_never_panic(program in spoiled()) {
        read(&program);
        let _ = Plan::parse(&program);
    }
}
