//! `lavr view`

use std::path::{Path, PathBuf};

use clap::Args;

use super::options::{same_file, save};
use super::{Exit, Stop, output, usage};
use crate::error::{Error, ErrorKind, Result};
use crate::view::{Recorded, page};

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

    /// The page to write; one that is there already is replaced
    #[arg(short, long, value_name = "FILE.html")]
    output: PathBuf,
}

pub(super) fn run(args: &ViewArgs) -> Result<Exit, Stop> {
    let traces: Vec<&Path> = args.trace.iter().chain(&args.compare).map(PathBuf::as_path).collect();
    check_output(&args.output, &traces).map_err(usage)?;
    let runs = traces.into_iter().map(Recorded::open).collect::<Result<Vec<Recorded>>>()?;
    let file = args.output.display();
    save(&args.output, page(&runs).as_bytes())
        .map_err(|e| Error::new(ErrorKind::Io, format!("page `{file}` cannot be written: {e}")).with_source(e))?;
    let missing: usize = runs.iter().map(Recorded::missing).sum();
    if missing > 0 {
        output::note(&format!("{missing} of the images could not be read from beside the trace; the page says which"));
    }
    output::note(&format!("wrote {file}: open it in a browser"));
    Ok(Exit::Answered)
}

/// Refuses a file that would replace a trace, and one that no browser would take for a page.
fn check_output(file: &Path, traces: &[&Path]) -> Result<()> {
    let shown = file.display();
    if traces.iter().any(|trace| same_file(trace, file)) {
        return Err(Error::invalid(format!("--output `{shown}` is the trace itself; give another file")));
    }
    let ending = file.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    if !matches!(ending.as_deref(), Some("html" | "htm")) {
        return Err(Error::invalid(format!("--output `{shown}`: use a name that ends in .html")));
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir());
    folder.map_or(Ok(()), |folder| {
        Err(Error::invalid(format!("--output: the folder `{}` does not exist", folder.display())))
    })
}
