//! Multiple choice: which option a free answer picks.

use std::collections::BTreeSet;

use super::text::{one_if, plain, squeezed};

/// 1 when the answer picks the option that the truth names, else 0; what picks none or several is wrong.
///
/// The truth is a letter or an option's text.
///
/// ```
/// use lavr::eval::metric::choice::score;
///
/// let options = ["a dog", "a cat", "a horse"];
/// assert_eq!(score("I see whiskers, so (B).", &options, "a cat"), 1.0);
/// assert_eq!(score("It is a cat or a horse.", &options, "B"), 0.0);
/// ```
pub fn score<S: AsRef<str>>(answer: &str, options: &[S], truth: &str) -> f64 {
    let wanted = pick(truth, options);
    one_if(wanted.is_some() && pick(answer, options) == wanted)
}

/// The option an answer picks, from 0; nothing when it picks none or several.
///
/// An answer that is an option's text picks it. Otherwise a letter does (`B`, `b`, `(B)`, `B.`, `option B`,
/// `the answer is B`): exactly one must be there, and no text of only other options beside it. An `A` or `I`
/// before a word (other than `and`, `is`, `because` ...) is the English word, and a letter of a text that is
/// said (`vitamin C`) belongs to the text. Without a letter, the texts of the options are looked for as whole
/// words, longer ones first; exactly one must be there. Letters stop at `Z`.
/// Negations are not understood: "not the dog" picks the dog.
pub fn pick<S: AsRef<str>>(answer: &str, options: &[S]) -> Option<usize> {
    let texts: Vec<String> = options.iter().map(|option| text_of(option.as_ref())).collect();
    let whole = text_of(answer);
    if let [only] = positions(&texts, |text| *text == whole).as_slice()
        && whole.chars().count() > 1
    {
        return Some(*only);
    }
    let said = said(&whole, &texts);
    let letters = letters(answer, &texts, &said);
    match (letters.first(), letters.len()) {
        (Some(letter), 1) if said.is_empty() || said.contains(letter) => Some(*letter),
        (None, _) if said.len() == 1 => said.first().copied(),
        _ => None,
    }
}

fn positions<T>(items: &[T], fits: impl Fn(&T) -> bool) -> Vec<usize> {
    items.iter().enumerate().filter(|(_, item)| fits(item)).map(|(n, _)| n).collect()
}

/// Letters and digits; a text of marks alone stays as it is.
fn text_of(text: &str) -> String {
    let words = plain(text);
    if words.is_empty() { squeezed(text) } else { words }
}

/// The options whose texts an answer says; a part of a longer option's text is not said by it.
fn said(answer: &str, texts: &[String]) -> BTreeSet<usize> {
    let mut rest = format!(" {answer} ");
    let mut longest_first: Vec<usize> = (0..texts.len()).filter(|n| !texts[*n].is_empty()).collect();
    longest_first.sort_by_key(|n| std::cmp::Reverse(texts[*n].len()));
    let mut found = BTreeSet::new();
    for n in longest_first {
        let text = format!(" {} ", texts[n]);
        // Single letters are read as letters.
        if rest.contains(&text) && !is_letter(&texts[n]) {
            found.extend(positions(texts, |other| *other == texts[n]));
            rest = rest.replace(&text, " | ");
        }
    }
    found
}

fn is_letter(text: &str) -> bool {
    text.len() == 1 && text.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// The options whose letters an answer has; `said` are the options whose texts it has.
fn letters(answer: &str, texts: &[String], said: &BTreeSet<usize>) -> BTreeSet<usize> {
    let alone = is_letter(&text_of(answer));
    let in_text = |letter: char| {
        let letter = letter.to_ascii_lowercase().to_string();
        said.iter().filter_map(|n| texts.get(*n)).any(|text| text.split(' ').any(|word| word == letter))
    };
    let chars: Vec<char> = answer.chars().collect();
    let places = (0..chars.len()).filter(|at| stands_alone(&chars, *at));
    let shown = |at: usize| (is_marked(&chars, at) || is_bare(&chars, at)) && !in_text(chars[at]);
    let meant = places.filter(|at| alone || is_named(&chars, *at) || shown(*at));
    meant.filter_map(|at| option_of(chars[at])).filter(|n| *n < texts.len()).collect()
}

fn option_of(letter: char) -> Option<usize> {
    ('a'..='z').position(|l| l == letter.to_ascii_lowercase())
}

/// Whether a letter is no part of a longer word.
fn stands_alone(chars: &[char], at: usize) -> bool {
    let joins = |c: &char| c.is_alphanumeric() || matches!(c, '\'' | '’' | '-');
    let before = at.checked_sub(1).and_then(|n| chars.get(n));
    chars.get(at).is_some_and(char::is_ascii_alphabetic)
        && !before.is_some_and(joins)
        && !chars.get(at + 1).is_some_and(joins)
}

/// `(B)` or `option B`.
fn is_named(chars: &[char], at: usize) -> bool {
    let before: String = chars.iter().take(at).collect();
    let in_brackets = before.ends_with('(') && chars.get(at + 1) == Some(&')');
    in_brackets || matches!(plain(&before).rsplit(' ').next(), Some("option" | "choice" | "letter" | "answer"))
}

/// `B)`, `B.` or `B:`; a small letter only first of all.
fn is_marked(chars: &[char], at: usize) -> bool {
    let leads = chars.iter().take(at).all(|c| !c.is_alphanumeric());
    let may = leads || chars.get(at).is_some_and(char::is_ascii_uppercase);
    may && matches!(chars.get(at + 1), Some(')' | '.' | ':'))
}

/// A capital that is no English word: `A` and `I` are words where a word follows that can stand behind them.
fn is_bare(chars: &[char], at: usize) -> bool {
    let after = || chars.iter().skip(at + 1).skip_while(|c| c.is_whitespace()).take_while(|c| c.is_alphanumeric());
    match chars.get(at) {
        Some('A' | 'I') => {
            matches!(after().collect::<String>().as_str(), "" | "and" | "or" | "is" | "because" | "since" | "as")
        }
        Some(letter) => letter.is_ascii_uppercase(),
        None => false,
    }
}
