//! From a picture to the places where text is: what goes into the detector, and what its map means.

use image::RgbImage;
use ndarray::Array4;

use super::OcrPart;
use super::contours::{Bitmap, borders};
use super::pixels::{Channels, place};
use super::rect::{Quad, clockwise, grown, smallest_rectangle};
use crate::error::{Error, Result};
use crate::tool::resize;

/// Most borders looked at.
const CANDIDATES: usize = 1000;
/// Shortest side of a box before and after it is grown, map pixels.
const SHORTEST: f32 = 3.0;
const SHORTEST_GROWN: f32 = 5.0;
/// Sides are multiples of this.
const MULTIPLE: f64 = 32.0;
/// The picture's shorter side is at least this.
const NARROWEST: u32 = 30;
/// Pictures flatter than this get a border above and below.
const FLATTEST: f64 = 8.0;
/// The detector's input is at most so many times as long as its shorter side.
const SLIMMEST: u64 = 8;

/// The picture as all later steps see it, and the way back to the original.
pub(super) struct Page {
    /// Within the size limits, with a border when it is flat or very slim.
    pub(super) picture: RgbImage,
    /// Columns of border on the left, and rows at the top.
    border: [u32; 2],
    /// Pixels of the original per pixel of the resized picture, across and down.
    ratio: [f64; 2],
    /// Size of the original.
    original: [f32; 2],
    /// Width and height of the detector's input.
    input: [u32; 2],
}

impl Page {
    /// Brings a picture within the limits of the detector.
    ///
    /// # Errors
    /// `InvalidInput` when it is so thin that nothing is left after scaling, or too much; before anything is allocated.
    pub(super) fn new(original: &RgbImage, part: &OcrPart) -> Result<Self> {
        let (width, height) = original.dimensions();
        let sizes = Sizes::of([width, height], part).ok_or_else(|| {
            let message = format!(
                "a picture of {width}x{height} pixels is too thin to read text from: cut out a part that is less so"
            );
            Error::invalid(message)
        })?;
        let (mut resized, mut ratio) = (None, [1.0; 2]);
        for [width, height] in sizes.scaled {
            let from = resized.as_ref().unwrap_or(original);
            ratio[0] *= f64::from(from.width()) / f64::from(width);
            ratio[1] *= f64::from(from.height()) / f64::from(height);
            resized = Some(resize::linear(from, width, height));
        }
        let mut picture = resized.unwrap_or_else(|| original.clone());
        if sizes.border != [0; 2] {
            picture = bordered(&picture, sizes.border);
        }
        Ok(Self { picture, border: sizes.border, ratio, original: [width as f32, height as f32], input: sizes.input })
    }

    /// A point of the picture, in pixels of the original.
    pub(super) fn to_original(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let [x, y] = [x - self.border[0] as f32, y - self.border[1] as f32];
        let back = |v: f32, axis: usize| (v * self.ratio[axis] as f32).clamp(0.0, self.original[axis]);
        [back(x, 0), back(y, 1)]
    }

    /// The detector's input, 1x3xHxW, H and W multiples of 32.
    pub(super) fn input(&self, channels: &Channels) -> Result<Array4<f32>> {
        let [width, height] = self.input;
        let resized = resize::linear(&self.picture, width, height);
        let mut tensor = Array4::zeros((1, 3, height as usize, width as usize));
        let numbers = tensor.as_slice_mut().ok_or_else(|| Error::internal("the detector's input is not contiguous"))?;
        place(numbers, &resized, width as usize, channels);
        Ok(tensor)
    }

    /// The boxes in the detector's map, in whole pixels of the picture, in border order.
    ///
    /// The map holds `width * height` probabilities, row by row.
    pub(super) fn boxes(&self, map: &[f32], width: usize, height: usize, part: &OcrPart) -> Vec<Quad> {
        let mask = Bitmap { width, height, on: map.iter().map(|p| *p > part.threshold).collect() };
        let map = Map { probabilities: map, width, height };
        borders(&mask.dilated(), CANDIDATES).iter().filter_map(|b| self.box_of(b, &map, part)).collect()
    }

