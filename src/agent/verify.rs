//! Verified steps in a run: what contradicts each other, and that there is no such thing.

use std::collections::HashSet;

use serde_json::Value as Json;

use super::run::Run;
use crate::answer::{Answer, Claim, Status};
use crate::observation::Observation;
use crate::refiner::Verdict;
use crate::trace::{Event, Finding, Verification};
use crate::value::{Region, Value};

/// Finds from this score on contradict a tool that finds none.
const SURE: f64 = 0.5;

/// What a detecting step looked for, and where, with what it found.
struct Search<'a> {
    id: &'a str,
    tool: &'a str,
    image: &'a Json,
    labels: Vec<&'a str>,
    found: Vec<&'a Region>,
}

impl<'a> Search<'a> {
    fn of(observation: &'a Observation) -> Option<Self> {
        let Value::List(items) = observation.value().filter(|_| observation.same_as.is_none())? else { return None };
        let found: Vec<&Region> = items.iter().filter_map(Value::region).collect();
        let labels = observation.args.get("labels").and_then(Json::as_array);
        let labels = labels.into_iter().flatten().filter_map(Json::as_str).collect();
        let image = observation.args.get("image")?;
        (found.len() == items.len()).then_some(Self {
            id: &observation.id,
            tool: &observation.tool,
            image,
            labels,
            found,
        })
    }

    fn count(&self, label: &str) -> usize {
        self.found.iter().filter(|region| region.label == label).count()
    }

    /// How this search says otherwise than another on the same image; the other may have looked for more.
    fn against(&self, other: &Self) -> Option<String> {
        if self.image != other.image || self.tool == other.tool && self.labels == other.labels {
            return None;
        }
        self.labels.iter().find_map(|label| {
            let (own, others) = (self.count(label), other.count(label));
            let sure = other.found.iter().any(|region| region.label == *label && region.score >= SURE);
            let both_asked = other.labels.contains(label) && self.tool != other.tool;
            let differ = own == 0 && others > 0 && sure || both_asked && own != others;
            differ.then(|| format!("`{}` finds {own} {label}, and step `{}` finds {others}", self.id, other.id))
        })
    }
}

impl Run<'_> {
    /// Notes what is contradictory among what is known since the `known` first observations.
    pub(super) fn note_contradictions(&mut self, known: usize) {
        let searches: Vec<Option<Search<'_>>> = self.trace.observations.iter().map(Search::of).collect();
        let mut found: Vec<Verification> = Vec::new();
        for (n, search) in searches.iter().enumerate() {
            for (other_n, other) in searches.iter().enumerate().filter(|(other, _)| *other != n) {
                let (Some(search), Some(other)) = (search, other) else { continue };
                let is_new = n >= known || other_n >= known;
                if let Some(why) = search.against(other).filter(|_| is_new) {
                    let told = |one: &Verification| one.step == other.id;
                    if !found.iter().any(told) {
                        found.push(Verification { step: search.id.to_owned(), finding: Finding::Contradicted, why });
                    }
                }
            }
        }
        for verification in found {
            self.cx.emit(Event::Verified(verification.clone()), &[]);
            self.trace.verified.push(verification);
        }
    }

    /// A verdict that says what verifying brought: contradictions stand beside the answer, and where nothing answers
    /// because there is no such thing, that is the answer.
    pub(super) fn verified(&self, verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::Answer(mut answer) => {
                let contradictions: Vec<&str> =
                    self.findings(Finding::Contradicted).map(|one| one.why.as_str()).collect();
                if !contradictions.is_empty() {
                    let told = contradictions.join("; ");
                    answer.against =
                        Some(answer.against.map_or_else(|| told.clone(), |other| format!("{other} {told}")));
                }
                Verdict::Answer(answer)
            }
            Verdict::NotEnough { missing } => self.absence().map_or(Verdict::NotEnough { missing }, Verdict::Answer),
        }
    }

    fn findings(&self, finding: Finding) -> impl Iterator<Item = &Verification> {
        self.trace.verified.iter().filter(move |one| one.finding == finding)
    }

    /// That what was looked for by name is not there, where the plan's result comes from it.
    fn absence(&self) -> Option<Answer> {
        let plan = self.trace.plan.as_ref()?;
        let (mut seen, mut open) = (HashSet::new(), vec![plan.result.id.as_str()]);
        while let Some(id) = open.pop().filter(|_| seen.len() <= plan.steps.len()) {
            if seen.insert(id) {
                let step = plan.step(id);
                open.extend(step.into_iter().flat_map(|step| step.references()).map(|reference| reference.id.as_str()));
            }
        }
        let search = |one: &Verification| self.trace.observation(&one.step).and_then(Search::of);
        let absent = self.findings(Finding::Absent).filter(|one| seen.contains(one.step.as_str()));
        let (step, labels) = absent
            .filter_map(|one| Some((&one.step, search(one)?.labels.join(" or "))))
            .find(|(_, labels)| !labels.is_empty())?;
        let text = format!("No {labels} was found.");
        let claims = vec![Claim { text: text.clone(), steps: vec![step.clone()] }];
        Some(Answer { claims, ..Answer::new(text, Status::Answered) })
    }
}
