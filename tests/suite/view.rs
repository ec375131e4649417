//! The page that shows a recorded run.

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lavr::error::ErrorKind;
use lavr::image::{Image, ImageLimits};
use lavr::view::{Recorded, page};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::experts::repository;
use crate::real;

const HOSTILE: &str = "</script><img src=x onerror=alert(1)><!-- {{runs}} {{script}} \u{2028} & é";

/// Writes a trace of these events.
fn trace(folder: &Path, name: &str, events: &[Json]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, events.iter().map(|event| format!("{event}\n")).collect::<String>()).unwrap();
    path
}

fn started(question: &str, images: &[&str]) -> Json {
    let images: Vec<Json> = images.iter().map(|digest| json!({ "blob": digest })).collect();
    json!({ "t_ms": 0, "event": "started", "lavr": "0", "question": question, "images": images, "model": "fake" })
}

/// Puts bytes beside a trace, under the name that they should have, and returns it.
fn blob(trace: &Path, bytes: &[u8]) -> String {
    let digits = hex(bytes);
    let folder = PathBuf::from(format!("{}.blobs", trace.display()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("sha256-{digits}")), bytes).unwrap();
    format!("sha256:{digits}")
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What stands between two marks.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no {from}"));
    rest.split_once(to).unwrap_or_else(|| panic!("no {to} after {from}")).0
}

/// The runs that lie in a page.
fn runs(page: &str) -> Json {
    serde_json::from_str(between(page, "<script type=\"application/json\" id=\"lavr-runs\">", "</script>")).unwrap()
}

fn lavr(args: &[&str]) -> Output {
    Command::cargo_bin("lavr").unwrap().arg("view").args(args).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_page_lets_nothing_run_but_its_own_script() {
    let folder = tempfile::tempdir().unwrap();
    let path = trace(folder.path(), "run.jsonl", &[started("Why?", &[])]);
    let page = page(&[Recorded::open(path).unwrap()]);
    let policy = between(&page, "http-equiv=\"Content-Security-Policy\" content=\"", "\"");
    let digest = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())));
    let (style, script) = (between(&page, "<style>", "</style>"), between(&page, "<script>", "</script>"));
    assert!(script.contains("use strict") && style.contains("color-scheme"), "{style}");
    assert!(policy.contains(&format!("style-src {};", digest(style))), "{policy}");
    assert!(policy.contains(&format!("script-src {};", digest(script))), "{policy}");
    assert!(policy.starts_with("default-src 'none'; img-src data:;"), "{policy}");
    assert!(!page.contains('\r'), "a browser would take the digest of other line ends");
    for address in ["https://", "src=\"http", "href=\"http", "@import"] {
        assert!(!page.contains(address), "{address}");
    }
}

#[test]
fn what_a_trace_says_stays_data() {
    let folder = tempfile::tempdir().unwrap();
    let events = [started(HOSTILE, &[]), json!({ "t_ms": 1, "event": HOSTILE, HOSTILE: [HOSTILE] })];
    let path = trace(folder.path(), "run.jsonl", &events);
    let page = page(&[Recorded::open(path).unwrap()]);
    assert_eq!(page.matches("</script").count(), 2, "the data's and the script's own");
    assert!(!page.contains("<img src=x") && !page.contains("<!--"), "nothing of it is markup");
    assert!(!page.contains('\u{2028}'));
    let run = &runs(&page)[0];
    assert_eq!(run["entries"], json!(events), "and it is all there");
    assert_eq!(run["name"], "run.jsonl");
}

#[test]
fn images_beside_the_trace_are_in_the_page_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.jsonl");
    let picture = std::fs::read(real::picture("door.jpg")).unwrap();
    let (good, text) = (blob(&path, &picture), blob(&path, b"no picture"));
    let absent = format!("sha256:{}", "0".repeat(64));
    let changed = blob(&path, b"to be changed");
    let changed_file = format!("{}.blobs/{}", path.display(), changed.replace(':', "-"));
    std::fs::write(changed_file, &picture).unwrap();
    let outside = folder.path().join("outside.jpg");
    std::fs::write(&outside, &picture).unwrap();
    let made =
        json!({ "t_ms": 1, "event": "step_ended", "id": "a", "tool": "t", "result": [{ "blob": good }], "ms": 1 });
    let named = [good.as_str(), text.as_str(), &absent, &changed, "sha256:../../outside.jpg", "../outside.jpg", ""];
    trace(folder.path(), "run.jsonl", &[started("Which?", &named), made]);
    let recorded = Recorded::open(&path).unwrap();
    assert_eq!(recorded.missing(), named.len() - 1);
    let page = page(&[recorded]);
    let pictures = runs(&page)[0]["pictures"].clone();
    let image = Image::open(real::picture("door.jpg"), &ImageLimits::default()).unwrap();
    let url = format!("data:image/jpeg;base64,{}", STANDARD.encode(&picture));
    assert_eq!(pictures, json!({ good: { "url": url, "width": image.width(), "height": image.height() } }));
}

