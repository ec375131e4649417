//! The built binary: what it prints, and its exit codes.

mod models;

use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::experts::{evaluation, json as read_json, repository};
use crate::real;

fn lavr() -> Command {
    let mut command = Command::cargo_bin("lavr").unwrap();
    command.timeout(std::time::Duration::from_secs(600));
    command
}

fn run(args: &[&str]) -> Output {
    lavr().args(args).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json_of(output: &Output) -> Json {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {} {}", stdout(output), stderr(output)))
}

fn picture(name: &str) -> String {
    real::picture(name).to_string_lossy().into_owned()
}

#[test]
fn ask_answers_with_one_json_object_a_trace_and_a_picture() {
    let _turn = real::turn();
    let folder = tempfile::tempdir().unwrap();
    let (trace, drawn) = (folder.path().join("run.jsonl"), folder.path().join("seen.png"));
    let output = lavr()
        .args(["ask", &picture("gallery.jpg"), "What does the sign say, and how many people are there?", "--json"])
        .args(["--trace", trace.to_str().unwrap(), "--annotate", drawn.to_str().unwrap()])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report = json_of(&output);
    assert_eq!(report["status"], "answered");
    assert!(report["answer"].as_str().unwrap().contains("OPEN DAILY 9-17"), "{report}");
    for key in ["claims", "plan", "steps", "usage", "timings"] {
        assert!(report.get(key).is_some(), "{key} is missing");
    }
    let ids: Vec<&Json> = report["steps"].as_array().unwrap().iter().map(|s| &s["id"]).collect();
    for claim in report["claims"].as_array().unwrap() {
        for step in claim["steps"].as_array().unwrap() {
            assert!(ids.contains(&step), "a claim names {step}, which is not a step");
        }
    }
    check_trace(&trace);
    assert_eq!(image::image_dimensions(&drawn).unwrap(), image::image_dimensions(picture("gallery.jpg")).unwrap());
}

/// Every line is an event, times do not run backwards, and each blob has the digest it is named by.
fn check_trace(trace: &Path) {
    let events = real::json_lines(trace);
    let names: Vec<&str> = events.iter().map(|e| e["event"].as_str().unwrap()).collect();
    assert_eq!(names.first(), Some(&"started"));
    assert_eq!(names.last(), Some(&"answered"));
    for expected in ["llm_call", "planned", "step_started", "step_ended"] {
        assert!(names.contains(&expected), "{expected} is missing from {names:?}");
    }
    assert!(events.windows(2).all(|pair| pair[0]["t_ms"].as_u64() <= pair[1]["t_ms"].as_u64()));
    let blobs = std::fs::read_dir(format!("{}.blobs", trace.display())).unwrap();
    let mut count = 0;
    for blob in blobs {
        let path = blob.unwrap().path();
        let digest = hex::encode(Sha256::digest(std::fs::read(&path).unwrap()));
        assert_eq!(path.file_name().unwrap().to_str().unwrap(), format!("sha256-{digest}"));
        count += 1;
    }
    assert!(count > 0, "the image is kept beside the trace");
}

#[test]
fn a_question_that_the_image_does_not_answer_exits_with_3() {
    let _turn = real::turn();
    let output = run(&["ask", &picture("nothing.png"), "What does the sign say?"]);
    assert_eq!(output.status.code(), Some(3), "{} {}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("does not answer"), "{}", stdout(&output));
}

#[test]
fn a_limit_that_is_reached_exits_with_4_and_prints_what_is_known() {
    let _turn = real::turn();
    let output = run(&["ask", &picture("gallery.jpg"), "How many people are there?", "--timeout", "0.2", "--json"]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let report = json_of(&output);
    assert_eq!((&report["status"], &report["error"]["kind"]), (&json!("budget"), &json!("budget")));
}

#[test]
fn bad_input_names_the_offender_and_exits_with_1_or_2() {
    let missing = run(&["ask", "no-such.png", "What is this?"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("no-such.png"), "{}", stderr(&missing));
    let as_json = json_of(&run(&["ask", "no-such.png", "What is this?", "--json"]));
    assert_eq!((&as_json["status"], &as_json["error"]["kind"]), (&json!("failed"), &json!("not_found")));
    for args in [&["ask"][..], &["ask", "one.png"], &["frobnicate"], &["ask", "a.png", "b", "--timeout", "never"]] {
        assert_eq!(run(args).status.code(), Some(2), "{args:?}");
    }
    assert_eq!(run(&["ask", &picture("cat.jpg"), "  "]).status.code(), Some(2));
    let llm = run(&["ask", &picture("cat.jpg"), "What is this?", "--llm", "gpt-99"]);
    assert_eq!(llm.status.code(), Some(2));
    assert!(stderr(&llm).contains("gpt-99"), "{}", stderr(&llm));
}

#[test]
fn plan_prints_a_checked_plan() {
    let _turn = real::turn();
    let output = run(&["plan", "How many dogs are there?", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let planned = json_of(&output);
    assert_eq!((&planned["faults"], &planned["repairs"]), (&json!([]), &json!(0)));
    assert!(planned["plan"]["steps"].as_array().is_some_and(|steps| !steps.is_empty()));
    assert!(planned["plan"]["result"].as_str().is_some_and(|result| result.starts_with('$')));
    let program = run(&["plan", "How many dogs are there?", "--program"]);
    assert_eq!(program.status.code(), Some(0), "{}", stderr(&program));
    let plan = lavr::plan::Plan::from_program(&String::from_utf8_lossy(&program.stdout)).unwrap();
    assert_eq!(plan.to_json(), planned["plan"]);
    assert_eq!(run(&["plan", "How many dogs?", "--program", "--json"]).status.code(), Some(2));
}

#[test]
fn tools_are_listed_shown_and_run() {
    let listed = json_of(&run(&["tools", "list", "--json"]));
    let names: Vec<&str> = listed["tools"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
    for name in
        ["read_text", "detect_objects", "crop", "count", "filter", "compare", "calculate", "find_text", "annotate"]
    {
        assert!(names.contains(&name), "{name} is missing");
        assert_eq!(json_of(&run(&["tools", "show", name, "--json"]))["name"], name);
    }
    let read = json_of(&run(&["tools", "run", "read_text", "--image", &picture("gallery.jpg"), "--json"]));
    assert_eq!(read["result"][0]["text"], "OPEN DAILY 9-17");
    assert_eq!(read["result"][0]["polygon"].as_array().unwrap().len(), 4);
    assert!(read["ms"].is_u64());
    let args = r#"{"labels": ["people"]}"#;
    let seen = json_of(&run(&[
        "tools",
        "run",
        "detect_objects",
        "--image",
        &picture("gallery.jpg"),
        "--args",
        args,
        "--json",
    ]));
    assert_eq!(seen["result"].as_array().unwrap().len(), 3);
    assert!(seen["result"].as_array().unwrap().iter().all(|r| r["label"] == "person"));
    let sum = r#"{"expression": "a+b", "values": {"a": 0.1, "b": 0.2}}"#;
    let sum = json_of(&run(&["tools", "run", "calculate", "--args", sum, "--json"]));
    assert_eq!(sum["result"], json!(0.3));
}

#[test]
fn a_tool_that_is_called_wrongly_says_how_to_call_it() {
    let unknown = run(&["tools", "run", "read_txt", "--image", &picture("cat.jpg")]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("did you mean `read_text`"), "{}", stderr(&unknown));
    let args = r#"{"labels": ["unicorn"]}"#;
    let label = run(&["tools", "run", "detect_objects", "--image", &picture("cat.jpg"), "--args", args]);
    assert_eq!(label.status.code(), Some(2));
    assert!(stderr(&label).contains("unicorn"), "{}", stderr(&label));
    let image = run(&["tools", "run", "read_text"]);
    assert!(stderr(&image).contains("--image"), "{}", stderr(&image));
}

#[test]
fn files_that_cannot_be_written_are_refused_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let photo = folder.path().join("photo.jpg");
    std::fs::copy(picture("cat.jpg"), &photo).unwrap();
    let (photo, before) = (photo.to_str().unwrap().to_owned(), std::fs::read(&photo).unwrap());
    let nowhere = folder.path().join("no/seen.png");
    for wrong in [
        ["--trace", &photo],
        ["--annotate", &photo],
        ["--annotate", "seen.xyz"],
        ["--annotate", nowhere.to_str().unwrap()],
        ["--trace", nowhere.to_str().unwrap()],
    ] {
        let output = lavr().args(["ask", &photo, "Is there a cat?", "--json"]).args(wrong).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {}", stderr(&output));
        assert_eq!(json_of(&output)["error"]["kind"], "invalid_input");
    }
    assert_eq!(std::fs::read(&photo).unwrap(), before);
}

#[test]
fn the_step_limit_ends_a_run_with_what_is_known() {
    let _turn = real::turn();
    let question = "What does the sign say, and how many people are there?";
    let output = run(&["ask", &picture("gallery.jpg"), question, "--max-steps", "1", "--json"]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let report = json_of(&output);
    assert_eq!((&report["status"], &report["error"]["kind"]), (&json!("budget"), &json!("budget")));
    assert_eq!(report["steps"].as_array().unwrap().len(), 1);
    assert!(!report["claims"].as_array().unwrap().is_empty(), "what is known is said: {report}");
}

#[test]
fn a_tools_marks_are_drawn_and_its_call_is_traced() {
    let folder = tempfile::tempdir().unwrap();
    let (trace, drawn) = (folder.path().join("run.jsonl"), folder.path().join("seen.png"));
    let output = lavr()
        .args(["tools", "run", "read_text", "--image", &picture("gallery.jpg")])
        .args(["--trace", trace.to_str().unwrap(), "--annotate", drawn.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(drawn.is_file());
    let events: Vec<Json> = real::json_lines(&trace);
    assert!(events.iter().any(|e| e["event"] == "step_ended"));
    let quiet = json_of(&run(&["tools", "run", "read_text", "--image", "no-such.png", "--json"]));
    assert_eq!(quiet["error"]["kind"], "not_found");
}

#[test]
fn offline_says_what_is_missing_and_how_to_get_it() {
    let home = tempfile::tempdir().unwrap();
    let output = lavr()
        .env("LAVR_HOME", home.path())
        .env("LAVR_OFFLINE", "1")
        .args(["tools", "run", "read_text", "--image", &picture("gallery.jpg")])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("lavr models pull") && said.contains("onnxruntime"), "{said}");
}

#[test]
fn models_are_listed_with_their_state() {
    let listed = run(&["models", "list", "--json"]);
    assert_eq!(listed.status.code(), Some(0), "{}", stderr(&listed));
    let text = stdout(&listed);
    for name in ["onnxruntime", "qwen2.5-coder-1.5b", "smollm2-135m", "pp-ocrv6-det-small"] {
        assert!(text.contains(name), "{name} is missing from {text}");
    }
    let wrong = run(&["models", "pull", "pp-ocrv6-det-smal"]);
    assert_ne!(wrong.status.code(), Some(0));
    assert!(stderr(&wrong).contains("pp-ocrv6-det-small"), "{}", stderr(&wrong));
}

#[test]
fn the_binary_works_from_any_directory_and_helps() {
    let elsewhere = tempfile::tempdir().unwrap();
    let output = lavr().current_dir(elsewhere.path()).args(["tools", "list"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for command in
        [&["--help"][..], &["ask", "--help"], &["plan", "--help"], &["tools", "run", "--help"], &["models", "--help"]]
    {
        let help = run(command);
        assert_eq!(help.status.code(), Some(0));
        assert!(stdout(&help).contains("Usage"), "{command:?}");
    }
}

#[test]
fn boxes_are_those_of_the_reference_on_a_photo() {
    let Some(folder) = evaluation("photos/images") else {
        println!("skipped: LAVR_EVAL_DATA does not name a folder with photos (COCO val2017)");
        return;
    };
    let photo = folder.join("000000000785.jpg");
    let seen = json_of(&run(&["tools", "run", "detect_objects", "--image", photo.to_str().unwrap(), "--json"]));
    let reference = read_json(&repository("tests/reference/detect/000000000785.json"));
    assert_eq!(seen["result"].as_array().unwrap().len(), reference["at_035"].as_array().unwrap().len());
}
