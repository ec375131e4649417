//! The command line: parses, runs, and says how it went by its exit code.

mod ask;
mod demos;
mod eval;
mod mcp;
mod models;
mod options;
mod output;
mod plan;
mod progress;
mod region;
mod replay;
mod report;
mod serve;
mod steps;
mod tools;
mod view;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, ErrorKind};

/// Exit codes: what became of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The question was answered, or the command did its work.
    Answered = 0,
    /// The command failed.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The evidence does not answer the question.
    Unanswerable = 3,
    /// A limit was reached; what is known was printed.
    Budget = 4,
    /// Ctrl-C stopped the command.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Ask questions about images: an LLM plans, small expert models see, and every claim points at its evidence.
#[derive(Parser)]
#[command(
    name = "lavr",
    version,
    after_help = "Examples:\n  \
        lavr ask photo.jpg \"How many people are there?\"\n  \
        lavr ask receipt.jpg \"What is the total?\" --annotate seen.png --trace run.jsonl\n  \
        lavr view run.jsonl -o run.html\n  \
        lavr plan \"Are there more dogs than cats?\" --json\n  \
        lavr tools run read_text --image sign.jpg --json\n\n\
        Exit codes: 0 answered, 1 failed, 2 usage, 3 not answerable from the evidence, 4 budget reached, 130 stopped by Ctrl-C.\n\
        Models are kept in ~/.cache/lavr (or LAVR_HOME); LAVR_OFFLINE=1 never fetches."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Answer a question about one or more images
    Ask(ask::AskArgs),
    /// Write and check the plan for a question, without running it
    Plan(plan::PlanArgs),
    /// Score answers on questions whose truth is known
    Eval(Box<eval::EvalArgs>),
    /// Answer questions over HTTP, for any client of the OpenAI protocol
    Serve(Box<serve::ServeArgs>),
    /// Do a run again from its trace, without LLM and models, or anew from one of its steps
    Replay(Box<replay::ReplayArgs>),
    /// Show a recorded run, or two beside one another, as a page for a browser
    View(view::ViewArgs),
    /// Offer the tools, and whole answers, to a client of MCP (the Model Context Protocol) over stdin and stdout
    Mcp(Box<mcp::McpArgs>),
    /// List, check or search the in-context demos, or learn one from a run
    Demos(demos::DemosArgs),
    /// List, describe or run the tools a plan can call
    Tools(tools::ToolsArgs),
    /// List the model files, or fetch them ahead of time
    Models(models::ModelsArgs),
}

/// Runs the program with the process's arguments.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Printing help fails only when the terminal is gone; nobody is left to tell.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Answered.into() };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::complain(&Error::internal(format!("cannot start: {error}")));
            return Exit::Failed.into();
        }
    };
    end(runtime.block_on(dispatch(cli.command)))
}

/// Ends the process at once. Work that was cancelled may still be winding down in other threads: it
/// must not hold up the exit, and would crash if the globals of the C++ libraries it uses were destroyed.
fn end(exit: Exit) -> ! {
    // What cannot be printed any more has no reader.
    let _ = io::stdout().flush().and(io::stderr().flush());
    signal_hook::low_level::exit(exit as i32)
}

/// Why a command stopped, and its exit code.
struct Stop {
    error: Error,
    exit: Exit,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        let exit = exit_of(error.kind());
        Self { error, exit }
    }
}

/// The exit code of a command that ended in an error.
fn exit_of(kind: ErrorKind) -> Exit {
    match kind {
        ErrorKind::Budget => Exit::Budget,
        // Nothing but Ctrl-C cancels here.
        ErrorKind::Cancelled => Exit::Interrupted,
        _ => Exit::Failed,
    }
}

/// Stops a command because its command line is wrong.
fn usage(error: Error) -> Stop {
    Stop { error, exit: Exit::Usage }
}

async fn dispatch(command: Command) -> Exit {
    let cancel = CancellationToken::new();
    tokio::spawn(cancel_on_interrupt(cancel.clone()));
    let result = match command {
        Command::Ask(args) => ask::run(args, cancel).await,
        Command::Plan(args) => plan::run(args, cancel).await,
        Command::Eval(args) => eval::run(*args, cancel).await,
        Command::Serve(args) => serve::run(*args, cancel).await,
        Command::Replay(args) => replay::run(*args, cancel).await,
        Command::View(args) => view::run(&args),
        Command::Mcp(args) => mcp::run(*args, cancel).await,
        Command::Demos(args) => demos::run(args, cancel).await,
        Command::Tools(args) => tools::run(args, cancel).await,
        Command::Models(args) => models::run(args, cancel).await,
    };
    result.unwrap_or_else(|stop| {
        output::complain(&stop.error);
        stop.exit
    })
}

/// With `--json`, a command that stops prints an object that says why, too.
fn or_json(result: Result<Exit, Stop>, json: bool, object: impl FnOnce(&Error) -> Json) -> Result<Exit, Stop> {
    if let (Err(stop), true) = (&result, json) {
        output::print_json(&object(&stop.error))?;
    }
    result
}

/// The first Ctrl-C stops the run in order, the second at once.
async fn cancel_on_interrupt(cancel: CancellationToken) {
    if tokio::signal::ctrl_c().await.is_ok() {
        cancel.cancel();
    }
    if tokio::signal::ctrl_c().await.is_ok() {
        // Not even what was printed is waited for: its reader may be what hangs.
        signal_hook::low_level::exit(Exit::Interrupted as i32);
    }
}
