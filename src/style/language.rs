//! Languages: that of a question, and that of an answer.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::chinese;
use crate::error::{Error, Result};

/// A language, or that of the question.
///
/// In files it is `question`, a tag (`en`, `zh-Hant`, `zh-Hans`, `de`) or a name (`German`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Language {
    /// That of the question, as far as its script tells: see [`Language::of`].
    #[default]
    Question,
    /// English.
    English,
    /// Chinese in traditional characters.
    Traditional,
    /// Chinese in simplified characters.
    Simplified,
    /// Another one, by its tag or name.
    Other(String),
}

/// Tags and names, in lower case, of the languages with a variant of their own.
const NAMES: &[(&str, Language)] = &[
    ("question", Language::Question),
    ("en", Language::English),
    ("en-us", Language::English),
    ("en-gb", Language::English),
    ("english", Language::English),
    ("zh-hant", Language::Traditional),
    ("zh-hant-tw", Language::Traditional),
    ("zh-hant-hk", Language::Traditional),
    ("zh-tw", Language::Traditional),
    ("zh-hk", Language::Traditional),
    ("traditional chinese", Language::Traditional),
    ("繁體中文", Language::Traditional),
    ("zh", Language::Simplified),
    ("zh-hans", Language::Simplified),
    ("zh-hans-cn", Language::Simplified),
    ("zh-cn", Language::Simplified),
    ("zh-sg", Language::Simplified),
    ("simplified chinese", Language::Simplified),
    ("chinese", Language::Simplified),
    ("简体中文", Language::Simplified),
];

/// Names of languages that LLMs know less well by their tags.
const SPOKEN: &[(&str, &str)] = &[
    ("ar", "Arabic"),
    ("de", "German"),
    ("es", "Spanish"),
    ("fr", "French"),
    ("hi", "Hindi"),
    ("id", "Indonesian"),
    ("it", "Italian"),
    ("ja", "Japanese"),
    ("ko", "Korean"),
    ("nl", "Dutch"),
    ("pl", "Polish"),
    ("pt", "Portuguese"),
    ("ru", "Russian"),
    ("th", "Thai"),
    ("tr", "Turkish"),
    ("uk", "Ukrainian"),
    ("vi", "Vietnamese"),
];

impl Language {
    /// What a language may be given as.
    pub(super) const FORMS: &'static str =
        "`question`, a tag such as `en`, `zh-Hant`, `zh-Hans` or `de`, or a name such as `German`";
    /// Most characters of a tag or name.
    const MAX: usize = 40;

    /// The language of a question, as far as its script tells: Chinese, Japanese and Korean, and English for all that
    /// is written otherwise. What stands in quotes does not count.
    ///
    /// Chinese is taken as traditional unless more of its characters are simplified ones than traditional ones.
    pub fn of(question: &str) -> Self {
        let own = outside_quotes(question);
        let count = |is: fn(char) -> bool| own.chars().filter(|c| is(*c)).count();
        let (han, kana, hangul) = (count(is_han), count(is_kana), count(is_hangul));
        let latin = own.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()).count();
        match han + kana + hangul {
            0 => Self::English,
            all if all < latin => Self::English,
            _ if hangul > han + kana => Self::Other("Korean".to_owned()),
            _ if kana > 0 => Self::Other("Japanese".to_owned()),
            _ if chinese::simplified_in(&own) > chinese::traditional_in(&own) => Self::Simplified,
            _ => Self::Traditional,
        }
    }

    /// This language, or that of the question.
    #[must_use]
    pub fn or_of(&self, question: &str) -> Self {
        if *self == Self::Question { Self::of(question) } else { self.clone() }
    }

    /// Its name, as an LLM is told it.
    pub fn name(&self) -> String {
        match self {
            Self::Question => "the language of the question".to_owned(),
            Self::English => "English".to_owned(),
            Self::Traditional => "Traditional Chinese (繁體中文)".to_owned(),
            Self::Simplified => "Simplified Chinese (简体中文)".to_owned(),
            Self::Other(name) => {
                let tag = name.split('-').next().unwrap_or_default().to_lowercase();
                let known = SPOKEN.iter().find(|(short, _)| *short == tag);
                known.map_or_else(|| name.clone(), |(_, spoken)| (*spoken).to_owned())
            }
        }
    }

    /// A text in the characters of this language, as far as they follow from others without doubt: `们` is `們`.
    pub(crate) fn spell(&self, text: &str) -> String {
        match self {
            Self::Traditional => chinese::to_traditional(text),
            Self::Simplified => chinese::to_simplified(text),
            _ => text.to_owned(),
        }
    }

    /// The characters of a text that are not those of this language, each once: simplified ones in traditional
    /// Chinese, and the other way round.
    pub(crate) fn strange_characters(&self, text: &str) -> String {
        let strange: fn(char) -> bool = match self {
            Self::Traditional => chinese::is_simplified,
            Self::Simplified => chinese::is_traditional,
            _ => return String::new(),
        };
        let mut found = String::new();
        for c in text.chars().filter(|c| strange(*c)) {
            if !found.contains(c) {
                found.push(c);
            }
        }
        found
    }

    /// Whether a text in Chinese has no Chinese character; other languages are not told apart.
    pub(crate) fn is_missing_from(&self, text: &str) -> bool {
        matches!(self, Self::Traditional | Self::Simplified) && !text.chars().any(is_han)
    }
}

/// The text without what stands in quotes.
fn outside_quotes(text: &str) -> String {
    let mut out = String::new();
    let mut close = None;
    for c in text.chars() {
        match close {
            Some(end) if c == end => close = None,
            Some(_) => {}
            None => match c {
                '"' => close = Some('"'),
                '“' => close = Some('”'),
                '「' => close = Some('」'),
                '『' => close = Some('』'),
                other => out.push(other),
            },
        }
    }
    out
}

/// A Chinese character.
pub(crate) fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

fn is_kana(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{30ff}')
}

fn is_hangul(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{ac00}'..='\u{d7af}')
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Question => "question",
            Self::English => "en",
            Self::Traditional => "zh-Hant",
            Self::Simplified => "zh-Hans",
            Self::Other(name) => name,
        })
    }
}

impl FromStr for Language {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let lower = text.to_lowercase().replace('_', "-");
        if let Some((_, known)) = NAMES.iter().find(|(name, _)| *name == lower) {
            return Ok(known.clone());
        }
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | ' ' | '(' | ')');
        let length = text.chars().count();
        if (2..=Self::MAX).contains(&length) && text.starts_with(char::is_alphabetic) && text.chars().all(fits) {
            return Ok(Self::Other(text.to_owned()));
        }
        Err(Error::invalid(format!("`{text}` is no language; use {}", Self::FORMS)))
    }
}

impl TryFrom<String> for Language {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Language> for String {
    fn from(language: Language) -> Self {
        language.to_string()
    }
}
