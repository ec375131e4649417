//! Traces: the append-only journal of one run.

mod past;
mod reading;
mod source;
mod writer;

use std::collections::HashSet;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::answer::{Answer, Usage};
use crate::image::Image;
use crate::message::Message;
use crate::observation::{Failure, Observation};
use crate::plan::{Fault, POINT_AT, Plan, Reference, Segment, Step};
use crate::signature::ValueType;
use crate::value::Value;

pub(crate) use past::{Asked, Verdict};
pub use past::{Following, Past};
pub use reading::{RawEntry, read, read_raw};
pub use source::{BlobFolder, Source, blobs_in};
pub use writer::TraceWriter;

/// Most images made by steps that an LLM is shown.
const MAX_DRAWN: usize = 4;

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The run began.
    Started {
        /// The version of `lavr`.
        lavr: String,
        /// What is asked.
        question: String,
        /// The images, as blobs.
        images: Vec<Json>,
        /// The LLM's name.
        model: String,
        /// How it is asked: mode, chain, style, limits and what the user points at.
        #[serde(default, skip_serializing_if = "Json::is_null")]
        task: Json,
        /// When it began: RFC 3339, in UTC, with milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<String>,
    },
    /// A question that goes on from earlier ones was rewritten to stand alone.
    Rewritten {
        /// What is asked.
        question: String,
        /// The same so that it can be understood by itself.
        standalone: String,
    },
    /// Demos were chosen to go along with a question.
    Shown {
        /// Who is shown them.
        to: String,
        /// The question.
        question: String,
        /// Their questions, in the order in which they are shown.
        demos: Vec<String>,
    },
    /// An LLM was called and replied (or failed).
    LlmCall {
        /// What for: `standalone`, `translate`, `plan`, `decide`, `repair`, `refine`, `guess`, `style`, and what a chain
        /// asks for, such as `critic`.
        purpose: String,
        /// The prompt, constant part first.
        prompt: Vec<Message>,
        /// The digests of the images that went with it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        images: Vec<String>,
        /// The JSON Schema the reply had to fit.
        #[serde(skip_serializing_if = "Option::is_none")]
        schema: Option<Json>,
        /// What it replied.
        #[serde(skip_serializing_if = "Option::is_none")]
        reply: Option<String>,
        /// How it failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<Failure>,
        /// Prompt tokens computed.
        prompt_tokens: u64,
        /// Prompt tokens whose state was there.
        cached_tokens: u64,
        /// Tokens written.
        completion_tokens: u64,
        /// Whether the reply is that to an earlier call, from the LLM's cache.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        reused: bool,
        /// Whether the reply ended where `max_tokens` or the context did.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        cut_off: bool,
        /// Whether the reply was put in the place of the LLM's by hand.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        edited: bool,
        /// Milliseconds.
        ms: u64,
    },
    /// A plan was written and has faults.
    Faults {
        /// The plan, or the reply when it is not a plan at all.
        plan: Json,
        /// What is wrong with it.
        faults: Vec<Fault>,
    },
    /// A plan passed the check.
    Planned {
        /// The plan.
        plan: Json,
        /// How many repairs it took.
        repairs: u64,
        /// What the planner thought before it, where that was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thought: Option<String>,
    },
    /// Plans were put together: those to vote on, or one with the steps that are there already.
    Joined {
        /// The plans that were planned last, in that order, as they stand in the run: a step that is the same call as
        /// an earlier plan's is that one, and one whose name was taken has another.
        plans: Vec<Json>,
    },
    /// The decision maker judged what is known.
    Decided {
        /// What it decided.
        #[serde(flatten)]
        round: Round,
        /// How many repairs the reply took.
        repairs: u64,
        /// The steps that it asked for, as they were written.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<Json>,
    },
    /// The refiner found that the evidence does not answer the question, and the run goes on.
    NotEnough {
        /// What is missing, in words.
        missing: String,
    },
    /// Sampled plans were executed, and their answers voted on.
    Voted {
        /// The candidates, the winner first.
        votes: Vec<Vote>,
        /// Several had as many votes, and the most probable plan among them decided.
        tie: bool,
    },
    /// A critic found something against an answer.
    Objected {
        /// The answer, in words.
        answer: String,
        /// What speaks against it.
        objection: String,
    },
    /// A smaller question was asked, and answered or not.
    Asked(SubQuestion),
    /// A step's result was verified.
    Verified(Verification),
    /// The answers of several experts were weighed.
    Arbitrated(Arbitration),
    /// A gap in what is known was named, and filled or not.
    Infilled(Gap),
    /// A step began.
    StepStarted {
        /// Its id.
        id: String,
        /// Its tool.
        tool: String,
        /// Its arguments, references resolved.
        args: Json,
    },
    /// A step ended.
    StepEnded {
        /// Its id.
        id: String,
        /// Its tool.
        tool: String,
        /// What it returned.
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<Json>,
        /// The type of what it returned.
        #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
        kind: Option<ValueType>,
        /// How it failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<Failure>,
        /// The earlier step that was the same call, when this one was answered from it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        same_as: Option<String>,
        /// Milliseconds.
        ms: u64,
    },
    /// The run ended with an answer.
    Answered {
        /// The answer.
        answer: Answer,
        /// What the run used.
        usage: Usage,
        /// Which limit ended it, when one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Failure>,
    },
    /// The run ended without an answer.
    Failed {
        /// Why.
        error: Failure,
        /// What the run used.
        usage: Usage,
    },
}

