//! Infilling: a gap named between what is known before and after, filled, and checked against both sides
//! (*A Survey on Multimodal Large Language Models*, arXiv 2306.13549, section M-CoT, generation pattern; VCoT, arXiv
//! 2305.02317).

use std::sync::Arc;

use minijinja::context;
use serde::Deserialize;
use serde_json::json;

use super::{Call, object, quotable, sentence};
use crate::chat::ChatModel;
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::prompt::Prompts;
use crate::trace::Tried;
use crate::words::says;

/// Longest sentence of a reply, and longest short form, in characters.
const MAX_SENTENCE: usize = 160;
const MAX_SHORT: usize = 60;

/// Finds gaps and what fits into them.
pub struct Infiller {
    fill: Call,
    check: Call,
}

/// What tools say of one image of a sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Which image it is, from 1.
    pub image: usize,
    /// What a prompt says of it: what tells it from others, and not too long.
    pub text: String,
    /// All that is known of it.
    pub all: String,
}

/// What fits into a gap.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Fill {
    /// What fits there, as a sentence.
    pub fill: String,
    /// Its bare value.
    pub short: String,
}

impl Fill {
    /// Whether a frame shows it: what is known of the frame says it.
    pub fn is_shown_by(&self, frame: &Frame) -> bool {
        says(&frame.all, &self.short)
    }
}

/// Frames as a prompt lists them; texts from images stand in quotes there already.
fn listed(frames: &[Frame]) -> Vec<minijinja::Value> {
    frames.iter().map(|frame| frame.text.clone().into()).collect()
}

fn said(tried: &[Tried]) -> Vec<minijinja::Value> {
    tried.iter().map(|one| context! { fill => quotable(&one.fill), objection => quotable(&one.objection) }).collect()
}

#[derive(Deserialize)]
struct Checked {
    before: bool,
    after: bool,
    #[serde(default)]
    objection: Option<String>,
}

impl Infiller {
    /// An infiller that asks this LLM.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty prompt file.
    pub fn new(chat: Arc<dyn ChatModel>, prompts: Arc<Prompts>) -> Result<Self> {
        let fill = Call::new(Arc::clone(&chat), Arc::clone(&prompts), "infill", 150)?;
        Ok(Self { fill, check: Call::new(chat, prompts, "check_fill", 100)? })
    }

    /// What comes after these frames as a rule, whatever does come. A small LLM that sees what comes expects just that.
    ///
    /// # Errors
    /// `Model` when the reply is not the JSON asked for; those of the LLM; `Cancelled` or `Budget` when the run ends
    /// first.
    pub async fn next(&self, cx: &Cx, question: &str, frames: &[Frame], tried: &[Tried]) -> Result<Fill> {
        self.ask(cx, context! { question, frames => listed(frames), tried => said(tried) }).await
    }

    /// What leads from evidence to an answer that needs what is `missing`.
    ///
    /// # Errors
    /// As [`Infiller::next`].
    pub async fn hop(&self, cx: &Cx, question: &str, known: &str, missing: &str, tried: &[Tried]) -> Result<Fill> {
        let frames = listed(&[]);
        self.ask(cx, context! { question, known, missing => quotable(missing), tried => said(tried), frames }).await
    }

    async fn ask(&self, cx: &Cx, told: minijinja::Value) -> Result<Fill> {
        let schema = object(&json!({ "fill": sentence(MAX_SENTENCE), "short": sentence(MAX_SHORT) }));
        let fill: Fill = self.fill.ask(cx, told, &schema, Vec::new()).await?;
        let fill = Fill { fill: fill.fill.trim().to_owned(), short: fill.short.trim().to_owned() };
        if fill.fill.is_empty() || fill.short.is_empty() {
            return Err(Error::new(ErrorKind::Model, "the LLM fills a gap with nothing"));
        }
        Ok(fill)
    }

    /// What speaks against a fill, seen from what is before it and from what is after it; nothing where it fits both.
    ///
    /// # Errors
    /// As [`Infiller::next`].
    pub async fn objection(
        &self,
        cx: &Cx,
        question: &str,
        (before, after): (&str, &str),
        fill: &str,
    ) -> Result<Option<String>> {
        let sides = |before: bool, after: bool| {
            let mut sides = json!({ "before": { "const": before }, "after": { "const": after } });
            if !(before && after) {
                sides["objection"] = sentence(MAX_SENTENCE);
            }
            object(&sides)
        };
        let schema =
            json!({ "anyOf": [sides(true, true), sides(true, false), sides(false, true), sides(false, false)] });
        let told = context! { question, before, after, fill => quotable(fill) };
        let checked: Checked = self.check.ask(cx, told, &schema, Vec::new()).await?;
        if checked.before && checked.after {
            return Ok(None);
        }
        let side = if checked.before { "after" } else { "before" };
        let own = checked.objection.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        Ok(Some(own.unwrap_or_else(|| format!("it does not fit what is {side} it"))))
    }
}
