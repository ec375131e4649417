//! Where two pictures of one size differ.

use std::collections::BTreeMap;

use image::{GrayImage, Luma, RgbImage};
use imageproc::distance_transform::Norm;
use imageproc::filter::box_filter;
use imageproc::morphology::dilate;
use imageproc::region_labelling::{Connectivity, connected_components};
use serde::Serialize;

use crate::image::Image;

/// Levels by which a channel has to differ, in the mean of 3 x 3 pixels: what JPEG changes is less.
const LEVELS: u8 = 20;
/// Changes that are nearer to each other than this share of the longer side are one.
const JOINED: f64 = 0.01;
/// Most changes that are told, the largest.
const MOST: usize = 20;

/// A place that differs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Change {
    /// Left, top, right, bottom, in pixels of the root image.
    #[serde(rename = "box")]
    pub bounds: [f64; 4],
}

/// Percent of the pixels that differ between two images of the same size, and the boxes around them, largest first.
///
/// A pixel differs when the mean of a channel in the 3 x 3 pixels around it differs by more than 20 levels of 255.
/// Changes near each other are one; of more than 20 the largest are told. Images of different sizes have no changes.
pub fn changes(image: &Image, other: &Image) -> (f64, Vec<Change>) {
    let (a, b) = (image.pixels(), other.pixels());
    if a.dimensions() != b.dimensions() {
        return (0.0, Vec::new());
    }
    let mask = changed(a, b);
    let count = mask.as_raw().iter().filter(|level| **level > 0).count();
    let percent = 100.0 * count as f64 / mask.as_raw().len().max(1) as f64;
    let mut boxes = boxes(&mask);
    boxes.sort_by(|a, b| area(b).total_cmp(&area(a)));
    boxes.truncate(MOST);
    let frame = image.frame();
    let placed = boxes.into_iter().map(|[left, top, right, bottom]| {
        let ((left, top), (right, bottom)) = (frame.to_root(left, top), frame.to_root(right, bottom));
        Change { bounds: [left, top, right, bottom] }
    });
    ((percent * 100.0).round() / 100.0, placed.collect())
}

/// White where the pictures differ.
fn changed(a: &RgbImage, b: &RgbImage) -> GrayImage {
    let mut mask = GrayImage::new(a.width(), a.height());
    for channel in 0..3 {
        let smooth = |picture: &RgbImage| {
            let levels = picture.pixels().map(|pixel| pixel.0[channel]).collect();
            GrayImage::from_raw(picture.width(), picture.height(), levels).map(|grey| box_filter(&grey, 1, 1))
        };
        let (Some(a), Some(b)) = (smooth(a), smooth(b)) else { continue };
        for (level, (a, b)) in mask.iter_mut().zip(a.iter().zip(b.iter())) {
            if a.abs_diff(*b) > LEVELS {
                *level = 255;
            }
        }
    }
    mask
}

/// The boxes around what is white, near pieces joined.
fn boxes(mask: &GrayImage) -> Vec<[f64; 4]> {
    // One pixel has no parts to connect.
    if let [level] = mask.as_raw().as_slice() {
        return if *level > 0 { vec![[0.0, 0.0, 1.0, 1.0]] } else { Vec::new() };
    }
    let longer = f64::from(mask.width().max(mask.height()));
    // At most half the distance, and at most 255.
    let reach = (longer * JOINED / 2.0).ceil().min(255.0) as u8;
    let pieces = connected_components(&dilate(mask, Norm::LInf, reach), Connectivity::Eight, Luma([0]));
    let mut boxes: BTreeMap<u32, [u32; 4]> = BTreeMap::new();
    for ((x, y, piece), level) in pieces.enumerate_pixels().zip(mask.iter()) {
        if *level > 0 {
            let [left, top, right, bottom] = boxes.entry(piece.0[0]).or_insert([x, y, x, y]);
            (*left, *top, *right, *bottom) = ((*left).min(x), (*top).min(y), (*right).max(x), (*bottom).max(y));
        }
    }
    let whole = |[left, top, right, bottom]: [u32; 4]| [left, top, right + 1, bottom + 1].map(f64::from);
    boxes.into_values().map(whole).collect()
}

fn area([left, top, right, bottom]: &[f64; 4]) -> f64 {
    (right - left) * (bottom - top)
}
