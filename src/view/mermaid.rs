//! The plan of a run as a Mermaid flowchart, for documents that draw those.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::plan::Written;
use crate::trace::RawEntry;

/// Most characters of a label.
const LONGEST: usize = 60;

/// A flowchart of the steps that a run's plans and rounds had, in the order in which they were written, with what each
/// came to; and of its answer.
///
/// ```
/// use lavr::trace::RawEntry;
///
/// let planned = r#"{"t_ms":1,"event":"planned","plan":{"steps":[
///     {"id":"n","tool":"count","args":{"items":"$image"}}],"result":"$n"}}"#;
/// let entries: Vec<RawEntry> = vec![serde_json::from_str(planned)?];
/// let chart = lavr::view::mermaid(&entries);
/// assert!(chart.starts_with("flowchart TD\n") && chart.contains("n: count"));
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn mermaid(entries: &[RawEntry]) -> String {
    let steps = steps(entries);
    let mut nodes: BTreeMap<String, usize> = BTreeMap::new();
    let (mut drawn, mut edges) = (String::new(), String::new());
    let mut node = |name: &str, shape: &dyn Fn(usize) -> String, drawn: &mut String| {
        let next = nodes.len();
        *nodes.entry(name.to_owned()).or_insert_with(|| {
            drawn.push_str(&shape(next));
            next
        })
    };
    for step in &steps {
        let own = node(&step.id, &|n| format!("    n{n}[\"{}\"]\n", label(&title(step, entries))), &mut drawn);
        for name in &step.needs {
            let of = steps.iter().find(|other| other.id == *name);
            let title = of.map_or_else(|| name.clone(), |other| title(other, entries));
            let shape = |n: usize| match of {
                Some(_) => format!("    n{n}[\"{}\"]\n", label(&title)),
                None => format!("    n{n}[/\"{}\"/]\n", label(&title)),
            };
            let from = node(name, &shape, &mut drawn);
            edges.push_str(&format!("    n{from} --> n{own}\n"));
        }
    }
    if let Some((text, from)) = answer(entries) {
        drawn.push_str(&format!("    answer([\"{}\"])\n", label(&text)));
        for name in from {
            if let Some(n) = nodes.get(&name) {
                edges.push_str(&format!("    n{n} --> answer\n"));
            }
        }
    }
    format!("flowchart TD\n{drawn}{edges}")
}

/// A step, and the last plan that there was when it was added, from 1; 0 where a round asked for it.
struct Added {
    step: Written,
    plan: usize,
}

/// `people: detect_objects`, and how it ended where it failed.
fn title(step: &Written, entries: &[RawEntry]) -> String {
    let ends =
        |entry: &&RawEntry| entry.event == "step_ended" && entry.rest.get("id") == Some(&Json::from(step.id.as_str()));
    let failed = entries.iter().find(ends).is_some_and(|entry| entry.rest.contains_key("error"));
    format!("{}: {}{}", step.id, step.tool, if failed { " (failed)" } else { "" })
}

fn steps(entries: &[RawEntry]) -> Vec<Written> {
    let mut steps: Vec<Added> = Vec::new();
    let mut planned = 0_usize;
    for entry in entries {
        match entry.event.as_str() {
            "planned" => {
                planned += 1;
                add(&mut steps, entry.rest.get("plan").and_then(|plan| plan.get("steps")), planned);
            }
            "joined" => {
                let plans = entry.rest.get("plans").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
                // In the run they stand otherwise than they were written.
                let before = planned.saturating_sub(plans.len());
                steps.retain(|added| added.plan <= before);
                plans.iter().for_each(|plan| add(&mut steps, plan.get("steps"), planned));
            }
            "decided" => add(&mut steps, entry.rest.get("calls"), 0),
            _ => {}
        }
    }
    steps.into_iter().map(|added| added.step).collect()
}

/// Adds written steps, each name once.
fn add(steps: &mut Vec<Added>, written: Option<&Json>, plan: usize) {
    for step in written.and_then(Json::as_array).into_iter().flatten().filter_map(Written::of) {
        if steps.iter().all(|other| other.step.id != step.id) {
            steps.push(Added { step, plan });
        }
    }
}

/// The answer, and the steps that its claims rest on.
fn answer(entries: &[RawEntry]) -> Option<(String, Vec<String>)> {
    let answer = entries.iter().rev().find(|entry| entry.event == "answered")?.rest.get("answer")?;
    let mut steps = Vec::new();
    for claim in answer.get("claims").and_then(Json::as_array).into_iter().flatten() {
        for step in claim.get("steps").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str) {
            if !steps.iter().any(|known| known == step) {
                steps.push(step.to_owned());
            }
        }
    }
    Some((answer.get("text")?.as_str()?.to_owned(), steps))
}

/// A text as it may stand in a quoted label: nothing in it ends the label, or is read as markup.
fn label(text: &str) -> String {
    let mut label = String::new();
    for c in text.chars().take(LONGEST) {
        match c {
            c if c.is_alphanumeric() || " .,:;()_-?!%".contains(c) => label.push(c),
            c if c.is_control() => label.push(' '),
            c => label.push_str(&format!("#{};", u32::from(c))),
        }
    }
    if text.chars().nth(LONGEST).is_some() {
        label.push_str(" ...");
    }
    label
}
