//! Oracles: the truth in place of a part of the run, to see what bounds a score.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::case::Case;
use super::judge::Metric;
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::{Plan, PlanLimits};
use crate::planner::{Move, Planner};
use crate::task::Task;
use crate::tool::labels::same_label;
use crate::tool::{Args, Catalog, Mention, Objection, SharedTool, Tool, ToolSpec};
use crate::trace::{Event, Trace};
use crate::value::{Line, Region, Value};

/// What the truth stands in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Oracle {
    /// The experts: they return what is true.
    Tools,
    /// The planner: the plan is the right one.
    Plan,
}

impl Oracle {
    /// All names.
    pub const NAMES: [&'static str; 2] = ["tools", "plan"];
}

impl fmt::Display for Oracle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Tools { "tools" } else { "plan" })
    }
}

impl FromStr for Oracle {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "tools" => Ok(Self::Tools),
            "plan" => Ok(Self::Plan),
            other => Err(Error::invalid(format!("`{other}` is no oracle; use tools or plan"))),
        }
    }
}

/// The tools of a catalog, of which the experts return what is true of a case.
///
/// The detector returns the case's `objects`, the reader its `lines`, and a description its first reference;
/// what the case does not tell, the tool itself still says. Nothing when the case tells nothing.
pub fn tools(catalog: &Catalog, case: &Case, size: (f64, f64)) -> Option<Catalog> {
    let regions: Vec<Region> = case
        .objects(size.0, size.1)
        .into_iter()
        .map(|object| Region { label: object.label, score: 1.0, bounds: object.bounds })
        .collect();
    let lines: Vec<Line> = case.lines.iter().enumerate().map(|(n, text)| line(n, text)).collect();
    let mut told = catalog.clone();
    let mut tells = false;
    let mut stand_in = |name: &str, truth: Truth| {
        if let Some(tool) = catalog.get(name) {
            let known = Known { tool: Arc::clone(tool), truth };
            tells |= told.replace(Arc::new(known)).is_ok();
        }
    };
    if case.objects.is_some() {
        stand_in("detect_objects", Truth::Regions(regions));
    }
    if !lines.is_empty() {
        stand_in("read_text", Truth::Lines(lines));
    }
    if let Some(reference) = case.references.first() {
        stand_in("describe_scene", Truth::Said(reference.clone()));
    }
    tells.then_some(told)
}

/// A line of text at its place in a column.
fn line(n: usize, text: &str) -> Line {
    let (top, right) = (n as f64 * 30.0, text.chars().count() as f64 * 12.0);
    let polygon = [[0.0, top], [right, top], [right, top + 24.0], [0.0, top + 24.0]];
    Line { text: text.to_owned(), score: 1.0, polygon }
}

enum Truth {
    Regions(Vec<Region>),
    Lines(Vec<Line>),
    Said(String),
}

/// A tool that returns what is true instead of looking.
struct Known {
    tool: SharedTool,
    truth: Truth,
}

#[async_trait]
impl Tool for Known {
    fn spec(&self) -> &ToolSpec {
        self.tool.spec()
    }

    async fn call(&self, _cx: &Cx, args: Args) -> Result<Value> {
        Ok(match &self.truth {
            Truth::Regions(regions) => {
                let labels = args.texts("labels")?.unwrap_or_default();
                let wanted = |r: &&Region| labels.is_empty() || labels.iter().any(|label| same_label(&r.label, label));
                Value::List(regions.iter().filter(wanted).cloned().map(Value::Region).collect())
            }
            Truth::Lines(lines) => Value::List(lines.iter().cloned().map(Value::Line).collect()),
            Truth::Said(text) => Value::Json(json!({ "sentences": [{ "text": text, "regions": [], "lines": [] }] })),
        })
    }

    fn objections(&self, args: &Json) -> Vec<Objection> {
        self.tool.objections(args)
    }

    fn mentions(&self, question: &str) -> Vec<Mention> {
        self.tool.mentions(question)
    }
}

/// The right plan of a case: the one it brings, or the one that its metric and its question leave no doubt about.
///
/// # Errors
/// `InvalidInput` when the plan it brings is none.
pub fn plan(case: &Case, metric: Metric, catalog: &Catalog) -> Result<Option<Plan>> {
    let written = match &case.plan {
        Some(plan) => plan.clone(),
        None => match obvious(case, metric, catalog) {
            Some(plan) => plan,
            None => return Ok(None),
        },
    };
    let plan = Plan::from_json(&written).map_err(|faults| faulty(case, faults.first()))?;
    let limits = PlanLimits { max_steps: 256, images: case.images.len() };
    match catalog.check(&plan, &limits).first() {
        Some(fault) => Err(faulty(case, Some(fault))),
        None => Ok(Some(plan)),
    }
}

fn faulty(case: &Case, fault: Option<&crate::plan::Fault>) -> Error {
    let what = fault.map(ToString::to_string).unwrap_or_default();
    Error::invalid(format!("line {}: its `plan` is faulty: {what}", case.line))
}

fn obvious(case: &Case, metric: Metric, catalog: &Catalog) -> Option<Json> {
    let step = |id: &str, tool: &str, args: Json| json!({ "id": id, "tool": tool, "args": args });
    let image = json!({ "image": "$image" });
    match metric {
        Metric::Caption => Some(json!({ "steps": [step("scene", "describe_scene", image)], "result": "$scene" })),
        Metric::Field => {
            let find = json!({ "lines": "$text", "text": case.field.as_deref()?, "mode": "value" });
            let steps = [step("text", "read_text", image), step("found", "find_text", find)];
            Some(json!({ "steps": steps, "result": "$found" }))
        }
        Metric::Yesno | Metric::Number => {
            let mut named: Vec<String> = catalog.mentions(&case.question).into_iter().map(|m| m.name).collect();
            named.dedup();
            let [label] = named.as_slice() else { return None };
            let mut steps = vec![step("found", "detect_objects", json!({ "image": "$image", "labels": [label] }))];
            if metric == Metric::Number {
                steps.push(step("n", "count", json!({ "items": "$found" })));
            }
            let result = if metric == Metric::Number { "$n" } else { "$found" };
            Some(json!({ "steps": steps, "result": result }))
        }
        _ => None,
    }
}

/// A planner that knows the plan.
pub struct Knowing(pub Plan);

#[async_trait]
impl Planner for Knowing {
    async fn next(&self, cx: &Cx, _task: &Task, known: &Trace) -> Result<Move> {
        if known.plan.is_some() {
            return Err(Error::new(ErrorKind::Plan, "the right plan did not suffice"));
        }
        cx.meter().take_round()?;
        cx.emit(Event::Planned { plan: self.0.to_json(), repairs: 0, thought: None }, &[]);
        Ok(Move::Plan { plan: self.0.clone(), repairs: 0 })
    }
}
