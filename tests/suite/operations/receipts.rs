//! The fields of real receipts, from the text that the reference reader sees on them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lavr::tool::find_text::{Mode, find_text};
use lavr::value::Line;
use serde_json::Value as Json;

/// Upper case, letters and digits only.
fn squeezed(text: &str) -> String {
    text.to_uppercase().chars().filter(|c| c.is_alphanumeric()).collect()
}

/// An amount as hundredths: digits around the last point.
pub(super) fn cents(text: &str) -> Option<i64> {
    let digits: String = text.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
    let number: f64 = digits.parse().ok()?;
    Some((number * 100.0).round() as i64)
}

/// Day, month and year as numbers, two digits of the year.
fn day(text: &str) -> Option<Vec<u32>> {
    const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
    let mut text = text.to_uppercase();
    for (n, month) in MONTHS.iter().enumerate() {
        text = text.replace(month, &format!(" {} ", n + 1));
    }
    let numbers: Option<Vec<u32>> =
        text.split(|c: char| !c.is_ascii_digit()).filter(|t| !t.is_empty()).map(|t| t.parse().ok()).collect();
    numbers.filter(|n| n.len() == 3).map(|n| n.iter().map(|v| v % 100).collect())
}

/// 1 less the normalised edit distance in lower case (ANLS of one answer); 0 from half on.
pub fn likeness(found: &str, truth: &str) -> f64 {
    let alike = strsim::normalized_levenshtein(&found.trim().to_lowercase(), &truth.to_lowercase());
    if alike > 0.5 { alike } else { 0.0 }
}

fn is_right(field: &str, found: &str, truth: &str) -> bool {
    match field {
        "total" => cents(found).is_some() && cents(found) == cents(truth),
        "date" => day(found).is_some() && day(found) == day(truth),
        _ => squeezed(found) == squeezed(truth),
    }
}

pub(super) fn reference(image: &str) -> Option<Vec<Line>> {
    let name = Path::new(image).file_stem()?.to_str()?.to_owned();
    let folder = std::env::var_os("LAVR_EVAL_OCR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/ocr"), PathBuf::from);
    let text = std::fs::read_to_string(folder.join(format!("receipts_{name}.json"))).ok()?;
    let json: Json = serde_json::from_str(&text).ok()?;
    let lines = json.get("lines").cloned().unwrap_or(json);
    serde_json::from_value(lines).ok()
}

#[test]
fn fields_of_receipts() {
    let Some(data) = std::env::var_os("LAVR_EVAL_DATA").map(PathBuf::from) else {
        println!("skipped: LAVR_EVAL_DATA does not name a folder with receipts (SROIE)");
        return;
    };
    let questions = std::fs::read_to_string(data.join("receipts/questions.jsonl")).expect("the questions");
    let mut right: BTreeMap<String, usize> = BTreeMap::new();
    let mut addresses: Vec<f64> = Vec::new();
    for question in questions.lines().map(|l| serde_json::from_str::<Json>(l).expect("a question")) {
        let field = |name: &str| question[name].as_str().expect("a text").to_owned();
        let Some(lines) = reference(&field("image")) else { continue };
        let found = find_text(&lines, &field("field"), Some(Mode::Value)).expect("no error");
        let found = found.first().map_or("", |line| line.text.as_str());
        if field("field") == "address" {
            addresses.push(likeness(found, &field("answer")));
            continue;
        }
        let is_right = is_right(&field("field"), found, &field("answer"));
        *right.entry(field("field")).or_default() += usize::from(is_right);
        if !is_right {
            println!("{} {}: `{found}` should be `{}`", field("image"), field("field"), field("answer"));
        }
    }
    let alike = addresses.iter().sum::<f64>() / addresses.len().max(1) as f64;
    println!("right: {right:?}, addresses alike: {alike:.3}");
    for (field, least) in [("total", 13), ("date", 13), ("company", 12)] {
        assert!(right.get(field).is_some_and(|n| *n >= least), "{right:?}");
    }
    assert!(alike >= 0.95, "addresses alike: {alike:.3}");
}

/// Values on the test images, as the reference reader reads them.
#[test]
fn values_on_signs_and_posters() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/ocr");
    let cases = [
        ("shelf", "honey", "6.50"),
        ("road", "airport", "48"),
        ("door", "dentist", "214"),
        ("poster", "phone", "555-0199"),
        ("poster", "adult", "24"),
        ("receipt", "total", "27.00"),
        ("receipt", "change", "3.00"),
        ("receipt", "date", "14/03/2024"),
        ("receipt", "cashier", ""),
        ("receipt-below", "grand total", "40.59"),
        ("receipt-below", "service charge", "3.69"),
        ("receipt-below", "nasi lemak", "12.90"),
    ];
    let mut wrong = Vec::new();
    for (image, key, expected) in cases {
        let text = std::fs::read_to_string(folder.join(format!("images_{image}.json"))).unwrap();
        let json: Json = serde_json::from_str(&text).unwrap();
        let lines: Vec<Line> = serde_json::from_value(json["lines"].clone()).unwrap();
        let found = find_text(&lines, key, Some(Mode::Value)).unwrap();
        let found = found.first().map_or("", |line| line.text.as_str());
        if !(found == expected || (!expected.is_empty() && found.contains(expected))) {
            wrong.push(format!("{image}: {key} is `{found}`, should be `{expected}`"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
