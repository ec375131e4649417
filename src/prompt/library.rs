//! The library: demos that go along with the questions they are chosen for.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::likeness::Meaning;
use super::pool::{Pick, Pool};
use super::ready::Ready;
use crate::chain::{Chain, DemoChoice, Limit};
use crate::cx::Cx;
use crate::demo::DemoFor;
use crate::embedder::TextEmbedder;
use crate::error::Result;
use crate::image::Image;
use crate::message::Message;
use crate::refiner::told;
use crate::task::{Task, asked_images};
use crate::tool::{Args, Catalog, SharedTool, call_guarded};
use crate::trace::Event;
use crate::value::Value;

/// The tool that says in sentences what is in an image.
const DESCRIBER: &str = "describe_scene";
/// Most images whose facts choose demos.
const MAX_DESCRIBED: usize = 2;
/// Most images whose facts are remembered.
const MAX_REMEMBERED: usize = 64;

/// The demos that go along with a question: those of the library, of tools, and of files, and, when a number of demos
/// is set, those that stand in the constant parts of prompts otherwise.
///
/// With an embedder a demo's similarity is the mean of two: that of words and word pairs, in which the things that
/// tools know by name count as one, and that of meaning. Without one, or when it fails, it is that of words alone.
#[derive(Clone)]
pub struct PlanLibrary {
    /// What is chosen from by default.
    some: Pool,
    /// What is chosen from when a number is set.
    all: Pool,
    meaning: Meaning,
    /// The demos of files that need tools which are not there, by their places.
    left_out: Vec<String>,
    /// What is known of images, by their digests.
    facts: Arc<Mutex<HashMap<String, String>>>,
}

impl fmt::Debug for PlanLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlanLibrary").field("demos", &self.all.demos()).finish_non_exhaustive()
    }
}

/// What is asked of a library.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who is to be shown the demos.
    pub to: DemoFor,
    /// The question.
    pub question: &'a str,
    /// How many images there are.
    pub images: usize,
    /// The images, where they may choose demos.
    pub pictures: &'a [Image],
    /// How many demos, and by what they are chosen.
    pub chain: &'a Chain,
}

impl<'a> Asked<'a> {
    /// A task's demos for one reader.
    pub fn of(task: &'a Task, to: DemoFor) -> Self {
        let (question, pictures) = (task.question.trim(), task.images.as_slice());
        Self { to, question, images: pictures.len(), pictures, chain: &task.chain }
    }
}

/// A demo that goes along.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// Where it stands: `FILE:LINE`, or a folder of prompts.
    pub place: String,
    /// Its question.
    pub question: String,
    /// How much it resembles what is asked, up to 1, where that chose it.
    pub similarity: Option<f64>,
    /// What it is asked as its reader sees it, and its reply.
    pub messages: [Message; 2],
}

/// A demo that there is.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Where it stands: `FILE:LINE`, or a folder of prompts.
    pub place: String,
    /// Its question.
    pub question: String,
    /// How many images there are.
    pub images: usize,
    /// What is in the image, when it says so.
    pub description: Option<String>,
    /// The tools of its plan.
    pub tools: Vec<String>,
    /// Who is shown it.
    pub serves: Vec<DemoFor>,
}

impl PlanLibrary {
    pub(super) fn new(some: Pool, all: Pool, left_out: Vec<String>) -> Self {
        Self { some, all, meaning: Meaning::default(), left_out, facts: Arc::default() }
    }

    /// The same demos, found by their meaning, too.
    #[must_use]
    pub fn with_embedder(self, embedder: Arc<dyn TextEmbedder>) -> Self {
        let (some, all) = (self.some.anew(), self.all.anew());
        Self { some, all, meaning: Meaning::of(embedder), ..self }
    }

    /// All demos, those of files first.
    pub fn list(&self) -> Vec<Listed> {
        let listed = |demo: &Arc<Ready>| Listed {
            place: demo.place.clone(),
            question: demo.question.clone(),
            images: demo.images,
            description: demo.description.clone(),
            tools: demo.tools.clone(),
            serves: demo.serves(),
        };
        self.all.demos().iter().map(listed).collect()
    }

    /// Where the demos of files stand that are left out because not all tools of their plans are there.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// The demos that resemble the question as plans, the most similar last, next to the question.
    ///
    /// # Errors
    /// `Cancelled` or `Budget` when the run ends first.
    pub async fn similar(&self, cx: &Cx, question: &str, images: usize, catalog: &Catalog) -> Result<Vec<Message>> {
        let chain = Chain::default();
        let asked = Asked { to: DemoFor::Planner, question, images, pictures: &[], chain: &chain };
        self.messages(cx, &asked, catalog).await
    }

