//! Chains: how a run reasons (multimodal chain of thought), as configuration.
//!
//! The names are those of *A Survey on Multimodal Large Language Models* (arXiv 2306.13549), section M-CoT.

mod demos;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use self::demos::{DemoChoice, DemoOrder, Limit};
use crate::error::{Error, Result};

/// The word of a chain without a fixed end.
const ADAPTIVE: &str = "adaptive";

/// How what is in the images reaches the LLM (modality bridging).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bridge {
    /// As observations of expert models, in words.
    #[default]
    Expert,
    /// As images, which the LLM has to take.
    Native,
    /// Both ways; where the two disagree the answer says so.
    Both,
}

/// When a chain ends.
///
/// In files it is `"adaptive"` or the number of rounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "NumberOrWord", try_from = "NumberOrWord")]
pub enum Stop {
    /// When the LLM decides that what is known suffices, or the budget is used up.
    #[default]
    Adaptive,
    /// After exactly this many rounds of a decision maker.
    Fixed(u64),
}

/// How files write a setting that is a number or one word.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum NumberOrWord {
    Number(i64),
    Word(String),
}

impl NumberOrWord {
    fn of(number: Option<u64>, word: &str) -> Self {
        let number = number.map(|number| Self::Number(i64::try_from(number).unwrap_or(i64::MAX)));
        number.unwrap_or_else(|| Self::Word(word.to_owned()))
    }

    /// The number, or nothing where the word stands.
    fn read(self, word: &str) -> Result<Option<u64>> {
        let bad = |given: &dyn fmt::Display| Error::invalid(format!("`{given}`: give `{word}` or a number from 0 on"));
        match self {
            Self::Number(number) => u64::try_from(number).map(Some).map_err(|_| bad(&number)),
            Self::Word(given) if given == word => Ok(None),
            Self::Word(given) => Err(bad(&given)),
        }
    }
}

impl From<Stop> for NumberOrWord {
    fn from(stop: Stop) -> Self {
        Self::of(if let Stop::Fixed(rounds) = stop { Some(rounds) } else { None }, ADAPTIVE)
    }
}

impl TryFrom<NumberOrWord> for Stop {
    type Error = Error;

    fn try_from(form: NumberOrWord) -> Result<Self> {
        Ok(form.read(ADAPTIVE)?.map_or(Self::Adaptive, Self::Fixed))
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Adaptive => f.write_str(ADAPTIVE),
            Self::Fixed(rounds) => write!(f, "{rounds}"),
        }
    }
}

/// In how many stages an answer is worded (Multimodal-CoT).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stages {
    /// From the evidence at once.
    #[default]
    One,
    /// A rationale from the evidence first, then the answer from question, evidence and rationale.
    Two,
}

/// Whether a question is taken apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Questions {
    /// It is asked as it is.
    #[default]
    Off,
    /// The LLM asks smaller questions, which tools answer, until it is confident (IdealGPT, ChatCaptioner).
    Ask,
    /// The LLM splits it into what text alone can settle, which is asked of the LLM, and what needs the images, which
    /// is asked of tools (DDCoT).
    Split,
}

/// How a chain grows (generation pattern).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// Each step extends what is known.
    #[default]
    Predicting,
    /// A gap is named between what is known before it and after it, filled, and what fills it is checked against both
    /// sides: a missing frame of a sequence, or the hop between evidence and question that no tool makes.
    Infilling,
}

/// How a run reasons; `docs/REASONING.md` says what each setting does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Chain {
    /// How what is in the images reaches the LLM.
    pub bridge: Bridge,
    /// When the chain ends.
    pub stop: Stop,
    /// How the chain grows.
    pub pattern: Pattern,
    /// In how many stages the answer is worded.
    pub stages: Stages,
    /// Whether the planner writes down a thought before its plan ("let's think step by step", zero-shot CoT).
    pub think: bool,
    /// Whether the question is taken apart.
    pub questions: Questions,
    /// How many plans are sampled and executed, whose answers are voted on (self-consistency); 1 samples none.
    pub votes: u32,
    /// Whether the LLM criticises the answer against its evidence; an objection reopens the run once, where the
    /// mode allows it.
    pub critic: bool,
    /// Whether the result of each step is verified as it arises: doubtful finds get a second look, and steps that
    /// contradict each other are told (VIRO).
    pub verify: bool,
    /// Whether the answers of several experts are weighed against each other, by what each says of its reliability
    /// (Cola).
    pub arbitrate: bool,
    /// How many in-context demos go along with a question at most; with 0 the LLM is shown none (zero-shot). By
    /// default up to two that resemble the question, besides the fixed ones.
    pub demos: Limit,
    /// By what they are chosen.
    #[serde(rename = "demo-choice")]
    pub demo_choice: DemoChoice,
    /// In which order they stand.
    #[serde(rename = "demo-order")]
    pub demo_order: DemoOrder,
    /// What demos that are drawn at random depend on.
    #[serde(rename = "demo-seed")]
    pub demo_seed: u64,
    /// How many tokens they may have together, by a cautious guess; those of the constant part are not counted.
    #[serde(rename = "demo-tokens")]
    pub demo_tokens: Limit,
}

