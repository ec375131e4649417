//! The built binary with a catalogue: `lavr plan --tools`, `lavr tools list --tools`.

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use lavr::tool::Catalog;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::{MEDIA, catalog, faults, plan, public};
use crate::openai::server::{Answer, Server};
use crate::real;

fn lavr(args: &[&str]) -> Command {
    let mut command = Command::cargo_bin("lavr").unwrap();
    for name in ["OPENAI_API_KEY", "OPENAI_BASE_URL", "LAVR_LLM_KEY", "LAVR_LLM", "LAVR_PRICES"] {
        command.env_remove(name);
    }
    command.args(args).timeout(std::time::Duration::from_secs(900));
    command
}

/// Runs the binary where its server can answer at the same time.
async fn output(args: &[&str]) -> Output {
    let mut command = lavr(args);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tools.json");
    std::fs::write(&file, text).unwrap();
    (folder, file)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// One line on stderr that says all of this, and the exit code of a wrong command line.
#[track_caller]
fn complains(output: &Output, said: &[&str]) {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert_eq!(text.trim_end().lines().count(), 1, "{text}");
    for part in said {
        assert!(text.contains(part), "`{part}` is missing from: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_planned_with_the_tools_of_a_file() {
    let (_folder, tools) = file(MEDIA);
    let wanted = plan(&[
        ("image_1", "Image Downloader", json!({ "url": "https://example.org/a" })),
        ("image_2", "Image Search (by Image)", json!({ "image": "$image_1" })),
    ]);
    let server = Server::start([Answer::streamed(&[&wanted.to_string()])]).await;
    let llm = format!("{}#m", server.base());
    let request = "Find images like https://example.org/a";
    let args = ["plan", request, "--tools", text(&tools), "--llm", &llm];
    let json = output(&[&args[..], &["--json"]].concat()).await;
    let printed: Json = serde_json::from_slice(&json.stdout).unwrap_or_else(|e| panic!("{e}: {json:?}"));
    assert_eq!(printed, json!({ "plan": wanted, "faults": [], "repairs": 0 }));
    let program = output(&[&args[..], &["--program"]].concat()).await;
    let program = String::from_utf8(program.stdout).unwrap();
    assert!(program.contains("IMAGE_1 = \"Image Downloader\"(url=\"https://example.org/a\")"), "{program}");
    let asked = server.bodies()[0].to_string();
    assert!(asked.contains("Audio Splicer(audio, audio2) -> audio"), "{asked}");
    for ours in ["detect_objects", "Detectable", "$image\\\""] {
        assert!(!asked.contains(ours), "`{ours}` in {asked}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_stays_faulty_is_an_error() {
    let (_folder, tools) = file(MEDIA);
    let wrong = plan(&[("a", "Video to Audio", json!({ "video": "x" }))]);
    let server = Server::start([Answer::streamed(&[&wrong.to_string()])]).await;
    let llm = format!("{}#m", server.base());
    let output = output(&["plan", "Do it", "--tools", text(&tools), "--llm", &llm, "--json"]).await;
    assert_eq!(output.status.code(), Some(1));
    let printed: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["plan"], wrong);
    assert_eq!(printed["faults"][0]["kind"], "unknown_tool");
}

#[test]
fn a_file_that_is_no_catalogue_is_named() {
    let (folder, tools) = file("name = \"read_text\"\n");
    let plan = |tools: &Path| lavr(&["plan", "Do it", "--tools", text(tools)]).output().unwrap();
    complains(&plan(&tools), &["tools.json", "this is not JSON", "a catalogue is JSON: {\"nodes\": "]);
    complains(&plan(folder.path()), &["has no manifest (NAME.toml)"]);
    std::fs::write(&tools, r#"{"nodes": [{"id": "a"}, {"id": "a"}]}"#).unwrap();
    complains(&plan(&tools), &["tools.json", "nodes[1]", "there is already a tool `a`"]);
    complains(&lavr(&["tools", "list", "--tools", text(&tools)]).output().unwrap(), &["tools.json", "nodes[1]"]);
    let missing = folder.path().join("none.json");
    let output = plan(&missing);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("none.json"), "{output:?}");
}

#[test]
fn images_do_not_go_with_declared_tools() {
    let (_folder, tools) = file(MEDIA);
    let picture = real::picture("gallery.jpg");
    let output = lavr(&["plan", "Do it", "--tools", text(&tools), "--image", text(&picture)]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("look at no image"), "{output:?}");
    let output = lavr(&["ask", text(&picture), "What?", "--tools", text(&tools)]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "only a plan can be had of them");
    assert!(String::from_utf8_lossy(&output.stderr).contains("`lavr plan`"), "{output:?}");
}

#[test]
fn the_tools_of_a_file_are_listed_and_described() {
    let (_folder, tools) = file(MEDIA);
    let list = lavr(&["tools", "list", "--tools", text(&tools)]).output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    assert_eq!(list.lines().count(), 7);
    assert!(list.contains("Image Search (by Image) Performs a similar image search."), "{list}");
    let show = lavr(&["tools", "show", "Audio Effects", "--tools", text(&tools)]).output().unwrap();
    let show = String::from_utf8(show.stdout).unwrap();
    assert!(show.starts_with("Audio Effects (declared)\n") && show.contains("  text: text, optional"), "{show}");
    let json = lavr(&["tools", "list", "--tools", text(&tools), "--json"]).output().unwrap();
    let json: Json = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["tools"][0]["signature"]["returns"], json!({ "type": "image" }));
}

#[test]
fn the_embedded_llm_plans_with_declared_tools() {
    let _turn = real::turn();
    let (_folder, own) = file(MEDIA);
    let tools = public("taskbench/tool_desc.json").unwrap_or(own);
    let request = "Extract the sound of the video concert.mp4 and transcribe it into text.";
    let output = lavr(&["plan", request, "--tools", text(&tools)]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let json: Json = serde_json::from_slice(&output.stdout).unwrap();
    let catalog = Catalog::declared_in(&tools).unwrap_or_else(|_| catalog(MEDIA));
    assert_eq!(faults(&catalog, &json), [""; 0], "{json}");
    let step = |n: usize| (json["steps"][n]["tool"].as_str().unwrap(), json["steps"][n]["args"].clone());
    assert_eq!(step(0), ("Video-to-Audio", json!({ "video": "concert.mp4" })));
    assert_eq!(step(1), ("Audio-to-Text", json!({ "audio": "$audio_1" })));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_attempt_cannot_refer_to_what_no_step_makes() {
    let (_folder, tools) = file(MEDIA);
    let wrong = plan(&[
        ("image_1", "Image Downloader", json!({ "url": "https://example.org/a" })),
        ("text_2", "Audio-to-Text", json!({ "audio": "$audio_7" })),
    ]);
    let answers = [(); 3].map(|()| Answer::streamed(&[&wrong.to_string()]));
    let server = Server::start(answers).await;
    let llm = format!("{}#m", server.base());
    output(&["plan", "Find images like https://example.org/a", "--tools", text(&tools), "--llm", &llm]).await;
    let bodies = server.bodies();
    let refers = |n: usize| bodies[n]["response_format"].to_string().contains("$(audio)_[1-9]");
    assert_eq!((bodies.len(), refers(0), refers(1), refers(2)), (3, true, true, false));
}

/// The summary that `lavr eval --json` ends with.
fn scores(cases: &Path, tools: &Path) -> Json {
    let kept = text(real::replies());
    let args = ["eval", text(cases), "--metric", "plan", "--tools", text(tools), "--llm-cache", kept, "--json"];
    let output = lavr(&args).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn requests_of_many_kinds_are_planned_with_foreign_tools() {
    let _turn = real::turn();
    let questions = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/questions");
    let score = |json: &Json, name: &str| {
        let scores = json["scores"].as_array().unwrap();
        scores.iter().find(|score| score["name"] == name).unwrap()["estimate"].as_f64().unwrap()
    };
    let own = scores(&questions.join("tasks.jsonl"), &questions.join("tasks.tools.json"));
    let (nodes, edges) = (score(&own, "node f1"), score(&own, "edge f1"));
    assert!(nodes >= 0.65 && edges >= 0.45, "{nodes} {edges}");
    let Some(cases) = public("plans/questions.jsonl") else {
        return println!("skipped: LAVR_EVAL_DATA has no plans of ControlLLM");
    };
    let visual = scores(&cases, &cases.with_file_name("catalogue.json"));
    let (nodes, edges) = (score(&visual, "node f1"), score(&visual, "edge f1"));
    assert!(nodes >= 0.80 && edges >= 0.50, "{nodes} {edges}");
}
