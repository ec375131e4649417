//! A canvas that strokes polygons and writes labels, whatever the coordinates.

use ab_glyph::{FontRef, PxScale};
use image::{Rgb, RgbImage};
use imageproc::drawing::{draw_filled_rect_mut, draw_text_mut, text_size};
use imageproc::rect::Rect;

/// Red, green, blue.
pub(super) type Colour = [u8; 3];

const BLACK: Colour = [0, 0, 0];
const WHITE: Colour = [255, 255, 255];

/// Pixels to draw on, with line width and text size fit for their number.
pub(super) struct Canvas {
    pixels: RgbImage,
    font: Option<FontRef<'static>>,
    stroke: f64,
    text: f64,
    /// Where labels and text stand already: left, top, right, bottom.
    taken: Vec<[i32; 4]>,
}

impl Canvas {
    pub(super) fn new(pixels: RgbImage) -> Self {
        let side = f64::from(pixels.width().max(pixels.height()));
        Self {
            font: FontRef::try_from_slice(epaint_default_fonts::HACK_REGULAR).ok(),
            stroke: (side / 320.0).clamp(1.5, 12.0),
            text: (side / 42.0).clamp(11.0, 72.0),
            taken: Vec::new(),
            pixels,
        }
    }

    pub(super) fn into_pixels(self) -> RgbImage {
        self.pixels
    }

    /// A thin dark edge around where [`Canvas::polygon`] will draw, so that any colour shows on any ground.
    pub(super) fn outline(&mut self, corners: &[[f64; 2]; 4]) {
        self.stroke_polygon(corners, BLACK, self.stroke + 1.6, 0.55);
    }

    /// A closed polygon.
    pub(super) fn polygon(&mut self, corners: &[[f64; 2]; 4], colour: Colour) {
        self.stroke_polygon(corners, colour, self.stroke, 1.0);
    }

    fn stroke_polygon(&mut self, corners: &[[f64; 2]; 4], colour: Colour, width: f64, opacity: f64) {
        let [a, b, c, d] = *corners;
        for (from, to) in [(a, b), (b, c), (c, d), (d, a)] {
            self.segment(from, to, colour, width, opacity);
        }
    }

    /// A spot with a dark edge.
    pub(super) fn dot(&mut self, at: [f64; 2], colour: Colour) {
        self.segment(at, at, BLACK, 3.0 * self.stroke + 1.6, 0.55);
        self.segment(at, at, colour, 3.0 * self.stroke, 1.0);
    }

    /// Colours the box between two corners where a picture that is stretched over it is bright.
    pub(super) fn tint(&mut self, corners: &[[f64; 2]; 4], mask: &RgbImage, colour: Colour) {
        let Some([left, top, right, bottom]) = bounds(corners) else { return };
        let (columns, rows) = (within(left, right, self.pixels.width()), within(top, bottom, self.pixels.height()));
        let at = |n: u32, from: f64, to: f64, size: u32| {
            (((f64::from(n) + 0.5 - from) / (to - from).max(f64::MIN_POSITIVE)) * f64::from(size)).max(0.0) as u32
        };
        for y in rows.0..rows.1 {
            for x in columns.0..columns.1 {
                let (u, v) = (at(x, left, right, mask.width()), at(y, top, bottom, mask.height()));
                let cover = mask.get_pixel_checked(u, v).map_or(0.0, |pixel| f64::from(pixel.0[0]) / 255.0);
                if let Some(pixel) = self.pixels.get_pixel_mut_checked(x, y) {
                    blend(&mut pixel.0, colour, cover * 0.5);
                }
            }
        }
    }

    /// A straight stroke with round ends and smooth edges, clipped to the image.
    fn segment(&mut self, a: [f64; 2], b: [f64; 2], colour: Colour, width: f64, opacity: f64) {
        if ![a, b].as_flattened().iter().all(|v| v.is_finite()) {
            return;
        }
        let reach = width / 2.0 + 1.0;
        let (left, right) = within(a[0].min(b[0]) - reach, a[0].max(b[0]) + reach, self.pixels.width());
        let (top, bottom) = within(a[1].min(b[1]) - reach, a[1].max(b[1]) + reach, self.pixels.height());
        for y in top..bottom {
            for x in left..right {
                let distance = distance(a, b, [f64::from(x) + 0.5, f64::from(y) + 0.5]);
                let cover = (width / 2.0 + 0.5 - distance).clamp(0.0, 1.0) * opacity;
                if cover > 0.0
                    && let Some(pixel) = self.pixels.get_pixel_mut_checked(x, y)
                {
                    blend(&mut pixel.0, colour, cover);
                }
            }
        }
    }

    /// Keeps labels off a shape as long as there is room elsewhere.
    pub(super) fn keep_clear(&mut self, corners: &[[f64; 2]; 4]) {
        if let Some([left, top, right, bottom]) = bounds(corners) {
            self.taken.push([left.ceil() as i32, top.ceil() as i32, right.floor() as i32, bottom.floor() as i32]);
        }
    }

