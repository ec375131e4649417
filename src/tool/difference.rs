//! `difference`: whether two images are the same picture, how alike they are, and where they differ.

mod changes;
mod similarity;

use async_trait::async_trait;
use image::RgbImage;
use image_hasher::{HashAlg, HasherConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

pub use changes::{Change, changes};
pub use similarity::similarity;

use super::{ImageRef, TypedTool};
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::image::Image;

/// Hashes of the same picture differ in at most so many of their 64 bits.
const NEAR: u32 = 10;
/// And the pictures are at least so similar: hashes of even pictures say little.
const ALIKE: f64 = 0.4;

/// Compares two images.
#[derive(Debug, Clone, Copy, Default)]
pub struct Difference;

/// The arguments of [`Difference`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DifferenceArgs {
    /// the image to compare
    image: ImageRef,
    /// the image to compare it with
    other: ImageRef,
}

/// Whether two images are the same picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Same {
    /// Every pixel is the same.
    Identical,
    /// The same picture in another size, quality or brightness, or with small changes.
    #[serde(rename = "nearly the same")]
    NearlyTheSame,
    /// Another picture.
    Different,
}

#[async_trait]
impl TypedTool for Difference {
    const NAME: &'static str = "difference";
    type Args = DifferenceArgs;
    type Output = Json;

    async fn call(&self, cx: &Cx, args: DifferenceArgs) -> Result<Json> {
        let (image, other) = (args.image.load(cx)?, args.other.load(cx)?);
        let work = tokio::task::spawn_blocking(move || difference(&image, &other));
        let ended = |e| Error::internal("comparing images ended unexpectedly").with_source(e);
        cx.within(async { work.await.map_err(ended) }).await
    }
}

/// What `difference` returns: `same` (see [`Same`]), `hash_distance` (of [`hash_distance`]), `similarity` (see
/// [`similarity`]), and, where both have as many pixels, `changed_percent` and `changes` (see [`changes`]). Else these two
/// are null. Boxes are in pixels of the root of the first image.
pub fn difference(image: &Image, other: &Image) -> Json {
    let (a, b) = (image.pixels(), other.pixels());
    let (distance, similarity) = (hash_distance(a, b), similarity(a, b));
    let same = match () {
        () if a == b => Same::Identical,
        () if distance <= NEAR && similarity >= ALIKE => Same::NearlyTheSame,
        () => Same::Different,
    };
    let changed = (a.dimensions() == b.dimensions()).then(|| changes(image, other));
    json!({
        "same": same,
        "hash_distance": distance,
        "similarity": (similarity * 1000.0).round() / 1000.0,
        "changed_percent": changed.as_ref().map(|(percent, _)| percent),
        "changes": changed.map(|(_, changes)| changes),
    })
}

/// In how many of 64 bits the perceptual hashes of two pictures differ: at most 10 for the same picture, about 32 for
/// two that have nothing in common.
///
/// The hash is pHash (Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010): the signs of
/// the low frequencies of a DCT about their median, by the crate `image_hasher`.
pub fn hash_distance(a: &RgbImage, b: &RgbImage) -> u32 {
    let hasher = HasherConfig::new().hash_size(8, 8).hash_alg(HashAlg::Median).preproc_dct().to_hasher();
    hasher.hash_image(a).dist(&hasher.hash_image(b))
}
