//! Running cases: each becomes a record.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::case::{Case, as_text};
use super::cause;
use super::gold::unnumbered;
use super::judge::{self, Judged, Metric, Work};
use super::metric::plan::{Argument, Graph, Node};
use super::oracle::{self, Knowing, Oracle};
use super::record::Record;
use crate::agent::{Agent, AgentBuilder, Report, Watch};
use crate::answer::{Status, Usage};
use crate::budget::Budget;
use crate::chain::Chain;
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::image::{Frame, Image, ImageLimits};
use crate::observation::Failure;
use crate::plan::{ArgValue, Plan};
use crate::signature::Returns;
use crate::style::Style;
use crate::task::{Mode, Task};
use crate::tool::{Args, Catalog};
use crate::value::{Region, Value};

/// The lowest score of a find that average precision looks at.
const LOWEST_SCORE: f64 = 0.05;
/// The score from which a find counts for F1, where the detector has no own limit.
const SURE_SCORE: f64 = 0.35;

/// What is evaluated, and how.
#[derive(Clone)]
pub struct Setting {
    /// How cases are scored.
    pub metric: Metric,
    /// Who decides.
    pub mode: Mode,
    /// Whether a case that the evidence does not answer gets a guess; see [`Task::with_guess`].
    pub guess: bool,
    /// How each case is reasoned about.
    pub chain: Chain,
    /// How answers are worded.
    pub style: Style,
    /// The limits of each case.
    pub budget: Budget,
    /// Limits on image files.
    pub images: ImageLimits,
    /// What the truth stands in for.
    pub oracle: Option<Oracle>,
    /// The LLM's name, as records give it.
    pub llm: String,
    /// What else is set and changes what comes out, as records give it; `null` when nothing is.
    pub options: Json,
}

/// Runs cases.
pub struct Evaluation {
    setting: Setting,
    builder: AgentBuilder,
    agent: Agent,
}

impl Evaluation {
    /// Prepares to run cases with the agent that this builds.
    ///
    /// # Errors
    /// As [`AgentBuilder::build`].
    pub fn new(setting: Setting, builder: AgentBuilder) -> Result<Self> {
        let agent = builder.clone().build()?;
        Ok(Self { setting, builder, agent })
    }

