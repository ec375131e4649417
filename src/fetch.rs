//! Images by their addresses: the only door through which a URL that somebody else wrote leads out.
//!
//! A [`Fetcher`] asks the hosts of [`ImageUrls::allowed_hosts`] by `https`, and no others. A name is looked up once for
//! each request, all addresses that it has must be public ([`is_public`]), and the connection is made to one of them;
//! so a name that leads inside, or leads elsewhere the next time, gains nothing. Redirects go through the same checks,
//! one by one. Nothing goes along: no cookies, no credentials, no referrer, no proxy.
//!
//! ```no_run
//! use std::time::Instant;
//!
//! use lavr::fetch::{Fetcher, ImageUrls};
//! use lavr::image::{Image, ImageLimits};
//!
//! # async fn example() -> lavr::error::Result<()> {
//! let urls = ImageUrls { allowed_hosts: vec!["images.example.com".to_owned()], ..ImageUrls::default() };
//! let (fetcher, limits) = (Fetcher::new(&urls)?, ImageLimits::default());
//! let url = fetcher.allow("https://images.example.com/cat.jpg")?;
//! let bytes = fetcher.fetch(url, limits.max_bytes, Instant::now()).await?;
//! let image = Image::decode(bytes, &limits)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Why addresses are checked in the resolver
//! A name that is looked up to be checked, and once more to be connected to, can have another address the second time.
//! Here the client's only resolver is the one that checks, so there is no second lookup, whichever way a name got to
//! the connector. Connections are not kept, so no later request goes by an earlier check.

mod address;
mod answer;
mod resolve;
mod rules;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::ACCEPT;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response, retry};

pub use address::is_public;
pub use resolve::{Resolver, SystemResolver};
pub use rules::{AllowedUrl, ImageUrls};

use self::resolve::Guarded;
use self::rules::Rules;
use crate::error::{Error, ErrorKind, Result};
use crate::store::http;

/// Says which addresses may be connected to.
pub type Guard = fn(IpAddr) -> bool;

/// The network as a fetcher sees it. No configuration changes it: a program that embeds `lavr` can, and tests do.
#[derive(Clone)]
pub struct Network {
    /// Finds the addresses of names.
    pub resolver: Arc<dyn Resolver>,
    /// Says which of them may be connected to.
    pub guard: Guard,
    /// Certificates (PEM) that are trusted in place of the platform's.
    pub roots: Option<Vec<u8>>,
}

/// The system's resolver, public addresses alone, and the platform's certificates.
impl Default for Network {
    fn default() -> Self {
        Self { resolver: Arc::new(SystemResolver), guard: is_public, roots: None }
    }
}

/// Fetches images from allowed hosts.
pub struct Fetcher {
    rules: Rules,
    client: Client,
    guard: Guard,
    max_redirects: usize,
    timeout: Duration,
}

impl Fetcher {
    /// A fetcher. Nothing is sent before the first URL.
    ///
    /// # Errors
    /// `InvalidInput` naming a faulty setting.
    pub fn new(urls: &ImageUrls) -> Result<Self> {
        Self::on(urls, Network::default())
    }

    /// As [`Fetcher::new`], on a network of the caller's own. What its guard lets pass is connected to.
    ///
    /// # Errors
    /// As [`Fetcher::new`]; `InvalidInput` when the certificates cannot be read.
    pub fn on(urls: &ImageUrls, network: Network) -> Result<Self> {
        Ok(Self {
            rules: Rules::new(urls)?,
            guard: network.guard,
            client: client(network)?,
            max_redirects: urls.max_redirects,
            timeout: Duration::from_millis(urls.timeout_ms),
        })
    }

    /// The URL in a text, when it is allowed. Nothing is looked up for it.
    ///
    /// # Errors
    /// `InvalidInput` saying why it is not, and what would allow it.
    pub fn allow(&self, url: &str) -> Result<AllowedUrl> {
        self.rules.allow(url)
    }

    /// The bytes that a URL leads to, of which there are `max_bytes` at most. The time limit counts from `since`, which
    /// is when the first of several images was asked for. Dropping the future ends the connection.
    ///
    /// # Errors
    /// `InvalidInput` when a redirect leads to what is not allowed; `Network` when there is no image to be had.
    /// Messages name the URL's host, and nothing of where its name or a redirect leads: whether a name does not exist,
    /// or leads inside, or nobody answers there, is one and the same. [`Error::for_log`] says it.
    pub async fn fetch(&self, url: AllowedUrl, max_bytes: u64, since: Instant) -> Result<Vec<u8>> {
        let host = url.host().to_owned();
        let left = self.timeout.saturating_sub(since.elapsed());
        let fetched = tokio::time::timeout(left, self.follow(&host, url, max_bytes)).await;
        fetched.unwrap_or_else(|late| Err(self.unreachable(&host, late)))
    }

    async fn follow(&self, host: &str, mut url: AllowedUrl, max_bytes: u64) -> Result<Vec<u8>> {
        for _ in 0..=self.max_redirects {
            let response = self.ask(host, &url).await?;
            url = match answer::location(&response) {
                None => return answer::read(host, response, max_bytes).await,
                Some(location) => self.rules.follow(&url, location).map_err(|e| led_astray(host, e))?,
            };
        }
        Err(failed(host, &format!("sends on more than {} times", self.max_redirects)))
    }

    async fn ask(&self, host: &str, url: &AllowedUrl) -> Result<Response> {
        if let Some(address) = url.address() {
            // Of an address no name is looked up, so the guard is asked here.
            resolve::check(url.host(), address, self.guard).map_err(|e| self.unreachable(host, e))?;
        }
        let sent = self.client.get(url.url().clone()).header(ACCEPT, "image/*").send().await;
        sent.map_err(|e| self.unreachable(host, e.without_url()))
    }

    /// The one message for all that happens before an answer.
    fn unreachable(&self, host: &str, why: impl std::error::Error + Send + Sync + 'static) -> Error {
        let limit = self.timeout.as_millis();
        let wanted = format!("it has to answer at public addresses, with a valid certificate, within {limit} ms");
        Error::new(ErrorKind::Network, format!("`{host}` could not be reached: {wanted}")).with_source(why)
    }
}

/// The client of a fetcher: it goes where the guard lets it, and carries nothing along.
fn client(network: Network) -> Result<Client> {
    let mut builder = http::builder(&[])
        .dns_resolver(Guarded::new(network.resolver, network.guard))
        .no_proxy()
        .https_only(true)
        .redirect(Policy::none())
        .referer(false)
        .retry(retry::never())
        .http1_only()
        .pool_max_idle_per_host(0)
        // Features of the client that another crate may have switched on.
        .no_gzip()
        .no_brotli()
        .no_deflate()
        .no_zstd();
    if let Some(pem) = network.roots {
        let faulty = |e| Error::invalid("the certificates are no PEM").with_source(e);
        builder = builder.tls_certs_only(Certificate::from_pem_bundle(&pem).map_err(faulty)?);
    }
    builder.build().map_err(|e| Error::internal("cannot set up the HTTP client").with_source(e))
}

/// A host answered, and not with an image.
fn failed(host: &str, what: &str) -> Error {
    Error::new(ErrorKind::Network, format!("`{host}` {what}"))
}

fn led_astray(host: &str, why: Error) -> Error {
    let message = format!(
        "`{host}` sends on to an address that is not allowed; ask for the image where it is, at one of the hosts that \
         images are fetched from"
    );
    Error::invalid(message).with_source(why)
}
