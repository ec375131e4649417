//! How a request asks for what a tool does, in the words of its description.

use std::sync::LazyLock;

use regex::Regex;

use super::{inputs, is_text};
use crate::tool::ToolSpec;

/// What a tool does, as a request asks for it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wish {
    /// `extract the audio track from a given video file`.
    Do(String),
    /// `predicting the depth of the objects in an image`.
    Doing(String),
}

/// `Depth estimation is the task of predicting ...`.
static TASK: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^.{1,80}? is the \w+ of (\w+ing .+)$").ok());
/// `Detection models find ...`, `Detection models allow users to find ...`.
static MODELS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^.{1,80}? (?:models|tools|systems) (?:can |allow (?:\w+ )?to )?(\w+ .+)$").ok());
/// Something that a tool works on, such as `a given audio file`.
static SOMETHING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let about = "given|input|single|source|short|long|whole|entire|existing|specific|certain";
    let ends = "file|track|description|content";
    Regex::new(&format!(r"\b(?:an?|one|the|this|input)(?: (?:{about}))* (\w+)(?: (?:{ends}))?\b")).ok()
});
/// What descriptions call a text.
const TEXTS: [&str; 4] = ["text", "sentence", "article", "document"];

impl Wish {
    /// What this tool does.
    pub(super) fn of(spec: &ToolSpec) -> Self {
        let clause = spec.description.split([',', ';', ':', '(', '.']).next().unwrap_or_default();
        let clause = clause.split(" such as ").next().unwrap_or_default().trim();
        if let Some(doing) = group(&TASK, clause) {
            return Self::Doing(doing.to_owned());
        }
        if let Some(does) = group(&MODELS, clause).filter(|does| !does.starts_with("are ")) {
            return Self::Do(does.to_owned());
        }
        let clause = without_name(clause, &spec.name);
        let (first, rest) = clause.split_once(' ').unwrap_or_default();
        let describes = ["is ", "are ", "model "].iter().any(|word| clause.starts_with(word) || rest.starts_with(word));
        Self::Do(match imperative(first).filter(|_| !describes) {
            Some(verb) => format!("{verb} {rest}"),
            None => format!("use {}", spec.name),
        })
    }

    /// The words.
    pub(super) fn clause(&self) -> &str {
        match self {
            Self::Do(clause) | Self::Doing(clause) => clause,
        }
    }

    /// As a request says it.
    pub(super) fn asked(&self) -> String {
        match self {
            Self::Do(clause) => clause.clone(),
            Self::Doing(clause) => format!("help me with {clause}"),
        }
    }

    /// The same with what it is done to: `extract the audio track from clip.mp4`.
    pub(super) fn to(&self, spec: &ToolSpec, what: &str) -> Self {
        match self {
            Self::Do(clause) => Self::Do(put(clause, spec, what)),
            Self::Doing(clause) => Self::Doing(put(clause, spec, what)),
        }
    }
}

/// A clause with `what` for the first input of the tool.
fn put(clause: &str, spec: &ToolSpec, what: &str) -> String {
    let input = spec.signature.args.first();
    let is_input = |noun: &str| {
        input.is_some_and(|arg| inputs(arg).iter().any(|of| of == noun) || is_text(arg) && TEXTS.contains(&noun))
    };
    let mut things = SOMETHING.iter().flat_map(|pattern| pattern.captures_iter(clause));
    let thing = things.find(|thing| thing.get(1).is_some_and(|noun| is_input(noun.as_str())));
    match thing.and_then(|thing| thing.get(0)) {
        Some(thing) => format!("{}{what}{}", &clause[..thing.start()], &clause[thing.end()..]),
        None if what == "it" => format!("{clause}, for it"),
        None => format!("{clause} ({what})"),
    }
}

fn group<'a>(pattern: &LazyLock<Option<Regex>>, clause: &'a str) -> Option<&'a str> {
    pattern.as_ref()?.captures(clause)?.get(1).map(|found| found.as_str())
}

/// `divides an image into segments` of `Image segmentation divides an image into segments`.
fn without_name<'a>(clause: &'a str, name: &str) -> &'a str {
    let plain = |text: &str| text.replace('-', " ").to_lowercase();
    match clause.split_at_checked(name.len()) {
        Some((start, rest)) if plain(start) == plain(name) => rest.trim_start(),
        _ => clause,
    }
}

/// `Extracts` as `extract`; nothing for what is no verb in the third person.
fn imperative(word: &str) -> Option<String> {
    let word = word.to_lowercase();
    let ends = |ends: &[&str]| ends.iter().any(|end| word.ends_with(end));
    let (stem, ending) = if ends(&["ies"]) && word.len() > 4 {
        (word.strip_suffix("ies")?, "y")
    } else if ends(&["ches", "shes", "sses", "xes"]) {
        (word.strip_suffix("es")?, "")
    } else if ends(&["ss"]) {
        return None;
    } else {
        (word.strip_suffix('s')?, "")
    };
    Some(format!("{stem}{ending}"))
}

pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
