//! Plans.

use std::collections::{BTreeMap, BTreeSet};

use lavr::eval::metric::plan::{Argument, Gold, GoldNode, Graph, Node, PlanCounts, compare};
use serde_json::Value as Json;

use super::{counts, list, near, read, reference};

fn tools(json: &Json) -> BTreeSet<String> {
    read(&json["tools"])
}

fn assert_f1(counts: PlanCounts, expected: &Json) {
    let given = [counts.nodes, counts.links, counts.argument_names, counts.argument_values];
    let expected: [f64; 4] = read(expected);
    for ((given, expected), name) in given.iter().zip(expected).zip(["nodes", "links", "names", "values"]) {
        near(given.f1(), expected, &name);
    }
}

#[test]
fn named_plans_score_as_in_taskbench() {
    let reference = reference("plans");
    let named = &reference["named"];
    let tools = tools(named);
    let score = |pair: &Json| {
        let (gold, plan): (Graph, Graph) = (read(&pair[0]), read(&pair[1]));
        compare(&gold.into(), &plan, Some(&tools))
    };
    assert_f1(list(&named["pairs"]).iter().map(score).sum(), &named["f1"]);
}

#[test]
fn plans_of_the_resource_form_score_as_in_taskbench() {
    let reference = reference("plans");
    let resources = &reference["resources"];
    let tools = tools(resources);
    let output: BTreeMap<String, String> = read(&resources["output"]);
    let graph = |steps: &Json| {
        let steps: Vec<(String, Vec<String>)> = read(steps);
        Graph::from_resources(&steps, |tool| output.get(tool).cloned())
    };
    let score = |pair: &Json| compare(&graph(&pair[0]).into(), &graph(&pair[1]), Some(&tools));
    assert_f1(list(&resources["pairs"]).iter().map(score).sum(), &resources["f1"]);
}

#[test]
fn tools_are_assigned_to_as_many_steps_as_possible() {
    for case in list(&reference("plans")["assignments"]) {
        let optional: Vec<String> = read(&case["optional"]);
        let steps: Vec<Vec<String>> = read(&case["steps"]);
        let node = |any_of| GoldNode { any_of, optional: optional.clone(), arguments: Vec::new() };
        let gold = Gold { nodes: steps.into_iter().map(node).collect(), links: Vec::new() };
        let plan: Vec<String> = read(&case["plan"]);
        let (hits, missed, least): (usize, usize, usize) =
            (read(&case["hits"]), read(&case["missed"]), read(&case["least_wrong"]));
        let found = compare(&gold, &plan_of(&plan, &[]), None).nodes;
        assert_eq!((found.hits, found.missed), (hits, missed), "{case}");
        // Without a step, who is optional was never there.
        if !gold.nodes.is_empty() {
            assert_eq!(found.wrong, least, "{case}");
        }
    }
}

fn plan_of(tools: &[impl ToString], links: &[(&str, &str)]) -> Graph {
    Graph {
        nodes: tools.iter().map(|task| Node { task: task.to_string(), arguments: Vec::new() }).collect(),
        links: links.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
    }
}

fn step(any_of: &[&str], optional: &[&str]) -> GoldNode {
    let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    GoldNode { any_of: owned(any_of), optional: owned(optional), arguments: Vec::new() }
}

fn gold_of(nodes: Vec<GoldNode>, links: &[(&str, &str)]) -> Gold {
    Gold { nodes, links: plan_of(&[""; 0], links).links }
}

#[test]
fn any_of_several_tools_matches_with_its_links() {
    let gold = gold_of(vec![step(&["detect", "segment"], &[]), step(&["count"], &[])], &[("detect", "count")]);
    for tool in ["detect", "segment"] {
        let found = compare(&gold, &plan_of(&[tool, "count"], &[(tool, "count")]), None);
        assert_eq!((found.nodes, found.links), (counts([2, 0, 0]), counts([1, 0, 0])));
    }
    // Only one of them is wanted.
    let both = compare(&gold, &plan_of(&["detect", "segment", "count"], &[]), None);
    assert_eq!((both.nodes, both.links), (counts([2, 1, 0]), counts([0, 0, 1])));
}

#[test]
fn optional_tools_are_neither_rewarded_nor_punished() {
    let gold = gold_of(vec![step(&["detect"], &["resize", "crop"]), step(&["count"], &[])], &[("detect", "count")]);
    let links = [("detect", "crop"), ("crop", "resize"), ("resize", "crop"), ("resize", "count"), ("crop", "detect")];
    let found = compare(&gold, &plan_of(&["detect", "crop", "resize", "count"], &links), None);
    assert_eq!((found.nodes, found.links), (counts([2, 0, 0]), counts([1, 0, 0])));
    let without = compare(&gold, &plan_of(&["detect", "count"], &[("detect", "count")]), None);
    assert_eq!(without, found);
}

#[test]
fn arguments_belong_to_the_step_their_tool_stands_for() {
    let argument = |name: &str, value: &str| Argument { name: name.to_owned(), value: value.to_owned() };
    let mut gold = gold_of(vec![step(&["detect", "segment"], &["crop"])], &[]);
    gold.nodes[0].arguments = vec![argument("image", "a.png"), argument("label", "dog")];
    let mut plan = plan_of(&["segment", "crop"], &[]);
    plan.nodes[0].arguments = vec![argument("image", "a.png"), argument("label", "cat")];
    plan.nodes[1].arguments = vec![argument("box", "1")];
    let found = compare(&gold, &plan, None);
    assert_eq!((found.argument_names, found.argument_values), (counts([2, 0, 0]), counts([1, 1, 1])));
}

#[test]
fn empty_plans_have_nothing_to_compare() {
    let nothing = compare(&Gold::default(), &Graph::default(), None);
    assert_eq!(nothing, PlanCounts::default());
    assert_eq!((nothing.nodes.f1(), nothing.nodes.is_empty()), (0.0, true));
    let gold = gold_of(vec![step(&[], &[])], &[]);
    assert_eq!(compare(&gold, &plan_of(&["a"], &[]), None).nodes, counts([0, 1, 0]));
}

#[test]
fn invented_tools_are_wrong_unless_only_known_ones_count() {
    let gold = gold_of(vec![step(&["detect"], &[])], &[]);
    let plan = plan_of(&["detect", "imagine"], &[]);
    assert_eq!(compare(&gold, &plan, None).nodes, counts([1, 1, 0]));
    assert_eq!(compare(&gold, &plan, Some(&["detect".to_owned()].into())).nodes, counts([1, 0, 0]));
}

#[test]
fn faulty_references_give_no_arguments() {
    let steps = [
        ("a_b".to_owned(), ["<node-0>", "<node-7>", "<node-x>", "<node-1", "<node-1>"].map(str::to_owned).to_vec()),
        ("c".to_owned(), Vec::new()),
    ];
    let graph = Graph::from_resources(&steps, |_| None);
    assert_eq!(graph.links, [("c".to_owned(), "a_b".to_owned())]);
    assert_eq!(graph.nodes[0].arguments, [Argument { name: "other".to_owned(), value: "c".to_owned() }]);
}
