//! Everything that can go wrong at the built binary: one line that names the offender and the way out, an exit
//! code that says which kind it is, and nothing half-written.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::real;
use crate::store::archives::wheel;

/// The binary, with nothing of this machine's configuration.
fn lavr(args: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("lavr"));
    command.args(args).stdin(Stdio::null());
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// One line on stderr, an error, that says all of `said`.
#[track_caller]
fn complains(output: &Output, exit: i32, said: &[&str]) {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(exit), "{text}");
    assert_eq!(text.trim_end().lines().count(), 1, "{text}");
    assert!(text.starts_with("error: "), "{text}");
    for part in said {
        assert!(text.contains(part), "`{part}` is missing from: {text}");
    }
}

// ------------------------------------------------------------------ images and questions

/// Asks about a file with these bytes.
fn ask_about(name: &str, bytes: &[u8]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, bytes).unwrap();
    lavr(&["ask", file.to_str().unwrap(), "What is this?"]).output().unwrap()
}

#[test]
fn a_file_that_is_no_image() {
    complains(&ask_about("notes.jpg", b"Dear diary, today I took no picture."), 1, &["notes.jpg"]);
}

#[test]
fn a_truncated_image() {
    let whole = std::fs::read(real::picture("receipt.png")).unwrap();
    complains(&ask_about("half.png", &whole[..whole.len() / 2]), 1, &["half.png"]);
    let whole = std::fs::read(real::picture("cat.jpg")).unwrap();
    complains(&ask_about("half.jpg", &whole[..whole.len() / 2]), 1, &["half.jpg"]);
}

#[test]
fn a_file_without_bytes() {
    complains(&ask_about("empty.png", b""), 1, &["empty.png", "empty"]);
}

#[test]
fn a_header_that_promises_a_hundred_megapixels() {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    png.extend(12_500_u32.to_be_bytes());
    png.extend(8_000_u32.to_be_bytes());
    png.extend([8, 2, 0, 0, 0]);
    let crc = crc32(&png[12..]);
    png.extend(crc.to_be_bytes());
    png.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82");
    complains(&ask_about("huge.png", &png), 1, &["huge.png", "12500x8000", "scale it down"]);
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[test]
fn an_image_format_that_is_not_known() {
    let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic........";
    complains(&ask_about("phone.heic", heic), 1, &["phone.heic", "PNG", "JPEG"]);
}

#[test]
fn a_file_that_is_missing() {
    complains(&lavr(&["ask", "no-such.png", "What is this?"]).output().unwrap(), 1, &["no-such.png"]);
}

#[test]
fn a_directory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    complains(&lavr(&["ask", path, "What is this?"]).output().unwrap(), 1, &[path]);
}

#[test]
fn an_empty_question() {
    complains(&lavr(&["ask", &picture("cat.jpg"), " \n"]).output().unwrap(), 2, &["question is empty"]);
}

#[test]
fn two_thousand_words_of_question() {
    let long = "What about that one? ".repeat(500);
    complains(&lavr(&["ask", &picture("cat.jpg"), &long]).output().unwrap(), 2, &["characters", "shorten it"]);
}

