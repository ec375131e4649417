//! `find_shapes`: circles, triangles, squares and other shapes in a drawing, by colour and outline.

mod form;
pub(super) mod parts;

use async_trait::async_trait;
use image::imageops;
use schemars::JsonSchema;
use serde::Deserialize;

use self::parts::Part;
use super::color_of::color_name;
use super::{ImageRef, TypedTool};
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::value::Region;

/// The longer side, in pixels, of the copy that is looked at; smaller images are looked at as they are.
const SIDE: u32 = 1600;
/// Most shapes, the largest.
const MOST: usize = 200;

/// Finds the shapes of a drawing.
#[derive(Debug, Clone, Copy, Default)]
pub struct FindShapes;

/// The arguments of [`FindShapes`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FindShapesArgs {
    /// the drawing
    image: ImageRef,
}

#[async_trait]
impl TypedTool for FindShapes {
    const NAME: &'static str = "find_shapes";
    const MAPS_OVER: Option<&'static str> = Some("image");
    type Args = FindShapesArgs;
    type Output = Vec<Region>;

    async fn call(&self, cx: &Cx, args: FindShapesArgs) -> Result<Vec<Region>> {
        let image = args.image.load(cx)?;
        let work = tokio::task::spawn_blocking(move || shapes(&image));
        let ended = |e| Error::internal("finding shapes ended unexpectedly").with_source(e);
        cx.within(async { work.await.map_err(ended) }).await
    }
}

/// The shapes of a drawing, largest first: a label such as `red circle`, score 1, and a box in pixels of the root image.
///
/// A shape is a connected part of nearly one colour, or a thin outline, that stands out from the background, is at
/// least 8 pixels and a fiftieth of the shorter side high and wide, and is not cut off by the edge of the image. Its form is
/// one of circle, ellipse, triangle, square, rectangle, diamond, quadrilateral, pentagon, hexagon, heptagon, octagon, star
/// and cross, or `shape` for any other.
pub fn shapes(image: &Image) -> Vec<Region> {
    let pixels = image.pixels();
    let scale = (f64::from(SIDE) / f64::from(pixels.width().max(pixels.height()).max(1))).min(1.0);
    // Between 1 and SIDE.
    let side = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    let copy = imageops::resize(pixels, side(pixels.width()), side(pixels.height()), imageops::FilterType::Nearest);
    let mut parts = parts::shapes(&copy);
    parts.sort_by_key(|part| std::cmp::Reverse(part.extent()));
    parts.truncate(MOST);
    parts.iter().map(|part| region(part, image, scale)).collect()
}

fn region(part: &Part, image: &Image, scale: f64) -> Region {
    let label = format!("{} {}", color_name(part.color()), form::name(&part.outline));
    let [left, top, right, bottom] = part.bounds.map(|side| f64::from(side) / scale);
    let ((left, top), (right, bottom)) = (image.frame().to_root(left, top), image.frame().to_root(right, bottom));
    Region { label, score: 1.0, bounds: [left, top, right, bottom] }
}
