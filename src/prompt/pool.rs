//! Pools: demos to choose from, and the choice.

use std::sync::Arc;

use super::likeness::{Likeness, Meaning};
use super::ready::{Ready, Shown};
use super::similar::Shape;
use crate::chain::{Chain, DemoChoice, DemoOrder, Limit};
use crate::chat::{ChatRequest, ChatUsage};
use crate::cx::Cx;
use crate::demo::{DemoFor, diverse, drawn};
use crate::error::Result;
use crate::tool::Catalog;

/// Demos whose similarity to the question is lower than this would only distract.
const MIN_SIMILARITY: f64 = 0.2;
/// Most demos that go along with one question, where no number is set.
const MAX_DEMOS: usize = 2;
/// Most bytes of several of them together, about 200 tokens, where no number is set; the most similar one goes along
/// in any case.
const MAX_BYTES: usize = 570;
/// How many of the most relevant demos a diverse choice is made among.
const SHORTLIST: usize = 64;

/// A demo by its number, and how much it resembles what is asked, where that decides.
pub(super) type Ranked = (usize, Option<f64>);

/// Demos to choose from.
#[derive(Clone)]
pub(super) struct Pool {
    demos: Vec<Arc<Ready>>,
    questions: Likeness,
    /// What describes the images of some of the demos, and the numbers of these.
    images: Likeness,
    described: Vec<usize>,
}

/// A demo that was chosen.
pub(super) struct Pick<'a> {
    pub(super) demo: &'a Ready,
    pub(super) shown: &'a Shown,
    pub(super) similarity: Option<f64>,
}

impl Pool {
    pub(super) fn new(demos: Vec<Arc<Ready>>, catalog: &Catalog) -> Self {
        let shape = |text: &str| Shape::new(text, &catalog.mentions(text));
        let questions: Vec<String> = demos.iter().map(|demo| demo.question.clone()).collect();
        let shapes = questions.iter().map(|question| shape(question)).collect();
        let of_image = |(n, demo): (usize, &Arc<Ready>)| Some((n, demo.description.clone()?));
        let (described, texts): (Vec<usize>, Vec<String>) = demos.iter().enumerate().filter_map(of_image).unzip();
        // The things in an image are what tells images apart, so they keep their names.
        let images = Likeness::new(texts.clone(), texts.iter().map(|text| Shape::new(text, &[])).collect());
        Self { questions: Likeness::new(questions, shapes), images, described, demos }
    }

    pub(super) fn demos(&self) -> &[Arc<Ready>] {
        &self.demos
    }

    /// Forgets what another embedder made.
    pub(super) fn anew(self) -> Self {
        Self { questions: self.questions.anew(), images: self.images.anew(), ..self }
    }

    /// Whether there is a demo for this reader.
    pub(super) fn serves(&self, to: DemoFor) -> bool {
        self.demos.iter().any(|demo| demo.shown(to).is_some())
    }

    /// Whether there is one for this reader whose image is described.
    pub(super) fn describes(&self, to: DemoFor) -> bool {
        self.described.iter().any(|n| self.demos.get(*n).is_some_and(|demo| demo.shown(to).is_some()))
    }

    /// The demos in the order of the files.
    pub(super) fn in_order(&self) -> Vec<Ranked> {
        (0..self.demos.len()).map(|n| (n, None)).collect()
    }

    /// The demos in an order that is drawn.
    pub(super) fn at_random(&self, seed: u64, question: &str) -> Vec<Ranked> {
        drawn(seed, question, self.demos.len()).into_iter().map(|n| (n, None)).collect()
    }

    /// The demos with their similarities to a question, the most similar first.
    pub(super) async fn by_question(
        &self,
        cx: &Cx,
        meaning: &Meaning,
        question: &str,
        catalog: &Catalog,
    ) -> Result<Vec<Ranked>> {
        let shape = Shape::new(question, &catalog.mentions(question));
        let all = self.questions.to(cx, meaning, question, &shape).await?;
        let mut ranked: Vec<Ranked> = all.into_iter().map(Some).enumerate().collect();
        // The sort is stable: of equally similar ones, the first by name.
        ranked.sort_by(|a, b| b.1.unwrap_or_default().total_cmp(&a.1.unwrap_or_default()));
        Ok(ranked)
    }

    /// The demos whose images resemble one of which these are the facts, the most similar first, and after them, by
    /// their questions, those whose images nothing describes.
    pub(super) async fn by_image(
        &self,
        cx: &Cx,
        meaning: &Meaning,
        facts: &str,
        by_question: Vec<Ranked>,
    ) -> Result<Vec<Ranked>> {
        let all = self.images.to(cx, meaning, facts, &Shape::new(facts, &[])).await?;
        let likeness = |n: usize| self.described.iter().zip(&all).find(|(own, _)| **own == n).map(|(_, like)| *like);
        let mut ranked: Vec<Ranked> = by_question.into_iter().map(|(n, _)| (n, likeness(n))).collect();
        ranked.sort_by(|a, b| b.1.unwrap_or(-1.0).total_cmp(&a.1.unwrap_or(-1.0)));
        Ok(ranked)
    }

