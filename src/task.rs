//! Tasks: one question with its images.

mod earlier;
mod record;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub(crate) use self::earlier::latest;
use crate::budget::Budget;
use crate::chain::{Bridge, Chain, DemoChoice, Stop};
use crate::error::{Error, Result};
use crate::image::Image;
use crate::pointed::Pointed;
use crate::style::Style;

/// Who decides what a run does, and when.
///
/// # Why `controller` is the mode for images from strangers
/// Its plan is fixed before anything in the image is read. In the other modes the LLM
/// goes on planning after it has seen text from the image; that text is marked as data, but an
/// LLM can still be talked into calling a tool by it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The LLM writes the whole plan in one round.
    Controller,
    /// The LLM works in rounds: it looks at what is known, and asks for the next steps or ends.
    DecisionMaker,
    /// A controller's plan first; rounds only when its evidence does not answer the question.
    #[default]
    Auto,
}

impl Mode {
    /// All modes, by name.
    pub const NAMES: [&str; 3] = ["controller", "decision-maker", "auto"];
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Controller => "controller",
            Self::DecisionMaker => "decision-maker",
            Self::Auto => "auto",
        })
    }
}

impl FromStr for Mode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Controller, Self::DecisionMaker, Self::Auto]
            .into_iter()
            .find(|mode| mode.to_string() == text)
            .ok_or_else(|| Error::invalid(format!("`{text}` is not a mode; use {}", Self::NAMES.join(", "))))
    }
}

/// One question with its images and limits.
#[derive(Debug, Clone)]
pub struct Task {
    /// What is asked.
    pub question: String,
    /// What the user asked before, oldest first, so that the question may go on from it: "And how many of them ...?".
    ///
    /// The last [`Task::MAX_EARLIER`] are used.
    ///
    /// # Why questions alone, and no answers
    /// An answer may repeat text that stands in an image, and nothing of that may reach a planner in
    /// [`Mode::Controller`]. What a user asked is the user's own.
    pub earlier: Vec<String>,
    /// The images, in order: `$image`, `$image2` ...
    pub images: Vec<Image>,
    /// The limits of the run.
    pub budget: Budget,
    /// Who decides what the run does, and when.
    pub mode: Mode,
    /// Whether a question that the evidence does not answer gets a guess, marked as one, in place of a refusal.
    pub guess: bool,
    /// How the run reasons.
    pub chain: Chain,
    /// How the answer is worded.
    pub style: Style,
    /// What the user points at: what "this" means, and `$region` in plans.
    pub region: Option<Pointed>,
}

impl Task {
    /// Longest question, in characters.
    pub const MAX_QUESTION: usize = 4_000;

    /// A task with the default budget and mode.
    pub fn new(question: impl Into<String>, images: Vec<Image>) -> Self {
        Self {
            question: question.into(),
            earlier: Vec::new(),
            images,
            budget: Budget::default(),
            mode: Mode::default(),
            guess: false,
            chain: Chain::default(),
            style: Style::default(),
            region: None,
        }
    }

