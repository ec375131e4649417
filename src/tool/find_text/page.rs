//! The page: lines with their place, straightened, so that "right of" and "below" mean what a reader sees.

use std::ops::Range;

use super::money::{Amount, amounts};
use super::words::{Vocabulary, Word};
use crate::value::Line;

/// A line where it stands on the straightened page.
#[derive(Debug)]
pub(super) struct Cell<'a> {
    pub(super) line: &'a Line,
    pub(super) words: Vec<Word>,
    pub(super) amounts: Vec<Amount>,
    pub(super) left: f64,
    pub(super) right: f64,
    /// The middle, top to bottom.
    pub(super) y: f64,
    pub(super) height: f64,
    /// The number of its row, top to bottom.
    pub(super) row: usize,
}

/// All lines of an image, in rows.
#[derive(Debug)]
pub(super) struct Page<'a> {
    /// Row by row, left to right.
    pub(super) cells: Vec<Cell<'a>>,
}

impl<'a> Page<'a> {
    pub(super) fn new(lines: &'a [Line], vocabulary: &Vocabulary) -> Self {
        let (sin, cos) = (-slant(lines)).sin_cos();
        let finite = |line: &&Line| line.polygon.as_flattened().iter().all(|v| v.is_finite());
        let mut cells: Vec<Cell<'a>> =
            lines.iter().filter(finite).map(|line| place(line, vocabulary, sin, cos)).collect();
        cells.sort_by(|a, b| a.y.total_cmp(&b.y));
        set_rows(&mut cells);
        cells.sort_by(|a, b| a.row.cmp(&b.row).then(a.left.total_cmp(&b.left)));
        Self { cells }
    }

    /// The outermost left and right of all cells.
    pub(super) fn sides(&self) -> (f64, f64) {
        let left = self.cells.iter().map(|c| c.left).fold(f64::INFINITY, f64::min);
        let right = self.cells.iter().map(|c| c.right).fold(f64::NEG_INFINITY, f64::max);
        (left, right)
    }

    /// The cells of a row, left to right.
    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = &Cell<'a>> {
        self.cells.iter().filter(move |cell| cell.row == row)
    }

    /// The cells right of a cell in its row, left to right.
    pub(super) fn right_of<'p>(&'p self, cell: &'p Cell<'a>) -> impl Iterator<Item = &'p Cell<'a>> {
        self.row(cell.row).filter(move |other| other.left > cell.left && !std::ptr::eq(*other, cell))
    }

    /// The cell directly left of a cell.
    pub(super) fn left_of<'p>(&'p self, cell: &'p Cell<'a>) -> Option<&'p Cell<'a>> {
        self.row(cell.row).filter(|other| other.left < cell.left).last()
    }

    /// The cells of the next row, when it is no further away than the one after would be.
    pub(super) fn next_row<'p>(&'p self, cell: &Cell<'a>) -> impl Iterator<Item = &'p Cell<'a>> {
        let (y, height, row) = (cell.y, cell.height, cell.row + 1);
        self.cells.iter().filter(move |other| other.row == row && other.y - y < 2.6 * height.max(other.height))
    }
}

/// How far the lines lean, in radians: the middle of all, long lines first.
fn slant(lines: &[Line]) -> f64 {
    let mut leans: Vec<(f64, f64)> = lines
        .iter()
        .filter(|line| line.text.chars().count() >= 5)
        .map(|line| {
            let [[ax, ay], [bx, by], [cx, cy], [dx, dy]] = line.polygon;
            let (x, y) = (bx - ax + cx - dx, by - ay + cy - dy);
            (y.atan2(x), x.hypot(y))
        })
        .filter(|(angle, length)| angle.is_finite() && length.is_finite())
        .collect();
    leans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = leans.iter().map(|l| l.1).sum::<f64>() / 2.0;
    let mut sum = 0.0;
    leans
        .iter()
        .find(|(_, length)| {
            sum += length;
            sum >= half
        })
        .map_or(0.0, |(angle, _)| *angle)
}

fn place<'a>(line: &'a Line, vocabulary: &Vocabulary, sin: f64, cos: f64) -> Cell<'a> {
    let turned = line.polygon.map(|[x, y]| [x * cos - y * sin, x * sin + y * cos]);
    let xs = turned.map(|p| p[0]);
    let ys = turned.map(|p| p[1]);
    let (left, right) = (least(xs), -least(xs.map(|x| -x)));
    let (top, bottom) = (least(ys), -least(ys.map(|y| -y)));
    Cell {
        line,
        words: vocabulary.words(&line.text),
        amounts: amounts(&line.text),
        left,
        right,
        y: f64::midpoint(top, bottom),
        height: (bottom - top).max(1.0),
        row: 0,
    }
}

fn least(values: [f64; 4]) -> f64 {
    values.into_iter().fold(f64::INFINITY, f64::min)
}

/// Numbers the rows of cells that are sorted from top to bottom. A cell joins the row of an earlier
/// one that it stands beside; boxes that lie over each other are not beside each other.
fn set_rows(cells: &mut [Cell<'_>]) {
    let mut rows: Vec<Vec<[f64; 4]>> = Vec::new();
    for cell in cells {
        let place = [cell.left, cell.right, cell.y, cell.height];
        let from = rows.len().saturating_sub(3);
        let joined = rows.iter().enumerate().skip(from).filter_map(|(n, row)| Some((beside(row, &place)?, n)));
        let row = match joined.min_by(|a, b| a.0.total_cmp(&b.0)) {
            Some((_, n)) => n,
            None => {
                rows.push(Vec::new());
                rows.len() - 1
            }
        };
        cell.row = row;
        if let Some(row) = rows.get_mut(row) {
            row.push(place);
        }
    }
}

/// How far a cell is from the nearest of a row, in heights of the lower of the two, when it fits into it.
fn beside(row: &[[f64; 4]], cell: &[f64; 4]) -> Option<f64> {
    let [left, right, y, height] = *cell;
    let covers = |c: &[f64; 4]| right.min(c[1]) - left.max(c[0]) > 0.5 * (right - left).min(c[1] - c[0]);
    if row.iter().any(covers) {
        return None;
    }
    let gap = |c: &[f64; 4]| (left - c[1]).max(c[0] - left);
    let nearest = row.iter().min_by(|a, b| gap(a).total_cmp(&gap(b)))?;
    let distance = (y - nearest[2]).abs() / height.min(nearest[3]);
    (distance < 0.6).then_some(distance)
}

/// The part of a line between two byte positions of its text, with as much of its polygon.
pub(super) fn part_of(line: &Line, span: &Range<usize>) -> Line {
    let chars = |text: &str| text.chars().count() as f64;
    let total = chars(&line.text).max(1.0);
    let from = chars(line.text.get(..span.start).unwrap_or_default()) / total;
    let to = from + chars(line.text.get(span.clone()).unwrap_or_default()) / total;
    let [a, b, c, d] = line.polygon;
    let between = |p: [f64; 2], q: [f64; 2], t: f64| [p[0] + (q[0] - p[0]) * t, p[1] + (q[1] - p[1]) * t];
    Line {
        text: line.text.get(span.clone()).unwrap_or_default().to_owned(),
        score: line.score,
        polygon: [between(a, b, from), between(a, b, to), between(d, c, to), between(d, c, from)],
    }
}
