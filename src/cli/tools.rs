//! `lavr tools`

mod new;
mod test;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::options::{LimitOptions, WatchOptions, check_picture, open_images, save_image};
use super::progress::Bars;
use super::{Exit, Stop, or_json, output, usage};
use crate::agent::placed;
use crate::budget::Budget;
use crate::config::Config;
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::executor::Executor;
use crate::image::Image;
use crate::observation::{Failure, Outcome};
use crate::plan::{Plan, PlanLimits};
use crate::signature::Returns;
use crate::store::{Progress, Store, StoreOptions};
use crate::tool::builtin::{self, Off};
use crate::tool::{Available, Catalog, Manifest, Tool, ToolSpec, annotate};
use crate::value::{Mask, Value};

#[derive(Args)]
pub(super) struct ToolsArgs {
    #[command(subcommand)]
    command: ToolsCommand,
}

#[derive(Subcommand)]
enum ToolsCommand {
    /// List the tools a plan can call, and those that are off until `--tools NAME` switches them on
    List {
        /// Switch on the built-in tool of this name; list also the tools of a manifest (NAME.toml) or a folder of them,
        /// or those that a JSON catalogue declares
        #[arg(long, value_name = "NAME|FILE|DIR")]
        tools: Vec<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Describe one tool: arguments, result, limitations, licence
    Show {
        /// The tool's name
        name: String,
        /// Where the tool is, if not built in: a manifest (NAME.toml), a folder of them, or a JSON catalogue
        #[arg(long, value_name = "FILE|DIR")]
        tools: Vec<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Draft a manifest for an ONNX model, from what its file says
    New(new::NewArgs),
    /// Show what a manifest's tool makes of an image: its input, its outputs, the result, the time
    Test(test::TestArgs),
    /// Print the JSON Schema of manifests, by which editors complete and check them
    Schema,
    /// Run one tool on images
    #[command(after_help = "Examples:\n  \
        lavr tools run read_text --image sign.jpg\n  \
        lavr tools run detect_objects --image photo.jpg --args '{\"labels\": [\"person\"]}' --json\n  \
        lavr tools run calculate --args '{\"expression\": \"a + b\", \"values\": {\"a\": 1, \"b\": 2}}'\n\n\
        Images are `$image`, `$image2` ... in --args; an argument `image` that is not given is `$image`.")]
    Run {
        /// The tool's name
        name: String,
        /// An image; repeat for more
        #[arg(long = "image", value_name = "IMAGE")]
        images: Vec<PathBuf>,
        /// The arguments as a JSON object
        #[arg(long, value_name = "JSON", default_value = "{}")]
        args: String,
        /// Where the tool is, if not built in: a manifest (NAME.toml), or a folder of them
        #[arg(long, value_name = "FILE|DIR")]
        tools: Vec<PathBuf>,
        /// Write the image that the tool returns here (PNG or JPEG)
        #[arg(long, value_name = "OUT.png")]
        output: Option<PathBuf>,
        /// Draw the regions or lines that the tool returns into this picture (PNG or JPEG)
        #[arg(long, value_name = "OUT.png")]
        annotate: Option<PathBuf>,
        #[command(flatten)]
        limits: LimitOptions,
        #[command(flatten)]
        options: WatchOptions,
    },
}

pub(super) async fn run(args: ToolsArgs, cancel: CancellationToken) -> Result<Exit, Stop> {
    match args.command {
        ToolsCommand::List { tools, json } => {
            let catalog = catalog(tools)?;
            list(&catalog, &off(&catalog)?, json)
        }
        ToolsCommand::Show { name, tools, json } => {
            let catalog = catalog(tools)?;
            let off = off(&catalog)?;
            let spec = off.iter().find(|off| off.name == name).map(|off| off.tool.spec());
            match spec {
                Some(spec) => show(spec, json),
                None => show(with_off(catalog)?.find(&name).map_err(usage)?.spec(), json),
            }
        }
        ToolsCommand::New(args) => new::run(args, cancel).await,
        ToolsCommand::Test(args) => test::run(args, cancel).await,
        ToolsCommand::Schema => {
            output::print_json(&json!(Manifest::schema()))?;
            Ok(Exit::Answered)
        }
        ToolsCommand::Run { name, images, args, tools, output, annotate, limits, options } => {
            options.start_log();
            let config = limits.limit(Config::default());
            let catalog = with_off(catalog(tools)?)?;
            let json = options.json;
            let call = Call { name, images, args, output, annotate, options };
            or_json(call.run(&catalog, &config, cancel).await, json, |e| json!({ "error": Failure::from(e) }))
        }
    }
}

/// The built-in tools and those that these add, or those that one declares. What is off is left out.
fn catalog(tools: Vec<PathBuf>) -> Result<Catalog, Stop> {
    let progress: Arc<dyn Progress> = Arc::new(Bars::new());
    let given = !tools.is_empty();
    let faulty =
        |error: Error| if given && error.kind() == ErrorKind::InvalidInput { usage(error) } else { error.into() };
    Config { tools, ..Config::default() }.catalog(&progress).map_err(faulty)
}

/// The built-in tools that are off, in this catalog.
fn off(catalog: &Catalog) -> Result<Vec<Off>> {
    if catalog.is_declared() {
        return Ok(Vec::new());
    }
    let progress: Arc<dyn Progress> = Arc::new(Bars::new());
    let mut off = builtin::off(catalog, &Store::open(StoreOptions::from_env()?)?, &progress)?;
    off.retain(|off| catalog.get(&off.name).is_none());
    Ok(off)
}

/// The same tools with those that are off: who names a tool need not switch it on.
fn with_off(mut catalog: Catalog) -> Result<Catalog> {
    for off in off(&catalog)?.into_iter().filter(|off| !off.replaces()) {
        catalog.add(off.tool)?;
    }
    Ok(catalog)
}

fn list(catalog: &Catalog, off: &[Off], json: bool) -> Result<Exit, Stop> {
    let (on, off) = (catalog.iter().map(Tool::spec), off.iter());
    if json {
        let off = off.map(|off| {
            let mut spec = json!(off.tool.spec());
            if let Some(object) = spec.as_object_mut() {
                object.insert("name".to_owned(), json!(off.name));
                object.insert("available".to_owned(), json!(Available::Off));
            }
            spec
        });
        let tools: Vec<Json> = on.map(|spec| json!(spec)).chain(off).collect();
        output::print_json(&json!({ "tools": tools }))?;
        return Ok(Exit::Answered);
    }
    let line = |name: &str, mark: &str, spec: &ToolSpec| format!("{name:<16} {mark}{}", spec.description);
    let off = off.map(|off| line(&off.name, "(off) ", off.tool.spec()));
    for text in on.map(|spec| line(&spec.name, "", spec)).chain(off) {
        output::print(&output::safe(&text))?;
    }
    Ok(Exit::Answered)
}

fn show(spec: &ToolSpec, json: bool) -> Result<Exit, Stop> {
    if json {
        output::print_json(&json!(spec))?;
    } else {
        output::print(&output::safe(&describe(spec)))?;
    }
    Ok(Exit::Answered)
}

fn describe(spec: &ToolSpec) -> String {
    let kind = json!(spec.kind);
    let mut text = format!(
        "{} ({})\n{}\n\nUse for: {}\n",
        spec.name,
        kind.as_str().unwrap_or_default(),
        spec.description,
        spec.use_for
    );
    if !spec.limitations.is_empty() {
        text.push_str(&format!("Limits: {}\n", spec.limitations));
    }
    text.push_str("\nArguments:\n");
    for arg in &spec.signature.args {
        let optional = if arg.required { "" } else { ", optional" };
        let choices = if arg.choices.is_empty() { String::new() } else { format!(" ({})", arg.choices.join(", ")) };
        text.push_str(&format!("  {}: {}{optional}{choices}\n      {}\n", arg.name, arg.types_text(), arg.doc));
    }
    let returns = match &spec.signature.returns {
        Returns::Type(returns) => returns.to_string(),
        Returns::SameAs(arg) => format!("what `{arg}` is"),
    };
    text.push_str(&format!("Returns: {returns}\nLicence: {}", spec.licence));
    text
}

struct Call {
    name: String,
    images: Vec<PathBuf>,
    args: String,
    output: Option<PathBuf>,
    annotate: Option<PathBuf>,
    options: WatchOptions,
}

impl Call {
    /// Runs the tool as a plan of one step, so that arguments are checked and mapped as in any plan.
    async fn run(&self, catalog: &Catalog, config: &Config, cancel: CancellationToken) -> Result<Exit, Stop> {
        check_picture("--output", self.output.as_ref(), &self.images).map_err(usage)?;
        check_picture("--annotate", self.annotate.as_ref(), &self.images).map_err(usage)?;
        self.options.check_trace(&self.images, None).map_err(usage)?;
        let plan = self.plan(catalog, self.images.len()).map_err(usage)?;
        let images = open_images(&self.images, config)?;
        let journal = self.options.journal()?;
        // Fetching and loading is over before the clock starts.
        let loading = Cx::with(Budget { timeout_ms: 86_400_000, ..Budget::default() }, cancel.clone(), Vec::new());
        catalog.find(&self.name)?.prepare(&loading).await?;
        let cx = Cx::with(config.budget.clone(), cancel, self.options.sinks(journal.as_ref()));
        let began = Instant::now();
        let execution = Executor::new(catalog.clone(), 1).run(&cx, &plan, &images).await;
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Some(error) = execution.stopped {
            return Err(error.into());
        }
        match execution.observations.into_iter().next().map(|o| o.outcome) {
            Some(Outcome::Returned(value)) => self.print(&value, &images, ms)?,
            Some(Outcome::Failed(failure)) => return Err(Error::new(failure.kind, failure.message).into()),
            _ => return Err(Error::internal("the step did not run").into()),
        }
        journal.and_then(|journal| journal.take_error()).map_or(Ok(Exit::Answered), |error| Err(error.into()))
    }

    fn plan(&self, catalog: &Catalog, images: usize) -> Result<Plan> {
        let signature = &catalog.find(&self.name)?.spec().signature;
        let mut args: Json = serde_json::from_str(&self.args)
            .map_err(|e| Error::invalid(format!("--args is not JSON: {e}")).with_source(e))?;
        let object = args.as_object_mut().ok_or_else(|| Error::invalid("--args is not a JSON object"))?;
        if signature.arg("image").is_some() && !object.contains_key("image") {
            if images == 0 {
                return Err(Error::invalid(format!("`{}` needs an image; give one with --image", self.name)));
            }
            object.insert("image".to_owned(), json!("$image"));
        }
        let plan = json!({ "steps": [{ "id": "result", "tool": self.name, "args": args }], "result": "$result" });
        let limits = PlanLimits { max_steps: 1, images };
        let parsed = Plan::from_json(&plan);
        let faults = match &parsed {
            Ok(plan) => catalog.check(plan, &limits),
            Err(faults) => faults.clone(),
        };
        match parsed {
            Ok(plan) if faults.is_empty() => Ok(plan),
            _ => {
                let listed: Vec<String> = faults.iter().map(ToString::to_string).collect();
                Err(Error::invalid(format!("the arguments do not fit: {}", listed.join("; "))))
            }
        }
    }

    fn print(&self, value: &Value, images: &[Image], ms: u64) -> Result<()> {
        if let (Some(path), Some(image)) = (&self.output, value.images().first()) {
            save_image(image, path)?;
        }
        if let (Some(path), Some(image)) = (&self.annotate, images.first()) {
            save_image(&annotate::draw(image, &placed(value)), path)?;
        }
        if self.options.json {
            return output::print_json(&json!({ "result": value.to_json(), "ms": ms }));
        }
        output::print(&output::safe(&readable(value)))
    }
}

/// A value for people: one line an element.
fn readable(value: &Value) -> String {
    match value {
        Value::List(items) if items.is_empty() => "nothing found".to_owned(),
        Value::List(items) => items.iter().map(readable).collect::<Vec<_>>().join("\n"),
        Value::Region(region) | Value::Mask(Mask { region, .. }) => {
            let [x1, y1, x2, y2] = region.bounds.map(|v| v.round());
            format!("{} {:.2} at [{x1}, {y1}, {x2}, {y2}]", region.label, region.score)
        }
        Value::Line(line) => line.text.clone(),
        Value::Text(text) => text.clone(),
        Value::Labels(labels) if labels.is_empty() => "nothing found".to_owned(),
        Value::Labels(labels) => {
            labels.iter().map(|label| format!("{} {:.2}", label.label, label.score)).collect::<Vec<_>>().join("\n")
        }
        Value::Image(image) => {
            format!("an image of {} x {} pixels; write it with --output OUT.png", image.width(), image.height())
        }
        other => other.to_json().to_string(),
    }
}
