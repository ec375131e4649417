//! Boxes (left, top, right, bottom) and how they lie to each other.

use super::Item;
use crate::image::Image;

/// Left, top, right, bottom, in pixels of the root image.
pub(crate) type Bounds = [f64; 4];

/// Width and height; 0 where the edges are the wrong way round.
pub(crate) fn size([left, top, right, bottom]: Bounds) -> (f64, f64) {
    ((right - left).max(0.0), (bottom - top).max(0.0))
}

/// The area in square pixels.
pub(crate) fn area(bounds: Bounds) -> f64 {
    let (width, height) = size(bounds);
    width * height
}

/// The middle of a box.
pub(crate) fn centre([left, top, right, bottom]: Bounds) -> (f64, f64) {
    (f64::midpoint(left, right), f64::midpoint(top, bottom))
}

/// The width and height that two boxes share; negative where they are apart by as much.
pub(crate) fn shared(a: Bounds, b: Bounds) -> (f64, f64) {
    (a[2].min(b[2]) - a[0].max(b[0]), a[3].min(b[3]) - a[1].max(b[1]))
}

/// The area that two boxes share.
pub(crate) fn shared_area(a: Bounds, b: Bounds) -> f64 {
    let (width, height) = shared(a, b);
    width.max(0.0) * height.max(0.0)
}

/// The distance between the nearest edges; 0 when the boxes touch or overlap.
pub(crate) fn gap(a: Bounds, b: Bounds) -> f64 {
    let (width, height) = shared(a, b);
    (-width).max(0.0).hypot((-height).max(0.0))
}

/// The distance between the middles.
pub(crate) fn centre_distance(a: Bounds, b: Bounds) -> f64 {
    let ((ax, ay), (bx, by)) = (centre(a), centre(b));
    (ax - bx).hypot(ay - by)
}

/// Whether the middle of a box lies in `outer`, or at least half of the box does.
pub(crate) fn lies_inside(inner: Bounds, outer: Bounds) -> bool {
    let (x, y) = centre(inner);
    let [left, top, right, bottom] = outer;
    if (left..=right).contains(&x) && (top..=bottom).contains(&y) {
        return true;
    }
    let whole = area(inner);
    whole > 0.0 && shared_area(inner, outer) / whole >= 0.5
}

/// The place of an image in its root image, in pixels of the root.
pub(crate) fn of_image(image: &Image) -> Bounds {
    let frame = image.frame();
    let (left, top) = frame.to_root(0.0, 0.0);
    let (right, bottom) = frame.to_root(f64::from(image.width()), f64::from(image.height()));
    [left, top, right, bottom]
}

/// The box of an item, when its coordinates are finite numbers.
pub(crate) fn finite(item: &Item) -> Option<Bounds> {
    let bounds = item.bounds();
    bounds.iter().all(|v| v.is_finite()).then_some(bounds)
}
