//! Reading order: columns where they are evident, rows top to bottom, left to right within a row.

use crate::value::Line;

/// Columns have at least this many lines each.
const COLUMN_LINES: usize = 3;
/// Half of a column's lines have at least this many characters; prices and labels have fewer.
const COLUMN_CHARACTERS: usize = 12;
/// Half of a column's lines fill at least this share of its width.
const COLUMN_FILL: f64 = 0.6;
/// The space between columns is at least this many line heights wide.
const GUTTER: f64 = 0.8;
/// At most this share of the lines (titles, footers) may reach across the columns.
const ACROSS: f64 = 0.34;

/// A line with the upright box around it.
struct Placed {
    line: Line,
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Placed {
    fn middle(&self) -> f64 {
        (self.top + self.bottom) / 2.0
    }

    fn height(&self) -> f64 {
        self.bottom - self.top
    }
}

/// Sorts lines into the order in which a person reads them.
///
/// A page counts as set in columns when running text stands on both sides of a
/// gap that few lines cross; a list with prices is read row by row. Lines that
/// cross the gap, such as titles, end the columns above them. Lines may lean a
/// little, but the page has to be upright. Time grows with the square of their number, and more with many columns.
pub fn in_reading_order(lines: Vec<Line>) -> Vec<Line> {
    let placed = lines.into_iter().map(|line| {
        let [left, top, right, bottom] = line.bounds();
        Placed { line, left, top, right, bottom }
    });
    columns(placed.collect()).into_iter().map(|p| p.line).collect()
}

fn columns(lines: Vec<Placed>) -> Vec<Placed> {
    let Some(gutter) = gutter(&lines) else { return rows(lines) };
    let (mut across, inside): (Vec<_>, Vec<_>) = lines.into_iter().partition(|l| l.left < gutter && l.right > gutter);
    across.sort_by(|a, b| a.middle().total_cmp(&b.middle()));
    let mut rest = inside;
    let mut out = Vec::new();
    for line in across {
        let (above, below): (Vec<_>, Vec<_>) = rest.into_iter().partition(|l| l.middle() < line.middle());
        out.extend(left_then_right(above, gutter));
        out.push(line);
        rest = below;
    }
    out.extend(left_then_right(rest, gutter));
    out
}

fn left_then_right(lines: Vec<Placed>, gutter: f64) -> Vec<Placed> {
    let (left, right): (Vec<_>, Vec<_>) = lines.into_iter().partition(|l| l.right <= gutter);
    let mut out = columns(left);
    out.extend(columns(right));
    out
}

/// Where the best gap between two columns ends on the right, if there are columns.
fn gutter(lines: &[Placed]) -> Option<f64> {
    let height = median(lines.iter().map(Placed::height).collect())?;
    let separated = |x: f64| {
        let left: Vec<&Placed> = lines.iter().filter(|l| l.right < x).collect();
        let right: Vec<&Placed> = lines.iter().filter(|l| l.left >= x).collect();
        let across = lines.len() - left.len() - right.len();
        let edge = left.iter().map(|l| l.right).fold(f64::NEG_INFINITY, f64::max);
        let evident = x - edge >= GUTTER * height
            && across as f64 <= ACROSS * lines.len() as f64
            && is_column(&left)
            && is_column(&right)
            && side_by_side(&left, &right);
        evident.then_some((across, edge - x, x))
    };
    let best = lines.iter().filter_map(|l| separated(l.left)).min_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    best.map(|(_, _, x)| x)
}

/// Whether the lines are running text.
fn is_column(lines: &[&Placed]) -> bool {
    if lines.len() < COLUMN_LINES {
        return false;
    }
    let left = lines.iter().map(|l| l.left).fold(f64::INFINITY, f64::min);
    let right = lines.iter().map(|l| l.right).fold(f64::NEG_INFINITY, f64::max);
    let fill = median(lines.iter().map(|l| (l.right - l.left) / (right - left)).collect());
    let letters = |l: &&&Placed| l.line.text.chars().filter(|c| c.is_alphabetic()).count() * 2 > l.line.text.len();
    let long = |l: &&&Placed| l.line.text.chars().count() >= COLUMN_CHARACTERS;
    let half = lines.len().div_ceil(2);
    fill.is_some_and(|f| f >= COLUMN_FILL)
        && lines.iter().filter(letters).count() >= half
        && lines.iter().filter(long).count() >= half
}

/// Whether the two groups share most of their height.
fn side_by_side(left: &[&Placed], right: &[&Placed]) -> bool {
    let span = |lines: &[&Placed]| {
        let top = lines.iter().map(|l| l.top).fold(f64::INFINITY, f64::min);
        (top, lines.iter().map(|l| l.bottom).fold(f64::NEG_INFINITY, f64::max))
    };
    let ((a, b), (c, d)) = (span(left), span(right));
    b.min(d) - a.max(c) >= 0.5 * (b - a).min(d - c)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Gathers lines into rows: a line joins the row whose nearest line, sideways, is at about its height.
fn rows(mut lines: Vec<Placed>) -> Vec<Placed> {
    lines.sort_by(|a, b| a.middle().total_cmp(&b.middle()));
    let mut rows: Vec<Vec<Placed>> = Vec::new();
    for line in lines {
        let home = rows.iter_mut().rev().find(|row| belongs(row, &line));
        match home {
            Some(row) => row.push(line),
            None => rows.push(vec![line]),
        }
    }
    for row in &mut rows {
        row.sort_by(|a, b| a.left.total_cmp(&b.left));
    }
    rows.into_iter().flatten().collect()
}

fn belongs(row: &[Placed], line: &Placed) -> bool {
    let gap = |other: &Placed| (other.left - line.right).max(line.left - other.right);
    let nearest = row.iter().min_by(|a, b| gap(a).total_cmp(&gap(b)));
    nearest.is_some_and(|other| {
        let height = other.height().min(line.height());
        // A line above or below another one is not beside it.
        let beside = gap(other) > -0.5 * (line.right - line.left).min(other.right - other.left);
        beside && (other.middle() - line.middle()).abs() < 0.5 * height
    })
}