/// The time now, as [`Event::Started`] has it.
pub(crate) fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

impl Event {
    /// Its name, as it stands in traces.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Rewritten { .. } => "rewritten",
            Self::Shown { .. } => "shown",
            Self::LlmCall { .. } => "llm_call",
            Self::Faults { .. } => "faults",
            Self::Planned { .. } => "planned",
            Self::Joined { .. } => "joined",
            Self::Decided { .. } => "decided",
            Self::NotEnough { .. } => "not_enough",
            Self::Voted { .. } => "voted",
            Self::Objected { .. } => "objected",
            Self::Asked(_) => "asked",
            Self::Verified(_) => "verified",
            Self::Arbitrated(_) => "arbitrated",
            Self::Infilled(_) => "infilled",
            Self::StepStarted { .. } => "step_started",
            Self::StepEnded { .. } => "step_ended",
            Self::Answered { .. } => "answered",
            Self::Failed { .. } => "failed",
        }
    }
}

/// One line of a trace file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Milliseconds since the run began, from a monotonic clock.
    pub t_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// One round of a decision maker: what it thought of what was known, and what it asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// Its judgement, in words.
    pub thought: String,
    /// What was missing, when something was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// Ids of the steps it asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
    /// The reference to what answers the question, when it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

/// An answer that sampled plans led to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// The answer: its short form, else its words; nothing when the evidence of these plans did not answer.
    pub answer: Option<String>,
    /// How many plans led to it.
    pub plans: u32,
    /// The references to the plans' results.
    pub results: Vec<String>,
}

/// A smaller question that was asked on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubQuestion {
    /// What was asked.
    pub question: String,
    /// The answer; nothing when there was none.
    pub answer: Option<String>,
    /// Ids of the steps that it rests on.
    pub steps: Vec<String>,
}

/// What came of verifying a step's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// The step's id.
    pub step: String,
    /// Whether the result holds.
    pub finding: Finding,
    /// What was verified, and how it came out, in words.
    pub why: String,
}

/// Whether a verified result holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// A second look finds it again.
    Confirmed,
    /// A second look does not find all of it; what it does not find is no longer in the result.
    Refuted,
    /// Nothing was found: there is no such thing, as far as the tool sees.
    Absent,
    /// Another step's result says otherwise.
    Contradicted,
}

/// Answers of several experts, and which one was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arbitration {
    /// The answers, each different from the others; the run's own first, where it has one.
    pub candidates: Vec<Candidate>,
    /// Which one was taken, from 0.
    pub best: usize,
    /// Why, in the LLM's words.
    pub why: String,
}