#[test]
fn traces_that_were_cut_off_or_are_of_a_later_version_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let later = json!({ "t_ms": 5, "event": "dreamt", "of": { "sheep": ["electric"] } });
    let path = trace(folder.path(), "run.jsonl", &[started("Why?", &[]), later.clone()]);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend("{\"t_ms\":6,\"event\":\"né".as_bytes().split_last().unwrap().1);
    std::fs::write(&path, bytes).unwrap();
    let page = page(&[Recorded::open(&path).unwrap()]);
    assert_eq!(runs(&page)[0]["entries"], json!([started("Why?", &[]), later]));
}

#[test]
fn what_is_no_trace_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let none = Recorded::open(folder.path().join("none.jsonl")).unwrap_err();
    assert_eq!(none.kind(), ErrorKind::NotFound);
    let other = trace(folder.path(), "other.jsonl", &[started("Why?", &[]), json!({ "question": "Why?" })]);
    let error = Recorded::open(&other).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("line 2") && error.to_string().contains("other.jsonl"), "{error}");
    let empty = Recorded::open(trace(folder.path(), "empty.jsonl", &[])).unwrap_err();
    assert!(empty.to_string().contains("no run began"), "{empty}");
}

#[test]
fn the_command_writes_a_page_of_one_run_or_of_two() {
    let folder = tempfile::tempdir().unwrap();
    let a = trace(folder.path(), "a.jsonl", &[started("First?", &[])]);
    let b = trace(folder.path(), "b.jsonl", &[started("Second?", &["sha256:gone"])]);
    let (a, b, out) = (a.to_str().unwrap(), b.to_str().unwrap(), folder.path().join("run.html"));
    let html = out.to_str().unwrap();

    let output = lavr(&[a, "-o", html]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let page = std::fs::read_to_string(&out).unwrap();
    assert!(page.starts_with("<!doctype html>"));
    assert_eq!(runs(&page)[0]["entries"][0]["question"], "First?");

    let output = lavr(&["--compare", a, b, "--output", html]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("1 of the images"), "{}", stderr(&output));
    let both = runs(&std::fs::read_to_string(&out).unwrap());
    let questions: Vec<&Json> = both.as_array().unwrap().iter().map(|run| &run["entries"][0]["question"]).collect();
    assert_eq!(questions, ["First?", "Second?"]);
}

#[test]
fn the_command_never_replaces_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    let a = trace(folder.path(), "a.jsonl", &[started("First?", &[])]);
    let page_like = trace(folder.path(), "trace.html", &[started("Second?", &[])]);
    let (a, page_like) = (a.to_str().unwrap(), page_like.to_str().unwrap());
    let elsewhere = folder.path().join("none/run.html");
    let before = (std::fs::read(a).unwrap(), std::fs::read(page_like).unwrap());
    for (args, said) in [
        (vec![page_like, "-o", page_like], "is the trace itself"),
        (vec!["--compare", a, page_like, "-o", page_like], "is the trace itself"),
        (vec![page_like, "-o", a], "ends in .html, .mmd"),
        (vec![a, "-o", elsewhere.to_str().unwrap()], "does not exist"),
        (vec!["-o", "run.html"], "TRACE"),
        (vec![a], "--output"),
    ] {
        let output = lavr(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(said), "{args:?}: {}", stderr(&output));
    }
    assert_eq!((std::fs::read(a).unwrap(), std::fs::read(page_like).unwrap()), before);
}

