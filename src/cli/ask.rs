//! `lavr ask`

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::options::{LlmOptions, ReasonOptions, RunOptions, agent, check_picture, open_images, save_image};
use super::region::RegionOptions;
use super::{Exit, Stop, exit_of, or_json, output, usage};
use crate::agent::{Report, Watch};
use crate::answer::Status;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::observation::Failure;
use crate::task::{Mode, Task};
use crate::tool::annotate;
use crate::trace::TraceWriter;

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    lavr ask photo.jpg \"How many people are there?\"\n  \
    lavr ask photo.jpg \"What room is this?\" --guess\n  \
    lavr ask a.jpg b.jpg \"Which of the two pictures has more cars?\"\n  \
    lavr ask photo.jpg \"What is this?\" --point 120,80\n  \
    lavr ask photo.jpg \"What does this say?\" --box 40,30,200,180\n  \
    lavr ask receipt.jpg \"What is the total?\" --annotate seen.png --trace run.jsonl")]
pub(super) struct AskArgs {
    /// Image files (PNG, JPEG, WebP, GIF, BMP, TIFF), then the question
    #[arg(value_name = "IMAGE... QUESTION", required = true, num_args = 2..)]
    inputs: Vec<String>,

    #[command(flatten)]
    llm: LlmOptions,

    #[command(flatten)]
    reason: ReasonOptions,

    /// Most rounds of planning [default: 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=64))]
    max_rounds: Option<u64>,

    /// Answer with a best guess, marked as one, where the evidence does not answer, unless a limit other than that of
    /// rounds ends the run. With `--mode auto` it comes in place of the rounds after the first plan
    #[arg(long)]
    guess: bool,

    #[command(flatten)]
    region: RegionOptions,

    #[command(flatten)]
    options: RunOptions,

    /// Draw what the answer rests on into this picture (PNG or JPEG)
    #[arg(long, value_name = "OUT.png")]
    annotate: Option<PathBuf>,
}

pub(super) async fn run(args: AskArgs, cancel: CancellationToken) -> Result<Exit, Stop> {
    args.options.start_log();
    or_json(answer(&args, cancel).await, args.options.json, failed_json)
}

async fn answer(args: &AskArgs, cancel: CancellationToken) -> Result<Exit, Stop> {
    let Some((question, paths)) = args.inputs.split_last() else {
        return Err(usage(Error::invalid("give an image and a question")));
    };
    let mut config = args.options.limit(args.llm.config().map_err(usage)?);
    args.reason.set(&mut config).map_err(usage)?;
    config.guess |= args.guess;
    if config.show_images && config.mode == Mode::Controller {
        let why = "with `--mode controller` nothing that stands in an image has a say in the plan, so `--show-images` \
                   cannot go with it; leave one of them out";
        return Err(usage(Error::invalid(why)));
    }
    if config.declares_tools() {
        let why = "tools that are only declared cannot run: `lavr plan` plans with them";
        return Err(usage(Error::invalid(why)));
    }
    config.budget.max_rounds = args.max_rounds.unwrap_or(config.budget.max_rounds);
    let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
    check_picture("--annotate", args.annotate.as_ref(), &paths).map_err(usage)?;
    args.options.check_trace(&paths, config.llm_cache.as_ref()).map_err(usage)?;
    Task::new(question.clone(), Vec::new()).validate().map_err(usage)?;
    let pointed = args.region.read().map_err(usage)?;
    let images = open_images(&paths, &config).map_err(|e| swapped(e, question))?;
    let mut task = config.task(question.clone(), images);
    if let Some(pointed) = pointed {
        task = task.with_region(pointed.open(&config)?);
    }
    task.validate().map_err(usage)?;
    let agent = agent(&config, &cancel).await?;
    let journal = args.options.journal()?;
    let report = agent.ask_watched(&task, Watch { cancel, sinks: args.options.sinks(journal.as_ref()) }).await?;
    print(args, &report)?;
    let written = keep(args, &report, &task.images, journal.as_deref());
    let exit = match report.answer.status {
        Status::Answered | Status::Guessed => Exit::Answered,
        Status::Unanswerable => Exit::Unanswerable,
        Status::Budget => Exit::Budget,
        Status::Failed => report.error.as_ref().map_or(Exit::Failed, |error| exit_of(error.kind)),
    };
    Ok(written.map_or_else(
        |error| {
            // The answer is out already; what could not be kept is told beside it.
            output::complain(&error);
            Exit::Failed
        },
        |()| exit,
    ))
}

/// Writes the picture, and tells when the journal could not be written.
fn keep(args: &AskArgs, report: &Report, images: &[Image], journal: Option<&TraceWriter>) -> Result<()> {
    if let Some(path) = args.annotate.as_ref().filter(|_| report.answer.status != Status::Failed) {
        draw(report, images, path)?;
    }
    journal.and_then(TraceWriter::take_error).map_or(Ok(()), Err)
}

/// `lavr ask "question" photo.jpg` is an easy slip: say so.
fn swapped(error: Error, question: &str) -> Stop {
    if error.kind() == ErrorKind::NotFound && Path::new(question).is_file() {
        return usage(error.context("the question comes last, after the images"));
    }
    error.into()
}

fn print(args: &AskArgs, report: &Report) -> Result<()> {
    if args.options.json {
        return output::print_json(&report.to_json());
    }
    if !report.answer.text.is_empty() {
        output::print(&output::safe(&report.answer.text))?;
    }
    if let Some(against) = &report.answer.against {
        output::note(&format!("note: {}", output::safe(against)));
    }
    if let Some(reason) = &report.answer.unstyled {
        output::note(&format!("the answer is worded as the evidence has it, in English: {}", output::safe(reason)));
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
        let mut items = report.pointed(n);
        let evidence = report.evidence(n).into_iter().filter(|item| !items.contains(item));
        items.extend(evidence.collect::<Vec<_>>());
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
