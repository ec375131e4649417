//! Text as prompts may carry it, and what of it is compared: words and numbers.

use std::sync::LazyLock;

use regex::Regex;

/// Text in quotes, at most `most` characters long with them.
pub(super) fn quoted(text: &str, most: usize) -> String {
    format!("\"{}\"", cut(&plain(text), most.saturating_sub(2)))
}

/// Text from an image or a model on one line, so that it cannot end its quotes, start
/// another line, name a step, or look like the end of a chat message.
pub(crate) fn plain(text: &str) -> String {
    let harmless = |c: char| match c {
        '"' | '“' | '”' | '„' => '\'',
        '{' => '(',
        '}' => ')',
        '\u{2028}' | '\u{2029}' => ' ',
        c if c.is_control() => ' ',
        c => c,
    };
    text.chars().map(harmless).collect::<String>().replace("<|", "< |").replace("|>", "| >")
}

pub(super) fn length(text: &str) -> usize {
    text.chars().count()
}

/// At most `most` characters, the last one `…` when something was left out.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if length(text) <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// Lower-case words, plural `s` taken off.
pub(super) fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .map(|w| {
            let word = w.to_lowercase();
            match word.strip_suffix('s') {
                Some(stem) if stem.chars().count() > 2 && !stem.ends_with('s') => stem.to_owned(),
                _ => word,
            }
        })
        .collect()
}

/// Numbers as they are written: `31.00`, `14/03/2024`, `555-0199`.
pub(super) fn number_tokens(text: &str) -> Vec<String> {
    static NUMBER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\d+(?:[.,:/\-–]\d+)*").ok());
    NUMBER.as_ref().map(|re| re.find_iter(text).map(|m| m.as_str().replace('–', "-")).collect()).unwrap_or_default()
}
