//! `annotate`: draws items on an image.

mod canvas;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{ImageRef, Item, Items, TypedTool};
use crate::cx::Cx;
use crate::error::Result;
use crate::image::Image;
use canvas::{Canvas, Colour};

/// Draws boxes, outlines and labels of items on an image.
#[derive(Debug, Clone, Copy, Default)]
pub struct Annotate;

/// The arguments of [`Annotate`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnnotateArgs {
    /// the image to draw on
    image: ImageRef,
    /// what to draw
    items: Items,
    /// a heading at the top of the image
    #[serde(default)]
    title: Option<String>,
}

#[async_trait]
impl TypedTool for Annotate {
    const NAME: &'static str = "annotate";
    type Args = AnnotateArgs;
    type Output = Image;

    async fn call(&self, cx: &Cx, args: AnnotateArgs) -> Result<Image> {
        let image = args.image.load(cx)?;
        let items = args.items.0.into_iter().map(|item| item.resolved(cx)).collect::<Result<Vec<_>>>()?;
        Ok(draw_titled(&image, &items, args.title.as_deref()))
    }
}

/// Okabe and Ito's colours, which people with colour blindness can tell apart; without black.
const PALETTE: [Colour; 7] =
    [[230, 159, 0], [0, 114, 178], [0, 158, 115], [213, 94, 0], [86, 180, 233], [204, 121, 167], [240, 228, 66]];

/// Draws items on an image: regions as boxes with label and score, masks as tinted areas, lines of text as outlines
/// with their text, points as dots.
///
/// Boxes and polygons are in pixels of the root image, so this works on crops, too; what lies
/// outside is left out. The result keeps the image's place in the root.
pub fn draw(image: &Image, items: &[Item]) -> Image {
    draw_titled(image, items, None)
}

fn draw_titled(image: &Image, items: &[Item], title: Option<&str>) -> Image {
    let mut canvas = Canvas::new(image.pixels().clone());
    let mut names: Vec<&str> = Vec::new();
    let mut labels = Vec::new();
    for item in items {
        let colour = colour_of(item, &mut names);
        let corners = corners(item).map(|[x, y]| {
            let (x, y) = image.frame().to_local(x, y);
            [x, y]
        });
        match item {
            Item::Mask(mask) => {
                if let Some(mask) = mask.loaded() {
                    canvas.tint(&corners, mask.pixels.pixels(), colour);
                }
            }
            Item::Point(_) => {
                canvas.dot(corners[0], colour);
                continue;
            }
            _ => {
                canvas.outline(&corners);
                canvas.polygon(&corners, colour);
            }
        }
        if matches!(item, Item::Line(_)) {
            canvas.keep_clear(&corners);
        }
        labels.push((corners, colour, label_of(item), text_height(item, &corners)));
    }
    if let Some(title) = title.filter(|t| !t.trim().is_empty()) {
        canvas.title(title);
    }
    // Labels come last, so that no outline crosses them.
    for (corners, colour, text, height) in &labels {
        canvas.label(corners, *colour, text, *height);
    }
    Image::from_pixels(canvas.into_pixels(), image.frame())
}

/// One colour a label, in order of appearance; lines of text share one.
fn colour_of<'a>(item: &'a Item, names: &mut Vec<&'a str>) -> Colour {
    let name = if matches!(item, Item::Line(_)) { "" } else { item.name() };
    let index = names.iter().position(|n| *n == name).unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    });
    PALETTE.get(index % PALETTE.len()).copied().unwrap_or([255, 255, 255])
}

fn corners(item: &Item) -> [[f64; 2]; 4] {
    match item {
        Item::Line(line) => line.polygon,
        other => {
            let [x1, y1, x2, y2] = other.bounds();
            [[x1, y1], [x2, y1], [x2, y2], [x1, y2]]
        }
    }
}

fn label_of(item: &Item) -> String {
    match item {
        Item::Line(line) => line.text.clone(),
        thing if thing.score().is_finite() && thing.score() < 1.0 => {
            format!("{} {:.0}%", thing.name(), thing.score() * 100.0)
        }
        thing => thing.name().to_owned(),
    }
}

/// The label of a line of text is no taller than the line, so that dense text stays legible.
fn text_height(item: &Item, corners: &[[f64; 2]; 4]) -> Option<f64> {
    let [a, _, _, d] = corners;
    matches!(item, Item::Line(_)).then(|| (a[0] - d[0]).hypot(a[1] - d[1]))
}