    /// A label beside a shape, where it is free: above it at the left, else within, below or beside it.
    ///
    /// With `height` it is the label of a line of text: no taller than that, and left out rather than
    /// written over other text.
    pub(super) fn label(&mut self, corners: &[[f64; 2]; 4], colour: Colour, text: &str, height: Option<f64>) {
        let Some([left, top, right, bottom]) = bounds(corners) else { return };
        let (width, high) = (f64::from(self.pixels.width()), f64::from(self.pixels.height()));
        if right < 0.0 || bottom < 0.0 || left > width || top > high {
            return;
        }
        let size = height.map_or(self.text, |h| (h * 0.8).clamp(9.0, self.text));
        let Some((text, [w, h])) = self.fitted(text, size) else { return };
        let half = self.stroke / 2.0;
        let (above, x) = (top - half - f64::from(h), left - half);
        let middle = f64::midpoint(top, bottom) - f64::from(h) / 2.0;
        let places = [
            [x, above],
            [x, top + half],
            [x, bottom + half],
            [right + half - f64::from(w), above],
            [right + half + 1.0, middle],
            [left - half - 1.0 - f64::from(w), middle],
            [x, bottom - half - f64::from(h)],
        ];
        let spots: Vec<[i32; 4]> = places.iter().map(|[x, y]| self.spot(*x, *y, w, h)).collect();
        let is_free = |s: &&[i32; 4]| self.taken.iter().all(|t| !overlap(s, t));
        let free = spots.iter().find(is_free);
        let Some(spot) = free.or(spots.first().filter(|_| height.is_none())).copied() else { return };
        self.write(spot, colour, &text, size);
    }

    /// A heading in the top left corner.
    pub(super) fn title(&mut self, text: &str) {
        let size = self.text * 1.25;
        if let Some((text, [w, h])) = self.fitted(text, size) {
            let spot = self.spot(0.0, 0.0, w, h);
            self.write(spot, BLACK, &text, size);
        }
    }

    fn clamp_x(&self, x: f64, width: u32) -> f64 {
        x.min(f64::from(self.pixels.width()) - f64::from(width)).max(0.0)
    }

    /// A rectangle of this size as near to (x, y) as the image allows.
    fn spot(&self, x: f64, y: f64, width: u32, height: u32) -> [i32; 4] {
        let y = y.min(f64::from(self.pixels.height()) - f64::from(height)).max(0.0);
        let (x, y) = (self.clamp_x(x, width).round() as i32, y.round() as i32);
        [x, y, x.saturating_add_unsigned(width), y.saturating_add_unsigned(height)]
    }

    /// The text, cut so that it fits the image, and the size of its background.
    fn fitted(&self, text: &str, size: f64) -> Option<(String, [u32; 2])> {
        let font = self.font.as_ref()?;
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
        let pad = padding(size);
        let measure = |text: &str| text_size(PxScale::from(size as f32), font, text).0.saturating_add(2 * pad);
        let height = (size.ceil() as u32).saturating_add(pad);
        let mut cut: Vec<char> = text.trim().chars().collect();
        let mut shown = text.trim().to_owned();
        while measure(&shown) > self.pixels.width() {
            cut.pop()?;
            shown = cut.iter().collect::<String>() + "…";
        }
        (!cut.is_empty() && height <= self.pixels.height()).then(|| {
            let width = measure(&shown);
            (shown, [width, height])
        })
    }

    fn write(&mut self, spot: [i32; 4], ground: Colour, text: &str, size: f64) {
        let [x, y, right, bottom] = spot;
        let (Ok(w), Ok(h)) = (u32::try_from(right - x), u32::try_from(bottom - y)) else { return };
        if w == 0 || h == 0 {
            return;
        }
        draw_filled_rect_mut(&mut self.pixels, Rect::at(x, y).of_size(w, h), Rgb(ground));
        let ink = if luminance(ground) > 0.36 { BLACK } else { WHITE };
        let pad = i32::try_from(padding(size)).unwrap_or(2);
        if let Some(font) = &self.font {
            draw_text_mut(&mut self.pixels, Rgb(ink), x + pad, y + pad / 2, PxScale::from(size as f32), font, text);
        }
        self.taken.push(spot);
    }
}

fn padding(size: f64) -> u32 {
    (size * 0.22).round().max(2.0) as u32
}

/// The whole pixels between two coordinates, within `0..size`.
fn within(from: f64, to: f64, size: u32) -> (u32, u32) {
    let size = f64::from(size);
    (from.floor().clamp(0.0, size) as u32, to.ceil().clamp(0.0, size) as u32)
}

fn distance(a: [f64; 2], b: [f64; 2], p: [f64; 2]) -> f64 {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let length = dx * dx + dy * dy;
    let t = if length > 0.0 { (((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / length).clamp(0.0, 1.0) } else { 0.0 };
    (p[0] - a[0] - t * dx).hypot(p[1] - a[1] - t * dy)
}

fn blend(pixel: &mut Colour, colour: Colour, cover: f64) {
    for (p, c) in pixel.iter_mut().zip(colour) {
        *p = (f64::from(*p) * (1.0 - cover) + f64::from(c) * cover).round() as u8;
    }
}

fn least(values: [f64; 4]) -> f64 {
    values.into_iter().fold(f64::INFINITY, f64::min)
}

/// Left, top, right, bottom of a shape; nothing when a coordinate is not finite.
fn bounds(corners: &[[f64; 2]; 4]) -> Option<[f64; 4]> {
    let xs = corners.map(|c| c[0]);
    let ys = corners.map(|c| c[1]);
    let all = [least(xs), least(ys), -least(xs.map(|x| -x)), -least(ys.map(|y| -y))];
    corners.as_flattened().iter().all(|v| v.is_finite()).then_some(all)
}

fn overlap(a: &[i32; 4], b: &[i32; 4]) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

/// Relative luminance, 0 to 1.
fn luminance([r, g, b]: Colour) -> f64 {
    let linear = |c: u8| (f64::from(c) / 255.0).powf(2.2);
    0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
}
