//! `lavr view`

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::Args;

use super::options::{same_file, save};
use super::{Exit, Stop, output, usage};
use crate::error::{Error, ErrorKind, Result};
use crate::otel::otlp;
use crate::view::{Recorded, mermaid, page};

#[derive(Args)]
#[command(
    after_help = "The page is one file that needs no network: the question, the answer, what each claim of it rests \
    on in the images, the plan as a graph, what ran when, and what was asked of the LLM. It holds the images and all \
    prompts; send it to nobody who may not see them. A run that was killed is shown as far as it went.\n\n\
    Examples:\n  \
    lavr ask photo.jpg \"How many people are there?\" --trace run.jsonl\n  \
    lavr view run.jsonl -o run.html\n  \
    lavr ask photo.jpg \"How many people are there?\" --mode decision-maker --trace rounds.jsonl\n  \
    lavr view --compare run.jsonl rounds.jsonl -o both.html"
)]
pub(super) struct ViewArgs {
    /// The journal of a run, as `lavr ask --trace` wrote it, its images beside it in TRACE.blobs
    #[arg(value_name = "TRACE", required_unless_present = "compare", conflicts_with = "compare")]
    trace: Option<PathBuf>,

    /// Show two runs beside one another, and mark what differs: steps, answers, times, tokens
    #[arg(long, num_args = 2, value_names = ["A", "B"])]
    compare: Vec<PathBuf>,

    /// The page to write; one that is there already is replaced. NAME.mmd is the plan as a Mermaid flowchart, NAME.json
    /// the trace as one JSON array, NAME.otlp.json its run as spans of OpenTelemetry
    #[arg(short, long, value_name = "FILE.html")]
    output: PathBuf,

    /// With NAME.otlp.json: prompts, replies, arguments and results, too
    #[arg(long)]
    contents: bool,
}

pub(super) fn run(args: &ViewArgs) -> Result<Exit, Stop> {
    let traces: Vec<&Path> = args.trace.iter().chain(&args.compare).map(PathBuf::as_path).collect();
    check_output(&args.output, &traces).map_err(usage)?;
    if args.contents && !are_spans(&args.output) {
        let why =
            "--contents is for spans, which a file named NAME.otlp.json holds; all else holds the contents anyway";
        return Err(usage(Error::invalid(why)));
    }
    let runs = traces.iter().map(Recorded::open).collect::<Result<Vec<Recorded>>>()?;
    let file = args.output.display();
    let text = match Form::of(&args.output, &runs).map_err(usage)? {
        Form::Page => page(&runs),
        Form::Chart(run) => mermaid(run.entries()),
        Form::Spans(run) => otlp(run.entries(), modified(traces.first()), args.contents)?,
        Form::Entries(run) => serde_json::to_string_pretty(run.entries())
            .map_err(|e| Error::internal("the trace has no JSON form").with_source(e))?,
    };
    save(&args.output, text.as_bytes())
        .map_err(|e| Error::new(ErrorKind::Io, format!("page `{file}` cannot be written: {e}")).with_source(e))?;
    let missing: usize = runs.iter().map(Recorded::missing).sum();
    if missing > 0 {
        output::note(&format!("{missing} of the images could not be read from beside the trace; the page says which"));
    }
    let how = if is_page(&args.output) { ": open it in a browser" } else { "" };
    output::note(&format!("wrote {file}{how}"));
    Ok(Exit::Answered)
}

/// When a file was written last; now, where that is not known.
fn modified(file: Option<&&Path>) -> SystemTime {
    file.and_then(|file| file.metadata().ok()?.modified().ok()).unwrap_or_else(SystemTime::now)
}

/// What is written, by the file's ending.
enum Form<'a> {
    Page,
    Chart(&'a Recorded),
    Spans(&'a Recorded),
    Entries(&'a Recorded),
}

impl<'a> Form<'a> {
    fn of(file: &Path, runs: &'a [Recorded]) -> Result<Self> {
        if is_page(file) {
            return Ok(Self::Page);
        }
        let [run] = runs else {
            return Err(Error::invalid("two runs are compared on a page; give a file that ends in .html"));
        };
        Ok(match ending(file).as_str() {
            "mmd" => Self::Chart(run),
            _ if are_spans(file) => Self::Spans(run),
            _ => Self::Entries(run),
        })
    }
}

fn ending(file: &Path) -> String {
    file.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default()
}

fn are_spans(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().to_lowercase().ends_with(".otlp.json"))
}

fn is_page(file: &Path) -> bool {
    matches!(ending(file).as_str(), "html" | "htm")
}

/// Refuses a file that would replace a trace, and one that no browser would take for a page.
fn check_output(file: &Path, traces: &[&Path]) -> Result<()> {
    let shown = file.display();
    if traces.iter().any(|trace| same_file(trace, file)) {
        return Err(Error::invalid(format!("--output `{shown}` is the trace itself; give another file")));
    }
    if !matches!(ending(file).as_str(), "html" | "htm" | "mmd" | "json") {
        let why = format!(
            "--output `{shown}`: use a name that ends in .html, .mmd (a Mermaid flowchart), .json or \
                           .otlp.json (spans of OpenTelemetry)"
        );
        return Err(Error::invalid(why));
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir());
    folder.map_or(Ok(()), |folder| {
        Err(Error::invalid(format!("--output: the folder `{}` does not exist", folder.display())))
    })
}