impl Default for Chain {
    fn default() -> Self {
        Self {
            bridge: Bridge::default(),
            stop: Stop::default(),
            pattern: Pattern::default(),
            stages: Stages::default(),
            think: false,
            questions: Questions::default(),
            votes: 1,
            critic: false,
            verify: false,
            arbitrate: false,
            demos: Limit::default(),
            demo_choice: DemoChoice::default(),
            demo_order: DemoOrder::default(),
            demo_seed: 0,
            demo_tokens: Limit::default(),
        }
    }
}

/// Settings that take one of a few words.
pub(crate) trait Word: Sized + Copy + PartialEq + 'static {
    /// The words, each with what it sets.
    const WORDS: &'static [(&'static str, Self)];

    /// What a word sets.
    ///
    /// # Errors
    /// `InvalidInput` naming the setting, the word and those there are.
    fn parse(key: &str, value: &str) -> Result<Self> {
        let found = Self::WORDS.iter().find(|(word, _)| *word == value);
        found.map(|(_, of)| *of).ok_or_else(|| unfit(key, value, &Self::words()))
    }

    /// The word that sets this.
    fn word(self) -> String {
        Self::WORDS.iter().find(|(_, of)| *of == self).map(|(word, _)| (*word).to_owned()).unwrap_or_default()
    }

    /// All words, for people.
    fn words() -> String {
        Self::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ")
    }
}

impl Word for Bridge {
    const WORDS: &'static [(&'static str, Self)] =
        &[("expert", Self::Expert), ("native", Self::Native), ("both", Self::Both)];
}

impl Word for Pattern {
    const WORDS: &'static [(&'static str, Self)] = &[("predicting", Self::Predicting), ("infilling", Self::Infilling)];
}

impl Word for Stages {
    const WORDS: &'static [(&'static str, Self)] = &[("one", Self::One), ("two", Self::Two)];
}

impl Word for Questions {
    const WORDS: &'static [(&'static str, Self)] = &[("off", Self::Off), ("ask", Self::Ask), ("split", Self::Split)];
}

impl Word for bool {
    const WORDS: &'static [(&'static str, Self)] = &[("on", true), ("off", false)];
}

/// The settings in `KEY=VALUE,KEY=VALUE...`.
///
/// # Errors
/// `InvalidInput` naming what is none, and the keys that there are.
pub(crate) fn pairs<'a>(settings: &'a str, keys: &str) -> Result<Vec<(&'a str, &'a str)>> {
    let settings = settings.split(',').map(str::trim).filter(|setting| !setting.is_empty());
    let pair = |setting: &'a str| {
        let (key, value) = setting
            .split_once('=')
            .ok_or_else(|| Error::invalid(format!("`{setting}` is no KEY=VALUE; the keys are {keys}")))?;
        Ok((key.trim(), value.trim()))
    };
    settings.map(pair).collect()
}

/// The error of a setting that does not take a value.
pub(crate) fn unfit(key: &str, value: &str, words: &str) -> Error {
    Error::invalid(format!("`{key}={value}`: {key} is one of {words}"))
}

impl Chain {
    /// Most rounds of a chain of fixed length.
    pub const MAX_ROUNDS: u64 = 16;
    /// Most plans that are voted on.
    pub const MAX_VOTES: u32 = 15;

    /// Lays settings over these: `KEY=VALUE,KEY=VALUE...`.
    ///
    /// # Errors
    /// `InvalidInput` naming the setting that is unknown or does not take the value.
    pub fn with(mut self, settings: &str) -> Result<Self> {
        for (key, value) in pairs(settings, &keys())? {
            self.set(key, value)?;
        }
        Ok(self)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        match key {
            "bridge" => self.bridge = Bridge::parse(key, value)?,
            "stop" => self.stop = stop(value)?,
            "pattern" => self.pattern = Pattern::parse(key, value)?,
            "stages" => self.stages = Stages::parse(key, value)?,
            "think" => self.think = bool::parse(key, value)?,
            "questions" => self.questions = Questions::parse(key, value)?,
            "votes" => self.votes = number(key, value, 1, Self::MAX_VOTES)?,
            "critic" => self.critic = bool::parse(key, value)?,
            "verify" => self.verify = bool::parse(key, value)?,
            "arbitrate" => self.arbitrate = bool::parse(key, value)?,
            _ if self.set_demos(key, value)? => {}
            _ => return Err(Error::invalid(format!("`{key}` is no setting of a chain; the keys are {}", keys()))),
        }
        Ok(())
    }

