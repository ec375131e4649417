//! Planners: an LLM that decides which tools to call.

mod auto;
mod controller;
mod decision;
mod history;
mod repair;
mod reply;

use std::sync::Arc;

use async_trait::async_trait;

pub use auto::Auto;
pub use controller::Controller;
pub use decision::DecisionMaker;
pub use history::history;

use crate::chat::ChatModel;
use crate::cx::Cx;
use crate::embedder::TextEmbedder;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::plan::{Plan, Reference, Step};
use crate::prompt::{PlanLibrary, Prompts};
use crate::task::{Mode, Task};
use crate::tool::Catalog;
use crate::trace::{Round, Trace};

/// What a planner wants to do next.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Move {
    /// Run this whole plan, then answer.
    Plan {
        /// A plan that passed the check.
        plan: Plan,
        /// How many repairs it took.
        repairs: u64,
    },
    /// Run these steps beside those that are known, then ask again.
    Steps {
        /// Steps that passed the check together with the known ones.
        steps: Vec<Step>,
        /// What was decided, and why.
        round: Round,
        /// How many repairs it took.
        repairs: u64,
    },
    /// Answer from what is known.
    Finish {
        /// What answers the question; nothing when the tools cannot answer it.
        result: Option<Reference>,
        /// What was decided, and why.
        round: Round,
        /// How many repairs it took.
        repairs: u64,
    },
}

/// What planners with an LLM work with. Cheap to clone.
#[derive(Clone)]
pub struct Planning {
    chat: Arc<dyn ChatModel>,
    catalog: Catalog,
    prompts: Arc<Prompts>,
    library: Arc<PlanLibrary>,
    /// The demos of questions with a place that the user points at.
    pointed: Arc<PlanLibrary>,
    max_repairs: u64,
    show_images: bool,
}

impl Planning {
    /// Repair rounds, unless told otherwise.
    pub const MAX_REPAIRS: u64 = 2;

    /// An LLM that plans with the tools of a catalog.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty prompt file.
    pub fn new(chat: Arc<dyn ChatModel>, catalog: Catalog, prompts: Arc<Prompts>) -> Result<Self> {
        let library = Arc::new(prompts.plan_lookup(&catalog)?);
        let pointed = Arc::new(prompts.pointed_lookup(&catalog)?);
        Ok(Self { chat, catalog, prompts, library, pointed, max_repairs: Self::MAX_REPAIRS, show_images: false })
    }

    /// The demos that go along with questions.
    pub fn library(&self) -> &Arc<PlanLibrary> {
        &self.library
    }

    /// Finds the demos that go along with a question by their meaning, too, and not by their words alone.
    #[must_use]
    pub fn with_embedder(self, embedder: Arc<dyn TextEmbedder>) -> Self {
        let library = Arc::new(self.library.as_ref().clone().with_embedder(Arc::clone(&embedder)));
        let pointed = Arc::new(self.pointed.as_ref().clone().with_embedder(embedder));
        Self { library, pointed, ..self }
    }

    /// How often a faulty plan goes back to the LLM.
    #[must_use]
    pub fn with_max_repairs(self, max_repairs: u64) -> Self {
        Self { max_repairs, ..self }
    }

    /// Sends the task's images along with every request for a plan, but for tasks in [`Mode::Controller`]: there
    /// nothing that stands in an image may have a say in the plan.
    ///
    /// # Errors
    /// `InvalidInput` when the LLM takes no images.
    pub fn with_images(self) -> Result<Self> {
        let able = self.chat.capabilities();
        if !able.images {
            return Err(Error::invalid(format!("the LLM `{}` takes no images; use one that does", able.model)));
        }
        Ok(Self { show_images: true, ..self })
    }

    /// The demos that a task's question is looked up in.
    fn library_for(&self, task: &Task) -> &PlanLibrary {
        if task.region.is_some() { &self.pointed } else { &self.library }
    }

    /// Whether the LLM is shown images.
    fn shows(&self, task: &Task) -> bool {
        self.show_images && task.mode != Mode::Controller
    }

    /// The images that the LLM is shown: those of the task, then what steps made of them.
    fn shown(&self, task: &Task, drawn: &[(Reference, &Image)]) -> Vec<Image> {
        let all = task.images.iter().chain(drawn.iter().map(|(_, image)| *image));
        if self.shows(task) { all.cloned().collect() } else { Vec::new() }
    }
}

/// The image, from 0, that the user points into.
fn pointed_image(task: &Task) -> Option<usize> {
    task.region.as_ref().map(|region| region.image)
}

/// Decides what a run does next.
#[async_trait]
pub trait Planner: Send + Sync {
    /// The next move, given what is known so far.
    ///
    /// # Errors
    /// `Plan` when no valid plan comes about; those of the LLM; `Cancelled` or
    /// `Budget` when the run ends first.
    async fn next(&self, cx: &Cx, task: &Task, known: &Trace) -> Result<Move>;

    /// Several first moves for voting: the most probable one, then others at random, at most `moves` in all.
    ///
    /// By default there is only the first.
    ///
    /// # Errors
    /// As [`Planner::next`], where not even the first comes about.
    async fn sample(&self, cx: &Cx, task: &Task, _moves: u32) -> Result<Vec<Move>> {
        Ok(vec![self.next(cx, task, &Trace::default()).await?])
    }
}
