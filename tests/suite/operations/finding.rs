//! `find_text`, on lines as readers give them.

use proptest::prelude::*;

use super::{call, line, list, text};
use crate::experts::repository;
use lavr::tool::find_text::{Mode, find_text};
use lavr::value::{Line, Value};
use serde_json::Value as Json;

/// Lines from a picture of text: `|` parts the cells of a row; a cell stands where it does in the row.
pub(super) fn page(drawn: &str) -> Vec<Line> {
    let rows = drawn.lines().map(str::trim_end).filter(|row| !row.trim().is_empty()).enumerate();
    rows.flat_map(|(n, row)| {
        let mut at = 0.0;
        let cells: Vec<Line> = row
            .split('|')
            .filter_map(|cell| {
                let x = at + 10.0 * cell.chars().take_while(|c| *c == ' ').count() as f64;
                at += 10.0 * (cell.chars().count() + 1) as f64;
                (!cell.trim().is_empty()).then(|| line(cell.trim(), x, 26.0 * n as f64))
            })
            .collect();
        cells
    })
    .collect()
}

fn value(lines: &[Line], key: &str) -> String {
    find_text(lines, key, Some(Mode::Value)).unwrap().first().map_or_else(String::new, |l| l.text.clone())
}

fn texts(lines: &[Line], wanted: &str, mode: Option<Mode>) -> Vec<String> {
    find_text(lines, wanted, mode).unwrap().into_iter().map(|l| l.text).collect()
}

include!("layouts.rs");

