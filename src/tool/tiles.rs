//! Tiles: an image in overlapping pieces, so that small things in it are looked at enlarged.

use super::bounds::{Bounds, of_image};
use super::crop::crop;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;

/// How many tiles there are to a side when none is said, and at most.
const TILES: u32 = 2;
const MOST: u32 = 4;
/// The part of a tile that its neighbour shows, too: what is no larger is whole in one of the two.
const SHARED: f64 = 0.25;

/// The pieces of an image in rows of `count` (2 when none is said), each of which overlaps its neighbours by a quarter.
///
/// # Errors
/// `Tool` when `count` is not from 1 to 4.
pub(crate) fn tiles(image: &Image, count: Option<u32>) -> Result<Vec<Image>> {
    let count = count.unwrap_or(TILES);
    if !(1..=MOST).contains(&count) {
        return Err(Error::new(ErrorKind::Tool, format!("`tiles` is {count}, but it goes from 1 to {MOST}")));
    }
    let [left, top, right, bottom] = of_image(image);
    let (columns, rows) = (spans(left, right, count), spans(top, bottom, count));
    let all = rows.iter().flat_map(|(top, bottom)| columns.iter().map(|(left, right)| [*left, *top, *right, *bottom]));
    all.map(|bounds| crop(image, bounds, 0.0)).collect()
}

/// So many spans of one length that overlap.
fn spans(from: f64, to: f64, count: u32) -> Vec<(f64, f64)> {
    let steps = f64::from(count - 1) * (1.0 - SHARED);
    let length = (to - from) / (1.0 + steps);
    (0..count).map(|n| from + f64::from(n) * (1.0 - SHARED) * length).map(|from| (from, from + length)).collect()
}

/// Whether something that was found in a tile may be cut off by its border: it comes as near as `margin` to a side that is
/// no side of the whole image.
pub(crate) fn is_cut(found: Bounds, tile: &Image, whole: &Image, margin: f64) -> bool {
    let (tile, whole) = (of_image(tile), of_image(whole));
    let near = |n: usize| (found[n] - tile[n]).abs() <= margin && (tile[n] - whole[n]).abs() > 1.0;
    (0..4).any(near)
}
