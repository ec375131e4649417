//! `key_values`.

use proptest::prelude::*;
use serde_json::Value as Json;

use super::finding::page;
use super::receipts::{cents, reference};
use super::{call, line, list};
use lavr::tool::key_values::key_values;
use lavr::tool::normalize::{Kind, normalize};
use lavr::value::{Line, Value};

fn pairs(lines: &[Line]) -> Vec<String> {
    key_values(lines).rows.iter().map(|row| row.join(" = ")).collect()
}

#[test]
fn keys_stand_before_beside_and_above_their_values() {
    for (drawn, expected) in [
        ("Name: Ann Lee\nDate of birth: 3 May 1990", vec!["Name = Ann Lee", "Date of birth = 3 May 1990"]),
        ("INVOICE NO: GP-10023  |    DATE: 05/06/2018", vec!["INVOICE NO = GP-10023", "DATE = 05/06/2018"]),
        ("Cashier:   |  Amy\nTOTAL      |  24.40", vec!["Cashier = Amy", "TOTAL = 24.40"]),
        ("Date  |  : 9/1/2019 8:01 PM", vec!["Date = 9/1/2019 8:01 PM"]),
        ("Fried Rice   |  2  |  8.50 |  17.00", vec!["Fried Rice = 17.00"]),
        ("TEL: 03-8733 1234  FAX: 03-8733 1235", vec!["TEL = 03-8733 1234", "FAX = 03-8733 1235"]),
        ("DATE:01/02/2018TIME:10:30", vec!["DATE = 01/02/2018", "TIME = 10:30"]),
        ("Total RM31.00\nReceipt 0042", vec!["Total = RM31.00", "Receipt = 0042"]),
        ("SubTotal\n4.50\nGrand Total\nRM 4.75", vec!["SubTotal = 4.50", "Grand Total = RM 4.75"]),
        (
            "Name         | Date of issue\nAnn Lee      | 12/03/2020",
            vec!["Name = Ann Lee", "Date of issue = 12/03/2020"],
        ),
        ("TOTAL RM31.00 CASH RM50.00 CHANGE RM19.00", vec!["TOTAL = RM31.00", "CASH = RM50.00", "CHANGE = RM19.00"]),
        ("Two teas 1.50 3.00", vec!["Two teas = 3.00"]),
        ("(Reg. No: 860671-D)", vec!["Reg. No = 860671-D"]),
        ("Item | Qty | Total\nTea | 2 | 3.00\nBun | 1 | 1.20", vec!["Tea = 3.00", "Bun = 1.20"]),
        ("Table: 4\n14/04/2018 13:50", vec!["Table = 4", "date = 14/04/2018"]),
        ("Address:\n12 High Street", vec!["Address = 12 High Street"]),
    ] {
        assert_eq!(pairs(&page(drawn)), expected, "{drawn}");
    }
}

#[test]
fn what_is_no_pair_gives_none() {
    for drawn in [
        "",
        "OPEN DAILY\nNo Parking here",
        "see https://example.org/a for more",
        "10:30\n12:45",
        "It was the best of times and the worst of times that ever was: so they said",
        "left column text | right column text\nof a printed page | that says nothing",
    ] {
        assert_eq!(pairs(&page(drawn)), [""; 0], "{drawn}");
    }
}

#[test]
fn the_result_is_a_table_with_two_columns() {
    let lines = [line("Total: 5.00", 0.0, 0.0), line("Thank you", 0.0, 40.0)];
    let Value::Table(table) = call("key_values", [("lines", list(&lines, Value::Line))]).unwrap() else {
        panic!("no table")
    };
    assert_eq!(table.rows, [["Total", "5.00"]]);
    let Value::Table(none) = call("key_values", [("lines", Value::List(Vec::new()))]).unwrap() else {
        panic!("no table")
    };
    assert!(none.rows.is_empty());
}

/// Of how many receipts the total and the date are among the values.
#[test]
fn totals_and_dates_of_receipts_are_among_the_values() {
    let Some(receipts) = crate::experts::evaluation("receipts") else { return println!("skipped: no LAVR_EVAL_DATA") };
    let (mut totals, mut dates, mut of) = (0, 0, 0);
    for question in crate::real::json_lines(&receipts.join("questions.jsonl")) {
        let field = |name: &str| question[name].as_str().map(str::to_owned).unwrap_or_default();
        let (name, truth) = (field("image"), field("answer"));
        let Some(lines) = reference(&name) else { continue };
        let rows = key_values(&lines).rows;
        let same: &dyn Fn(&str) -> bool = match field("field").as_str() {
            "total" => &|value: &str| cents(value).is_some() && cents(value) == cents(&truth),
            "date" => &|value: &str| {
                let day = |text: &str| normalize(text, Some(Kind::Date));
                day(value).is_some_and(|found: Json| Some(found) == day(&truth))
            },
            _ => continue,
        };
        let found = rows.iter().any(|row| same(&row[1]));
        let count = if field("field") == "total" { &mut totals } else { &mut dates };
        *count += usize::from(found);
        of += usize::from(field("field") == "total");
        if !found {
            println!("{name} {}: {truth} is not in {rows:?}", field("field"));
        }
    }
    println!("total {totals}, date {dates} of {of}");
    assert!(totals >= 12 && dates >= 12, "total {totals}, date {dates} of {of}");
}

proptest! {
    #[test]
    fn any_lines_can_be_paired(texts in proptest::collection::vec(".{0,24}|[A-Za-z]{1,8} ?:? ?[0-9:/.]{0,8}", 0..12)) {
        let place = |n: usize| (40.0 * (n % 3) as f64, 26.0 * (n / 3) as f64);
        let lines: Vec<Line> = texts.iter().enumerate().map(|(n, t)| line(t, place(n).0, place(n).1)).collect();
        let table = key_values(&lines);
        prop_assert!(table.rows.iter().all(|row| row.len() == 2 && row.iter().all(|cell| !cell.is_empty())));
    }

    #[test]
    fn a_key_with_a_colon_has_what_stands_behind_it(key in "[A-Z][a-z]{2,8}", value in "[A-Z0-9][A-Z0-9-]{0,8}") {
        prop_assert_eq!(pairs(&[line(&format!("{key}: {value}"), 0.0, 0.0)]), [format!("{key} = {value}")]);
    }
}
