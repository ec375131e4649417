//! Barcodes: codes of one dimension.

use image::{GrayImage, Luma, imageops};
use imageproc::drawing::draw_polygon_mut;
use imageproc::geometric_transformations::{Border, Interpolation, Projection, warp_into};
use imageproc::point::Point;
use rxing::common::HybridBinarizer;
use rxing::{BarcodeFormat, BinaryBitmap, DecodeHints, MultiFormatReader, Reader};

use super::{Code, source};

/// Most barcodes that are looked for.
const MOST: usize = 32;
/// Turns, in degrees, in which a picture is looked at until there is a code in it. A reader crosses all bars of a
/// code that is turned by less than about 20 degrees, and looks at columns as at rows.
const TURNS: [f32; 3] = [0.0, 30.0, 60.0];
/// The longer side, in pixels, up to which a picture is enlarged, by 3 at most.
const LARGE: u32 = 1600;
/// A line belongs to a code while its levels go with those of the line before (correlation).
const SAME: f64 = 0.7;
/// Kinds of codes, those first that are least likely to be read where there is none. UPC-E and ITF are read in pieces of
/// other codes, so they are left out.
const KINDS: [&[BarcodeFormat]; 2] = [
    &[BarcodeFormat::CODE_128, BarcodeFormat::CODE_39, BarcodeFormat::CODE_93],
    &[BarcodeFormat::EAN_13, BarcodeFormat::UPC_A, BarcodeFormat::EAN_8],
];
/// Beside a code it is light for at least so many modules (widths of its narrowest bar); within, for at most 4.
const QUIET: f64 = 5.0;
/// The ends that the reader tells of an EAN are at most so many modules within the code. Of other codes it tells just
/// some points within.
const WITHIN: f64 = 5.0;
/// So many bars and gaps are enough to tell the narrowest by; the shortest codes have 25.
const RUNS: usize = 24;
/// How often a line is widened, by half of its length, to have so many.
const WIDENED: usize = 12;
/// What is lower, as a share of its width, is no code but a line of something else that happened to read as one.
const MIN_HEIGHT: f64 = 0.04;
/// Points along a line that are compared.
const SAMPLES: usize = 256;
/// White around a code that was read, as a share of its width, so that it is not read again.
const MARGIN: f64 = 0.03;

/// The barcodes in a picture. A small one is enlarged: the reader misses bars of a single pixel.
pub(super) fn codes(grey: &GrayImage) -> Vec<Code> {
    let by = (LARGE / grey.width().max(grey.height()).max(1)).clamp(1, 3);
    let large = match by {
        1 => grey.clone(),
        by => imageops::resize(grey, grey.width() * by, grey.height() * by, imageops::FilterType::CatmullRom),
    };
    let mut found = in_any_turn(&large);
    for coordinate in found.iter_mut().flat_map(|code| code.corners.as_flattened_mut()) {
        *coordinate /= f64::from(by);
    }
    found
}

/// The barcodes in the first turn of a picture that shows any.
fn in_any_turn(grey: &GrayImage) -> Vec<Code> {
    let turned = TURNS.iter().map(|degrees| match *degrees {
        0.0 => upright(grey.clone()),
        degrees => turned(grey, degrees),
    });
    turned.into_iter().find(|found| !found.is_empty()).unwrap_or_default()
}

/// The barcodes in a picture that is turned by so many degrees.
fn turned(grey: &GrayImage, degrees: f32) -> Vec<Code> {
    let (width, height) = (grey.width() as f32, grey.height() as f32);
    let side = width.hypot(height).ceil();
    let turn = Projection::translate(side / 2.0, side / 2.0)
        * Projection::rotate(degrees.to_radians())
        * Projection::translate(-width / 2.0, -height / 2.0);
    // A whole number between 0 and twice the side of an image.
    let side = side as u32;
    let mut canvas = GrayImage::new(side, side);
    warp_into(grey, turn, Interpolation::Bilinear, Border::Constant(Luma([255])), &mut canvas);
    let back = turn.invert();
    let mut found = upright(canvas);
    for corner in found.iter_mut().flat_map(|code| &mut code.corners) {
        let (x, y) = back * (corner[0] as f32, corner[1] as f32);
        *corner = [f64::from(x), f64::from(y)];
    }
    found
}

