//! Images of requests: `data:` URLs, and addresses where they are allowed; decoded within the service's limits.

use std::time::Instant;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Parts;
use super::refusal::Refusal;
use crate::config::ServiceConfig;
use crate::error::{Error, ErrorKind};
use crate::fetch::{AllowedUrl, Fetcher};
use crate::image::{Image, ImageLimits};

/// The code of what is not fetched.
const NOT_ALLOWED: &str = "image_url_not_allowed";
/// The code of what was to be fetched, and could not be had.
const FAILED: &str = "image_url_failed";

/// An image as a request names it, checked.
pub(super) enum Asked {
    /// A `data:` URL in Base64.
    Data(String),
    Address(AllowedUrl),
}

/// An image that is here, not yet decoded.
pub(super) enum Sent {
    /// A `data:` URL in Base64.
    Data(String),
    Fetched(Vec<u8>),
    /// A file of a form.
    File(Vec<u8>),
}

/// Checks what can be checked without decoding or fetching anything.
///
/// # Errors
/// When there are too many, or one is no `data:` URL in Base64 and no address that is allowed; its number is named.
pub(super) fn check(urls: Vec<String>, shared: &Parts) -> Result<Vec<Asked>, Refusal> {
    check_count(urls.len(), &shared.config)?;
    urls.into_iter().enumerate().map(|(n, url)| asked(n + 1, url, shared.fetcher.as_ref())).collect()
}

fn asked(n: usize, url: String, fetcher: Option<&Fetcher>) -> Result<Asked, Refusal> {
    if is_data(&url) {
        data(n, &url)?;
        return Ok(Asked::Data(url));
    }
    let Some(fetcher) = fetcher else {
        let message = format!(
            "image {n}: this service fetches no addresses; send the image itself, as `data:image/png;base64,...`"
        );
        return Err(Refusal::new(StatusCode::BAD_REQUEST, NOT_ALLOWED, message));
    };
    fetcher.allow(&url).map(Asked::Address).map_err(|e| not_had(n, &e))
}

/// Fetches what is not here yet, one image after the other: together they have one time limit, and the room of one
/// body. Dropping the future ends it.
///
/// # Errors
/// When one cannot be had; its number is named.
pub(super) async fn fetch(asked: Vec<Asked>, shared: &Parts) -> Result<Vec<Sent>, Refusal> {
    let (config, since) = (&shared.config, Instant::now());
    let mut left = config.max_body_bytes as u64;
    let mut sent = Vec::new();
    for (n, one) in asked.into_iter().enumerate() {
        sent.push(match (one, &shared.fetcher) {
            (Asked::Data(url), _) => Sent::Data(url),
            (Asked::Address(_), None) => return Err(Refusal::internal()),
            (Asked::Address(_), _) if left == 0 => {
                let message = format!("the images before it have {} bytes, the most of all", config.max_body_bytes);
                return Err(not_had(n + 1, &Error::new(ErrorKind::Network, message)));
            }
            (Asked::Address(url), Some(fetcher)) => {
                let fetched = fetcher.fetch(url, config.images.max_bytes.min(left), since).await;
                let bytes = fetched.map_err(|e| {
                    tracing::warn!("an image could not be fetched: {}", e.for_log());
                    not_had(n + 1, &e)
                })?;
                left = left.saturating_sub(bytes.len() as u64);
                Sent::Fetched(bytes)
            }
        });
    }
    Ok(sent)
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
pub(super) fn open(sent: Vec<Sent>, config: &ServiceConfig) -> Result<Vec<Image>, Refusal> {
    open_each(sent, config, |n, one, limits| match one {
        Sent::Data(url) => decode(n, &url, limits),
        Sent::File(bytes) => Ok(Image::decode(bytes, limits).map_err(|e| e.context(format!("image {n}")))?),
        Sent::Fetched(bytes) => Image::decode(bytes, limits).map_err(|e| match e.kind() {
            ErrorKind::InvalidInput => Refusal::new(StatusCode::BAD_REQUEST, FAILED, format!("image {n}: {e}")),
            _ => e.into(),
        }),
    })
}

/// Opens images from wherever they are, each within what the limits leave after those before it.
///
/// # Errors
/// Those of `open`, which is given the number of an image, what stands for it, and the limits.
pub(crate) fn open_each<S>(
    sources: impl IntoIterator<Item = S>,
    config: &ServiceConfig,
    open: impl Fn(usize, S, &ImageLimits) -> Result<Image, Refusal>,
) -> Result<Vec<Image>, Refusal> {
    let mut images = Vec::new();
    let mut left = config.max_total_pixels;
    for (n, source) in sources.into_iter().enumerate() {
        let limits = ImageLimits { max_pixels: config.images.max_pixels.min(left), ..config.images.clone() };
        let image = open(n + 1, source, &limits)?;
        left = left.saturating_sub(u64::from(image.width()) * u64::from(image.height()));
        images.push(image);
    }
    Ok(images)
}

/// An image at an address that is not allowed, or from which there is none to be had.
fn not_had(n: usize, error: &Error) -> Refusal {
    let code = if error.kind() == ErrorKind::InvalidInput { NOT_ALLOWED } else { FAILED };
    Refusal::new(StatusCode::BAD_REQUEST, code, format!("image {n}: {error}"))
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
    let faulty = |why: &str| Refusal::bad(format!("image {n}: the `data:` URL {why}"));
    let rest = url.split_once(':').filter(|_| is_data(url)).map(|(_, rest)| rest).ok_or_else(|| faulty("is none"))?;
    let (head, data) = rest.split_once(',').ok_or_else(|| faulty("has no comma before its data"))?;
    let is_base64 = head.rsplit(';').next().is_some_and(|last| last.trim().eq_ignore_ascii_case("base64"));
    if !is_base64 {
        return Err(faulty("is not in Base64; it begins like `data:image/png;base64,`"));
    }
    Ok(data)
}
