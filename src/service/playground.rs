//! The playground: one page on which people ask, and watch their runs.
//!
//! It holds nothing of anybody's, so it wants no API key; what it asks the service for does. Its content security
//! policy lets it run its own script, show images that it was given, and talk to this service alone.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest as _, Sha256};

use super::refusal::Refusal;
use crate::view;

const PAGE: &str = include_str!("playground/page.html");
const STYLE: &str = include_str!("playground/play.css");
/// The page's script beside what shows runs, in parts that each need those before them.
const PARTS: [&str; 8] = [
    include_str!("playground/service.js"),
    include_str!("playground/shelf.js"),
    include_str!("playground/file.js"),
    include_str!("playground/tray.js"),
    include_str!("playground/compose.js"),
    include_str!("playground/edit.js"),
    include_str!("playground/turn.js"),
    include_str!("playground/play.js"),
];

/// Images for questions to begin with.
static EXAMPLES: [(&str, &str, &[u8]); 3] = [
    ("gallery.jpg", "image/jpeg", include_bytes!("../../tests/images/gallery.jpg")),
    ("receipt.png", "image/png", include_bytes!("../../tests/images/receipt.png")),
    ("road.jpg", "image/jpeg", include_bytes!("../../tests/images/road.jpg")),
];

/// The page, and what its answers say besides.
struct Page {
    html: String,
    policy: String,
    tag: String,
}

static MADE: LazyLock<Page> = LazyLock::new(|| {
    // A browser reads line ends as `\n`, and takes its digests of that.
    let style = [view::STYLE, STYLE].join("\n").replace('\r', "");
    let script = [&view::PARTS[..], &PARTS[..]].concat().join("\n").replace('\r', "");
    let policy = format!(
        "default-src 'none'; img-src blob: data:; style-src {}; script-src {}; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        view::digest(&style),
        view::digest(&script),
    );
    let html = PAGE.replace("{{style}}", &style).replace("{{script}}", &script);
    let tag = tag(html.as_bytes());
    Page { html, policy, tag }
});

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/", get(page)).route("/examples/{name}", get(example))
}

/// `GET /`
async fn page(headers: HeaderMap) -> Response {
    let page = &*MADE;
    let mut response = tagged(&headers, &page.tag, "text/html; charset=utf-8", page.html.as_bytes());
    if let Ok(policy) = page.policy.parse() {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// `GET /examples/{name}`
async fn example(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Refusal> {
    let found = EXAMPLES.iter().copied().find(|(own, ..)| *own == name);
    let (_, kind, bytes) = found.ok_or_else(|| {
        let names: Vec<&str> = EXAMPLES.iter().map(|(name, ..)| *name).collect();
        let message = format!("there is no example `{name}`; there are: {}", names.join(", "));
        Refusal::new(StatusCode::NOT_FOUND, "example_not_found", message)
    })?;
    Ok(tagged(&headers, &tag(bytes), kind, bytes))
}

fn tag(bytes: &[u8]) -> String {
    format!("\"{}\"", hex::encode(Sha256::digest(bytes)))
}

/// What does not change while the service runs: sent once to each browser, which asks whether it is still the same.
fn tagged(headers: &HeaderMap, tag: &str, kind: &'static str, bytes: &'static [u8]) -> Response {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
    let is_known = known.flat_map(|tags| tags.split(',')).any(|known| known.trim().trim_start_matches("W/") == tag);
    let always = [
        (header::ETAG, tag),
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    if is_known {
        return (StatusCode::NOT_MODIFIED, always).into_response();
    }
    (always, [(header::CONTENT_TYPE, kind)], bytes).into_response()
}
