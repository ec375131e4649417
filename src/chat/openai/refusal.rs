//! What a server answers instead of a reply, and the one line that says what to do about it.

use std::time::{Duration, SystemTime};

use futures::StreamExt;
use reqwest::header::{HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde_json::Value as Json;

use super::endpoint::Endpoint;
use crate::error::{Error, ErrorKind};

/// Most bytes of an answer without a reply that are read.
const MAX_BODY: usize = 64 << 10;
/// Longest wait for its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// An answer whose status is not success.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    /// What the server says, ready to be quoted.
    pub(super) message: String,
    /// Message, code, type and parameter, in lower case, to look words up in.
    words: String,
    /// How long the server asks to wait.
    pub(super) after: Option<Duration>,
}

impl Refusal {
    pub(super) async fn read(response: Response, endpoint: &Endpoint) -> Self {
        let status = response.status();
        let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let after = after.and_then(|value| retry_after(value, SystemTime::now()));
        let location = redirection(response.headers());
        let body = body(response).await;
        let (mut message, words) = said(&body);
        if let (true, Some(location)) = (status.is_redirection(), location) {
            message = format!("it points to {location}");
        }
        Self { status, message: endpoint.quote(&message), words, after }
    }

    /// Whether the server may answer if it is asked again. llama.cpp answers 500, too, to what it cannot do.
    pub(super) fn is_passing(&self) -> bool {
        !self.is_quota()
            && !self.names(&["not supported"])
            && (self.status.is_server_error() && self.status != StatusCode::NOT_IMPLEMENTED
                || matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT))
    }

    /// Whether it may be the request's form that is refused.
    ///
    /// Some servers answer 500 to what they do not know, so a failure that names a part of the form counts.
    pub(super) fn is_about_form(&self) -> bool {
        let client = matches!(self.status.as_u16(), 400 | 415 | 422 | 501);
        let names = self.status == StatusCode::INTERNAL_SERVER_ERROR && self.names(&["response_format", "json_schema"]);
        (client || names) && !self.is_too_long()
    }

    /// Whether the refusal names none of the request's parts.
    pub(super) fn is_vague(&self) -> bool {
        !self.names(&["max_tokens", "max_completion_tokens", "temperature", "messages", "`model`", "'model'", "image"])
    }

    /// Whether the server says one of these words.
    pub(super) fn names(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.words.contains(word))
    }

    fn is_quota(&self) -> bool {
        self.status == StatusCode::PAYMENT_REQUIRED || self.names(&["insufficient_quota", "billing_hard_limit"])
    }

    fn is_too_long(&self) -> bool {
        self.names(&["context_length_exceeded", "context length", "context size", "context window", "exceed_context"])
    }

    /// The error, with the way out. `variable` is where the key comes from, `model` the model's name.
    pub(super) fn error(&self, endpoint: &Endpoint, variable: &str, model: &str) -> Error {
        let at = endpoint.shown();
        let code = self.status.as_u16();
        let said = if self.message.is_empty() { String::new() } else { format!(": {}", self.message) };
        let (kind, text) = match self.status {
            _ if self.is_quota() => (
                ErrorKind::Model,
                format!(
                    "the account at {at} has no credit left ({code}); add credit, or set {variable} to another key"
                ),
            ),
            StatusCode::UNAUTHORIZED if endpoint.has_key() => {
                (ErrorKind::InvalidInput, format!("{at} does not accept the key (401); set {variable} to a valid one"))
            }
            StatusCode::UNAUTHORIZED => (ErrorKind::InvalidInput, format!("{at} wants a key (401); set {variable}")),
            StatusCode::FORBIDDEN => (
                ErrorKind::InvalidInput,
                format!("{at} does not allow this (403){said}; set {variable} to a key that may use `{model}`"),
            ),
            StatusCode::NOT_FOUND => (
                ErrorKind::NotFound,
                format!(
                    "{at} has no model `{model}`, or is no OpenAI-compatible base URL (404){said}; correct `--llm`"
                ),
            ),
            _ if self.is_too_long() => (
                ErrorKind::InvalidInput,
                format!(
                    "the prompt does not fit the context of `{model}` ({code}){said}; use an LLM with a larger one"
                ),
            ),
            status if status.is_redirection() => {
                (ErrorKind::InvalidInput, format!("{at} redirects ({code}){said}; name the final address in `--llm`"))
            }
            _ => (ErrorKind::Model, format!("{at} refused the request ({code}){said}")),
        };
        Error::new(kind, format!("LLM: {text}"))
    }

    /// What happened, for a failure that may pass.
    pub(super) fn what(&self) -> String {
        let said = if self.message.is_empty() { String::new() } else { format!(": {}", self.message) };
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            format!("takes no more requests now (429{said})")
        } else {
            format!("failed ({}{said})", self.status.as_u16())
        }
    }
}

fn redirection(headers: &HeaderMap) -> Option<String> {
    let location = headers.get(LOCATION)?.to_str().ok()?;
    Some(super::endpoint::shown(location))
}

async fn body(response: Response) -> Vec<u8> {
    let mut stream = response.bytes_stream();
    let mut body = Vec::new();
    let read = async {
        while let Some(Ok(chunk)) = stream.next().await {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BODY {
                break;
            }
        }
    };
    // What has arrived by then is enough to say what is wrong.
    let _ = tokio::time::timeout(BODY_TIMEOUT, read).await;
    body
}

/// What an error's body says, and all its words in lower case.
///
/// Servers write `{"error": {"message", "type", "param", "code"}}`, `{"error": "..."}`, `{"message"}` or
/// `{"detail"}`; others write plain text or a page.
fn said(body: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(body);
    let Ok(json) = serde_json::from_str::<Json>(&text) else {
        let plain = if text.trim_start().starts_with('<') { String::new() } else { text.to_string() };
        return (plain, text.to_lowercase());
    };
    let error = json.get("error").unwrap_or(&json);
    let field = |name: &str| error.get(name).filter(|value| !value.is_null());
    let message = field("message").or_else(|| field("detail")).unwrap_or(error);
    let message = message.as_str().map_or_else(|| message.to_string(), str::to_owned);
    (message, text.to_lowercase())
}

/// How long a `Retry-After` header asks to wait: seconds, or a date of HTTP.
///
/// A date that is over asks for no wait. Anything else is no wait that can be kept, and gives nothing.
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}
