//! `relate`: the items that stand in a relation of place to something else.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::bounds::{self, Bounds, area, centre, centre_distance, gap, lies_inside, shared, shared_area, size};
use super::{Item, Items, TypedTool};
use crate::cx::Cx;
use crate::error::Result;

/// Keeps the items that lie left of, right of, above, below, inside, over or nearest to something.
#[derive(Debug, Clone, Copy, Default)]
pub struct Relate;

/// The arguments of [`Relate`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RelateArgs {
    /// the list to choose from
    items: Vec<Item>,
    /// where they lie, seen from `to`
    relation: Relation,
    /// the other thing; of several, any of them
    to: Items,
}

/// Where one box lies, seen from another.
///
/// Places are those of the image, as a viewer sees it; nothing is known of depth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Relation {
    /// Its middle lies further left, and the two share at most half the width of the narrower one.
    #[serde(alias = "left")]
    LeftOf,
    /// The converse of `left_of`.
    #[serde(alias = "right")]
    RightOf,
    /// Its middle lies higher, and the two share at most half the height of the lower one.
    #[serde(alias = "over")]
    Above,
    /// The converse of `above`.
    #[serde(alias = "under")]
    Below,
    /// Its middle lies in the other box, or at least half of its area does.
    #[serde(alias = "in", alias = "on")]
    Inside,
    /// The two boxes share an area.
    #[serde(alias = "overlap", alias = "touches")]
    Overlaps,
    /// No other item has a smaller gap to the other box or, with the same gap, a nearer middle.
    #[serde(alias = "next_to", alias = "near", alias = "closest")]
    Nearest,
}

#[async_trait]
impl TypedTool for Relate {
    const NAME: &'static str = "relate";
    const RETURNS_LIKE: Option<&'static str> = Some("items");
    type Args = RelateArgs;
    type Output = Vec<Item>;

    async fn call(&self, cx: &Cx, args: RelateArgs) -> Result<Vec<Item>> {
        let related = relate(&args.items, args.relation, &args.to.0);
        related.into_iter().map(|item| item.resolved(cx)).collect()
    }
}

/// The items that stand in `relation` to one of `to`, best first.
///
/// An item is never related to itself, so that a list may be related to one of its own. The items come
/// nearest first (by the gap between the boxes, then by their middles); for `inside` and `overlaps` those
/// that share the most come first. `nearest` gives one item for each of `to`, none twice.
///
/// Boxes with coordinates that are no finite numbers are related to nothing.
pub fn relate(items: &[Item], relation: Relation, to: &[Item]) -> Vec<Item> {
    let mut related = match relation {
        Relation::Nearest => nearest(items, to),
        _ => holding(items, relation, to),
    };
    related.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.cmp(&b.1)));
    related.into_iter().filter_map(|(_, n)| items.get(n).cloned()).collect()
}

/// How good a pair is: less is better.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rank(f64, f64);

impl Rank {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0).then(self.1.total_cmp(&other.1))
    }

    fn of(relation: Relation, a: Bounds, b: Bounds) -> Self {
        let (both, distance) = (shared_area(a, b), centre_distance(a, b));
        match relation {
            Relation::Inside => Self(-both / area(a).max(f64::MIN_POSITIVE), distance),
            Relation::Overlaps => Self(-both / (area(a) + area(b) - both).max(f64::MIN_POSITIVE), distance),
            _ => Self(gap(a, b), distance),
        }
    }
}

/// The items for which the relation holds, each with its best rank.
fn holding(items: &[Item], relation: Relation, to: &[Item]) -> Vec<(Rank, usize)> {
    let rank = |item: &Item| {
        let a = bounds::finite(item)?;
        let others = to.iter().filter(|other| *other != item).filter_map(bounds::finite);
        others.filter(|b| holds(relation, a, *b)).map(|b| Rank::of(relation, a, b)).min_by(Rank::cmp)
    };
    items.iter().enumerate().filter_map(|(n, item)| Some((rank(item)?, n))).collect()
}

/// The nearest item of each of `to`.
fn nearest(items: &[Item], to: &[Item]) -> Vec<(Rank, usize)> {
    let mut found: Vec<(Rank, usize)> = Vec::new();
    for other in to {
        let Some(b) = bounds::finite(other) else { continue };
        let others = items.iter().enumerate().filter(|(_, item)| *item != other);
        let ranked = others.filter_map(|(n, item)| Some((Rank::of(Relation::Nearest, bounds::finite(item)?, b), n)));
        let Some((rank, n)) = ranked.min_by(|x, y| x.0.cmp(&y.0)) else { continue };
        match found.iter_mut().find(|(_, known)| *known == n) {
            Some(entry) if rank.cmp(&entry.0).is_lt() => entry.0 = rank,
            Some(_) => {}
            None => found.push((rank, n)),
        }
    }
    found
}

fn holds(relation: Relation, a: Bounds, b: Bounds) -> bool {
    match relation {
        Relation::LeftOf => is_before(a, b, Axis::X),
        Relation::RightOf => is_before(b, a, Axis::X),
        Relation::Above => is_before(a, b, Axis::Y),
        Relation::Below => is_before(b, a, Axis::Y),
        Relation::Inside => lies_inside(a, b),
        Relation::Overlaps => shared_area(a, b) > 0.0,
        Relation::Nearest => true,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Axis {
    X,
    Y,
}

/// Whether `a` comes before `b` along an axis, and the two lie beside each other rather than over each other.
fn is_before(a: Bounds, b: Bounds, axis: Axis) -> bool {
    let along = |(x, y): (f64, f64)| if axis == Axis::X { x } else { y };
    let less = along(size(a)).min(along(size(b)));
    along(centre(a)) < along(centre(b)) && along(shared(a, b)) <= less / 2.0
}