    /// Runs a case. Nothing when the case does not tell what the oracle has to know.
    ///
    /// # Errors
    /// When the case could not be run at all. `NotFound` or `InvalidInput` when only this case cannot: its image is
    /// missing or damaged, its own plan is faulty. Else others cannot either: the LLM is out of reach, the run was
    /// cancelled. What fails because of the question is a record like any other.
    pub async fn run(&self, case: &Case, cancel: &CancellationToken) -> Result<Option<Record>> {
        let began = Instant::now();
        let open = |path| Image::open(path, &self.setting.images).map_err(of_the_case);
        let images: Vec<Image> = case.images.iter().map(open).collect::<Result<_>>()?;
        let record = match self.setting.metric.work() {
            Work::Tool(name) => Some(self.look(name, case, &images, cancel).await?),
            Work::Plan => Some(self.plan(case, images, cancel).await?),
            Work::Ask => self.ask(case, images, cancel).await?,
        };
        Ok(record.map(|record| Record { ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX), ..record }))
    }

    /// The agent that a case is asked: its experts or its planner may be the truth.
    fn agent_for(&self, case: &Case, images: &[Image]) -> Result<Option<Agent>> {
        let catalog = self.agent.catalog();
        match self.setting.oracle {
            None => Ok(Some(self.agent.clone())),
            Some(Oracle::Tools) => {
                let size = images.first().map_or((1.0, 1.0), size_of);
                let told = oracle::tools(catalog, case, size);
                told.map(|told| self.builder.clone().catalog(told).build()).transpose()
            }
            Some(Oracle::Plan) => {
                let plan = oracle::plan(case, self.setting.metric, catalog)?;
                plan.map(|plan| self.builder.clone().planner(Arc::new(Knowing(plan))).build()).transpose()
            }
        }
    }

    async fn ask(&self, case: &Case, images: Vec<Image>, cancel: &CancellationToken) -> Result<Option<Record>> {
        let Some(agent) = self.agent_for(case, &images)? else { return Ok(None) };
        let Setting { metric, mode, budget, guess, chain, style, .. } = &self.setting;
        let task = Task::new(question(case), images)
            .with_budget(budget.clone())
            .with_mode(*mode)
            .with_guess(*guess)
            .with_chain(chain.clone())
            .with_style(style.clone());
        let report = agent.ask_watched(&task, Watch { cancel: cancel.child_token(), ..Watch::default() }).await?;
        if let Some(error) = &report.error {
            stop_when_out_of_reach(error)?;
        }
        let answer = scored(*metric, &report);
        let Judged { score, detail } = judge::answer(*metric, case, &answer);
        let record = Record {
            answer: json!(answer),
            text: report.answer.text.clone(),
            status: report.answer.status,
            plan: report.trace.plan.as_ref().map(Plan::to_json).unwrap_or_default(),
            rounds: report.usage.rounds,
            usage: report.usage,
            error: report.error.clone(),
            ..self.blank(case, score, detail)
        };
        let cause = record.is_wrong().then(|| cause::of_answer(case, *metric, &report, agent.catalog()));
        Ok(Some(Record { cause, ..record }))
    }

    async fn plan(&self, case: &Case, mut images: Vec<Image>, cancel: &CancellationToken) -> Result<Record> {
        if images.is_empty() && !self.agent.catalog().is_declared() {
            images.push(Image::from_pixels(image::RgbImage::new(1, 1), Frame::ROOT));
        }
        let Setting { budget, chain, .. } = &self.setting;
        let task = Task::new(case.question.as_str(), images).with_budget(budget.clone()).with_chain(chain.clone());
        let cx = Cx::with(task.budget.clone(), cancel.child_token(), Vec::new());
        let (plan, error) = match self.agent.plan_within(&task, &cx).await {
            Ok(trace) => (trace.plan, None),
            Err(error) => (None, Some(Failure::from(&error))),
        };
        if let Some(error) = &error {
            stop_when_out_of_reach(error)?;
        }
        let catalog = self.agent.catalog();
        let graph = plan.as_ref().map(|plan| graph(plan, catalog));
        let Judged { score, detail } = judge::plan(case, graph.as_ref(), &|tool| output_type(catalog, tool))?;
        let json = plan.as_ref().map(Plan::to_json).unwrap_or_default();
        let record = Record {
            answer: json.clone(),
            status: if plan.is_some() { Status::Answered } else { Status::Failed },
            plan: json,
            rounds: 1,
            usage: Usage { rounds: 1, ..cx.meter().usage() },
            error,
            ..self.blank(case, score, detail)
        };
        let kind = record.error.as_ref().map(|error| error.kind);
        let cause = record.is_wrong().then(|| cause::of_work(Metric::Plan, plan.is_none(), kind));
        Ok(Record { cause, ..record })
    }

    async fn look(&self, name: &str, case: &Case, images: &[Image], cancel: &CancellationToken) -> Result<Record> {
        let tool = self.agent.catalog().find(name)?;
        let signature = &tool.spec().signature;
        let image = images.first().ok_or_else(|| Error::invalid(format!("line {}: it has no image", case.line)))?;
        let mut args = Args::from_iter([("image".to_owned(), Value::Image(image.clone()))]);
        let limit = signature.arg("min_score");
        if limit.is_some() {
            args.set("min_score", Value::Number(LOWEST_SCORE));
        }
        let cx = Cx::with(self.setting.budget.clone(), cancel.child_token(), Vec::new());
        let result = cx.within(crate::tool::call_guarded(&cx, tool, args)).await;
        let error = result.as_ref().err().map(Failure::from);
        if let Some(error) = &error {
            stop_when_out_of_reach(error)?;
        }
        let items = match result {
            Ok(Value::List(items)) => items,
            _ => Vec::new(),
        };
        let sure = limit.and_then(|arg| arg.default.as_ref()?.as_f64()).unwrap_or(SURE_SCORE);
        let (judged, answer) = match self.setting.metric {
            Metric::Ocr => {
                let lines: Vec<String> = items.iter().filter_map(line_of).collect();
                (judge::read(case, &lines), json!(lines))
            }
            _ => {
                let regions: Vec<Region> = items.iter().filter_map(|item| item.region().cloned()).collect();
                let shown: Vec<&Region> = regions.iter().filter(|r| r.score >= sure).collect();
                (judge::found(case, &regions, sure, size_of(image)), json!(shown))
            }
        };
        let status = if error.is_some() { Status::Failed } else { Status::Answered };
        let is_empty = answer.as_array().is_none_or(Vec::is_empty);
        let record = Record { answer, status, error, ..self.blank(case, judged.score, judged.detail) };
        let kind = record.error.as_ref().map(|error| error.kind);
        let cause = record.is_wrong().then(|| cause::of_work(self.setting.metric, is_empty, kind));
        Ok(Record { cause, ..record })
    }

    /// A record of a case with a score and nothing else.
    fn blank(&self, case: &Case, score: f64, detail: Json) -> Record {
        let Setting { metric, mode, guess, oracle, llm, options, .. } = &self.setting;
        let asks = metric.work() == Work::Ask;
        Record {
            line: case.line,
            image: case.shown_image(),
            question: case.question.clone(),
            answer: Json::Null,
            truth: judge::truth(*metric, case),
            score,
            text: String::new(),
            status: Status::Answered,
            cause: None,
            metric: *metric,
            llm: if matches!(metric.work(), Work::Tool(_)) { String::new() } else { llm.clone() },
            mode: if asks { mode.to_string() } else { String::new() },
            guess: *guess && asks,
            oracle: *oracle,
            options: options.clone(),
            plan: Json::Null,
            rounds: 0,
            ms: 0,
            usage: Usage::default(),
            error: None,
            detail,
        }
    }
}

