//! `lavr ask`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::options::{LlmOptions, open_images, save_image, show_steps};
use super::steps::Steps;
use super::{Exit, output};
use crate::agent::{Report, Watch};
use crate::answer::Status;
use crate::config::Config;
use crate::cx::EventSink;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::observation::Failure;
use crate::task::Task;
use crate::tool::annotate;
use crate::trace::TraceWriter;

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    lavr ask photo.jpg \"How many people are there?\"\n  \
    lavr ask a.jpg b.jpg \"Which of the two pictures has more cars?\"\n  \
    lavr ask receipt.jpg \"What is the total?\" --annotate seen.png --trace run.jsonl")]
pub(super) struct AskArgs {
    /// Image files (PNG, JPEG, WebP, GIF, BMP, TIFF), then the question
    #[arg(value_name = "IMAGE... QUESTION", required = true, num_args = 2..)]
    inputs: Vec<String>,

    #[command(flatten)]
    llm: LlmOptions,

    /// Print one JSON object: answer, status, claims, plan, steps, usage, timings
    #[arg(long)]
    json: bool,

    /// Draw what the answer rests on into this picture (PNG or JPEG)
    #[arg(long, value_name = "OUT.png")]
    annotate: Option<PathBuf>,

    /// Write the run's journal here as JSON lines; its images go to FILE.blobs/
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

pub(super) async fn run(args: AskArgs, cancel: CancellationToken) -> Result<Exit> {
    args.llm.start_log();
    match answer(&args, cancel).await {
        Ok(exit) => Ok(exit),
        Err(error) if args.json => {
            output::print_json(&failed_json(&error))?;
            Ok(super::exit_for(error.kind()))
        }
        Err(error) => Err(error),
    }
}

async fn answer(args: &AskArgs, cancel: CancellationToken) -> Result<Exit> {
    let Some((question, paths)) = args.inputs.split_last() else {
        return Err(Error::invalid("give an image and a question"));
    };
    if question.trim().is_empty() {
        output::complain(&Error::invalid("the question is empty; ask something about the image"));
        return Ok(Exit::Usage);
    }
    let config = args.llm.config();
    let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
    let images = open_images(&paths, &config).map_err(|e| swapped(e, question))?;
    let task = Task::new(question.clone(), images).with_budget(config.budget.clone());
    let journal = args.trace.as_ref().map(TraceWriter::create).transpose()?.map(Arc::new);
    let watch = Watch { cancel, sinks: sinks(args, journal.as_ref()) };
    let report = until_cancelled(args, &config, &task, watch).await?;
    print(args, &report)?;
    if let Some(error) = journal.and_then(|journal| journal.take_error()) {
        return Err(error);
    }
    if let Some(path) = &args.annotate {
        draw(&report, &task.images, path)?;
    }
    Ok(match report.answer.status {
        Status::Answered => Exit::Answered,
        Status::Unanswerable => Exit::Unanswerable,
        Status::Budget => Exit::Budget,
        Status::Failed => Exit::Failed,
    })
}

/// The wall-clock limit and Ctrl-C also hold while models are fetched and loaded.
async fn until_cancelled(args: &AskArgs, config: &Config, task: &Task, watch: Watch) -> Result<Report> {
    let cancel = watch.cancel.clone();
    tokio::select! {
        agent = args.llm.agent(config) => agent?.ask_watched(task, watch).await,
        () = cancel.cancelled() => Err(Error::new(ErrorKind::Cancelled, "stopped before the run began")),
    }
}

/// `lavr ask "question" photo.jpg` is an easy slip: say so.
fn swapped(error: Error, question: &str) -> Error {
    if error.kind() == ErrorKind::NotFound && std::path::Path::new(question).is_file() {
        return error.context("the question comes last, after the images");
    }
    error
}

fn sinks(args: &AskArgs, journal: Option<&Arc<TraceWriter>>) -> Vec<Arc<dyn EventSink>> {
    let mut sinks: Vec<Arc<dyn EventSink>> = Vec::new();
    if show_steps(args.llm.verbose, args.json) {
        sinks.push(Arc::new(Steps));
    }
    if let Some(journal) = journal {
        sinks.push(Arc::<TraceWriter>::clone(journal));
    }
    sinks
}

fn print(args: &AskArgs, report: &Report) -> Result<()> {
    if args.json {
        return output::print_json(&report.to_json());
    }
    if !report.answer.text.is_empty() {
        output::print(&output::safe(&report.answer.text))?;
    }
    if let Some(error) = &report.error {
        output::note(&format!(
            "{}: {}",
            if report.answer.status == Status::Budget { "stopped" } else { "error" },
            error.message
        ));
    }
    Ok(())
}

fn failed_json(error: &Error) -> serde_json::Value {
    json!({
        "answer": "", "status": Status::Failed, "claims": [], "plan": null, "steps": [],
        "usage": crate::answer::Usage::default(), "timings": crate::agent::Timings::default(),
        "error": Failure::from(error),
    })
}

/// Draws what the claims rest on; further images go to `OUT-2.png`, `OUT-3.png` ...
fn draw(report: &Report, images: &[Image], path: &Path) -> Result<()> {
    for (n, image) in images.iter().enumerate() {
        let items = report.evidence(n);
        let path = if n == 0 { path.to_owned() } else { numbered(path, n + 1) };
        save_image(&annotate::draw(image, &items), &path)?;
        let marks = if items.len() == 1 { "1 mark".to_owned() } else { format!("{} marks", items.len()) };
        output::note(&format!("drew {marks} into {}", path.display()));
    }
    Ok(())
}

fn numbered(path: &Path, n: usize) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map(|e| format!(".{}", e.to_string_lossy())).unwrap_or_default();
    path.with_file_name(format!("{stem}-{n}{extension}"))
}
