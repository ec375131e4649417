//! Health: whether the process lives, and whether it takes requests.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Shared;

/// The process lives.
pub(super) async fn live() -> Json<Value> {
    Json(json!({ "status": "live" }))
}

/// Requests are taken. Models load lazily, so they need not be there yet; once the service is told to stop, it is not
/// ready.
pub(super) async fn ready(State(shared): State<Shared>) -> (StatusCode, Json<Value>) {
    if shared.stopping.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "stopping" })));
    }
    (StatusCode::OK, Json(json!({ "status": "ready" })))
}
