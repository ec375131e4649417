//! The library: demos that are shown only with questions they resemble.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value as Json, json};
use tokio::sync::OnceCell;

use super::similar::{Index, Shape};
use super::spaced_json;
use crate::cx::Cx;
use crate::embedder::{TextEmbedder, similarity};
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::plan::{NOTHING_KNOWN, Plan, Step};
use crate::tool::Catalog;

/// The demos of the library that a planner's question is given, found by similarity.
///
/// With an embedder a demo's similarity is the mean of two: that of words and word pairs, in which the things that
/// tools know by name count as one, and that of meaning. Without one, or when it fails, it is that of words alone.
#[derive(Clone)]
pub struct PlanLibrary {
    demos: Vec<LibraryDemo>,
    index: Index,
    embedder: Option<Arc<dyn TextEmbedder>>,
    /// The embeddings of the demos' questions, made when they are first needed.
    meanings: OnceCell<Vec<Vec<f32>>>,
    /// The embedder has failed.
    broken: Arc<AtomicBool>,
}

impl fmt::Debug for PlanLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlanLibrary").field("demos", &self.demos).finish_non_exhaustive()
    }
}

/// A demo of the library: the question as a planner and as a decision maker sees it, and the plan.
#[derive(Debug, Clone)]
pub(super) struct LibraryDemo {
    pub(super) question: String,
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
    /// Most bytes of several of them together, about 200 tokens; the most similar one goes along in any case.
    const MAX_BYTES: usize = 570;

    pub(super) fn new(demos: Vec<LibraryDemo>, index: Index) -> Self {
        Self { demos, index, embedder: None, meanings: OnceCell::new(), broken: Arc::default() }
    }

    /// The same demos, found by their meaning, too.
    #[must_use]
    pub fn with_embedder(self, embedder: Arc<dyn TextEmbedder>) -> Self {
        Self { embedder: Some(embedder), meanings: OnceCell::new(), broken: Arc::default(), ..self }
    }

    /// The demos that resemble the question as plans, the most similar last, next to the question.
    ///
    /// # Errors
    /// `Cancelled` or `Budget` when the run ends first; `Internal` when a plan has no JSON form.
    pub async fn similar(&self, cx: &Cx, question: &str, images: usize, catalog: &Catalog) -> Result<Vec<Message>> {
        let ranked = self.ranked(cx, question, catalog).await?;
        self.chosen(ranked, images, |demo| Ok([demo.asked.clone(), spoken_plan(&demo.plan)?]))
    }

    /// The demos that resemble the question as first rounds, the most similar last.
    ///
    /// # Errors
    /// As [`PlanLibrary::similar`].
    pub async fn similar_rounds(
        &self,
        cx: &Cx,
        question: &str,
        images: usize,
        catalog: &Catalog,
    ) -> Result<Vec<Message>> {
        let ranked = self.ranked(cx, question, catalog).await?;
        self.chosen(ranked, images, |demo| Ok([demo.asked_in_rounds.clone(), first_round(&demo.plan)?]))
    }

    /// The demos with their similarities to a question, the most similar first.
    async fn ranked(&self, cx: &Cx, question: &str, catalog: &Catalog) -> Result<Vec<(&LibraryDemo, f64)>> {
        let words = self.index.similarities(&Shape::new(question, &catalog.mentions(question)));
        let mut ranked: Vec<(&LibraryDemo, f64)> = self.demos.iter().zip(words).collect();
        if let Some(meanings) = self.meanings_like(cx, question).await? {
            for ((_, similarity), meaning) in ranked.iter_mut().zip(meanings) {
                *similarity = f64::midpoint(*similarity, meaning);
            }
        }
        // The sort is stable: of equally similar ones, the first by name.
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        Ok(ranked)
    }

    /// How alike in meaning each demo is; nothing when that cannot be told. An embedder that failed is not asked again.
    async fn meanings_like(&self, cx: &Cx, question: &str) -> Result<Option<Vec<f64>>> {
        let usable = !self.demos.is_empty() && !self.broken.load(Ordering::Relaxed);
        let Some(embedder) = self.embedder.as_ref().filter(|_| usable) else { return Ok(None) };
        let likeness = async {
            let of_demos = || async {
                let questions: Vec<&str> = self.demos.iter().map(|demo| demo.question.as_str()).collect();
                vectors(embedder.embed(cx, &questions).await?, questions.len())
            };
            let meanings = self.meanings.get_or_try_init(of_demos).await?;
            let asked = vectors(embedder.embed(cx, &[question]).await?, 1)?;
            let like = |meaning: &Vec<f32>| asked.first().map_or(0.0, |asked| similarity(meaning, asked));
            Ok(meanings.iter().map(like).collect())
        };
        match cx.within(likeness).await {
            Ok(likeness) => Ok(Some(likeness)),
            Err(error) => {
                // When the run has ended that is the reason, and not the embedder.
                cx.check()?;
                self.broken.store(true, Ordering::Relaxed);
                tracing::warn!("demos are chosen by their words alone: {}", error.for_log());
                Ok(None)
            }
        }
    }

    /// What is asked about several images is planned unlike what is asked about one.
    ///
    /// A demo whose plan uses the same tools as a more similar one's shows nothing new: the two agree on how the
    /// question is planned, so neither it nor one that resembles the question less goes along.
    fn chosen(
        &self,
        ranked: Vec<(&LibraryDemo, f64)>,
        images: usize,
        shown: impl Fn(&LibraryDemo) -> Result<[Message; 2]>,
    ) -> Result<Vec<Message>> {
        let mut room = Self::MAX_BYTES;
        let mut chosen: Vec<(&Plan, [Message; 2])> = Vec::new();
        let fitting = ranked.into_iter().filter(|(demo, _)| (demo.images > 1) == (images > 1));
        for (demo, _) in fitting.take_while(|(_, similarity)| *similarity >= Self::MIN_SIMILARITY) {
            let agrees = chosen.iter().any(|(plan, _)| same_tools(plan, &demo.plan));
            if agrees || chosen.len() == Self::MAX_DEMOS {
                break;
            }
            let messages = shown(demo)?;
            let size: usize = messages.iter().map(|m| m.content.len()).sum();
            if size <= room || chosen.is_empty() {
                room = room.saturating_sub(size);
                chosen.push((&demo.plan, messages));
            }
        }
        Ok(chosen.into_iter().rev().flat_map(|(_, messages)| messages).collect())
    }
}

fn same_tools(a: &Plan, b: &Plan) -> bool {
    a.steps.iter().map(|step| &step.tool).eq(b.steps.iter().map(|step| &step.tool))
}

/// Vectors as an embedder should give them: one for each text, of one size, of numbers.
fn vectors(vectors: Vec<Vec<f32>>, texts: usize) -> Result<Vec<Vec<f32>>> {
    let size = vectors.first().map_or(0, Vec::len);
    let sound = |vector: &Vec<f32>| vector.len() == size && vector.iter().all(|x| x.is_finite());
    if vectors.len() == texts && size > 0 && vectors.iter().all(sound) {
        return Ok(vectors);
    }
    let message = format!("the text embedder gave no {texts} vectors of one size for {texts} texts");
    Err(Error::new(ErrorKind::Model, message))
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
