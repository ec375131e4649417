//! `chart_facts`.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::list;
use crate::experts::{image as open, repository};
use image::{Rgb, RgbImage, imageops};
use imageproc::drawing::{draw_filled_rect_mut, draw_line_segment_mut};
use imageproc::rect::Rect;
use lavr::image::{Frame, Image};
use lavr::tool::chart_facts::facts;
use lavr::value::{Line, Value};

const COLORS: [([u8; 3], &str); 4] =
    [([210, 30, 40], "red"), ([30, 70, 200], "blue"), ([30, 150, 60], "green"), ([128, 0, 128], "purple")];

/// A text with its middle at a place.
fn at(text: &str, x: f64, y: f64) -> Line {
    let half = 5.0 * text.len() as f64;
    let polygon = [[x - half, y - 8.0], [x + half, y - 8.0], [x + half, y + 8.0], [x - half, y + 8.0]];
    Line { text: text.to_owned(), score: 0.9, polygon }
}

/// Upright bars of these lengths on a line at 340; 30 pixels are 10 on the axis.
fn chart(lengths: &[u32]) -> (RgbImage, Vec<Line>) {
    let mut picture = RgbImage::from_pixel(100 + 80 * lengths.len() as u32, 400, Rgb([255; 3]));
    draw_line_segment_mut(&mut picture, (60.0, 20.0), (60.0, 340.0), Rgb([0; 3]));
    let mut lines: Vec<Line> = (0..=10).map(|n| at(&(n * 10).to_string(), 30.0, 340.0 - 30.0 * f64::from(n))).collect();
    for (n, length) in lengths.iter().enumerate() {
        let left = 80 + 80 * n as i32;
        let bar = Rect::at(left, 340 - *length as i32).of_size(50, *length);
        draw_filled_rect_mut(&mut picture, bar, Rgb(COLORS[n % 4].0));
        lines.push(at(&format!("bar {n}"), f64::from(left) + 25.0, 360.0));
    }
    (picture, lines)
}

fn of(picture: &RgbImage, lines: &[Line]) -> Json {
    facts(&Image::from_pixels(picture.clone(), Frame::ROOT), lines)
}

#[test]
fn upright_bars_have_colors_labels_and_values() {
    let (picture, lines) = chart(&[60, 150, 300, 6]);
    let wanted = json!({
        "bars": [
            { "color": "red", "box": [80.0, 280.0, 130.0, 340.0], "share_of_longest": 0.2, "label": "bar 0", "value": 20.0 },
            { "color": "blue", "box": [160.0, 190.0, 210.0, 340.0], "share_of_longest": 0.5, "label": "bar 1", "value": 50.0 },
            { "color": "green", "box": [240.0, 40.0, 290.0, 340.0], "share_of_longest": 1.0, "label": "bar 2", "value": 100.0 },
            { "color": "purple", "box": [320.0, 334.0, 370.0, 340.0], "share_of_longest": 0.02, "label": "bar 3", "value": 2.0 },
        ],
        "direction": "vertical",
        "axis": { "numbers": 11 },
    });
    assert_eq!(of(&picture, &lines), wanted);
    let image = Value::Image(Image::from_pixels(picture, Frame::ROOT));
    let called = super::call("chart_facts", [("image", image), ("lines", list(&lines, Value::Line))]).unwrap();
    assert_eq!(called, Value::Json(wanted));
}

#[test]
fn lying_bars_are_measured_from_the_left() {
    let (picture, lines) = chart(&[60, 150, 300]);
    // Turned clockwise by a quarter: what was up is on the right.
    let lying = imageops::rotate90(&picture);
    let height = f64::from(picture.height());
    let lines: Vec<Line> = lines
        .iter()
        .map(|line| {
            let [left, top, right, bottom] = line.bounds();
            at(&line.text, height - f64::midpoint(top, bottom), f64::midpoint(left, right))
        })
        .collect();
    // The labels stand left of the bars, as wide as they are.
    let lines: Vec<Line> = lines
        .into_iter()
        .map(|line| if line.text.starts_with("bar") { at(&line.text, 20.0, line.polygon[0][1] + 8.0) } else { line })
        .collect();
    let found = of(&lying, &lines);
    assert_eq!(found["direction"], "horizontal", "{found}");
    let values: Vec<f64> = found["bars"].as_array().unwrap().iter().map(|bar| bar["value"].as_f64().unwrap()).collect();
    let labels: Vec<&str> =
        found["bars"].as_array().unwrap().iter().map(|bar| bar["label"].as_str().unwrap()).collect();
    assert_eq!((values, labels), (vec![20.0, 50.0, 100.0], vec!["bar 0", "bar 1", "bar 2"]), "{found}");
}

#[test]
fn without_numbers_in_line_there_are_no_values() {
    let (picture, mut lines) = chart(&[60, 150, 300]);
    let bare = of(&picture, &[]);
    assert!(bare["axis"].is_null() && bare["bars"][0]["value"].is_null() && bare["bars"][0]["label"].is_null());
    assert_eq!(bare["bars"][1]["share_of_longest"], 0.5);
    // A logarithmic axis, and one with a number that was misread.
    for (n, line) in lines.iter_mut().take(11).enumerate() {
        line.text = format!("{}", 1_u64 << n);
    }
    assert!(of(&picture, &lines)["axis"].is_null());
    let (_, mut lines) = chart(&[60]);
    lines[4].text = "90".to_owned();
    assert!(of(&picture, &lines)["axis"].is_null());
    let (_, lines) = chart(&[60]);
    assert!(of(&picture, &lines[..2])["axis"].is_null(), "two numbers are in line whatever the scale");
}

#[test]
fn what_is_no_chart_has_no_bars() {
    for (width, height) in [(1, 1), (1, 500), (500, 1), (300, 300)] {
        assert_eq!(of(&RgbImage::from_pixel(width, height, Rgb([200; 3])), &[])["bars"], json!([]));
    }
    for name in ["cat.jpg", "coffee.jpg", "rocket.jpg"] {
        let found = facts(&open(&repository("tests/images").join(name)), &[]);
        assert_eq!(found["bars"], json!([]), "{name}");
    }
    let (one, lines) = chart(&[100]);
    assert_eq!(of(&one, &lines)["bars"], json!([]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn bars_of_any_length_are_measured(lengths in proptest::collection::vec(4_u32..301, 2..7)) {
        prop_assume!(lengths.iter().any(|length| *length > 60));
        let (picture, lines) = chart(&lengths);
        let found = of(&picture, &lines);
        let bars = found["bars"].as_array().unwrap();
        prop_assert_eq!(bars.len(), lengths.len(), "{}", found);
        for (bar, length) in bars.iter().zip(&lengths) {
            let value = bar["value"].as_f64().unwrap();
            prop_assert!((value - f64::from(*length) / 3.0).abs() < 0.5, "{}", bar);
        }
    }
}
