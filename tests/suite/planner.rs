//! The controller with the embedded LLM: does it pick the right tools?

use std::path::Path;

use lavr::agent::Watch;
use lavr::image::{Frame, Image};
use lavr::task::Task;
use serde_json::Value as Json;

use crate::experts::repository;
use crate::real;

/// The plan's tools, sorted; or why there is no plan.
fn tools(question: &str, images: usize) -> Result<(Vec<String>, Json), String> {
    let image = Image::from_pixels(image::RgbImage::new(64, 64), Frame::ROOT);
    let task = Task::new(question, vec![image; images]);
    let trace = real::block_on(real::agent().plan(&task, Watch::default())).map_err(|e| e.to_string())?;
    let plan = trace.plan.unwrap();
    let mut tools: Vec<String> = plan.steps.iter().map(|s| s.tool.clone()).collect();
    tools.sort();
    Ok((tools, plan.to_json()))
}

/// How many plans use one of the acceptable multisets of tools, of how many.
fn score(file: &Path) -> (usize, usize) {
    let _turn = real::turn();
    let cases = real::json_lines(file);
    let mut right = 0;
    for case in &cases {
        let question = case["question"].as_str().unwrap();
        let planned = tools(question, case["images"].as_u64().unwrap() as usize);
        let accepted = case["tools"].as_array().unwrap().iter().any(|names| {
            let mut wanted: Vec<String> = serde_json::from_value(names.clone()).unwrap();
            wanted.sort();
            planned.as_ref().is_ok_and(|(tools, _)| *tools == wanted)
        });
        right += usize::from(accepted);
        if !accepted {
            let shown = planned.map_or_else(|e| e, |(_, plan)| plan.to_string());
            println!("WRONG {question}\n      {shown}");
        }
    }
    println!("{}: {right} of {}", file.display(), cases.len());
    (right, cases.len())
}

#[test]
fn at_least_17_of_20_fresh_questions_get_the_right_tools() {
    for set in ["fresh", "kept"] {
        let (right, of) = score(&repository(&format!("tests/questions/{set}.jsonl")));
        assert_eq!(of, 20);
        assert!(right >= 17, "{set}: only {right} of {of}");
    }
}

#[test]
fn at_least_34_of_40_questions_that_need_all_operations_get_the_right_tools() {
    let (right, of) = score(&repository("tests/questions/auto.jsonl"));
    assert_eq!(of, 40);
    assert!(right >= 34, "only {right} of {of}");
}

#[test]
fn most_questions_that_prompts_were_tuned_on_get_the_right_tools() {
    let (right, of) = score(&repository("tests/questions/dev.jsonl"));
    assert!(right * 10 >= of * 8, "only {right} of {of}");
}

#[test]
fn every_demo_is_a_plan_that_passes_the_check() {
    let catalog = real::agent().catalog();
    let prompts = lavr::prompt::Prompts::builtin().unwrap();
    for demo in prompts.plan_demos().iter().chain(prompts.plan_library()) {
        demo.check(catalog).unwrap();
    }
}

#[test]
fn no_demo_repeats_a_question_of_the_tests() {
    let prompts = lavr::prompt::Prompts::builtin().unwrap();
    let demos: Vec<String> =
        prompts.plan_demos().iter().chain(prompts.plan_library()).map(|d| d.question.to_lowercase()).collect();
    for set in ["fresh", "kept", "dev"] {
        for case in real::json_lines(&repository(&format!("tests/questions/{set}.jsonl"))) {
            let question = case["question"].as_str().unwrap().to_lowercase();
            assert!(!demos.contains(&question), "{question}");
        }
    }
}

#[test]
fn the_constant_prefix_does_not_depend_on_the_question() {
    let catalog = real::agent().catalog();
    let prompts = lavr::prompt::Prompts::builtin().unwrap();
    let library = prompts.plan_lookup(catalog).unwrap();
    assert_eq!(prompts.plan_prefix(catalog).unwrap(), prompts.plan_prefix(catalog).unwrap());
    let similar = |question| real::block_on(library.similar(&crate::experts::cx(), question, 1, catalog)).unwrap();
    let shown = similar("How many giraffes are there?");
    assert!(!shown.is_empty() && shown.len() <= 4, "one or two demos are shown");
    let size: usize = shown.iter().map(|m| m.content.len()).sum();
    assert!(size <= 570 || shown.len() == 2, "{size} bytes");
    assert!(similar("qwxz").is_empty(), "nothing resembles this");
}
