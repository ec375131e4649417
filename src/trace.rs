//! Traces: the append-only journal of one run.

mod reading;

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::answer::{Answer, Usage};
use crate::cx::EventSink;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::message::Message;
use crate::observation::{Failure, Observation};
use crate::plan::{Fault, POINT_AT, Plan, Reference, Segment, Step};
use crate::value::Value;

pub use reading::{RawEntry, blobs_of, read, read_raw};

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
    },
    /// An LLM was called and replied (or failed).
    LlmCall {
        /// What for: `translate`, `plan`, `decide`, `repair`, `refine`, `guess`, `style`, and what a chain asks for,
        /// such as `critic`.
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

/// One line of a trace file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Milliseconds since the run began, from a monotonic clock.
    pub t_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Writes a trace: JSON lines to `FILE`, images to `FILE.blobs/`.
///
/// Every line is flushed as it is written, so a killed run keeps what happened before.
#[derive(Debug)]
pub struct TraceWriter {
    path: PathBuf,
    blobs: PathBuf,
    state: Mutex<(File, HashSet<String>)>,
    failed: Mutex<Option<Error>>,
}

impl TraceWriter {
    /// Creates the file; one that is there already is replaced.
    ///
    /// # Errors
    /// `Io` or `NotFound` naming the file.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let file = File::create(&path).map_err(|e| place(e, &path))?;
        let blobs = blobs_of(&path);
        Ok(Self { path, blobs, state: Mutex::new((file, HashSet::new())), failed: Mutex::default() })
    }

    /// Appends one entry, first storing the images it mentions.
    ///
    /// # Errors
    /// `Io` naming the file, e.g. when the disk is full.
    pub fn append(&self, entry: &Entry, images: &[&Image]) -> Result<()> {
        let mut state = self.state.lock().map_err(|_| Error::internal("the trace's lock is poisoned"))?;
        for image in images {
            if !state.1.contains(image.digest()) {
                self.store_blob(image)?;
                state.1.insert(image.digest().to_owned());
            }
        }
        let mut line =
            serde_json::to_vec(entry).map_err(|e| Error::internal("a trace entry has no JSON form").with_source(e))?;
        line.push(b'\n');
        state.0.write_all(&line).map_err(|e| place(e, &self.path))
    }

    /// The first error since the last call, when entries arrived as events: a sink cannot return it.
    pub fn take_error(&self) -> Option<Error> {
        self.failed.lock().ok().and_then(|mut failed| failed.take())
    }

    fn store_blob(&self, image: &Image) -> Result<()> {
        std::fs::create_dir_all(&self.blobs).map_err(|e| place(e, &self.blobs))?;
        let name = image.digest().replace(':', "-");
        let path = self.blobs.join(&name);
        if path.exists() {
            return Ok(());
        }
        // Under its final name a blob is whole, even when the run is killed here.
        let part = self.blobs.join(format!("{name}.{}.part", std::process::id()));
        std::fs::write(&part, image.encoded()).and_then(|()| std::fs::rename(&part, &path)).map_err(|e| place(e, &path))
    }
}

impl EventSink for TraceWriter {
    fn event(&self, entry: &Entry, images: &[&Image]) {
        if let Err(error) = self.append(entry, images)
            && let Ok(mut failed) = self.failed.lock()
        {
            failed.get_or_insert(error);
        }
    }
}

fn place(error: std::io::Error, path: &Path) -> Error {
    Error::new(ErrorKind::Io, format!("trace `{}` cannot be written: {error}", path.display())).with_source(error)
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
