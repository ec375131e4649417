//! Questions of several hops, with the embedded LLM and the real experts.

use std::path::{Path, PathBuf};
use std::time::Instant;

use lavr::agent::Report;
use lavr::answer::Status;
use lavr::image::{Image, ImageLimits};
use lavr::task::{Mode, Task};
use regex::Regex;
use serde_json::Value as Json;

use crate::experts::{evaluation, repository};
use crate::real;

/// A question with its pictures and the answers that are right.
struct Case {
    question: String,
    images: Vec<PathBuf>,
    answers: Vec<Regex>,
}

fn cases(file: &str, folder: &Path) -> Vec<Case> {
    let case = |case: &Json| Case {
        question: case["question"].as_str().unwrap().to_owned(),
        images: case["images"].as_array().unwrap().iter().map(|i| folder.join(i.as_str().unwrap())).collect(),
        answers: case["answers"].as_array().unwrap().iter().map(|a| Regex::new(a.as_str().unwrap()).unwrap()).collect(),
    };
    real::json_lines(&repository(file)).iter().map(case).collect()
}

fn ask(case: &Case, mode: Mode) -> Report {
    let images = case.images.iter().map(|path| Image::open(path, &ImageLimits::default()).unwrap()).collect();
    real::block_on(real::agent().ask(&Task::new(case.question.as_str(), images).with_mode(mode))).unwrap()
}

fn is_right(case: &Case, report: &Report) -> bool {
    report.answer.status == Status::Answered && case.answers.iter().any(|a| a.is_match(&report.answer.text))
}

/// How many are right, printing the others.
fn score(cases: &[Case], mode: Mode) -> usize {
    let began = Instant::now();
    let (mut right, mut wrongly, mut rounds) = (0, 0, 0);
    for (n, case) in cases.iter().enumerate() {
        let report = ask(case, mode);
        rounds += report.usage.rounds;
        if is_right(case, &report) {
            right += 1;
            continue;
        }
        wrongly += usize::from(report.answer.status == Status::Answered);
        println!("WRONG {} {}\n      {}", n + 1, case.question, report.answer.text);
        println!("      {}", report.trace.plan.as_ref().map(lavr::plan::Plan::to_json).unwrap_or_default());
        if let Some(error) = &report.error {
            println!("      error: {}", error.message);
        }
        for round in &report.trace.rounds {
            println!("      {}", serde_json::to_string(round).unwrap());
        }
    }
    let seconds = began.elapsed().as_secs_f64() / cases.len() as f64;
    println!(
        "{mode}: {right} of {} right, {wrongly} answered wrongly, {:.1} rounds and {seconds:.1} s a question",
        cases.len(),
        rounds as f64 / cases.len() as f64
    );
    right
}

/// Mode and file for measuring by hand.
fn wanted(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

#[test]
#[ignore = "a measurement of some minutes: LAVR_MODE and LAVR_QUESTIONS name what is measured"]
fn measure() {
    let _turn = real::turn();
    let file = wanted("LAVR_QUESTIONS", "tests/questions/hops.jsonl");
    let folder = if file.contains("hops") { evaluation("").unwrap() } else { repository("") };
    score(&cases(&file, &folder), wanted("LAVR_MODE", "auto").parse().unwrap());
}
