//! `key_values`: all printed keys of a form or receipt with their values.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::TypedTool;
use super::find_text::pairs;
use crate::cx::Cx;
use crate::error::Result;
use crate::value::{Line, Table};

/// Pairs the keys that a page prints with their values.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyValues;

/// The arguments of [`KeyValues`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyValuesArgs {
    /// the lines that read_text returned
    lines: Vec<Line>,
}

#[async_trait]
impl TypedTool for KeyValues {
    const NAME: &'static str = "key_values";
    type Args = KeyValuesArgs;
    type Output = Table;

    async fn call(&self, _cx: &Cx, args: KeyValuesArgs) -> Result<Table> {
        Ok(key_values(&args.lines))
    }
}

/// A table with a row `[key, value]` for each pair on the page, in page order.
///
/// A value stands behind the colon of its key (`Date: 1 May`), right of it in the same row, or below it.
/// Without a colon, a key is a label that receipts and forms are known to print, or a text beside a number.
/// Keys and values are as they are printed; one key may have several rows. Without pairs there are no rows.
///
/// The date and the total of a receipt often have no legible key. Where there are pairs, and these two can be
/// told but are not among the values, they come last, with the keys `date` and `total`.
pub fn key_values(lines: &[Line]) -> Table {
    Table { rows: pairs(lines).into_iter().map(|(key, value)| vec![key, value]).collect() }
}
