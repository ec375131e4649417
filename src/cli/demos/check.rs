//! `lavr demos check`

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value as Json, json};

use super::super::{Exit, Stop, output};
use super::{With, catalog};
use crate::demo;
use crate::error::Result;

#[derive(Args)]
pub(super) struct CheckArgs {
    /// A file of demos (*.jsonl), or a folder of them
    #[arg(value_name = "FILE|DIR")]
    file: PathBuf,

    #[command(flatten)]
    with: With,

    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Says of every line what is wrong with it.
pub(super) fn run(args: &CheckArgs) -> Result<Exit, Stop> {
    let catalog = catalog(&args.with)?;
    let (mut sound, mut flaws) = (0, Vec::new());
    for file in demo::files(&args.file)? {
        let (demos, of_file) = demo::check(&file, &catalog)?;
        sound += demos.iter().filter(|demo| of_file.iter().all(|flaw| flaw.line != demo.line)).count();
        flaws.extend(of_file.into_iter().map(|flaw| (file.clone(), flaw)));
    }
    if args.json {
        let flaws: Vec<Json> = flaws
            .iter()
            .map(|(file, flaw)| json!({ "file": file.to_string_lossy(), "line": flaw.line, "message": flaw.message }))
            .collect();
        output::print_json(&json!({ "sound": sound, "flaws": flaws }))?;
    } else {
        for (file, flaw) in &flaws {
            output::print(&output::safe(&format!("{}: {flaw}", file.display())))?;
        }
        output::print(&if sound == 1 { "1 demo is sound".to_owned() } else { format!("{sound} demos are sound") })?;
    }
    Ok(if flaws.is_empty() { Exit::Answered } else { Exit::Failed })
}
