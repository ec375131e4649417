//! Requests: one door for all sources, which knows silent hosts and keeps credentials out of messages.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_RANGE, HeaderValue, IF_RANGE, RANGE};
use reqwest::{Client, Response, StatusCode, Url};
use tokio::sync::OnceCell;

use super::hosts::{DeadHosts, NotAsked};
use super::http;
use super::options::StoreOptions;
use crate::error::{Error, ErrorKind, Result};

/// Longest index page or package description that is read.
const MAX_TEXT: usize = 64 << 20;

/// Waits before a server that is busy or broken is asked again.
const PAUSES: [Duration; 2] = [Duration::from_millis(400), Duration::from_millis(1500)];

/// Credentials for one request.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Auth {
    Bearer(String),
    /// User and password.
    Basic(String, String),
    /// User and password, already encoded.
    Encoded(String),
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Auth(..)")
    }
}

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) url: Url,
    pub(super) auth: Option<Auth>,
    pub(super) accept: Option<&'static str>,
    pub(super) range: Option<String>,
    pub(super) if_range: Option<String>,
}

impl Ask {
    pub(super) fn new(url: Url, auth: Option<Auth>) -> Self {
        Self { url, auth, accept: None, range: None, if_range: None }
    }

    pub(super) fn accept(mut self, types: &'static str) -> Self {
        self.accept = Some(types);
        self
    }

    pub(super) fn range(mut self, range: String) -> Self {
        self.range = Some(range);
        self
    }
}

pub(super) struct Web {
    client: OnceCell<Client>,
    pub(super) hosts: DeadHosts,
    roots: Vec<PathBuf>,
    connect_timeout: Duration,
    read_timeout: Duration,
}

impl Web {
    pub(super) fn new(options: &StoreOptions, home: &Path) -> Self {
        let names = ["PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"];
        let mut roots: Vec<PathBuf> = names.iter().filter_map(|name| options.vars.path(name)).collect();
        roots.sort();
        roots.dedup();
        Self {
            client: OnceCell::new(),
            hosts: DeadHosts::new(home, options.dead_host_memory),
            roots,
            connect_timeout: options.connect_timeout,
            read_timeout: options.read_timeout,
        }
    }

    /// Sends a request and returns the answer, whatever its status. Busy servers are asked again.
    pub(super) async fn send(&self, ask: &Ask) -> Result<Response> {
        let mut pauses = PAUSES.iter();
        loop {
            let response = self.send_once(ask).await?;
            let status = response.status();
            if !(status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS) {
                return Ok(response);
            }
            match pauses.next() {
                Some(pause) => tokio::time::sleep(*pause).await,
                None => return Ok(response),
            }
        }
    }

    /// As [`send`](Self::send), with every status but success as an error.
    pub(super) async fn send_ok(&self, ask: &Ask) -> Result<Response> {
        let response = self.send(ask).await?;
        if response.status().is_success() { Ok(response) } else { Err(refused(&ask.url, response.status())) }
    }

    /// A small text: its content type and its bytes.
    pub(super) async fn text(&self, ask: &Ask) -> Result<(String, String, Url)> {
        let response = self.send_ok(ask).await?;
        let kind = response.headers().get(reqwest::header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
        let url = response.url().clone();
        let mut bytes = Vec::new();
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk.map_err(|error| failed(&ask.url, &error))?);
            if bytes.len() > MAX_TEXT {
                return Err(network(&ask.url, "the answer is too long"));
            }
        }
        Ok((kind, String::from_utf8_lossy(&bytes).into_owned(), url))
    }

    async fn send_once(&self, ask: &Ask) -> Result<Response> {
        let host = http::host_of(&ask.url);
        if let Some(why) = self.hosts.recall(&host) {
            return Err(network(&ask.url, &why).with_source(NotAsked));
        }
        let mut request = self.client().await?.get(ask.url.clone());
        request = match &ask.auth {
            None => request,
            Some(Auth::Bearer(token)) => request.bearer_auth(token),
            Some(Auth::Basic(user, password)) => request.basic_auth(user, Some(password)),
            Some(Auth::Encoded(text)) => request.header(AUTHORIZATION, sensitive(&format!("Basic {text}"))?),
        };
        let headers = [(ACCEPT, ask.accept), (RANGE, ask.range.as_deref()), (IF_RANGE, ask.if_range.as_deref())];
        for (name, value) in headers {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        match request.send().await {
            Ok(response) => {
                self.hosts.clear(&host);
                Ok(response)
            }
            Err(error) => {
                if error.is_connect() || error.is_timeout() {
                    self.hosts.mark(&host, &http::describe(&error));
                }
                Err(failed(&ask.url, &error))
            }
        }
    }

    async fn client(&self) -> Result<&Client> {
        let make = async || {
            http::builder(&self.roots)
                .connect_timeout(self.connect_timeout)
                .read_timeout(self.read_timeout)
                .build()
                .map_err(|error| Error::internal("cannot set up the HTTP client").with_source(error))
        };
        self.client.get_or_try_init(make).await
    }
}

fn sensitive(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text).map_err(|_| Error::invalid("credentials hold illegal characters"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The start and the whole length that a partial answer claims: `bytes 5-9/20`.
pub(super) fn content_range(response: &Response) -> Option<(Option<u64>, Option<u64>)> {
    let text = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (span, whole) = text.strip_prefix("bytes ")?.split_once('/')?;
    let start = span.split_once('-').and_then(|(start, _)| start.trim().parse().ok());
    Some((start, whole.trim().parse().ok()))
}

pub(super) fn refused(url: &Url, status: StatusCode) -> Error {
    let hint = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ": it wants other credentials",
        _ => "",
    };
    network(url, &format!("answered {status}{hint}"))
}

pub(super) fn failed(url: &Url, error: &reqwest::Error) -> Error {
    network(url, &http::describe(error))
}

pub(super) fn network(url: &Url, what: &str) -> Error {
    Error::new(ErrorKind::Network, format!("{}: {what}", http::shown(url)))
}
