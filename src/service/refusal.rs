//! Refusals: errors as clients of the OpenAI protocol expect them.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::error::{Error, ErrorKind};
use crate::observation::Failure;

/// Longest message, in characters: it may repeat what the client sent.
const LONGEST: usize = 400;

/// The code of a refusal, which goes with its response.
#[derive(Clone, Copy)]
pub(super) struct Code(pub(super) &'static str);

/// Why a request gets no answer: a status, and the `error` object of the OpenAI protocol.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// Seconds after which it may be asked again.
    retry_after: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if let Some((end, _)) = message.char_indices().nth(LONGEST) {
            message.truncate(end);
            message.push('…');
        }
        Self { status, code, message, retry_after: None }
    }

    /// The request itself is wrong.
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", message)
    }

    pub(crate) fn too_many(message: impl Into<String>, retry_after: u64) -> Self {
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", message);
        Self { retry_after: Some(retry_after), ..refusal }
    }

    /// A defect of this service. What happened stands in its log, and not in the answer.
    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the run failed inside the service; its log says more")
    }

    /// A run that ended without an answer. The request was sound, so whatever else went wrong did so on this side.
    pub(crate) fn of_failure(failure: &Failure) -> Self {
        use StatusCode as S;
        tracing::error!("a run failed: [{}] {}", failure.kind, failure.message);
        let status = match failure.kind {
            // The same request would fail again.
            ErrorKind::Plan | ErrorKind::Tool | ErrorKind::Budget => S::UNPROCESSABLE_ENTITY,
            ErrorKind::Timeout => S::GATEWAY_TIMEOUT,
            ErrorKind::Cancelled => S::SERVICE_UNAVAILABLE,
            ErrorKind::Network | ErrorKind::Model | ErrorKind::InvalidInput => S::BAD_GATEWAY,
            _ => return Self::internal(),
        };
        Self::new(status, failure.kind.as_str(), told(failure))
    }

    /// Why, in words.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Which error it is.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// The same refusal for a client of MCP: the body is an error of JSON-RPC, for the request with this id where that is
    /// known.
    pub(crate) fn into_rpc(self, id: Option<&RawValue>) -> Response {
        // Of the protocol's own numbers, the one for a wrong request; else one that servers may choose.
        let code = if self.status == StatusCode::BAD_REQUEST { -32600 } else { -32000 };
        let error = json!({ "code": code, "message": self.message, "data": { "code": self.code } });
        let body = json!({ "jsonrpc": "2.0", "id": id, "error": error });
        self.with_body(body)
    }

    fn with_body(self, body: Value) -> Response {
        let mut response = (self.status, Json(body)).into_response();
        response.extensions_mut().insert(Code(self.code));
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.status.is_server_error() && self.code != ErrorKind::Cancelled.as_str() {
            // OpenAI's own clients would run it twice more.
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        response
    }

    /// The JSON form: `{"error": {"message", "type", "param", "code"}}`.
    pub(crate) fn to_json(&self) -> Value {
        let family = match self.status.as_u16() {
            401 => "authentication_error",
            403 => "permission_error",
            429 => "rate_limit_error",
            500.. => "server_error",
            _ => "invalid_request_error",
        };
        json!({ "error": { "message": self.message, "type": family, "param": null, "code": self.code } })
    }
}

/// What a client is told of a failure: paths, hosts and what servers say stay on this side.
pub(crate) fn told(failure: &Failure) -> String {
    match failure.kind {
        ErrorKind::Plan | ErrorKind::Tool | ErrorKind::Budget => failure.message.clone(),
        kind => Error::new(kind, String::new()).for_model().to_owned(),
    }
}

/// What is wrong with a request before it becomes a run.
impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        if error.kind() == ErrorKind::InvalidInput {
            return Self::new(StatusCode::BAD_REQUEST, "invalid_input", error.to_string());
        }
        tracing::error!("a request failed: {}", error.for_log());
        Self::internal()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = self.to_json();
        self.with_body(body)
    }
}
