//! Judging: what an answer scores by a metric.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::case::Case;
use super::gold;
use super::metric::detection::{self, Scene};
use super::metric::field::{self, Field};
use super::metric::plan::{Graph, compare};
use super::metric::{anls, caption, choice, exact, number, ocr, vqa, yesno};
use crate::error::{Error, Result};
use crate::value::Region;

/// The overlap at which a box is found.
pub const IOU: f64 = 0.5;

/// How cases are scored; see [`super::metric`] for definitions and sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// VQA accuracy over ten annotators.
    Vqa,
    /// The same text.
    Exact,
    /// Average normalised Levenshtein similarity.
    Anls,
    /// A receipt's field.
    Field,
    /// Multiple choice.
    Choice,
    /// The same number.
    Number,
    /// Yes or no.
    Yesno,
    /// The detector alone: F1 at an overlap of 0.5, and COCO's average precision.
    Detection,
    /// The reader alone: character error rate, and F1 of lines.
    Ocr,
    /// CIDEr-D and BLEU-4.
    Caption,
    /// The plan alone: F1 of tools, links and arguments.
    Plan,
}

/// What a metric lets run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// The whole agent.
    Ask,
    /// One tool.
    Tool(&'static str),
    /// The planner.
    Plan,
}

impl Metric {
    /// All metrics with their names.
    const ALL: [(Self, &'static str); 11] = [
        (Self::Vqa, "vqa"),
        (Self::Exact, "exact"),
        (Self::Anls, "anls"),
        (Self::Field, "field"),
        (Self::Choice, "choice"),
        (Self::Number, "number"),
        (Self::Yesno, "yesno"),
        (Self::Detection, "detection"),
        (Self::Ocr, "ocr"),
        (Self::Caption, "caption"),
        (Self::Plan, "plan"),
    ];

    /// All names.
    pub fn names() -> [&'static str; 11] {
        Self::ALL.map(|(_, name)| name)
    }

    /// The metric's name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(metric, _)| *metric == self).map_or("", |(_, name)| name)
    }

    /// Whether each case has an answer that can be given, so that a guess is better than a refusal.
    pub fn expects_answer(self) -> bool {
        matches!(self, Self::Vqa | Self::Choice | Self::Number | Self::Yesno)
    }

    /// What it lets run.
    pub fn work(self) -> Work {
        match self {
            Self::Detection => Work::Tool("detect_objects"),
            Self::Ocr => Work::Tool("read_text"),
            Self::Plan => Work::Plan,
            _ => Work::Ask,
        }
    }

    /// Refuses a case that lacks what the metric needs.
    ///
    /// # Errors
    /// `InvalidInput` naming the line and what is missing.
    pub fn check(self, case: &Case) -> Result<()> {
        let missing = match self {
            Self::Vqa if case.answer_gt.is_empty() && case.truths().is_empty() => "`answer_gt`, or an `answer`",
            Self::Exact | Self::Anls if case.truths().is_empty() => "an `answer`",
            Self::Field if case.truths().is_empty() => "an `answer`",
            Self::Field if field_of(case).is_none() => "a `field`: company, date, address or total",
            Self::Choice if case.choices.is_empty() => "`choices`",
            Self::Choice if case.truths().first().is_none_or(|truth| choice::pick(truth, &case.choices).is_none()) => {
                "one of the `choices`, or its letter, as its `answer`"
            }
            Self::Number if truth_number(case).is_none() => "a number as its `answer`",
            Self::Yesno if truth_yes(case).is_none() => "yes or no as its `answer`",
            Self::Detection if case.objects.is_none() => "`objects`",
            Self::Ocr if case.lines.is_empty() && case.field.is_some() => "`lines`: a `field` is no whole text",
            Self::Ocr if truth_lines(case).is_empty() => "`lines`, or a text as its `answer`",
            Self::Caption if case.references.is_empty() => "`references`",
            Self::Plan => return gold::read(&case.answer, &|_| None).map(|_| ()).map_err(|e| e.context(place(case))),
            _ => "",
        };
        if missing.is_empty() && self.work() != Work::Plan && case.images.is_empty() {
            return Err(Error::invalid(format!("{}: it has no `image`", place(case))));
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::invalid(format!("{}: `--metric {self}` needs {missing}", place(case))))
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Metric {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|(_, known)| *known == name).map(|(metric, _)| metric);
        found.ok_or_else(|| Error::invalid(format!("`{name}` is no metric; use one of {}", Self::names().join(", "))))
    }
}

fn place(case: &Case) -> String {
    format!("line {}", case.line)
}

/// What a case scores, and what summing up needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// 0 to 1.
    pub score: f64,
    /// What the metric needs to sum many cases up.
    pub detail: Json,
}

impl Judged {
    fn plain(score: f64) -> Self {
        Self { score, detail: Json::Null }
    }
}

