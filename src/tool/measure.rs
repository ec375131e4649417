//! `measure`: sizes, shares, distances and brightness as numbers.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use super::bounds::{Bounds, area, gap, of_image, shared_area, size};
use super::crop::crop;
use super::{ImageRef, Item, Items, Objection, TypedTool};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;

/// Measures an image or a region. A list of regions gives a list of numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Measure;

/// The arguments of [`Measure`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeasureArgs {
    /// what to measure
    what: What,
    /// the image; needed for share and brightness
    #[serde(default)]
    image: Option<ImageRef>,
    /// the thing; needed for share and distance
    #[serde(default)]
    region: Option<Item>,
    /// the other thing of a distance; of several, the nearest
    #[serde(default)]
    to: Option<Items>,
}

/// What [`Measure`] measures. Numbers are rounded to one decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum What {
    /// Pixels from left to right.
    Width,
    /// Pixels from top to bottom.
    Height,
    /// Square pixels: of the box, or of the outline where a mask is given.
    #[serde(alias = "size")]
    Area,
    /// Percent of the image that the region's box or the mask's outline covers, 0 to 100.
    #[serde(alias = "percent", alias = "percentage")]
    Share,
    /// Pixels between the nearest edges of two boxes, 0 when they touch.
    Distance,
    /// Percent, 0 is black and 100 is white: the mean luma of the pixels.
    Brightness,
}

impl What {
    /// The arguments that are needed, in the order they are asked for.
    fn needs(self) -> &'static [&'static str] {
        match self {
            Self::Width | Self::Height | Self::Area => &[],
            Self::Share => &["image", "region"],
            Self::Distance => &["region", "to"],
            Self::Brightness => &["image"],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Width => "width",
            Self::Height => "height",
            Self::Area => "area",
            Self::Share => "share",
            Self::Distance => "distance",
            Self::Brightness => "brightness",
        }
    }

    /// The first argument that is missing, and why it is needed.
    fn lacks(self, given: impl Fn(&str) -> bool) -> Option<Objection> {
        let object = |arg: &str, reason: String| Some(Objection { arg: arg.to_owned(), reason });
        if let Some(missing) = self.needs().iter().find(|name| !given(name)) {
            let all = self.needs().iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(" and ");
            return object(missing, format!("a {} needs {all}; `{missing}` is missing", self.name()));
        }
        let nothing = !given("image") && !given("region");
        nothing
            .then(|| object("region", format!("a {} needs `region`, or `image` for the whole image", self.name())))
            .flatten()
    }
}

#[async_trait]
impl TypedTool for Measure {
    const NAME: &'static str = "measure";
    const MAPS_OVER: Option<&'static str> = Some("region");
    type Args = MeasureArgs;
    type Output = f64;

    async fn call(&self, cx: &Cx, args: MeasureArgs) -> Result<f64> {
        let given = |name: &str| match name {
            "image" => args.image.is_some(),
            "region" => args.region.is_some(),
            _ => args.to.is_some(),
        };
        if let Some(Objection { reason, .. }) = args.what.lacks(given) {
            return Err(failed(reason));
        }
        let image = args.image.as_ref().map(|image| image.load(cx)).transpose()?;
        let region = args.region.as_ref().map(finite).transpose()?;
        let whole = || image.as_ref().map(of_image).unwrap_or_default();
        let (width, height) = size(region.unwrap_or_else(whole));
        let number = match args.what {
            What::Width => width,
            What::Height => height,
            What::Area => width * height * fill(cx, args.region.as_ref())?,
            What::Share => {
                let fill = fill(cx, args.region.as_ref())?;
                100.0 * fill * shared_area(region.unwrap_or_default(), whole()) / area(whole()).max(1.0)
            }
            What::Distance => distance(args.region.as_ref(), region.unwrap_or_default(), &args.to.unwrap_or_default())?,
            What::Brightness => bright(image, region).await?,
        };
        Ok(rounded(number))
    }

    fn objections(&self, args: &Json) -> Vec<Objection> {
        let what = args.get("what").and_then(|what| serde_json::from_value::<What>(what.clone()).ok());
        let given = |name: &str| args.get(name).is_some_and(|value| !value.is_null());
        what.and_then(|what| what.lacks(given)).into_iter().collect()
    }
}

/// How much of its box a thing fills, 0 to 1: all of it, where its outline is not known.
fn fill(cx: &Cx, item: Option<&Item>) -> Result<f64> {
    match item {
        Some(Item::Mask(mask)) => mask.load(cx).map(|mask| mask.fill()),
        _ => Ok(1.0),
    }
}

/// The mean luma of an image, 0 (black) to 100 (white): Y' of Rec. ITU-R BT.709 over the gamma-encoded channels.
pub fn brightness(image: &Image) -> f64 {
    let pixels = image.pixels();
    let mut sums = [0_u64; 3];
    for pixel in pixels.pixels() {
        sums.iter_mut().zip(pixel.0).for_each(|(sum, channel)| *sum += u64::from(channel));
    }
    let [red, green, blue] = sums.map(|sum| sum as f64);
    let count = f64::from(pixels.width()) * f64::from(pixels.height());
    100.0 * (0.2126 * red + 0.7152 * green + 0.0722 * blue) / (255.0 * count.max(1.0))
}

/// The brightness of an image, or of a region in it.
async fn bright(image: Option<Image>, region: Option<Bounds>) -> Result<f64> {
    let image = image.ok_or_else(|| failed("a brightness needs `image`".to_owned()))?;
    let part = region.map(|bounds| crop(&image, bounds, 0.0)).transpose()?.unwrap_or(image);
    let ended = |e| Error::internal("measuring brightness ended unexpectedly").with_source(e);
    tokio::task::spawn_blocking(move || brightness(&part)).await.map_err(ended)
}

/// The gap between a thing's box and the nearest of others. Among several, the thing itself is not one of them.
fn distance(thing: Option<&Item>, from: Bounds, to: &Items) -> Result<f64> {
    let is_other = |item: &&Item| Some(*item) != thing || to.0.len() == 1;
    let others = to.0.iter().filter(is_other);
    let gaps = others.map(|item| finite(item).map(|bounds| gap(from, bounds))).collect::<Result<Vec<f64>>>()?;
    gaps.into_iter()
        .min_by(f64::total_cmp)
        .ok_or_else(|| failed("`to` is an empty list, so there is nothing to measure the distance to".to_owned()))
}

fn finite(item: &Item) -> Result<Bounds> {
    super::bounds::finite(item).ok_or_else(|| failed(format!("the box {:?} is not of finite numbers", item.bounds())))
}

fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

fn failed(message: String) -> Error {
    Error::new(ErrorKind::Tool, message)
}
