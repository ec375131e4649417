//! `lavr tools`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::options::{open_images, save_image, start_log};
use super::progress::Bars;
use super::{Exit, output};
use crate::config::Config;
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::executor::Executor;
use crate::observation::Outcome;
use crate::plan::{Plan, PlanLimits};
use crate::signature::Returns;
use crate::store::Progress;
use crate::tool::{Catalog, ToolSpec};
use crate::value::Value;

#[derive(Args)]
pub(super) struct ToolsArgs {
    #[command(subcommand)]
    command: ToolsCommand,
}

#[derive(Subcommand)]
enum ToolsCommand {
    /// List the tools a plan can call
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Describe one tool: arguments, result, limitations, licence
    Show {
        /// The tool's name
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
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
        /// Print one JSON object: result, ms
        #[arg(long)]
        json: bool,
        /// Write the image a tool returns here
        #[arg(long, value_name = "OUT.png")]
        output: Option<PathBuf>,
        /// Say more on stderr
        #[arg(short, long, action = clap::ArgAction::Count)]
        verbose: u8,
    },
}

pub(super) async fn run(args: ToolsArgs, cancel: CancellationToken) -> Result<Exit> {
    let config = Config::default();
    let catalog = config.catalog(&(Arc::new(Bars::new()) as Arc<dyn Progress>))?;
    match args.command {
        ToolsCommand::List { json } => list(&catalog, json),
        ToolsCommand::Show { name, json } => show(&catalog, &name, json),
        ToolsCommand::Run { name, images, args, json, output, verbose } => {
            start_log(verbose);
            let call = Call { name, images, args, json, output };
            call.run(&catalog, &config, cancel).await
        }
    }
}

fn list(catalog: &Catalog, json: bool) -> Result<Exit> {
    if json {
        let tools: Vec<&ToolSpec> = catalog.iter().map(crate::tool::Tool::spec).collect();
        output::print_json(&json!({ "tools": tools }))?;
        return Ok(Exit::Answered);
    }
    for tool in catalog.iter() {
        let spec = tool.spec();
        output::print(&format!("{:<16} {}", spec.name, spec.description))?;
    }
    Ok(Exit::Answered)
}

fn show(catalog: &Catalog, name: &str, json: bool) -> Result<Exit> {
    let spec = catalog.find(name)?.spec();
    if json {
        output::print_json(&json!(spec))?;
    } else {
        output::print(&describe(spec))?;
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
    json: bool,
    output: Option<PathBuf>,
}

impl Call {
    /// Runs the tool as a plan of one step, so that arguments are checked and mapped as in any plan.
    async fn run(&self, catalog: &Catalog, config: &Config, cancel: CancellationToken) -> Result<Exit> {
        let images = open_images(&self.images, config)?;
        let plan = self.plan(catalog, images.len())?;
        let cx = Cx::with(config.budget.clone(), cancel, Vec::new());
        catalog.find(&self.name)?.prepare(&cx).await?;
        let began = Instant::now();
        let execution = Executor::new(catalog.clone(), 1).run(&cx, &plan, &images).await;
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Some(error) = execution.stopped {
            return Err(error);
        }
        match execution.observations.into_iter().next().map(|o| o.outcome) {
            Some(Outcome::Returned(value)) => self.print(&value, ms),
            Some(Outcome::Failed(failure)) => Err(Error::new(failure.kind, failure.message)),
            _ => Err(Error::internal("the step did not run")),
        }
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

    fn print(&self, value: &Value, ms: u64) -> Result<Exit> {
        if let (Some(path), Some(image)) = (&self.output, value.images().first()) {
            save_image(image, path)?;
        }
        if self.json {
            output::print_json(&json!({ "result": value.to_json(), "ms": ms }))?;
        } else {
            output::print(&output::safe(&readable(value)))?;
        }
        Ok(Exit::Answered)
    }
}

/// A value for people: one line an element.
fn readable(value: &Value) -> String {
    match value {
        Value::List(items) if items.is_empty() => "nothing found".to_owned(),
        Value::List(items) => items.iter().map(readable).collect::<Vec<_>>().join("\n"),
        Value::Region(region) => {
            let [x1, y1, x2, y2] = region.bounds.map(|v| v.round());
            format!("{} {:.2} at [{x1}, {y1}, {x2}, {y2}]", region.label, region.score)
        }
        Value::Line(line) => line.text.clone(),
        Value::Text(text) => text.clone(),
        Value::Image(image) | Value::Mask(image) => {
            format!("an image of {} x {} pixels; write it with --output OUT.png", image.width(), image.height())
        }
        other => other.to_json().to_string(),
    }
}
