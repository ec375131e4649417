//! Arbitration: answers of several experts, weighed by what each says of its reliability (Cola, arXiv 2310.15166).

use std::sync::Arc;

use minijinja::context;
use serde::Deserialize;
use serde_json::json;

use super::{Call, object, quotable, sentence};
use crate::chat::ChatModel;
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::prompt::Prompts;
use crate::trace::Candidate;

/// Longest reason, in characters.
const MAX_WHY: usize = 160;

/// Takes one of several answers.
pub struct Arbiter(Call);

#[derive(Deserialize)]
struct Reply {
    why: String,
    best: usize,
}

impl Arbiter {
    /// An arbiter that asks this LLM.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty prompt file.
    pub fn new(chat: Arc<dyn ChatModel>, prompts: Arc<Prompts>) -> Result<Self> {
        Ok(Self(Call::new(chat, prompts, "arbitrate", 100)?))
    }

    /// Which of two or more answers is to be taken, from 0, and why.
    ///
    /// # Errors
    /// `Model` when the reply is not the JSON asked for; those of the LLM; `Cancelled` or `Budget` when the run ends
    /// first.
    pub async fn best(&self, cx: &Cx, question: &str, candidates: &[Candidate]) -> Result<(usize, String)> {
        let numbers: Vec<usize> = (1..=candidates.len()).collect();
        let schema = object(&json!({ "why": sentence(MAX_WHY), "best": { "enum": numbers } }));
        let shown: Vec<minijinja::Value> = candidates
            .iter()
            .map(|one| {
                context! {
                    answer => quotable(&one.answer), tools => one.tools.join(", "), reliability => one.reliability.clone(),
                }
            })
            .collect();
        let reply: Reply = self.0.ask(cx, context! { question, candidates => shown }, &schema, Vec::new()).await?;
        let best = reply.best.checked_sub(1).filter(|n| *n < candidates.len());
        let best = best.ok_or_else(|| Error::new(ErrorKind::Model, "the LLM takes an answer that there is none of"))?;
        Ok((best, reply.why.trim().to_owned()))
    }
}
