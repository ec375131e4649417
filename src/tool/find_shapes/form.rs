//! What a closed outline is called.

use std::f64::consts::PI;

use imageproc::geometry::approximate_polygon_dp;
use imageproc::point::Point;

/// How far points of a round outline may be off: pixels, and as a share of the radius.
const PIXEL: f64 = 0.7;
const ROUND: f64 = 0.02;
/// The same for the corners of a polygon: points may be so far off its sides, as a share of the way around.
const STRAIGHT: f64 = 0.015;
/// Corners that are nearer to each other than this share of the way around are one.
const NEAR: f64 = 0.05;
/// Corners flatter than this many degrees are none.
const FLAT: f64 = 160.0;
/// Sides are equal when the longest is at most so many times the shortest; the same for the axes of a circle.
const EQUAL: f64 = 1.12;
/// Degrees by which a right angle may be off.
const RIGHT: f64 = 10.0;

type Xy = [f64; 2];

/// The name of the form that this border of pixels has.
pub(super) fn name(outline: &[Point<i32>]) -> &'static str {
    let points: Vec<Xy> = outline.iter().map(|p| [f64::from(p.x), f64::from(p.y)]).collect();
    let Some(axes) = Axes::of(&points) else { return "shape" };
    if axes.are_those_of_an_ellipse(&points) {
        return if axes.long <= EQUAL * axes.short { "circle" } else { "ellipse" };
    }
    let corners = corners(outline, axes.middle);
    let turns: Vec<f64> = each_with_neighbours(&corners).map(|(before, at, after)| turn(before, at, after)).collect();
    let convex = turns.iter().all(|turn| *turn > 0.0) || turns.iter().all(|turn| *turn < 0.0);
    match (corners.len(), convex) {
        (3, _) => "triangle",
        (4, true) => of_four(&corners),
        (5, true) => "pentagon",
        (6, true) => "hexagon",
        (7, true) => "heptagon",
        (8, true) => "octagon",
        (12, false) if turns.iter().all(|turn| (turn.abs() - 90.0).abs() < RIGHT) => "cross",
        (8.., false) if alternate(&turns) => "star",
        _ => "shape",
    }
}

/// A quadrilateral by its angles and sides.
fn of_four(corners: &[Xy]) -> &'static str {
    let sides: Vec<f64> = each_with_neighbours(corners).map(|(_, at, after)| length(at, after)).collect();
    let (shortest, longest) = sides.iter().fold((f64::INFINITY, 0.0_f64), |(s, l), side| (s.min(*side), l.max(*side)));
    let equal = longest <= EQUAL * shortest;
    let right = each_with_neighbours(corners).all(|(a, b, c)| (turn(a, b, c).abs() - 90.0).abs() < RIGHT);
    match (right, equal) {
        (true, true) => "square",
        (true, false) => "rectangle",
        (false, true) => "diamond",
        (false, false) => "quadrilateral",
    }
}

/// Whether corners point outwards and inwards by turns.
fn alternate(turns: &[f64]) -> bool {
    turns.len().is_multiple_of(2) && turns.windows(2).all(|pair| pair[0] * pair[1] < 0.0)
}

/// The corners of an outline: its points but for those that lie on a line between others.
fn corners(outline: &[Point<i32>], middle: Xy) -> Vec<Xy> {
    let away = |p: &Point<i32>| length([f64::from(p.x), f64::from(p.y)], middle);
    // The point that is farthest from the middle is a corner; a start on a side would make one more.
    let farthest = outline.iter().enumerate().max_by(|a, b| away(a.1).total_cmp(&away(b.1))).map_or(0, |(n, _)| n);
    let mut around: Vec<Point<i32>> = outline.to_vec();
    around.rotate_left(farthest);
    around.extend(around.first().copied());
    // Both ways to the point across, as there is no line from a point to itself.
    let xy = |p: &Point<i32>| [f64::from(p.x), f64::from(p.y)];
    let from_start = |p: &Point<i32>| around.first().map_or(0.0, |start| length(xy(start), xy(p)));
    let across =
        around.iter().enumerate().max_by(|a, b| from_start(a.1).total_cmp(&from_start(b.1))).map_or(0, |(n, _)| n);
    let way: f64 = around.windows(2).map(|pair| length(xy(&pair[0]), xy(&pair[1]))).sum();
    let (there, back) = (around.get(..=across).unwrap_or_default(), around.get(across..).unwrap_or_default());
    let halves = [there, back].map(|half| approximate_polygon_dp(half, (STRAIGHT * way).max(1.0), false));
    // Each half ends where the other one starts.
    let corners: Vec<Xy> =
        halves.iter().flat_map(|half| half.iter().take(half.len().saturating_sub(1))).map(xy).collect();
    let corners = apart(&corners, NEAR * way);
    let sharp =
        each_with_neighbours(&corners).map(|(a, b, c)| turn(a, b, c).abs() > 180.0 - FLAT).collect::<Vec<bool>>();
    corners.into_iter().zip(sharp).filter_map(|(corner, sharp)| sharp.then_some(corner)).collect()
}