/// One expert's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The answer, in words.
    pub answer: String,
    /// The tools that it comes from.
    pub tools: Vec<String>,
    /// What they say of their reliability.
    pub reliability: String,
    /// Ids of the steps that it rests on.
    pub steps: Vec<String>,
}

/// A gap between what is known before and after it.
///
/// It is filled where [`Gap::fill`] says with what; else nothing fits that was tried, or the run ended first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// What is missing, in words.
    pub missing: String,
    /// The image before it, from 1, where it lies between two images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_image: Option<usize>,
    /// Ids of the steps that tell what is before it.
    pub before: Vec<String>,
    /// Ids of the steps that tell what is after it; none where the question is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// What fits into it; nothing when nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<String>,
    /// What was tried and does not fit, with what speaks against it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<Tried>,
}

/// What does not fit into a gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// What was put there.
    pub fill: String,
    /// What speaks against it.
    pub objection: String,
}

/// What a run knows so far: the plan and what its steps brought to light.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trace {
    /// The steps that passed the check, those of all rounds, and the result.
    pub plan: Option<Plan>,
    /// How many repairs the planning took.
    pub repairs: u64,
    /// The steps that are over, in plan order.
    pub observations: Vec<Observation>,
    /// The rounds of the decision maker.
    pub rounds: Vec<Round>,
    /// What the refiner found missing, when it sent the run back to planning.
    pub missing: Option<String>,
    /// The answers that sampled plans led to, the winner first.
    pub votes: Vec<Vote>,
    /// The smaller questions that were asked.
    pub asked: Vec<SubQuestion>,
    /// What came of verifying steps.
    pub verified: Vec<Verification>,
    /// The answers of several experts, where they were weighed.
    pub arbitration: Option<Arbitration>,
    /// The gaps that were named between what is known.
    pub gaps: Vec<Gap>,
}

impl Trace {
    /// The observation of a step.
    pub fn observation(&self, id: &str) -> Option<&Observation> {
        self.observations.iter().find(|o| o.id == id)
    }

    /// The part of it that is about one plan.
    #[must_use]
    pub fn of(&self, plan: Plan) -> Self {
        let own = |o: &&Observation| plan.step(&o.id).is_some();
        // Within its plan no step is the same as another.
        let own = self.observations.iter().filter(own).cloned().map(|o| Observation { same_as: None, ..o });
        Self { observations: own.collect(), plan: Some(plan), ..Self::default() }
    }

    /// Whether nothing is known but what the user points at.
    pub fn is_blank(&self) -> bool {
        self.observations.iter().all(|observation| observation.tool == POINT_AT)
    }

    /// Whether a step's result comes from this image (`image`, `image2` ...).
    pub fn looks_at(&self, step: &Step, image: &str) -> bool {
        let (mut seen, mut open) = (HashSet::new(), vec![step]);
        while let Some(step) = open.pop() {
            for reference in step.references() {
                if reference.id == image {
                    return true;
                }
                if seen.insert(reference.id.as_str()) {
                    open.extend(self.plan.as_ref().and_then(|plan| plan.step(&reference.id)));
                }
            }
        }
        false
    }

    /// The images that steps made, the last few of them, by their references: pieces that were cut out, and drawings.
    /// Later steps and an LLM with eyes see them.
    pub fn drawn(&self) -> Vec<(Reference, &Image)> {
        let mut made: Vec<(Reference, &Image)> = Vec::new();
        for observation in self.observations.iter().filter(|observation| observation.same_as.is_none()) {
            let whole = Reference::to(&observation.id);
            match observation.value() {
                Some(Value::Image(image)) => made.push((whole, image)),
                Some(Value::List(items)) => made.extend(items.iter().enumerate().filter_map(|(n, item)| {
                    let Value::Image(image) = item else { return None };
                    let path = whole.path.iter().cloned().chain([Segment::Index(n)]).collect();
                    Some((Reference { path, ..whole.clone() }, image))
                })),
                _ => {}
            }
        }
        made.split_off(made.len().saturating_sub(MAX_DRAWN))
    }

    /// The steps so far.
    pub fn steps(&self) -> &[Step] {
        self.plan.as_ref().map_or(&[], |plan| plan.steps.as_slice())
    }
}
