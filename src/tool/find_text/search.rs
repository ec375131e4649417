//! Lines that say something: containing, equal to, matching, or like a text.

use regex::RegexBuilder;

use super::page::part_of;
use crate::error::{Error, ErrorKind, Result};
use crate::value::Line;

/// Lines less alike than this are not found.
const ALIKE: f64 = 0.75;

/// Lower case, single spaces.
fn plain(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Lower case, letters and digits only: what is left when white space and punctuation are misread.
fn bare(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Lines that contain the text, whatever the case; failing that, whatever the spaces and punctuation.
pub(super) fn contains(lines: &[Line], text: &str) -> Vec<Line> {
    let wanted = plain(text);
    if wanted.is_empty() {
        return Vec::new();
    }
    let found = filtered(lines, |line| plain(&line.text).contains(&wanted));
    let wanted = bare(text);
    if !found.is_empty() || wanted.chars().count() < 3 {
        return found;
    }
    filtered(lines, |line| bare(&line.text).contains(&wanted))
}

/// Lines that are the text, whatever the case and the white space.
pub(super) fn exact(lines: &[Line], text: &str) -> Vec<Line> {
    let wanted = plain(text);
    filtered(lines, |line| plain(&line.text) == wanted)
}

fn filtered(lines: &[Line], fits: impl Fn(&Line) -> bool) -> Vec<Line> {
    lines.iter().filter(|line| fits(line)).cloned().collect()
}

/// The parts of lines that match a regular expression: its first group when it has one.
///
/// # Errors
/// `Tool` when the expression is faulty or too large.
pub(super) fn regex(lines: &[Line], pattern: &str) -> Result<Vec<Line>> {
    let regex = RegexBuilder::new(pattern).case_insensitive(true).size_limit(1 << 20).build().map_err(|e| {
        Error::new(ErrorKind::Tool, format!("`{pattern}` is not a regular expression: {e}")).with_source(e)
    })?;
    let found = |line: &Line| {
        let captures = regex.captures(&line.text)?;
        let part = captures.get(1).or_else(|| captures.get(0)).filter(|m| !m.is_empty())?;
        Some(part_of(line, &part.range()))
    };
    Ok(lines.iter().filter_map(found).collect())
}

/// Lines that are, or contain a part, like the text, best first.
pub(super) fn fuzzy(lines: &[Line], text: &str) -> Vec<Line> {
    let wanted = plain(text);
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut found: Vec<(f64, &Line)> = lines.iter().map(|line| (likeness(&line.text, &wanted), line)).collect();
    found.retain(|(alike, _)| *alike >= ALIKE);
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.into_iter().map(|(_, line)| line.clone()).collect()
}

/// How alike the text is to the line, or to as many words of it as the text has.
fn likeness(line: &str, wanted: &str) -> f64 {
    let line = plain(line);
    let words: Vec<&str> = line.split(' ').take(200).collect();
    let count = wanted.split(' ').count();
    let whole = strsim::normalized_levenshtein(&line, wanted);
    let parts = words.windows(count.min(words.len()).max(1)).map(|part| {
        // A part that is like the text counts a little less than a whole line that is.
        strsim::normalized_levenshtein(&part.join(" "), wanted) * 0.99
    });
    parts.fold(whole, f64::max)
}
