//! Answers: whether one is an image, and its bytes within a limit.

use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION};
use reqwest::{Response, StatusCode};

use super::failed;
use crate::error::Result;

/// Where an answer sends on to, when it does and says so in a text.
pub(super) fn location(response: &Response) -> Option<&str> {
    use StatusCode as S;
    let sends_on = matches!(
        response.status(),
        S::MOVED_PERMANENTLY | S::FOUND | S::SEE_OTHER | S::TEMPORARY_REDIRECT | S::PERMANENT_REDIRECT
    );
    sends_on.then(|| text(response.headers(), &LOCATION)).flatten()
}

/// The bytes of an image, of which there are `most`.
///
/// # Errors
/// `Network` when the answer is no image, or too long, or cut off.
pub(super) async fn read(host: &str, mut response: Response, most: u64) -> Result<Vec<u8>> {
    check(host, &response)?;
    let too_long = || failed(host, &format!("sent more than {most} bytes; scale the image down"));
    if response.content_length().is_some_and(|length| length > most) {
        return Err(too_long());
    }
    let mut bytes = Vec::new();
    let cut_off = |e: reqwest::Error| failed(host, "sent an image that is cut off").with_source(e.without_url());
    while let Some(piece) = response.chunk().await.map_err(cut_off)? {
        if (bytes.len() as u64).saturating_add(piece.len() as u64) > most {
            return Err(too_long());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

fn check(host: &str, response: &Response) -> Result<()> {
    let status = response.status();
    if status != StatusCode::OK {
        return Err(failed(host, &format!("answered with the status {}", status.as_u16())));
    }
    let is_plain = |coding: &str| coding.trim().eq_ignore_ascii_case("identity");
    if response.headers().contains_key(CONTENT_ENCODING)
        && !text(response.headers(), &CONTENT_ENCODING).is_some_and(is_plain)
    {
        return Err(failed(host, "sent the image compressed, though it was not asked to"));
    }
    let kind = text(response.headers(), &CONTENT_TYPE).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !essence.starts_with("image/") && essence != "application/octet-stream" {
        return Err(failed(host, "sent no image: its `Content-Type` says something else"));
    }
    Ok(())
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
