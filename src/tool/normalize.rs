//! `normalize`: a date, an amount or a telephone number in one form, however it is printed.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use super::find_text::{find_amount, find_date, find_phone, parse_date, parse_number};
use super::{ToolOutput, TypedTool};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::signature::ValueType;
use crate::value::Value;

/// Brings a date, an amount or a telephone number into one form.
#[derive(Debug, Clone, Copy, Default)]
pub struct Normalize;

/// The arguments of [`Normalize`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NormalizeArgs {
    /// a text, a line, or lines, of which the first counts that is such a value
    value: Json,
    /// what it is; guessed when left out
    #[serde(default)]
    kind: Option<Kind>,
}

/// What kind of value [`Normalize`] reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Kind {
    /// Becomes `2019-01-09`; where day and month could be either, the day comes first.
    #[serde(alias = "day")]
    Date,
    /// Becomes a number, without currency and thousands separators.
    #[serde(alias = "number", alias = "money", alias = "price")]
    Amount,
    /// Becomes digits; a leading `+` stays.
    #[serde(alias = "telephone")]
    Phone,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::Amount => "amount",
            Self::Phone => "telephone number",
        }
    }
}

/// A text or a number.
#[derive(Debug, Clone, PartialEq)]
pub struct Plain(Json);

impl ToolOutput for Plain {
    fn value_type() -> ValueType {
        ValueType::Json
    }
    fn into_value(self) -> Value {
        Value::plain(self.0)
    }
}

#[async_trait]
impl TypedTool for Normalize {
    const NAME: &'static str = "normalize";
    type Args = NormalizeArgs;
    type Output = Plain;

    async fn call(&self, _cx: &Cx, args: NormalizeArgs) -> Result<Plain> {
        let texts = texts_of(&args.value);
        let found = texts.iter().find_map(|text| normalize(text, args.kind));
        found.map(Plain).ok_or_else(|| no_such_value(&texts, args.kind))
    }
}

/// A date as ISO 8601, an amount as a number, a telephone number as digits; nothing when the text holds none.
///
/// The text may say more than the value: `Date: 09/01/2019 14:33` is a date. Without a kind, the whole text
/// is taken for a date, then for a telephone number (when it is long, or has a `+` or a leading zero), then
/// for an amount; then the first date in it counts, then the only amount.
///
/// ```
/// # use lavr::tool::normalize::normalize;
/// assert_eq!(normalize("9 Jan 2019", None), Some("2019-01-09".into()));
/// assert_eq!(normalize("RM 1,234.50", None), Some(1234.5.into()));
/// assert_eq!(normalize("Tel: +60 3-8945 1234", None), Some("+60389451234".into()));
/// ```
pub fn normalize(text: &str, kind: Option<Kind>) -> Option<Json> {
    match kind {
        Some(Kind::Date) => date(find_date(text)?),
        Some(Kind::Amount) => amount(parse_number(text).or_else(|| find_amount(text))?),
        Some(Kind::Phone) => phone(text),
        None => {
            let whole = parse_date(text).and_then(date).or_else(|| likely_phone(text));
            whole
                .or_else(|| parse_number(text).and_then(amount))
                .or_else(|| find_date(text).and_then(date))
                .or_else(|| find_amount(text).and_then(amount))
        }
    }
}

fn date((year, month, day): (i32, u32, u32)) -> Option<Json> {
    (0..=9999).contains(&year).then(|| Json::from(format!("{year:04}-{month:02}-{day:02}")))
}

fn amount(number: f64) -> Option<Json> {
    if number.fract() == 0.0 && number.abs() < 9.0e15 {
        return Some(Json::from(number as i64));
    }
    serde_json::Number::from_f64(number).map(Json::Number)
}

fn phone(text: &str) -> Option<Json> {
    let printed = find_phone(text)?;
    let digits: String = printed.chars().filter(char::is_ascii_digit).collect();
    let plus = if printed.trim_start_matches('(').starts_with('+') { "+" } else { "" };
    Some(Json::from(format!("{plus}{digits}")))
}

/// The telephone number of a text that can be nothing else.
fn likely_phone(text: &str) -> Option<Json> {
    let printed = find_phone(text)?;
    let digits = printed.chars().filter(char::is_ascii_digit).count();
    let grouped = printed.contains(['-', ' ', '(']) && !printed.contains('.');
    let sure = printed.starts_with('+') || (printed.starts_with(['0', '(']) && digits >= 7) || (grouped && digits >= 8);
    sure.then(|| phone(text)).flatten()
}

/// The texts of a value: a text, a number, a line, or a list of them.
fn texts_of(value: &Json) -> Vec<String> {
    match value {
        Json::String(text) => vec![text.clone()],
        Json::Number(number) => vec![number.to_string()],
        Json::Array(items) => items.iter().flat_map(texts_of).collect(),
        Json::Object(object) => object.get("text").map(texts_of).unwrap_or_default(),
        Json::Null | Json::Bool(_) => Vec::new(),
    }
}

fn no_such_value(texts: &[String], kind: Option<Kind>) -> Error {
    let wanted = kind.map_or("date, amount or telephone number", Kind::name);
    let message = match texts.first() {
        None => format!("there is no text to read a {wanted} from"),
        Some(first) => {
            let shown: String = first.chars().take(60).collect();
            let more = if texts.len() > 1 { format!(" and {} more", texts.len() - 1) } else { String::new() };
            format!("there is no {wanted} in `{shown}`{more}")
        }
    };
    Error::new(ErrorKind::Tool, message)
}
