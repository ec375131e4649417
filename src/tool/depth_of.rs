//! `depth_of`: how near a thing is, on a map of depth.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::bounds::Bounds;
use super::{Item, TypedTool};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::value::{Grid, Mask};

/// Reads a map of depth where a thing is. A list of regions gives a list of numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct DepthOf;

/// The arguments of [`DepthOf`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DepthOfArgs {
    /// the map of depth
    map: Grid,
    /// the thing
    region: Item,
}

#[async_trait]
impl TypedTool for DepthOf {
    const NAME: &'static str = "depth_of";
    const MAPS_OVER: Option<&'static str> = Some("region");
    type Args = DepthOfArgs;
    type Output = f64;

    async fn call(&self, cx: &Cx, args: DepthOfArgs) -> Result<f64> {
        let mask = match &args.region {
            Item::Mask(mask) => Some(mask.load(cx)?),
            _ => None,
        };
        depth_of(&args.map, args.region.bounds(), mask.as_ref())
    }
}

/// The median of a map within a box, or within the outline of a mask, to three decimals.
///
/// The median, and not the mean: a thing rarely fills its box, and what is behind it is much farther away.
///
/// # Errors
/// `Tool` when the map is empty, or the box does not lie on it.
pub fn depth_of(map: &Grid, bounds: Bounds, mask: Option<&Mask>) -> Result<f64> {
    let [left, top, right, bottom] = map.bounds;
    let (columns, rows) = (f64::from(map.width), f64::from(map.height));
    let cell = |n: usize| {
        let (column, row) = (n % (map.width.max(1) as usize), n / (map.width.max(1) as usize));
        let across = left + (column as f64 + 0.5) * (right - left) / columns;
        let down = top + (row as f64 + 0.5) * (bottom - top) / rows;
        (across, down)
    };
    let inside = |(x, y): (f64, f64)| {
        let [x1, y1, x2, y2] = bounds;
        (x1..x2).contains(&x) && (y1..y2).contains(&y) && mask.is_none_or(|mask| mask.at(x, y) >= 0.5)
    };
    let all = map.data.iter().enumerate();
    let mut found: Vec<f32> = all.clone().filter(|(n, _)| inside(cell(*n))).map(|(_, depth)| *depth).collect();
    if found.is_empty() {
        // A thing smaller than a cell is as near as the cell it is in.
        let [x1, y1, x2, y2] = bounds;
        let middle = (f64::midpoint(x1, x2), f64::midpoint(y1, y2));
        let on_map = (left..right).contains(&middle.0) && (top..bottom).contains(&middle.1);
        let away = |n: usize| (cell(n).0 - middle.0).hypot(cell(n).1 - middle.1);
        let nearest = all.min_by(|a, b| away(a.0).total_cmp(&away(b.0))).map(|(_, depth)| *depth);
        found.extend(nearest.filter(|_| on_map));
    }
    found.sort_by(f32::total_cmp);
    let median = found.get(found.len() / 2).copied().ok_or_else(|| {
        Error::new(
            ErrorKind::Tool,
            format!("the box {bounds:?} does not lie on the map, which covers {:?}", map.bounds),
        )
    })?;
    Ok((f64::from(median) * 1000.0).round() / 1000.0)
}
