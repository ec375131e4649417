//! What the text around the bars of a chart says: labels, and the numbers of the axis.

use super::Way;
use crate::tool::find_text::parse_number;
use crate::value::Line;

/// Numbers lie on a straight line when none is farther off than this share of their range.
const STRAIGHT: f64 = 0.02;
/// Least numbers of an axis: two lie on a straight line whatever the scale.
const LEAST: usize = 3;
/// A label is at most so many of its heights away from the foot of its bar.
const FAR: f64 = 3.0;

/// The scale of an axis: a straight line from positions in the image to values.
pub(super) struct Axis {
    /// How many numbers it rests on.
    pub(super) numbers: usize,
    slope: f64,
    /// The position and the value that the line goes through.
    middle: (f64, f64),
}

impl Axis {
    /// The axis along which these bars grow; none where too few numbers stand beside it, or not in line.
    pub(super) fn of(bars: &[[f64; 4]], lines: &[Line], way: Way) -> Option<Self> {
        let first = bars.iter().map(|bar| way.sides(*bar).0).fold(f64::INFINITY, f64::min);
        let last = bars.iter().map(|bar| way.sides(*bar).1).fold(f64::NEG_INFINITY, f64::max);
        // Beside all bars: left of upright ones, below (or above) lying ones.
        let beside = |line: &&Line| {
            let [_, top, right, bottom] = line.bounds();
            match way {
                Way::Vertical => right <= first,
                Way::Horizontal => top >= last || bottom <= first,
            }
        };
        let numbers: Vec<(f64, f64)> = lines.iter().filter(beside).filter_map(|line| number(line, way)).collect();
        Self::through(&numbers)
    }

    /// The line through these positions and values, by least squares.
    fn through(numbers: &[(f64, f64)]) -> Option<Self> {
        let count = numbers.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| numbers.iter().map(of).sum::<f64>() / count.max(1.0);
        let middle = (mean(|n| n.0), mean(|n| n.1));
        let (mut both, mut squares) = (0.0, 0.0);
        for (at, value) in numbers {
            both += (at - middle.0) * (value - middle.1);
            squares += (at - middle.0) * (at - middle.0);
        }
        let axis = Self { numbers: numbers.len(), slope: both / squares, middle };
        let range = numbers.iter().map(|n| (n.1 - middle.1).abs()).fold(0.0, f64::max);
        let straight = numbers.iter().all(|(at, value)| (axis.fitted(*at) - value).abs() <= STRAIGHT * 2.0 * range);
        (numbers.len() >= LEAST && squares > 0.0 && range > 0.0 && straight).then_some(axis)
    }

    fn fitted(&self, at: f64) -> f64 {
        self.middle.1 + self.slope * (at - self.middle.0)
    }

    /// The value at a position, to three digits: pixels tell no more.
    pub(super) fn value(&self, at: f64) -> f64 {
        let value = self.fitted(at);
        let digits = 2 - value.abs().max(f64::MIN_POSITIVE).log10().floor() as i32;
        let unit = 10_f64.powi(digits.clamp(-300, 300));
        (value * unit).round() / unit
    }
}

/// Where along the way that bars grow a number stands, and the number.
fn number(line: &Line, way: Way) -> Option<(f64, f64)> {
    let [left, top, right, bottom] = line.bounds();
    let at = if way == Way::Vertical { f64::midpoint(top, bottom) } else { f64::midpoint(left, right) };
    let value = parse_number(line.text.trim().trim_end_matches('%'))?;
    at.is_finite().then_some((at, value))
}

/// The nearest text beyond the foot of a bar whose middle lies between its sides.
pub(super) fn label(bar: [f64; 4], lines: &[Line], way: Way) -> Option<String> {
    let (from, to) = way.sides(bar);
    let room = (to - from) / 2.0;
    let away = |line: &Line| {
        let [left, top, right, bottom] = line.bounds();
        let (middle, away, height) = match way {
            Way::Vertical => (f64::midpoint(left, right), top - way.foot(bar), bottom - top),
            Way::Horizontal => (f64::midpoint(top, bottom), way.foot(bar) - right, bottom - top),
        };
        let beside = middle >= from - room && middle <= to + room;
        (beside && away > -height / 2.0 && away < FAR * height)
            .then_some((away, (middle - f64::midpoint(from, to)).abs()))
    };
    let near = lines.iter().filter_map(|line| Some((away(line)?, line)));
    let rank = |(away, off): (f64, f64)| away + off;
    near.min_by(|a, b| rank(a.0).total_cmp(&rank(b.0))).map(|(_, line)| line.text.trim().to_owned())
}