    /// All settings in words, in the order of the fields.
    fn settings(&self) -> [(&'static str, String); 15] {
        [
            ("bridge", self.bridge.word()),
            ("stop", self.stop.to_string()),
            ("pattern", self.pattern.word()),
            ("stages", self.stages.word()),
            ("think", self.think.word()),
            ("questions", self.questions.word()),
            ("votes", self.votes.to_string()),
            ("critic", self.critic.word()),
            ("verify", self.verify.word()),
            ("arbitrate", self.arbitrate.word()),
            ("demos", self.demos.to_string()),
            ("demo-choice", self.demo_choice.word()),
            ("demo-order", self.demo_order.word()),
            ("demo-seed", self.demo_seed.to_string()),
            ("demo-tokens", self.demo_tokens.to_string()),
        ]
    }

    /// Checks that the numbers are within their bounds, and that the settings go together.
    ///
    /// # Errors
    /// `InvalidInput` naming the setting, or those that exclude each other.
    pub fn validate(&self) -> Result<()> {
        if let Stop::Fixed(rounds) = self.stop {
            within("stop", rounds, 1, Self::MAX_ROUNDS)?;
        }
        if let Limit::AtMost(most) = self.demos {
            within("demos", most, 0, Self::MAX_DEMOS)?;
        }
        if let Limit::AtMost(tokens) = self.demo_tokens {
            within("demo-tokens", tokens, 1, Self::MAX_DEMO_TOKENS)?;
        }
        within("votes", self.votes, 1, Self::MAX_VOTES)?;
        let ways = [
            ("bridge=native", self.bridge == Bridge::Native),
            ("stop=N", self.stop != Stop::Adaptive),
            ("pattern=infilling", self.pattern == Pattern::Infilling),
            ("questions", self.questions != Questions::Off),
            ("votes", self.votes > 1),
        ];
        let after = [("critic", self.critic), ("arbitrate", self.arbitrate)];
        let idle = [("stages=two", self.stages == Stages::Two), ("think", self.think), ("verify", self.verify)];
        let named = |(name, _): &(&'static str, bool)| *name;
        let set = |(_, set): &&(&'static str, bool)| *set;
        if let (Bridge::Native, Some(name)) = (self.bridge, idle.iter().chain(&after).find(set).map(named)) {
            return Err(Error::invalid(format!(
                "chain: `bridge=native` plans nothing, so `{name}` has no effect; leave one out"
            )));
        }
        if let (Pattern::Infilling, Some(name)) = (self.pattern, after.iter().find(set).map(named)) {
            return Err(Error::invalid(format!(
                "chain: what `pattern=infilling` puts into a gap is checked by itself, so `{name}` has no effect; \
                 leave one out"
            )));
        }
        let set: Vec<&str> = ways.iter().filter(|(_, set)| *set).map(|(name, _)| *name).collect();
        if let [first, second, ..] = set.as_slice() {
            return Err(Error::invalid(format!("chain: `{first}` and `{second}` do not go together; leave one out")));
        }
        Ok(())
    }
}

/// What is set otherwise than by default, as [`Chain::with`] reads it; nothing when nothing is.
impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (own, default) = (self.settings(), Self::default().settings());
        let other = own.iter().zip(&default).filter(|(own, default)| own != default);
        let settings: Vec<String> = other.map(|((key, value), _)| format!("{key}={value}")).collect();
        f.write_str(&settings.join(","))
    }
}

fn keys() -> String {
    Chain::default().settings().map(|(key, _)| key).join(", ")
}

fn stop(value: &str) -> Result<Stop> {
    if value == ADAPTIVE {
        return Ok(Stop::Adaptive);
    }
    number("stop", value, 1, Chain::MAX_ROUNDS).map(Stop::Fixed).map_err(|_| {
        unfit("stop", value, &format!("`adaptive`, or a number of rounds from 1 to {}", Chain::MAX_ROUNDS))
    })
}

fn number<N: Copy + FromStr + PartialOrd + fmt::Display>(key: &str, value: &str, least: N, most: N) -> Result<N> {
    let bad = || Error::invalid(format!("`{key}={value}`: {key} is a number from {least} to {most}"));
    value.parse().ok().filter(|n| (&least..=&most).contains(&n)).ok_or_else(bad)
}

fn within<N: Copy + PartialOrd + fmt::Display>(key: &str, value: N, least: N, most: N) -> Result<()> {
    if (&least..=&most).contains(&&value) {
        return Ok(());
    }
    Err(Error::invalid(format!("chain: `{key}` is {value}, and has to be from {least} to {most}")))
}
