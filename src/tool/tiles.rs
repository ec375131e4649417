//! Tiles: an image in overlapping pieces, so that small things in it are looked at enlarged.

use super::bounds::{Bounds, area, of_image, shared_area, size};
use super::boxes;
use super::crop::crop;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::value::Region;

/// How many tiles there are to a side when none is said, and at most.
const TILES: u32 = 2;
pub(crate) const MOST: u32 = 4;
/// The part of a tile that its neighbour shows, too: what is no larger is whole in one of the two.
const SHARED: f64 = 0.25;

/// Boxes of a thing that overlap by more (intersection over union) are one.
const SAME: f64 = 0.5;
/// What a border cuts off is part of a thing that holds more than this share of it.
const PART: f64 = 0.6;
/// What comes so near to a border, as a share of the piece's longer side, may be cut off by it: detectors are not exact to
/// the pixel.
const MARGIN: f64 = 0.02;

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

/// What was found in a whole image and in its pieces, each thing once; best first.
///
/// Of boxes with one label that overlap, the best stays. What a piece's border cuts off goes where a box of its label holds
/// most of it.
pub(crate) fn joined(image: &Image, mut whole: Vec<Region>, pieces: Vec<(Image, Vec<Region>)>) -> Vec<Region> {
    let mut cut = Vec::new();
    for (piece, found) in pieces {
        let (width, height) = size(of_image(&piece));
        let near = MARGIN * width.max(height);
        let (off, entire): (Vec<Region>, Vec<Region>) =
            found.into_iter().partition(|region| is_cut(region.bounds, &piece, image, near));
        whole.extend(entire);
        cut.extend(off);
    }
    let mut kept = without_doubles(whole);
    let is_part = |part: &Region, kept: &[Region]| {
        let holds = |of: &Region| shared_area(part.bounds, of.bounds) > PART * area(part.bounds);
        kept.iter().any(|of| of.label == part.label && holds(of))
    };
    for part in without_doubles(cut) {
        if !is_part(&part, &kept) {
            kept.push(part);
        }
    }
    kept.sort_by(|a, b| b.score.total_cmp(&a.score));
    kept
}

fn without_doubles(found: Vec<Region>) -> Vec<Region> {
    let mut classes: Vec<String> = Vec::new();
    let detections = found.into_iter().map(|region| {
        let class = classes.iter().position(|label| *label == region.label).unwrap_or(classes.len());
        if class == classes.len() {
            classes.push(region.label);
        }
        // Between 0 and 1.
        boxes::Detection { class, score: region.score as f32, bounds: region.bounds }
    });
    let kept = boxes::without_doubles(detections.collect(), SAME);
    let region = |found: boxes::Detection| {
        let label = classes.get(found.class)?.clone();
        Some(Region { label, score: f64::from(found.score), bounds: found.bounds })
    };
    kept.into_iter().filter_map(region).collect()
}
