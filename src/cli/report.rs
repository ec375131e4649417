//! Reports: what a run came to, on stdout, and drawn into the images.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::options::{check_picture, save_image};
use super::{Exit, Stop, exit_of, output};
use crate::agent::{Report, Timings};
use crate::answer::{Status, Usage};
use crate::error::{Error, Result};
use crate::image::Image;
use crate::observation::Failure;
use crate::tool::annotate;
use crate::trace::TraceWriter;

/// Options of the commands that answer.
#[derive(Args)]
pub(super) struct ReportOptions {
    /// Draw what the answer rests on into this picture (PNG or JPEG)
    #[arg(long, value_name = "OUT.png")]
    annotate: Option<PathBuf>,
}

impl ReportOptions {
    /// Refuses a picture that cannot be written, or would replace one of these files.
    pub(super) fn check(&self, kept: &[PathBuf]) -> Result<()> {
        check_picture("--annotate", self.annotate.as_ref(), kept)
    }

    /// Prints the answer, draws what it rests on, and says how the run went.
    pub(super) fn tell(
        &self,
        report: &Report,
        images: &[Image],
        journal: Option<&TraceWriter>,
        as_json: bool,
    ) -> Result<Exit, Stop> {
        print(report, as_json)?;
        let exit = match report.answer.status {
            Status::Answered | Status::Guessed => Exit::Answered,
            Status::Unanswerable => Exit::Unanswerable,
            Status::Budget => Exit::Budget,
            Status::Failed => report.error.as_ref().map_or(Exit::Failed, |error| exit_of(error.kind)),
        };
        Ok(self.keep(report, images, journal).map_or_else(
            |error| {
                // The answer is out already; what could not be kept is told beside it.
                output::complain(&error);
                Exit::Failed
            },
            |()| exit,
        ))
    }

    /// Writes the picture, and tells when the journal could not be written.
    fn keep(&self, report: &Report, images: &[Image], journal: Option<&TraceWriter>) -> Result<()> {
        if let Some(path) = self.annotate.as_ref().filter(|_| report.answer.status != Status::Failed) {
            draw(report, images, path)?;
        }
        journal.and_then(TraceWriter::take_error).map_or(Ok(()), Err)
    }
}

fn print(report: &Report, as_json: bool) -> Result<()> {
    if as_json {
        return output::print_json(&report.to_json());
    }
    if let Some(standalone) = &report.standalone {
        output::note(&format!("understood as: {}", output::safe(standalone)));
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

/// What `--json` prints when there is no report.
pub(super) fn failed_json(error: &Error) -> serde_json::Value {
    json!({
        "answer": "", "status": Status::Failed, "claims": [], "plan": null, "steps": [],
        "usage": Usage::default(), "timings": Timings::default(),
        "error": Failure::from(error),
    })
}

/// Draws what the claims rest on; further images go to `OUT-2.png`, `OUT-3.png` ...
fn draw(report: &Report, images: &[Image], path: &Path) -> Result<()> {
    for (n, image) in images.iter().enumerate() {
        let items = report.marks(n);
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
