//! Infilling: a gap named between what is known before and after, filled, and checked against both sides
//! (*A Survey on Multimodal Large Language Models*, arXiv 2306.13549, section M-CoT, generation pattern; VCoT, arXiv
//! 2305.02317).

use std::sync::Arc;

use minijinja::context;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{Call, object, quotable, sentence};
use crate::chat::ChatModel;
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::prompt::Prompts;
use crate::trace::Tried;

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
    /// What is known of it.
    pub text: String,
}

/// What is missing, and what fits there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Fill {
    /// The place in the frames, from 0, after which something is missing; nothing where there are no frames.
    #[serde(default)]
    pub after: Option<usize>,
    /// What is missing, in words.
    #[serde(default)]
    pub missing: String,
    /// What fits there, as a sentence.
    pub fill: String,
    /// Its bare value.
    pub short: String,
}

/// Frames as a prompt lists them; texts from images stand in quotes there already.
fn listed(frames: &[Frame]) -> Vec<minijinja::Value> {
    frames.iter().map(|frame| context! { image => frame.image, text => frame.text.clone() }).collect()
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
        let fill = Call::new(Arc::clone(&chat), Arc::clone(&prompts), "infill", 200)?;
        Ok(Self { fill, check: Call::new(chat, prompts, "check_fill", 100)? })
    }

    /// Where in a sequence of two frames or more something is missing, and what.
    ///
    /// # Errors
    /// `Model` when the reply is not the JSON asked for; those of the LLM; `Cancelled` or `Budget` when the run ends
    /// first.
    pub async fn between(&self, cx: &Cx, question: &str, frames: &[Frame], tried: &[Tried]) -> Result<Fill> {
        let numbers: Vec<usize> = frames.iter().map(|frame| frame.image).take(frames.len().saturating_sub(1)).collect();
        let schema = object(&json!({
            "change": sentence(MAX_SENTENCE),
            "after": { "enum": numbers },
            "missing": sentence(MAX_SENTENCE),
            "fill": sentence(MAX_SENTENCE),
            "short": sentence(MAX_SHORT),
        }));
        let mut fill =
            self.ask(cx, context! { question, frames => listed(frames), tried => said(tried) }, &schema).await?;
        let place = |image| frames.iter().position(|frame| frame.image == image).filter(|n| n + 1 < frames.len());
        fill.after =
            Some(fill.after.and_then(place).ok_or_else(|| {
                Error::new(ErrorKind::Model, "the LLM names a gap after a frame that there is none of")
            })?);
        Ok(fill)
    }

    /// What leads from evidence to an answer that needs what is `missing`.
    ///
    /// # Errors
    /// As [`Infiller::between`].
    pub async fn hop(&self, cx: &Cx, question: &str, known: &str, missing: &str, tried: &[Tried]) -> Result<Fill> {
        let schema = object(&json!({ "fill": sentence(MAX_SENTENCE), "short": sentence(MAX_SHORT) }));
        self.ask(
            cx,
            context! { question, known, missing => quotable(missing), tried => said(tried), frames => listed(&[]) },
            &schema,
        )
        .await
    }

    async fn ask(&self, cx: &Cx, told: minijinja::Value, schema: &Json) -> Result<Fill> {
        let fill: Fill = self.fill.ask(cx, told, schema, Vec::new()).await?;
        let trimmed = |text: String| text.trim().to_owned();
        let fill =
            Fill { missing: trimmed(fill.missing), fill: trimmed(fill.fill), short: trimmed(fill.short), ..fill };
        if fill.fill.is_empty() || fill.short.is_empty() {
            return Err(Error::new(ErrorKind::Model, "the LLM fills a gap with nothing"));
        }
        Ok(fill)
    }

    /// What speaks against a fill, seen from what is before it and from what is after it; nothing where it fits both.
    ///
    /// # Errors
    /// As [`Infiller::between`].
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
