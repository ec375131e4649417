//! `compare`: which of two things is more, or whether they are the same.

use std::cmp::Ordering;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use super::TypedTool;
use super::find_text::{parse_date, parse_number};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};

/// Compares two numbers, amounts, dates, texts, or the lengths of two lists; a date and a year by the year.
#[derive(Debug, Clone, Copy, Default)]
pub struct Compare;

/// The arguments of [`Compare`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CompareArgs {
    /// left side: a number, a text, a line, or a list (by its length)
    a: Json,
    /// right side
    b: Json,
    /// what should hold between a and b
    op: Op,
}

/// What a comparison asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline, extend("enum" = ["equal", "not_equal", "greater", "less", "greater_equal", "less_equal", "==", "!=", ">", "<", ">=", "<="]))]
pub enum Op {
    /// The two are the same.
    #[serde(alias = "==", alias = "=")]
    Equal,
    /// They differ.
    #[serde(alias = "!=")]
    NotEqual,
    /// `a` is more, or later.
    #[serde(alias = ">")]
    Greater,
    /// `a` is less, or earlier.
    #[serde(alias = "<")]
    Less,
    /// `a` is not less.
    #[serde(alias = ">=")]
    GreaterEqual,
    /// `a` is not more.
    #[serde(alias = "<=")]
    LessEqual,
}

#[async_trait]
impl TypedTool for Compare {
    const NAME: &'static str = "compare";
    type Args = CompareArgs;
    type Output = bool;

    async fn call(&self, _cx: &Cx, args: CompareArgs) -> Result<bool> {
        let order = order(&args.a, &args.b)?;
        Ok(match args.op {
            Op::Equal => order == Ordering::Equal,
            Op::NotEqual => order != Ordering::Equal,
            Op::Greater => order == Ordering::Greater,
            Op::Less => order == Ordering::Less,
            Op::GreaterEqual => order != Ordering::Less,
            Op::LessEqual => order != Ordering::Greater,
        })
    }
}

/// What a value is compared by.
#[derive(Debug, Clone, PartialEq)]
enum Key {
    Number(f64),
    Text(String),
    /// A list of this many things that are no numbers.
    Length(usize),
}

fn order(a: &Json, b: &Json) -> Result<Ordering> {
    let (a, b) = (key(a)?, key(b)?);
    let other_is_zero_or_list = |k: &Key| matches!(k, Key::Length(_)) || *k == Key::Number(0.0);
    if (a == Key::Length(0) && !other_is_zero_or_list(&b)) || (b == Key::Length(0) && !other_is_zero_or_list(&a)) {
        return Err(failed("one side is an empty list, so there is nothing to compare; use `count` for its length"));
    }
    // "In 2018 or later": a date is held against a year by its own year.
    match (date(&a), year(&a), date(&b), year(&b)) {
        (Some(date), _, _, Some(year)) => return Ok(date.0.cmp(&year)),
        (_, Some(year), Some(date), _) => return Ok(year.cmp(&date.0)),
        _ => {}
    }
    match (number(&a), number(&b)) {
        (Some(x), Some(y)) => return Ok(nearly(x, y)),
        (None, None) => {}
        _ => return Err(failed("a number cannot be compared with this text")),
    }
    let (Key::Text(a), Key::Text(b)) = (a, b) else { return Err(failed("these two cannot be compared")) };
    Ok(match (parse_date(&a), parse_date(&b)) {
        (Some(x), Some(y)) => x.cmp(&y),
        _ => squeezed(&a).cmp(&squeezed(&b)),
    })
}

fn key(value: &Json) -> Result<Key> {
    Ok(match value {
        Json::Number(n) => Key::Number(n.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Key::Text(text.clone()),
        Json::Bool(bool) => Key::Text(bool.to_string()),
        Json::Array(items) => match items.first().and_then(text_of) {
            // A found value comes as a list, best first, and so do classes and colours.
            Some(text) if items.len() == 1 || is_value(&text) || items.iter().all(|i| class_of(i).is_some()) => {
                Key::Text(text)
            }
            _ => match items.as_slice() {
                [only] if !only.is_object() => key(only)?,
                [first, _, ..] if first.is_number() => {
                    return Err(failed("one side is a list of numbers; compare one of them, or the largest"));
                }
                _ => Key::Length(items.len()),
            },
        },
        Json::Object(_) => {
            Key::Text(text_of(value).ok_or_else(|| failed("only numbers, texts, lines and lists can be compared"))?)
        }
        Json::Null => return Err(failed("one side is missing")),
    })
}

/// The text of a line, or the name of a class or colour; a region is a thing, not a text.
fn text_of(value: &Json) -> Option<String> {
    let object = value.as_object()?;
    let line = object.get("text").filter(|_| object.contains_key("polygon"));
    line.or_else(|| class_of(value)).and_then(Json::as_str).map(str::to_owned)
}

/// The name in `{"label", "score"}`.
fn class_of(value: &Json) -> Option<&Json> {
    let object = value.as_object()?;
    object.get("label").filter(|_| object.len() == 2 && object.contains_key("score"))
}

fn is_value(text: &str) -> bool {
    parse_number(text).is_some() || parse_date(text).is_some()
}

fn number(key: &Key) -> Option<f64> {
    match key {
        Key::Number(n) => Some(*n),
        Key::Length(n) => Some(*n as f64),
        Key::Text(text) if parse_date(text).is_some() => None,
        Key::Text(text) => parse_number(text),
    }
}

fn date(key: &Key) -> Option<(i32, u32, u32)> {
    if let Key::Text(text) = key { parse_date(text) } else { None }
}

/// A number of four digits that can be a year.
fn year(key: &Key) -> Option<i32> {
    let year = match key {
        Key::Number(n) if n.fract() == 0.0 => *n as i32,
        Key::Text(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    (1900..2100).contains(&year).then_some(year)
}

/// Numbers that differ by rounding only are equal.
fn nearly(x: f64, y: f64) -> Ordering {
    if (x - y).abs() <= 1e-9 * x.abs().max(y.abs()).max(1.0) { Ordering::Equal } else { x.total_cmp(&y) }
}

fn squeezed(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect()
}

fn failed(message: &str) -> Error {
    Error::new(ErrorKind::Tool, message)
}
