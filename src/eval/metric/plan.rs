//! Plans: which tools, in which order, with which arguments, as TaskBench scores them.
//!
//! Shen et al., "TaskBench: Benchmarking Large Language Models for Task Automation" (NeurIPS 2024) and its
//! `evaluate.py`: node F1, edge F1, and the F1 of argument names and of argument values, each of *sets* of a
//! plan's tools, links and arguments; the numbers of a corpus are those of the summed counts.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Sum;
use std::ops::Add;

use serde::{Deserialize, Serialize};

use super::Counts;

mod assign;
mod resource;

use assign::Assignment;

/// An argument of a step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Argument {
    /// Its name, or its type where arguments have no names.
    pub name: String,
    /// Its value as text.
    pub value: String,
}

/// A step: a tool and its arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The tool.
    pub task: String,
    /// The arguments.
    #[serde(default)]
    pub arguments: Vec<Argument>,
}

/// A plan as it was predicted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    /// The steps.
    #[serde(default)]
    pub nodes: Vec<Node>,
    /// From tool to tool, by name.
    #[serde(default)]
    pub links: Vec<(String, String)>,
}

/// A step that is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoldNode {
    /// The tools that do: one of them is wanted.
    pub any_of: Vec<String>,
    /// Tools that may stand in the plan as well: neither rewarded nor punished.
    #[serde(default)]
    pub optional: Vec<String>,
    /// The arguments.
    #[serde(default)]
    pub arguments: Vec<Argument>,
}

/// The plan that is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gold {
    /// The steps.
    #[serde(default)]
    pub nodes: Vec<GoldNode>,
    /// From step to step, each named by one of its tools; of several steps with such a tool the first is meant.
    #[serde(default)]
    pub links: Vec<(String, String)>,
}

impl From<Graph> for Gold {
    fn from(graph: Graph) -> Self {
        let node = |n: Node| GoldNode { any_of: vec![n.task], optional: Vec::new(), arguments: n.arguments };
        Self { nodes: graph.nodes.into_iter().map(node).collect(), links: graph.links }
    }
}

/// How much of a plan is right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PlanCounts {
    /// Tools: node F1.
    pub nodes: Counts,
    /// Links between tools: edge F1.
    pub links: Counts,
    /// Tool and name of arguments.
    pub argument_names: Counts,
    /// Tool, name and value of arguments.
    pub argument_values: Counts,
}

impl Add for PlanCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            nodes: self.nodes + other.nodes,
            links: self.links + other.links,
            argument_names: self.argument_names + other.argument_names,
            argument_values: self.argument_values + other.argument_values,
        }
    }
}

impl Sum for PlanCounts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Add::add)
    }
}

/// Compares a plan with the wanted one.
///
/// A tool that stands in a plan twice counts once. Where wanted steps name several tools, the predicted tools
/// are assigned to them one to one, as many as possible and as few as possible left that count as wrong; a link
/// or an argument of an assigned tool counts as one of its step. A predicted tool that is optional and assigned
/// to no step is left out; links through it join what is before and after it.
///
/// `tools` are the names that exist. TaskBench's script leaves other names out of the node counts (not of links
/// and arguments), so an invented tool goes unpunished there; with `None` it counts as wrong.
///
/// ```
/// use lavr::eval::metric::plan::{Gold, Graph, Node, compare};
///
/// let step = |task: &str| Node { task: task.into(), arguments: Vec::new() };
/// let link = |a: &str, b: &str| (a.to_owned(), b.to_owned());
/// let gold = Gold::from(Graph { nodes: vec![step("detect"), step("count")], links: vec![link("detect", "count")] });
/// let plan = Graph { nodes: vec![step("detect"), step("crop")], links: vec![link("detect", "crop")] };
/// let counts = compare(&gold, &plan, None);
/// assert_eq!((counts.nodes.f1(), counts.links.f1()), (0.5, 0.0));
/// ```
pub fn compare(gold: &Gold, plan: &Graph, tools: Option<&BTreeSet<String>>) -> PlanCounts {
    let steps = distinct_steps(gold);
    let mut assignment = Assignment::new(&steps);
    let planned: BTreeSet<&str> = plan.nodes.iter().map(|node| node.task.as_str()).collect();
    let view = View { gold, steps: &steps, planned: &planned };
    // Who has a step keeps one, so those that would count as wrong without one come first.
    let (optional, needy): (Vec<&str>, Vec<&str>) = planned.iter().partition(|tool| view.is_optional(tool));
    assignment.assign(needy.into_iter().chain(optional));
    let nodes = view.nodes(&assignment, tools);
    // A link may name what is no node of the plan.
    assignment.assign(plan.links.iter().flat_map(|(from, to)| [from.as_str(), to.as_str()]));
    let (gold_links, links) = (view.gold_links(), view.links(plan, &assignment));
    let (gold_arguments, arguments) = (view.gold_arguments(), view.arguments(plan, &assignment));
    PlanCounts {
        nodes,
        links: matched(&gold_links, &links),
        argument_names: matched(&names(&gold_arguments), &names(&arguments)),
        argument_values: matched(&gold_arguments, &arguments),
    }
}

