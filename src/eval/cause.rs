//! Causes: why a case is wrong.

use serde::{Deserialize, Serialize};

use super::case::Case;
use super::judge::{Metric, Work, truth_number, truth_yes};
use super::metric::text::plain;
use super::metric::{choice, number};
use crate::agent::Report;
use crate::answer::Status;
use crate::error::ErrorKind;
use crate::observation::Observation;
use crate::tool::Catalog;
use crate::tool::labels::same_label;
use crate::value::{Mask, Value};

/// A truth of no more letters has to be a word of its own: "no" does not stand in "nothing".
const SHORT: usize = 4;

/// Why a case is wrong, as far as its trace tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// No valid plan came about.
    PlanInvalid,
    /// The plan looks for something else than what was asked, or not into the image at all.
    WrongTools,
    /// What the plan looked for was not found.
    NothingFound,
    /// Something was found, and it is not what is true.
    WrongFinding,
    /// What is true was found, and the answer says something else.
    WrongAnswer,
    /// Something was found, and the answer is that the evidence does not suffice.
    Refused,
    /// A limit was reached.
    Budget,
    /// The run failed.
    Failed,
}

impl Cause {
    /// The cause in words.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::PlanInvalid => "plan invalid",
            Self::WrongTools => "wrong tools",
            Self::NothingFound => "tool found nothing",
            Self::WrongFinding => "tool found something else",
            Self::WrongAnswer => "right evidence but wrong answer",
            Self::Refused => "refused",
            Self::Budget => "budget",
            Self::Failed => "failed",
        }
    }
}

/// Why an answer is wrong.
///
/// The first that holds, in this order: a limit was reached; no valid plan; another failure; what is true stands in
/// what the steps returned; no expert was called, or none for the things that the question names; the steps
/// that the answer rests on found nothing; nothing was answered; else something else was found.
pub fn of_answer(case: &Case, metric: Metric, report: &Report, catalog: &Catalog) -> Cause {
    match (report.answer.status, report.error.as_ref().map(|error| error.kind)) {
        (Status::Budget, _) => return Cause::Budget,
        (Status::Failed, Some(ErrorKind::Plan)) => return Cause::PlanInvalid,
        (Status::Failed, _) => return Cause::Failed,
        _ => {}
    }
    let refused = report.answer.status == Status::Unanswerable;
    let observations = &report.trace.observations;
    if observations.iter().filter_map(Observation::value).any(|value| holds(case, metric, value)) {
        return if refused { Cause::Refused } else { Cause::WrongAnswer };
    }
    if !looks_for(case, observations, catalog) {
        return Cause::WrongTools;
    }
    let result = report.trace.plan.as_ref().map(|plan| plan.result.id.as_str());
    let found = observations.iter().find(|o| Some(o.id.as_str()) == result).and_then(Observation::value);
    if found.is_none_or(is_nothing) {
        return Cause::NothingFound;
    }
    if refused { Cause::Refused } else { Cause::WrongFinding }
}

/// Whether what is true stands in a step's result.
fn holds(case: &Case, metric: Metric, value: &Value) -> bool {
    match metric {
        Metric::Yesno => truth_yes(case).is_some_and(|yes| match value {
            Value::Bool(decided) => *decided == yes,
            Value::List(items) => items.is_empty() != yes && items.iter().all(|i| i.region().is_some()),
            Value::Number(n) => (*n > 0.0) == yes,
            _ => false,
        }),
        Metric::Number => truth_number(case).is_some_and(|truth| match value {
            Value::Number(n) => (n - truth).abs() < 1e-9,
            Value::List(items) if items.iter().all(|i| i.region().is_some()) => items.len() as f64 == truth,
            other => number::numbers(&text_of(other)).contains(&truth),
        }),
        _ => {
            let found = text_of(value);
            let options = if metric == Metric::Choice { case.choices.as_slice() } else { &[] };
            let option = |truth: &String| choice::pick(truth, options).and_then(|n| options.get(n)).cloned();
            let mut truths = case.truths().into_iter().map(|truth| option(&truth).unwrap_or(truth));
            truths.any(|truth| says(&found, &truth)) || case.answer_gt.iter().any(|truth| says(&found, truth))
        }
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Line(line) => line.text.clone(),
        Value::Region(region) | Value::Mask(Mask { region, .. }) => region.label.clone(),
        Value::List(items) => items.iter().map(text_of).collect::<Vec<_>>().join(" "),
        Value::Image(_) => String::new(),
        other => other.to_json().to_string(),
    }
}

/// Whether a text says a truth: as words of its own, or, of a longer one, however it is spaced.
fn says(text: &str, truth: &str) -> bool {
    let (words, wanted) = (plain(text), plain(truth));
    let joined = |words: &str| words.replace(' ', "");
    let is_long = joined(&wanted).chars().count() > SHORT;
    !wanted.is_empty()
        && (format!(" {words} ").contains(&format!(" {wanted} "))
            || (is_long && joined(&words).contains(&joined(&wanted))))
}

/// Whether some step looks into the image, for one of the things that the question names where it names any.
fn looks_for(case: &Case, observations: &[Observation], catalog: &Catalog) -> bool {
    let expert = |o: &&Observation| o.args.get("image").is_some();
    let looking: Vec<&Observation> = observations.iter().filter(expert).collect();
    let named = catalog.mentions(&case.question);
    let labels = |o: &Observation| -> Vec<String> {
        let labels = o.args.get("labels").and_then(serde_json::Value::as_array);
        labels.into_iter().flatten().filter_map(|l| l.as_str().map(str::to_owned)).collect()
    };
    let fits = |o: &&Observation| {
        let labels = labels(o);
        labels.is_empty() || named.iter().any(|thing| labels.iter().any(|label| same_label(&thing.name, label)))
    };
    !looking.is_empty() && (named.is_empty() || looking.iter().any(fits))
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::List(items) => items.is_empty(),
        Value::Number(n) => *n == 0.0,
        Value::Text(text) => text.trim().is_empty(),
        _ => false,
    }
}

/// Why what a single tool found, or a plan, is wrong.
pub fn of_work(metric: Metric, is_empty: bool, error: Option<ErrorKind>) -> Cause {
    match (metric.work(), error) {
        (_, Some(ErrorKind::Budget)) => Cause::Budget,
        (Work::Plan, Some(ErrorKind::Plan)) => Cause::PlanInvalid,
        (_, Some(_)) => Cause::Failed,
        (Work::Plan, None) => Cause::WrongTools,
        _ if is_empty => Cause::NothingFound,
        _ => Cause::WrongFinding,
    }
}
