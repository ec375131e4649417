//! Connected parts of nearly one colour.

use image::{GrayImage, Luma, RgbImage};
use imageproc::contours::{BorderType, find_contours};
use imageproc::geometry::contour_area;
use imageproc::point::Point;

/// Levels by which the channels of a part may differ from those of its first pixel.
const TOLERANCE: u8 = 40;
/// Least height and width of a shape: pixels, and as a share of the shorter side of the picture.
const LEAST: u32 = 8;
const SHARE: f64 = 0.02;
/// A part that fills less of its outline than this is a line around something.
const HOLLOW: f64 = 0.5;

/// A part of a picture, and the outline around it.
#[derive(Debug, Clone)]
pub(in crate::tool) struct Part {
    /// Left, top, right, bottom, in pixels.
    pub(in crate::tool) bounds: [u32; 4],
    /// The pixels of its outer border.
    pub(super) outline: Vec<Point<i32>>,
    /// The sums of its channels.
    sums: [u64; 3],
    pixels: u64,
}

impl Part {
    /// Its mean colour.
    pub(in crate::tool) fn color(&self) -> [u8; 3] {
        // A mean of levels is a level.
        self.sums.map(|sum| (sum / self.pixels.max(1)) as u8)
    }

    /// The area of its box.
    pub(in crate::tool) fn extent(&self) -> u64 {
        let [left, top, right, bottom] = self.bounds.map(u64::from);
        (right - left) * (bottom - top)
    }

    /// The part of its box that it fills, 0 to 1.
    pub(in crate::tool) fn fill(&self) -> f64 {
        self.pixels as f64 / self.extent().max(1) as f64
    }

    fn is_hollow(&self) -> bool {
        (self.pixels as f64) < HOLLOW * contour_area(&self.outline)
    }

    fn contains(&self, other: &Self) -> bool {
        let ([left, top, right, bottom], of) = (self.bounds, other.bounds);
        left < of[0] && top < of[1] && right > of[2] && bottom > of[3]
    }

    fn touches_edge(&self, picture: &RgbImage) -> bool {
        let [left, top, right, bottom] = self.bounds;
        left == 0 || top == 0 || right >= picture.width() || bottom >= picture.height()
    }
}

/// The parts that are shapes: neither the background nor what it shows through outlines, nor cut off by the edge.
///
/// Of a line around a part in another colour, the part is the shape; of a line around background, the line is.
pub(super) fn shapes(picture: &RgbImage) -> Vec<Part> {
    let shorter = f64::from(picture.width().min(picture.height()));
    let least = LEAST.max((SHARE * shorter).round() as u32);
    let parts = parts(picture, [least; 2]);
    let (cut, inner): (Vec<Part>, Vec<Part>) = parts.into_iter().partition(|part| part.touches_edge(picture));
    let background = cut.iter().max_by_key(|part| part.pixels).map(Part::color);
    let is_background = |part: &Part| background.is_some_and(|color| alike(color, part.color()));
    let shows_background =
        |part: &Part| is_background(part) && inner.iter().any(|line| line.is_hollow() && line.contains(part));
    let lines_something = |line: &Part| {
        let fills = |part: &Part| {
            !is_background(part) && line.contains(part) && 2.0 * part.extent() as f64 > line.extent() as f64
        };
        line.is_hollow() && inner.iter().any(fills)
    };
    inner.iter().filter(|part| !shows_background(part) && !lines_something(part)).cloned().collect()
}

/// All parts whose shorter and whose longer side have at least so many pixels.
pub(in crate::tool) fn parts(picture: &RgbImage, least: [u32; 2]) -> Vec<Part> {
    let mut seen = GrayImage::new(picture.width(), picture.height());
    let mut found = Vec::new();
    for (x, y, _) in picture.enumerate_pixels() {
        if seen.get_pixel(x, y).0[0] == 0 {
            let filled = fill(picture, &mut seen, (x, y));
            found.extend(part(&filled, least));
        }
    }
    found
}

/// The pixels of one part, with their colours.
type Filled = Vec<(u32, u32, [u8; 3])>;

/// The pixels that are connected with one and have nearly its colour; they are marked as seen.
fn fill(picture: &RgbImage, seen: &mut GrayImage, (x, y): (u32, u32)) -> Filled {
    let first = picture.get_pixel(x, y).0;
    let (mut filled, mut open) = (Vec::new(), vec![(x, y)]);
    while let Some((x, y)) = open.pop() {
        let (Some(pixel), Some(mark)) = (picture.get_pixel_checked(x, y), seen.get_pixel_mut_checked(x, y)) else {
            continue;
        };
        if mark.0[0] > 0 || !alike(first, pixel.0) {
            continue;
        }
        *mark = Luma([255]);
        filled.push((x, y, pixel.0));
        open.extend([(x.wrapping_sub(1), y), (x + 1, y), (x, y.wrapping_sub(1)), (x, y + 1)]);
    }
    filled
}

fn alike(a: [u8; 3], b: [u8; 3]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= TOLERANCE)
}

/// A part of these pixels, when its sides are long enough.
fn part(filled: &Filled, [shorter, longer]: [u32; 2]) -> Option<Part> {
    let (left, top) = (filled.iter().map(|p| p.0).min()?, filled.iter().map(|p| p.1).min()?);
    let (right, bottom) = (filled.iter().map(|p| p.0).max()? + 1, filled.iter().map(|p| p.1).max()? + 1);
    let (width, height) = (right - left, bottom - top);
    if width.min(height) < shorter || width.max(height) < longer {
        return None;
    }
    // One pixel of room on every side, so that borders are whole.
    let mut mask = GrayImage::new(width + 2, height + 2);
    let mut sums = [0; 3];
    for (x, y, color) in filled {
        mask.put_pixel(x - left + 1, y - top + 1, Luma([255]));
        sums.iter_mut().zip(color).for_each(|(sum, level)| *sum += u64::from(*level));
    }
    let outer = find_contours::<i32>(&mask).into_iter().filter(|border| border.border_type == BorderType::Outer);
    let outline = outer.max_by_key(|border| border.points.len())?.points;
    Some(Part { bounds: [left, top, right, bottom], outline, sums, pixels: filled.len() as u64 })
}