#[test]
fn values_of_many_layouts() {
    let mut wrong = Vec::new();
    for (drawn, expected) in LAYOUTS {
        for (key, value_wanted) in *expected {
            let found = value(&page(drawn), key);
            if found != *value_wanted {
                wrong.push(format!("{key}: `{found}` should be `{value_wanted}` in\n{drawn}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_leaning_page_is_read_along_its_lean() {
    let (drawn, expected) = LAYOUTS[0];
    for degrees in [-12.0_f64, 7.0, 90.0, 180.0] {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let mut lines = page(drawn);
        for p in lines.iter_mut().flat_map(|l| l.polygon.iter_mut()) {
            *p = [p[0] * cos - p[1] * sin, p[0] * sin + p[1] * cos];
        }
        for (key, wanted) in expected {
            assert_eq!(value(&lines, key), *wanted, "{key} at {degrees} degrees");
        }
    }
}

#[test]
fn lines_that_say_something() {
    let lines = page("OPEN DAILY\nNo Parking here\nParking  at the back\nparkin9 lot\ninfo@gallery.org");
    assert_eq!(texts(&lines, "parking", Some(Mode::Contains)), ["No Parking here", "Parking  at the back"]);
    assert_eq!(texts(&lines, "open daily", Some(Mode::Exact)), ["OPEN DAILY"]);
    assert_eq!(texts(&lines, "open", Some(Mode::Exact)), [""; 0]);
    assert_eq!(texts(&lines, "Opendaily", Some(Mode::Contains)), ["OPEN DAILY"]);
    assert_eq!(texts(&lines, "parking lot", Some(Mode::Fuzzy)), ["parkin9 lot", "Parking  at the back"]);
    assert_eq!(texts(&lines, r"\S+@\S+", Some(Mode::Regex)), ["info@gallery.org"]);
    assert_eq!(texts(&lines, r"at the (\w+)", Some(Mode::Regex)), ["back"]);
    assert_eq!(texts(&lines, "email", None), ["info@gallery.org"]);
    assert_eq!(texts(&lines, "parkinq", None), ["No Parking here", "Parking  at the back", "parkin9 lot"]);
    assert_eq!(texts(&lines, "elevator", None), [""; 0]);
    assert!(find_text(&lines, "(", Some(Mode::Regex)).is_err());
    assert!(find_text(&lines, "  ", None).is_err());
}

#[test]
fn a_value_keeps_its_place() {
    let lines = [line("TOTAL: 31.00", 100.0, 50.0)];
    let found = find_text(&lines, "total", Some(Mode::Value)).unwrap();
    assert_eq!(found[0].text, "31.00");
    assert_eq!(found[0].score, 0.9);
    assert_eq!(found[0].bounds(), [170.0, 50.0, 220.0, 70.0]);
}

#[test]
fn the_tool_takes_what_read_text_gives() {
    let lines = list(&page("TOTAL | 31.00"), Value::Line);
    let found = call("find_text", [("lines", lines), ("text", text("total")), ("mode", text("value"))]).unwrap();
    assert!(matches!(found, Value::List(items) if matches!(items.as_slice(), [Value::Line(l)] if l.text == "31.00")));
    let found = call("find_text", [("lines", Value::List(Vec::new())), ("text", text("total"))]).unwrap();
    assert_eq!(found, Value::List(Vec::new()));
}

proptest! {
    #[test]
    fn anything_can_be_sought_in_anything(
        texts in proptest::collection::vec("(total|date|tel|cash|no|RM|[0-9/.:, -]{1,12}|.{0,8}){1,4}", 0..12),
        places in proptest::collection::vec(proptest::array::uniform8(prop_oneof![-500.0_f64..2000.0, proptest::num::f64::ANY]), 12),
        wanted in "(total|date|time|phone|address|company|cash|tax|[a-z]{0,6}|.{0,12})",
    ) {
        let lines: Vec<Line> = texts.iter().zip(&places).map(|(text, p)| Line {
            text: text.clone(), score: 0.5, polygon: [[p[0], p[1]], [p[2], p[3]], [p[4], p[5]], [p[6], p[7]]],
        }).collect();
        for mode in [None, Some(Mode::Value), Some(Mode::Contains), Some(Mode::Exact), Some(Mode::Regex), Some(Mode::Fuzzy)] {
            let _ = find_text(&lines, &wanted, mode);
        }
    }

    #[test]
    fn a_value_is_always_part_of_the_page(amount in 1_u32..10_000_000, rest in "[a-zA-Z ]{0,12}") {
        let printed = format!("{}.{:02}", amount / 100, amount % 100);
        let lines = page(&format!("{rest}x\nTotal | {printed}"));
        prop_assert_eq!(value(&lines, "total"), printed);
    }
}

#[test]
fn a_row_is_everything_beside_the_words() {
    let lines = page(
        "No.|     Dish
         11 |     Onion soup|      5.20
         17 |     Lamb stew|      13.80
         7  |     Lamb|           17.00",
    );
    let row = |text: &str| -> Vec<String> {
        find_text(&lines, text, Some(Mode::Row)).unwrap().into_iter().map(|line| line.text).collect()
    };
    assert_eq!(row("lamb stew"), ["17  Lamb stew  13.80"]);
    assert_eq!(row("17"), ["17  Lamb stew  13.80", "7  Lamb  17.00"], "the cell that is the text comes first");
    assert_eq!(row("LAMB"), ["7  Lamb  17.00", "17  Lamb stew  13.80"]);
    assert_eq!(row("Onlon soup"), ["11  Onion soup  5.20"], "a letter may be misread");
    assert!(row("tea").is_empty());
    let found = find_text(&lines, "lamb stew", Some(Mode::Row)).unwrap().remove(0);
    let (first, last) = (&lines[5], &lines[7]);
    assert_eq!(found.bounds()[0], first.bounds()[0], "the place is that of the whole row");
    assert_eq!(found.bounds()[2], last.bounds()[2]);
}

#[test]
fn what_stands_around_a_name_goes() {
    for (printed, name) in [
        ("ACORN TOYS (M) SDN BHD (123456-X)", "ACORN TOYS (M) SDN BHD"),
        ("ACORN TOYS (M) SDN BHD(123456-X", "ACORN TOYS (M) SDN BHD"),
        ("ACORN MART S/B (1234 56 X)", "ACORN MART S/B"),
        ("ACORN TOYS SDN. BHD. 123456-X", "ACORN TOYS SDN. BHD."),
        ("ACORN TOYS SDN BHD (CO. NO. 123456-X)", "ACORN TOYS SDN BHD"),
        ("ACORN TOYS SON BHO", "ACORN TOYS SDN BHD"),
        ("ACORN TOYS SDNBHD", "ACORN TOYS SDN BHD"),
        ("ACORN TOYSSDN BHD", "ACORN TOYS SDN BHD"),
        ("ACORN TOYS (M)SDN. BHD.", "ACORN TOYS (M) SDN. BHD."),
        ("ACORN MARTS/B", "ACORN MART S/B"),
        ("Acorn Toys Sdn Bhd", "Acorn Toys Sdn Bhd"),
        ("WELCOME TO ACORN CAFE", "ACORN CAFE"),
        ("ACORN ENTERPRISEN(NORTH) SDN BHD", "ACORN ENTERPRISE(NORTH) SDN BHD"),
        ("ACORN ENTERPRISES", "ACORN ENTERPRISES"),
        ("ACORN CAFE 24", "ACORN CAFE 24"),
        ("* ACORN CAFE *", "ACORN CAFE"),
        ("LEE & SON", "LEE & SON"),
    ] {
        assert_eq!(value(&[line(printed, 0.0, 0.0)], "company"), name, "{printed}");
    }
}

/// A label whose words are spelt otherwise than their alias would never be found.
#[test]
fn labels_are_spelt_as_their_aliases_lead() {
    let file = repository("src/tool/find_text/keys.toml");
    let keys: toml::Table = toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let keys: Json = serde_json::to_value(keys).unwrap();
    let keys_of_file = keys["key"].as_array().unwrap();
    assert!(!keys_of_file.is_empty());
    let labels = keys_of_file.iter().flat_map(|key| key["printed"].as_array().unwrap());
    for label in labels.flat_map(|rank| rank.as_array().unwrap()).map(|label| label.as_str().unwrap()) {
        for word in label.split(' ') {
            assert_eq!(keys["alias"][word].as_str().unwrap_or(word), word, "in `{label}`");
        }
    }
}
