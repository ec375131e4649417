//! Prompts for declared tools: one short line a tool, and demos made of the tools themselves.
//!
//! # Why the demos are made of the catalogue
//! Demos with the tools of another one name tools that are not there. What a demo has to show is the form of
//! a plan, and how a step refers to an earlier one; any tools whose types fit show it.

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};

use crate::plan::{self, DeclaredStep};
use crate::signature::{Arg, Returns, ValueType};
use crate::tool::{Catalog, ToolSpec};

/// Most characters of all descriptions together, about 1,500 tokens.
const ROOM: usize = 6_000;
/// Most and fewest characters of one description.
const DESCRIPTION: (usize, usize) = (110, 30);
/// Most tools that demos are looked for among.
const LOOKED_AT: usize = 200;
/// Most beginnings of a chain that are followed.
const FOLLOWED: usize = 100;
/// Steps of the chain that the first demo shows.
const CHAIN: usize = 3;

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

/// The first sentence, cut at a word when it is longer than `room` characters.
fn shortened(text: &str, room: usize) -> String {
    let end = text.match_indices(['.', '!', '?']).find(|(n, mark)| text[n + mark.len()..].starts_with(' '));
    let sentence = end.map_or(text, |(n, _)| &text[..n]).trim_end_matches('.');
    match sentence.char_indices().nth(room) {
        None => sentence.to_owned(),
        Some((cut, _)) => {
            let cut = sentence[..cut].rfind(' ').unwrap_or(cut);
            format!("{} ...", &sentence[..cut])
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
        "text" | "string" if n == 1 => "a red kite".to_owned(),
        "text" | "string" => "in winter".to_owned(),
        other => format!("{other} {n}"),
    }
}

// ---------------------------------------------------------------- wording

/// What a tool does as a request asks for it: `extract the audio track from a given video file`.
fn wish(spec: &ToolSpec) -> String {
    let clause = spec.description.split([',', ';', ':', '(', '.']).next().unwrap_or_default();
    let clause = clause.split(" such as ").next().unwrap_or_default().trim();
    let (first, rest) = clause.split_once(' ').unwrap_or_default();
    let describes = ["is ", "are ", "models ", "model "].iter().any(|word| rest.starts_with(word));
    match imperative(first).filter(|_| !describes) {
        Some(verb) => format!("{verb} {rest}"),
        None => format!("use {}", spec.name),
    }
}

/// `Extracts` as `extract`; nothing for what is no verb in the third person.
fn imperative(word: &str) -> Option<String> {
    let word = word.to_lowercase();
    let ends = |ends: &[&str]| ends.iter().any(|end| word.ends_with(end));
    let (stem, ending) = if ends(&["ies"]) && word.len() > 4 {
        (word.strip_suffix("ies")?, "y")
    } else if ends(&["ches", "shes", "sses", "xes"]) {
        (word.strip_suffix("es")?, "")
    } else if ends(&["ss"]) {
        return None;
    } else {
        (word.strip_suffix('s')?, "")
    };
    Some(format!("{stem}{ending}"))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

// ---------------------------------------------------------------- demos

/// Demos made of the tools of a catalogue: a chain, an input used twice, one tool for two inputs, one step.
pub(super) fn demos(catalog: &Catalog) -> Vec<Demo> {
    let tools = catalog.iter().map(|tool| tool.spec()).filter(|spec| !spec.signature.args.is_empty());
    let mut maker = Maker { tools: tools.take(LOOKED_AT).collect(), uses: HashMap::new() };
    [Maker::chain, Maker::twice, Maker::both, Maker::single].into_iter().filter_map(|demo| demo(&mut maker)).collect()
}

/// Makes demos, of tools that were not shown yet where there are some.
struct Maker<'a> {
    tools: Vec<&'a ToolSpec>,
    uses: HashMap<&'a str, usize>,
}

impl<'a> Maker<'a> {
    fn uses(&self, spec: &ToolSpec) -> usize {
        self.uses.get(spec.name.as_str()).copied().unwrap_or(0)
    }

    /// The n-th step, from 1, which makes `result`; its id says so.
    fn step(&mut self, n: usize, spec: &'a ToolSpec, result: Option<&str>, args: Map<String, Json>) -> Step {
        *self.uses.entry(&spec.name).or_insert(0) += 1;
        let name = plan::result_name(result.unwrap_or_default());
        Step { to_do: wish(spec), id: format!("{name}_{n}"), tool: spec.name.clone(), args }
    }

    /// Each step works on what the one before it made.
    fn chain(&mut self) -> Option<Demo> {
        let chain = self.longest_chain()?;
        let input = chain.first()?.signature.args.first()?;
        let (mut steps, mut wishes): (Vec<Step>, Vec<String>) = (Vec::new(), Vec::new());
        for (n, spec) in chain.iter().enumerate() {
            let args = match (steps.last(), n.checked_sub(1).and_then(|n| chain.get(n))) {
                (Some(step), Some(before)) => {
                    let arg = taker(spec, first_output(before)?)?;
                    vec![(arg.name.clone(), step.reference())]
                }
                _ => vec![(input.name.clone(), literal(input, 1))],
            };
            steps.push(self.step(n + 1, spec, first_output(spec), written(args)));
            wishes.push(wish(spec));
        }
        let (first, rest) = wishes.split_first()?;
        let rest: Vec<String> = rest.iter().map(|wish| format!(", then {wish}")).collect();
        Some(Demo { request: format!("I have {}. {}{}.", literal(input, 1), capital(first), rest.concat()), steps })
    }

    /// The chain through the most types.
    fn longest_chain(&self) -> Option<Vec<&'a ToolSpec>> {
        let mut chains: Vec<Vec<&'a ToolSpec>> = self.tools.iter().map(|spec| vec![*spec]).collect();
        for _ in 1..CHAIN {
            let follow = |chain: &Vec<&'a ToolSpec>| {
                let made = chain.last().and_then(|end| first_output(end));
                let next = self.tools.iter().filter(|spec| !chain.iter().any(|known| known.name == spec.name));
                let next = next.filter(|spec| made.is_some_and(|made| taker(spec, made).is_some()));
                next.map(|spec| [chain.as_slice(), &[*spec]].concat()).collect::<Vec<_>>()
            };
            let mut longer: Vec<Vec<&'a ToolSpec>> = chains.iter().flat_map(follow).collect();
            longer.sort_by_key(|chain| std::cmp::Reverse(variety(chain)));
            longer.truncate(FOLLOWED);
            if longer.is_empty() {
                break;
            }
            chains = longer;
        }
        chains.into_iter().next().filter(|chain| chain.len() > 1)
    }

    /// One input is used twice: as it is, and by way of another tool.
    fn twice(&mut self) -> Option<Demo> {
        let Twice { before, last, arg, made, .. } = self.twice_used()?;
        let (of, input) = (before.signature.args.first()?, last.signature.args.first()?);
        let file = literal(of, 1);
        let request = format!("{} ({file}) with what comes out when you {}.", capital(&wish(last)), wish(before));
        let first = self.step(1, before, Some(made), written([(of.name.clone(), file.clone())]));
        let args = [(input.name.clone(), file), (arg.name.clone(), first.reference())];
        let second = self.step(2, last, first_output(last), written(args));
        Some(Demo { request, steps: vec![first, second] })
    }

    /// Two tools with the same first input, the second of which takes what the first makes, rather no mere text.
    fn twice_used(&self) -> Option<Twice<'a>> {
        let mut found: Option<Twice<'a>> = None;
        for last in &self.tools {
            let Some((input, others)) = last.signature.args.split_first() else { continue };
            for before in self.tools.iter().filter(|spec| spec.name != last.name) {
                let first = before.signature.args.first();
                if first.is_none_or(|first| inputs(first) != inputs(input)) {
                    continue;
                }
                let made =
                    |arg: &&'a Arg| inputs(arg) != inputs(input) && common(inputs(arg), outputs(before)).is_some();
                let Some(arg) = others.iter().filter(made).min_by_key(|arg| is_text(arg)) else { continue };
                let Some(made) = common(inputs(arg), outputs(before)) else { continue };
                let rank = (is_text(arg), self.uses(last) + self.uses(before));
                if found.as_ref().is_none_or(|best| rank < best.rank) {
                    found = Some(Twice { rank, before, last, arg, made });
                }
            }
        }
        found
    }

    /// One tool for two inputs.
    fn both(&mut self) -> Option<Demo> {
        let is_medium = |spec: &ToolSpec| spec.signature.args.first().is_some_and(|arg| !is_text(arg) && !is_url(arg));
        let rank = |spec: &&&ToolSpec| (!is_medium(spec), self.uses(spec), spec.signature.args.len());
        let spec = *self.tools.iter().min_by_key(rank)?;
        let arg = spec.signature.args.first()?;
        let [one, two] = [literal(arg, 1), literal(arg, 2)];
        let request = format!("{}, for both {one} and {two}.", capital(&wish(spec)));
        let steps = [one, two].into_iter().enumerate();
        let steps =
            steps.map(|(n, file)| self.step(n + 1, spec, first_output(spec), written([(arg.name.clone(), file)])));
        Some(Demo { request, steps: steps.collect() })
    }

    /// A request that takes one step.
    fn single(&mut self) -> Option<Demo> {
        let rank = |spec: &&&ToolSpec| (self.uses(spec), spec.signature.args.len().abs_diff(2));
        let spec = *self.tools.iter().min_by_key(rank)?;
        let args = given(spec);
        let literals: Vec<&str> = args.iter().map(|(_, literal)| literal.as_str()).collect();
        let request = format!("{}: {}", capital(&wish(spec)), literals.join(", "));
        Some(Demo { request, steps: vec![self.step(1, spec, first_output(spec), written(args))] })
    }
}

