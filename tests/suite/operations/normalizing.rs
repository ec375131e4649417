//! `normalize`.

use proptest::prelude::*;
use serde_json::json;

use super::{call, line, list, text};
use lavr::error::{ErrorKind, Result};
use lavr::value::Value;

fn normalize(value: Value, kind: Option<&str>) -> Result<Value> {
    match kind {
        Some(kind) => call("normalize", [("value", value), ("kind", text(kind))]),
        None => call("normalize", [("value", value)]),
    }
}

#[test]
fn values_have_one_form_however_they_are_printed() {
    for (printed, kind, expected) in [
        ("09/01/2019", None, json!("2019-01-09")),
        ("9 Jan 2019", None, json!("2019-01-09")),
        ("Jan 9, 2019", None, json!("2019-01-09")),
        ("2019-1-9", None, json!("2019-01-09")),
        ("25.12.18", None, json!("2018-12-25")),
        ("12/25/2018", Some("date"), json!("2018-12-25")),
        ("Date: 09/01/2019 8:01:11 PM, counter 3", Some("date"), json!("2019-01-09")),
        ("Date: 09/01/2019 8:01:11 PM, counter 3", None, json!("2019-01-09")),
        ("RM 1,234.50", None, json!(1234.5)),
        ("$5", None, json!(5)),
        ("31.00", Some("amount"), json!(31)),
        ("TOTAL RM 27.00 thank you", None, json!(27)),
        ("-3.20", Some("amount"), json!(-3.2)),
        ("+60 3-8945 1234", None, json!("+60389451234")),
        ("(03) 8945 1234", None, json!("0389451234")),
        ("03-8945 1234", None, json!("0389451234")),
        ("555-0199", Some("phone"), json!("5550199")),
        ("Tel: 012-345 6789", Some("phone"), json!("0123456789")),
    ] {
        let found = normalize(text(printed), kind).map(|v| v.to_json());
        assert_eq!(found.map_err(|e| e.to_string()), Ok(expected), "{printed}");
    }
}

#[test]
fn a_line_or_the_first_of_several_that_is_such_a_value_counts() {
    let lines = [line("INVOICE", 0.0, 0.0), line("due 1 May 2024", 0.0, 30.0), line("2 May 2024", 0.0, 60.0)];
    assert_eq!(normalize(Value::Line(lines[2].clone()), None).unwrap(), text("2024-05-02"));
    assert_eq!(normalize(list(&lines, Value::Line), Some("date")).unwrap(), text("2024-05-01"));
    assert_eq!(normalize(Value::Number(3.5), None).unwrap(), Value::Number(3.5));
}

#[test]
fn what_is_no_such_value_says_so() {
    for (value, kind, says) in [
        (text("Kopi Corner"), None, "no date, amount or telephone number in `Kopi Corner`"),
        (text("31/02/2019"), Some("date"), "no date in `31/02/2019`"),
        (text("soon"), Some("phone"), "no telephone number in `soon`"),
        (list(&[line("a", 0.0, 0.0), line("b", 0.0, 9.0)], Value::Line), Some("amount"), "`a` and 1 more"),
        (Value::List(Vec::new()), Some("date"), "no text to read a date from"),
        (super::json(json!(null)), None, "no text"),
    ] {
        let error = normalize(value, kind).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Tool);
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn what_is_normalized_can_be_compared_and_calculated_with() {
    let date = normalize(text("9 Jan 2019"), None).unwrap();
    let args = [("a", date), ("b", text("10/01/2019")), ("op", text("less"))];
    assert_eq!(call("compare", args).unwrap(), Value::Bool(true));
    let amount = normalize(text("RM 1,234.50"), None).unwrap();
    let values = super::json(json!({ "a": amount.to_json() }));
    assert_eq!(call("calculate", [("expression", text("a * 2")), ("values", values)]).unwrap(), Value::Number(2469.0));
}

proptest! {
    #[test]
    fn a_date_is_the_same_in_every_form(year in 1970_i32..2069, month in 1_u32..=12, day in 1_u32..=28) {
        let names = ["Jan", "Feb", "Mar", "Apr", "May", "June", "July", "August", "Sept", "Oct", "Nov", "December"];
        let name = names[month as usize - 1];
        let iso = format!("{year:04}-{month:02}-{day:02}");
        for printed in [
            iso.clone(),
            format!("{day}/{month}/{year}"),
            format!("{day:02}.{month:02}.{year}"),
            format!("{day} {name} {year}"),
            format!("{name} {day}, {year}"),
        ] {
            prop_assert_eq!(normalize(text(&printed), Some("date")).unwrap(), text(&iso), "{}", printed);
        }
    }

    #[test]
    fn normalizing_twice_changes_nothing(printed in "[0-9 ./+()RM,-]{1,16}|.{0,24}") {
        if let Ok(once) = normalize(text(&printed), Some("amount")) {
            prop_assert_eq!(normalize(once.clone(), Some("amount")).unwrap(), once);
        }
        if let Ok(once) = normalize(text(&printed), Some("date")) {
            prop_assert_eq!(normalize(once.clone(), Some("date")).unwrap(), once);
        }
    }
}
