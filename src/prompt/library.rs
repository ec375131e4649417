//! The library: demos that are shown only with questions they resemble.

use serde_json::{Value as Json, json};

use super::similar::{Index, Shape};
use super::spaced_json;
use crate::error::Result;
use crate::message::Message;
use crate::plan::{NOTHING_KNOWN, Plan, Step};
use crate::tool::Catalog;

/// The demos of the library that a planner's question is given, found by similarity.
#[derive(Debug, Clone)]
pub struct PlanLibrary {
    pub(super) demos: Vec<LibraryDemo>,
    pub(super) index: Index,
}

/// A demo of the library: the question as a planner and as a decision maker sees it, and the plan.
#[derive(Debug, Clone)]
pub(super) struct LibraryDemo {
    pub(super) asked: Message,
    pub(super) asked_in_rounds: Message,
    pub(super) images: usize,
    pub(super) plan: Plan,
}

impl PlanLibrary {
    /// Demos whose similarity to the question is lower than this would only distract.
    const MIN_SIMILARITY: f64 = 0.2;
    /// Most demos that go along with one question.
    const MAX_DEMOS: usize = 2;
    /// Most characters of them together, about 280 tokens.
    const MAX_CHARS: usize = 1_080;

    /// The demos that resemble the question as plans, the most similar last, next to the question.
    ///
    /// # Errors
    /// `Internal` when a plan has no JSON form.
    pub fn similar(&self, question: &str, images: usize, catalog: &Catalog) -> Result<Vec<Message>> {
        self.chosen(question, images, catalog, |demo| Ok([demo.asked.clone(), spoken_plan(&demo.plan)?]))
    }

    /// The demos that resemble the question as first rounds, the most similar last.
    ///
    /// # Errors
    /// `Internal` when a plan has no JSON form.
    pub fn similar_rounds(&self, question: &str, images: usize, catalog: &Catalog) -> Result<Vec<Message>> {
        self.chosen(question, images, catalog, |demo| Ok([demo.asked_in_rounds.clone(), first_round(&demo.plan)?]))
    }

    /// What is asked about several images is planned unlike what is asked about one.
    fn chosen(
        &self,
        question: &str,
        images: usize,
        catalog: &Catalog,
        shown: impl Fn(&LibraryDemo) -> Result<[Message; 2]>,
    ) -> Result<Vec<Message>> {
        let shape = Shape::new(question, &catalog.mentions(question));
        let mut room = Self::MAX_CHARS;
        let mut chosen: Vec<[Message; 2]> = Vec::new();
        for (n, similarity) in self.index.rank(&shape) {
            let Some(demo) = self.demos.get(n).filter(|demo| (demo.images > 1) == (images > 1)) else { continue };
            if similarity < Self::MIN_SIMILARITY || chosen.len() == Self::MAX_DEMOS {
                break;
            }
            let messages = shown(demo)?;
            let size: usize = messages.iter().map(|m| m.content.len()).sum();
            if size <= room {
                room -= size;
                chosen.push(messages);
            }
        }
        Ok(chosen.into_iter().rev().flatten().collect())
    }
}

pub(super) fn spoken_plan(plan: &Plan) -> Result<Message> {
    Ok(Message::assistant(spaced_json(&plan.to_json())?))
}

/// A plan as the first round of a decision maker.
fn first_round(plan: &Plan) -> Result<Message> {
    let steps: Vec<Json> = plan.steps.iter().map(Step::to_json).collect();
    let reply = json!({ "thought": NOTHING_KNOWN, "missing": "everything", "steps": steps });
    Ok(Message::assistant(spaced_json(&reply)?))
}
