//! `image_quality`: sharpness, exposure and size of an image, as numbers and as words.

use async_trait::async_trait;
use image::{GrayImage, imageops};
use imageproc::filter::laplacian_filter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::measure::brightness;
use super::{ImageRef, TypedTool};
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::image::Image;

/// The longer side, in pixels, of the copy on which sharpness is measured; smaller images are measured as they are.
const SIDE: u32 = 512;
/// Least variance of the Laplacian of what is sharp, and of what is soft.
///
/// Set on this project's 30 test pictures of photos and pages at [`SIDE`] pixels: they have 311 or more.
/// Blurred by a Gaussian of a standard deviation of 1 pixel they have 15 to 231, of 2 pixels 3 to 24.
const SHARP: f64 = 200.0;
const SOFT: f64 = 40.0;
/// Images whose levels deviate by less from their mean have nothing to tell sharpness by.
const DETAIL: f64 = 2.0;
/// Pixels up to this level are dark, from [`BRIGHT`] on bright.
const DARK: u8 = 25;
const BRIGHT: u8 = 250;

/// Measures how sharp, how well lit and how large an image is.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImageQuality;

/// The arguments of [`ImageQuality`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageQualityArgs {
    /// the image to judge
    image: ImageRef,
}

/// How sharp an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sharpness {
    /// Edges are as sharp as the pixels.
    Sharp,
    /// A little blurred, or without fine detail.
    Soft,
    /// Blurred.
    Blurred,
    /// Too even to tell.
    #[serde(rename = "without detail")]
    WithoutDetail,
}

/// How well an image is exposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Exposure {
    /// There is nothing wrong with it.
    #[serde(rename = "fine")]
    Fine,
    /// Dark, and without light parts.
    #[serde(rename = "too dark")]
    TooDark,
    /// Bright, and without dark parts.
    #[serde(rename = "too bright")]
    TooBright,
    /// Its darkest and its lightest parts are near each other.
    #[serde(rename = "low contrast")]
    LowContrast,
}

#[async_trait]
impl TypedTool for ImageQuality {
    const NAME: &'static str = "image_quality";
    const MAPS_OVER: Option<&'static str> = Some("image");
    type Args = ImageQualityArgs;
    type Output = Json;

    async fn call(&self, cx: &Cx, args: ImageQualityArgs) -> Result<Json> {
        let image = args.image.load(cx)?;
        let work = tokio::task::spawn_blocking(move || quality(&image));
        let ended = |e| Error::internal("judging an image ended unexpectedly").with_source(e);
        cx.within(async { work.await.map_err(ended) }).await
    }
}

/// What `image_quality` returns: for sharpness, exposure and resolution the numbers and, for the first two, a word.
///
/// A small LLM misreads raw numbers, so the words are decided here. Shares and the mean are percent.
pub fn quality(image: &Image) -> Json {
    let grey = imageops::grayscale(image.pixels());
    let (variance, sharpness) = sharpness(&grey);
    let levels = Levels::of(&grey);
    let mean = brightness(image);
    let megapixels = f64::from(image.width()) * f64::from(image.height()) / 1e6;
    json!({
        "sharpness": { "is": sharpness, "variance_of_laplacian": rounded(variance) },
        "exposure": {
            "is": exposure(mean, &levels),
            "mean": rounded(mean),
            "dark_share": rounded(levels.share(0, DARK)),
            "bright_share": rounded(levels.share(BRIGHT, 255)),
        },
        "resolution": { "width": image.width(), "height": image.height(), "megapixels": (megapixels * 100.0).round() / 100.0 },
    })
}

/// The variance of the Laplacian on a copy of up to 512 pixels, and what it means.
///
/// Source: Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy" (2000). The copy makes images of any
/// resolution comparable. A soft background counts, so a portrait has less than a page of print.
pub fn sharpness(grey: &GrayImage) -> (f64, Sharpness) {
    let longer = grey.width().max(grey.height());
    let scale = f64::from(SIDE) / f64::from(longer.max(1));
    // Both are between 1 and SIDE.
    let side = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    let small = if scale < 1.0 {
        imageops::resize(grey, side(grey.width()), side(grey.height()), imageops::FilterType::Triangle)
    } else {
        grey.clone()
    };
    if variance(small.as_raw().iter().map(|level| f64::from(*level))) < DETAIL * DETAIL {
        return (0.0, Sharpness::WithoutDetail);
    }
    let measured = variance(laplacian_filter(&small).as_raw().iter().map(|value| f64::from(*value)));
    let is = match measured {
        v if v >= SHARP => Sharpness::Sharp,
        v if v >= SOFT => Sharpness::Soft,
        _ => Sharpness::Blurred,
    };
    (measured, is)
}

fn variance(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum, squares) =
        values.fold((0.0, 0.0, 0.0), |(n, sum, squares), v| (n + 1.0, sum + v, squares + v * v));
    let mean = sum / f64::max(count, 1.0);
    (squares / f64::max(count, 1.0) - mean * mean).max(0.0)
}

/// A page of print is bright and a night sky dark, and neither is badly exposed: what counts besides the mean is
/// whether the lightest and the darkest hundredth of the pixels are light and dark. The limits are our own.
fn exposure(mean: f64, levels: &Levels) -> Exposure {
    let (darkest, lightest) = (levels.quantile(0.01), levels.quantile(0.99));
    match () {
        () if mean < 25.0 && lightest < 60.0 => Exposure::TooDark,
        () if mean > 75.0 && darkest > 45.0 => Exposure::TooBright,
        () if lightest - darkest < 30.0 => Exposure::LowContrast,
        () => Exposure::Fine,
    }
}

/// How many pixels have which level.
struct Levels([u64; 256]);

impl Levels {
    fn of(grey: &GrayImage) -> Self {
        let mut counts = [0; 256];
        for level in grey.as_raw() {
            counts[usize::from(*level)] += 1;
        }
        Self(counts)
    }

    fn total(&self) -> f64 {
        self.0.iter().sum::<u64>().max(1) as f64
    }

    /// Percent of the pixels with these levels.
    fn share(&self, from: u8, to: u8) -> f64 {
        let within = self.0.iter().skip(usize::from(from)).take(usize::from(to.saturating_sub(from)) + 1);
        100.0 * within.sum::<u64>() as f64 / self.total()
    }

    /// The level, in percent of white, that this share of the pixels do not exceed.
    fn quantile(&self, share: f64) -> f64 {
        let wanted = share * self.total();
        let mut seen = 0;
        let reached = self.0.iter().position(|count| {
            seen += count;
            seen as f64 >= wanted
        });
        reached.unwrap_or(255) as f64 / 2.55
    }
}

fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}