    /// The messages of the demos that go along with a question; see [`PlanLibrary::choose`].
    ///
    /// # Errors
    /// As [`PlanLibrary::choose`].
    pub async fn messages(&self, cx: &Cx, asked: &Asked<'_>, catalog: &Catalog) -> Result<Vec<Message>> {
        Ok(self.choose(cx, asked, catalog).await?.into_iter().flat_map(|demo| demo.messages).collect())
    }

    /// The demos that go along with a question, as the chain sets it, in the order in which they are shown.
    ///
    /// # Errors
    /// `Cancelled` or `Budget` when the run ends first.
    pub async fn choose(&self, cx: &Cx, asked: &Asked<'_>, catalog: &Catalog) -> Result<Vec<Chosen>> {
        let Asked { to, chain, .. } = *asked;
        let pool = match chain.demos {
            Limit::AtMost(0) => return Ok(Vec::new()),
            Limit::AtMost(_) => &self.all,
            Limit::Auto => &self.some,
        };
        if !pool.serves(to) {
            return Ok(Vec::new());
        }
        let before = cx.past().and_then(|past| past.shown(&to.to_string(), asked.question));
        let picked = match before.and_then(|questions| pool.asking(to, &questions)) {
            Some(picked) => picked,
            None => self.picked(cx, asked, pool, catalog).await?,
        };
        if !picked.is_empty() {
            let demos = picked.iter().map(|pick| pick.demo.question.clone()).collect();
            cx.emit(Event::Shown { to: to.to_string(), question: asked.question.to_owned(), demos }, &[]);
        }
        let chosen = picked.into_iter().map(|pick| Chosen {
            place: pick.demo.place.clone(),
            question: pick.demo.question.clone(),
            similarity: pick.similarity,
            messages: pick.shown.clone(),
        });
        Ok(chosen.collect())
    }

    /// The demos of a pool that go along with a question.
    async fn picked<'a>(&self, cx: &Cx, asked: &Asked<'_>, pool: &'a Pool, catalog: &Catalog) -> Result<Vec<Pick<'a>>> {
        let Asked { to, question, chain, .. } = *asked;
        let by_question = || pool.by_question(cx, &self.meaning, question, catalog);
        let ranked = match chain.demo_choice {
            DemoChoice::Fixed => pool.in_order(),
            DemoChoice::Random => pool.at_random(chain.demo_seed, question),
            DemoChoice::Similar => by_question().await?,
            DemoChoice::Diverse => pool.diversely(to, asked.images, by_question().await?),
            DemoChoice::Image => {
                let ranked = by_question().await?;
                match self.facts(cx, asked, pool, catalog).await? {
                    Some(facts) => pool.by_image(cx, &self.meaning, &facts, ranked).await?,
                    None => ranked,
                }
            }
        };
        Ok(pool.pick(to, ranked, asked.images, chain))
    }

    /// What describes the images that are asked about, without an LLM; nothing, and a line in the log, when nothing can.
    async fn facts(&self, cx: &Cx, asked: &Asked<'_>, pool: &Pool, catalog: &Catalog) -> Result<Option<String>> {
        let why = match catalog.get(DESCRIBER) {
            _ if !pool.describes(asked.to) => "no demo describes its image".to_owned(),
            None => format!("there is no tool `{DESCRIBER}`"),
            Some(describer) => match self.told_of(cx, asked, describer).await {
                Ok(facts) if !facts.is_empty() => return Ok(Some(facts)),
                Ok(_) => "nothing describes the images".to_owned(),
                Err(error) => {
                    // When the run has ended that is the reason, and not the tool.
                    cx.check()?;
                    error.for_log()
                }
            },
        };
        tracing::warn!("demos are chosen by the question and not by the image: {why}");
        Ok(None)
    }

    async fn told_of(&self, cx: &Cx, asked: &Asked<'_>, describer: &SharedTool) -> Result<String> {
        let mut all = Vec::new();
        let numbers = asked_images(asked.question, asked.pictures.len()).into_iter().take(MAX_DESCRIBED);
        for image in numbers.filter_map(|n| asked.pictures.get(n)) {
            if let Some(known) = self.remembered(image.digest()) {
                all.push(known);
                continue;
            }
            cx.keep_image(image);
            let args = Args::from_iter([("image".to_owned(), Value::Image(image.clone()))]);
            if let Value::Json(json) = cx.within(call_guarded(cx, describer, args)).await? {
                let facts = told(&json).join(" ");
                self.remember(image.digest(), &facts);
                all.push(facts);
            }
        }
        Ok(all.join(" "))
    }

    fn remembered(&self, digest: &str) -> Option<String> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }

    fn remember(&self, digest: &str, facts: &str) {
        let mut known = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_REMEMBERED {
            known.clear();
        }
        known.insert(digest.to_owned(), facts.to_owned());
    }
}
