//! `lavr demos`

mod add;
mod check;
mod search;

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::progress::Bars;
use super::{Exit, Stop, or_json, output, usage};
use crate::config::Config;
use crate::demo::DemoFor;
use crate::error::{Error, ErrorKind, Result};
use crate::observation::Failure;
use crate::prompt::{Listed, PlanLibrary};
use crate::store::Progress;
use crate::tool::Catalog;

#[derive(Args)]
pub(super) struct DemosArgs {
    #[command(subcommand)]
    command: DemosCommand,
}

#[derive(Subcommand)]
enum DemosCommand {
    /// List the demos that there are: built in, of tools, and in files
    List(ListArgs),
    /// Check a file of demos: every line is a demo, its plan fits the tools, and none repeats another
    Check(check::CheckArgs),
    /// Show which demos would go along with a question
    Search(search::SearchArgs),
    /// Make a demo of a run that answered, and append it to a file
    Add(add::AddArgs),
}

/// What demos are read with.
#[derive(Args)]
struct With {
    /// More tools, as `lavr ask --tools` takes them
    #[arg(long, value_name = "NAME|FILE|DIR")]
    tools: Vec<PathBuf>,
}

#[derive(Args)]
struct ListArgs {
    /// List these files of demos, too (*.jsonl), or folders of them
    #[arg(long, value_name = "FILE|DIR")]
    demos: Vec<PathBuf>,

    #[command(flatten)]
    with: With,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: DemosArgs, cancel: CancellationToken) -> Result<Exit, Stop> {
    let object = |error: &Error| json!({ "error": Failure::from(error) });
    match args.command {
        DemosCommand::List(args) => or_json(list(&args), args.json, object),
        DemosCommand::Check(args) => or_json(check::run(&args), args.json, object),
        DemosCommand::Search(args) => {
            let json = args.json;
            or_json(search::run(args, cancel).await, json, object)
        }
        DemosCommand::Add(args) => or_json(add::run(&args), args.json, object),
    }
}

/// What is wrong with a file or an option that was given is an error of usage.
fn given(error: Error) -> Stop {
    if error.kind() == ErrorKind::InvalidInput { usage(error) } else { error.into() }
}

fn catalog(with: &With) -> Result<Catalog, Stop> {
    let progress: Arc<dyn Progress> = Arc::new(Bars::new());
    Config { tools: with.tools.clone(), ..Config::default() }.catalog(&progress).map_err(given)
}

/// The demos of these files beside those of prompts and tools, with the tools.
fn library(demos: &[PathBuf], with: &With) -> Result<(PlanLibrary, Catalog), Stop> {
    let progress: Arc<dyn Progress> = Arc::new(Bars::new());
    let config = Config { tools: with.tools.clone(), demos: demos.to_vec(), ..Config::default() };
    config.library(&progress).map_err(given)
}

fn list(args: &ListArgs) -> Result<Exit, Stop> {
    let (library, _) = library(&args.demos, &args.with)?;
    let all = library.list();
    if args.json {
        let demos: Vec<Json> = all.iter().map(json_of).collect();
        output::print_json(&json!({ "demos": demos, "left_out": library.left_out() }))?;
        return Ok(Exit::Answered);
    }
    for demo in &all {
        output::print(&output::safe(&line_of(demo)))?;
    }
    for place in library.left_out() {
        output::note(&output::safe(&format!("{place} is left out: not all tools of its plan are there")));
    }
    Ok(Exit::Answered)
}

fn json_of(demo: &Listed) -> Json {
    let Listed { place, question, images, description, tools, serves } = demo;
    json!({
        "place": place, "question": question, "images": images, "description": description, "tools": tools,
        "for": serves,
    })
}

fn line_of(demo: &Listed) -> String {
    let readers: Vec<String> = demo.serves.iter().map(DemoFor::to_string).collect();
    let tools = if demo.tools.is_empty() { "no plan".to_owned() } else { demo.tools.join(", ") };
    format!("{}: {} [{tools}] for {}", demo.place, demo.question, readers.join(", "))
}
