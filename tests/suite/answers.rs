//! Whole runs with the embedded LLM and the real experts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lavr::answer::Status;
use lavr::image::{Image, ImageLimits};
use lavr::task::Task;
use regex::Regex;

use crate::experts::{evaluation, repository};
use crate::operations::receipts::likeness;
use crate::real;

#[test]
fn questions_about_the_test_pictures_are_answered() {
    let _turn = real::turn();
    let cases = real::json_lines(&repository("tests/questions/answers.jsonl"));
    let mut wrong = Vec::new();
    for case in &cases {
        let question = case["question"].as_str().unwrap();
        let image = repository("").join(case["image"].as_str().unwrap());
        let report = real::ask(&[image], question);
        let status = serde_json::to_value(report.answer.status).unwrap();
        let patterns = case["answers"].as_array().unwrap();
        let said = patterns.iter().any(|p| Regex::new(p.as_str().unwrap()).unwrap().is_match(&report.answer.text));
        if status != case["status"] || (!patterns.is_empty() && !said) {
            println!("WRONG {question}\n      {}\n      {}", report.answer.text, report.to_json());
            wrong.push(question.to_owned());
        }
        if report.answer.status == Status::Answered {
            assert!(!report.answer.claims.is_empty(), "{question}");
        }
    }
    println!("{} of {} right", cases.len() - wrong.len(), cases.len());
    assert!(wrong.len() <= 2, "wrong: {wrong:#?}");
}

/// An amount as a number: `RM 1,234.50` is 1234.5.
fn amount(text: &str) -> Option<f64> {
    let found = Regex::new(r"\d[\d,]*\.\d{2}").unwrap().find(text)?.as_str().replace(',', "");
    found.parse().ok()
}

/// A date as day, month, year, whatever it looks like (day first).
fn date(text: &str) -> Option<(u32, u32, u32)> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let lower = text.to_lowercase();
    let shape = Regex::new(r"(\d{1,4})\s*[-/. ]\s*(\d{1,2}|[a-z]{3,9})\s*[-/., ]\s*(\d{2,4})").unwrap();
    let parts = shape.captures(&lower)?;
    let month = parts[2]
        .parse()
        .ok()
        .or_else(|| MONTHS.iter().position(|m| parts[2].starts_with(m)).and_then(|n| u32::try_from(n + 1).ok()))?;
    let (mut day, mut year): (u32, u32) = (parts[1].parse().ok()?, parts[3].parse().ok()?);
    if day > 31 {
        std::mem::swap(&mut day, &mut year);
    }
    Some((day, month, if year < 100 { year + 2000 } else { year }))
}

/// Upper case, letters and digits only.
fn squeezed(text: &str) -> String {
    text.to_uppercase().chars().filter(|c| c.is_alphanumeric()).collect()
}

#[test]
fn fields_of_receipts_are_right_through_the_whole_agent() {
    let Some(folder) = evaluation("receipts") else {
        println!("skipped: LAVR_EVAL_DATA does not name a folder with receipts (SROIE)");
        return;
    };
    let _turn = real::turn();
    let mut scores: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut cases = real::json_lines(&folder.join("questions.jsonl"));
    // A question's prompt for a plan is the same for each receipt: one after another, it is read once.
    cases.sort_by_key(|case| case["question"].to_string());
    for case in cases {
        let image: PathBuf = folder.join(case["image"].as_str().unwrap());
        let [field, question, truth] = ["field", "question", "answer"].map(|key| case[key].as_str().unwrap());
        let report = real::ask(&[image], question);
        let said = report.answer.short.as_deref().unwrap_or(&report.answer.text);
        let score = match field {
            "total" => f64::from(u8::from(amount(said).is_some() && amount(said) == amount(truth))),
            "date" => f64::from(u8::from(date(said).is_some() && date(said) == date(truth))),
            "address" => likeness(said, truth),
            _ => f64::from(u8::from(squeezed(said) == squeezed(truth))),
        };
        scores.entry(field.to_owned()).or_default().push(score);
        if score < 0.9 {
            println!("WRONG {} {field}: {truth}\n      {said}\n      {}", case["image"], report.to_json());
        }
    }
    let mean = |field: &str| scores.get(field).map_or(0.0, |all| all.iter().sum::<f64>() / all.len() as f64);
    for (field, least) in [("total", 0.92), ("date", 0.92), ("company", 0.88), ("address", 0.9)] {
        println!("{field}: {:.3}", mean(field));
        assert!(mean(field) >= least, "{field}: {:.3}", mean(field));
    }
}

#[test]
fn the_same_question_gets_the_same_answer_twice() {
    let _turn = real::turn();
    let ask = || {
        let image = Image::open(real::picture("gallery.jpg"), &ImageLimits::default()).unwrap();
        real::block_on(real::live().ask(&Task::new("How many people are there?", vec![image]))).unwrap()
    };
    let [first, second] = [(); 2].map(|()| ask());
    assert_eq!(first.answer, second.answer);
    assert_eq!(first.trace.plan, second.trace.plan);
    assert!(second.usage.cached_tokens > 0, "the constant prefix is kept");
}
