//! The geometry of reading text: borders of a mask, rectangles around points, and the order of lines.

use lavr::tool::ocr::{Bitmap, Quad, borders, grown, in_reading_order, smallest_rectangle};
use lavr::value::Line;
use proptest::prelude::*;

fn bitmap(width: usize, height: usize, on: impl Fn(usize, usize) -> bool) -> Bitmap {
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    Bitmap { width, height, on: pixels.map(|(x, y)| on(x, y)).collect() }
}

/// What OpenCV 5.0.0 returns for a rectangle with a hole and a single pixel in the corner.
#[test]
fn borders_are_those_of_opencv() {
    let mask = bitmap(14, 12, |x, y| {
        let hole = (5..8).contains(&x) && (4..6).contains(&y);
        (x, y) == (0, 0) || ((3..12).contains(&x) && (2..9).contains(&y) && !hole)
    });
    let hole = vec![[4, 4], [5, 3], [7, 3], [8, 4], [8, 5], [7, 6], [5, 6], [4, 5]];
    let outer = vec![[3, 2], [3, 8], [11, 8], [11, 2]];
    assert_eq!(borders(&mask, 9), [hole.clone(), outer, vec![[0, 0]]]);
    assert_eq!(borders(&mask, 1), [hole]);
}

/// How far a point lies outside the quadrilateral, in pixels.
fn outside(quad: &Quad, point: [i32; 2]) -> f64 {
    let p = point.map(f64::from);
    let corners = quad.map(|c| c.map(f64::from));
    (0..4)
        .map(|i| (corners[i], corners[(i + 1) % 4]))
        .map(|(a, b)| {
            let length = (b[0] - a[0]).hypot(b[1] - a[1]);
            ((b[1] - a[1]) * (p[0] - a[0]) - (b[0] - a[0]) * (p[1] - a[1])) / length
        })
        .fold(0.0, f64::max)
}

fn points() -> impl Strategy<Value = Vec<[i32; 2]>> {
    proptest::collection::vec([0..2000i32, 0..2000i32], 3..60)
}

proptest! {
    #[test]
    fn borders_end_and_stay_on_the_mask(
        width in 1..12usize,
        on in proptest::collection::vec(any::<bool>(), 1..120),
    ) {
        let height = on.len() / width;
        prop_assume!(height > 0);
        let mask = bitmap(width, height, |x, y| on[y * width + x]);
        let found = borders(&mask, usize::MAX);
        prop_assert_eq!(found.is_empty(), !mask.on.contains(&true));
        for [x, y] in found.concat() {
            prop_assert!(mask.on[y as usize * width + x as usize]);
        }
    }

    #[test]
    fn the_rectangle_holds_all_points(points in points()) {
        if let Some((quad, side)) = smallest_rectangle(&points) {
            prop_assume!(side > 1.0);
            for point in &points {
                prop_assert!(outside(&quad, *point) < 0.1, "{quad:?} {point:?}");
            }
        }
    }

    #[test]
    fn growing_keeps_the_inside_in(x in 0..500i32, y in 0..500i32, w in 4..300i32, h in 4..300i32) {
        let (x, y, w, h) = (x as f32, y as f32, w as f32, h as f32);
        let quad = [[x, y], [x + w, y], [x + w, y + h], [x, y + h]];
        let distance = w * h * 1.6 / (2.0 * (w + h));
        let outline = grown(&quad, 1.6);
        let (larger, _) = smallest_rectangle(&outline).ok_or_else(|| TestCaseError::fail("no outline"))?;
        let outwards = [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]];
        for ((corner, before), sign) in larger.iter().zip(&quad).zip(outwards) {
            for axis in 0..2 {
                prop_assert!((corner[axis] - before[axis] - sign[axis] * distance).abs() <= 1.5);
            }
        }
    }
}

/// To the last bit what `minAreaRect` and `boxPoints` of OpenCV 5.0.0 compute.
#[test]
fn corners_are_those_of_opencv() {
    let points = [[66, 86], [124, 95], [52, 31], [138, 146], [6, 22], [90, 78], [177, 103], [84, 86], [133, 117]];
    let corners =
        [[36.245_903, -14.295_084], [176.999_98, 102.999_99], [139.868_85, 147.557_37], [-0.885_244_37, 30.262_293]];
    assert_eq!(smallest_rectangle(&points), Some((corners, 58.000_706)));
}

#[test]
fn points_on_a_line_have_no_rectangle() {
    assert!(smallest_rectangle(&[[1, 1], [2, 2], [9, 9]]).is_none());
    assert!(smallest_rectangle(&[]).is_none());
}

fn line(text: &str, x: f64, y: f64, width: f64) -> Line {
    let (right, bottom) = (x + width, y + 20.0);
    Line { text: text.into(), score: 1.0, polygon: [[x, y], [right, y], [right, bottom], [x, bottom]] }
}

fn in_order(lines: Vec<Line>) -> Vec<String> {
    in_reading_order(lines).into_iter().map(|line| line.text).collect()
}

#[test]
fn columns_of_text_follow_one_another() {
    let mut lines = vec![line("a title across the whole page", 10.0, 0.0, 480.0)];
    for (row, name) in ["one", "two", "three", "four"].iter().enumerate() {
        let y = 40.0 + row as f64 * 30.0;
        lines.push(line(&format!("right text line {name}"), 270.0, y, 220.0));
        lines.push(line(&format!("left text line {name}"), 10.0, y + 4.0, 220.0));
    }
    let texts = in_order(lines);
    assert_eq!(texts[0], "a title across the whole page");
    assert!(texts[1..5].iter().all(|t| t.starts_with("left")), "{texts:?}");
    assert_eq!(texts[5], "right text line one");
    assert_eq!(texts[8], "right text line four");
}

#[test]
fn a_list_with_prices_goes_row_by_row() {
    let mut lines = Vec::new();
    for row in 0..5 {
        let y = f64::from(row) * 30.0;
        lines.push(line(&format!("{row}.50"), 300.0, y + 3.0, 50.0));
        lines.push(line(&format!("an item with a name {row}"), 10.0, y, 200.0));
    }
    let texts = in_order(lines);
    assert_eq!(texts[..4], ["an item with a name 0", "0.50", "an item with a name 1", "1.50"]);
}

#[test]
fn a_slanted_row_stays_together() {
    let row = |words: [&str; 5], y: f64| -> Vec<Line> {
        words.iter().enumerate().map(|(n, word)| line(word, n as f64 * 100.0, y + n as f64 * 6.0, 80.0)).collect()
    };
    let lines =
        [row(["one", "two", "three", "four", "five"], 0.0), row(["six", "seven", "eight", "nine", "ten"], 30.0)];
    assert_eq!(in_order(lines.concat())[..6], ["one", "two", "three", "four", "five", "six"]);
}
