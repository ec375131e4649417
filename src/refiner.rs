//! The refiner: from observations to an answer whose every claim points at its evidence.

mod evidence;
mod ground;
mod guess;
mod images;
mod in_words;
mod plain;
mod relevance;
mod short;
mod styling;
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
pub(crate) use in_words::told;
pub(crate) use short::{asks_for_value, has_form};
pub(crate) use styling::FAILED;
pub use styling::Styler;
pub(crate) use styling::{left_out, unlike};
pub(crate) use text::{cut, plain};
pub(crate) use wording::asks_to_read;

use crate::answer::{Answer, Claim, Status};
use crate::chain::Stages;
use crate::chat::{ChatModel, ChatRequest, layers};
use crate::cx::Cx;
use crate::demo::DemoFor;
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::prompt::{Asked, PlanLibrary, Prompts};
use crate::reason::Rationale;
use crate::task::Task;
use crate::tool::Catalog;
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

    /// Makes ready what the first call for a task needs. Does nothing by default.
    async fn prepare(&self, _cx: &Cx, _task: &Task) -> Result<()> {
        Ok(())
    }
}

/// Longest smaller question with its answer, in characters.
const MAX_ANSWERED: usize = 240;
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
    rationale: Rationale,
    /// The prefix without demos.
    bare: Vec<Message>,
    /// The demos that go along with questions, and the tools that know things by name.
    library: Option<(Arc<PlanLibrary>, Catalog)>,
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
        let (prefix, bare) = (prompts.refine_prefix()?, prompts.refine_bare()?);
        let rationale = Rationale::new(Arc::clone(&chat), Arc::clone(&prompts))?;
        Ok(Self { chat, prompts, prefix, bare, library: None, rationale })
    }

    /// Shows the LLM the demos of a library, too, as [`Task::chain`] sets it.
    #[must_use]
    pub fn with_library(self, library: Arc<PlanLibrary>, catalog: Catalog) -> Self {
        Self { library: Some((library, catalog)), ..self }
    }

    fn prefix(&self, task: &Task) -> &[Message] {
        if task.chain.has_fixed_demos() { &self.prefix } else { &self.bare }
    }

    async fn ask(&self, cx: &Cx, task: &Task, evidence: &Evidence<'_>, thought: Option<&str>) -> Result<String> {
        let mut messages = match &self.library {
            Some((library, catalog)) => library.messages(cx, &Asked::of(task, DemoFor::Refiner), catalog).await?,
            None => Vec::new(),
        };
        messages.push(self.prompts.refine_user(task.question.trim(), &evidence.text(), thought)?);
        let request = ChatRequest {
            prefix: self.prefix(task).to_vec(),
            messages,
            schema: Some(reply_schema()),
            max_tokens: MAX_TOKENS,
            temperature: 0.0,
            images: Vec::new(),
        };
        Ok(layers::call(cx, self.chat.as_ref(), "refine", &request).await?.text)
    }
}

impl SemanticsRefiner {
    /// What follows from the evidence, where two stages are wanted; sentences with numbers of nowhere are left out.
    async fn reason(&self, cx: &Cx, task: &Task, evidence: &Evidence<'_>, known: &Trace) -> Result<Option<String>> {
        if task.chain.stages == Stages::One {
            return Ok(None);
        }
        let question = task.question.trim();
        let written = self.rationale.write(cx, question, &evidence.text()).await?.unwrap_or_default();
        let borne_out = |sentence: &&str| strange_numbers(sentence, question, known).is_empty();
        let kept: String = written.split_inclusive(". ").filter(borne_out).collect();
        Ok(Some(kept.trim().to_owned()).filter(|text| !text.is_empty()))
    }
}

/// What was thought before an answer is worded: by the decision maker, in answers to smaller questions, and as a
/// rationale.
fn thoughts(known: &Trace, rationale: Option<&str>) -> Option<String> {
    let last = known.rounds.last().filter(|round| round.result.is_some());
    let mut thoughts: Vec<String> = last.map(|round| round.thought.clone()).into_iter().collect();
    let answered = known.asked.iter().filter_map(|asked| Some((&asked.question, asked.answer.as_ref()?)));
    thoughts.extend(answered.map(|(question, answer)| cut(&plain(&format!("{question} {answer}")), MAX_ANSWERED)));
    thoughts.extend(rationale.map(plain));
    (!thoughts.is_empty()).then(|| thoughts.join(" "))
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
        let rationale = self.reason(cx, task, &evidence, known).await?;
        let thought = thoughts(known, rationale.as_deref());
        let reply = self.ask(cx, task, &evidence, thought.as_deref()).await?;
        // The result of the last of several smaller questions is not that of the whole.
        let one_plan = known.asked.is_empty();
        let mut claims = match serde_json::from_str::<Reply>(&reply) {
            Ok(reply) if !reply.answerable => match evidence.nothing_found().filter(|_| one_plan) {
                Some(claim) => vec![claim],
                None => return Ok(Verdict::NotEnough { missing: reply.missing }),
            },
            Ok(reply) => grounded(&task.question, &evidence, &reply.answer),
            // Cut off, or no JSON at all: the result may still speak for itself.
            Err(error) if !one_plan || evidence.plain_claim().is_none() => return Err(no_reply(error)),
            Err(_) => Vec::new(),
        };
        claims.retain(|claim| evidence.is_to_the_point(claim));
        if claims.is_empty() && one_plan {
            claims.extend(evidence.plain_claim().filter(|claim| evidence.is_to_the_point(claim)));
        }
        let led = claims.iter().any(|claim| wording::lead(&claim.text).is_some());
        if let Some(first) = claims.first_mut().filter(|_| one_plan) {
            if !led {
                evidence.say_yes_or_no(first);
            }
            claims.extend(evidence.left_out(&claims));
        }
        if claims.is_empty() {
            return Ok(Verdict::NotEnough { missing: "nothing that was observed bears the answer out".to_owned() });
        }
        let short = evidence.short_answer(&claims);
        evidence.say_which_image(&mut claims);
        let text = claims.iter().map(|c| c.text.as_str()).collect::<Vec<_>>().join(" ");
        Ok(Verdict::Answer(Answer { short, claims, rationale, ..Answer::new(text, Status::Answered) }))
    }

    async fn prepare(&self, cx: &Cx, task: &Task) -> Result<()> {
        layers::warm(cx, self.chat.as_ref(), self.prefix(task)).await
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
            let text = in_words::whole_text(value);
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
