//! Records: what became of a case, one JSON object a line.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::cause::Cause;
use super::judge::Metric;
use super::oracle::Oracle;
use crate::answer::{Status, Usage};
use crate::observation::Failure;

/// A case, what was answered, and what that scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The line of the case in its file, from 1.
    pub line: usize,
    /// Its image, or its images, as the file names them.
    pub image: Json,
    /// What was asked.
    pub question: String,
    /// What is scored: the short form of the answer where there is one, else the answer in words.
    pub answer: Json,
    /// What is true.
    pub truth: Json,
    /// 0 to 1.
    pub score: f64,
    /// The answer in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// How the run ended.
    pub status: Status,
    /// Why it is wrong, when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The metric.
    pub metric: Metric,
    /// The LLM, where one was asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub llm: String,
    /// Who decided.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mode: String,
    /// Whether a guess was wanted where the evidence does not answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guess: bool,
    /// What stood in for a part of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oracle: Option<Oracle>,
    /// What else was set: the prompts, the tools to plan with, the limit of time ...
    #[serde(default, skip_serializing_if = "Json::is_null")]
    pub options: Json,
    /// The plan, with all rounds' steps.
    #[serde(default)]
    pub plan: Json,
    /// Rounds of planning.
    pub rounds: u64,
    /// Milliseconds.
    pub ms: u64,
    /// Tokens: prompts (computed and cached) and replies.
    pub usage: Usage,
    /// Why the run failed, or which limit it reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// What the metric needs to sum many cases up.
    #[serde(default, skip_serializing_if = "Json::is_null")]
    pub detail: Json,
}

impl Record {
    /// Whether the case counts as wrong: it scores less than a half.
    pub fn is_wrong(&self) -> bool {
        self.score < 0.5
    }
}
