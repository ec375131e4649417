//! Answers: what a run returns, each claim tied to the steps that support it.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// How a run ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The evidence answers the question.
    Answered,
    /// The evidence does not answer the question; the answer is a guess from it, as was asked for.
    Guessed,
    /// The evidence does not answer the question.
    Unanswerable,
    /// A limit was reached; the answer is what is known by then.
    Budget,
    /// The run failed.
    #[default]
    Failed,
}

impl Status {
    /// The status as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Guessed => "guessed",
            Self::Unanswerable => "unanswerable",
            Self::Budget => "budget",
            Self::Failed => "failed",
        }
    }
}

/// One statement of the answer with the steps whose results contain it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The statement.
    pub text: String,
    /// Ids of the steps that support it.
    pub steps: Vec<String>,
}

/// What a run returns. By default it is what a failed run returns: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The answer in words, in the style and the language that were asked for; JSON in the style `format=json`.
    pub text: String,
    /// The bare value that the answer rests on, where it comes down to one: `yes`, `3`, `red`, `dog`, or the
    /// text that was looked up, its lines joined by a space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short: Option<String>,
    /// How the run ended.
    pub status: Status,
    /// What the answer states, with its evidence; in English and in the refiner's words, whatever the style.
    pub claims: Vec<Claim>,
    /// The reasoning between evidence and answer, where it was asked for; it is no evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    /// What speaks against the answer: a critic's objection, or what the LLM saw otherwise with its own eyes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
    /// What the text says besides the claims, marked there as not being from the images; see
    /// [`Facts::Knowledge`](crate::style::Facts::Knowledge).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added: Option<String>,
    /// The answer as JSON, in the style `format=json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<Json>>,
    /// Why the text is not in the style or the language that was asked for, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unstyled: Option<String>,
}

impl Answer {
    /// An answer in words, and nothing else.
    pub fn new(text: impl Into<String>, status: Status) -> Self {
        Self { text: text.into(), status, ..Self::default() }
    }
}

/// What a run used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// LLM calls.
    pub llm_calls: u64,
    /// Of these, calls that were answered with the reply to an earlier one, from the LLM's cache.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reused_calls: u64,
    /// Prompt tokens that were computed.
    pub prompt_tokens: u64,
    /// Prompt tokens that a prefix cache held.
    pub cached_tokens: u64,
    /// Tokens the LLM wrote.
    pub completion_tokens: u64,
    /// Steps executed.
    pub steps: u64,
    /// Rounds of planning.
    pub rounds: u64,
    /// What the LLM calls cost in US dollars, as far as their price is known; not given when none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
}

fn is_zero<T: Default + PartialEq>(count: &T) -> bool {
    *count == T::default()
}
