//! Plain claims: what a result says as it is, without the LLM's wording.

use std::collections::HashSet;

use serde_json::Value as Json;

use super::evidence::{Evidence, MAX_FOUND, unit};
use super::in_words::{regions_of, whole_text};
use super::wording::{asks_how_many, asks_number, asks_openly, asks_plainly, asks_presence, asks_to_read, of_number};
use crate::answer::Claim;
use crate::observation::Observation;
use crate::value::Value;

/// Most values that an answer may have left out by mistake.
const MAX_LEFT_OUT: usize = 2;
/// Most items of a list that is said as it is.
const MAX_ITEMS: usize = 5;

impl Evidence<'_> {
    /// The result as it is, for when the LLM's wording is not borne out by it.
    ///
    /// Text that was read answers only a question that asks to read.
    pub fn plain_claim(&self) -> Option<Claim> {
        let result = self.result();
        let speaking: Vec<_> = self.observations().collect();
        let (observation, value) =
            speaking.iter().find(|(o, _)| Some(o.id.as_str()) == result).or_else(|| speaking.last())?;
        let text = match value {
            // Which of two it is, a yes does not say.
            Value::Bool(_) if asks_openly(self.question) => return None,
            Value::Bool(true) => "Yes.".to_owned(),
            Value::Bool(false) => "No.".to_owned(),
            Value::Number(_) if observation.tool == "count" && !asks_number(self.question) => return None,
            Value::Number(_) | Value::Region(_) | Value::Mask(_) => whole_text(value) + unit(observation),
            Value::Text(_) | Value::Line(_) if self.may_be_read(observation, 1) => whole_text(value),
            Value::List(items) if items.is_empty() => return self.nothing_found().or_else(|| self.none_of_them()),
            Value::List(items) if items.len() <= MAX_ITEMS => {
                let speaks = !is_text(items) || self.may_be_read(observation, items.len());
                speaks.then(|| whole_text(value) + unit(observation))?
            }
            Value::Labels(_) if asks_plainly(self.question) => return None,
            Value::Labels(_) | Value::Json(_) | Value::Table(_) => self.in_full(value),
            Value::Image(_) => "The image is ready.".to_owned(),
            _ => return None,
        };
        (!text.trim().is_empty()).then(|| Claim { text, steps: vec![observation.id.clone()] })
    }

    /// Text is an answer when it was looked up, or when the question asks to read.
    fn may_be_read(&self, observation: &Observation, lines: usize) -> bool {
        (is_lookup(observation) && lines <= MAX_FOUND) || asks_to_read(self.question)
    }

    /// That nothing was found, when the result says so and nothing else was asked.
    pub(super) fn nothing_found(&self) -> Option<Claim> {
        let id = self.result()?;
        let (observation, value) = self.observations().find(|(o, _)| o.id == id)?;
        let empty = matches!(value, Value::List(items) if items.is_empty());
        let labels = observation.args.get("labels").map(literals).unwrap_or_default();
        if !empty || observation.args.get("lines").is_some() || labels.is_empty() {
            return None;
        }
        let asked = asks_presence(self.question, &labels);
        asked.then(|| Claim { text: format!("No {} was found.", labels.join(" or ")), steps: vec![id.to_owned()] })
    }

    /// That there are none, when it is asked how many and all of what was found was sorted out.
    ///
    /// Where a thing was not found in the first place, or nothing it could be related to, that says nothing.
    fn none_of_them(&self) -> Option<Claim> {
        let id = self.result()?;
        let from = super::evidence::inputs(self.known, id);
        let all_found = from.iter().all(|id| {
            let value = self.known.observation(id).and_then(Observation::value);
            value.is_some_and(|value| value.region().is_some())
                || matches!(value, Some(Value::List(items)) if !regions_of(items).is_empty())
        });
        if from.is_empty() || !all_found || !asks_how_many(self.question) {
            return None;
        }
        let items =
            self.known.observation(id)?.args.get("items").and_then(Json::as_str)?.trim_start_matches('$').to_owned();
        let labels = self.searched(&items);
        let [label] = labels.as_slice() else { return None };
        Some(Claim { text: format!("0 {}.", of_number(label, 0.0)), steps: vec![id.to_owned()] })
    }

    /// Puts the yes or no that a step decided before a sentence that answers a yes-or-no question without it.
    pub(super) fn say_yes_or_no(&self, claim: &mut Claim) {
        let Some((id, yes)) = self.result().and_then(|id| match self.known.observation(id)?.value()? {
            Value::Bool(yes) => Some((id, *yes)),
            _ => None,
        }) else {
            return;
        };
        if !asks_plainly(self.question) {
            return;
        }
        claim.text = format!("{}. {}", if yes { "Yes" } else { "No" }, claim.text);
        if !claim.steps.iter().any(|step| step == id) {
            claim.steps.push(id.to_owned());
        }
    }

    /// Numbers and values that nothing else is made of and that no claim rests on.
    pub(super) fn left_out(&self, claims: &[Claim]) -> Vec<Claim> {
        let result = self.result();
        // What a decision maker looked up on its way stands in later steps as a literal.
        let in_rounds = !self.known.rounds.is_empty();
        let left: Vec<Claim> = self
            .observations()
            .filter(|(o, _)| Some(o.id.as_str()) == result || !(in_rounds || self.is_consumed(&o.id)))
            .filter(|(o, _)| claims.iter().all(|claim| !claim.steps.contains(&o.id)))
            .filter_map(|(o, value)| Some(Claim { text: self.said_plainly(o, value)?, steps: vec![o.id.clone()] }))
            .filter(|plain| claims.iter().all(|claim| claim.text != plain.text))
            .collect();
        // Nobody asks for so many things at once: these are by the way.
        let mut kept: Vec<Claim> = Vec::new();
        for claim in &left {
            let is_result = claim.steps.iter().any(|id| Some(id.as_str()) == result);
            if (is_result || left.len() <= MAX_LEFT_OUT) && kept.iter().all(|other| other.text != claim.text) {
                kept.push(claim.clone());
            }
        }
        kept
    }

    fn said_plainly(&self, observation: &Observation, value: &Value) -> Option<String> {
        match value {
            Value::Number(number) => {
                let labels = self.searched(&observation.id);
                match labels.as_slice() {
                    [label] if unit(observation).is_empty() => {
                        Some(format!("{} {}.", whole_text(value), of_number(label, *number)))
                    }
                    _ => Some(format!("{}{}.", whole_text(value), unit(observation))),
                }
            }
            Value::List(items) if is_lookup(observation) && (1..=MAX_FOUND).contains(&items.len()) => {
                let key = observation.args.get("text").map(literals)?.into_iter().next()?;
                Some(format!("{key}: {}.", items.iter().map(whole_text).collect::<Vec<_>>().join(", ")))
            }
            _ => None,
        }
    }

    /// The labels and texts that a step, and those it works on, looked for.
    pub(super) fn searched(&self, id: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let mut seen: HashSet<&str> = HashSet::new();
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            let Some(observation) = self.known.observations.iter().find(|o| o.id == id) else { continue };
            if !seen.insert(&observation.id) {
                continue;
            }
            for key in ["labels", "label", "text", "key"] {
                let new = observation.args.get(key).map(literals).unwrap_or_default();
                found.extend(new.into_iter().filter(|label| !found.contains(label)).collect::<Vec<_>>());
            }
            open.extend(super::evidence::inputs(self.known, id));
        }
        found
    }

    /// Whether a step is the result, or nothing else is made from it.
    pub(super) fn is_last(&self, id: &str) -> bool {
        self.result() == Some(id) || !self.is_consumed(id)
    }

    fn result(&self) -> Option<&str> {
        self.known.plan.as_ref().map(|plan| plan.result.id.as_str())
    }
}

pub(super) fn is_lookup(observation: &Observation) -> bool {
    matches!(observation.tool.as_str(), "find_text" | "normalize")
}

fn is_text(items: &[Value]) -> bool {
    regions_of(items).is_empty() && items.iter().any(|v| matches!(v, Value::Line(_) | Value::Text(_)))
}

/// The texts of an argument that are no references.
fn literals(json: &Json) -> Vec<String> {
    match json {
        Json::String(text) if !text.starts_with('$') => vec![text.trim().to_lowercase()],
        Json::Array(items) => items.iter().flat_map(literals).collect(),
        _ => Vec::new(),
    }
}
