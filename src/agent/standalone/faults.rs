//! What is wrong with a rewritten question: it has to ask what was asked, in the words of the user's own questions.

use std::collections::HashSet;

use super::free::{is_free, is_free_sign};
use crate::refiner::left_out;
use crate::style::{Language, is_han};
use crate::task::Task;
use crate::tool::labels::singular;
use crate::words::{is_unspaced, words};

/// Words that deny, and characters that do.
const DENYING: [&str; 11] =
    ["no", "not", "none", "nothing", "nobody", "never", "without", "neither", "cannot", "안", "못"];
const DENYING_SIGNS: [char; 7] = ['不', '沒', '没', '無', '无', '未', '非'];
/// Parts of words that deny, in Korean and Japanese.
const DENYING_PARTS: [&str; 6] = ["않", "없", "ない", "ません", "なく", "ずに"];
/// Words that ask for something else than what was asked for before.
const OTHER: [&str; 7] = ["other", "others", "another", "else", "rest", "instead", "remaining"];
/// Words that point at what the user points at.
const POINTING: [&str; 4] = ["this", "that", "these", "here"];
/// Fewest letters of a word that another form of it begins with.
const STEM: usize = 4;
/// What follows them, in the languages whose function words are known.
const ENDINGS: [&str; 27] = [
    "s", "es", "d", "ed", "ing", "r", "er", "est", "ly", "y", "n", "en", "ern", "e", "em", "a", "as", "o", "os", "i",
    "x", "is", "nt", "ent", "ons", "ez", "st",
];
/// Fewest syllables that two forms of a Korean word begin with alike; of shorter ones what may follow.
const HANGUL_STEM: usize = 2;
const PARTICLES: [&str; 14] = ["은", "는", "이", "가", "을", "를", "의", "에", "도", "와", "과", "만", "로", "에는"];

/// What was asked.
pub(super) struct Asked<'a> {
    /// The question, in one line.
    pub(super) question: &'a str,
    /// Those before it, oldest first.
    pub(super) earlier: &'a [String],
    /// Whether the user points at a place.
    pub(super) pointed: bool,
}

/// The first thing that is wrong with a question that is to stand for the one that was asked.
pub(super) fn fault(asked: &Asked<'_>, standalone: &str) -> Option<String> {
    if !standalone.chars().any(char::is_alphanumeric) {
        return Some("it says nothing".to_owned());
    }
    if standalone.chars().count() > Task::MAX_QUESTION {
        return Some("it is too long".to_owned());
    }
    let marks = |text: &str| text.chars().filter(|c| matches!(c, '?' | '？')).count();
    if marks(standalone) > marks(asked.question).max(1) {
        return Some("it is more than one question".to_owned());
    }
    foreign(asked.question, standalone)
        .or_else(|| left_out(asked.question, standalone))
        .or_else(|| turned(asked, standalone))
        .or_else(|| lost(asked, standalone))
        .or_else(|| repeated(asked, standalone))
        .or_else(|| added(asked, standalone))
}

/// Which earlier question it repeats, where another thing was asked for.
fn repeated(asked: &Asked<'_>, standalone: &str) -> Option<String> {
    let another = words(asked.question).iter().any(|word| OTHER.contains(&word.as_str()));
    let is_old = another && asked.earlier.iter().any(|earlier| words(earlier) == words(standalone));
    is_old.then(|| "it is an earlier question again, and another thing was asked for".to_owned())
}

/// How it is not in the language of what was asked, as far as that tells.
fn foreign(question: &str, standalone: &str) -> Option<String> {
    let (own, other) = (Language::of(question), Language::of(standalone));
    // Many Chinese characters are the same in both forms, and some stand in Japanese too.
    let is_open = own == Language::Traditional
        && Language::Simplified.strange_characters(question).is_empty()
        && other != Language::English;
    let tells = question.chars().any(char::is_alphabetic);
    (own != other && tells && !is_open).then(|| format!("it is not in {}", own.name()))
}

/// How it denies what was not denied, or the other way round.
fn turned(asked: &Asked<'_>, standalone: &str) -> Option<String> {
    match (denies(asked.question), denies(standalone)) {
        (true, false) => Some("it leaves out the \"not\"".to_owned()),
        (false, true) if !asked.earlier.iter().any(|earlier| denies(earlier)) => {
            Some("nothing was denied, and it denies something".to_owned())
        }
        _ => None,
    }
}

