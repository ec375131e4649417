//! What people call the things that the detector knows.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};
use crate::tool::Mention;
use crate::tool::labels::named_in;

/// The detector's classes by index, one a line.
const CLASSES: &str = include_str!("coco80.txt");
/// Everyday words for them.
const WORDS: &str = include_str!("synonyms.toml");

/// What may stand before a word and means nothing.
const ARTICLES: [&str; 6] = ["a", "an", "the", "any", "all", "some"];
/// How many near words an error suggests.
const SUGGESTIONS: usize = 3;
/// Words are near when their Jaro-Winkler similarity is at least this.
const NEAR: f64 = 0.84;

/// The file of everyday words.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    synonyms: HashMap<String, Vec<String>>,
    groups: HashMap<String, Vec<String>>,
    phrases: HashSet<String>,
}

/// The detector's classes, and every word that means one or several of them.
pub(super) struct Labels {
    classes: Vec<&'static str>,
    /// From a word, in lower case and in the singular, to classes.
    meanings: HashMap<String, Vec<usize>>,
    /// Phrases that hold such a word and mean something else.
    phrases: HashSet<String>,
}

impl Labels {
    /// Reads the compiled-in files.
    ///
    /// # Errors
    /// `InvalidInput` when the file of words is faulty or names a class that does not exist.
    pub(super) fn new() -> Result<Self> {
        let classes: Vec<&str> = CLASSES.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        let words: Words =
            toml::from_str(WORDS).map_err(|e| Error::invalid(format!("the detector's words are faulty: {e}")))?;
        let class = |name: &str| {
            let index = classes.iter().position(|c| *c == name);
            index.ok_or_else(|| Error::invalid(format!("the detector's words name `{name}`, which is not a class")))
        };
        let mut meanings = HashMap::new();
        for (group, names) in &words.groups {
            meanings.insert(group.clone(), names.iter().map(|n| class(n)).collect::<Result<_>>()?);
        }
        for (name, synonyms) in &words.synonyms {
            let index = class(name)?;
            meanings.extend(synonyms.iter().map(|s| (s.clone(), vec![index])));
        }
        // Last, so that a class's own name always means itself.
        meanings.extend(classes.iter().enumerate().map(|(index, name)| ((*name).to_owned(), vec![index])));
        Ok(Self { classes, meanings, phrases: words.phrases.into_iter().collect() })
    }

    /// How many classes there are.
    pub(super) fn len(&self) -> usize {
        self.classes.len()
    }

    /// A class's name.
    pub(super) fn name(&self, class: usize) -> &'static str {
        self.classes.get(class).copied().unwrap_or("unknown")
    }

    /// For each class whether the words mean it; no words mean all of them.
    ///
    /// # Errors
    /// `Tool` when a word means no class; it suggests near ones.
    pub(super) fn wanted(&self, words: &[String]) -> Result<Vec<bool>> {
        let mut wanted = vec![words.is_empty(); self.len()];
        for word in words {
            for class in self.meaning(word)? {
                if let Some(slot) = wanted.get_mut(*class) {
                    *slot = true;
                }
            }
        }
        Ok(wanted)
    }

    /// The names of the classes that a word means.
    ///
    /// # Errors
    /// `Tool` when it means none; it suggests near words.
    pub(super) fn names(&self, word: &str) -> Result<Vec<&'static str>> {
        Ok(self.meaning(word)?.iter().map(|class| self.name(*class)).collect())
    }

    /// Whether a word means some class.
    pub(super) fn knows(&self, word: &str) -> bool {
        self.meaning(word).is_ok()
    }

    fn meaning(&self, word: &str) -> Result<&[usize]> {
        let plain = plain(word);
        let found = singulars(&plain).find_map(|s| self.meanings.get(&s));
        found.map(Vec::as_slice).ok_or_else(|| self.unknown(word, &plain))
    }

    /// The words of a question that mean classes; the longest phrase counts.
    ///
    /// The name is the class's, or the word itself when it means several.
    pub(super) fn mentions(&self, question: &str) -> Vec<Mention> {
        named_in(question, |phrase| {
            let phrase = phrase.to_lowercase();
            if self.phrases.contains(&phrase) {
                return Some(None);
            }
            if phrase.split_whitespace().next().is_some_and(|first| ARTICLES.contains(&first)) {
                return None;
            }
            let classes = self.meaning(&phrase).ok()?;
            Some(Some(if let [only] = classes { self.name(*only).to_owned() } else { phrase }))
        })
    }

    fn unknown(&self, word: &str, plain: &str) -> Error {
        let mut near: Vec<(f64, &str)> = self
            .meanings
            .keys()
            .map(|known| (strsim::jaro_winkler(plain, known), known.as_str()))
            .filter(|(similarity, _)| *similarity >= NEAR)
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        let near: Vec<String> = near.iter().take(SUGGESTIONS).map(|(_, known)| format!("`{known}`")).collect();
        let hint = match near.as_slice() {
            [] => "ask for people, vehicles, animals, food, furniture or everyday things".to_owned(),
            near => format!("did you mean {}?", near.join(" or ")),
        };
        let message = format!("the detector knows only the {} COCO classes, and `{word}` is none; {hint}", self.len());
        Error::new(ErrorKind::Tool, message)
    }
}

/// Whether a word means the class of this name, or a group of classes with it among them.
pub(in crate::tool) fn covers(word: &str, class: &str) -> bool {
    static LABELS: LazyLock<Option<Labels>> = LazyLock::new(|| Labels::new().ok());
    let Some(labels) = LABELS.as_ref() else { return false };
    let class = plain(class);
    labels.meaning(word).is_ok_and(|classes| classes.iter().any(|c| labels.name(*c) == class))
}

/// Lower case, single spaces, no hyphens, no article.
fn plain(word: &str) -> String {
    let lower = word.to_lowercase().replace(['-', '_'], " ");
    let words: Vec<&str> = lower.split_whitespace().collect();
    match words.as_slice() {
        [first, rest @ ..] if ARTICLES.contains(first) && !rest.is_empty() => rest.join(" "),
        all => all.join(" "),
    }
}

/// The word itself, then what it may be the plural of.
fn singulars(word: &str) -> impl Iterator<Item = String> {
    const ENDINGS: [(&str, &str); 6] = [("", ""), ("s", ""), ("es", ""), ("ies", "y"), ("ves", "fe"), ("men", "man")];
    ENDINGS.iter().filter_map(move |(plural, singular)| Some(word.strip_suffix(plural)?.to_owned() + singular))
}