/// Not in a page: a chart for documents, and the trace as one array.
#[test]
fn a_plan_is_written_as_a_flowchart_and_a_trace_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let steps = json!([
        { "id": "people", "tool": "detect_objects", "args": { "image": "$image", "labels": ["person"] } },
        { "id": "n", "tool": "count", "args": { "items": "$people.found[0]" } },
    ]);
    let answer = json!({ "text": "3 \"people\"]; click n0 <b>", "claims": [{ "text": "3", "steps": ["n"] }] });
    let run = trace(
        folder.path(),
        "a.jsonl",
        &[
            started("How many?", &[]),
            json!({ "t_ms": 1, "event": "planned", "plan": { "steps": steps, "result": "$n" }, "repairs": 0 }),
            json!({ "t_ms": 2, "event": "step_ended", "id": "people", "tool": "detect_objects", "error": {} }),
            json!({ "t_ms": 3, "event": "answered", "answer": answer }),
        ],
    );
    let (run, chart, json) = (run.to_str().unwrap(), folder.path().join("a.mmd"), folder.path().join("a.json"));
    assert_eq!(lavr(&[run, "-o", chart.to_str().unwrap()]).status.code(), Some(0));
    let expected = "flowchart TD\n    n0[\"people: detect_objects (failed)\"]\n    n1[/\"image\"/]\n    \
                    n2[\"n: count\"]\n    answer([\"3 #34;people#34;#93;; click n0 #60;b#62;\"])\n    \
                    n1 --> n0\n    n0 --> n2\n    n2 --> answer\n";
    assert_eq!(std::fs::read_to_string(&chart).unwrap(), expected);
    assert_eq!(lavr(&[run, "-o", json.to_str().unwrap()]).status.code(), Some(0));
    let entries: Json = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!((entries.as_array().unwrap().len(), &entries[0]["question"]), (4, &json!("How many?")));
    let spans = folder.path().join("a.otlp.json");
    assert_eq!(lavr(&[run, "-o", spans.to_str().unwrap()]).status.code(), Some(0));
    let bare = std::fs::read_to_string(&spans).unwrap();
    assert!(
        bare.contains("\"resourceSpans\"") && bare.contains("invoke_agent lavr") && !bare.contains("How many?"),
        "{bare}"
    );
    assert_eq!(lavr(&[run, "-o", spans.to_str().unwrap(), "--contents"]).status.code(), Some(0));
    assert!(std::fs::read_to_string(&spans).unwrap().contains("How many?"));
    let output = lavr(&[run, "-o", json.to_str().unwrap(), "--contents"]);
    assert!(output.status.code() == Some(2) && stderr(&output).contains("NAME.otlp.json"), "{}", stderr(&output));
    let output = lavr(&["--compare", run, run, "-o", chart.to_str().unwrap()]);
    assert!(output.status.code() == Some(2) && stderr(&output).contains("two runs are compared on a page"));
}

/// Plans that were voted on are drawn as they stand in the run: the trace that the page is tested with in a browser.
#[test]
fn plans_that_were_joined_are_drawn_as_they_stand_in_the_run() {
    let path = repository("tests/playground/votes.jsonl");
    let known = lavr::trace::read(&path).unwrap();
    assert!(known.iter().any(|entry| matches!(entry.event, lavr::trace::Event::Joined { .. })));
    let chart = lavr::view::mermaid(Recorded::open(&path).unwrap().entries());
    let nodes: Vec<&str> = chart.lines().filter_map(|line| line.split_once("[\"")?.1.strip_suffix("\"]")).collect();
    let expected = ["people", "n", "told", "told_2", "people_2", "n_2", "told_3"];
    assert_eq!(nodes.iter().map(|node| node.split(':').next().unwrap()).collect::<Vec<_>>(), expected, "{chart}");
    let index = |name: &str| chart.lines().find(|line| line.contains(&format!("[\"{name}:"))).unwrap().trim();
    let number = |name: &str| index(name).split('[').next().unwrap().to_owned();
    for (from, to) in [("people", "told_2"), ("people_2", "n_2"), ("people_2", "told_3")] {
        let edge = format!("{} --> {}\n", number(from), number(to));
        assert!(chart.contains(&edge), "{edge}{chart}");
    }
}

/// All events that traces are documented to have are told on the page, and not as unknown ones.
#[test]
fn the_page_knows_all_events() {
    let formats = std::fs::read_to_string(repository("docs/FORMATS.md")).unwrap();
    let traces = between(&formats, "## Traces", "## Demos");
    let script = std::fs::read_to_string(repository("src/view/run.js")).unwrap();
    let known = between(&script, "const TOLD = new Set([", "]);");
    let events: Vec<&str> =
        traces.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(name, _)| name).collect();
    assert!(events.len() > 15, "{events:?}");
    let unknown: Vec<&&str> = events.iter().filter(|event| !known.contains(&format!("'{event}'"))).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn help_says_what_the_page_holds() {
    let output = lavr(&["--help"]);
    let said = String::from_utf8(output.stdout).unwrap();
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(output.status.code(), Some(0));
    assert!(said.contains("lavr view run.jsonl -o run.html") && said.contains("holds the images and all"), "{said}");
}
