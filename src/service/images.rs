//! Images of requests: `data:` URLs, decoded within the service's limits.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::refusal::Refusal;
use crate::config::ServiceConfig;
use crate::image::{Image, ImageLimits};

/// Checks what can be checked without decoding anything.
///
/// # Errors
/// When there are too many, or one is no `data:` URL in Base64; its number is named.
pub(crate) fn check(urls: &[String], config: &ServiceConfig) -> Result<(), Refusal> {
    check_count(urls.len(), config)?;
    urls.iter().enumerate().try_for_each(|(n, url)| data(n + 1, url).map(|_| ()))
}

/// Checks how many images a request has.
///
/// # Errors
/// When there are too many.
pub(crate) fn check_count(images: usize, config: &ServiceConfig) -> Result<(), Refusal> {
    if images > config.max_images {
        let most = config.max_images;
        return Err(Refusal::too_large(format!("the request has {images} images, and {most} is the most")));
    }
    Ok(())
}

/// Decodes images in the order in which they stand in a request. It takes its time: not for a thread that answers
/// others.
///
/// # Errors
/// When one is no image, or beyond the limits on each or on all of them; its number is named.
pub(crate) fn open(urls: &[String], config: &ServiceConfig) -> Result<Vec<Image>, Refusal> {
    open_each(urls, config, decode)
}

/// Opens images from wherever they are, each within what the limits leave after those before it.
///
/// # Errors
/// Those of `open`, which is given the number of an image, what stands for it, and the limits.
pub(crate) fn open_each(
    sources: &[String],
    config: &ServiceConfig,
    open: impl Fn(usize, &str, &ImageLimits) -> Result<Image, Refusal>,
) -> Result<Vec<Image>, Refusal> {
    let mut images = Vec::new();
    let mut left = config.max_total_pixels;
    for (n, source) in sources.iter().enumerate() {
        let limits = ImageLimits { max_pixels: config.images.max_pixels.min(left), ..config.images.clone() };
        let image = open(n + 1, source, &limits)?;
        left = left.saturating_sub(u64::from(image.width()) * u64::from(image.height()));
        images.push(image);
    }
    Ok(images)
}

/// Decodes the image in a `data:` URL.
///
/// # Errors
/// When it is none; its number is named.
pub(crate) fn decode(n: usize, url: &str, limits: &ImageLimits) -> Result<Image, Refusal> {
    let faulty = |e| Refusal::bad(format!("image {n}: the `data:` URL is no Base64: {e}"));
    let bytes = STANDARD.decode(data(n, url)?.trim()).map_err(faulty)?;
    Ok(Image::decode(bytes, limits).map_err(|e| e.context(format!("image {n}")))?)
}

/// Whether this is a `data:` URL, and not something else that stands for an image.
pub(crate) fn is_data(url: &str) -> bool {
    url.split_once(':').is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("data"))
}

/// The data of a `data:` URL (RFC 2397) in Base64.
fn data(n: usize, url: &str) -> Result<&str, Refusal> {
    let Some(rest) =
        url.split_once(':').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("data")).map(|(_, rest)| rest)
    else {
        let message = format!(
            "image {n}: this service fetches no addresses; send the image itself, as `data:image/png;base64,...`"
        );
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "image_url_not_allowed", message));
    };
    let faulty = |why: &str| Refusal::bad(format!("image {n}: the `data:` URL {why}"));
    let (head, data) = rest.split_once(',').ok_or_else(|| faulty("has no comma before its data"))?;
    let is_base64 = head.rsplit(';').next().is_some_and(|last| last.trim().eq_ignore_ascii_case("base64"));
    if !is_base64 {
        return Err(faulty("is not in Base64; it begins like `data:image/png;base64,`"));
    }
    Ok(data)
}
