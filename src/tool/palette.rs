//! `palette`: the main colours of an image, with names, hexadecimal codes and shares.

mod cluster;

use std::collections::BTreeMap;

use async_trait::async_trait;
use image::{RgbImage, imageops};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::color_of::color_name;
use super::oklab;
use super::{ImageRef, TypedTool};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;

/// How many colours there are when none is said, and at most.
const COLORS: u32 = 5;
const MOST: u32 = 16;
/// The longer side, in pixels, of the copy whose colours are counted.
const SIDE: u32 = 400;
/// Bits of a channel that tell colours apart before they are clustered.
const BITS: u32 = 5;

/// Finds the main colours of an image.
#[derive(Debug, Clone, Copy, Default)]
pub struct Palette;

/// The arguments of [`Palette`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PaletteArgs {
    /// the image to look at
    image: ImageRef,
    /// how many colours, 1 to 16; 5 when left out
    #[serde(default)]
    colors: Option<u32>,
}

/// A main colour of an image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Swatch {
    /// One of [`super::color_of::COLORS`].
    pub name: &'static str,
    /// `#rrggbb`, sRGB.
    pub hex: String,
    /// Its share of the pixels, 0 to 1.
    pub share: f64,
}

#[async_trait]
impl TypedTool for Palette {
    const NAME: &'static str = "palette";
    const MAPS_OVER: Option<&'static str> = Some("image");
    type Args = PaletteArgs;
    type Output = Json;

    async fn call(&self, cx: &Cx, args: PaletteArgs) -> Result<Json> {
        let image = args.image.load(cx)?;
        let count = args.colors.unwrap_or(COLORS);
        let work = tokio::task::spawn_blocking(move || palette(&image, count));
        let ended = |e| Error::internal("finding the main colours ended unexpectedly").with_source(e);
        Ok(json!(cx.within(async { work.await.map_err(ended)? }).await?))
    }
}

/// The main colours of an image, the one with the most pixels first; fewer where the image has fewer.
///
/// Pixels are clustered by k-means (Lloyd, "Least squares quantization in PCM", 1982) in OKLab, where distances are as
/// the eye has them (Ottosson, 2020), from starts that are far from each other; nothing is left to chance. A colour is
/// the mean of its cluster, so it need not be that of any pixel.
///
/// # Errors
/// `Tool` when `count` is not from 1 to 16.
pub fn palette(image: &Image, count: u32) -> Result<Vec<Swatch>> {
    if !(1..=MOST).contains(&count) {
        return Err(Error::new(ErrorKind::Tool, format!("`colors` is {count}, but it goes from 1 to {MOST}")));
    }
    let colors = counted(&small(image.pixels()));
    let mut clusters = cluster::clusters(&colors, count as usize);
    clusters.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    let total = clusters.iter().map(|cluster| cluster.weight).sum::<f64>().max(1.0);
    let swatch = |cluster: &cluster::Weighted| {
        let rgb = oklab::to_rgb(cluster.lab);
        let [red, green, blue] = rgb;
        let share = (cluster.weight / total * 1000.0).round() / 1000.0;
        Swatch { name: color_name(rgb), hex: format!("#{red:02x}{green:02x}{blue:02x}"), share }
    };
    Ok(clusters.iter().map(swatch).collect())
}

/// A copy of some 400 pixels; no new colours arise, as pixels are taken as they are.
fn small(pixels: &RgbImage) -> RgbImage {
    let scale = f64::from(SIDE) / f64::from(pixels.width().max(pixels.height()).max(1));
    if scale >= 1.0 {
        return pixels.clone();
    }
    // Between 1 and SIDE.
    let side = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    imageops::resize(pixels, side(pixels.width()), side(pixels.height()), imageops::FilterType::Nearest)
}

/// The colours of a picture and how many pixels have them; colours that differ in the low bits only are joined.
fn counted(pixels: &RgbImage) -> Vec<cluster::Weighted> {
    let mut sums: BTreeMap<[u8; 3], ([f64; 3], f64)> = BTreeMap::new();
    for pixel in pixels.pixels() {
        let (sum, count) = sums.entry(pixel.0.map(|channel| channel >> (8 - BITS))).or_default();
        for (sum, value) in sum.iter_mut().zip(oklab::of_rgb(pixel.0)) {
            *sum += value;
        }
        *count += 1.0;
    }
    sums.into_values().map(|(sum, weight)| cluster::Weighted { lab: sum.map(|v| v / weight), weight }).collect()
}
