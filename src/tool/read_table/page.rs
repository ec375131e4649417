//! The cells of an upright page, in rows.

use crate::value::Line;

/// Cells whose middles differ by less than this share of the usual height are in one row.
const SAME_ROW: f64 = 0.5;

/// A line of text on the page when it is turned upright.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) left: f64,
    pub(super) right: f64,
    /// The height of its middle; it grows downwards.
    pub(super) middle: f64,
    height: f64,
}

impl Cell {
    pub(super) fn width(&self) -> f64 {
        self.right - self.left
    }

    /// The length that it shares with a span; negative where they are apart by as much.
    pub(super) fn shared(&self, (left, right): (f64, f64)) -> f64 {
        self.right.min(right) - self.left.max(left)
    }

    /// A line on a page that is turned by the angle with this sine and cosine.
    fn of(line: &Line, (sin, cos): (f64, f64)) -> Self {
        let upright = line.polygon.map(|[x, y]| [x * cos + y * sin, y * cos - x * sin]);
        let least = |axis: usize| upright.iter().map(|p| p[axis]).fold(f64::INFINITY, f64::min);
        let most = |axis: usize| upright.iter().map(|p| p[axis]).fold(f64::NEG_INFINITY, f64::max);
        let (top, bottom) = (least(1), most(1));
        Self {
            text: line.text.trim().to_owned(),
            left: least(0),
            right: most(0),
            middle: f64::midpoint(top, bottom),
            height: bottom - top,
        }
    }
}

/// The rows of a page from top to bottom, the cells of each from left to right. Lines without text or with a polygon that
/// is not of finite numbers are left out.
pub(super) fn rows(lines: &[Line]) -> Vec<Vec<Cell>> {
    let sound = |line: &&Line| !line.text.trim().is_empty() && line.polygon.iter().flatten().all(|v| v.is_finite());
    let lines: Vec<&Line> = lines.iter().filter(sound).collect();
    let turn = turn(&lines).sin_cos();
    let mut cells: Vec<Cell> = lines.into_iter().map(|line| Cell::of(line, turn)).collect();
    cells.sort_by(|a, b| a.middle.total_cmp(&b.middle).then(a.left.total_cmp(&b.left)));
    let mut heights: Vec<f64> = cells.iter().map(|cell| cell.height).collect();
    heights.sort_by(f64::total_cmp);
    let apart = SAME_ROW * heights.get(heights.len() / 2).copied().unwrap_or(0.0);
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for cell in cells {
        match rows.last_mut() {
            Some(row) if cell.middle - super::middle(row) <= apart => row.push(cell),
            _ => rows.push(vec![cell]),
        }
    }
    for row in &mut rows {
        row.sort_by(|a, b| a.left.total_cmp(&b.left));
    }
    rows
}

/// The angle of the text, radians clockwise: the median over the lines, long ones counting for more.
fn turn(lines: &[&Line]) -> f64 {
    let along = |line: &&Line| {
        let [[x1, y1], [x2, y2], ..] = line.polygon;
        ((y2 - y1).atan2(x2 - x1), (x2 - x1).hypot(y2 - y1))
    };
    let mut angles: Vec<(f64, f64)> = lines.iter().map(along).collect();
    angles.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = angles.iter().map(|(_, length)| length).sum::<f64>() / 2.0;
    let mut passed = 0.0;
    let median = angles.iter().find(|(_, length)| {
        passed += length;
        passed >= half
    });
    median.map_or(0.0, |(angle, _)| *angle)
}
