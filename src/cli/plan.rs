//! `lavr plan`

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::options::{LimitOptions, LlmOptions, WatchOptions, agent, lay_chain, open_images};
use super::{Exit, Stop, or_json, output, usage};
use crate::agent::Watch;
use crate::chain::DemoChoice;
use crate::cx::EventSink;
use crate::error::{Error, Result};
use crate::image::{Frame, Image};
use crate::observation::Failure;
use crate::plan::Plan;
use crate::prompt::spaced_json;
use crate::task::Task;
use crate::trace::Trace;

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    lavr plan \"Are there more dogs than cats?\" --json\n  \
    lavr plan \"Transcribe talk.mp3 and translate it\" --tools tool_desc.json")]
pub(super) struct PlanArgs {
    /// What would be asked
    question: String,

    /// The images; without any, one image is assumed
    #[arg(long = "image", value_name = "IMAGE")]
    images: Vec<PathBuf>,

    /// Print the plan as a program instead of JSON: `N = count(items=BOXES)`
    #[arg(long, conflicts_with = "json")]
    program: bool,

    #[command(flatten)]
    llm: LlmOptions,

    /// How many in-context demos go along, and which: demos=N, demo-choice=...; the other keys as in `lavr ask --help`
    #[arg(long, value_name = "KEY=VALUE,...")]
    chain: Vec<String>,

    #[command(flatten)]
    limits: LimitOptions,

    #[command(flatten)]
    options: WatchOptions,
}

pub(super) async fn run(args: PlanArgs, cancel: CancellationToken) -> Result<Exit, Stop> {
    args.options.start_log();
    let faults = Arc::new(LastFaults::default());
    let object = |error: &Error| {
        let (plan, faults, repairs) = faults.take();
        json!({ "plan": plan, "faults": faults, "repairs": repairs, "error": Failure::from(error) })
    };
    or_json(plan(&args, cancel, Arc::clone(&faults)).await, args.options.json, object)
}

async fn plan(args: &PlanArgs, cancel: CancellationToken, faults: Arc<LastFaults>) -> Result<Exit, Stop> {
    let mut config = args.limits.limit(args.llm.config().map_err(usage)?);
    lay_chain(&args.chain, &mut config).map_err(usage)?;
    config.chain.validate().map_err(usage)?;
    if config.chain.demo_choice == DemoChoice::Image && args.images.is_empty() {
        let why = "demos can be chosen by the image (`demo-choice=image`) only when there is one; give it with --image";
        return Err(usage(Error::invalid(why)));
    }
    if config.declares_tools() && (config.show_images || !args.images.is_empty()) {
        let why = "tools that are only declared look at no image: leave `--image` and `--show-images` out";
        return Err(usage(Error::invalid(why)));
    }
    args.options.check_trace(&args.images, config.llm_cache.as_ref()).map_err(usage)?;
    Task::new(args.question.clone(), Vec::new()).validate().map_err(usage)?;
    let mut images = open_images(&args.images, &config)?;
    if images.is_empty() && !config.declares_tools() {
        images.push(Image::from_pixels(image::RgbImage::new(1, 1), Frame::ROOT));
    }
    let task =
        Task::new(args.question.clone(), images).with_budget(config.budget.clone()).with_chain(config.chain.clone());
    let agent = agent(&config, &cancel).await?;
    let journal = args.options.journal()?;
    let mut sinks = args.options.sinks(journal.as_ref());
    sinks.push(faults);
    let trace = agent.plan(&task, Watch { cancel, sinks, past: None }).await?;
    print(args, &trace)?;
    journal.and_then(|journal| journal.take_error()).map_or(Ok(Exit::Answered), |error| Err(error.into()))
}

fn print(args: &PlanArgs, trace: &Trace) -> Result<()> {
    if args.program {
        return output::print(&output::safe(&trace.plan.as_ref().map(Plan::to_program).unwrap_or_default()));
    }
    let plan = trace.plan.as_ref().map(Plan::to_json).unwrap_or_default();
    if args.options.json {
        return output::print_json(&json!({ "plan": plan, "faults": [], "repairs": trace.repairs }));
    }
    output::print(&output::safe(&spaced_json(&plan)?))
}

/// Remembers the last faulty plan, for the JSON output.
#[derive(Default)]
struct LastFaults(std::sync::Mutex<(serde_json::Value, Vec<crate::plan::Fault>, u64)>);

impl LastFaults {
    fn take(&self) -> (serde_json::Value, Vec<crate::plan::Fault>, u64) {
        self.0.lock().map(|mut last| std::mem::take(&mut *last)).unwrap_or_default()
    }
}

impl EventSink for LastFaults {
    fn event(&self, entry: &crate::trace::Entry, _images: &[&Image]) {
        if let (crate::trace::Event::Faults { plan, faults }, Ok(mut last)) = (&entry.event, self.0.lock()) {
            let attempts = last.2 + u64::from(!last.1.is_empty());
            *last = (plan.clone(), faults.clone(), attempts);
        }
    }
}
