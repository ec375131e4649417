//! Access: who may call, under which name, and from which web pages.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use super::refusal::Refusal;
use super::{Shared, body};
use crate::config::ServiceConfig;
use crate::error::{Error, Result};
use crate::files::read_at_most;

/// Who calls: the number of the API key, or nobody in particular where no key is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Caller(Option<usize>);

impl Caller {
    /// Who started the program, and reaches it without a network.
    pub(crate) const OWNER: Self = Self(None);

    /// Whether callers are told apart.
    pub(crate) fn has_key(self) -> bool {
        self.0.is_some()
    }
}

/// The environment variable with the API keys of the service, comma-separated.
pub const KEYS: &str = "LAVR_API_KEY";
/// Fewest characters of an API key.
const LEAST: usize = 16;
/// Longest file of API keys, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The API keys of the service. Only their digests are kept.
#[derive(Clone, Default)]
pub struct ApiKeys {
    digests: Vec<[u8; 32]>,
    /// Whether it was said that there shall be none.
    open: bool,
}

impl ApiKeys {
    /// No keys, on purpose: whoever reaches the routes may ask. For a host that guards them by itself.
    pub fn none() -> Self {
        Self { digests: Vec::new(), open: true }
    }

    /// The keys in a text, comma-separated.
    ///
    /// # Errors
    /// `InvalidInput` when one has fewer than 16 characters; the message does not say which it is.
    pub fn parse(text: &str) -> Result<Self> {
        let mut keys = Self::default();
        for key in text.split(',').map(str::trim).filter(|key| !key.is_empty()) {
            keys.add(key)?;
        }
        Ok(keys)
    }

    /// The keys of the environment variable `LAVR_API_KEY`, and of [`ServiceConfig::api_keys_file`].
    ///
    /// # Errors
    /// As [`ApiKeys::parse`]; `InvalidInput` when the variable or the file is there and has no key; `NotFound` or `Io`
    /// when the file cannot be read.
    pub fn from_env(config: &ServiceConfig) -> Result<Self> {
        let mut keys = match std::env::var_os(KEYS).map(|text| text.into_string()) {
            None => Self::default(),
            Some(Err(_)) => return Err(Error::invalid("it is no UTF-8 text").context(KEYS)),
            Some(Ok(text)) => Self::parse(&text).and_then(Self::some).map_err(|e| e.context(KEYS))?,
        };
        let Some(file) = &config.api_keys_file else { return Ok(keys) };
        let place = |e: Error| e.context(format!("the file of API keys `{}`", file.display()));
        let bytes = read_at_most(file, MAX_BYTES).map_err(|e| place(e.into()))?;
        let text = String::from_utf8(bytes).map_err(|_| place(Error::invalid("it is no UTF-8 text")))?;
        let mut of_file = Self::default();
        for key in text.lines().map(without_comment).filter(|key| !key.is_empty()) {
            of_file.add(key).map_err(place)?;
        }
        keys.digests.append(&mut of_file.some().map_err(place)?.digests);
        Ok(keys)
    }

    /// These keys, of which there has to be one.
    fn some(self) -> Result<Self> {
        if self.digests.is_empty() {
            return Err(Error::invalid("there is no API key in it; leave it out, or give one"));
        }
        Ok(self)
    }

    fn add(&mut self, key: &str) -> Result<()> {
        if key.chars().count() < LEAST {
            let message = format!("an API key has fewer than {LEAST} characters; make one with `openssl rand -hex 24`");
            return Err(Error::invalid(message));
        }
        self.digests.push(digest(key));
        Ok(())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }

    /// Whether it was said that there shall be none; see [`ApiKeys::none`].
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// A caller's name, which stays the same as long as the key is: the digest of the key.
    pub(super) fn name(&self, caller: Caller) -> Option<String> {
        caller.0.and_then(|n| self.digests.get(n)).map(hex::encode)
    }

    /// The caller of this name, where its key is still one of these.
    pub(super) fn named(&self, name: &str) -> Caller {
        Caller(self.digests.iter().position(|own| hex::encode(own) == name))
    }