/// Scores what the agent answered; nothing when that needs no answer (see [`Metric::work`]).
pub fn answer(metric: Metric, case: &Case, answer: &str) -> Judged {
    let truths = case.truths();
    match metric {
        Metric::Vqa => Judged::plain(vqa::score(answer, &annotators(case, &truths))),
        Metric::Exact => Judged::plain(exact::score(answer, &truths)),
        Metric::Anls => Judged::plain(anls::score(answer, &truths)),
        Metric::Field => field(case, answer, &truths),
        Metric::Choice => {
            Judged::plain(choice::score(answer, &case.choices, truths.first().map_or("", String::as_str)))
        }
        Metric::Number => Judged::plain(truth_number(case).map_or(0.0, |truth| number::score_first(answer, truth))),
        Metric::Yesno => {
            let (said, truth) = (yesno::read(answer), truth_yes(case).unwrap_or_default());
            Judged { score: yesno::score(answer, truth), detail: json!({ "said": said, "truth": truth }) }
        }
        Metric::Caption => {
            Judged::plain(caption::Bleu::of(caption::Case { caption: answer, references: &case.references }).score())
        }
        Metric::Detection | Metric::Ocr | Metric::Plan => Judged::plain(0.0),
    }
}

/// What the annotators said; a single truth counts as if all ten had said it.
fn annotators(case: &Case, truths: &[String]) -> Vec<String> {
    const ANNOTATORS: usize = 10;
    if case.answer_gt.is_empty() {
        truths.iter().cycle().take(ANNOTATORS).cloned().collect()
    } else {
        case.answer_gt.clone()
    }
}

fn field(case: &Case, answer: &str, truths: &[String]) -> Judged {
    let Some(field) = field_of(case) else { return Judged::plain(0.0) };
    let scores = truths.iter().map(|truth| field::score(field, answer, truth));
    let best =
        scores.max_by(|a, b| (a.exact, a.anls).partial_cmp(&(b.exact, b.anls)).unwrap_or(std::cmp::Ordering::Equal));
    best.map_or_else(
        || Judged::plain(0.0),
        |best| Judged {
            score: best.exact,
            detail: json!({ "field": field, "anls": best.anls, "answered": best.answered }),
        },
    )
}

/// Scores what the detector found; of the finds, F1 counts those that score at least `min_score`.
pub fn found(case: &Case, found: &[Region], min_score: f64, size: (f64, f64)) -> Judged {
    let truth = case.objects(size.0, size.1);
    let sure: Vec<Region> = found.iter().filter(|region| region.score >= min_score).cloned().collect();
    let counts = detection::counts(Scene { found: &sure, truth: &truth }, IOU);
    let score = if truth.is_empty() && sure.is_empty() { 1.0 } else { counts.f1() };
    Judged { score, detail: json!({ "found": found, "truth": truth, "counts": counts }) }
}

/// Scores what the reader read.
pub fn read(case: &Case, lines: &[String]) -> Judged {
    let (read, truth) = (lines.join("\n"), truth_lines(case).join("\n"));
    let edits = ocr::edits(&read, &truth);
    Judged { score: edits.score(), detail: json!({ "edits": edits, "lines": ocr::lines(&read, &truth) }) }
}

/// Scores a plan; none at all scores 0. `output_type` is what a tool returns.
///
/// # Errors
/// `InvalidInput` when the truth is no plan.
pub fn plan(case: &Case, plan: Option<&Graph>, output_type: &dyn Fn(&str) -> Option<String>) -> Result<Judged> {
    let gold = gold::read(&case.answer, output_type)?;
    let counts = compare(&gold, plan.unwrap_or(&Graph::default()), None);
    Ok(Judged { score: counts.nodes.f1(), detail: json!({ "counts": counts, "graph": plan }) })
}

/// What is true of a case, as records show it.
pub fn truth(metric: Metric, case: &Case) -> Json {
    match metric {
        Metric::Vqa if !case.answer_gt.is_empty() => json!(case.answer_gt),
        Metric::Caption => json!(case.references),
        Metric::Ocr => json!(truth_lines(case)),
        Metric::Detection => json!(case.things().iter().map(|thing| &thing.label).collect::<Vec<_>>()),
        _ => case.answer.clone(),
    }
}

/// The receipt's field that a case asks for.
pub fn field_of(case: &Case) -> Option<Field> {
    serde_json::from_value(json!(case.field.as_deref()?.to_lowercase())).ok()
}

/// The number that is true.
pub fn truth_number(case: &Case) -> Option<f64> {
    case.answer.as_f64().or_else(|| number::read(case.answer.as_str()?))
}

/// Whether yes is true.
pub fn truth_yes(case: &Case) -> Option<bool> {
    case.answer.as_bool().or_else(|| yesno::read(case.answer.as_str()?))
}

/// The lines that are there.
pub fn truth_lines(case: &Case) -> Vec<String> {
    if case.lines.is_empty() {
        return case.answer.as_str().into_iter().flat_map(str::lines).map(str::to_owned).collect();
    }
    case.lines.clone()
}
