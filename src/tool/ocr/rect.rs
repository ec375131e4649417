//! Rectangles around points: the smallest one at any angle, its corners, and the way it is grown.

use std::f64::consts::PI;

/// Four corners, clockwise on the screen from the top left, in pixels.
pub type Quad = [[f32; 2]; 4];

/// The smallest rectangle, at any angle, around the points (in pixels): its corners from
/// the top left clockwise, and the length of its shorter side.
///
/// `None` when the points lie on one line. To the last bit what OpenCV 5's `minAreaRect`
/// and `boxPoints` compute; points are whole pixels from -2^24 to 2^24, as `f32` holds them.
pub fn smallest_rectangle(points: &[[i32; 2]]) -> Option<(Quad, f32)> {
    let hull = hull(points);
    if hull.len() < 3 {
        return None;
    }
    let rect = smallest(&hull);
    Some((clockwise(corners(&rect)), rect.size[0].min(rect.size[1])))
}

/// The strictly convex hull, from the vertex that OpenCV starts at.
///
/// Among rectangles of equal area the start decides which is taken, so it
/// matters. Source: Andrew's monotone chain; OpenCV's `convexHull` then shifts
/// the vertices so that their places in the input ascend, or descend, if a
/// cyclic shift can do it.
fn hull(points: &[[i32; 2]]) -> Vec<[i32; 2]> {
    let mut sorted: Vec<(usize, [i32; 2])> = points.iter().copied().enumerate().collect();
    sorted.sort_by_key(|(index, point)| (*point, *index));
    sorted.dedup_by_key(|(_, point)| *point);
    if sorted.len() < 3 {
        return sorted.into_iter().map(|(_, p)| p).collect();
    }
    let mut hull = half_hull(sorted.iter());
    hull.pop();
    let lower = hull.len();
    hull.extend(half_hull(sorted.iter().rev()));
    hull.pop();
    // The rightmost, lowest vertex.
    hull.rotate_left(lower);
    let start = start_of(&hull.iter().map(|(index, _)| *index).collect::<Vec<_>>());
    hull.rotate_left(start);
    hull.into_iter().map(|(_, p)| p).collect()
}

fn half_hull<'a>(points: impl Iterator<Item = &'a (usize, [i32; 2])>) -> Vec<(usize, [i32; 2])> {
    let mut chain: Vec<(usize, [i32; 2])> = Vec::new();
    for next in points {
        while let [.., (_, a), (_, b)] = chain.as_slice() {
            if cross(*a, *b, next.1) > 0 {
                break;
            }
            chain.pop();
        }
        chain.push(*next);
    }
    chain
}

/// Twice the area of the triangle; positive when it is clockwise on the screen.
fn cross(a: [i32; 2], b: [i32; 2], c: [i32; 2]) -> i64 {
    let d = |p: [i32; 2], i: usize| i64::from(p[i]) - i64::from(a[i]);
    d(b, 0) * d(c, 1) - d(b, 1) * d(c, 0)
}

fn start_of(places: &[usize]) -> usize {
    let next = places.iter().cycle().skip(1);
    let ascents = places.iter().zip(next).filter(|(a, b)| b > a).count();
    let extreme = if ascents + 1 == places.len() {
        places.iter().min()
    } else if ascents == 1 {
        places.iter().max()
    } else {
        None
    };
    extreme.and_then(|e| places.iter().position(|p| p == e)).unwrap_or(0)
}

/// A rectangle at an angle.
struct Rect {
    centre: [f32; 2],
    size: [f32; 2],
    degrees: f32,
}

/// One side of the rectangle lies on an edge of the hull.
struct Fit {
    left: [f32; 2],
    bottom: [f32; 2],
    direction: [f32; 2],
    size: [f32; 2],
    area: f32,
}