/// The question as it is asked: with the options, where there are some.
fn question(case: &Case) -> String {
    if case.choices.is_empty() {
        return case.question.clone();
    }
    let letters = ('A'..='Z').zip(&case.choices).map(|(letter, choice)| format!("({letter}) {choice}"));
    format!("{} Options: {}", case.question.trim(), letters.collect::<Vec<_>>().join(", "))
}

/// What of a report is scored: its short form, else the answer in words, of a caption always these; nothing where it
/// was not answered.
fn scored(metric: Metric, report: &Report) -> String {
    match report.answer.status {
        Status::Answered | Status::Guessed | Status::Budget if metric == Metric::Caption => report.answer.text.clone(),
        Status::Answered | Status::Guessed | Status::Budget => {
            report.answer.short.clone().unwrap_or_else(|| report.answer.text.clone())
        }
        _ => String::new(),
    }
}

/// Errors that say nothing about the case: it has to be run again.
fn stop_when_out_of_reach(error: &Failure) -> Result<()> {
    match error.kind {
        ErrorKind::Network | ErrorKind::Offline | ErrorKind::Integrity | ErrorKind::Cancelled | ErrorKind::Io => {
            Err(Error::new(error.kind, error.message.clone()))
        }
        _ => Ok(()),
    }
}

/// An image that cannot be opened says nothing about other cases.
fn of_the_case(error: Error) -> Error {
    if error.kind() == ErrorKind::Io { Error::invalid(error.to_string()).with_source(error) } else { error }
}

fn size_of(image: &Image) -> (f64, f64) {
    (f64::from(image.width()), f64::from(image.height()))
}

fn line_of(value: &Value) -> Option<String> {
    if let Value::Line(line) = value { Some(line.text.clone()) } else { None }
}

/// What a tool returns, by the name of its type.
fn output_type(catalog: &Catalog, tool: &str) -> Option<String> {
    match &catalog.get(tool)?.spec().signature.returns {
        Returns::Type(of) => Some(of.to_string()),
        Returns::SameAs(_) => None,
    }
}

/// A plan as a graph of tools: an argument that refers to a step has the name of that step's tool as its value.
pub(super) fn graph(plan: &Plan, catalog: &Catalog) -> Graph {
    let tool_of = |id: &str| plan.step(id).map(|step| step.tool.clone());
    let mut graph = Graph::default();
    for step in &plan.steps {
        for reference in step.references() {
            graph.links.extend(tool_of(&reference.id).map(|tool| (tool, step.tool.clone())));
        }
        let arguments = step.args.iter().flat_map(|(name, value)| arguments(name, value, &tool_of, catalog));
        graph.nodes.push(Node { task: step.tool.clone(), arguments: arguments.collect() });
    }
    graph
}

fn arguments(
    name: &str,
    value: &ArgValue,
    tool_of: &dyn Fn(&str) -> Option<String>,
    catalog: &Catalog,
) -> Vec<Argument> {
    match value {
        ArgValue::Ref(reference) => match tool_of(&reference.id) {
            Some(tool) => {
                // A tool that returns one of several types gives what is asked for.
                let own = unnumbered(name);
                let of = output_type(catalog, &tool).unwrap_or_default();
                let name = if of.split('|').any(|of| of == own) { own.to_owned() } else { of };
                vec![Argument { name, value: tool }]
            }
            None => vec![Argument { name: name.to_owned(), value: reference.id.clone() }],
        },
        ArgValue::List(items) => items.iter().flat_map(|item| arguments(name, item, tool_of, catalog)).collect(),
        ArgValue::Object(entries) => {
            entries.iter().flat_map(|(name, entry)| arguments(name, entry, tool_of, catalog)).collect()
        }
        ArgValue::Literal(json) => {
            vec![Argument { name: unnumbered(name).to_owned(), value: as_text(json) }]
        }
    }
}
