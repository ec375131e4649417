//! Depth models: how near each place is.

use ndarray::{Array2, s};

use super::head::Head;
use super::input::Placement;
use super::outputs::plane;
use crate::error::Result;
use crate::image::Image;
use crate::runner::Tensors;
use crate::value::Grid;

/// Most cells of a map's longer side: a mean over more says as much of how near a thing is.
const MAX_SIDE: usize = 128;

/// The map of a depth model, over the picture; larger numbers are nearer, from 0 to 1 unless the head says otherwise.
///
/// # Errors
/// `Model` when the output is no single grid of numbers.
pub(super) fn map(head: &Head, outputs: Tensors, image: &Image, place: &Placement) -> Result<Grid> {
    let (grid, bounds) = within(&plane(head, outputs)?, image, place);
    let sign = if head.invert.unwrap_or(false) { -1.0 } else { 1.0 };
    let grid = reduced(&grid.mapv(|number| sign * number));
    let (least, most) = grid.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, m), n| (l.min(*n), m.max(*n)));
    let data: Vec<f32> = if head.normalize.unwrap_or(true) {
        grid.iter().map(|number| if most > least { (number - least) / (most - least) } else { 0.0 }).collect()
    } else {
        grid.iter().map(|number| sign * number).collect()
    };
    let ((x1, y1), (x2, y2)) =
        (image.frame().to_root(bounds[0], bounds[1]), image.frame().to_root(bounds[2], bounds[3]));
    Ok(Grid { width: grid.ncols() as u32, height: grid.nrows() as u32, bounds: [x1, y1, x2, y2], data })
}

/// The cells whose middles lie in the picture, and what they cover, in its pixels: what a picture was filled up with is
/// as near as anything.
fn within(grid: &Array2<f32>, image: &Image, place: &Placement) -> (Array2<f32>, [f64; 4]) {
    let cells = |count: usize, n: usize, side: u32| -> (usize, usize, [f64; 2]) {
        let cell = place.input[n] / count.max(1) as f64;
        let to_picture = |at: f64| (at * cell - place.offset[n]) / place.scale[n];
        let inside = |at: &usize| (0.0..f64::from(side)).contains(&to_picture(*at as f64 + 0.5));
        let first = (0..count).find(inside).unwrap_or(0);
        let end = (first..count).take_while(inside).last().map_or(count, |last| last + 1);
        (first, end, [to_picture(first as f64), to_picture(end as f64)])
    };
    let (top, bottom, [y1, y2]) = cells(grid.nrows(), 1, image.height());
    let (left, right, [x1, x2]) = cells(grid.ncols(), 0, image.width());
    (grid.slice(s![top..bottom, left..right]).to_owned(), [x1, y1, x2, y2])
}

/// A grid with so few cells that a trace can hold it: each the mean of those it stands for, as many as its neighbours or
/// one more.
fn reduced(grid: &Array2<f32>) -> Array2<f32> {
    let (rows, columns) = grid.dim();
    let step = rows.max(columns).div_ceil(MAX_SIDE).max(1);
    if step == 1 {
        return grid.clone();
    }
    let (fewer_rows, fewer_columns) = (rows.div_ceil(step), columns.div_ceil(step));
    Array2::from_shape_fn((fewer_rows, fewer_columns), |(row, column)| {
        let from = |n: usize, of: usize, fewer: usize| n * of / fewer;
        let (top, bottom) = (from(row, rows, fewer_rows), from(row + 1, rows, fewer_rows));
        let (left, right) = (from(column, columns, fewer_columns), from(column + 1, columns, fewer_columns));
        grid.slice(s![top..bottom, left..right]).mean().unwrap_or_default()
    })
}