/// Rotating calipers: of all rectangles with a side on an edge of the hull (three vertices or more), the smallest.
///
/// Source: Toussaint, "Solving geometric problems with the rotating calipers"
/// (1983). All in `f32` and in the order of OpenCV 5's `rotatingCalipers`,
/// because corners are later truncated to whole pixels and 35.999996 is not 36.
fn smallest(hull: &[[i32; 2]]) -> Rect {
    let hull: Vec<[f32; 2]> = hull.iter().map(|p| [p[0] as f32, p[1] as f32]).collect();
    let n = hull.len();
    let point = |i: usize| hull[i % n];
    let edge = |i: usize| [point(i + 1)[0] - point(i)[0], point(i + 1)[1] - point(i)[1]];
    let unit = |i: usize| {
        let [x, y] = edge(i);
        let inverse = (1.0 / (f64::from(x) * f64::from(x) + f64::from(y) * f64::from(y)).sqrt()) as f32;
        [x * inverse, y * inverse]
    };
    // The vertices that touch the four sides: bottom, right, top, left.
    let mut touching = extremes(&hull);
    let mut best: Option<Fit> = None;
    for _ in 0..n {
        let [bottom, right, top, left] = touching;
        let turned = [edge(bottom), right_angle(edge(right)), opposite(edge(top)), left_angle(edge(left))];
        let mut side = 0;
        for other in 1..4 {
            if turned[other][1] * turned[side][0] - turned[other][0] * turned[side][1] < 0.0 {
                side = other;
            }
        }
        let lead = unit(touching[side]);
        let direction = [lead, right_angle(lead), opposite(lead), left_angle(lead)][side];
        touching[side] = (touching[side] + 1) % n;
        let fit = fit(touching.map(point), direction);
        if best.as_ref().is_none_or(|b| fit.area <= b.area) {
            best = Some(fit);
        }
    }
    best.map_or(Rect { centre: point(0), size: [0.0; 2], degrees: 0.0 }, |fit| placed(&fit))
}

fn right_angle([x, y]: [f32; 2]) -> [f32; 2] {
    [y, -x]
}

fn left_angle([x, y]: [f32; 2]) -> [f32; 2] {
    [-y, x]
}

fn opposite([x, y]: [f32; 2]) -> [f32; 2] {
    [-x, -y]
}

/// The first vertices with the smallest y, the largest x, the largest y and the smallest x: as in
/// OpenCV's source, "bottom" is where y is smallest.
fn extremes(hull: &[[f32; 2]]) -> [usize; 4] {
    let first = |better: fn([f32; 2], [f32; 2]) -> bool| {
        let mut best = 0;
        for (i, p) in hull.iter().enumerate() {
            if better(*p, hull[best]) {
                best = i;
            }
        }
        best
    };
    [first(|p, b| p[1] < b[1]), first(|p, b| p[0] > b[0]), first(|p, b| p[1] > b[1]), first(|p, b| p[0] < b[0])]
}

fn fit([bottom, right, top, left]: [[f32; 2]; 4], direction: [f32; 2]) -> Fit {
    let [a, b] = direction;
    let width = (right[0] - left[0]) * a + (right[1] - left[1]) * b;
    let height = -(top[0] - bottom[0]) * b + (top[1] - bottom[1]) * a;
    Fit { left, bottom, direction, size: [width, height], area: width * height }
}

/// The rectangle's centre, size and angle, the angle in [-90, 0) degrees.
fn placed(fit: &Fit) -> Rect {
    let [a1, b1] = fit.direction;
    let [a2, b2] = left_angle(fit.direction);
    let c1 = a1 * fit.left[0] + fit.left[1] * b1;
    let c2 = a2 * fit.bottom[0] + fit.bottom[1] * b2;
    let inverse = 1.0 / (a1 * b2 - a2 * b1);
    let corner = [(c1 * b2 - c2 * b1) * inverse, (a1 * c2 - a2 * c1) * inverse];
    let along = [a1 * fit.size[0], b1 * fit.size[0]];
    let across = [a2 * fit.size[1], b2 * fit.size[1]];
    let centre = [corner[0] + (along[0] + across[0]) * 0.5, corner[1] + (along[1] + across[1]) * 0.5];
    let length = |[x, y]: [f32; 2]| (f64::from(x) * f64::from(x) + f64::from(y) * f64::from(y)).sqrt() as f32;
    let mut size = [length(along), length(across)];
    let mut degrees = f64::from(along[1]).atan2(f64::from(along[0])) * 180.0 / PI;
    while degrees >= 0.0 {
        degrees -= 90.0;
        size.swap(0, 1);
    }
    while degrees < -90.0 {
        degrees += 90.0;
        size.swap(0, 1);
    }
    Rect { centre, size, degrees: degrees as f32 }
}

/// The corners, as OpenCV 5's `boxPoints` computes them.
fn corners(rect: &Rect) -> [[f32; 2]; 4] {
    let angle = f64::from(rect.degrees) * PI / 180.0;
    let b = angle.cos() as f32 * 0.5;
    let a = angle.sin() as f32 * 0.5;
    let ([x, y], [w, h]) = (rect.centre, rect.size);
    [
        [x - a * h - b * w, y + b * h - a * w],
        [x + a * h - b * w, y - b * h - a * w],
        [x + a * h + b * w, y - b * h + a * w],
        [x - a * h + b * w, y + b * h + a * w],
    ]
}