/// The same corners, those nearer to each other than this joined: pixels blunt a corner.
fn apart(corners: &[Xy], least: f64) -> Vec<Xy> {
    let mut joined: Vec<Xy> = Vec::new();
    for corner in corners {
        match joined.last_mut() {
            Some(last) if length(*last, *corner) < least => {
                *last = [f64::midpoint(last[0], corner[0]), f64::midpoint(last[1], corner[1])];
            }
            _ => joined.push(*corner),
        }
    }
    if let (true, Some(first), Some(last)) = (joined.len() > 2, joined.first(), joined.last())
        && length(*first, *last) < least
    {
        joined.pop();
    }
    joined
}

/// Each point with the one before and the one after it, around.
fn each_with_neighbours(points: &[Xy]) -> impl Iterator<Item = (Xy, Xy, Xy)> {
    let before = points.iter().cycle().skip(points.len().saturating_sub(1));
    let after = points.iter().cycle().skip(1);
    points.iter().zip(before).zip(after).map(|((at, before), after)| (*before, *at, *after))
}

/// By how many degrees a way turns at a point, -180 to 180.
fn turn(before: Xy, at: Xy, after: Xy) -> f64 {
    let (a, b) = ([at[0] - before[0], at[1] - before[1]], [after[0] - at[0], after[1] - at[1]]);
    (a[0] * b[1] - a[1] * b[0]).atan2(a[0] * b[0] + a[1] * b[1]).to_degrees()
}

fn length(a: Xy, b: Xy) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// The middle and the half axes of the ellipse with the same moments as the area within an outline.
struct Axes {
    middle: Xy,
    long: f64,
    short: f64,
    /// The direction of the long axis.
    along: Xy,
}

impl Axes {
    /// By Green's theorem, from the corners alone. None for what has no area.
    fn of(points: &[Xy]) -> Option<Self> {
        let [mut area, mut x1, mut y1, mut xx, mut yy, mut xy] = [0.0; 6];
        for (_, [ax, ay], [bx, by]) in each_with_neighbours(points) {
            let cross = ax * by - bx * ay;
            area += cross / 2.0;
            x1 += (ax + bx) * cross / 6.0;
            y1 += (ay + by) * cross / 6.0;
            xx += (ax * ax + ax * bx + bx * bx) * cross / 12.0;
            yy += (ay * ay + ay * by + by * by) * cross / 12.0;
            xy += (ax * by + 2.0 * ax * ay + 2.0 * bx * by + bx * ay) * cross / 24.0;
        }
        if area.abs() < 1.0 {
            return None;
        }
        let middle = [x1 / area, y1 / area];
        let (xx, yy) = (xx / area - middle[0] * middle[0], yy / area - middle[1] * middle[1]);
        let xy = xy / area - middle[0] * middle[1];
        // The eigenvalues of the covariance; that of an ellipse is a quarter of its half axis squared.
        let (mean, off) = (f64::midpoint(xx, yy), ((xx - yy) / 2.0).hypot(xy));
        let angle = 0.5 * (2.0 * xy).atan2(xx - yy);
        let axis = |variance: f64| 2.0 * variance.max(0.0).sqrt();
        Some(Self { middle, long: axis(mean + off), short: axis(mean - off), along: [angle.cos(), angle.sin()] })
    }

    /// Whether all points lie about as far from the middle as those of the ellipse.
    fn are_those_of_an_ellipse(&self, points: &[Xy]) -> bool {
        let allowed = ROUND + PIXEL / self.short.max(1.0);
        let off = |[x, y]: &Xy| {
            let (x, y) = (x - self.middle[0], y - self.middle[1]);
            let (u, v) = (x * self.along[0] + y * self.along[1], y * self.along[0] - x * self.along[1]);
            ((u / self.long.max(1.0)).hypot(v / self.short.max(1.0)) - 1.0).abs()
        };
        let far = points.iter().filter(|point| off(point) > allowed).count();
        self.short > PI && far * 50 <= points.len()
    }
}
