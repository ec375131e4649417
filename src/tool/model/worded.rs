//! Models that are told with each call what to look for: zero-shot models, and detectors of any words.

use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};

use super::head::{Family, HeadKind};
use super::input::Placement;
use super::outputs::typed;
use super::prompted::listed;
use super::text::Reader;
use super::{ModelTool, grounded, zero_shot};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::runner::{ModelFacts, Tensors};
use crate::tool::Args;
use crate::value::Value;

/// What goes into a model, and how to read what comes out.
pub(super) struct Worded {
    pub(super) inputs: Tensors,
    /// What the classes are called.
    pub(super) names: Arc<[String]>,
    /// For each of them its tokens, where the model tells tokens.
    tokens: Option<Vec<Vec<usize>>>,
}

impl Worded {
    /// The outputs with a number for each class.
    ///
    /// # Errors
    /// `Model` when they are others.
    pub(super) fn by_class(&self, outputs: Tensors) -> Result<Tensors> {
        match &self.tokens {
            Some(tokens) => grounded::by_word(outputs, tokens),
            None => Ok(outputs),
        }
    }
}

impl ModelTool {
    /// Which of the labels that are asked for fits best.
    pub(super) async fn compared(
        &self,
        cx: &Cx,
        facts: &ModelFacts,
        input: &Tensors,
        args: &Args,
    ) -> Result<(Tensors, Value)> {
        let (reader, labels) = self.asked_for(args)?;
        let said: Vec<String> = labels.iter().map(|label| reader.part.said(label)).collect();
        let (outputs, logits) = if reader.runner.is_some() {
            let (outputs, texts) = tokio::try_join!(self.runner.run(cx, input.clone()), reader.read(cx, said, None))?;
            let logits = zero_shot::logits(&self.head, outputs.clone(), &texts, labels.len())?;
            (outputs, logits)
        } else {
            let inputs = reader.tokens(said, facts).await?.inputs(facts, input.clone())?;
            let outputs = self.runner.run(cx, inputs).await?;
            let logits = self.head.numbers(outputs.clone())?;
            (outputs, logits)
        };
        let family = self.head.family.unwrap_or(Family::Clip);
        Ok((outputs, Value::Labels(zero_shot::labels(family, &self.head, &logits, &labels)?)))
    }

    /// What goes into a model of one part: for a detector of any words the tokens of those that are asked for, besides
    /// the picture.
    pub(super) async fn worded(
        &self,
        facts: &ModelFacts,
        input: &Tensors,
        place: &Placement,
        names: &Arc<[String]>,
        args: &Args,
    ) -> Result<Worded> {
        if self.head.kind != HeadKind::Detector || !self.head.takes_words() {
            return Ok(Worded { inputs: input.clone(), names: Arc::clone(names), tokens: None });
        }
        let (reader, labels) = self.asked_for(args)?;
        if !facts.inputs.iter().any(|port| port.name == "input_ids") {
            let message = format!(
                "[model] takes no words, only {}: a detector of any words has an input `input_ids`",
                listed(facts)
            );
            return Err(Error::new(ErrorKind::Model, message));
        }
        let mut more = input.clone();
        if let Some(port) = facts.inputs.iter().find(|port| port.name == "pixel_mask") {
            let [width, height] = place.input.map(|side| side as usize);
            more.push((port.name.clone(), typed(&ArrayD::ones(IxDyn(&[1, height, width])), port)?));
        }
        if self.head.family != Some(Family::GroundingDino) {
            let said = labels.iter().map(|label| reader.part.said(label)).collect();
            let inputs = reader.tokens(said, facts).await?.inputs(facts, more)?;
            return Ok(Worded { inputs, names: labels.into(), tokens: None });
        }
        let alone = |label: &String| reader.part.template.as_ref().map_or(label.clone(), |_| reader.part.said(label));
        let (text, parts) = grounded::joined(&labels.iter().map(alone).collect::<Vec<_>>());
        let read = reader.tokens(vec![text], facts).await?;
        let tokens: Vec<Vec<usize>> = parts.iter().map(|part| read.within(part)).collect();
        if let Some((label, _)) = labels.iter().zip(&tokens).find(|(_, tokens)| tokens.is_empty()) {
            let message = format!("`labels`: the model has no token for `{label}`: name fewer words, or others");
            return Err(Error::new(ErrorKind::Tool, message));
        }
        // With more, the model itself fails, and says so less plainly.
        let logits = facts.outputs.iter().find(|port| port.name == grounded::LOGITS);
        if let Some(told) = logits.and_then(|port| port.shape.get(2).copied().flatten()) {
            grounded::fits(&tokens, told)?;
        }
        Ok(Worded { inputs: read.inputs(facts, more)?, names: labels.into(), tokens: Some(tokens) })
    }

    /// The words that a call asks for, and what reads them.
    fn asked_for(&self, args: &Args) -> Result<(&Reader, Vec<String>)> {
        let reader = self.reader.as_ref().ok_or_else(|| Error::internal("a model that takes words without [text]"))?;
        let labels = args.texts("labels")?.unwrap_or_default();
        if labels.is_empty() {
            let to = if self.head.kind == HeadKind::Detector { "look for" } else { "choose from" };
            return Err(Error::new(ErrorKind::Tool, format!("`labels` is empty: name the words to {to}")));
        }
        Ok((reader, labels))
    }
}
