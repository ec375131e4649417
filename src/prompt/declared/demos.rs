//! Demos made of the tools of a catalogue.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::wording::{Wish, capital};
use super::{Demo, Step, common, first_output, inputs, is_text, is_url, literal, outputs, taker};
use crate::plan;
use crate::signature::Arg;
use crate::tool::{Catalog, ToolSpec};

/// Most tools that demos are looked for among.
const LOOKED_AT: usize = 200;
/// Most beginnings of a chain that are followed.
const FOLLOWED: usize = 100;
/// Steps of the chain that the first demo shows.
const CHAIN: usize = 3;

/// Demos made of the tools of a catalogue: a chain, an input used twice, one tool for two inputs, one step.
pub(in crate::prompt) fn demos(catalog: &Catalog) -> Vec<Demo> {
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
    fn step(&mut self, n: usize, spec: &'a ToolSpec, result: Option<&str>, wish: &Wish, args: Given) -> Step {
        *self.uses.entry(&spec.name).or_insert(0) += 1;
        let name = plan::result_name(result.unwrap_or_default());
        let args = args.into_iter().map(|(name, value)| (name, Json::String(value))).collect();
        Step { to_do: wish.clause().to_owned(), id: format!("{name}_{n}"), tool: spec.name.clone(), args }
    }

    /// Each step works on what the one before it made.
    fn chain(&mut self) -> Option<Demo> {
        let chain = self.longest_chain()?;
        let input = chain.first()?.signature.args.first()?;
        let (mut steps, mut asked): (Vec<Step>, Vec<String>) = (Vec::new(), Vec::new());
        for (n, spec) in chain.iter().enumerate() {
            let (mut args, what) = match (steps.last(), n.checked_sub(1).and_then(|n| chain.get(n))) {
                (Some(step), Some(before)) => {
                    let arg = taker(spec, first_output(before)?)?;
                    (vec![(arg.name.clone(), step.reference())], "it".to_owned())
                }
                _ => (vec![(input.name.clone(), literal(input, 1))], literal(input, 1)),
            };
            let wish = Wish::of(spec).to(spec, &what);
            asked.push(format!("{}{}", wish.asked(), say(spec, &mut args)));
            steps.push(self.step(n + 1, spec, first_output(spec), &wish, args));
        }
        Some(Demo { request: format!("{}.", capital(&asked.join(". Then "))), steps })
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
        let (one, two) = (Wish::of(before).to(before, &file), Wish::of(last).to(last, &file));
        let mut args = vec![(of.name.clone(), file.clone())];
        let said = say(before, &mut args);
        let request = format!("{}{said}. With that, {}.", capital(&one.asked()), two.asked());
        let first = self.step(1, before, Some(made), &one, args);
        let args = vec![(input.name.clone(), file), (arg.name.clone(), first.reference())];
        let second = self.step(2, last, first_output(last), &two, args);
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
        let files = [literal(arg, 1), literal(arg, 2)];
        let asked = Wish::of(spec).to(spec, &files.join(" and ")).asked();
        let (mut steps, mut said) = (Vec::new(), String::new());
        for (n, file) in files.into_iter().enumerate() {
            let wish = Wish::of(spec).to(spec, &file);
            let mut args = vec![(arg.name.clone(), file)];
            said = say(spec, &mut args);
            steps.push(self.step(n + 1, spec, first_output(spec), &wish, args));
        }
        Some(Demo { request: format!("{}{said}.", capital(&asked)), steps })
    }

    /// A request that takes one step.
    fn single(&mut self) -> Option<Demo> {
        let rank = |spec: &&&ToolSpec| (self.uses(spec), spec.signature.args.len().abs_diff(2));
        let spec = *self.tools.iter().min_by_key(rank)?;
        let args = given(spec);
        let ((_, input), others) = args.split_first()?;
        let wish = Wish::of(spec).to(spec, input);
        let others: Vec<&str> = others.iter().map(|(_, literal)| literal.as_str()).collect();
        let end = if others.is_empty() { ".".to_owned() } else { format!(": {}", others.join(", ")) };
        let request = format!("{}{end}", capital(&wish.asked()));
        Some(Demo { request, steps: vec![self.step(1, spec, first_output(spec), &wish, args)] })
    }
}

/// Arguments with what is given for them.
type Given = Vec<(String, String)>;

/// Gives a tool of two inputs the words that it takes besides what it works on, and says them.
fn say(spec: &ToolSpec, args: &mut Given) -> String {
    let [_, _] = spec.signature.args.as_slice() else { return String::new() };
    let other = spec.signature.args.iter().find(|arg| args.iter().all(|(name, _)| *name != arg.name));
    let Some(other) = other.filter(|arg| is_text(arg)) else { return String::new() };
    let said = literal(other, 1);
    args.push((other.name.clone(), said.clone()));
    format!(": {said}")
}

/// What [`Maker::twice`] is made of: the tools, the argument that takes what the first makes, and what that is.
struct Twice<'a> {
    rank: (bool, usize),
    before: &'a ToolSpec,
    last: &'a ToolSpec,
    arg: &'a Arg,
    made: &'a str,
}

/// Literals for a tool's first argument, and where it has two for the other, if that is text or of the same type.
fn given(spec: &ToolSpec) -> Given {
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
