//! `lavr models`: what is in the store, and fetching it ahead of time.

use clap::{Args, Subcommand};
use futures::StreamExt;
use futures::stream;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::output;
use super::progress::Bars;
use super::{Exit, Stop};
use crate::embedder;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{self, Artefact, Store, StoreOptions, human_size};
use crate::tool;

/// An artefact and what needs it.
#[derive(Debug, Clone)]
struct Needed {
    artefact: Artefact,
    /// What uses it: tools by name, options for LLMs.
    used_by: Vec<String>,
    /// Whether it is fetched only when it is named.
    is_more: bool,
}

/// `lavr models`.
#[derive(Args)]
pub(super) struct ModelsArgs {
    #[command(subcommand)]
    command: ModelsCommand,
}

#[derive(Subcommand)]
enum ModelsCommand {
    /// List the files that tools, LLMs and the choice of demos need, and whether they are there
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Fetch files ahead of time: the named ones, or all
    Pull {
        /// Files or tools, as `lavr models list` shows them; without any, all but the files of tools that are off
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
}

pub(super) async fn run(args: ModelsArgs, cancel: CancellationToken) -> Result<Exit, Stop> {
    let store = Store::open(StoreOptions::from_env()?)?;
    run_over(args, &store, &needed()?, &cancel).await?;
    Ok(Exit::Answered)
}

/// What the embedder is for.
const CHOOSING: &str = "choosing demos";

/// Everything that tools, LLMs and the embedder need on this platform.
fn needed() -> Result<Vec<Needed>> {
    let mut for_tools = tool::builtin::artefacts()?;
    for (artefact, users) in &mut for_tools {
        if artefact.name == "onnxruntime" {
            users.push(CHOOSING.to_owned());
        }
    }
    let embedder = embedder::artefacts()?;
    let of_tools: Vec<&str> = for_tools.iter().map(|(artefact, _)| artefact.name.as_str()).collect();
    let mut others = store::builtin()?;
    others.retain(|artefact| !of_tools.contains(&artefact.name.as_str()));
    let others = others.into_iter().map(|artefact| {
        let users = vec![user_of(&artefact, &embedder)];
        (artefact, users)
    });
    let usual = for_tools.into_iter().chain(others).map(|usual| (usual, false));
    let all = usual.chain(tool::builtin::more_artefacts()?.into_iter().map(|more| (more, true)));
    Ok(all.map(|((artefact, used_by), is_more)| Needed { artefact, used_by, is_more }).collect())
}

/// What uses an artefact of `lavr`'s own: the option of an LLM, or the embedder.
fn user_of(artefact: &Artefact, embedder: &[Artefact]) -> String {
    if embedder.iter().any(|of_embedder| of_embedder.name == artefact.name) {
        return CHOOSING.to_owned();
    }
    match artefact.name.as_str() {
        "smollm2-135m" => "--llm local:tiny".to_owned(),
        _ => "--llm local".to_owned(),
    }
}

/// Runs the command over the given artefacts; `cancel` stops it, keeping what has arrived.
async fn run_over(args: ModelsArgs, store: &Store, needed: &[Needed], cancel: &CancellationToken) -> Result<()> {
    let work = async {
        match args.command {
            ModelsCommand::List { json } => list(store, needed, json).await,
            ModelsCommand::Pull { names } => pull(store, needed, &names).await,
        }
    };
    match cancel.run_until_cancelled(work).await {
        Some(result) => result,
        None => Err(Error::new(ErrorKind::Cancelled, "stopped; the next pull goes on from here")),
    }
}

/// How many artefacts are fetched at once.
const AT_ONCE: usize = 3;

/// Prints every artefact: name, size, licence, whether it is there, what uses it.
async fn list(store: &Store, needed: &[Needed], json: bool) -> Result<()> {
    let mut rows = Vec::new();
    for Needed { artefact, used_by, .. } in needed {
        let artefact = store.pinned(artefact)?.unwrap_or_else(|| artefact.clone());
        let (store, wanted) = (store.clone(), artefact.clone());
        // A file that is not known to be unchanged is read whole: not on this thread.
        let check = tokio::task::spawn_blocking(move || store.path_if_ready(&wanted)).await;
        let path = check.map_err(|error| Error::internal("checking a file failed").with_source(error))?;
        rows.push((artefact, used_by, path));
    }
    let text = if json {
        let rows: Vec<_> = rows
            .iter()
            .map(|(Artefact { name, size, licence, sha256, .. }, used_by, path)| {
                json!({ "name": name, "size": size, "licence": licence, "sha256": sha256,
                        "ready": path.is_some(), "path": path, "used_by": used_by })
            })
            .collect();
        format!("{}\n", serde_json::to_string_pretty(&rows).map_err(|e| Error::internal("json").with_source(e))?)
    } else {
        let table: Vec<[String; 5]> = rows
            .iter()
            .map(|(Artefact { name, size, licence, .. }, used_by, path)| {
                let state = if path.is_some() { "ready" } else { "missing" };
                let size = if *size == 0 { "?".to_owned() } else { human_size(*size) };
                [name.clone(), size, licence.clone(), state.to_owned(), used_by.join(", ")]
            })
            .collect();
        in_columns(&table)
    };
    output::print(text.trim_end())
}

fn in_columns(rows: &[[String; 5]]) -> String {
    let head = ["NAME", "SIZE", "LICENCE", "STATE", "USED BY"].map(str::to_owned);
    let all: Vec<&[String; 5]> = std::iter::once(&head).chain(rows).collect();
    let width = |column: usize| all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..head.len()).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in all {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Fetches the named artefacts, or those of the named tools, and prints where they are. When none is named these are all
/// that are needed without switching a tool on.
///
/// One that fails does not keep the others from being fetched; the error tells of all that failed.
async fn pull(store: &Store, needed: &[Needed], names: &[String]) -> Result<()> {
    let chosen = choose(needed, names)?;
    let bars = Bars::new();
    let mut results = stream::iter(chosen)
        .map(|artefact| {
            let bars = &bars;
            async move { (artefact.name.as_str(), store.get(artefact, bars).await) }
        })
        .buffer_unordered(AT_ONCE);
    let mut failures: Vec<Error> = Vec::new();
    while let Some((name, result)) = results.next().await {
        match result {
            Ok(path) => output::print(&format!("{name}\t{}", path.display()))?,
            Err(error) => failures.push(error),
        }
    }
    drop(results);
    match failures.len() {
        0 => Ok(()),
        1 => failures.pop().map_or(Ok(()), Err),
        n => {
            let kind = failures.first().map_or(ErrorKind::Network, Error::kind);
            let lines: Vec<String> = failures.iter().map(ToString::to_string).collect();
            Err(Error::new(kind, format!("{n} files could not be fetched:\n{}", lines.join("\n"))))
        }
    }
}

fn choose<'a>(needed: &'a [Needed], names: &[String]) -> Result<Vec<&'a Artefact>> {
    if names.is_empty() {
        return Ok(needed.iter().filter(|needed| !needed.is_more).map(|needed| &needed.artefact).collect());
    }
    let mut chosen: Vec<&Artefact> = Vec::new();
    for name in names {
        let is_meant = |needed: &&Needed| needed.artefact.name == *name || needed.used_by.contains(name);
        let found: Vec<&Artefact> = needed.iter().filter(is_meant).map(|needed| &needed.artefact).collect();
        if found.is_empty() {
            return Err(unknown(needed, name));
        }
        for artefact in found {
            if chosen.iter().all(|known| known.name != artefact.name) {
                chosen.push(artefact);
            }
        }
    }
    Ok(chosen)
}

fn unknown(needed: &[Needed], name: &str) -> Error {
    let names: Vec<&str> = needed.iter().map(|needed| needed.artefact.name.as_str()).collect();
    let tools = needed.iter().flat_map(|needed| &needed.used_by).map(String::as_str);
    let known = || names.iter().copied().chain(tools.clone());
    let closest = known().max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
    let hint = match closest.filter(|closest| strsim::jaro_winkler(closest, name) > 0.75) {
        Some(closest) => format!("did you mean `{closest}`?"),
        None => format!("there are: {}", names.join(", ")),
    };
    Error::new(ErrorKind::NotFound, format!("there is no artefact `{name}`; {hint}"))
}
