//! Demos: in-context examples in files (multimodal in-context learning, M-ICL).
//!
//! One demo is a JSON object on one line: a question, what describes the image, the plan, what the LLM saw of its
//! steps, and the answer. It is one format for everything that is shown demos, and each is shown its part:
//!
//! ```
//! use lavr::demo::{Demo, DemoFor};
//!
//! let line = r#"{"question": "How many owls are there?",
//!     "plan": {"steps": [{"id": "owls", "tool": "detect_objects", "args": {"image": "$image", "labels": ["bird"]}},
//!                        {"id": "n", "tool": "count", "args": {"items": "$owls"}}], "result": "$n"},
//!     "observations": [{"id": "owls", "text": "2 bird"}, {"id": "n", "text": "2"}],
//!     "answer": ["There are 2 owls."]}"#;
//! let demo = Demo::parse(line)?;
//! assert_eq!(demo.serves(), DemoFor::ALL);
//! assert_eq!(demo.evidence(), "owls: detect_objects(\"bird\") = 2 bird\nn: count(owls) = 2");
//! # Ok::<(), lavr::error::Error>(())
//! ```

mod choice;
mod file;
mod learn;
mod read;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

pub use self::choice::{diverse, drawn};
pub use self::file::{FileDemo, Flaw, append, check, files, lines, open};
pub use self::learn::learn;
use crate::plan::{Fault, Plan, PlanLimits};
use crate::refiner::Evidence;
use crate::tool::Catalog;

/// Most steps of a demo's plan, as of any plan.
const MAX_STEPS: usize = 24;
/// Most steps of a plan that is shown as one round of a decision maker.
const ROUND_STEPS: usize = 6;

/// Who is shown demos.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DemoFor {
    /// The planner that writes the whole plan at once.
    Planner,
    /// The decision maker, in a round in which nothing is known.
    FirstRound,
    /// The decision maker, in a round in which something is known.
    LaterRound,
    /// The refiner, which words the answer.
    Refiner,
}

impl DemoFor {
    /// Everyone.
    pub const ALL: [Self; 4] = [Self::Planner, Self::FirstRound, Self::LaterRound, Self::Refiner];
}

impl fmt::Display for DemoFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Planner => "planner",
            Self::FirstRound => "first-round",
            Self::LaterRound => "later-round",
            Self::Refiner => "refiner",
        })
    }
}

/// What the LLM sees of a step's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The step's id.
    pub id: String,
    /// Its result in words, as evidence has it: `3 person`, `"OPEN"`. Where the demo has no plan, its call, too:
    /// `count(people) = 3`.
    pub text: String,
}

/// An in-context example.
#[derive(Debug, Clone, PartialEq)]
pub struct Demo {
    /// What is asked.
    pub question: String,
    /// How many images there are.
    pub images: usize,
    /// Where the image is, seen from the demo's file; for people, the LLM is not shown it.
    pub image: Option<PathBuf>,
    /// What is in the image, in words: by this it is found for images that resemble it.
    pub description: Option<String>,
    /// The plan.
    pub plan: Option<Plan>,
    /// What the LLM sees of the steps, in their order.
    pub observations: Vec<Seen>,
    /// The sentences of the answer.
    pub answer: Vec<String>,
    /// What is missing, when the observations do not answer.
    pub missing: Option<String>,
}

impl Demo {
    /// Reads a demo from its line.
    ///
    /// # Errors
    /// `InvalidInput` naming the key that is unknown, missing, or has not the right value.
    pub fn parse(line: &str) -> crate::error::Result<Self> {
        read::demo(line)
    }

    /// The JSON form; the inverse of [`Demo::parse`]. What is not there is left out.
    pub fn to_json(&self) -> Json {
        let seen = |seen: &Seen| json!({ "id": seen.id, "text": seen.text });
        let observations: Vec<Json> = self.observations.iter().map(seen).collect();
        let entries = [
            ("question", Some(json!(self.question))),
            ("image", self.image.as_ref().map(|image| json!(image.to_string_lossy()))),
            ("images", (self.images != 1).then(|| json!(self.images))),
            ("description", self.description.as_ref().map(|text| json!(text))),
            ("plan", self.plan.as_ref().map(Plan::to_json)),
            ("observations", (!observations.is_empty()).then(|| json!(observations))),
            ("answer", (!self.answer.is_empty()).then(|| json!(self.answer))),
            ("missing", self.missing.as_ref().map(|text| json!(text))),
        ];
        let there = entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        Json::Object(there.collect::<Map<String, Json>>())
    }

    /// Who can be shown it: the planner and a first round when it has a plan, the refiner when it has observations
    /// and how they end, a later round when it has both and the plan's result was observed.
    pub fn serves(&self) -> Vec<DemoFor> {
        let fits = |of: &DemoFor| match of {
            DemoFor::Planner => self.plan.is_some(),
            DemoFor::FirstRound => self.plan.as_ref().is_some_and(|plan| plan.steps.len() <= ROUND_STEPS),
            DemoFor::LaterRound => self.ends() && self.result_text().is_some(),
            DemoFor::Refiner => self.ends() && !self.observations.is_empty(),
        };
        DemoFor::ALL.into_iter().filter(fits).collect()
    }

    fn ends(&self) -> bool {
        !self.answer.is_empty() || self.missing.is_some()
    }

    /// What was seen of the plan's result.
    fn result_text(&self) -> Option<&str> {
        let result = &self.plan.as_ref()?.result;
        self.observations.iter().find(|seen| seen.id == result.id).map(|seen| seen.text.as_str())
    }

    /// The tools of its plan, in the order of the steps.
    pub fn tools(&self) -> Vec<&str> {
        self.plan.iter().flat_map(|plan| &plan.steps).map(|step| step.tool.as_str()).collect()
    }

    /// What was observed as the LLM sees it: one line a step.
    pub fn evidence(&self) -> String {
        let line = |seen: &Seen| match self.plan.as_ref().and_then(|plan| plan.step(&seen.id)) {
            Some(step) => format!("{}{}", Evidence::head_of(step), seen.text),
            None => format!("{}: {}", seen.id, seen.text),
        };
        self.observations.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// What a decision maker replies that knows all that was observed; nothing when the demo does not say.
    pub fn last_round(&self) -> Option<Json> {
        let (plan, text) = (self.plan.as_ref()?, self.result_text()?);
        if let Some(missing) = &self.missing {
            let thought = format!("{} says {}.", plan.result.id, text.trim_end_matches('.'));
            return Some(json!({ "thought": thought, "missing": missing, "steps": [] }));
        }
        (!self.answer.is_empty())
            .then(|| json!({ "thought": self.answer.join(" "), "result": plan.result.to_string() }))
    }

    /// What is wrong with its plan, going by the tools there are; nothing when it has none.
    pub fn faults(&self, catalog: &Catalog) -> Vec<Fault> {
        let limits = PlanLimits { max_steps: MAX_STEPS, images: self.images };
        self.plan.as_ref().map(|plan| catalog.check(plan, &limits)).unwrap_or_default()
    }

    /// Whether all tools of its plan are there.
    pub fn has_tools(&self, catalog: &Catalog) -> bool {
        self.tools().iter().all(|tool| catalog.get(tool).is_some())
    }

    /// Whether another demo asks the same and plans it the same way.
    pub fn repeats(&self, other: &Self) -> bool {
        let asked = |demo: &Self| demo.question.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        asked(self) == asked(other) && self.images == other.images && self.plan == other.plan
    }
}