/// The wanted steps by their tools, each once.
fn distinct_steps(gold: &Gold) -> Vec<BTreeSet<&str>> {
    let mut steps: Vec<BTreeSet<&str>> = Vec::new();
    for node in &gold.nodes {
        let step: BTreeSet<&str> = node.any_of.iter().map(String::as_str).collect();
        if !step.is_empty() && !steps.contains(&step) {
            steps.push(step);
        }
    }
    steps
}

/// What links and arguments hang on: a wanted step, or a tool that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End<'a> {
    Step(usize),
    Tool(&'a str),
}

type Link<'a> = (End<'a>, End<'a>);
type Said<'a> = (End<'a>, &'a Argument);

struct View<'a> {
    gold: &'a Gold,
    steps: &'a [BTreeSet<&'a str>],
    planned: &'a BTreeSet<&'a str>,
}

impl<'a> View<'a> {
    fn nodes(&self, assignment: &Assignment<'_>, tools: Option<&BTreeSet<String>>) -> Counts {
        let exists = |tool: &str| tools.is_none_or(|tools| tools.contains(tool));
        let mut counts = Counts::default();
        for (n, step) in self.steps.iter().enumerate() {
            let found = assignment.tool_of(n).is_some_and(exists);
            counts.hits += usize::from(found);
            counts.missed += usize::from(!found && step.iter().any(|tool| exists(tool)));
        }
        let stray = |tool: &&&str| assignment.step_of(tool).is_none() && !self.is_optional(tool) && exists(tool);
        counts.wrong = self.planned.iter().filter(stray).count();
        counts
    }

    fn is_optional(&self, tool: &str) -> bool {
        self.gold.nodes.iter().any(|node| node.optional.iter().any(|name| name == tool))
    }

    fn gold_end(&self, tool: &'a str) -> End<'a> {
        self.steps.iter().position(|step| step.contains(tool)).map_or(End::Tool(tool), End::Step)
    }

    fn gold_links(&self) -> BTreeSet<Link<'a>> {
        self.gold.links.iter().map(|(from, to)| (self.gold_end(from), self.gold_end(to))).collect()
    }

    fn gold_arguments(&self) -> BTreeSet<Said<'a>> {
        let of_node = |node: &'a GoldNode| {
            let tools: BTreeSet<&str> = node.any_of.iter().map(String::as_str).collect();
            let step = self.steps.iter().position(|step| *step == tools);
            step.into_iter().flat_map(|n| node.arguments.iter().map(move |argument| (End::Step(n), argument)))
        };
        self.gold.nodes.iter().flat_map(of_node).collect()
    }

    /// The end of a predicted link; nothing for an optional tool.
    fn end(&self, tool: &'a str, assignment: &Assignment<'a>) -> Option<End<'a>> {
        match assignment.step_of(tool) {
            Some(step) => Some(End::Step(step)),
            None if self.is_optional(tool) => None,
            None => Some(End::Tool(tool)),
        }
    }

    fn links(&self, plan: &'a Graph, assignment: &Assignment<'a>) -> BTreeSet<Link<'a>> {
        let mut next: BTreeMap<&str, BTreeSet<&'a str>> = BTreeMap::new();
        for (from, to) in &plan.links {
            next.entry(from).or_default().insert(to);
        }
        let mut links = BTreeSet::new();
        for (from, targets) in &next {
            let Some(start) = self.end(from, assignment) else { continue };
            let mut open: Vec<(&'a str, bool)> = targets.iter().map(|to| (*to, true)).collect();
            let mut seen = BTreeSet::new();
            while let Some((to, direct)) = open.pop() {
                match self.end(to, assignment) {
                    // A way through optional tools back to the start is no link.
                    Some(end) if direct || end != start => drop(links.insert((start, end))),
                    None if seen.insert(to) => {
                        open.extend(next.get(to).into_iter().flatten().map(|behind| (*behind, false)));
                    }
                    _ => {}
                }
            }
        }
        links
    }

    fn arguments(&self, plan: &'a Graph, assignment: &Assignment<'a>) -> BTreeSet<Said<'a>> {
        let of_node = |node: &'a Node| {
            let end = self.end(&node.task, assignment);
            end.into_iter().flat_map(|end| node.arguments.iter().map(move |argument| (end, argument)))
        };
        plan.nodes.iter().flat_map(of_node).collect()
    }
}

fn names<'a>(arguments: &BTreeSet<Said<'a>>) -> BTreeSet<(End<'a>, &'a str)> {
    arguments.iter().map(|(end, argument)| (*end, argument.name.as_str())).collect()
}

fn matched<T: Ord>(gold: &BTreeSet<T>, found: &BTreeSet<T>) -> Counts {
    let hits = gold.intersection(found).count();
    Counts { hits, wrong: found.len() - hits, missed: gold.len() - hits }
}
