//! `filter`: keeps the items of a list that fit.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::bounds::{area, centre, lies_inside};
use super::labels::{same_label, split};
use super::{Item, Items, TypedTool};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};

/// Keeps the items that have a label, a score, or a place inside a region, or the one that is the most so.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter;

/// The arguments of [`Filter`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilterArgs {
    /// the list to choose from
    items: Vec<Item>,
    /// keep objects with this label (or one of these), lines that contain this text
    #[serde(default)]
    label: Option<Labels>,
    /// keep items with at least this score, 0 to 1
    #[serde(default)]
    min_score: Option<f64>,
    /// keep items that lie inside this region, or inside one of these
    #[serde(default)]
    inside: Option<Items>,
    /// keep only the one that is the most so, of those that fit
    #[serde(default)]
    keep: Option<Keep>,
}

/// Which one of several items is kept; of equals the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Keep {
    /// The one whose box has the largest area.
    #[serde(alias = "biggest")]
    Largest,
    /// The one whose box has the smallest area.
    Smallest,
    /// The one whose middle lies furthest to the left.
    Leftmost,
    /// The one whose middle lies furthest to the right.
    Rightmost,
    /// The one whose middle lies highest in the image.
    #[serde(alias = "highest")]
    Topmost,
    /// The one whose middle lies lowest in the image.
    #[serde(alias = "lowest")]
    Bottommost,
    /// The one with the highest score.
    MostCertain,
}

impl Keep {
    /// How much an item is what is wanted.
    fn weight(self, item: &Item) -> f64 {
        let bounds = item.bounds();
        let (x, y) = centre(bounds);
        match self {
            Self::Largest => area(bounds),
            Self::Smallest => -area(bounds),
            Self::Leftmost => -x,
            Self::Rightmost => x,
            Self::Topmost => -y,
            Self::Bottommost => y,
            Self::MostCertain => item.score(),
        }
    }

    /// The one item; nothing of nothing.
    fn of(self, items: Vec<Item>) -> Vec<Item> {
        let more = |best: Item, next: Item| if self.weight(&next) > self.weight(&best) { next } else { best };
        items.into_iter().reduce(more).into_iter().collect()
    }
}

/// One label or several.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Labels {
    /// One label.
    One(String),
    /// Any of these.
    Many(Vec<String>),
}

impl Labels {
    /// The labels, without empty ones.
    pub fn into_texts(self) -> Vec<String> {
        let texts = match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        };
        texts.into_iter().filter(|t| !t.trim().is_empty()).collect()
    }
}

#[async_trait]
impl TypedTool for Filter {
    const NAME: &'static str = "filter";
    const RETURNS_LIKE: Option<&'static str> = Some("items");
    type Args = FilterArgs;
    type Output = Vec<Item>;

    async fn call(&self, cx: &Cx, args: FilterArgs) -> Result<Vec<Item>> {
        let labels = args.label.map(Labels::into_texts).unwrap_or_default();
        let min_score = args.min_score.map(fraction).transpose()?;
        let regions: Option<Vec<[f64; 4]>> = args.inside.map(|items| items.0.iter().map(Item::bounds).collect());
        let fits = |item: &Item| {
            (labels.is_empty() || labels.iter().any(|l| is_called(item, l)))
                && min_score.is_none_or(|min| item.score() >= min)
                && regions.as_ref().is_none_or(|all| all.iter().any(|r| lies_inside(item.bounds(), *r)))
        };
        let kept: Vec<Item> = args.items.into_iter().filter(fits).collect();
        let kept = match args.keep {
            Some(keep) => keep.of(kept),
            None => kept,
        };
        kept.into_iter().map(|item| item.resolved(cx)).collect()
    }
}

/// A score between 0 and 1; what is larger was meant as a percentage.
fn fraction(score: f64) -> Result<f64> {
    match score {
        s if (0.0..=1.0).contains(&s) => Ok(s),
        s if s > 1.0 && s <= 100.0 => Ok(s / 100.0),
        s => Err(Error::new(ErrorKind::Tool, format!("`min_score` is {s}; it goes from 0 to 1"))),
    }
}

fn is_called(item: &Item, label: &str) -> bool {
    match item {
        Item::Line(line) => bears(&line.text, label),
        thing => split(label).iter().any(|l| same_label(thing.name(), l)),
    }
}

/// Whether a line's text contains `wanted`, whatever the case and the white space.
pub(crate) fn bears(text: &str, wanted: &str) -> bool {
    let squeeze = |t: &str| t.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    squeeze(text).contains(&squeeze(wanted))
}
