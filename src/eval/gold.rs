//! Gold plans: the forms in which data sets write the right plan.

use serde::Deserialize;
use serde_json::Value as Json;

use super::case::as_text;
use super::metric::plan::{Argument, Gold, GoldNode, Graph, Node};
use crate::error::{Error, Result};

/// TaskBench's form: tools with their arguments, and the links between tools.
#[derive(Debug, Deserialize)]
struct TaskBench {
    task_nodes: Vec<Task>,
    #[serde(default)]
    task_links: Vec<Link>,
}

#[derive(Debug, Deserialize)]
struct Task {
    task: String,
    #[serde(default)]
    arguments: Vec<Json>,
}

#[derive(Debug, Deserialize)]
struct Link {
    source: String,
    target: String,
}

/// ControlLLM's form: steps that name the tools that do, and the steps they depend on.
#[derive(Debug, Deserialize)]
struct Step {
    task: Names,
    id: i64,
    #[serde(default)]
    dep: Vec<i64>,
    #[serde(default)]
    args: Vec<Typed>,
}

/// One name, or several: alternatives, or a bundle of which the first is what matters.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Several(Vec<String>),
}

#[derive(Debug, Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    of: String,
    value: Json,
}

/// Reads a gold plan in TaskBench's form (`task_nodes`, `task_links`) or ControlLLM's (a list of steps with
/// `task`, `id`, `dep`, `args`).
///
/// Where a step of the latter names several tools, one of them is wanted; the others may stand in the plan as
/// well. The links of the former are those of its arguments, where these refer to steps. `output_type` is what a tool returns, after which TaskBench names arguments that other steps give.
///
/// # Errors
/// `InvalidInput`, saying what is wrong.
pub fn read(answer: &Json, output_type: &dyn Fn(&str) -> Option<String>) -> Result<Gold> {
    let faulty = |e: serde_json::Error| Error::invalid(format!("the `answer` is no plan: {e}")).with_source(e);
    if answer.get("task_nodes").is_some() {
        return TaskBench::deserialize(answer).map(|plan| of_taskbench(plan, output_type)).map_err(faulty);
    }
    if answer.is_array() {
        return Vec::<Step>::deserialize(answer).map(|steps| of_steps(&steps)).map_err(faulty);
    }
    Err(Error::invalid("the `answer` is no plan: give `task_nodes` and `task_links`, or a list of steps"))
}

fn of_taskbench(plan: TaskBench, output_type: &dyn Fn(&str) -> Option<String>) -> Gold {
    let links = plan.task_links.into_iter().map(|link| (link.source, link.target)).collect();
    if plan.task_nodes.iter().any(|task| task.arguments.iter().any(Json::is_object)) {
        let node = |task: Task| Node { task: task.task, arguments: task.arguments.iter().map(argument).collect() };
        return Gold::from(Graph { nodes: plan.task_nodes.into_iter().map(node).collect(), links });
    }
    let step = |task: Task| (task.task, task.arguments.iter().map(as_text).collect());
    let steps: Vec<(String, Vec<String>)> = plan.task_nodes.into_iter().map(step).collect();
    let mut graph = Graph::from_resources(&steps, output_type);
    // Its own script takes the links from the arguments, too: the list has more, which no argument bears out.
    if graph.links.is_empty() {
        graph.links = links;
    }
    Gold::from(graph)
}

/// `{"name": .., "value": ..}`, as TaskBench's daily-life part has it.
fn argument(json: &Json) -> Argument {
    match (json.get("name"), json.get("value")) {
        (Some(name), Some(value)) => Argument { name: unnumbered(&as_text(name)).to_owned(), value: as_text(value) },
        _ => Argument { name: String::new(), value: as_text(json) },
    }
}

/// The name of an argument without its number: `text2` is the second argument of its type.
pub(super) fn unnumbered(name: &str) -> &str {
    name.trim_end_matches(|c: char| c.is_ascii_digit())
}

fn of_steps(steps: &[Step]) -> Gold {
    let names = |step: &Step| match &step.task {
        Names::One(name) => vec![name.clone()],
        Names::Several(names) => names.clone(),
    };
    let name_of = |id: i64| steps.iter().find(|s| s.id == id).and_then(|s| names(s).into_iter().next());
    // What a step generates is an argument by the name of its tool, as in a plan's graph.
    let generated = |arg: &Typed| name_of(arg.value.as_str()?.strip_prefix("<GENERATED>-")?.parse().ok()?);
    let typed =
        |arg: &Typed| Argument { name: arg.of.clone(), value: generated(arg).unwrap_or_else(|| as_text(&arg.value)) };
    let node = |step: &Step| GoldNode {
        any_of: names(step),
        optional: names(step),
        arguments: step.args.iter().map(typed).collect(),
    };
    let links = steps.iter().flat_map(|step| {
        let target = names(step).into_iter().next();
        step.dep.iter().filter_map(move |dep| Some((name_of(*dep)?, target.clone()?)))
    });
    Gold { nodes: steps.iter().map(node).collect(), links: links.collect() }
}