    /// Those that are like the question and unlike each other, among the most similar ones.
    pub(super) fn diversely(&self, to: DemoFor, images: usize, ranked: Vec<Ranked>) -> Vec<Ranked> {
        let fits = |demo: &Arc<Ready>| demo.shown(to).is_some() && demo.fits(to, images);
        let fitting = ranked.into_iter().filter(|(n, _)| self.demos.get(*n).is_some_and(fits));
        let short: Vec<Ranked> = fitting.take(SHORTLIST).collect();
        let relevance: Vec<f64> = short.iter().map(|(_, similarity)| similarity.unwrap_or_default()).collect();
        let number = |n: usize| short.get(n).map_or(usize::MAX, |(number, _)| *number);
        let alike = |a: usize, b: usize| self.questions.between(number(a), number(b));
        diverse(&relevance, alike, short.len()).into_iter().filter_map(|n| short.get(n).copied()).collect()
    }

    /// The demos with these questions; nothing when one of them is not here.
    pub(super) fn asking(&self, to: DemoFor, questions: &[String]) -> Option<Vec<Pick<'_>>> {
        let asking = |question: &String| {
            let mut demos = self.demos.iter().filter(|demo| demo.question == *question);
            demos.find_map(|demo| Some(Pick { shown: demo.shown(to)?, demo, similarity: None }))
        };
        questions.iter().map(asking).collect()
    }

    /// Those that go along, in the order in which they stand in the prompt.
    ///
    /// Where no number is set, a demo whose plan uses the same tools as a more similar one's shows nothing new: the two agree on how the question is
    /// planned, so neither it nor one that resembles the question less goes along.
    pub(super) fn pick(&self, to: DemoFor, ranked: Vec<Ranked>, images: usize, chain: &Chain) -> Vec<Pick<'_>> {
        let limits = Limits::of(chain);
        let by_likeness = !matches!(chain.demo_choice, DemoChoice::Fixed | DemoChoice::Random);
        let mut picked: Vec<Pick<'_>> = Vec::new();
        let mut used = Size::default();
        for (n, similarity) in ranked {
            let Some(demo) = self.demos.get(n).map(Arc::as_ref) else { continue };
            if by_likeness && !demo.fits(to, images) {
                continue;
            }
            let Some(shown) = demo.shown(to) else { continue };
            let agrees = || picked.iter().any(|pick| !demo.tools.is_empty() && pick.demo.tools == demo.tools);
            let distracts = || similarity.unwrap_or_default() < MIN_SIMILARITY || agrees();
            if picked.len() >= limits.most || (limits.careful && distracts()) {
                break;
            }
            let more = used.and(shown);
            if limits.have_room_for(&more, picked.len()) {
                used = more;
                picked.push(Pick { demo, shown, similarity });
            }
        }
        if by_likeness && chain.demo_order == DemoOrder::SimilarLast {
            picked.reverse();
        }
        picked
    }
}

/// How much goes along.
struct Limits {
    most: usize,
    tokens: Option<u64>,
    /// No number is set, so what would distract or brings nothing new stays away.
    careful: bool,
    /// Most bytes, but for the first one.
    bytes: Option<usize>,
}

impl Limits {
    fn of(chain: &Chain) -> Self {
        let tokens = if let Limit::AtMost(tokens) = chain.demo_tokens { Some(tokens) } else { None };
        match chain.demos {
            Limit::AtMost(most) => {
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                Self { most, tokens, careful: false, bytes: None }
            }
            Limit::Auto => {
                let bytes = tokens.is_none().then_some(MAX_BYTES);
                Self { most: MAX_DEMOS, tokens, careful: chain.demo_choice == DemoChoice::Similar, bytes }
            }
        }
    }

    fn have_room_for(&self, size: &Size, picked: usize) -> bool {
        let bytes = picked == 0 || self.bytes.is_none_or(|most| size.bytes <= most);
        bytes && self.tokens.is_none_or(|most| size.tokens <= most)
    }
}

/// How long demos are together.
#[derive(Default, Clone, Copy)]
struct Size {
    bytes: usize,
    tokens: u64,
}

impl Size {
    fn and(self, shown: &Shown) -> Self {
        let bytes: usize = shown.iter().map(|message| message.content.len()).sum();
        let tokens = ChatUsage::guess(&ChatRequest::new(Vec::new(), shown.to_vec()), "").prompt_tokens;
        Self { bytes: self.bytes + bytes, tokens: self.tokens + tokens }
    }
}
