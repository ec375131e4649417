//! Verified steps in a run: what contradicts each other, and that there is no such thing.

use std::collections::HashSet;

use serde_json::Value as Json;

use super::run::Run;
use crate::answer::{Answer, Claim, Status};
use crate::observation::Observation;
use crate::refiner::Verdict;
use crate::trace::{Event, Finding, Verification};
use crate::value::{Region, Value};
use crate::words::words;

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
        let (mut found, mut pairs): (Vec<Verification>, Vec<(usize, usize)>) = (Vec::new(), Vec::new());
        for (n, search) in searches.iter().enumerate() {
            for (other_n, other) in searches.iter().enumerate().filter(|(other, _)| *other != n) {
                let (Some(search), Some(other)) = (search, other) else { continue };
                let is_new = n >= known || other_n >= known;
                if let Some(why) = search.against(other).filter(|_| is_new) {
                    // What the other says against this one is the same thing told again.
                    if !pairs.contains(&(other_n, n)) {
                        pairs.push((n, other_n));
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

    /// A verdict beside which stands what contradicts each other.
    pub(super) fn with_contradictions(&self, verdict: Verdict) -> Verdict {
        let Verdict::Answer(mut answer) = verdict else { return verdict };
        let contradicted = self.trace.verified.iter().filter(|one| one.finding == Finding::Contradicted);
        let told: Vec<&str> = contradicted.map(|one| one.why.as_str()).collect();
        if !told.is_empty() {
            answer.against = Some(answer.against.into_iter().chain([told.join("; ")]).collect::<Vec<_>>().join(" "));
        }
        Verdict::Answer(answer)
    }

    /// Where nothing answers because what is asked about is not there, that is the answer.
    pub(super) fn or_absent(&self, verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::NotEnough { missing } => self.absence().map_or(Verdict::NotEnough { missing }, Verdict::Answer),
            answer => answer,
        }
    }

    /// That what the question names was looked for and is not there: everything that the plan's result comes from was
    /// looked for in vain, and no other step found it.
    fn absence(&self) -> Option<Answer> {
        // The result of the last of several smaller questions is not that of the whole.
        let plan = self.trace.plan.as_ref().filter(|_| self.trace.asked.is_empty())?;
        let (mut before, mut open) = (HashSet::new(), vec![plan.result.id.as_str()]);
        while let Some(id) = open.pop() {
            if before.insert(id) {
                let step = plan.step(id);
                open.extend(step.into_iter().flat_map(|step| step.references()).map(|reference| reference.id.as_str()));
            }
        }
        let searches: Vec<Search<'_>> = self.trace.observations.iter().filter_map(Search::of).collect();
        let mut own = searches.iter().filter(|search| before.contains(search.id) && !search.labels.is_empty());
        let search = own.next()?;
        let told = self.trace.verified.iter();
        let is = |one: &Verification, finding| one.step == search.id && one.finding == finding;
        let gone = told.clone().any(|one| is(one, Finding::Absent) || is(one, Finding::Refuted));
        let contradicted = told.clone().any(|one| is(one, Finding::Contradicted));
        let asked = search.labels.iter().any(|label| names(&self.task.question, label));
        if !gone || contradicted || !asked || !search.found.is_empty() || own.next().is_some() {
            return None;
        }
        let text = format!("No {} was found.", search.labels.join(" or "));
        let claims = vec![Claim { text: text.clone(), steps: vec![search.id.to_owned()] }];
        Some(Answer { claims, ..Answer::new(text, Status::Answered) })
    }
}

/// Whether a question names a thing, in the singular or the plural.
fn names(question: &str, label: &str) -> bool {
    let (asked, label) = (words(question), words(label));
    let same = |word: &String, part: &String| {
        word == part || word.strip_prefix(part).is_some_and(|end| matches!(end, "s" | "es"))
    };
    !label.is_empty() && label.iter().all(|part| asked.iter().any(|word| same(word, part)))
}