/// What [`Maker::twice`] is made of: the tools, the argument that takes what the first makes, and what that is.
struct Twice<'a> {
    rank: (bool, usize),
    before: &'a ToolSpec,
    last: &'a ToolSpec,
    arg: &'a Arg,
    made: &'a str,
}

fn written(args: impl IntoIterator<Item = (String, String)>) -> Map<String, Json> {
    args.into_iter().map(|(name, value)| (name, Json::String(value))).collect()
}

/// Literals for a tool's first argument, and where it has two for the other, if that is text or of the same type.
fn given(spec: &ToolSpec) -> Vec<(String, String)> {
    let args = &spec.signature.args;
    let Some(first) = args.first() else { return Vec::new() };
    let mut given = vec![(first.name.clone(), literal(first, 1))];
    if let [_, second] = args.as_slice() {
        let same = inputs(second) == inputs(first);
        if same || is_text(second) {
            given.push((second.name.clone(), literal(second, if same { 2 } else { 1 })));
        }
    }
    given
}

/// How much a chain shows: the types it goes through, few arguments, something else than text to begin with.
fn variety(chain: &[&ToolSpec]) -> usize {
    let first = chain.first().and_then(|spec| spec.signature.args.first());
    let begins = first.and_then(|arg| inputs(arg).first());
    let mut types: Vec<&String> =
        begins.into_iter().chain(chain.iter().filter_map(|spec| outputs(spec).first())).collect();
    types.sort_unstable();
    types.dedup();
    let crowded = chain.iter().filter(|spec| spec.signature.args.len() > 2).count();
    let plain = match begins.map(String::as_str) {
        None | Some("text" | "string") => 2,
        Some("url") => 1,
        Some(_) => 0,
    };
    (types.len() * 4 + 8).saturating_sub(crowded * 2 + plain)
}
