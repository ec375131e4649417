//! Reports: what a run returned, and where in the images its answer rests.

use std::collections::HashSet;

use serde::{Deserialize as _, Serialize};
use serde_json::{Value as Json, json};

use crate::answer::{Answer, Status, Usage};
use crate::observation::{Failure, Observation};
use crate::plan::{Plan, REGION, points};
use crate::task::image_name;
use crate::tool::Item;
use crate::trace::Trace;
use crate::value::Value;

/// What a run returned: the answer, how it came about, what it cost.
#[derive(Debug, Clone)]
pub struct Report {
    /// The answer; its `status` says how the run ended.
    pub answer: Answer,
    /// The question so that it can be understood by itself, where it went on from earlier ones and was rewritten.
    pub standalone: Option<String>,
    /// The question in English, where it was asked in another script and translated.
    pub translated: Option<String>,
    /// The plan and the observations.
    pub trace: Trace,
    /// What the run used.
    pub usage: Usage,
    /// How long its parts took.
    pub timings: Timings,
    /// Why the run failed, or which limit it reached.
    pub error: Option<Failure>,
}

/// Milliseconds that the parts of a run took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Timings {
    /// Planning, repairs included.
    pub plan_ms: u64,
    /// Running the steps.
    pub execute_ms: u64,
    /// Wording the answer.
    pub refine_ms: u64,
    /// All of it.
    pub total_ms: u64,
}

impl Report {
    /// The JSON form: `answer`, `status`, `claims`, `plan`, `steps`, `usage`, `timings`; where the answer comes
    /// down to a bare value, `short`; where there were rounds, `rounds`; what a chain asked for, `rationale`,
    /// `against`, `votes`, `asked`, `verified`, `arbitration`, `gaps`; where the question was rewritten
    /// or translated, `standalone` and `translated`; as far as the style brings them, `added`, `data` and `unstyled`;
    /// and on failure `error`.
    pub fn to_json(&self) -> Json {
        let steps: Vec<Json> = self.trace.observations.iter().map(step_json).collect();
        let mut report = json!({
            "answer": self.answer.text,
            "short": self.answer.short,
            "status": self.answer.status,
            "claims": self.answer.claims,
            "plan": self.trace.plan.as_ref().map(Plan::to_json),
            "steps": steps,
            "usage": self.usage,
            "timings": self.timings,
        });
        if let Some(object) = report.as_object_mut() {
            if self.answer.short.is_none() {
                object.shift_remove("short");
            }
            if !self.trace.rounds.is_empty() {
                object.insert("rounds".to_owned(), json!(self.trace.rounds));
            }
            let Answer { rationale, against, added, data, unstyled, .. } = &self.answer;
            for (name, text) in [
                ("rationale", rationale),
                ("against", against),
                ("standalone", &self.standalone),
                ("translated", &self.translated),
                ("added", added),
                ("unstyled", unstyled),
            ] {
                object.extend(text.as_ref().map(|text| (name.to_owned(), json!(text))));
            }
            object.extend(data.as_ref().map(|data| ("data".to_owned(), data.as_ref().clone())));
            let Trace { votes, asked, verified, arbitration, gaps, .. } = &self.trace;
            for (name, list, is_empty) in [
                ("votes", json!(votes), votes.is_empty()),
                ("asked", json!(asked), asked.is_empty()),
                ("verified", json!(verified), verified.is_empty()),
                ("arbitration", json!(arbitration), arbitration.is_none()),
                ("gaps", json!(gaps), gaps.is_empty()),
            ] {
                object.extend(Some((name.to_owned(), list)).filter(|_| !is_empty));
            }
            if let Some(error) = &self.error {
                object.insert("error".to_owned(), json!(error));
            }
        }
        report
    }

    /// The regions and lines in the n-th image (from 0) that the claims rest on.
    ///
    /// A claim rests on the regions and lines that its steps returned; where a
    /// step returned something without a place, such as a number, on those that
    /// it was made from.
    pub fn evidence(&self, image: usize) -> Vec<Item> {
        let mut found: Vec<Item> = Vec::new();
        for claim in &self.answer.claims {
            let mut items = Vec::new();
            let mut seen = HashSet::new();
            for id in &claim.steps {
                self.collect(id, &image_name(image), &mut seen, &mut items);
            }
            let quotes = items.iter().any(|item| is_quoted(item, &claim.text));
            items.retain(|item| !quotes || !matches!(item, Item::Line(_)) || is_quoted(item, &claim.text));
            for item in items {
                if !found.contains(&item) {
                    found.push(item);
                }
            }
        }
        found
    }

