//! Cuts a quadrilateral out of a picture and straightens it.

use image::{Rgb, RgbImage, imageops};

use super::detect::distance;
use super::rect::Quad;

/// A projective map of the plane, row by row; the last entry is 1.
type Projection = [f64; 9];

/// The picture inside a quadrilateral, straightened; boxes at least one and a
/// half times as high as wide are turned a quarter anticlockwise, and the flag says so.
///
/// `None` when a side is shorter than a pixel.
pub(super) fn cut(picture: &RgbImage, quad: &Quad) -> Option<(RgbImage, bool)> {
    let width = distance(quad[0], quad[1]).max(distance(quad[2], quad[3])) as u32;
    let height = distance(quad[0], quad[3]).max(distance(quad[1], quad[2])) as u32;
    if width == 0 || height == 0 {
        return None;
    }
    let straight = match upright(quad) {
        Some((x, y)) => imageops::crop_imm(picture, x, y, width, height).to_image(),
        None => warped(picture, &projection(quad, width, height)?, width, height),
    };
    let turned = f64::from(height) / f64::from(width) >= 1.5;
    Some(if turned { (imageops::rotate270(&straight), true) } else { (straight, false) })
}

/// The top left corner, when the sides are level and plumb and the corners whole: then no pixel needs interpolating.
fn upright([tl, tr, br, bl]: &Quad) -> Option<(u32, u32)> {
    let level = tl[1] == tr[1] && bl[1] == br[1] && tl[0] == bl[0] && tr[0] == br[0];
    let whole = tl.iter().chain(br).all(|v| v.fract() == 0.0 && *v >= 0.0);
    (level && whole).then_some((tl[0] as u32, tl[1] as u32))
}

/// The map from the straightened picture to the quadrilateral.
///
/// Source: the equations of OpenCV's `getPerspectiveTransform`, solved the other way round.
fn projection(quad: &Quad, width: u32, height: u32) -> Option<Projection> {
    let (w, h) = (f64::from(width), f64::from(height));
    let flat = [[0.0, 0.0], [w, 0.0], [w, h], [0.0, h]];
    let mut rows = Vec::with_capacity(8);
    for ([x, y], corner) in flat.iter().zip(quad) {
        let (u, v) = (f64::from(corner[0]), f64::from(corner[1]));
        rows.push([*x, *y, 1.0, 0.0, 0.0, 0.0, -x * u, -y * u, u]);
        rows.push([0.0, 0.0, 0.0, *x, *y, 1.0, -x * v, -y * v, v]);
    }
    let [a, b, c, d, e, f, g, i] = solve(rows)?;
    Some([a, b, c, d, e, f, g, i, 1.0])
}

/// Solves eight linear equations, the right side last, by elimination with pivoting.
fn solve(mut rows: Vec<[f64; 9]>) -> Option<[f64; 8]> {
    if rows.len() != 8 {
        return None;
    }
    for column in 0..8 {
        let pivot = (column..8).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))?;
        rows.swap(column, pivot);
        let pivot = rows[column];
        if pivot[column].abs() < 1e-12 {
            return None;
        }
        for (_, row) in rows.iter_mut().enumerate().filter(|(i, _)| *i != column) {
            let factor = row[column] / pivot[column];
            for (value, by) in row.iter_mut().zip(pivot).skip(column) {
                *value -= factor * by;
            }
        }
    }
    Some(std::array::from_fn(|i| rows[i][8] / rows[i][i]))
}

/// Interpolates bicubically; beyond the edges the edge pixels repeat.
///
/// Source: OpenCV 5's `warpPerspective` with `INTER_CUBIC` and `BORDER_REPLICATE`.
fn warped(picture: &RgbImage, m: &Projection, width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = (f64::from(x), f64::from(y));
        let depth = m[6] * x + m[7] * y + m[8];
        let at = [(m[0] * x + m[1] * y + m[2]) / depth, (m[3] * x + m[4] * y + m[5]) / depth];
        cubic(picture, at)
    })
}

fn cubic(picture: &RgbImage, [x, y]: [f64; 2]) -> Rgb<u8> {
    let (column, row) = (x.floor(), y.floor());
    let (across, down) = (weights(x - column), weights(y - row));
    let clamped = |v: f64, size: u32| (v as i64).clamp(0, i64::from(size) - 1) as u32;
    let columns: [u32; 4] = std::array::from_fn(|i| clamped(column + i as f64 - 1.0, picture.width()));
    let mut sums = [0.0; 3];
    for (i, row_weight) in down.iter().enumerate() {
        let line = clamped(row + i as f64 - 1.0, picture.height());
        for (column, weight) in columns.iter().zip(across) {
            let pixel = picture.get_pixel(*column, line).0;
            for (sum, value) in sums.iter_mut().zip(pixel) {
                *sum += f64::from(value) * weight * row_weight;
            }
        }
    }
    Rgb(sums.map(|s| s.round_ties_even().clamp(0.0, 255.0) as u8))
}

/// Cubic convolution (Keys 1981) with a = -0.75, for a point `t` beyond the second of four pixels.
fn weights(t: f64) -> [f64; 4] {
    const A: f64 = -0.75;
    let outer = |d: f64| ((A * d - 5.0 * A) * d + 8.0 * A) * d - 4.0 * A;
    let inner = |d: f64| ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0;
    let (w0, w1, w2) = (outer(t + 1.0), inner(t), inner(1.0 - t));
    [w0, w1, w2, 1.0 - w0 - w1 - w2]
}
