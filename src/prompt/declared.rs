//! Prompts for declared tools: one short line a tool, and demos made of the tools themselves.
//!
//! # Why the demos are made of the catalogue
//! Demos with the tools of another one name tools that are not there. What a demo has to show is the form of
//! a plan, and how a step refers to an earlier one; any tools whose types fit show it.

mod demos;
mod wording;

use serde_json::{Map, Value as Json, json};

pub(super) use self::demos::demos;
use crate::plan::DeclaredStep;
use crate::signature::{Arg, Returns, ValueType};
use crate::tool::{Catalog, ToolSpec};

/// Most characters of all descriptions together, about 1,500 tokens.
const ROOM: usize = 6_000;
/// Most and fewest characters of one description.
const DESCRIPTION: (usize, usize) = (220, 30);
/// A request and the steps of its plan.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Demo {
    pub(super) request: String,
    steps: Vec<Step>,
}

/// A step of a demo.
#[derive(Debug, Clone, PartialEq)]
struct Step {
    to_do: String,
    id: String,
    tool: String,
    args: Map<String, Json>,
}

impl Step {
    fn reference(&self) -> String {
        format!("${}", self.id)
    }
}

impl Demo {
    /// The plan as an LLM is to write it.
    pub(super) fn plan(&self, says_what_to_do: bool) -> Json {
        let keys = |step: &Step| {
            let Step { to_do, id, tool, args } = step;
            DeclaredStep { to_do: json!(to_do), id: json!(id), tool: json!(tool), args: json!(args) }
        };
        let steps: Vec<Json> = self.steps.iter().map(|step| Json::Object(keys(step).keys(says_what_to_do))).collect();
        json!({ "steps": steps, "result": self.steps.last().map(Step::reference) })
    }
}

/// The tool list: a line a tool, the shorter the more there are.
pub(super) fn tool_lines(catalog: &Catalog) -> Vec<String> {
    let (most, fewest) = DESCRIPTION;
    let room = (ROOM / catalog.iter().count().max(1)).clamp(fewest, most);
    catalog.iter().map(|tool| tool_line(tool.spec(), room)).collect()
}

fn tool_line(spec: &ToolSpec, room: usize) -> String {
    let args: Vec<String> = spec.signature.args.iter().map(arg_text).collect();
    let returns = match outputs(spec) {
        [] => String::new(),
        outputs => format!(" -> {}", outputs.join(" or ")),
    };
    let description = shortened(&spec.description, room);
    let says = if description.is_empty() { String::new() } else { format!(": {description}") };
    format!("{}({}){returns}{says}", spec.name, args.join(", "))
}

/// An argument with its type, where the name does not say it.
fn arg_text(arg: &Arg) -> String {
    match inputs(arg) {
        [of] if arg.name.trim_end_matches(|c: char| c.is_ascii_digit()) != of => format!("{}: {of}", arg.name),
        _ => arg.name.clone(),
    }
}

/// A description, cut at a word when it is longer than `room` characters.
fn shortened(text: &str, room: usize) -> String {
    let text = text.trim_end_matches('.');
    match text.char_indices().nth(room) {
        None => text.to_owned(),
        Some((cut, _)) => {
            let cut = text[..cut].rfind(' ').unwrap_or(cut);
            format!("{} ...", &text[..cut])
        }
    }
}

// ---------------------------------------------------------------- types

/// The names of the types that an argument takes.
fn inputs(arg: &Arg) -> &[String] {
    match arg.types.first() {
        Some(ValueType::Named(words)) => words,
        _ => &[],
    }
}

/// The names of the types that a tool returns.
fn outputs(spec: &ToolSpec) -> &[String] {
    match &spec.signature.returns {
        Returns::Type(ValueType::Named(words)) => words,
        _ => &[],
    }
}

fn is_text(arg: &Arg) -> bool {
    matches!(inputs(arg), [of] if of == "text" || of == "string") || inputs(arg).is_empty()
}

fn is_url(arg: &Arg) -> bool {
    matches!(inputs(arg), [of] if of == "url")
}

fn first_output(spec: &ToolSpec) -> Option<&str> {
    outputs(spec).first().map(String::as_str)
}

/// The first of these names that is among those.
fn common<'a>(these: &'a [String], those: &[String]) -> Option<&'a str> {
    these.iter().find(|name| those.contains(name)).map(String::as_str)
}

/// The argument that takes a type, when the tool needs no other one.
fn taker<'a>(spec: &'a ToolSpec, of: &str) -> Option<&'a Arg> {
    let args = &spec.signature.args;
    let taker = args.iter().find(|arg| inputs(arg).iter().any(|name| name == of))?;
    args.iter().all(|arg| !arg.required || arg.name == taker.name).then_some(taker)
}

/// Something to write for the n-th argument of a type, from 1.
fn literal(arg: &Arg, n: usize) -> String {
    let number = if n == 1 { String::new() } else { n.to_string() };
    match inputs(arg).first().map_or("text", String::as_str) {
        "image" => format!("photo{number}.jpg"),
        "audio" => format!("talk{number}.mp3"),
        "video" => format!("clip{number}.mp4"),
        "url" => format!("https://example.org/a{number}"),
        // No words that many requests have: what begins with none of a request cannot be written for it.
        "text" | "string" if n == 1 => "harbour lights".to_owned(),
        "text" | "string" => "winter nights".to_owned(),
        other => format!("{other} {n}"),
    }
}
