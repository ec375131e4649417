//! Words of texts, as they are compared.

use crate::style::is_han;

/// The words of a text in lower case, without marks. A number stays whole: `12.50`, `10:30`, `14/03/2024`, `-3`.
pub(crate) fn words(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let at = |n: Option<usize>| n.and_then(|n| chars.get(n)).copied();
    let is_digit = |c: Option<char>| c.is_some_and(char::is_numeric);
    let mut all = Vec::new();
    let mut word = String::new();
    for (n, &c) in chars.iter().enumerate() {
        let (before, after) = (at(n.checked_sub(1)), at(n.checked_add(1)));
        let within = matches!(c, '.' | ',' | ':' | '/' | '-' | '–') && is_digit(before) && is_digit(after);
        let sign = matches!(c, '-' | '−')
            && is_digit(after)
            && before.is_none_or(|c| c.is_whitespace() || matches!(c, '\'' | '"' | '('));
        if within || sign {
            word.push(if matches!(c, '–' | '−') { '-' } else { c });
        } else if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        } else if !word.is_empty() {
            all.push(std::mem::take(&mut word));
        }
    }
    all.extend(Some(word).filter(|word| !word.is_empty()));
    all
}

/// Whether these words stand in a row among those.
pub(crate) fn holds(all: &[String], some: &[String]) -> bool {
    !some.is_empty() && all.windows(some.len()).any(|window| window == some)
}

/// Whether a text says another: its words in a row, or, where a script has no spaces between words or there are only
/// signs, its characters.
pub(crate) fn says(text: &str, other: &str) -> bool {
    let (all, some) = (words(text), words(other));
    let other = other.trim().to_lowercase();
    let by_characters = some.is_empty() || other.chars().any(is_unspaced);
    holds(&all, &some) || (by_characters && !other.is_empty() && stands_in(&text.to_lowercase(), &other))
}

/// Whether these characters stand in a text, and no number goes on beyond them.
fn stands_in(text: &str, other: &str) -> bool {
    let is_digit = |c: Option<char>| c.is_some_and(char::is_numeric);
    text.match_indices(other).any(|(at, _)| {
        let (before, after) = (text.get(..at).unwrap_or_default(), text.get(at + other.len()..).unwrap_or_default());
        !(is_digit(before.chars().last()) && is_digit(other.chars().next())
            || is_digit(after.chars().next()) && is_digit(other.chars().last()))
    })
}

/// A character of a script that is written without spaces: Chinese, Japanese, Thai, Lao, Khmer, Burmese.
pub(crate) fn is_unspaced(c: char) -> bool {
    is_han(c)
        || matches!(c, '\u{3041}'..='\u{30ff}' | '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}')
}
