//! Where a served LLM is reached, and the secrets that nothing but its requests may carry.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, RequestBuilder, Url};
use serde_json::Value as Json;

use super::OpenAiOptions;
use crate::error::{Error, Result};
use crate::store::http;

/// What a text is cut to that a server wrote and an error quotes, in characters.
const MAX_QUOTE: usize = 300;
/// Shorter texts are not looked for when secrets are struck out: they would hit ordinary words.
const MIN_SECRET: usize = 4;

/// A text that never shows itself: `Debug` prints `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a secret; white space around it is dropped.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().trim().to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The address that requests go to.
pub(super) struct Endpoint {
    url: Url,
    base: String,
    key: Option<HeaderValue>,
    secrets: Vec<String>,
}

impl Endpoint {
    pub(super) fn new(options: &OpenAiOptions) -> Result<Self> {
        let url = base_url(&options.base_url)?;
        let base = http::shown(&url).trim_end_matches('/').to_owned();
        let secrets = secrets(&url, options.key.as_ref());
        // An address with a user and a password brings its own authorisation.
        let own = !url.username().is_empty() || url.password().is_some();
        let key = options.key.as_ref().filter(|_| !own).map(|key| bearer(key, options)).transpose()?;
        Ok(Self { url: completions(url), base, key, secrets })
    }

    /// The base address as it may be shown: without user, password, query and fragment.
    pub(super) fn shown(&self) -> &str {
        &self.base
    }

    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Whether requests carry a key or a password.
    pub(super) fn has_key(&self) -> bool {
        self.key.is_some() || !self.url.username().is_empty()
    }

    pub(super) fn request(&self, client: &Client, body: &Json) -> RequestBuilder {
        let request = client.post(self.url.clone()).json(body);
        match &self.key {
            Some(key) => request.header(AUTHORIZATION, key.clone()),
            None => request,
        }
    }

    /// A server's words as an error may quote them: on one line, short, without our secrets.
    pub(super) fn quote(&self, text: &str) -> String {
        let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for secret in &self.secrets {
            text = text.replace(secret.as_str(), "***");
        }
        let text: String = http::scrub(&text).chars().filter(|c| !c.is_control()).collect();
        match text.char_indices().nth(MAX_QUOTE) {
            Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
            None => text,
        }
    }
}

/// An address as it may be shown, whether or not it is one.
pub(crate) fn shown(base: &str) -> String {
    match Url::parse(base) {
        Ok(url) if url.has_host() && url.fragment().is_none() => http::shown(&url).trim_end_matches('/').to_owned(),
        _ => masked(base),
    }
}

/// What is no address, without what would be its user, password, query and fragment.
fn masked(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    let place = match rest.rsplit_once('@') {
        // The `@` may belong to a query, and what follows it too.
        Some((before, _)) if before.contains('?') => "…",
        Some((_, place)) => place,
        None => rest,
    };
    let place = place.split(['?', '#']).next().unwrap_or_default();
    if scheme.is_empty() { place.to_owned() } else { format!("{scheme}://{place}") }
}

fn base_url(text: &str) -> Result<Url> {
    let faulty = |why: &str| Error::invalid(format!("`{}` is not the base URL of an LLM server: {why}", shown(text)));
    let url = Url::parse(text).map_err(|e| faulty(&e.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(faulty("it begins with http:// or https://"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(faulty("it names no host"));
    }
    if url.fragment().is_some() {
        return Err(faulty("it holds a `#`; in a password write %23"));
    }
    Ok(url)
}

/// `{base}/chat/completions`, the query kept behind it.
fn completions(mut url: Url) -> Url {
    url.set_fragment(None);
    if !url.path().ends_with("/chat/completions")
        && let Ok(mut path) = url.path_segments_mut()
    {
        path.pop_if_empty().extend(["chat", "completions"]);
    }
    url
}

fn bearer(key: &Secret, options: &OpenAiOptions) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.0)).map_err(|_| {
        Error::invalid(format!("the key in {} holds characters that no key has; set it anew", options.key_variable))
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// What must never be shown: the key, the password (or the user, when it stands alone) and the values of the
/// query, as the address has them, decoded, and as the header carries them.
fn secrets(url: &Url, key: Option<&Secret>) -> Vec<String> {
    let mut all: Vec<String> = url.query_pairs().map(|(_, value)| value.into_owned()).collect();
    let raw = url.query().into_iter().flat_map(|query| query.split('&')).filter_map(|pair| pair.split_once('='));
    all.extend(raw.map(|(_, value)| value.to_owned()));
    all.extend(key.map(|key| key.0.clone()));
    let (user, password) = (url.username(), url.password().unwrap_or_default());
    if !user.is_empty() || !password.is_empty() {
        all.push(STANDARD.encode(format!("{}:{}", decoded(user), decoded(password))));
        // A user without a password is a token.
        let secret = if password.is_empty() { user } else { password };
        all.extend([secret.to_owned(), decoded(secret)]);
    }
    all.retain(|secret| secret.len() >= MIN_SECRET);
    all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    all
}

/// A part of an address without its `%20`s.
fn decoded(part: &str) -> String {
    let query = format!("http://h/?part={}", part.replace('+', "%2B"));
    let found = |url: Url| url.query_pairs().next().map(|(_, value)| value.into_owned());
    Url::parse(&query).ok().and_then(found).unwrap_or_default()
}
