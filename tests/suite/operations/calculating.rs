//! `calculate` and `compare`.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{call, line};
use lavr::error::ErrorKind;
use lavr::value::Value;

fn calculate(expression: &str, values: Json) -> Result<f64, String> {
    match call("calculate", [("expression", super::text(expression)), ("values", super::json(values))]) {
        Ok(Value::Number(number)) => Ok(number),
        Ok(other) => Err(format!("{other:?}")),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Tool);
            Err(error.to_string())
        }
    }
}

#[test]
fn arithmetic() {
    let values = json!({ "a": 0.1, "b": "RM 12.50", "c": "1,234.00", "d": "$5", "e": [line("27.00", 0.0, 0.0)], "l": [1, 2, "3.50"] });
    let cases = [
        ("0.1 + 0.2", 0.3),
        ("a + 0.2", 0.3),
        ("2 + 3 * 4", 14.0),
        ("(2 + 3) * 4", 20.0),
        ("2 ^ 3 ^ 2", 512.0),
        ("-2 ^ 2", -4.0),
        ("2 ** 3", 8.0),
        ("10 % 4", 2.0),
        ("200 * 6%", 12.0),
        ("10 - 3 - 2", 5.0),
        ("b + d", 17.5),
        ("c / 2", 617.0),
        ("50 - e", 23.0),
        ("50 - $e", 23.0),
        ("100 - 99.95", 0.05),
        ("19.99 * 3", 59.97),
        ("sum(l)", 6.5),
        ("mean(l, 5.5)", 3.0),
        ("max(l) - min(l)", 2.5),
        ("round(2.675, 2)", 2.68),
        ("round(2.5)", 3.0),
        ("abs(-3) + sqrt(16)", 7.0),
        ("7 × 6 ÷ 2 − 1", 20.0),
        ("1e3 + 1", 1001.0),
    ];
    for (expression, expected) in cases {
        assert_eq!(calculate(expression, values.clone()), Ok(expected), "{expression}");
    }
}

#[test]
fn what_cannot_be_calculated_says_why() {
    let values = json!({ "total": 3, "name": "Kopi", "none": [], "many": [1, 2] });
    let cases = [
        ("totl + 1", "`totl` has no value; the values are total, name, none, many"),
        ("total / 0", "division by zero"),
        ("total % (1 - 1)", "division by zero"),
        ("name * 2", "`name` is not a number but `Kopi`"),
        ("none + 1", "empty list"),
        ("many + 1", "a list of 2; use sum"),
        ("1 +", "ends where"),
        ("(1 + 2", "not closed"),
        ("1 2", "unexpected `2`"),
        ("foo(1)", "no function `foo`"),
        ("sqrt(-1)", "negative"),
        ("9 ^ 999", "not a finite number"),
        ("1.2.3", "not a number"),
        ("a ; b", "means nothing"),
        ("", "ends where"),
    ];
    for (expression, says) in cases {
        let error = calculate(expression, values.clone()).unwrap_err();
        assert!(error.contains(says), "{expression}: {error}");
    }
    assert!(calculate(&"(".repeat(900), json!({})).is_err());
    assert!(calculate(&"2^".repeat(400), json!({})).is_err());
    assert!(calculate("a", json!({ "a": { "label": "cat" } })).is_err());
}

#[test]
fn comparing() {
    let one = json!([line("RM 27.00", 0.0, 0.0)]);
    let regions = json!([{"label": "cat", "score": 0.9, "box": [0, 0, 1, 1]}, {"label": "cat", "score": 0.9, "box": [0, 0, 1, 1]}]);
    let cases = [
        (json!(3), json!(2), "greater", true),
        (json!(3), json!(3), "greater", false),
        (json!(3), json!(3), ">=", true),
        (json!(2), json!(3), "<", true),
        (json!(0.3), json!(0.1 + 0.2), "equal", true),
        (json!("RM 12.50"), json!(12.5), "==", true),
        (json!("1,234.00"), json!("$1234"), "equal", true),
        (json!("Kopi  Corner"), json!("KOPI CORNER"), "equal", true),
        (json!("Kopi"), json!("Teh"), "not_equal", true),
        (json!("25/12/2018"), json!("26 Dec 2018"), "less", true),
        (json!("25-12-18"), json!("2018-12-25"), "equal", true),
        (json!("14/06/2017"), json!("2018"), "greater_equal", false),
        (json!("14/06/2018"), json!(2018), "greater_equal", true),
        (json!(2018), json!("14/06/2017"), "greater", true),
        (json!("14/06/2018"), json!("2018"), "equal", true),
        (one.clone(), json!(50), "less", true),
        (one.clone(), json!([line("31.00", 0.0, 0.0)]), "less_equal", true),
        (one, json!("27"), "equal", true),
        (regions.clone(), json!(1), "greater", true),
        (regions.clone(), json!([]), "greater", true),
        (json!([]), json!(0), "equal", true),
        (regions, json!(2), "equal", true),
        (json!(true), json!(true), "equal", true),
    ];
    for (a, b, op, expected) in cases {
        let args = [("a", super::json(a.clone())), ("b", super::json(b.clone())), ("op", super::text(op))];
        assert_eq!(call("compare", args).map_err(|e| e.to_string()), Ok(Value::Bool(expected)), "{a} {op} {b}");
    }
}

#[test]
fn what_cannot_be_compared_is_an_error() {
    for (a, b) in [
        (json!([310, 290]), json!(240)),
        (json!([]), json!(50)),
        (json!("Kopi"), json!(3)),
        (json!(null), json!(3)),
        (json!({"x": 1}), json!(1)),
    ] {
        let args = [("a", super::json(a)), ("b", super::json(b)), ("op", super::text("less"))];
        assert_eq!(call("compare", args).unwrap_err().kind(), ErrorKind::Tool);
    }
    let args = [("a", Value::Number(1.0)), ("b", Value::Number(1.0)), ("op", super::text("bigger"))];
    assert!(call("compare", args).is_err());
}

proptest! {
    #[test]
    fn any_expression_ends_in_a_number_or_an_error(expression in "[-+*/%^(), a-c0-9.$e]{0,60}|.{0,40}") {
        if let Ok(number) = calculate(&expression, json!({ "a": 2, "b": [1, 2], "c": "x" })) {
            prop_assert!(number.is_finite());
        }
    }

    #[test]
    fn any_texts_can_be_handed_to_compare(a in ".{0,30}", b in ".{0,30}") {
        let _ = call("compare", [("a", super::text(&a)), ("b", super::text(&b)), ("op", super::text("less"))]);
    }

    #[test]
    fn sums_of_money_are_exact(cents in proptest::collection::vec(0_i64..10_000_000, 1..20)) {
        let amounts: Vec<String> = cents.iter().map(|c| format!("RM {}.{:02}", c / 100, c % 100)).collect();
        let sum: i64 = cents.iter().sum();
        let expected: f64 = format!("{}.{:02}", sum / 100, sum % 100).parse().unwrap();
        prop_assert_eq!(calculate("sum(a)", json!({ "a": amounts })), Ok(expected));
    }
}