/// Orders corners from the top left clockwise: of the two leftmost the upper one comes first.
pub(super) fn clockwise(mut points: [[f32; 2]; 4]) -> Quad {
    points.sort_by(|p, q| p[0].total_cmp(&q[0]));
    let [a, b, c, d] = points;
    let (top_left, bottom_left) = if b[1] > a[1] { (a, b) } else { (b, a) };
    let (top_right, bottom_right) = if d[1] > c[1] { (c, d) } else { (d, c) };
    [top_left, top_right, bottom_right, bottom_left]
}

/// Grows a quadrilateral outwards by `ratio` times its area over its perimeter, with round corners.
///
/// `ratio` is 0 or more. The corners are first truncated to whole pixels. The result is the list of
/// offset points, whole pixels; their hull is the outline. Empty when the
/// quadrilateral has fewer than three different corners.
///
/// Source: the unclipping of DB text detection (Liao et al. 2020), with the
/// offsetting of Clipper 6.4 (`ClipperOffset`, `jtRound`, arc tolerance 0.25).
/// Clipper then clears self-intersections, which does not change the hull.
pub fn grown(quad: &Quad, ratio: f64) -> Vec<[i32; 2]> {
    let exact = quad.map(|p| [f64::from(p[0]), f64::from(p[1])]);
    let distance = shoelace(&exact).abs() / 2.0 * ratio / perimeter(&exact);
    if !distance.is_finite() {
        return Vec::new();
    }
    let mut path: Vec<[f64; 2]> = exact.iter().map(|p| p.map(f64::trunc)).collect();
    path.dedup();
    while path.len() > 1 && path.first() == path.last() {
        path.pop();
    }
    if path.len() < 3 {
        return Vec::new();
    }
    if shoelace(&path) < 0.0 {
        path.reverse();
    }
    offset(&path, distance)
}

/// Twice the signed area.
fn shoelace(path: &[[f64; 2]]) -> f64 {
    let next = path.iter().cycle().skip(1);
    path.iter().zip(next).map(|(p, q)| p[0] * q[1] - q[0] * p[1]).sum()
}

fn perimeter(path: &[[f64; 2]]) -> f64 {
    let next = path.iter().cycle().skip(1);
    path.iter().zip(next).map(|(p, q)| (q[0] - p[0]).hypot(q[1] - p[1])).sum()
}

fn offset(path: &[[f64; 2]], delta: f64) -> Vec<[i32; 2]> {
    let tolerance = (delta * 0.25).min(0.25);
    let steps = (PI / (1.0 - tolerance / delta).acos()).min(delta * PI);
    let (sin, cos) = (2.0 * PI / steps).sin_cos();
    let steps_per_radian = steps / (2.0 * PI);
    let normals: Vec<[f64; 2]> = path
        .iter()
        .zip(path.iter().cycle().skip(1))
        .map(|(p, q)| {
            let (dx, dy) = (q[0] - p[0], q[1] - p[1]);
            let inverse = 1.0 / (dx * dx + dy * dy).sqrt();
            [dy * inverse, -dx * inverse]
        })
        .collect();
    let Some(mut before) = normals.last().copied() else { return Vec::new() };
    let mut out = Vec::new();
    for (point, after) in path.iter().zip(normals) {
        let mut push = |d: [f64; 2]| out.push([(point[0] + d[0] * delta).round(), (point[1] + d[1] * delta).round()]);
        let turn = before[0] * after[1] - after[0] * before[1];
        let along = before[0] * after[0] + before[1] * after[1];
        if (turn * delta).abs() < 1.0 && along > 0.0 {
            // Nearly straight: one point will do.
            push(before);
        } else if turn < 0.0 {
            push(before);
            push([0.0, 0.0]);
            push(after);
        } else {
            let arc = (steps_per_radian * turn.clamp(-1.0, 1.0).atan2(along).abs()).round().max(1.0);
            let mut d = before;
            for _ in 0..arc as u32 {
                push(d);
                d = [d[0] * cos - sin * d[1], d[0] * sin + d[1] * cos];
            }
            push(after);
        }
        before = after;
    }
    out.into_iter().map(|p: [f64; 2]| [p[0] as i32, p[1] as i32]).collect()
}
