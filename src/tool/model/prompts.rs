//! Places that a call points at: points and boxes.

use serde_json::Value as Json;

use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::signature::ValueType;
use crate::tool::Args;
use crate::tool::bounds::of_image;
use crate::value::Line;

/// Most places of one call.
const MOST: usize = 100;
/// What a call may point with.
const FORMS: &str = "a point `[x, y]`, a box `[left, top, right, bottom]`, a Region, Points, or a list of these";

/// A place that a call points at, in the pixels of the picture that the model looks at.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Prompt {
    /// What is said to be there; empty when nothing is.
    pub(super) label: String,
    pub(super) place: Place,
}

/// A point, or a box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Place {
    Point([f64; 2]),
    /// Left, top, right, bottom.
    Box([f64; 4]),
}

/// The types of the argument `at`.
pub(super) fn types() -> Vec<ValueType> {
    let list = ValueType::list;
    let each = [ValueType::Region, ValueType::Points, list(ValueType::Number)];
    each.iter().cloned().chain(each.iter().cloned().map(list)).collect()
}

/// The places of the argument `at`, which are in pixels of the root image.
///
/// # Errors
/// `Tool` when they are no places, too many, or one lies outside the image.
pub(super) fn prompts(args: &Args, image: &Image) -> Result<Vec<Prompt>> {
    let value = args.get("at").ok_or_else(|| Error::new(ErrorKind::Tool, format!("`at` is missing: give {FORMS}")))?;
    let mut found = Vec::new();
    gather(&value.clone().without_outlines().to_json(), &mut found)?;
    if found.len() > MOST {
        let message = format!("`at` has {} places, and {MOST} at most can be outlined: choose fewer", found.len());
        return Err(Error::new(ErrorKind::Tool, message));
    }
    found.into_iter().map(|prompt| in_image(prompt, image)).collect()
}

/// Adds the places that stand in JSON, in order.
fn gather(json: &Json, found: &mut Vec<Prompt>) -> Result<()> {
    let wrong = || Error::new(ErrorKind::Tool, format!("`at` is {}, which is no place: give {FORMS}", short(json)));
    match json {
        Json::Array(items) => match numbers(items).as_deref() {
            Some([x, y]) => found.push(Prompt { label: String::new(), place: Place::Point([*x, *y]) }),
            Some([left, top, right, bottom]) => {
                found.push(Prompt { label: String::new(), place: Place::Box([*left, *top, *right, *bottom]) });
            }
            Some([]) | None => items.iter().try_for_each(|item| gather(item, found))?,
            Some(_) => return Err(wrong()),
        },
        Json::Object(object) => {
            let text = |key: &str| object.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
            let number = |key: &str| object.get(key).and_then(Json::as_f64);
            let sides = object.get("box").and_then(Json::as_array).and_then(|sides| numbers(sides));
            let (label, place) = match (number("x"), number("y"), sides.as_deref()) {
                (Some(x), Some(y), None) => (text("label"), Place::Point([x, y])),
                (None, None, Some([left, top, right, bottom])) => {
                    (text("label"), Place::Box([*left, *top, *right, *bottom]))
                }
                _ => {
                    let line: Line = serde_json::from_value(json.clone()).map_err(|_| wrong())?;
                    (line.text.clone(), Place::Box(line.bounds()))
                }
            };
            found.push(Prompt { label, place });
        }
        _ => return Err(wrong()),
    }
    Ok(())
}

/// The items, where all are numbers.
fn numbers(items: &[Json]) -> Option<Vec<f64>> {
    items.iter().map(Json::as_f64).collect()
}

/// The beginning of some JSON.
fn short(json: &Json) -> String {
    let text = json.to_string();
    let cut: String = text.chars().take(60).collect();
    if cut.len() < text.len() { format!("{cut}...") } else { cut }
}

/// The same place in the image's own pixels: a box is cut off at the edges, and is a point when it has no area.
fn in_image(Prompt { label, place }: Prompt, image: &Image) -> Result<Prompt> {
    let (frame, width, height) = (image.frame(), f64::from(image.width()), f64::from(image.height()));
    let outside = |what: &str, sides: &[f64]| {
        let covers = of_image(image);
        let message =
            format!("`at`: the {what} {sides:?} lies outside the image, which covers {covers:?}: give a place in it");
        Error::new(ErrorKind::Tool, message)
    };
    let is_inside = |x: f64, y: f64| (0.0..=width).contains(&x) && (0.0..=height).contains(&y);
    let place = match place {
        Place::Point(point) => {
            let (x, y) = frame.to_local(point[0], point[1]);
            is_inside(x, y).then_some(Place::Point([x, y])).ok_or_else(|| outside("point", &point))?
        }
        Place::Box(sides) => {
            let ((x1, y1), (x2, y2)) = (frame.to_local(sides[0], sides[1]), frame.to_local(sides[2], sides[3]));
            let [left, right] = [x1.min(x2), x1.max(x2)];
            let [top, bottom] = [y1.min(y2), y1.max(y2)];
            if left > width || right < 0.0 || top > height || bottom < 0.0 {
                return Err(outside("box", &sides));
            }
            let ([left, right], [top, bottom]) =
                ([left, right].map(|x| x.clamp(0.0, width)), [top, bottom].map(|y| y.clamp(0.0, height)));
            let has_area = left < right && top < bottom;
            let sides = [left, top, right, bottom];
            if has_area { Place::Box(sides) } else { Place::Point(middle(sides)) }
        }
    };
    Ok(Prompt { label, place })
}

/// The middle of a box.
pub(super) fn middle([left, top, right, bottom]: [f64; 4]) -> [f64; 2] {
    [f64::midpoint(left, right), f64::midpoint(top, bottom)]
}
