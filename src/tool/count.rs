//! `count`: how many items a list has.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use super::filter::{Labels, bears};
use super::{TypedTool, labels};
use crate::cx::Cx;
use crate::error::Result;

/// Counts the items of a list.
#[derive(Debug, Clone, Copy, Default)]
pub struct Count;

/// The arguments of [`Count`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CountArgs {
    /// the list to count
    items: Vec<Json>,
    /// count only the items with this label, or with one of these
    #[serde(default)]
    label: Option<Labels>,
}

#[async_trait]
impl TypedTool for Count {
    const NAME: &'static str = "count";
    type Args = CountArgs;
    type Output = f64;

    async fn call(&self, _cx: &Cx, args: CountArgs) -> Result<f64> {
        let wanted = args.label.map(Labels::into_texts).filter(|l| !l.is_empty());
        let counted = args.items.iter().filter(|item| match &wanted {
            Some(wanted) => is_one_of(item, wanted),
            None => true,
        });
        Ok(counted.count() as f64)
    }
}

/// Whether an item, as JSON, bears one of the labels; plain texts are their own label.
fn is_one_of(item: &Json, wanted: &[String]) -> bool {
    if let Some(text) = item.get("text").and_then(Json::as_str) {
        return wanted.iter().any(|w| bears(text, w));
    }
    let label = item.get("label").and_then(Json::as_str).or_else(|| item.as_str());
    label.is_some_and(|label| wanted.iter().flat_map(|w| labels::split(w)).any(|w| labels::same_label(label, &w)))
}