    /// The number of a key. All are compared, and each in constant time.
    fn find(&self, key: &str) -> Option<usize> {
        let given = digest(key);
        let mut found = None;
        for (n, own) in self.digests.iter().enumerate() {
            if bool::from(own.ct_eq(&given)) {
                found = Some(n);
            }
        }
        found
    }
}

/// A line without its comment, which `#` begins at the start or after a space.
fn without_comment(line: &str) -> &str {
    let line = line.trim();
    let key = line.split_once(" #").or_else(|| line.split_once("\t#")).map_or(line, |(key, _)| key.trim());
    if key.starts_with('#') { "" } else { key }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// Checks the address that is called, and the web page that calls.
pub(super) async fn check_place(
    State(shared): State<Shared>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    if request.uri().path().ends_with("/health/live") || request.uri().path().ends_with("/health/ready") {
        // Probes call by the address alone, and learn nothing.
        return Ok(next.run(request).await);
    }
    let headers = request.headers();
    let host = host(&request)?;
    if !is_own(&host, &shared) {
        let message = format!("this service is not `{}`; add the name to `allowed_hosts`", host.host());
        return Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, "unknown_host", message));
    }
    if let Some(origin) = text(headers, &header::ORIGIN)? {
        let own = [format!("http://{host}"), format!("https://{host}")];
        if !own.contains(&origin) && !shared.config.allowed_origins.contains(&origin) {
            let message = "web pages of other origins may not call this service; see `allowed_origins`";
            return Err(Refusal::new(StatusCode::FORBIDDEN, "unknown_origin", message));
        }
    }
    Ok(next.run(request).await)
}

/// Checks the API key, where there are any, and notes who calls.
pub(super) async fn check_key(
    State(shared): State<Shared>,
    mut request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    match caller(request.headers(), &shared.keys) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            Ok(next.run(request).await)
        }
        Err(refusal) => {
            body::forget(request.into_body(), &shared.config).await;
            Err(refusal)
        }
    }
}

fn caller(headers: &HeaderMap, keys: &ApiKeys) -> Result<Caller, Refusal> {
    if keys.is_empty() {
        return Ok(Caller(None));
    }
    let unknown = |message| Refusal::new(StatusCode::UNAUTHORIZED, "invalid_api_key", message);
    let given = text(headers, &header::AUTHORIZATION)?;
    let key = given.as_deref().and_then(bearer);
    let key = key.ok_or_else(|| unknown("this service wants an API key; send it as `Authorization: Bearer KEY`"))?;
    let number = keys.find(key).ok_or_else(|| unknown("the API key is not one of this service's"))?;
    Ok(Caller(Some(number)))
}

fn bearer(given: &str) -> Option<&str> {
    let (scheme, key) = given.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

fn text(headers: &HeaderMap, name: &header::HeaderName) -> Result<Option<String>, Refusal> {
    let unreadable = |_| Refusal::bad(format!("the header `{name}` is no text"));
    headers.get(name).map(|value| value.to_str().map(str::to_owned).map_err(unreadable)).transpose()
}

/// The name and port that the client called.
fn host(request: &Request) -> Result<Authority, Refusal> {
    if let Some(authority) = request.uri().authority() {
        return Ok(authority.clone());
    }
    let named = text(request.headers(), &header::HOST)?.and_then(|host| host.parse().ok());
    named.ok_or_else(|| Refusal::bad("the header `host` is missing or faulty"))
}

/// Whether a name is one of this service's: an allowed one, or, where none is allowed, the loopback's on the loopback
/// and any on other addresses. Routes in a host's app have no address that is known here.
fn is_own(host: &Authority, shared: &Shared) -> bool {
    let (config, name) = (&shared.config, host.host().trim_start_matches('[').trim_end_matches(']'));
    if config.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name)) {
        return true;
    }
    let address = name.parse::<IpAddr>().ok();
    match shared.listens.map(|at| at.ip()) {
        Some(at) if at.is_loopback() => {
            name.eq_ignore_ascii_case("localhost") || address.is_some_and(|ip| ip.is_loopback())
        }
        at => config.allowed_hosts.is_empty() || (at.is_some() && address == at),
    }
}
