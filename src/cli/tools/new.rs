//! `lavr tools new`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::super::progress::Bars;
use super::super::{Exit, Stop, output, usage};
use crate::error::{Error, ErrorKind, Result};
use crate::runner::{LazyFile, OrtModel, OrtRuntime, Runner};
use crate::store::{Progress, Store, StoreOptions, builtin_artefact};
use crate::tool::catalog::is_name;
use crate::tool::model::draft;

#[derive(Args)]
#[command(after_help = "Example:\n  \
    lavr tools new find_parts --from models/parts.onnx\n\n\
    writes models/find_parts.toml, with what was guessed marked; edit it, and see what the tool does:\n\n  \
    lavr tools test find_parts --tools models/find_parts.toml --image photo.jpg")]
pub(super) struct NewArgs {
    /// The tool's name: lower-case letters, digits and `_`
    name: String,
    /// The model, an ONNX file; the manifest NAME.toml is written beside it
    #[arg(long, value_name = "MODEL.onnx")]
    from: PathBuf,
    /// Write over a manifest that is there already; a file of labels is kept
    #[arg(long)]
    force: bool,
}

pub(super) async fn run(args: NewArgs, cancel: CancellationToken) -> Result<Exit, Stop> {
    let NewArgs { name, from, force } = args;
    if !is_name(&name) {
        return Err(usage(Error::invalid(format!(
            "`{name}` is not a tool name; use lower-case letters, digits and `_`"
        ))));
    }
    let file = from.file_name().and_then(|file| file.to_str());
    let file = file.ok_or_else(|| usage(Error::invalid(format!("`{}` names no file", from.display()))))?.to_owned();
    if !from.is_file() {
        let message = format!("there is no model `{}`", from.display());
        return Err(Error::new(ErrorKind::NotFound, message).into());
    }
    let target = from.with_file_name(format!("{name}.toml"));
    let progress: Arc<dyn Progress> = Arc::new(Bars::new());
    let store = Store::open(StoreOptions::from_env()?)?;
    let library = LazyFile::stored(&store, builtin_artefact("onnxruntime")?, &progress);
    let runner = OrtRuntime::new(library).runner(name.clone(), OrtModel::File(LazyFile::at(&from)));
    let facts = cancel.run_until_cancelled(runner.facts()).await;
    let facts = facts.unwrap_or_else(|| Err(Error::new(ErrorKind::Cancelled, "stopped while the model was read")))?;
    let draft = draft(&name, &file, &facts)?;
    let ports = |ports: &[crate::runner::Port]| -> Vec<String> {
        ports.iter().map(|port| format!("  `{}` {port}", port.name)).collect()
    };
    let labels = draft.labels.as_ref().map(|(file, names)| (from.with_file_name(file), names));
    if target.exists() && !force {
        let message = format!("`{}` is there already; --force writes over it", target.display());
        return Err(usage(Error::invalid(message)));
    }
    // Labels that somebody filled in are kept, whatever is forced.
    if let Some((path, names)) = labels.filter(|(path, _)| !path.exists()) {
        write(&path, names)?;
    }
    write(&target, &draft.toml)?;
    let mut said = vec!["The model takes".to_owned()];
    said.extend(ports(&facts.inputs));
    said.push("and returns".to_owned());
    said.extend(ports(&facts.outputs));
    said.push(format!("\nWrote {}. Check what was guessed:", target.display()));
    said.extend(draft.guesses.iter().map(|guess| format!("  - {guess}")));
    said.push(format!("\nThen: lavr tools test {name} --tools {} --image PHOTO.jpg", target.display()));
    output::print(&output::safe(&said.join("\n")))?;
    Ok(Exit::Answered)
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|e| Error::from(e).context(format!("`{}` cannot be written", path.display())))
}