/// The barcodes whose bars cross rows or columns; each one that is read is painted over, and the picture read again.
fn upright(mut grey: GrayImage) -> Vec<Code> {
    let mut found = Vec::new();
    for kinds in KINDS {
        for _ in 0..MOST {
            let Some((text, ends)) = read(&grey, kinds) else { break };
            let is_ean = kinds.contains(&BarcodeFormat::EAN_13);
            let whole = whole(&grey, ends, if is_ean { WITHIN } else { f64::INFINITY });
            let corners = outline(&grey, whole.unwrap_or(ends));
            let (along, across) = (distance(corners[0], corners[1]), distance(corners[0], corners[3]));
            let is_code = whole.is_some() && across >= MIN_HEIGHT * along;
            if is_code {
                found.push(Code { text, corners });
            }
            // What was read where no code is keeps its surroundings: it may be a piece of a code.
            paint_over(&mut grey, corners, if is_code { MARGIN * along + 2.0 } else { 0.0 });
        }
    }
    found
}

/// One barcode: its text, and the ends of a line through its bars, its first bar first.
fn read(grey: &GrayImage, kinds: &[BarcodeFormat]) -> Option<(String, [[f64; 2]; 2])> {
    let hints = DecodeHints {
        TryHarder: Some(true),
        PossibleFormats: Some(kinds.iter().copied().collect()),
        ..DecodeHints::default()
    };
    let mut bitmap = BinaryBitmap::new(HybridBinarizer::new(source(grey)?));
    let result = MultiFormatReader::default().decode_with_hints(&mut bitmap, &hints).ok()?;
    let mut ends = result.getPoints().iter().map(|p| [f64::from(p.x), f64::from(p.y)]);
    Some((result.getText().to_owned(), [ends.next()?, ends.next()?]))
}

/// The line through all bars of a code, from a line that ends so many modules within it at most; none where it is not
/// light on both sides.
fn whole(grey: &GrayImage, line: [[f64; 2]; 2], within: f64) -> Option<[[f64; 2]; 2]> {
    let (module, limit) = module(grey, line)?;
    // Points are half a pixel apart.
    let (quiet, within) = ((2.0 * QUIET * module).ceil() as usize, 2.0 * (within + QUIET) * module);
    let longest = 2.0 * f64::from(grey.width()).hypot(f64::from(grey.height()));
    let [from, to] = line;
    let end = |from: [f64; 2], to: [f64; 2]| {
        let step = steps(from, to);
        let mut light = 0;
        for n in 0..within.min(longest).ceil() as usize {
            let at = [to[0] + n as f64 * step[0], to[1] + n as f64 * step[1]];
            light = if is_dark(grey, at, limit) { 0 } else { light + 1 };
            if light >= quiet {
                let back = n as f64 - quiet as f64;
                return Some([to[0] + back * step[0], to[1] + back * step[1]]);
            }
        }
        None
    };
    Some([end(to, from)?, end(from, to)?])
}

/// Half a pixel along a line.
fn steps(from: [f64; 2], to: [f64; 2]) -> [f64; 2] {
    let length = distance(from, to).max(1.0);
    [0.5 * (to[0] - from[0]) / length, 0.5 * (to[1] - from[1]) / length]
}

/// The width of the narrowest bars and gaps around a line, in pixels (a fifth of them is no wider), and the level up to
/// which it is dark there.
fn module(grey: &GrayImage, mut line: [[f64; 2]; 2]) -> Option<(f64, f64)> {
    for _ in 0..WIDENED {
        let (mut runs, limit) = runs(grey, line);
        if runs.len() >= RUNS {
            runs.sort_unstable();
            return runs.get(runs.len() / 5).map(|run| (*run as f64 / 2.0, limit));
        }
        let [from, to] = line;
        let by = [(to[0] - from[0]) / 4.0, (to[1] - from[1]) / 4.0];
        line = [[from[0] - by[0], from[1] - by[1]], [to[0] + by[0], to[1] + by[1]]];
    }
    None
}