fn denies(text: &str) -> bool {
    let lower = text.to_lowercase().replace('’', "'");
    let signs: Vec<char> = text.chars().collect();
    // 有沒有 and 是不是 only ask.
    let deny = |n: usize, sign: &char| {
        let at = |n: Option<usize>| n.and_then(|n| signs.get(n)).filter(|sign| is_han(**sign));
        DENYING_SIGNS.contains(sign) && (at(n.checked_sub(1)).is_none() || at(n.checked_sub(1)) != at(Some(n + 1)))
    };
    lower.contains("n't")
        || DENYING_PARTS.iter().any(|part| lower.contains(part))
        || words(&lower).iter().any(|word| DENYING.contains(&word.as_str()))
        || signs.iter().enumerate().any(|(n, sign)| deny(n, sign))
}

/// What of the question it leaves out.
fn lost(asked: &Asked<'_>, standalone: &str) -> Option<String> {
    let (own, new) = (Content::of(asked.question), Content::of(standalone));
    let points = |word: &&String| asked.pointed && POINTING.contains(&word.as_str());
    let needed = own.words.iter().filter(|word| !is_free(word) || points(word));
    let word = needed.into_iter().find(|word| !new.has(word)).cloned();
    let sign = || own.signs.iter().find(|sign| !is_free_sign(**sign) && !new.signs.contains(sign));
    word.or_else(|| sign().map(char::to_string)).map(|lost| format!("it leaves out \"{lost}\""))
}

/// What stands in it and in none of the questions.
fn added(asked: &Asked<'_>, standalone: &str) -> Option<String> {
    let all: Vec<&str> = asked.earlier.iter().map(String::as_str).chain([asked.question]).collect();
    let (all, new) = (Content::of(&all.join("\n")), Content::of(standalone));
    let word = new.words.iter().find(|word| !is_free(word) && !all.has(word)).cloned();
    let sign = || new.signs.iter().find(|sign| !is_free_sign(**sign) && !all.signs.contains(sign));
    word.or_else(|| sign().map(char::to_string)).map(|added| format!("\"{added}\" stands in none of the questions"))
}

/// The words of a text, and the characters of what is written without spaces.
struct Content {
    words: Vec<String>,
    signs: Vec<char>,
}

impl Content {
    fn of(text: &str) -> Self {
        // Both forms of Chinese characters count as one.
        let text = Language::Simplified.spell(text);
        let spaced: String = text.chars().map(|c| if is_unspaced(c) { ' ' } else { c }).collect();
        let mut seen = HashSet::new();
        let words = words(&spaced).into_iter().filter(|word| seen.insert(word.clone())).collect();
        Self { words, signs: text.chars().filter(|c| is_unspaced(*c)).collect() }
    }

    /// Whether some word is a form of this one.
    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|own| are_akin(own, word))
    }
}

/// Whether two words are forms of one.
fn are_akin(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    if [one, other].iter().any(|word| word.chars().any(char::is_numeric)) {
        return false;
    }
    let same = one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let rest = |word: &str| word.chars().skip(same).collect::<String>();
    let (less, more) = if one.len() < other.len() { (rest(one), rest(other)) } else { (rest(other), rest(one)) };
    if one.chars().any(is_hangul) {
        return same >= HANGUL_STEM || (less.is_empty() && PARTICLES.contains(&more.as_str()));
    }
    // "happy" and "happier", too.
    let goes_on = if less == "y" { more.strip_prefix('i') } else { less.is_empty().then_some(more.as_str()) };
    let goes_on = goes_on.is_some_and(|ending| ENDINGS.contains(&ending));
    root(one) == root(other) || (same >= STEM && goes_on)
}

/// A word without the endings of English that make other forms of it: `sit` of `sitting`, `dog` of `dogs`.
fn root(word: &str) -> String {
    let one = singular(word).replace("colour", "color");
    let vowels = ['a', 'e', 'i', 'o', 'u', 'y'];
    let stem = ["ing", "ed"].iter().find_map(|ending| one.strip_suffix(ending)).filter(|stem| stem.contains(vowels));
    let Some(stem) = stem.filter(|stem| stem.chars().count() > 1) else {
        return one.strip_suffix('e').filter(|stem| stem.chars().count() > 2).map_or(one.clone(), str::to_owned);
    };
    let mut letters: Vec<char> = stem.chars().collect();
    if let [.., a, b] = letters.as_slice()
        && a == b
        && !vowels.contains(b)
        && !matches!(b, 'l' | 's')
    {
        letters.pop();
    }
    letters.into_iter().collect()
}

fn is_hangul(c: char) -> bool {
    matches!(c, '\u{ac00}'..='\u{d7af}')
}
