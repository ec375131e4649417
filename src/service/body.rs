//! Bodies of requests: how large they may be, and how long they may take.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, StatusCode, header};
use futures::StreamExt as _;

use super::refusal::Refusal;
use crate::config::ServiceConfig;

/// How long the body of a refused request is read on.
const PATIENCE: Duration = Duration::from_secs(1);

/// Reads a body of JSON.
///
/// # Errors
/// When it is said to be something else, too large, or too slow.
pub(crate) async fn read(headers: &HeaderMap, body: Body, config: &ServiceConfig) -> Result<Bytes, Refusal> {
    if !is_json(headers) {
        let message = "the body has to be JSON, with `Content-Type: application/json`";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", message));
    }
    read_any(body, config).await
}

/// What a body is said to be.
pub(super) fn kind(headers: &HeaderMap) -> &str {
    headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default()
}

/// Whether a body is said to be JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    kind(headers).split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

/// Reads a body, whatever it is.
///
/// # Errors
/// When it is too large, or too slow.
pub(super) async fn read_any(body: Body, config: &ServiceConfig) -> Result<Bytes, Refusal> {
    let most = config.max_body_bytes;
    let read = tokio::time::timeout(Duration::from_millis(config.body_timeout_ms), to_bytes(body, most)).await;
    let late = |_| {
        let message = format!("the body did not arrive within {} ms", config.body_timeout_ms);
        Refusal::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", message)
    };
    read.map_err(late)?.map_err(|e| {
        tracing::debug!("a body could not be read: {e}");
        Refusal::too_large(format!("the body has more than {most} bytes, or was cut off"))
    })
}

/// Reads the body of a refused request on for a while, and forgets it: a client whose sending fails does not read why.
pub(crate) async fn forget(body: Body, config: &ServiceConfig) {
    let mut left = config.max_body_bytes;
    let mut pieces = body.into_data_stream();
    let reading = async {
        while let Some(Ok(piece)) = pieces.next().await {
            left = left.saturating_sub(piece.len());
            if left == 0 {
                return;
            }
        }
    };
    // Whether it came to its end or not, the refusal goes out now.
    let _ = tokio::time::timeout(PATIENCE, reading).await;
}
