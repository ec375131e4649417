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
fn most_questions_that_prompts_were_tuned_on_get_the_right_tools() {
    let (right, of) = score(&repository("tests/questions/dev.jsonl"));
    assert!(right * 10 >= of * 8, "only {right} of {of}");
}