#[test]
fn a_question_without_an_image() {
    let output = lavr(&["ask", "What is this?"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("IMAGE"), "{}", stderr(&output));
}

#[test]
fn a_mode_and_limits_that_are_none() {
    for (option, value, said) in
        [("--mode", "clever", "decision-maker"), ("--max-rounds", "0", "1..=64"), ("--max-tokens", "0", "1..")]
    {
        let output = lavr(&["ask", &picture("cat.jpg"), "What?", option, value]).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
    }
}

#[test]
fn a_style_and_a_schema_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    };
    let object = file("object.json", r#"{"type": "object"}"#);
    let (image, cases) = (picture("cat.jpg"), file("cases.jsonl", ""));
    for (options, said) in [
        (["--style", "length=long"], vec!["--style", "`length=long`", "normal, short, detailed"]),
        (["--style", "loud"], vec!["--style", "KEY=VALUE", "tone"]),
        (["--style", "format=json"], vec!["--style", "--schema FILE"]),
        (["--schema", "/nowhere/schema.json"], vec!["--schema", "/nowhere/schema.json"]),
        (["--schema", &file("no.json", "people: int")], vec!["--schema", "no.json", "no JSON"]),
        (["--schema", &file("list.json", "[1]")], vec!["--schema", "list.json", "no JSON object"]),
        (["--schema", &file("odd.json", r#"{"type": "colour"}"#)], vec!["--schema", "odd.json", "cannot be used"]),
    ] {
        let all = [["ask", &image, "What is this?"].as_slice(), options.as_slice()].concat();
        complains(&lavr(&all).output().unwrap(), 2, &said);
        let all = [["eval", &cases, "--metric", "exact"].as_slice(), options.as_slice()].concat();
        complains(&lavr(&all).output().unwrap(), 2, &said);
    }
    let both = ["--schema", &object, "--style", "facts=knowledge"];
    let all = [["ask", &image, "What is this?"].as_slice(), both.as_slice()].concat();
    complains(&lavr(&all).output().unwrap(), 2, &["facts=knowledge", "leave one of them out"]);
}

#[test]
fn an_llm_without_eyes_is_not_told_to_look_and_nothing_is_fetched_for_it() {
    let home = tempfile::tempdir().unwrap();
    for bridge in ["bridge=native", "bridge=both"] {
        let mut command = lavr(&["ask", &picture("cat.jpg"), "What is this?", "--chain", bridge]);
        let output = command.env("LAVR_HOME", home.path()).env_remove("LAVR_LLM").output().unwrap();
        complains(&output, 2, &["`local` takes no images", "bridge=expert"]);
    }
    assert!(files(home.path()).is_empty());
}

#[test]
fn a_plan_is_not_begun_with_settings_that_exclude_each_other() {
    let output = lavr(&["plan", "How many dogs are there?", "--chain", "votes=3,stop=2"]).output().unwrap();
    complains(&output, 2, &["`stop=N` and `votes` do not go together"]);
}

fn picture(name: &str) -> String {
    real::picture(name).to_string_lossy().into_owned()
}

// ------------------------------------------------------------------ the model store

const CLS: &str = "ch_ppocr_mobile_v2.0_cls_mobile.onnx";

/// A package index that has the smallest model, with its real bytes or others.
async fn index(content: &[u8]) -> MockServer {
    let server = MockServer::start().await;
    let whole = wheel(&[("rapidocr/__init__.py", b""), (&format!("rapidocr/models/{CLS}"), content)]);
    let name = "rapidocr-3.10.0-py3-none-any.whl";
    let page = format!("<a href=\"/files/{name}\">{name}</a>");
    let html = ResponseTemplate::new(200).set_body_raw(page, "text/html");
    Mock::given(path("/simple/rapidocr/")).respond_with(html).mount(&server).await;
    let file = ResponseTemplate::new(200).set_body_bytes(whole).set_delay(Duration::from_millis(300));
    Mock::given(method("GET")).and(path(format!("/files/{name}"))).respond_with(file).mount(&server).await;
    server
}

fn pull(home: &Path, index: &str) -> Command {
    let mut command = lavr(&["models", "pull", "pp-ocr-cls-mobile"]);
    command.envs([("LAVR_PIP", "never"), ("PIP_CONFIG_FILE", "/dev/null"), ("PIP_INDEX_URL", index)]);
    command.env("LAVR_HOME", home).env_remove("LAVR_OFFLINE");
    command
}

fn index_url(server: &MockServer) -> String {
    format!("{}/simple", server.uri())
}

/// Files anywhere below a folder, those in the making included.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|e| e.unwrap().path());
    paths.flat_map(|p| if p.is_dir() { files(&p) } else { vec![p] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_digest() {
    let (home, server) = (tempfile::tempdir().unwrap(), index(&vec![7; 585_532]).await);
    let output = pull(home.path(), &index_url(&server)).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("pp-ocr-cls-mobile") && stderr(&output).contains("sha256"), "{}", stderr(&output));
    assert!(
        !files(home.path()).iter().any(|f| f.ends_with(Path::new("artefacts").join(CLS))),
        "what is wrong is not kept under its name"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_first_runs_at_once_fetch_once() {
    let content = std::fs::read(real::model_file(CLS)).unwrap();
    let (home, server) = (tempfile::tempdir().unwrap(), index(&content).await);
    let both: Vec<_> = (0..2)
        .map(|_| pull(home.path(), &index_url(&server)).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap())
        .collect();
    for run in both {
        let output = run.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    let kept: Vec<PathBuf> =
        files(home.path()).into_iter().filter(|f| f.ends_with(Path::new("artefacts").join(CLS))).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(std::fs::read(&kept[0]).unwrap(), content);
    let asked = wheels_asked(&server).await;
    let alone = tempfile::tempdir().unwrap();
    assert_eq!(pull(alone.path(), &index_url(&server)).output().unwrap().status.code(), Some(0));
    assert_eq!(wheels_asked(&server).await, 2 * asked, "the second run waited for the first");
}

async fn wheels_asked(server: &MockServer) -> usize {
    let requests = server.received_requests().await.unwrap();
    requests.iter().filter(|r| r.url.path().ends_with(".whl")).count()
}

#[test]
fn no_network() {
    let home = tempfile::tempdir().unwrap();
    let output = pull(home.path(), "http://127.0.0.1:1/simple").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("127.0.0.1:1") && said.contains("pp-ocr-cls-mobile"), "{said}");
    assert!(!said.contains("panicked"));
}

/// A home with the models of the real one, as links.
fn linked_home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let there = home.path().join("artefacts");
    std::fs::create_dir_all(&there).unwrap();
    for name in ["onnxruntime", "pp-ocrv6-det-small", "pp-ocrv6-rec-small", "pp-ocr-cls-mobile"] {
        let file = real::model_file(name);
        std::fs::copy(&file, there.join(file.file_name().unwrap())).unwrap();
    }
    home
}

fn read_text(home: &Path) -> Command {
    let mut command = lavr(&["tools", "run", "read_text", "--image", &picture("gallery.jpg")]);
    command.env("LAVR_HOME", home).env("LAVR_OFFLINE", "1");
    command
}

#[test]
fn a_cache_that_was_corrupted_between_two_runs() {
    let home = linked_home();
    assert_eq!(read_text(home.path()).output().unwrap().status.code(), Some(0));
    let file = home.path().join("artefacts").join(CLS);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[1000] ^= 0xff;
    std::fs::write(&file, bytes).unwrap();
    complains(&read_text(home.path()).output().unwrap(), 1, &["pp-ocr-cls-mobile", "lavr models pull"]);
    // Other models are still being loaded when the error ends the process: that must not crash.
    let runs: Vec<_> = (0..24).map(|_| read_text(home.path()).stderr(Stdio::null()).spawn().unwrap()).collect();
    for mut run in runs {
        assert_eq!(run.wait().unwrap().code(), Some(1));
    }
}

/// Runs a shell script in which mounting touches nobody else; nothing where that is not allowed.
fn in_a_mount_namespace(script: &str) -> Option<Output> {
    let unshare = |script: &str| Command::new("unshare").args(["--mount", "sh", "-c", script]).output().ok();
    let probe = unshare("d=$(mktemp -d) && mount -t tmpfs -o size=64k none $d && umount $d && rmdir $d");
    if !probe.is_some_and(|output| output.status.success()) {
        println!("skipped: file systems cannot be mounted here");
        return None;
    }
    unshare(script)
}

#[test]
fn a_cache_that_can_only_be_read_works() {
    let home = linked_home();
    let script = format!(
        "mount --bind {home} {home} && mount -o remount,ro,bind {home} && ! touch {home}/x 2>/dev/null && \
         LAVR_HOME={home} LAVR_OFFLINE=1 {lavr} tools run read_text --image {picture} --json",
        home = home.path().display(),
        lavr = assert_cmd::cargo::cargo_bin("lavr").display(),
        picture = picture("gallery.jpg"),
    );
    let Some(output) = in_a_mount_namespace(&script) else { return };
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("OPEN DAILY"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_can_only_be_read_and_lacks_a_file() {
    let home = tempfile::tempdir().unwrap();
    let script = format!(
        "mount -t tmpfs -o size=1m,ro none {home} && LAVR_HOME={home} LAVR_PIP=never PIP_CONFIG_FILE=/dev/null \
         PIP_INDEX_URL=http://127.0.0.1:1/simple {lavr} models pull pp-ocr-cls-mobile",
        home = home.path().display(),
        lavr = assert_cmd::cargo::cargo_bin("lavr").display(),
    );
    let Some(output) = in_a_mount_namespace(&script) else { return };
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("LAVR_HOME") && said.to_lowercase().contains("read-only"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk() {
    let content = std::fs::read(real::model_file(CLS)).unwrap();
    let (home, server) = (tempfile::tempdir().unwrap(), index(&content).await);
    let script = format!(
        "mount -t tmpfs -o size=256k none {home} && LAVR_HOME={home} LAVR_PIP=never PIP_CONFIG_FILE=/dev/null \
         PIP_INDEX_URL={index} {lavr} models pull pp-ocr-cls-mobile; code=$?; ls {home}/artefacts/*.onnx 2>/dev/null; exit $code",
        home = home.path().display(),
        index = index_url(&server),
        lavr = assert_cmd::cargo::cargo_bin("lavr").display(),
    );
    let Some(output) = in_a_mount_namespace(&script) else { return };
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("No space left") && said.contains("LAVR_HOME"), "{said}");
    assert!(output.stdout.is_empty(), "half a file is under its final name");
}

#[test]
fn a_full_disk_under_the_journal_and_the_picture() {
    if !Path::new("/dev/full").exists() {
        println!("skipped: there is no /dev/full");
        return;
    }
    let output = lavr(&["tools", "run", "read_text", "--image", &picture("gallery.jpg"), "--trace", "/dev/full"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("/dev/full") && stderr(&output).contains("No space left"), "{}", stderr(&output));
}

// ------------------------------------------------------------------ Ctrl-C

/// Sends the signal of Ctrl-C after a while; how the process ended, or nothing when it was over before.
fn interrupted(mut command: Command, after: Duration) -> Output {
    let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    while began.elapsed() < after && run.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let signalled = Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap().success();
    let waiting = Instant::now();
    loop {
        if let Some(status) = run.try_wait().unwrap() {
            let mut output = Output { status, stdout: Vec::new(), stderr: Vec::new() };
            run.stdout.take().unwrap().read_to_end(&mut output.stdout).unwrap();
            run.stderr.take().unwrap().read_to_end(&mut output.stderr).unwrap();
            return output;
        }
        assert!(waiting.elapsed() < Duration::from_secs(60), "still running after Ctrl-C ({signalled})");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn ctrl_c_at_any_moment_of_a_run() {
    let _turn = real::turn();
    for after in [0, 30, 150, 600, 1_500, 4_000] {
        let folder = tempfile::tempdir().unwrap();
        let (trace, drawn) = (folder.path().join("run.jsonl"), folder.path().join("seen.png"));
        let mut command =
            lavr(&["ask", &picture("gallery.jpg"), "What does the sign say?", "--mode", "decision-maker"]);
        command.arg("--trace").arg(&trace).arg("--annotate").arg(&drawn);
        let output = interrupted(command, Duration::from_millis(after));
        let said = stderr(&output);
        match output.status.code() {
            Some(130) => assert!(said.trim_end().lines().last().is_some_and(|l| l.starts_with("error: ")), "{said}"),
            Some(0) => assert!(drawn.is_file()),
            // The signal came before the program was there to take it.
            None => assert!(after < 100, "killed after {after} ms: {said}"),
            other => panic!("exit {other:?} after {after} ms: {said}"),
        }
        if drawn.exists() {
            image::open(&drawn).unwrap();
        }
        if trace.exists() {
            let text = std::fs::read_to_string(&trace).unwrap();
            assert!(text.is_empty() || text.ends_with('\n'), "a line is whole");
            lavr::trace::read(&trace).unwrap();
        }
        assert!(files(folder.path()).iter().all(|f| f.extension().is_none_or(|e| e != "part")), "{folder:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_while_models_are_fetched_and_the_next_pull() {
    let content = std::fs::read(real::model_file(CLS)).unwrap();
    let (home, server) = (tempfile::tempdir().unwrap(), index(&content).await);
    let output = interrupted(pull(home.path(), &index_url(&server)), Duration::from_millis(200));
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(!files(home.path()).iter().any(|f| f.ends_with(Path::new("artefacts").join(CLS))));
    let again = pull(home.path(), &index_url(&server)).output().unwrap();
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
}
