//! `lavr demos add`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::super::{Exit, Stop, output};
use super::{With, catalog};
use crate::demo::{append, learn};
use crate::error::Result;
use crate::trace;

#[derive(Args)]
#[command(after_help = "Example:\n  \
    lavr ask photo.jpg \"How many people are there?\" --trace run.jsonl\n  \
    lavr demos add --from run.jsonl --to mine.jsonl\n  \
    lavr ask other.jpg \"How many dogs are there?\" --demos mine.jsonl\n\n\
    Text that was read from the image goes into the demo, and with it into later prompts: look it over when the image \
    is a stranger's.")]
pub(super) struct AddArgs {
    /// The journal of a run that answered, as `lavr ask --trace` wrote it
    #[arg(long, value_name = "TRACE")]
    from: PathBuf,

    /// The file of demos to append to; made when it is not there
    #[arg(long, value_name = "FILE.jsonl")]
    to: PathBuf,

    /// What is in the image, in words [default: what a step of the run said, when it ran `describe_scene`]
    #[arg(long, value_name = "TEXT")]
    image_description: Option<String>,

    #[command(flatten)]
    with: With,

    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Makes a demo of the run and appends it, unless the file has it already.
pub(super) fn run(args: &AddArgs) -> Result<Exit, Stop> {
    let catalog = catalog(&args.with)?;
    let place = |e: crate::error::Error| e.context(format!("trace `{}`", args.from.display()));
    let demo = learn(&trace::read(&args.from)?, &catalog, args.image_description.clone()).map_err(place)?;
    let line = append(&args.to, &demo)?;
    if args.json {
        output::print_json(&json!({ "demo": demo.to_json(), "line": line }))?;
        return Ok(Exit::Answered);
    }
    let file = args.to.display();
    output::print(&output::safe(&match line {
        Some(line) => format!("{file}:{line}: {}", demo.question),
        None => format!("{file} has this question with this plan already"),
    }))?;
    Ok(Exit::Answered)
}
