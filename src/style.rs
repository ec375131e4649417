//! Styles: how an answer is worded, and in which language, as configuration.
//!
//! The controls are those of *Caption Anything* (arXiv 2305.02677): language, length, tone, and whether the answer
//! keeps to what was seen.

mod chinese;
mod language;
mod schema;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

pub use language::Language;
pub(crate) use language::is_han;

use crate::chain::{Word, pairs, unfit};
use crate::error::{Error, Result};

/// How long an answer is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Length {
    /// A sentence for each thing that was asked.
    #[default]
    Normal,
    /// As few words as possible; what is not needed may be left out.
    Short,
    /// Whole sentences that also say what was looked for.
    Detailed,
}

/// The tone of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tone {
    /// Plain words.
    #[default]
    Neutral,
    /// Warm, as to a friend.
    Friendly,
    /// Polite, as in a report.
    Formal,
    /// Cheerful.
    Lively,
}

/// What an answer may say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Facts {
    /// Only what the evidence bears out.
    #[default]
    Evidence,
    /// Besides, one sentence of what the LLM knows, marked as not being from the images.
    Knowledge,
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Sentences.
    #[default]
    Sentence,
    /// Lines of plain text, each begun with `•`.
    List,
    /// The bullet lines of Markdown, in which nothing that was read from an image acts as Markdown.
    Markdown,
    /// JSON that fits [`Style::schema`].
    Json,
}

/// How an answer is worded. By default it is the refiner's own sentences, which takes no further call of an LLM.
///
/// Whatever the style, the claims stay as the evidence bears them out: only the text of the answer is worded anew,
/// and only where its numbers and quotations are those of the claims.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Style {
    /// How long it is.
    pub length: Length,
    /// Its tone.
    pub tone: Tone,
    /// Its language.
    pub language: Language,
    /// Whom it is for, in words: `children`, `a doctor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// What it may say.
    pub facts: Facts,
    /// Its form.
    pub format: Format,
    /// The JSON Schema of an answer in JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Json>,
}

impl Word for Length {
    const WORDS: &'static [(&'static str, Self)] =
        &[("normal", Self::Normal), ("short", Self::Short), ("detailed", Self::Detailed)];
}

impl Word for Tone {
    const WORDS: &'static [(&'static str, Self)] =
        &[("neutral", Self::Neutral), ("friendly", Self::Friendly), ("formal", Self::Formal), ("lively", Self::Lively)];
}

impl Word for Facts {
    const WORDS: &'static [(&'static str, Self)] = &[("evidence", Self::Evidence), ("knowledge", Self::Knowledge)];
}

impl Word for Format {
    const WORDS: &'static [(&'static str, Self)] =
        &[("sentence", Self::Sentence), ("list", Self::List), ("markdown", Self::Markdown), ("json", Self::Json)];
}

impl Style {
    /// Most characters of an audience.
    pub const MAX_AUDIENCE: usize = 60;
    /// Longest JSON Schema, in bytes of its JSON.
    pub const MAX_SCHEMA: usize = 64 << 10;

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

    /// Sets the JSON Schema that the answer has to fit, and with it the form.
    #[must_use]
    pub fn with_schema(mut self, schema: Json) -> Self {
        self.format = Format::Json;
        self.schema = Some(schema);
        self
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        match key {
            "length" => self.length = Length::parse(key, value)?,
            "tone" => self.tone = Tone::parse(key, value)?,
            "language" => {
                self.language = value.parse().map_err(|_| unfit(key, value, Language::FORMS))?;
            }
            "audience" => self.audience = Some(value.to_owned()).filter(|audience| !audience.is_empty()),
            "facts" => self.facts = Facts::parse(key, value)?,
            "format" => self.format = Format::parse(key, value)?,
            _ => return Err(Error::invalid(format!("`{key}` is no setting of a style; the keys are {}", keys()))),
        }
        Ok(())
    }

    /// All settings in words, in the order of the fields.
    fn settings(&self) -> [(&'static str, String); 6] {
        [
            ("length", self.length.word()),
            ("tone", self.tone.word()),
            ("language", self.language.to_string()),
            ("audience", self.audience.clone().unwrap_or_default()),
            ("facts", self.facts.word()),
            ("format", self.format.word()),
        ]
    }

    /// Checks that the settings go together, and that the JSON Schema can be used.
    ///
    /// # Errors
    /// `InvalidInput` naming the setting.
    pub fn validate(&self) -> Result<()> {
        let audience = self.audience.as_deref().unwrap_or_default();
        if audience.chars().count() > Self::MAX_AUDIENCE || audience.chars().any(char::is_control) {
            let most = Self::MAX_AUDIENCE;
            return Err(Error::invalid(format!("style: `audience` is one line of at most {most} characters")));
        }
        match (self.format, &self.schema) {
            (Format::Json, None) => Err(Error::invalid(
                "style: `format=json` wants the JSON Schema of the answer; give it with `--schema FILE`, or as `schema`",
            )),
            (Format::Json, Some(_)) if self.facts == Facts::Knowledge => Err(Error::invalid(
                "style: `facts=knowledge` does not go with `format=json`: the schema has no place for what is not from \
                 the image; leave one of them out",
            )),
            (Format::Json, Some(json)) => schema::check(json),
            (_, Some(_)) => Err(Error::invalid("style: `schema` goes with `format=json` alone; leave one of them out")),
            (_, None) => Ok(()),
        }
    }

    /// Whether a reply is JSON that fits the schema.
    ///
    /// # Errors
    /// `InvalidInput` when there is no schema, or one that cannot be used.
    pub fn fits(&self, reply: &str) -> Result<bool> {
        let schema = self.schema.as_ref().ok_or_else(|| Error::invalid("style: there is no `schema` to fit"))?;
        schema::fits(schema, reply)
    }
}

/// What is set otherwise than by default, as [`Style::with`] reads it; nothing when nothing is. A schema is not shown.
impl fmt::Display for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (own, default) = (self.settings(), Self::default().settings());
        let other = own.iter().zip(&default).filter(|(own, default)| own != default);
        let settings: Vec<String> = other.map(|((key, value), _)| format!("{key}={value}")).collect();
        f.write_str(&settings.join(","))
    }
}

fn keys() -> String {
    Style::default().settings().map(|(key, _)| key).join(", ")
}
