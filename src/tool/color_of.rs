//! `color_of`: the dominant colours of an image or a region, by name.

mod name;

use async_trait::async_trait;
use image::RgbImage;
use schemars::JsonSchema;
use serde::Deserialize;

pub use name::{COLORS, color_name, is_color};

use super::crop::crop;
use super::{ImageRef, Item, TypedTool};
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::value::{Label, Mask};

/// Colours with a smaller share are not named.
const MIN_SHARE: f64 = 0.1;
/// How fast a pixel of a region counts for less towards its edges: at the middle of an edge it
/// weighs `exp(-FADE)`, in a corner `exp(-2 FADE)` of one in the middle.
const FADE: f64 = 2.0;

/// Names the dominant colours of an image or a region. A list of regions gives a list of results.
#[derive(Debug, Clone, Copy, Default)]
pub struct ColorOf;

/// The arguments of [`ColorOf`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColorOfArgs {
    /// the image to look at
    image: ImageRef,
    /// the thing whose colour is wanted; the whole image when left out
    #[serde(default)]
    region: Option<Item>,
}

#[async_trait]
impl TypedTool for ColorOf {
    const NAME: &'static str = "color_of";
    const MAPS_OVER: Option<&'static str> = Some("region");
    type Args = ColorOfArgs;
    type Output = Vec<Label>;

    async fn call(&self, cx: &Cx, args: ColorOfArgs) -> Result<Vec<Label>> {
        let image = args.image.load(cx)?;
        let item = args.region.map(|item| item.resolved(cx)).transpose()?;
        let work = move || match item {
            None => Ok(colors(&image)),
            Some(Item::Mask(mask)) => match mask.loaded() {
                Some(mask) => mask_colors(&image, &mask),
                None => region_colors(&image, mask.region.bounds),
            },
            Some(item) => region_colors(&image, item.bounds()),
        };
        let ended = |e| Error::internal("naming colours ended unexpectedly").with_source(e);
        cx.within(async { tokio::task::spawn_blocking(work).await.map_err(ended)? }).await
    }
}

/// The dominant colours of a whole image, best first; every pixel counts the same.
///
/// A label is one of [`COLORS`], its score the share of the pixels. Colours with less than a tenth of
/// them are left out, except that there is always one.
pub fn colors(image: &Image) -> Vec<Label> {
    dominant(image.pixels(), &|_| 1.0)
}

/// The dominant colours within `bounds` (left, top, right, bottom, in pixels of the root image), best first.
///
/// As [`colors`], but a pixel counts for less the nearer it is to the edge of the box (a Gaussian along
/// both axes), because a thing rarely fills its box and the background shows at the edges.
///
/// # Errors
/// `Tool` when nothing of the image lies within the bounds.
pub fn region_colors(image: &Image, bounds: [f64; 4]) -> Result<Vec<Label>> {
    Ok(dominant(crop(image, bounds, 0.0)?.pixels(), &|t| (-FADE * t * t).exp()))
}

/// The dominant colours of a thing whose outline is known, best first; every pixel counts as much as the mask is bright.
///
/// # Errors
/// `Tool` when nothing of the image lies within the mask's box.
pub fn mask_colors(image: &Image, mask: &Mask) -> Result<Vec<Label>> {
    let part = crop(image, mask.region.bounds, 0.0)?;
    let mut shares = [0.0; COLORS.len()];
    for (x, y, pixel) in part.pixels().enumerate_pixels() {
        let (x, y) = part.frame().to_root(f64::from(x) + 0.5, f64::from(y) + 0.5);
        if let Some(share) = shares.get_mut(name::index(pixel.0)) {
            *share += mask.at(x, y);
        }
    }
    Ok(labels(&shares))
}

/// The colours by their weighted share. `weight` takes the distance from the middle along one axis, -1 to 1.
fn dominant(pixels: &RgbImage, weight: &dyn Fn(f64) -> f64) -> Vec<Label> {
    let weights = |length: u32| -> Vec<f64> {
        (0..length).map(|n| weight((f64::from(n) + 0.5) / f64::from(length) * 2.0 - 1.0)).collect()
    };
    let (columns, rows) = (weights(pixels.width()), weights(pixels.height()));
    let mut shares = [0.0; COLORS.len()];
    for (row, down) in pixels.rows().zip(&rows) {
        let mut in_row = [0.0; COLORS.len()];
        for (pixel, across) in row.zip(&columns) {
            if let Some(share) = in_row.get_mut(name::index(pixel.0)) {
                *share += across;
            }
        }
        shares.iter_mut().zip(in_row).for_each(|(share, more)| *share += more * down);
    }
    labels(&shares)
}

fn labels(shares: &[f64]) -> Vec<Label> {
    let sum: f64 = shares.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let named = COLORS.iter().zip(shares);
    let mut labels: Vec<Label> =
        named.map(|(color, share)| Label { label: (*color).to_owned(), score: share / sum }).collect();
    labels.sort_by(|a, b| b.score.total_cmp(&a.score));
    let kept = labels.iter().take_while(|label| label.score >= MIN_SHARE).count();
    labels.truncate(kept.max(1));
    labels
}