    /// What the user points at in the n-th image (from 0).
    pub fn pointed(&self, image: usize) -> Vec<Item> {
        let step = self.trace.plan.as_ref().and_then(|plan| plan.step(REGION)).filter(|step| points(step));
        let here = step.filter(|step| self.trace.looks_at(step, &image_name(image)));
        let observation = here.and_then(|step| self.trace.observation(&step.id));
        observation.and_then(Observation::value).map(placed).unwrap_or_default()
    }

    /// What is drawn into the n-th image (from 0): what the user points at, and what the claims rest on.
    pub fn marks(&self, image: usize) -> Vec<Item> {
        let mut marks = self.pointed(image);
        let evidence = self.evidence(image).into_iter().filter(|item| !marks.contains(item));
        let evidence: Vec<Item> = evidence.collect();
        marks.extend(evidence);
        marks
    }

    fn collect<'a>(&'a self, id: &'a str, image: &str, seen: &mut HashSet<&'a str>, items: &mut Vec<Item>) {
        if !seen.insert(id) {
            return;
        }
        let Some(step) = self.trace.plan.as_ref().and_then(|plan| plan.step(id)) else { return };
        if !self.trace.looks_at(step, image) {
            return;
        }
        let own = self.trace.observation(id).and_then(Observation::value).map(placed).unwrap_or_default();
        if own.is_empty() {
            for reference in step.references() {
                self.collect(&reference.id, image, seen, items);
            }
        }
        items.extend(own);
    }
}

/// A refusal that says what is missing.
pub(super) fn unanswerable(missing: &str) -> Answer {
    let missing = missing.trim().trim_end_matches('.');
    let reason = if missing.is_empty() { String::new() } else { format!(": {missing}") };
    Answer::new(format!("The evidence does not answer this{reason}."), Status::Unanswerable)
}

/// What is known when a limit ends the run: the results as they are, without an LLM.
pub(super) fn partial(known: &Trace) -> Answer {
    let claims = if known.is_blank() { Vec::new() } else { crate::refiner::plain_claims(known) };
    let text = if claims.is_empty() {
        "Nothing was found out before the limit was reached.".to_owned()
    } else {
        claims.iter().map(|c| c.text.as_str()).collect::<Vec<_>>().join(" ")
    };
    Answer { claims, ..Answer::new(text, Status::Budget) }
}

fn step_json(observation: &Observation) -> Json {
    let mut step = json!({ "id": observation.id, "tool": observation.tool, "args": observation.args });
    if let Some(object) = step.as_object_mut() {
        match observation.value() {
            Some(value) => object.insert("result".to_owned(), value.to_json()),
            None => object.insert("error".to_owned(), json!(observation.failure())),
        };
        if let Some(same_as) = &observation.same_as {
            object.insert("same_as".to_owned(), json!(same_as));
        }
        object.insert("ms".to_owned(), json!(observation.ms));
    }
    step
}

/// The parts of a value that have a place in the image.
pub fn placed(value: &Value) -> Vec<Item> {
    match value {
        Value::Region(region) => vec![Item::Region(region.clone())],
        Value::Mask(mask) => vec![Item::Mask(mask.clone().into())],
        Value::Points(points) => points.iter().cloned().map(Item::Point).collect(),
        Value::Line(line) => vec![Item::Line(line.clone())],
        Value::List(items) => items.iter().flat_map(placed).collect(),
        Value::Json(json) => placed_in(json),
        _ => Vec::new(),
    }
}

/// The things with a place anywhere inside JSON, e.g. in the sentences of a description.
fn placed_in(json: &Json) -> Vec<Item> {
    match json {
        Json::Array(items) => items.iter().flat_map(placed_in).collect(),
        Json::Object(object) => match Item::deserialize(json) {
            Ok(item) => vec![item],
            Err(_) => object.values().flat_map(placed_in).collect(),
        },
        _ => Vec::new(),
    }
}

/// Whether a claim quotes this line of text, or a part of it.
fn is_quoted(item: &Item, claim: &str) -> bool {
    let Item::Line(line) = item else { return false };
    let squash =
        |text: &str| text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let (line, claim) = (squash(&line.text), squash(claim));
    line.chars().count() > 1 && claim.contains(&line)
}
