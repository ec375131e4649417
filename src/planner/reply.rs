//! Replies of a decision maker: a thought, and the next steps or the end.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::plan::{Fault, FaultKind, Plan, Reference, Step};
use crate::refiner::{cut, plain};
use crate::trace::Trace;

/// A reply as it is written.
#[derive(Debug, Deserialize)]
struct Written {
    thought: String,
    #[serde(default)]
    missing: Option<String>,
    #[serde(default)]
    steps: Option<Vec<Json>>,
    #[serde(default)]
    result: Option<Json>,
}

/// What a reply asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wish {
    /// Run these steps.
    Steps(Vec<Step>),
    /// The result is known.
    Result(Reference),
    /// No tool can find it out.
    GiveUp,
}

/// A reply that was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reply {
    pub(super) thought: String,
    pub(super) missing: Option<String>,
    pub(super) wish: Wish,
}

impl Reply {
    /// Reads a reply; steps that bear the name of a known one get another.
    ///
    /// # Errors
    /// Every malformation, where it stands in the reply.
    pub(super) fn parse(text: &str, known: &Trace) -> Result<Self, Vec<Fault>> {
        let written: Written = serde_json::from_str(text).map_err(|error| {
            vec![malformed("reply", format!("the reply has not the form asked for: {error}")).suggest(FORM.to_owned())]
        })?;
        let Written { thought, missing, steps, result } = written;
        let missing = missing.filter(|m| !m.trim().is_empty()).map(|m| sentence(&m));
        let wish = match (steps, result) {
            (Some(steps), _) if !steps.is_empty() => Wish::Steps(fresh(read_steps(&steps)?, known)),
            (_, Some(result)) => Wish::Result(read_result(&result)?),
            (Some(_), None) => Wish::GiveUp,
            (None, None) => {
                let message = "the reply has neither `steps` nor `result`".to_owned();
                return Err(vec![malformed("reply", message).suggest(FORM.to_owned())]);
            }
        };
        Ok(Self { thought: sentence(&thought), missing, wish })
    }
}

/// The form of a reply.
const FORM: &str =
    r#"write {"thought": "...", "missing": "...", "steps": [...]} or {"thought": "...", "result": "$id"}"#;
/// Most characters of a thought, as later prompts show it.
const MAX_SENTENCE: usize = 160;
/// Most characters of a step's name, as plans are written.
const MAX_ID: usize = 24;

/// What an LLM wrote, on one line and not too long: it may repeat text from an image.
fn sentence(text: &str) -> String {
    cut(&plain(text.trim()), MAX_SENTENCE)
}

fn malformed(at: &str, message: String) -> Fault {
    Fault::new(FaultKind::Malformed, at, message)
}

/// Steps as a plan has them; its result is of no account.
fn read_steps(steps: &[Json]) -> Result<Vec<Step>, Vec<Fault>> {
    let last = steps.iter().filter_map(|s| s.get("id")?.as_str()).next_back().unwrap_or("step");
    let result = format!("${last}");
    let plan = Plan::from_json(&json!({ "steps": steps, "result": result }));
    plan.map(|plan| plan.steps).map_err(|mut faults| {
        if faults.len() > 1 {
            faults.retain(|fault| fault.at != "result");
        }
        faults
    })
}

fn read_result(json: &Json) -> Result<Reference, Vec<Fault>> {
    let text = json.as_str().unwrap_or_default();
    text.parse().map_err(|error: crate::error::Error| {
        vec![malformed("result", error.to_string()).suggest("write the id of a known step, e.g. `$total`".to_owned())]
    })
}

/// Renames steps whose names are taken; later steps of the reply mean the new ones.
fn fresh(steps: Vec<Step>, known: &Trace) -> Vec<Step> {
    let mut taken: HashSet<String> = known.steps().iter().map(|step| step.id.clone()).collect();
    let mut renamed: HashMap<String, String> = HashMap::new();
    let mut fresh = Vec::with_capacity(steps.len());
    for mut step in steps {
        for (_, value) in &mut step.args {
            value.rename(&renamed);
        }
        if !taken.insert(step.id.clone()) {
            let stem: String = step.id.chars().take(MAX_ID - 4).collect();
            let free = (2..1000).map(|n| format!("{stem}_{n}")).find(|id| !taken.contains(id));
            let free = free.unwrap_or_else(|| step.id.clone());
            taken.insert(free.clone());
            renamed.insert(std::mem::replace(&mut step.id, free.clone()), free);
        }
        fresh.push(step);
    }
    fresh
}

/// Faults of the whole plan as faults of the reply: those of its own steps, counted from its first.
pub(super) fn of_reply(faults: Vec<Fault>, known: usize) -> Vec<Fault> {
    faults.into_iter().filter_map(|fault| shifted(fault, known)).collect()
}

fn shifted(mut fault: Fault, known: usize) -> Option<Fault> {
    let Some((number, rest)) = fault.at.strip_prefix("steps[").and_then(|rest| rest.split_once(']')) else {
        return Some(fault);
    };
    let own = number.parse::<usize>().ok()?.checked_sub(known)?;
    fault.at = format!("steps[{own}]{rest}");
    Some(fault)
}
