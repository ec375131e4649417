//! The demos of the prompt folder, by who is shown them.

use serde::Deserialize;

use super::{PlanDemo, StandaloneDemo, StyleDemo, TranslateDemo};

/// Folders of demos: one that is given replaces the compiled-in one as a whole.
pub(super) const FOLDERS: [&str; 8] = [
    "plan/demos/",
    "plan/library/",
    "decide/demos/",
    "refine/demos/",
    "guess/demos/",
    "style/demos/",
    "translate/demos/",
    "standalone/demos/",
];

/// The demos of the prompt folder.
#[derive(Debug, Clone, Default)]
pub(super) struct OwnDemos {
    pub(super) plan: Vec<PlanDemo>,
    pub(super) library: Vec<PlanDemo>,
    pub(super) decide: Vec<DecideDemo>,
    pub(super) refine: Vec<RefineDemo>,
    pub(super) guess: Vec<GuessDemo>,
    pub(super) style: Vec<StyleDemo>,
    pub(super) translate: Vec<TranslateDemo>,
    pub(super) standalone: Vec<StandaloneDemo>,
}

impl OwnDemos {
    /// Takes a file in, when it is one of a demo; whether it is.
    ///
    /// # Errors
    /// What is wrong with the demo.
    pub(super) fn take(&mut self, name: &str, text: &str) -> Result<bool, toml::de::Error> {
        let folder = FOLDERS.into_iter().find(|folder| name.starts_with(folder));
        match folder.unwrap_or_default() {
            "plan/demos/" => self.plan.push(toml::from_str(text)?),
            "plan/library/" => self.library.push(toml::from_str(text)?),
            "decide/demos/" => self.decide.push(toml::from_str(text)?),
            "refine/demos/" => self.refine.push(toml::from_str(text)?),
            "guess/demos/" => self.guess.push(toml::from_str(text)?),
            "style/demos/" => self.style.push(toml::from_str(text)?),
            "translate/demos/" => self.translate.push(toml::from_str(text)?),
            "standalone/demos/" => self.standalone.push(toml::from_str(text)?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn one() -> usize {
    1
}

/// An in-context example for the decision maker: one round.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecideDemo {
    /// What is asked.
    pub question: String,
    /// How many images there are.
    #[serde(default = "one")]
    pub images: usize,
    /// What is known, as the decision maker sees it.
    #[serde(default)]
    pub known: String,
    /// How many of the images, from the first on, some step has looked at.
    #[serde(default)]
    pub looked_at: usize,
    /// What the refiner found missing, when it did.
    #[serde(default)]
    pub missing: Option<String>,
    /// The reply, as JSON.
    pub reply: String,
}

/// An in-context example for the refiner.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefineDemo {
    /// What is asked.
    pub question: String,
    /// The evidence, as the refiner sees it.
    pub evidence: String,
    /// What the decision maker ended with, when there was one.
    #[serde(default)]
    pub thought: Option<String>,
    /// The sentences of the answer; none when the evidence does not answer.
    #[serde(default)]
    pub answer: Vec<String>,
    /// What is missing when the evidence does not answer.
    #[serde(default)]
    pub missing: Option<String>,
}

/// An in-context example for guessing.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuessDemo {
    /// What is asked.
    pub question: String,
    /// What is known, in sentences.
    pub findings: String,
    /// The guess.
    pub answer: String,
}
