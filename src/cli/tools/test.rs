//! `lavr tools test`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::super::options::{check_picture, open_images, save_image};
use super::super::progress::Bars;
use super::super::{Exit, Stop, or_json, output, usage};
use super::readable;
use crate::agent::placed;
use crate::budget::Budget;
use crate::config::Config;
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::executor::arguments;
use crate::image::Image;
use crate::observation::Failure;
use crate::runner::Tensors;
use crate::store::{Progress, Store, StoreOptions};
use crate::tool::model::{Stats, numbers_of};
use crate::tool::{Added, Tool, annotate, builtin};
use crate::value::Value;

/// Numbers of a result may differ by this, or by this share of them where they are greater than 1.
const TOLERANCE: f64 = 1e-3;

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    lavr tools test estimate_pose --image photo.jpg --annotate seen.png\n  \
    lavr tools test find_parts --tools find_parts.toml --image photo.jpg --annotate seen.png\n  \
    lavr tools test find_parts --tools find_parts.toml --image photo.jpg --expect photo.json --update\n  \
    lavr tools test find_parts --tools find_parts.toml --image photo.jpg --expect photo.json")]
pub(super) struct TestArgs {
    /// The tool's name
    name: String,
    /// Its manifest (NAME.toml), or a folder of manifests; repeat for more. Without it, a built-in expert is tested
    #[arg(long, value_name = "FILE|DIR")]
    tools: Vec<PathBuf>,
    /// The image to look at
    #[arg(long, value_name = "IMAGE")]
    image: PathBuf,
    /// Its other arguments as a JSON object, such as the labels of a zero-shot model or a question
    #[arg(long, value_name = "JSON", default_value = "{}")]
    args: String,
    /// Compare the result with the one in this file: numbers may differ by 0.001, or that share of them; exit 1 when
    /// it differs
    #[arg(long, value_name = "FILE.json")]
    expect: Option<PathBuf>,
    /// Write the result to the file of --expect instead of comparing
    #[arg(long, requires = "expect")]
    update: bool,
    /// Draw what was found into this picture (PNG or JPEG)
    #[arg(long, value_name = "OUT.png")]
    annotate: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: TestArgs, cancel: CancellationToken) -> Result<Exit, Stop> {
    let json = args.json;
    or_json(test(&args, cancel).await, json, |error| json!({ "error": Failure::from(error) }))
}

async fn test(args: &TestArgs, cancel: CancellationToken) -> Result<Exit, Stop> {
    check_picture("--annotate", args.annotate.as_ref(), std::slice::from_ref(&args.image)).map_err(usage)?;
    let progress: Arc<dyn Progress> = Arc::new(Bars::new());
    let store = Store::open(StoreOptions::from_env()?)?;
    let added = match args.tools.as_slice() {
        [] => builtin::experts(&store, &progress)?,
        files => builtin::added(files, &store, &progress).map_err(usage)?,
    };
    let names: Vec<&str> = added.iter().map(|added| added.manifest.name.as_str()).collect();
    let missing = || {
        let file = if args.tools.is_empty() { " (--tools names a file of your own)" } else { "" };
        let message = format!("no manifest describes `{}`, only {}{file}", args.name, names.join(", "));
        usage(Error::new(ErrorKind::NotFound, message))
    };
    let tool = added.iter().find(|added| added.manifest.name == args.name).ok_or_else(missing)?;
    let config = Config::default();
    let images = open_images(std::slice::from_ref(&args.image), &config)?;
    let image = images.first().ok_or_else(|| Error::internal("an image was lost"))?;
    let written: serde_json::Map<String, Json> = serde_json::from_str(&args.args)
        .map_err(|e| usage(Error::invalid(format!("--args is no JSON object: {e}")).with_source(e)))?;
    let seen = Seen::of(tool, image, &written, &cancel).await?;
    if let Some(path) = &args.annotate {
        save_image(&annotate::draw(image, &placed(&seen.value)), path)?;
    }
    let difference = args.expected(&seen)?;
    if args.json {
        let result = seen.value.to_json();
        output::print_json(&json!({
            "input": stats(&seen.input), "outputs": stats(&seen.outputs), "result": result,
            "ms": { "load": seen.ms[0], "first": seen.ms[1], "second": seen.ms[2] }, "difference": difference,
        }))?;
    } else {
        output::print(&output::safe(&seen.text()))?;
        if let Some(difference) = &difference {
            output::print(&output::safe(&format!("\nNot as expected: {difference}")))?;
        }
    }
    Ok(if difference.is_some() { Exit::Failed } else { Exit::Answered })
}

