//! The refiner: from observations to an answer whose every claim points at its evidence.

mod evidence;
mod ground;
mod guess;
mod plain;
mod relevance;
mod short;
mod text;
mod wording;

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value as Json, json};

pub use evidence::Evidence;
pub use ground::Grounding;
pub(crate) use ground::strange_numbers;
pub use guess::Guesser;
pub(crate) use short::{asks_for_value, has_form};
pub(crate) use text::{cut, plain};
pub(crate) use wording::asks_to_read;

use crate::answer::{Answer, Claim, Status};
use crate::chat::{ChatModel, ChatRequest, layers};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::prompt::Prompts;
use crate::task::Task;
use crate::trace::Trace;

/// What a refiner makes of the observations.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// They answer the question.
    Answer(Answer),
    /// They do not.
    NotEnough {
        /// What is missing, in words.
        missing: String,
    },
}

/// Turns observations into an answer.
#[async_trait]
pub trait Refiner: Send + Sync {
    /// Judges what is known and answers from it.
    ///
    /// # Errors
    /// Those of the LLM; `Cancelled` or `Budget` when the run ends first.
    async fn refine(&self, cx: &Cx, task: &Task, known: &Trace) -> Result<Verdict>;

    /// Makes ready what the first call needs. Does nothing by default.
    async fn prepare(&self, _cx: &Cx) -> Result<()> {
        Ok(())
    }
}

/// Most tokens of a reply.
const MAX_TOKENS: u32 = 200;

/// Answers with an LLM, then keeps only what the evidence bears out.
///
/// The LLM sees the question and the evidence, never the tools, and writes
/// sentences. Each sentence becomes a claim only when its values stand in the
/// results of steps; numbers, texts and yes/no that no step returned are dropped.
pub struct SemanticsRefiner {
    chat: Arc<dyn ChatModel>,
    prompts: Arc<Prompts>,
    prefix: Vec<Message>,
}

#[derive(Deserialize)]
struct Reply {
    answerable: bool,
    #[serde(default)]
    answer: Vec<String>,
    #[serde(default)]
    missing: String,
}

impl SemanticsRefiner {
    /// A refiner that words its answers with this LLM.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty prompt file.
    pub fn new(chat: Arc<dyn ChatModel>, prompts: Arc<Prompts>) -> Result<Self> {
        let prefix = prompts.refine_prefix()?;
        Ok(Self { chat, prompts, prefix })
    }

    async fn ask(&self, cx: &Cx, task: &Task, evidence: &Evidence<'_>, known: &Trace) -> Result<String> {
        let last = known.rounds.last().filter(|round| round.result.is_some());
        let thought = last.map(|round| round.thought.as_str());
        let request = ChatRequest {
            prefix: self.prefix.clone(),
            messages: vec![self.prompts.refine_user(task.question.trim(), &evidence.text(), thought)?],
            schema: Some(reply_schema()),
            max_tokens: MAX_TOKENS,
            temperature: 0.0,
            images: Vec::new(),
        };
        Ok(layers::call(cx, self.chat.as_ref(), "refine", &request).await?.text)
    }
}

/// The sentences of a reply that the evidence bears out; each one once.
fn grounded(question: &str, evidence: &Evidence<'_>, sentences: &[String]) -> Vec<Claim> {
    let grounding = Grounding::new(question, evidence);
    let mut claims: Vec<Claim> = Vec::new();
    for sentence in sentences {
        let claim = evidence.quote(sentence).and_then(|shown| grounding.claim(sentence, &shown));
        claims.extend(claim.filter(|claim| claims.iter().all(|c| c.text != claim.text)));
    }
    claims
}

#[async_trait]
impl Refiner for SemanticsRefiner {
    async fn refine(&self, cx: &Cx, task: &Task, known: &Trace) -> Result<Verdict> {
        let evidence = Evidence::gather(&task.question, known);
        if evidence.is_empty() {
            return Ok(Verdict::NotEnough { missing: evidence.why_empty() });
        }
        let reply = self.ask(cx, task, &evidence, known).await?;
        let mut claims = match serde_json::from_str::<Reply>(&reply) {
            Ok(reply) if !reply.answerable => match evidence.nothing_found() {
                Some(claim) => vec![claim],
                None => return Ok(Verdict::NotEnough { missing: reply.missing }),
            },
            Ok(reply) => grounded(&task.question, &evidence, &reply.answer),
            // Cut off, or no JSON at all: the result may still speak for itself.
            Err(error) if evidence.plain_claim().is_none() => return Err(no_reply(error)),
            Err(_) => Vec::new(),
        };
        claims.retain(|claim| evidence.is_to_the_point(claim));
        if claims.is_empty() {
            claims.extend(evidence.plain_claim().filter(|claim| evidence.is_to_the_point(claim)));
        }
        let led = claims.iter().any(|claim| wording::lead(&claim.text).is_some());
        if let Some(first) = claims.first_mut() {
            if !led {
                evidence.say_yes_or_no(first);
            }
            claims.extend(evidence.left_out(&claims));
        }
        if claims.is_empty() {
            return Ok(Verdict::NotEnough { missing: "nothing that was observed bears the answer out".to_owned() });
        }
        let text = claims.iter().map(|c| c.text.as_str()).collect::<Vec<_>>().join(" ");
        let short = evidence.short_answer(&claims);
        Ok(Verdict::Answer(Answer { text, short, status: Status::Answered, claims }))
    }

    async fn prepare(&self, cx: &Cx) -> Result<()> {
        layers::warm(cx, self.chat.as_ref(), &self.prefix).await
    }
}

fn no_reply(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Model, format!("the LLM's answer is not the JSON asked for: {error}")).with_source(error)
}

/// What the evidence says as it is, step by step, without an LLM.
pub fn plain_claims(known: &Trace) -> Vec<Claim> {
    Evidence::gather("", known)
        .observations()
        .filter_map(|(observation, value)| {
            let text = evidence::whole_text(value);
            let text = if text.is_empty() { "nothing found".to_owned() } else { text };
            let shown = value.images().is_empty();
            shown.then(|| Claim { text: format!("{}: {text}.", observation.tool), steps: vec![observation.id.clone()] })
        })
        .collect()
}

/// The reply's schema: sentences, or what is missing.
fn reply_schema() -> Json {
    let sentence = json!({ "type": "string", "minLength": 1, "maxLength": 300 });
    json!({
        "x-guidance": { "whitespace_flexible": false, "key_separator": ": ", "item_separator": ", " },
        "anyOf": [
            {
                "type": "object",
                "properties": {
                    "answerable": { "const": true },
                    "answer": { "type": "array", "items": sentence, "minItems": 1, "maxItems": 4 }
                },
                "required": ["answerable", "answer"],
                "additionalProperties": false
            },
            {
                "type": "object",
                "properties": { "answerable": { "const": false }, "missing": sentence },
                "required": ["answerable", "missing"],
                "additionalProperties": false
            }
        ]
    })
}
