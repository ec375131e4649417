//! `lavr replay`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::options::{LlmOptions, WatchOptions, agent};
use super::progress::Bars;
use super::report::{ReportOptions, failed_json};
use super::{Exit, Stop, or_json, usage};
use crate::agent::Watch;
use crate::error::{Error, ErrorKind};
use crate::files::read_at_most;
use crate::replay::Recorded;
use crate::store::Progress;

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    lavr ask photo.jpg \"How many people are there?\" --trace run.jsonl\n  \
    lavr replay run.jsonl\n  \
    lavr replay run.jsonl --from people --tools my_tool.toml --trace again.jsonl\n  \
    lavr replay run.jsonl --from people --plan edited.json\n\n\
    A replay asks no LLM and calls no tool: both are in the trace. It fails, naming the event, where prompts, plans or\n\
    answers would be others today. Give it the options that the run had (--tools, --prompts, --demos, --show-images).\n\
    --from takes what began before the step from the trace, and does the rest anew, with LLM and models.")]
pub(super) struct ReplayArgs {
    /// A trace that `lavr ask --trace` wrote
    #[arg(value_name = "TRACE")]
    recorded: PathBuf,

    /// Do this step, and what began after it, anew
    #[arg(long, value_name = "STEP")]
    from: Option<String>,

    /// A plan (JSON) in place of the one that the LLM wrote
    #[arg(long, value_name = "FILE", requires = "from")]
    plan: Option<PathBuf>,

    #[command(flatten)]
    llm: LlmOptions,

    #[command(flatten)]
    options: WatchOptions,

    #[command(flatten)]
    report: ReportOptions,
}

pub(super) async fn run(args: ReplayArgs, cancel: CancellationToken) -> Result<Exit, Stop> {
    args.options.start_log();
    or_json(again(&args, cancel).await, args.options.json, failed_json)
}

/// Most bytes of a plan.
const MAX_PLAN: u64 = 1 << 20;

fn open_plan(path: &Path) -> Result<Json, Error> {
    let place = |e: Error| e.context(format!("--plan `{}`", path.display()));
    let bytes = read_at_most(path, MAX_PLAN).map_err(|e| place(e.into()))?;
    let no_json = |e| place(Error::invalid(format!("it is no JSON: {e}")).with_source(e));
    serde_json::from_slice(&bytes).map_err(no_json)
}

async fn again(args: &ReplayArgs, cancel: CancellationToken) -> Result<Exit, Stop> {
    let config = args.llm.config().map_err(usage)?;
    let kept = [args.recorded.clone()];
    args.report.check(&kept).map_err(usage)?;
    args.options.check_trace(&kept, config.llm_cache.as_ref()).map_err(usage)?;
    let plan = args.plan.as_deref().map(open_plan).transpose().map_err(usage)?;
    let recorded = Recorded::open(&args.recorded)?;
    let task = recorded.task()?;
    let (report, journal) = match &args.from {
        None => {
            let progress: Arc<dyn Progress> = Arc::new(Bars::new());
            let agent = config.agent_with(recorded.llm(), &progress).map_err(usage)?;
            let journal = args.options.journal()?;
            let replay = recorded.replay(&agent, args.options.sinks(journal.as_ref()));
            let stopped = || Err(Error::new(ErrorKind::Cancelled, "stopped"));
            (cancel.run_until_cancelled(replay).await.unwrap_or_else(stopped)?, journal)
        }
        Some(step) => {
            let agent = agent(&config, &cancel).await?;
            let plan = plan.map(|plan| agent.plan_of(&plan, &task)).transpose().map_err(usage)?;
            let journal = args.options.journal()?;
            let watch = Watch { cancel, sinks: args.options.sinks(journal.as_ref()), past: None };
            (recorded.anew_from(step, plan.as_ref(), &agent, watch).await?, journal)
        }
    };
    args.report.tell(&report, &task.images, journal.as_deref(), args.options.json)
}
