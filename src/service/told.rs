//! What clients are told of runs: everything but prompts, replies, and what failures say of this machine.

use serde::Deserialize as _;
use serde_json::{Value, json};

use super::refusal;
use crate::agent::Report;
use crate::observation::{Failure, Outcome};
use crate::refiner::FAILED;
use crate::trace::{Entry, Event};

/// Messages of failures with what a client is told in their place, wherever they are repeated.
#[derive(Default)]
pub(crate) struct Told(Vec<(String, String)>);

impl Told {
    /// For the report of a run, whole.
    pub(crate) fn of(report: &Report) -> Self {
        let mut told = Self::default();
        for observation in &report.trace.observations {
            if let Outcome::Failed(failure) = &observation.outcome {
                told.hide(failure);
            }
        }
        if let Some(failure) = &report.error {
            told.hide(failure);
        }
        told
    }

    /// A report as it is sent.
    pub(crate) fn report(&self, report: &Report) -> Value {
        let mut told = report.to_json();
        if report.answer.unstyled.as_ref().is_some_and(|reason| reason.starts_with(FAILED)) {
            told["unstyled"] = json!(FAILED);
        }
        self.mask(&mut told);
        told
    }

    /// A text as it is sent.
    pub(crate) fn text(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (message, told)| text.replace(message, told))
    }

    /// An event as it is sent; nothing of those that are for this side alone.
    pub(crate) fn event(&mut self, entry: &Entry) -> Option<Value> {
        let is_told = matches!(
            entry.event,
            Event::Rewritten { .. }
                | Event::Planned { .. }
                | Event::Joined { .. }
                | Event::Faults { .. }
                | Event::Decided { .. }
                | Event::NotEnough { .. }
                | Event::Voted { .. }
                | Event::Objected { .. }
                | Event::Asked(_)
                | Event::Verified(_)
                | Event::Arbitrated(_)
                | Event::Infilled(_)
                | Event::StepStarted { .. }
                | Event::StepEnded { .. }
        );
        is_told.then(|| self.line(entry))
    }

    /// An entry of a trace as it is sent: of an LLM call what it was for and what it took.
    pub(crate) fn line(&mut self, entry: &Entry) -> Value {
        let mut told = json!(entry);
        let hidden: &[&str] = match &entry.event {
            Event::LlmCall { .. } => &["prompt", "schema", "reply"],
            // It is the LLM's reply where that was no plan.
            Event::Faults { .. } => &["plan"],
            Event::Shown { .. } => &["demos"],
            _ => &[],
        };
        for name in hidden {
            told.as_object_mut().and_then(|object| object.shift_remove(*name));
        }
        if let Event::Started { model, .. } = &entry.event {
            // Where an LLM is, and how this service words its answers, is its own affair.
            told["model"] = json!(model.rsplit_once('#').map_or(model.as_str(), |(_, name)| name));
            told.get_mut("task").and_then(Value::as_object_mut).and_then(|task| task.shift_remove("style"));
        }
        if let Some(failure) = told.get("error").and_then(|error| Failure::deserialize(error).ok()) {
            self.hide(&failure);
        }
        self.mask(&mut told);
        told
    }

    fn hide(&mut self, failure: &Failure) {
        let told = refusal::told(failure);
        if told != failure.message && !failure.message.is_empty() {
            self.0.push((failure.message.clone(), told));
        }
    }

    /// Masks all texts in a value.
    fn mask(&self, value: &mut Value) {
        match value {
            Value::String(text) if !self.0.is_empty() => *text = self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.mask(item)),
            Value::Object(object) => object.values_mut().for_each(|value| self.mask(value)),
            _ => {}
        }
    }
}