    fn box_of(&self, border: &[[i32; 2]], map: &Map<'_>, part: &OcrPart) -> Option<Quad> {
        let (quad, side) = smallest_rectangle(border)?;
        if side < SHORTEST || part.box_threshold > map.mean_within(&quad) {
            return None;
        }
        let (quad, side) = smallest_rectangle(&grown(&quad, part.unclip))?;
        if side < SHORTEST_GROWN {
            return None;
        }
        let (width, height) = (self.picture.width() as f32, self.picture.height() as f32);
        let to = |v: f32, from: usize, to: f32| (v / from as f32 * to).round_ties_even().clamp(0.0, to);
        let quad = quad.map(|[x, y]| [to(x, map.width, width), to(y, map.height, height)]);
        let quad = clockwise(quad).map(|[x, y]| [x.clamp(0.0, width - 1.0), y.clamp(0.0, height - 1.0)]);
        let long_enough = |p: [f32; 2], q: [f32; 2]| distance(p, q).trunc() > 3.0;
        (long_enough(quad[0], quad[1]) && long_enough(quad[0], quad[3])).then_some(quad)
    }
}

/// Length of the straight line between two points.
pub(super) fn distance(p: [f32; 2], q: [f32; 2]) -> f32 {
    let [dx, dy] = [p[0] - q[0], p[1] - q[1]];
    (dx * dx + dy * dy).sqrt()
}

/// How a picture is brought within the limits, as widths and heights.
struct Sizes {
    /// To which it is resized, one after the other.
    scaled: Vec<[u32; 2]>,
    /// The border on the left and the right, and at the top and the bottom.
    border: [u32; 2],
    /// Of the detector's input.
    input: [u32; 2],
}

impl Sizes {
    /// Those for a picture of this size; `None` when a side would vanish, or there would be too many pixels.
    ///
    /// The detector's input has no more pixels than one of `longest` on both sides, or than one of [`SLIMMEST`] whose
    /// shorter side is `side`, whichever is more. Flat pictures are kept within that by rapidocr's border; slim ones get
    /// the same border at their sides where they would exceed it, for which rapidocr has no limit.
    fn of(original: [u32; 2], part: &OcrPart) -> Option<Self> {
        let (mut size, mut scaled) = (original, Vec::new());
        let longer = size[0].max(size[1]);
        if longer > part.longest {
            size = rounded(size, f64::from(part.longest) / f64::from(longer))?;
            scaled.push(size);
        }
        let shorter = size[0].min(size[1]);
        if shorter < NARROWEST {
            size = rounded(size, f64::from(NARROWEST) / f64::from(shorter))?;
            scaled.push(size);
        }
        let mut border = [0, border_of(size)];
        if border[1] == 0 && pixels(input_of(size, part.side)?) > most(part) {
            border = [border_of([size[1], size[0]]), 0];
        }
        let page = [0, 1].map(|axis: usize| size[axis].saturating_add(border[axis].saturating_mul(2)));
        let input = input_of(page, part.side)?;
        let fits = pixels(page).max(pixels(input)) <= most(part);
        fits.then_some(Self { scaled, border, input })
    }
}

fn pixels([width, height]: [u32; 2]) -> u64 {
    u64::from(width) * u64::from(height)
}

/// Most pixels of the detector's input. Sides are rounded to multiples of 32, so up to 32 more than asked for.
fn most(part: &OcrPart) -> u64 {
    let square = |side: u32| (u64::from(side) + MULTIPLE as u64).pow(2);
    square(part.longest).max(SLIMMEST * square(part.side))
}

/// The size of the detector's input: the shorter side is at least `side`.
fn input_of(size: [u32; 2], side: u32) -> Option<[u32; 2]> {
    let shorter = size[0].min(size[1]);
    rounded(size, if shorter < side { f64::from(side) / f64::from(shorter) } else { 1.0 })
}

/// `None` when a side would vanish. Sides are truncated, then rounded to multiples of 32, half to even.
fn rounded(size: [u32; 2], ratio: f64) -> Option<[u32; 2]> {
    let side = |v: u32| ((f64::from(v) * ratio).trunc() / MULTIPLE).round_ties_even() * MULTIPLE;
    let size = size.map(|v| side(v) as u32);
    (!size.contains(&0)).then_some(size)
}

/// The border above and below that a picture needs to be flat no longer.
fn border_of([width, height]: [u32; 2]) -> u32 {
    let flat = f64::from(width) / f64::from(height) > FLATTEST;
    if height > NARROWEST && !flat {
        return 0;
    }
    let wanted = ((f64::from(width) / FLATTEST) as u32).max(NARROWEST) * 2;
    wanted.abs_diff(height) / 2
}

