//! Reads pictures with `read_text` and with the Python package rapidocr, image by image in turn.
//!
//!     LAVR_PEER_PYTHON=venv/bin/python cargo bench --bench ocr_peer -- FOLDER...
//!
//! Same models, same pictures, two threads each; a time is from the path to the lines. Each picture is read
//! three times by both, who goes first changes from turn to turn, and its best times count. Prints ours
//! divided by theirs for every picture and the median of these, and whether the texts are equal (the order
//! of the lines is our own, so they are compared sorted). Without rapidocr it says so and ends.
#![allow(clippy::print_stdout, reason = "a benchmark prints")]

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use lavr::budget::Budget;
use lavr::cx::Cx;
use lavr::image::{Image, ImageLimits};
use lavr::runner::{LazyFile, OrtModel, OrtRuntime, Runner};
use lavr::store::{Silent, Store, StoreOptions};
use lavr::tool::{Ocr, OcrModels, builtin};
use serde_json::Value as Json;

type Outcome<T> = Result<T, Box<dyn Error>>;

const THREADS: usize = 2;
const TURNS: usize = 3;
const MODELS: [&str; 3] = ["pp-ocrv6-det-small", "pp-ocr-cls-mobile", "pp-ocrv6-rec-small"];

#[tokio::main]
async fn main() -> Outcome<()> {
    let store = Store::open(StoreOptions::from_env()?)?;
    let mut files = HashMap::new();
    for (artefact, _) in builtin::artefacts()? {
        files.insert(artefact.name.clone(), store.get(&artefact, &Silent).await?);
    }
    let Some(mut peer) = Peer::start(&MODELS.map(|m| files.get(m).cloned().unwrap_or_default()))? else {
        return Ok(());
    };
    let file = |name: &str| LazyFile::at(files.get(name).cloned().unwrap_or_default());
    let runtime = OrtRuntime::new(file("onnxruntime")).with_threads(THREADS);
    let runner = |name: &str| -> Arc<dyn Runner> { Arc::new(runtime.runner(name, OrtModel::File(file(name)))) };
    let [detector, classifier, recogniser] = MODELS.map(runner);
    let models = OcrModels { detector, direction: Some(classifier), recogniser, characters: None };
    let ours = Ocr::new(models);
    for folder in std::env::args().skip(1).filter(|a| !a.starts_with('-')) {
        let pictures = pictures(Path::new(&folder))?;
        // The first call loads the models.
        if let Some(first) = pictures.first() {
            read(&ours, first).await?;
            peer.read(first)?;
        }
        println!("{folder}: {} pictures, {THREADS} threads", pictures.len());
        let mut rows = Vec::new();
        for picture in &pictures {
            rows.push(compare(&ours, &mut peer, picture).await?);
        }
        report(&rows);
    }
    Ok(())
}

/// What one picture took, in milliseconds, and whether the same was read.
struct Row {
    ours: f64,
    theirs: f64,
    equal: bool,
}

async fn compare(ours: &Ocr, peer: &mut Peer, picture: &Path) -> Outcome<Row> {
    let mut row = Row { ours: f64::INFINITY, theirs: f64::INFINITY, equal: true };
    for turn in 0..TURNS {
        let before = if turn % 2 == 0 { None } else { Some(peer.read(picture)?) };
        let (ms, texts) = read(ours, picture).await?;
        let (their_ms, their_texts) = match before {
            Some(read) => read,
            None => peer.read(picture)?,
        };
        row =
            Row { ours: row.ours.min(ms), theirs: row.theirs.min(their_ms), equal: row.equal && texts == their_texts };
    }
    let name = picture.file_name().unwrap_or_default().to_string_lossy();
    let Row { ours, theirs, equal } = &row;
    let same = if *equal { "same text" } else { "OTHER TEXT" };
    println!("  {name}: {ours:.0} ms, rapidocr {theirs:.0} ms, ratio {:.2}, {same}", ours / theirs);
    Ok(row)
}

fn report(rows: &[Row]) {
    let equal = rows.iter().filter(|row| row.equal).count();
    let mut ratios: Vec<f64> = rows.iter().map(|row| row.ours / row.theirs).collect();
    ratios.sort_by(f64::total_cmp);
    let median = ratios.get(ratios.len() / 2).copied().unwrap_or_default();
    let sum = |of: fn(&Row) -> f64| rows.iter().map(of).sum::<f64>();
    println!(
        "  median ratio {median:.2}, of the sums {:.2}; same text in {equal} of {}",
        sum(|row| row.ours) / sum(|row| row.theirs),
        rows.len()
    );
}

/// Our time and texts, sorted.
async fn read(ours: &Ocr, picture: &Path) -> Outcome<(f64, Vec<String>)> {
    let began = Instant::now();
    let image = Image::open(picture, &ImageLimits::default())?;
    let lines = ours.lines(&Cx::new(Budget::default()), &image).await?;
    let ms = began.elapsed().as_secs_f64() * 1e3;
    Ok((ms, sorted(lines.into_iter().map(|line| line.text).collect())))
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}

/// rapidocr in a Python process of its own.
struct Peer {
    process: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts the process; nothing when there is no Python or no rapidocr.
    fn start(models: &[PathBuf]) -> Outcome<Option<Self>> {
        let python = std::env::var_os("LAVR_PEER_PYTHON").unwrap_or_else(|| "python3".into());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/rapidocr_serve.py");
        let mut command = Command::new(&python);
        command.arg(script).arg(THREADS.to_string()).args(models).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = match command.spawn() {
            Ok(process) => process,
            Err(error) => {
                println!("skipped: {} does not start: {error}; LAVR_PEER_PYTHON names another", python.display());
                return Ok(None);
            }
        };
        let (Some(asks), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err("the peer has no pipes".into());
        };
        let mut peer = Self { process, asks, answers: BufReader::new(answers) };
        let hello = peer.answer()?;
        if let Some(missing) = hello.get("missing") {
            println!("skipped: {missing}; install rapidocr==3.10.0, or name another Python with LAVR_PEER_PYTHON");
            return Ok(None);
        }
        println!("rapidocr {}, onnxruntime {}", hello["version"], hello["onnxruntime"]);
        Ok(Some(peer))
    }

    fn answer(&mut self) -> Outcome<Json> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(serde_json::from_str(&line).map_err(|e| format!("the peer said `{}`: {e}", line.trim()))?)
    }

    /// Its time and texts, sorted.
    fn read(&mut self, picture: &Path) -> Outcome<(f64, Vec<String>)> {
        writeln!(self.asks, "{}", picture.display())?;
        let answer = self.answer()?;
        let texts = serde_json::from_value(answer["texts"].clone())?;
        Ok((answer["ms"].as_f64().unwrap_or(f64::NAN), sorted(texts)))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn pictures(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?.filter_map(|e| Some(e.ok()?.path())).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "jpg" || e == "png"));
    files.sort();
    Ok(files)
}
