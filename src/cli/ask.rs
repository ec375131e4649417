//! `lavr ask`

use std::path::{Path, PathBuf};

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::options::{LimitOptions, LlmOptions, ReasonOptions, WatchOptions, agent, open_images};
use super::region::RegionOptions;
use super::report::{ReportOptions, failed_json};
use super::{Exit, Stop, or_json, usage};
use crate::agent::Watch;
use crate::error::{Error, ErrorKind};
use crate::task::{Mode, Task};

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    lavr ask photo.jpg \"How many people are there?\"\n  \
    lavr ask photo.jpg \"What room is this?\" --guess\n  \
    lavr ask a.jpg b.jpg \"Which of the two pictures has more cars?\"\n  \
    lavr ask photo.jpg \"And how many of them wear hats?\" --after \"How many people are there?\"\n  \
    lavr ask photo.jpg \"What is this?\" --point 120,80\n  \
    lavr ask photo.jpg \"What does this say?\" --box 40,30,200,180\n  \
    lavr ask receipt.jpg \"What is the total?\" --annotate seen.png --trace run.jsonl")]
pub(super) struct AskArgs {
    /// Image files (PNG, JPEG, WebP, GIF, BMP, TIFF), then the question
    #[arg(value_name = "IMAGE... QUESTION", required = true, num_args = 2..)]
    inputs: Vec<String>,

    /// What you asked before, where the question goes on from it; more than once, the oldest first. The question is then
    /// rewritten to stand alone, with the words of these. Give questions alone, no answers
    #[arg(long, value_name = "QUESTION")]
    after: Vec<String>,

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
    limits: LimitOptions,

    #[command(flatten)]
    options: WatchOptions,

    #[command(flatten)]
    report: ReportOptions,
}

pub(super) async fn run(args: AskArgs, cancel: CancellationToken) -> Result<Exit, Stop> {
    args.options.start_log();
    or_json(answer(&args, cancel).await, args.options.json, failed_json)
}

async fn answer(args: &AskArgs, cancel: CancellationToken) -> Result<Exit, Stop> {
    let Some((question, paths)) = args.inputs.split_last() else {
        return Err(usage(Error::invalid("give an image and a question")));
    };
    let mut config = args.limits.limit(args.llm.config().map_err(usage)?);
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
    args.report.check(&paths).map_err(usage)?;
    args.options.check_trace(&paths, config.llm_cache.as_ref()).map_err(usage)?;
    Task::new(question.clone(), Vec::new()).with_earlier(&args.after).validate().map_err(usage)?;
    let pointed = args.region.read().map_err(usage)?;
    let images = open_images(&paths, &config).map_err(|e| swapped(e, question))?;
    let mut task = config.task(question.clone(), images).with_earlier(&args.after);
    if let Some(pointed) = pointed {
        task = task.with_region(pointed.open(&config)?);
    }
    task.validate().map_err(usage)?;
    let agent = agent(&config, &cancel).await?;
    let journal = args.options.journal()?;
    let watch = Watch { cancel, sinks: args.options.sinks(journal.as_ref()), past: None };
    let report = agent.ask_watched(&task, watch).await?;
    args.report.tell(&report, &task.images, journal.as_deref(), args.options.json)
}

/// `lavr ask "question" photo.jpg` is an easy slip: say so.
fn swapped(error: Error, question: &str) -> Stop {
    if error.kind() == ErrorKind::NotFound && Path::new(question).is_file() {
        return usage(error.context("the question comes last, after the images"));
    }
    error.into()
}