/// The lengths of the dark and light runs along a line, in half pixels, and the level up to which it is dark.
fn runs(grey: &GrayImage, [from, to]: [[f64; 2]; 2]) -> (Vec<usize>, f64) {
    let step = steps(from, to);
    // A line not much longer than the picture.
    let count = (2.0 * distance(from, to)) as usize;
    let at = |n: usize| [from[0] + n as f64 * step[0], from[1] + n as f64 * step[1]];
    let levels: Vec<f64> = (0..count).filter_map(|n| level(grey, at(n))).collect();
    let (least, most) = levels.iter().fold((255.0_f64, 0.0_f64), |(least, most), v| (least.min(*v), most.max(*v)));
    let limit = f64::midpoint(least, most);
    (levels.chunk_by(|a, b| (*a < limit) == (*b < limit)).map(<[f64]>::len).collect(), limit)
}

/// Whether it is dark at a point; outside of the picture it is not.
fn is_dark(grey: &GrayImage, at: [f64; 2], limit: f64) -> bool {
    level(grey, at).is_some_and(|level| level < limit)
}

/// The corners of a code, from its own top left: the line through its bars, moved up and down as far as they go.
fn outline(grey: &GrayImage, line: [[f64; 2]; 2]) -> [[f64; 2]; 4] {
    let [[top_left, top_right], [bottom_left, bottom_right]] = [-1.0, 1.0].map(|side| reach(grey, line, side));
    [top_left, top_right, bottom_right, bottom_left]
}

/// The line across the bars, moved to their end on one side (-1 is left of the line as it runs, 1 is right of it).
fn reach(grey: &GrayImage, line: [[f64; 2]; 2], side: f64) -> [[f64; 2]; 2] {
    let length = distance(line[0], line[1]).max(1.0);
    let along = [(line[1][0] - line[0][0]) / length, (line[1][1] - line[0][1]) / length];
    let across = [-along[1] * side, along[0] * side];
    let first = levels(grey, line);
    let mut reached = line;
    loop {
        // Bars that lean move along the line as it moves across.
        let shifts = [0.0, -1.0, 1.0].map(|shift| {
            let moved = reached.map(|[x, y]| [x + across[0] + shift * along[0], y + across[1] + shift * along[1]]);
            (correlation(&first, &levels(grey, moved)), moved)
        });
        let best = shifts.into_iter().reduce(|best, next| if next.0 > best.0 + 1e-9 { next } else { best });
        match best {
            Some((alike, moved)) if alike >= SAME => reached = moved,
            _ => return reached,
        }
    }
}

/// The levels along a line; none where it leaves the picture.
fn levels(grey: &GrayImage, [from, to]: [[f64; 2]; 2]) -> Vec<f64> {
    let at = |n: usize| {
        let t = (n as f64 + 0.5) / SAMPLES as f64;
        [from[0] + t * (to[0] - from[0]), from[1] + t * (to[1] - from[1])]
    };
    (0..SAMPLES).map_while(|n| level(grey, at(n))).collect()
}

/// The level at a point; none outside of the picture.
fn level(grey: &GrayImage, [x, y]: [f64; 2]) -> Option<f64> {
    let inside = x >= 0.0 && y >= 0.0;
    // Within the picture, or else there is no such pixel.
    inside.then(|| grey.get_pixel_checked(x as u32, y as u32)).flatten().map(|pixel| f64::from(pixel.0[0]))
}

/// Pearson's correlation; 0 where one of the two does not vary, or they differ in length.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    if a.len() != b.len() || a.is_empty() {
        return 0.0;
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut both, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        both += a * b;
        of_a += a * a;
        of_b += b * b;
    }
    let spread = (of_a * of_b).sqrt();
    if spread > 0.0 { both / spread } else { 0.0 }
}

/// Paints a code white, with a margin.
fn paint_over(grey: &mut GrayImage, corners: [[f64; 2]; 4], margin: f64) {
    let middle = [0, 1].map(|axis| corners.iter().map(|corner| corner[axis]).sum::<f64>() / 4.0);
    let outer = corners.map(|[x, y]| {
        let away = |value: f64, middle: f64| (value + margin.copysign(value - middle)).round() as i32;
        Point::new(away(x, middle[0]), away(y, middle[1]))
    });
    // The polygon is not closed, and a line has no inside.
    if outer.first() != outer.last() {
        draw_polygon_mut(grey, &outer, Luma([255]));
    }
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}
