//! `find_shapes`.

use std::f64::consts::TAU;

use proptest::prelude::*;

use image::{Rgb, RgbImage, imageops};
use imageproc::drawing::{
    draw_filled_circle_mut, draw_filled_ellipse_mut, draw_filled_rect_mut, draw_hollow_circle_mut, draw_polygon_mut,
};
use imageproc::point::Point;
use imageproc::rect::Rect;
use lavr::image::{Frame, Image};
use lavr::tool::crop::crop;
use lavr::tool::find_shapes::shapes;
use lavr::value::{Region, Value};

const WHITE: Rgb<u8> = Rgb([255; 3]);
const RED: Rgb<u8> = Rgb([210, 20, 30]);
const BLUE: Rgb<u8> = Rgb([20, 60, 200]);
const GREEN: Rgb<u8> = Rgb([20, 150, 50]);
const BLACK: Rgb<u8> = Rgb([0; 3]);

fn page(width: u32, height: u32) -> RgbImage {
    RgbImage::from_pixel(width, height, WHITE)
}

/// The corners of a regular polygon; with `inner` below 1, those of a star.
fn around(corners: usize, inner: f64, (x, y): (f64, f64), radius: f64, degrees: f64) -> Vec<Point<i32>> {
    let corner = |n: usize| {
        let angle = degrees.to_radians() + n as f64 / corners as f64 * TAU;
        let radius = if n % 2 == 1 { radius * inner } else { radius };
        Point::new((x + radius * angle.cos()).round() as i32, (y + radius * angle.sin()).round() as i32)
    };
    (0..corners).map(corner).collect()
}

fn labels(pixels: &RgbImage) -> Vec<String> {
    let mut labels: Vec<String> = found(pixels).into_iter().map(|shape| shape.label).collect();
    labels.sort();
    labels
}

fn found(pixels: &RgbImage) -> Vec<Region> {
    shapes(&Image::from_pixels(pixels.clone(), Frame::ROOT))
}

const NAMES: [(usize, &str); 6] =
    [(3, "triangle"), (4, "square"), (5, "pentagon"), (6, "hexagon"), (7, "heptagon"), (8, "octagon")];

#[test]
fn shapes_have_their_colors_names_and_places() {
    let mut picture = page(500, 300);
    draw_filled_circle_mut(&mut picture, (80, 80), 50, RED);
    draw_filled_rect_mut(&mut picture, Rect::at(200, 40).of_size(150, 60), BLUE);
    draw_filled_rect_mut(&mut picture, Rect::at(400, 40).of_size(60, 60), GREEN);
    draw_filled_ellipse_mut(&mut picture, (90, 220), 70, 30, BLACK);
    draw_polygon_mut(&mut picture, &around(3, 1.0, (250.0, 220.0), 60.0, -90.0), RED);
    draw_polygon_mut(&mut picture, &around(10, 0.45, (410.0, 210.0), 60.0, -90.0), BLUE);
    let mut wanted = ["red circle", "blue rectangle", "green square", "black ellipse", "red triangle", "blue star"];
    wanted.sort_unstable();
    assert_eq!(labels(&picture), wanted);
    let circle = found(&picture).into_iter().find(|shape| shape.label == "red circle").unwrap();
    assert_eq!(circle.bounds, [30.0, 30.0, 131.0, 131.0]);
    // In a piece of the picture they are where they are in the whole.
    let whole = Image::from_pixels(picture, Frame::ROOT);
    let piece = shapes(&crop(&whole, [10.0, 10.0, 150.0, 150.0], 0.0).unwrap());
    assert_eq!(piece, [circle]);
    let Value::List(called) = super::call("find_shapes", [("image", Value::Image(whole))]).unwrap() else { panic!() };
    assert_eq!(called.len(), 6);
}

#[test]
fn outlines_are_shapes_and_what_shows_through_is_not() {
    let mut picture = page(400, 200);
    for radius in 48..52 {
        draw_hollow_circle_mut(&mut picture, (80, 100), radius, BLACK);
    }
    // A line around a colour: the colour is the shape's.
    draw_filled_rect_mut(&mut picture, Rect::at(180, 40).of_size(120, 120), BLACK);
    draw_filled_rect_mut(&mut picture, Rect::at(184, 44).of_size(112, 112), GREEN);
    // A hole that is not the background's colour, and a small square on a large one.
    draw_filled_rect_mut(&mut picture, Rect::at(220, 80).of_size(40, 40), RED);
    assert_eq!(labels(&picture), ["black circle", "green square", "red square"]);
}

#[test]
fn smooth_edges_and_jpeg_change_nothing() {
    let mut large = page(1600, 800);
    draw_filled_circle_mut(&mut large, (300, 400), 240, RED);
    draw_polygon_mut(&mut large, &around(6, 1.0, (850.0, 400.0), 250.0, 10.0), BLUE);
    draw_polygon_mut(&mut large, &around(3, 1.0, (1350.0, 400.0), 220.0, 30.0), GREEN);
    let small = imageops::resize(&large, 400, 200, imageops::FilterType::Triangle);
    let mut file = std::io::Cursor::new(Vec::new());
    small.write_with_encoder(image::codecs::jpeg::JpegEncoder::new_with_quality(&mut file, 90)).unwrap();
    let jpeg = image::load_from_memory(file.get_ref()).unwrap().into_rgb8();
    for picture in [large, small, jpeg] {
        assert_eq!(labels(&picture), ["blue hexagon", "green triangle", "red circle"], "{}", picture.width());
    }
}

#[test]
fn nothing_is_found_where_nothing_is() {
    for (width, height) in [(1, 1), (1, 900), (900, 1), (7, 7), (300, 300)] {
        assert!(found(&page(width, height)).is_empty());
        let noise = RgbImage::from_fn(width, height, |x, y| if (x + y) % 2 == 0 { WHITE } else { BLACK });
        assert!(found(&noise).is_empty());
    }
    // What the edge of the picture cuts off is no whole shape.
    let mut picture = page(100, 100);
    draw_filled_circle_mut(&mut picture, (0, 50), 30, RED);
    assert!(found(&picture).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn regular_polygons_are_known_in_any_turn(kind in 0_usize..6, radius in 50.0..120.0_f64, degrees in 0.0..360.0_f64) {
        let (corners, name) = NAMES[kind];
        let mut picture = page(300, 300);
        draw_polygon_mut(&mut picture, &around(corners, 1.0, (150.0, 150.0), radius, degrees), BLUE);
        prop_assert_eq!(labels(&picture), [format!("blue {name}")]);
    }

    #[test]
    fn circles_and_ellipses_are_known(radius in 8_i32..100, flat in 0.4..0.8_f64) {
        let mut picture = page(300, 300);
        draw_filled_circle_mut(&mut picture, (150, 150), radius, RED);
        prop_assert_eq!(labels(&picture), ["red circle"]);
        let mut picture = page(300, 300);
        draw_filled_ellipse_mut(&mut picture, (150, 150), radius + 10, (f64::from(radius + 10) * flat) as i32, RED);
        prop_assert_eq!(labels(&picture), ["red ellipse"]);
    }
}
