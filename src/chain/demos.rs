//! Which in-context demos a run shows the LLM (multimodal in-context learning), and how many.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Chain, NumberOrWord, Word, number};
use crate::error::{Error, Result};

/// The word of a limit that the program sets.
const AUTO: &str = "auto";

/// How much at most, or what the program thinks best.
///
/// In files it is `"auto"` or a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "NumberOrWord", try_from = "NumberOrWord")]
pub enum Limit {
    /// What the program thinks best.
    #[default]
    Auto,
    /// At most this.
    AtMost(u64),
}

impl From<Limit> for NumberOrWord {
    fn from(limit: Limit) -> Self {
        Self::of(if let Limit::AtMost(most) = limit { Some(most) } else { None }, AUTO)
    }
}

impl TryFrom<NumberOrWord> for Limit {
    type Error = Error;

    fn try_from(form: NumberOrWord) -> Result<Self> {
        Ok(form.read(AUTO)?.map_or(Self::Auto, Self::AtMost))
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str(AUTO),
            Self::AtMost(most) => write!(f, "{most}"),
        }
    }
}

impl Limit {
    /// Reads a limit from `least` to `most`, or `auto`.
    pub(super) fn parse(key: &str, value: &str, least: u64, most: u64) -> Result<Self> {
        if value == AUTO {
            return Ok(Self::Auto);
        }
        let bad = |_| Error::invalid(format!("`{key}={value}`: {key} is `auto`, or a number from {least} to {most}"));
        number(key, value, least, most).map(Self::AtMost).map_err(bad)
    }
}

/// By what demos are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DemoChoice {
    /// Those whose questions resemble the question most.
    #[default]
    Similar,
    /// The first ones, in the order of the files.
    Fixed,
    /// Any, drawn by [`Chain::demo_seed`] and the question.
    Random,
    /// Those whose images resemble the images most, by what describes them.
    Image,
    /// Those that resemble the question and not each other (maximal marginal relevance).
    Diverse,
}

impl DemoChoice {
    /// All choices, by name.
    pub const NAMES: [&str; 5] = ["similar", "fixed", "random", "image", "diverse"];
}

impl std::str::FromStr for DemoChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Word::parse("demo-choice", text)
    }
}

/// Where the demo that resembles most stands among the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DemoOrder {
    /// Last, next to the question.
    #[default]
    SimilarLast,
    /// First.
    SimilarFirst,
}

impl Word for DemoChoice {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("similar", Self::Similar),
        ("fixed", Self::Fixed),
        ("random", Self::Random),
        ("image", Self::Image),
        ("diverse", Self::Diverse),
    ];
}

impl Word for DemoOrder {
    const WORDS: &'static [(&'static str, Self)] =
        &[("similar-last", Self::SimilarLast), ("similar-first", Self::SimilarFirst)];
}

impl Chain {
    /// Most demos that go along with a question.
    pub const MAX_DEMOS: u64 = 8;
    /// Most tokens that demos may be given together.
    pub const MAX_DEMO_TOKENS: u64 = 100_000;

    /// Whether the constant part of prompts has its demos: always, unless a number of demos is set, among which
    /// they then are.
    pub fn has_fixed_demos(&self) -> bool {
        self.demos == Limit::Auto
    }

    /// Lays one setting of demos over these; whether there is such a setting.
    pub(super) fn set_demos(&mut self, key: &str, value: &str) -> Result<bool> {
        match key {
            "demos" => self.demos = Limit::parse(key, value, 0, Self::MAX_DEMOS)?,
            "demo-choice" => self.demo_choice = Word::parse(key, value)?,
            "demo-order" => self.demo_order = Word::parse(key, value)?,
            "demo-seed" => self.demo_seed = number(key, value, 0, u64::from(u32::MAX))?,
            "demo-tokens" => self.demo_tokens = Limit::parse(key, value, 1, Self::MAX_DEMO_TOKENS)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}
