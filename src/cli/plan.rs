//! `lavr plan`

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::options::{LlmOptions, open_images, show_steps};
use super::steps::Steps;
use super::{Exit, output};
use crate::agent::Watch;
use crate::cx::EventSink;
use crate::error::{Error, Result};
use crate::image::{Frame, Image};
use crate::task::Task;
use crate::trace::Trace;

#[derive(Args)]
#[command(after_help = "Example:\n  lavr plan \"Are there more dogs than cats?\" --json")]
pub(super) struct PlanArgs {
    /// What would be asked
    question: String,

    /// The images; without any, one image is assumed
    #[arg(long = "image", value_name = "IMAGE")]
    images: Vec<PathBuf>,

    #[command(flatten)]
    llm: LlmOptions,

    /// Print one JSON object: plan, faults, repairs
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: PlanArgs, cancel: CancellationToken) -> Result<Exit> {
    args.llm.start_log();
    if args.question.trim().is_empty() {
        output::complain(&Error::invalid("the question is empty"));
        return Ok(Exit::Usage);
    }
    let config = args.llm.config();
    let mut images = open_images(&args.images, &config)?;
    if images.is_empty() {
        images.push(Image::from_pixels(image::RgbImage::new(1, 1), Frame::ROOT));
    }
    let task = Task::new(args.question.clone(), images).with_budget(config.budget.clone());
    let faults = Arc::new(LastFaults::default());
    let mut sinks: Vec<Arc<dyn EventSink>> = vec![Arc::<LastFaults>::clone(&faults)];
    if show_steps(args.llm.verbose, args.json) {
        sinks.push(Arc::new(Steps));
    }
    let agent = args.llm.agent(&config).await?;
    let planned = agent.plan(&task, Watch { cancel, sinks }).await;
    report(&args, planned, &faults)
}

fn report(args: &PlanArgs, planned: Result<Trace>, faults: &LastFaults) -> Result<Exit> {
    match planned {
        Ok(trace) => {
            let plan = trace.plan.as_ref().map(crate::plan::Plan::to_json);
            if args.json {
                output::print_json(&json!({ "plan": plan, "faults": [], "repairs": trace.repairs }))?;
            } else {
                let plan = crate::prompt::spaced_json(&plan.unwrap_or_default())?;
                output::print(&output::safe(&plan))?;
            }
            Ok(Exit::Answered)
        }
        Err(error) if args.json => {
            let (plan, faults, repairs) = faults.take();
            output::print_json(&json!({
                "plan": plan, "faults": faults, "repairs": repairs,
                "error": crate::observation::Failure::from(&error),
            }))?;
            Ok(super::exit_for(error.kind()))
        }
        Err(error) => Err(error),
    }
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