impl TestArgs {
    /// How the result differs from the expected one, if it does.
    fn expected(&self, seen: &Seen) -> Result<Option<String>> {
        let Some(path) = &self.expect else { return Ok(None) };
        let place = |e: Error| e.context(format!("--expect `{}`", path.display()));
        let result = seen.value.to_json();
        if self.update {
            let text = serde_json::to_string_pretty(&result).map_err(|e| Error::internal("a result").with_source(e))?;
            std::fs::write(path, text + "\n").map_err(|e| place(e.into()))?;
            return Ok(None);
        }
        let text = std::fs::read_to_string(path)
            .map_err(|e| place(Error::from(e)).context("--update writes the file that is missing"))?;
        let expected: Json =
            serde_json::from_str(&text).map_err(|e| place(Error::invalid(format!("no JSON: {e}")).with_source(e)))?;
        Ok(difference("result", &expected, &result))
    }
}

/// What the tool made of the image.
struct Seen {
    input: Tensors,
    outputs: Tensors,
    value: Value,
    /// Milliseconds: loading the model, the first look, the second.
    ms: [u64; 3],
}

impl Seen {
    async fn of(
        added: &Added,
        image: &Image,
        written: &serde_json::Map<String, Json>,
        cancel: &CancellationToken,
    ) -> Result<Self> {
        // Fetching and loading is not bounded by the limits of a run.
        let budget = Budget { timeout_ms: 86_400_000, ..Budget::default() };
        let cx = Cx::with(budget, cancel.clone(), Vec::new());
        let mut args = arguments(&added.tool.spec().signature, written)?;
        args.set("image", Value::Image(image.clone()));
        let ms = |began: Instant| u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let began = Instant::now();
        added.tool.prepare(&cx).await?;
        let load = ms(began);
        let began = Instant::now();
        let look = added.tool.look(&cx, image, &args).await?;
        let first = ms(began);
        let began = Instant::now();
        // The second time as a plan calls it.
        let value = added.tool.call(&cx, args).await?;
        Ok(Self { input: look.input, outputs: look.outputs, value, ms: [load, first, ms(began)] })
    }

    fn text(&self) -> String {
        let lines = |word: &str, tensors: &Tensors| -> Vec<String> {
            let line = |(name, tensor): &(String, crate::runner::Tensor)| {
                let Stats { min, max, mean } = Stats::of(&numbers_of(tensor));
                let (of, shape) = (tensor.type_name(), tensor.shape());
                format!("{word:<8}`{name}` {of}{shape:?}: least {min:.4}, greatest {max:.4}, mean {mean:.4}")
            };
            tensors.iter().map(line).collect()
        };
        let mut all = lines("input", &self.input);
        all.extend(lines("output", &self.outputs));
        let result = readable(&self.value);
        all.extend(result.lines().enumerate().map(|(n, line)| {
            let word = if n == 0 { "result" } else { "" };
            format!("{word:<8}{line}")
        }));
        let [load, first, second] = self.ms;
        all.push(format!("{:<8}{load} ms to load, {first} ms the first look, {second} ms the second", "time"));
        all.join("\n")
    }
}

fn stats(tensors: &Tensors) -> Json {
    let stats = |(name, tensor): &(String, crate::runner::Tensor)| {
        let Stats { min, max, mean } = Stats::of(&numbers_of(tensor));
        json!({ "name": name, "type": tensor.type_name(), "shape": tensor.shape(), "min": min, "max": max, "mean": mean })
    };
    tensors.iter().map(stats).collect()
}

/// The first place where two results differ.
fn difference(place: &str, expected: &Json, got: &Json) -> Option<String> {
    let differs = || Some(format!("{place} is {got}, and {expected} was expected"));
    match (expected, got) {
        (Json::Number(a), Json::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
            if (a - b).abs() <= TOLERANCE * a.abs().max(1.0) { None } else { differs() }
        }
        (Json::Array(a), Json::Array(b)) => {
            if a.len() != b.len() {
                return Some(format!("{place} has {} elements, and {} were expected", b.len(), a.len()));
            }
            a.iter().zip(b).enumerate().find_map(|(n, (a, b))| difference(&format!("{place}[{n}]"), a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            if !a.keys().all(|key| b.contains_key(key)) || a.len() != b.len() {
                return differs();
            }
            a.iter().find_map(|(key, a)| difference(&format!("{place}.{key}"), a, b.get(key)?))
        }
        (a, b) if a == b => None,
        _ => differs(),
    }
}
