//! The built binary.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::experts::{evaluation, json, repository};
use crate::openai::server::{Answer, Server};
use crate::real;

fn lavr(args: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("lavr"));
    command.env_remove("LAVR_LLM").args(args);
    command
}

fn output(args: &[&str]) -> Output {
    lavr(args).output().unwrap()
}

async fn asked(args: Vec<String>) -> Output {
    tokio::task::spawn_blocking(move || output(&args.iter().map(String::as_str).collect::<Vec<_>>())).await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Five times the question how many people the gallery shows.
fn cases(folder: &Path) -> String {
    let image = real::picture("gallery.jpg");
    let case = |n: usize| json!({ "image": image, "question": "How many people are there?", "answer": 3, "id": n });
    let path = folder.join("cases.jsonl");
    std::fs::write(&path, (0..5).map(|n| format!("{}\n", case(n))).collect::<String>()).unwrap();
    path.to_string_lossy().into_owned()
}

/// A plan that counts people.
fn counted() -> Json {
    json!({
        "steps": [
            { "id": "people", "tool": "detect_objects", "args": { "image": "$image", "labels": ["person"] } },
            { "id": "n", "tool": "count", "args": { "items": "$people" } }
        ],
        "result": "$n"
    })
}

/// A server that plans to count people and says how many, again and again.
async fn server() -> Server {
    let plan = counted();
    let answer = json!({ "answerable": true, "answer": ["There are 3 people."] });
    let both = [Answer::whole(&plan.to_string()), Answer::whole(&answer.to_string())];
    Server::start((0..20).flat_map(|_| both.clone())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_are_scored_and_a_file_that_was_cut_off_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (cases, server) = (cases(folder.path()), server().await);
    let out = folder.path().join("out.jsonl").to_string_lossy().into_owned();
    let llm = format!("{}#m", server.base());
    let args = |more: &[&str]| -> Vec<String> {
        let all = ["eval", &cases, "--metric", "number", "--llm", &llm, "--out", &out];
        all.iter().chain(more).map(|arg| (*arg).to_owned()).collect()
    };
    let first = asked(args(&["--limit", "3"])).await;
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    assert!(text(&first.stdout).contains("3 cases by `number`"), "{}", text(&first.stdout));
    let written = std::fs::read_to_string(&out).unwrap();
    assert_eq!(written.lines().count(), 3);
    // As kill -9 leaves it.
    std::fs::write(&out, &written[..written.len() - 40]).unwrap();
    let again = asked(args(&[])).await;
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("--resume"), "{}", text(&again.stderr));
    let rest = asked(args(&["--resume", "--json"])).await;
    let sum: Json = serde_json::from_slice(&rest.stdout).unwrap();
    assert_eq!((sum["cases"].as_u64(), sum["scores"][0]["estimate"].as_f64()), (Some(5), Some(1.0)));
    assert_eq!(server.asked().len(), 12, "two calls a case, and the one that was cut off again");
    let lines: Vec<Json> = real::json_lines(Path::new(&out));
    let mut numbers: Vec<u64> = lines.iter().map(|line| line["line"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    let other = asked(args(&["--resume", "--mode", "controller"])).await;
    assert_eq!(other.status.code(), Some(2));
    assert!(text(&other.stderr).contains("were made otherwise"), "{}", text(&other.stderr));
    let same = asked(vec!["eval".into(), "--compare".into(), out.clone(), out]).await;
    assert!(
        text(&same.stdout).starts_with("5 cases in both: 100.0 -> 100.0, difference +0.0"),
        "{}",
        text(&same.stdout)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_style_stands_in_the_records_and_another_one_does_not_go_on_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let (cases, server) = (cases(folder.path()), server().await);
    let out = folder.path().join("out.jsonl").to_string_lossy().into_owned();
    let llm = format!("{}#m", server.base());
    let args = |more: &[&str]| -> Vec<String> {
        let all = ["eval", &cases, "--metric", "number", "--llm", &llm, "--out", &out, "--limit", "1"];
        all.iter().chain(more).map(|arg| (*arg).to_owned()).collect()
    };
    let first = asked(args(&["--style", "format=list"])).await;
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    let line = real::json_lines(Path::new(&out)).remove(0);
    assert_eq!((&line["options"]["style"], &line["text"]), (&json!("format=list"), &json!("• There are 3 people.")));
    let other = asked(args(&["--resume"])).await;
    assert!(text(&other.stderr).contains("format=list"), "{}", text(&other.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_llm_out_of_reach_ends_the_run_and_what_is_done_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases(folder.path());
    let out = folder.path().join("out.jsonl").to_string_lossy().into_owned();
    let args = ["eval", &cases, "--metric", "number", "--llm", "http://127.0.0.1:1/v1#m", "--out", &out];
    let output = asked(args.iter().map(|arg| (*arg).to_owned()).collect()).await;
    assert_eq!(output.status.code(), Some(1));
    let line = text(&output.stderr);
    assert!(line.contains("unreachable") && line.contains("0 of 5 cases are done; go on with --resume"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_once_it_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (cases, server) = (cases(folder.path()), server().await);
    let out = folder.path().join("out.jsonl");
    let llm = format!("{}#m", server.base());
    let shown = out.to_string_lossy().into_owned();
    let mut child = lavr(&["eval", &cases, "--metric", "number", "--llm", &llm, "--out", &shown])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let lines = || std::fs::read_to_string(&out).unwrap_or_default().lines().count();
    while lines() < 2 && began.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let args = ["eval", &cases, "--metric", "number", "--llm", &llm, "--out", &shown, "--resume"];
    let rest = asked(args.iter().map(|arg| (*arg).to_owned()).collect()).await;
    assert_eq!(rest.status.code(), Some(0), "{}", text(&rest.stderr));
    let mut numbers: Vec<u64> = real::json_lines(&out).iter().map(|line| line["line"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
}

#[test]
fn the_command_line_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases(folder.path());
    let runs: [(&[&str], &str); 7] = [
        (&["eval"], "required"),
        (&["eval", &cases], "--metric"),
        (&["eval", &cases, "--metric", "cider"], "possible values: vqa, exact"),
        (&["eval", &cases, "--metric", "vqa", "--resume"], "--out"),
        (&["eval", &cases, "--metric", "choice"], "line 1: `--metric choice` needs `choices`"),
        (&["eval", &cases, "--metric", "plan", "--oracle", "plan"], "nothing that --oracle could know"),
        (&["eval", "--compare", &cases, &cases, "--resume"], "cannot be used with"),
    ];
    for (args, part) in runs {
        let output = output(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(part), "{args:?}: {}", text(&output.stderr));
    }
    let same = output(&["eval", &cases, "--metric", "number", "--out", &cases]);
    assert!(text(&same.stderr).contains("is the file of cases"), "{}", text(&same.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_that_cannot_run_leaves_the_others_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let (cases, server) = (cases(folder.path()), server().await);
    let text_of = |path: &str| std::fs::read_to_string(path).unwrap();
    let broken = text_of(&cases).replacen("gallery.jpg", "none.jpg", 1);
    std::fs::write(&cases, &broken).unwrap();
    let out = folder.path().join("out.jsonl").to_string_lossy().into_owned();
    let llm = format!("{}#m", server.base());
    let args = |more: &[&str]| -> Vec<String> {
        let all = ["eval", &cases, "--metric", "number", "--llm", &llm, "--out", &out, "--json"];
        all.iter().chain(more).map(|arg| (*arg).to_owned()).collect()
    };
    let first = asked(args(&[])).await;
    assert_eq!(first.status.code(), Some(1), "{}", text(&first.stderr));
    assert!(text(&first.stderr).contains("1 of 5 cases could not run"), "{}", text(&first.stderr));
    let sum: Json = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!((sum["cases"].as_u64(), sum["not_run"].as_array().map(Vec::len)), (Some(4), Some(1)), "{sum}");
    assert!(sum["not_run"][0].as_str().unwrap().contains("line 1"), "{sum}");
    // Mended, it goes on; and not with other cases, nor with other settings.
    std::fs::write(&cases, broken.replacen("none.jpg", "gallery.jpg", 1)).unwrap();
    let rest = asked(args(&["--resume"])).await;
    assert_eq!(rest.status.code(), Some(0), "{}", text(&rest.stderr));
    let mended = text_of(&cases);
    for (from, to) in [("\"answer\":3", "\"answer\":4"), ("gallery.jpg", "cat.jpg")] {
        std::fs::write(&cases, mended.replacen(from, to, 1)).unwrap();
        let refused = asked(args(&["--resume"])).await;
        assert_eq!(refused.status.code(), Some(2), "{to}");
        assert!(text(&refused.stdout).contains("are of other cases: line 1"), "{}", text(&refused.stdout));
    }
    std::fs::write(&cases, &mended).unwrap();
    let slower = asked(args(&["--resume", "--timeout", "200"])).await;
    assert!(text(&slower.stdout).contains("were made otherwise"), "{}", text(&slower.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn captions_are_scored_over_all_references() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cases.jsonl");
    let case = |references: &[&str]| json!({ "image": real::picture("gallery.jpg"), "question": "Describe it.", "references": references });
    let lines = [case(&["there are 3 people", "three people stand"]), case(&["a train in the snow at night"])];
    std::fs::write(&path, lines.map(|case| format!("{case}\n")).concat()).unwrap();
    let server = server().await;
    let llm = format!("{}#m", server.base());
    let args = ["eval", path.to_str().unwrap(), "--metric", "caption", "--llm", &llm, "--json"];
    let output = asked(args.iter().map(|arg| (*arg).to_owned()).collect()).await;
    let sum: Json = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output.stderr)));
    let names: Vec<&str> = sum["scores"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"CIDEr-D") && names.contains(&"BLEU-4"), "{sum}");
    let cider = sum["scores"].as_array().unwrap().iter().find(|s| s["name"] == "CIDEr-D").unwrap();
    let estimate = cider["estimate"].as_f64().unwrap();
    // The first caption is its reference word for word, the second shares no word with its own.
    assert!(estimate > 1.0 && estimate < 10.0, "{sum}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_plans_cost_is_summed_up() {
    let folder = tempfile::tempdir().unwrap();
    let (cases, prices) = (folder.path().join("cases.jsonl"), folder.path().join("prices.toml"));
    std::fs::write(&prices, "[models.m]\ninput = 100\ncached = 10\noutput = 1000\n").unwrap();
    let truth = json!({ "task_nodes": [
        { "task": "detect_objects", "arguments": ["image"] }, { "task": "count", "arguments": ["detect_objects"] }
    ], "task_links": [{ "source": "detect_objects", "target": "count" }] });
    let case = json!({ "image": real::picture("gallery.jpg"), "question": "How many people?", "answer": truth });
    std::fs::write(&cases, format!("{case}\n{case}\n")).unwrap();
    let server = Server::start([counted(), counted()].map(|plan| Answer::whole(&plan.to_string()))).await;
    let llm = format!("{}#m", server.base());
    let (cases, prices) = (cases.to_str().unwrap(), prices.to_str().unwrap());
    let args = ["eval", cases, "--metric", "plan", "--llm", &llm, "--prices", prices, "--json"];
    let output = asked(args.iter().map(|arg| (*arg).to_owned()).collect()).await;
    let sum: Json = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output.stderr)));
    let each = (10.0 * 100.0 + 3.0 * 1000.0) / 1e6;
    assert!(sum["cost_usd"].as_f64().is_some_and(|usd| (usd - 2.0 * each).abs() < 1e-9), "{sum}");
    assert_eq!(sum["scores"][0]["estimate"], 1.0, "{sum}");
}

/// The reader alone, on a picture that says one line.
#[test]
fn the_reader_is_scored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cases.jsonl");
    let case = |lines: &[&str]| json!({ "image": real::picture("gallery.jpg"), "question": "?", "lines": lines });
    let lines = [case(&["OPEN DAILY 9-17"]), case(&["OPEN DAILY 9-19"])].map(|case| format!("{case}\n")).concat();
    std::fs::write(&path, lines).unwrap();
    let output = output(&["eval", path.to_str().unwrap(), "--metric", "ocr", "--json"]);
    let sum: Json = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output.stderr)));
    let score = |n: usize| sum["scores"][n]["estimate"].as_f64().unwrap();
    assert_eq!((score(0), score(1)), (1.0 / 30.0, 0.5), "one of 30 characters, one of two lines: {sum}");
}

/// The detector on its own, over COCO's photos.
#[test]
fn the_detector_is_scored_as_the_reference_is() {
    let Some(photos) = evaluation("photos") else { return eprintln!("skipped: LAVR_EVAL_DATA is not set") };
    let cases = photos.join("questions.jsonl").to_string_lossy().into_owned();
    let output = output(&["eval", &cases, "--metric", "detection", "--json"]);
    let sum: Json = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output.stderr)));
    let score = |name: &str| -> f64 {
        let scores = sum["scores"].as_array().unwrap();
        scores.iter().find(|s| s["name"] == name).unwrap()["estimate"].as_f64().unwrap()
    };
    let reference = json(&repository("tests/reference/detect/summary.json"));
    let reference = reference["at_035"]["f1"].as_f64().unwrap();
    assert!((score("f1@0.5") - reference).abs() < 0.005, "{} and {reference}", score("f1@0.5"));
    assert!(score("mAP@[.5:.95]") > 0.15 && score("mAP@[.5:.95]") < score("AP@0.5"));
}

