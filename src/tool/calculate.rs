//! `calculate`: arithmetic over named values.

mod expression;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::TypedTool;
use super::find_text::parse_number;
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};

pub(crate) use expression::{Operand, evaluate};

/// Computes an arithmetic expression over named values.
#[derive(Debug, Clone, Copy, Default)]
pub struct Calculate;

/// The arguments of [`Calculate`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CalculateArgs {
    /// arithmetic over names and numbers, e.g. `a + b - 2`, `max(a, b)`, `sum(items)`
    expression: String,
    /// the names in the expression and their values, e.g. `{"a": "$x", "b": "$y"}`
    #[serde(default)]
    values: Map<String, Json>,
}

#[async_trait]
impl TypedTool for Calculate {
    const NAME: &'static str = "calculate";
    type Args = CalculateArgs;
    type Output = f64;

    async fn call(&self, _cx: &Cx, args: CalculateArgs) -> Result<f64> {
        let lookup = |name: &str| match args.values.get(name) {
            Some(value) => operand(name, value).map(Some),
            None => Ok(None),
        };
        let names: Vec<&str> = args.values.keys().map(String::as_str).collect();
        evaluate(&args.expression, &lookup, &names)
    }
}

fn operand(name: &str, value: &Json) -> Result<Operand> {
    match value {
        Json::Array(items) => {
            let numbers: Result<Vec<f64>> = items.iter().map(|item| number(name, item)).collect();
            Ok(Operand::List(numbers?))
        }
        other => number(name, other).map(Operand::Number),
    }
}

fn number(name: &str, value: &Json) -> Result<f64> {
    let text = match value {
        Json::Number(n) => return n.as_f64().ok_or_else(|| no_number(name, &n.to_string())),
        Json::String(text) => text,
        Json::Object(object) if object.contains_key("polygon") => {
            object.get("text").and_then(Json::as_str).unwrap_or_default()
        }
        Json::Array(items) => {
            return match items.as_slice() {
                [one] => number(name, one),
                _ => Err(no_number(name, "a list within a list")),
            };
        }
        other => return Err(no_number(name, &other.to_string())),
    };
    parse_number(text).ok_or_else(|| no_number(name, &format!("`{text}`")))
}

fn no_number(name: &str, what: &str) -> Error {
    let what: String = what.chars().take(60).collect();
    Error::new(ErrorKind::Tool, format!("`{name}` is not a number but {what}"))
}