    /// Sets what the user asked before, oldest first: questions alone, never answers.
    ///
    /// A question that goes on from them is rewritten to stand alone before anything else is done with it.
    #[must_use]
    pub fn with_earlier<T: Into<String>>(mut self, earlier: impl IntoIterator<Item = T>) -> Self {
        self.earlier = earlier.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the limits.
    #[must_use]
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Sets who decides.
    #[must_use]
    pub fn with_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets whether a guess is wanted where the evidence does not answer.
    ///
    /// In [`Mode::Auto`] the guess comes in place of the rounds that would follow the controller's plan.
    #[must_use]
    pub fn with_guess(mut self, guess: bool) -> Self {
        self.guess = guess;
        self
    }

    /// Sets how the run reasons.
    #[must_use]
    pub fn with_chain(mut self, chain: Chain) -> Self {
        self.chain = chain;
        self
    }

    /// Sets how the answer is worded.
    #[must_use]
    pub fn with_style(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    /// Sets what the user points at.
    #[must_use]
    pub fn with_region(mut self, region: Pointed) -> Self {
        self.region = Some(region);
        self
    }

    /// Checks that the question is there and not too long, and so are those asked before; the chain and the style are
    /// within their bounds, and what is pointed at lies in its image.
    ///
    /// # Errors
    /// `InvalidInput`, saying which.
    pub fn validate(&self) -> Result<()> {
        if self.question.trim().is_empty() {
            return Err(Error::invalid("the question is empty; ask something about the image"));
        }
        check_length("the question", &self.question)?;
        let most = Self::MAX_EARLIER_GIVEN;
        if self.earlier.len() > most {
            let message = format!("there are more than {most} earlier questions; give the last few");
            return Err(Error::invalid(message));
        }
        for (n, earlier) in self.earlier.iter().enumerate() {
            let name = format!("earlier question {}", n + 1);
            if earlier.trim().is_empty() {
                return Err(Error::invalid(format!("{name} is empty; leave it out")));
            }
            check_length(&name, earlier)?;
        }
        self.chain.validate()?;
        self.style.validate()?;
        if let Some(region) = &self.region {
            region.validate(&self.images)?;
        }
        if self.mode == Mode::Controller && self.chain.stop != Stop::Adaptive {
            let why = "a controller plans once, so a chain with a fixed number of rounds (`stop`) cannot go with it; \
                       use the mode `decision-maker` or `auto`";
            return Err(Error::invalid(why));
        }
        if let Stop::Fixed(rounds) = self.chain.stop
            && rounds > self.budget.max_rounds
        {
            let most = self.budget.max_rounds;
            let why = format!(
                "a chain of {rounds} rounds (`stop`) needs as many, and the limit is {most}; raise `--max-rounds`"
            );
            return Err(Error::invalid(why));
        }
        if self.region.is_some() && self.chain.bridge != Bridge::Expert {
            let why = "the LLM's own look cannot be pointed at a place; leave the place out, or use `bridge=expert`";
            return Err(Error::invalid(why));
        }
        if self.mode == Mode::DecisionMaker && self.chain.votes > 1 {
            let why = "votes are on whole plans, which a decision maker does not write; \
                       use the mode `controller` or `auto`";
            return Err(Error::invalid(why));
        }
        if self.mode == Mode::Controller && self.chain.demo_choice == DemoChoice::Image {
            let why = "in the mode `controller` nothing that stands in an image has a say in the plan, so demos \
                        cannot be chosen by the image (`demo-choice=image`); choose them otherwise, or use another mode";
            return Err(Error::invalid(why));
        }
        Ok(())
    }
}

fn check_length(name: &str, question: &str) -> Result<()> {
    let (length, most) = (question.chars().count(), Task::MAX_QUESTION);
    if length > most {
        return Err(Error::invalid(format!("{name} has {length} characters, more than {most}; shorten it")));
    }
    Ok(())
}

/// The name by which a plan refers to the n-th image (from 0): `image`, `image2`, `image3` ...
pub fn image_name(n: usize) -> String {
    if n == 0 { "image".to_owned() } else { format!("image{}", n + 1) }
}

/// The image, from 0, that a plan refers to by this name.
pub fn image_place(name: &str) -> Option<usize> {
    let number = name.strip_prefix("image")?;
    if number.is_empty() { Some(0) } else { number.parse().ok().filter(|n| *n > 1).map(|n: usize| n - 1) }
}

/// The n-th image (from 0) in words: `the first image`, `image 11`.
pub fn image_in_words(n: usize) -> String {
    ORDINALS.get(n).map_or_else(|| format!("image {}", n + 1), |ordinal| format!("the {ordinal} image"))
}

/// Whether a text has a word for an image: "the two photos".
pub fn speaks_of_images(text: &str) -> bool {
    let is_image = |word: &str| IMAGES.contains(&word.strip_suffix('s').unwrap_or(word));
    text.split(|c: char| !c.is_alphanumeric()).any(|word| is_image(&word.to_lowercase()))
}

/// Whether a text names a place in a row: "the first one", "image 12".
pub fn names_a_place(text: &str) -> bool {
    let words: Vec<String> = text.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase).collect();
    let ordinal = words.iter().any(|word| word == "last" || ORDINALS.contains(&word.as_str()));
    let numbered = |pair: &[String]| matches!(pair, [image, n] if IMAGES.contains(&image.as_str()) && n.starts_with(|c: char| c.is_ascii_digit()));
    ordinal || words.windows(2).any(numbered)
}

/// Words for the places of images in a row.
const ORDINALS: [&str; 10] =
    ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];
/// Words for an image.
const IMAGES: [&str; 6] = ["image", "picture", "photo", "photograph", "pic", "shot"];
/// Words that speak of more images than those they name.
const OTHERS: &[&str] = &[
    "other",
    "others",
    "rest",
    "all",
    "both",
    "each",
    "every",
    "any",
    "which",
    "remaining",
    "to",
    "from",
    "before",
    "after",
    "next",
    "previous",
    "except",
    "apart",
    "but",
    "same",
    "until",
    "through",
    "between",
];

/// The images, from 0, that a question is about: those it names by their place ("the second photo"), else all.
///
/// All of them, too, where a word for an image does not follow its place, where something else is numbered, or
/// where the question goes on to others ("from the first to the last"). A place that is named without a word for
/// an image ("than in the first") counts once another one has it.
pub fn asked_images(question: &str, images: usize) -> Vec<usize> {
    let words: Vec<String> =
        question.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_lowercase).collect();
    let place = |word: &str| match word {
        "last" => images.checked_sub(1),
        other => ORDINALS.iter().position(|o| *o == other).filter(|n| *n < images),
    };
    let is_image = |word: &str| IMAGES.contains(&word.strip_suffix('s').unwrap_or(word));
    let follows = |n: usize| n.checked_sub(1).and_then(|n| words.get(n)).is_some_and(|before| place(before).is_some());
    let mut named = words.iter().enumerate().filter(|(_, word)| is_image(word)).map(|(n, _)| follows(n)).peekable();
    let some = named.peek().is_some() && named.all(|follows| follows);
    let wider = |word: &String| OTHERS.contains(&word.as_str()) || word.starts_with(|c: char| c.is_ascii_digit());
    if !some || words.iter().any(wider) {
        return (0..images).collect();
    }
    let mut asked: Vec<usize> = words.iter().filter_map(|word| place(word)).collect();
    asked.sort_unstable();
    asked.dedup();
    asked
}