#[test]
fn everyday_questions_get_an_answer_in_any_case() {
    let Some(questions) = evaluation("vqa") else { return println!("skipped: LAVR_EVAL_DATA has no photos of VQAv2") };
    let _turn = real::turn();
    let (folder, cases) = (tempfile::tempdir().unwrap(), questions.join("questions.jsonl"));
    let out = folder.path().join("out.jsonl");
    let (cases, out) = (cases.to_str().unwrap(), out.to_str().unwrap());
    let asked = ["eval", cases, "--metric", "vqa", "--limit", "20", "--out", out];
    let kept = ["--llm-cache", real::replies().to_str().unwrap(), "--json"];
    let done = output(&[asked.as_slice(), &kept].concat());
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let summary: Json = serde_json::from_slice(&done.stdout).unwrap();
    let accuracy = summary["scores"][0]["estimate"].as_f64().unwrap();
    assert!(accuracy >= 0.4, "{summary}");
    let records = std::fs::read_to_string(out).unwrap();
    let records: Vec<Json> = records.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(records.iter().all(|record| record["answer"] != ""), "{records:?}");
    for record in records.iter().filter(|record| record["status"] == "guessed") {
        assert!(record["text"].as_str().unwrap().contains("Best guess: "), "{record}");
    }
    // What was made with guesses is not gone on with without them.
    let refused = output(&[asked.as_slice(), &["--resume", "--no-guess"]].concat());
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused.stderr));
}