fn bordered(picture: &RgbImage, [left, top]: [u32; 2]) -> RgbImage {
    let mut page = RgbImage::new(picture.width() + 2 * left, picture.height() + 2 * top);
    image::imageops::replace(&mut page, picture, i64::from(left), i64::from(top));
    page
}

/// The detector's output.
struct Map<'a> {
    probabilities: &'a [f32],
    width: usize,
    height: usize,
}

impl Map<'_> {
    /// The mean probability inside a quadrilateral, its outline included.
    ///
    /// Source: `box_score_fast` of PaddleOCR; the filled pixels are those of OpenCV's `fillPoly`
    /// on the corners truncated to whole pixels from the bounding box's corner.
    fn mean_within(&self, quad: &Quad) -> f64 {
        let bound = |axis: usize, size: usize| {
            let last = size.saturating_sub(1) as f32;
            let low = quad.iter().map(|p| p[axis]).fold(f32::INFINITY, f32::min).floor().clamp(0.0, last);
            let high = quad.iter().map(|p| p[axis]).fold(f32::NEG_INFINITY, f32::max).ceil().clamp(0.0, last);
            (low, (high - low) as usize + 1)
        };
        let ((left, width), (top, height)) = (bound(0, self.width), bound(1, self.height));
        let corners = quad.map(|p| [(p[0] - left) as i32, (p[1] - top) as i32]);
        let (mut sum, mut count) = (0.0, 0usize);
        for (y, span) in spans(&corners, width, height).into_iter().enumerate() {
            let Some((from, to)) = span else { continue };
            let start = (top as usize + y) * self.width + left as usize;
            let row = self.probabilities.get(start + from..=start + to).unwrap_or_default();
            sum += row.iter().map(|p| f64::from(*p)).sum::<f64>();
            count += row.len();
        }
        if count == 0 { 0.0 } else { sum / count as f64 }
    }
}

/// For each row, the first and the last column of the filled quadrilateral.
fn spans(corners: &[[i32; 2]; 4], width: usize, height: usize) -> Vec<Option<(usize, usize)>> {
    let mut rows: Vec<Option<(i32, i32)>> = vec![None; height];
    let next = corners.iter().cycle().skip(1);
    for (from, to) in corners.iter().zip(next) {
        draw(*from, *to, |x, y| {
            let row = usize::try_from(y).ok().and_then(|y| rows.get_mut(y));
            if let Some(row) = row {
                *row = Some(row.map_or((x, x), |(low, high)| (low.min(x), high.max(x))));
            }
        });
    }
    let last = width as i32 - 1;
    let within =
        |(low, high): (i32, i32)| (high >= 0 && low <= last).then(|| (low.max(0) as usize, high.min(last) as usize));
    rows.into_iter().map(|row| row.and_then(within)).collect()
}

/// The pixels of a line, as OpenCV's 8-connected Bresenham takes them.
fn draw(from: [i32; 2], to: [i32; 2], mut plot: impl FnMut(i32, i32)) {
    let (from, to) = if from[0] <= to[0] { (from, to) } else { (to, from) };
    let (dx, dy) = (to[0] - from[0], (to[1] - from[1]).abs());
    let down = if to[1] >= from[1] { 1 } else { -1 };
    let (steep, major, minor) = if dy > dx { (true, dy, dx) } else { (false, dx, dy) };
    let [mut x, mut y] = from;
    let mut error = major - 2 * minor;
    for _ in 0..=major {
        plot(x, y);
        let aside = error < 0;
        error += if aside { 2 * major - 2 * minor } else { -2 * minor };
        if steep || aside {
            y += down;
        }
        if !steep || aside {
            x += 1;
        }
    }
}

/// Orders boxes top to bottom and, within a row, left to right.
///
/// A row ends where the next box, from top to bottom, starts 10 pixels or more below the one before.
/// Source: `sorted_boxes` of rapidocr 3.10.
pub(super) fn in_rows(mut boxes: Vec<Quad>) -> Vec<Quad> {
    boxes.sort_by(|a, b| a[0][1].total_cmp(&b[0][1]));
    let mut rows: Vec<Vec<Quad>> = Vec::new();
    let mut last_top = f32::NEG_INFINITY;
    for quad in boxes {
        match rows.last_mut() {
            Some(row) if quad[0][1] - last_top < 10.0 => row.push(quad),
            _ => rows.push(vec![quad]),
        }
        last_top = quad[0][1];
    }
    for row in &mut rows {
        row.sort_by(|a, b| a[0][0].total_cmp(&b[0][0]));
    }
    rows.concat()
}
