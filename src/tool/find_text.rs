//! `find_text`: lines that say something, and the value that belongs to a key.

mod amount;
mod contact;
mod dates;
mod day;
mod heading;
mod keys;
mod label;
mod money;
mod page;
mod pairs;
mod row;
mod search;
mod value;
mod words;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::TypedTool;
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::value::Line;

pub(crate) use contact::find_phone;
pub(crate) use dates::{dates, find_date, parse_date};
pub(crate) use money::{find_amount, parse_number};
pub(crate) use pairs::pairs;

/// Finds lines of text, or the value that belongs to a key.
#[derive(Debug, Clone, Copy, Default)]
pub struct FindText;

/// The arguments of [`FindText`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FindTextArgs {
    /// the lines that read_text returned
    lines: Vec<Line>,
    /// the words to find, or the key whose value is wanted, e.g. total, date, phone
    text: String,
    /// value: what stands right of or below the key; row: the whole row of a table that has the text; contains, exact, regex, fuzzy: lines that say the text
    #[serde(default)]
    mode: Option<Mode>,
}

/// How [`FindText`] looks for its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Mode {
    /// The value that stands right of the text or below it.
    Value,
    /// Everything in the row of the text, left to right.
    Row,
    /// Lines that contain the text.
    Contains,
    /// Lines that are the text.
    Exact,
    /// What a regular expression matches.
    Regex,
    /// Lines that are like the text.
    Fuzzy,
}

#[async_trait]
impl TypedTool for FindText {
    const NAME: &'static str = "find_text";
    type Args = FindTextArgs;
    type Output = Vec<Line>;

    async fn call(&self, _cx: &Cx, args: FindTextArgs) -> Result<Vec<Line>> {
        find_text(&args.lines, &args.text, args.mode)
    }
}

/// Finds `text` in `lines`, best first; nothing when nothing fits.
///
/// Without a mode, a key that is known by its kind (total, date, phone ...) gives its value, and any
/// other text the lines that contain it or, failing that, are like it. A value is the part of a line
/// that belongs to the key, with that part of the polygon and the score of the line.
///
/// # Errors
/// `Tool` when the text is empty or the regular expression is faulty.
pub fn find_text(lines: &[Line], text: &str, mode: Option<Mode>) -> Result<Vec<Line>> {
    if text.trim().is_empty() {
        return Err(Error::new(ErrorKind::Tool, "`text` is empty; say what to find"));
    }
    Ok(match mode {
        Some(Mode::Value) => value::value_of(lines, text),
        Some(Mode::Row) => row::rows(lines, text),
        Some(Mode::Contains) => search::contains(lines, text),
        Some(Mode::Exact) => search::exact(lines, text),
        Some(Mode::Regex) => search::regex(lines, text)?,
        Some(Mode::Fuzzy) => search::fuzzy(lines, text),
        None if value::is_known(text) => value::value_of(lines, text),
        None => {
            let found = search::contains(lines, text);
            if found.is_empty() { search::fuzzy(lines, text) } else { found }
        }
    })
}
