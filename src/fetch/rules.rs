//! Which URLs images are fetched from: the settings, and the check of a URL against them.

use std::net::IpAddr;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Longest URL, in bytes.
const MAX_LENGTH: usize = 8 << 10;
/// Longest time limit, in milliseconds.
const MAX_TIMEOUT: u64 = 600_000;
/// Most redirects that can be allowed.
const MAX_REDIRECTS: usize = 20;

/// Where images may be fetched from, and what that may cost: the table `[service.image_urls]` of a configuration file.
/// Without it no address is fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageUrls {
    /// The hosts: `images.example.com` is that host alone, `*.example.org` all hosts below `example.org` and not
    /// itself. There has to be one. A host that a redirect leads to has to be among them, too.
    pub allowed_hosts: Vec<String>,
    /// The ports.
    pub ports: Vec<u16>,
    /// Most redirects from a URL to its image, 20 at most.
    pub max_redirects: usize,
    /// How long the images of one request may take, in milliseconds, with lookups and redirects; ten minutes at most.
    pub timeout_ms: u64,
}

impl Default for ImageUrls {
    fn default() -> Self {
        Self { allowed_hosts: Vec::new(), ports: vec![443], max_redirects: 3, timeout_ms: 10_000 }
    }
}

impl ImageUrls {
    /// Checks that something could be fetched, and that it has an end.
    ///
    /// # Errors
    /// `InvalidInput` naming the setting.
    pub fn validate(&self) -> Result<()> {
        Rules::new(self).map(|_| ())
    }
}

/// A URL that its [`Fetcher`](super::Fetcher) allowed. It is parsed, and what was checked is what is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedUrl(Url);

impl AllowedUrl {
    /// The host, in lower case and in ASCII.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    pub(super) fn url(&self) -> &Url {
        &self.0
    }

    /// The address, where the host is one and no name.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.host().trim_start_matches('[').trim_end_matches(']').parse().ok()
    }
}

/// The settings, checked.
pub(super) struct Rules {
    hosts: Vec<Hosts>,
    ports: Vec<u16>,
}

/// One of the allowed hosts, or of their families.
enum Hosts {
    One(String),
    /// All that end so; it begins with a dot.
    Below(String),
}

impl Rules {
    pub(super) fn new(urls: &ImageUrls) -> Result<Self> {
        for (name, is_none) in [
            ("allowed_hosts", urls.allowed_hosts.is_empty()),
            ("ports", urls.ports.is_empty() || urls.ports.contains(&0)),
            ("timeout_ms", urls.timeout_ms == 0),
        ] {
            if is_none {
                let message = format!("`{name}` is empty or 0, so nothing could be fetched; give some, or no table");
                return Err(Error::invalid(message));
            }
        }
        if urls.timeout_ms > MAX_TIMEOUT {
            return Err(Error::invalid(format!("`timeout_ms` is more than {MAX_TIMEOUT}; give less")));
        }
        if urls.max_redirects > MAX_REDIRECTS {
            return Err(Error::invalid(format!("`max_redirects` is more than {MAX_REDIRECTS}; give less")));
        }
        let hosts = urls.allowed_hosts.iter().map(|text| Hosts::parse(text)).collect::<Result<_>>()?;
        Ok(Self { hosts, ports: urls.ports.clone() })
    }

    /// The URL in a text, when it is allowed.
    pub(super) fn allow(&self, text: &str) -> Result<AllowedUrl> {
        check_text(text)?;
        self.check(Url::parse(text).map_err(unreadable)?)
    }

    /// Where a redirect leads, when that is allowed.
    pub(super) fn follow(&self, from: &AllowedUrl, location: &str) -> Result<AllowedUrl> {
        check_text(location)?;
        self.check(from.url().join(location).map_err(unreadable)?)
    }

    fn check(&self, mut url: Url) -> Result<AllowedUrl> {
        if url.scheme() != "https" {
            let message = "images are fetched by `https:` alone; send the image itself, as `data:image/png;base64,...`";
            return Err(Error::invalid(message));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::invalid("an address with a user or a password is not fetched; leave them out"));
        }
        let host = url.host_str().unwrap_or_default();
        if !self.hosts.iter().any(|hosts| hosts.have(host)) {
            let message = format!(
                "`{host}` is none of the hosts that images are fetched from; they stand in `allowed_hosts` of \
                 `[service.image_urls]` in the service's configuration. Or send the image itself, as \
                 `data:image/png;base64,...`"
            );
            return Err(Error::invalid(message));
        }
        let port = url.port_or_known_default().unwrap_or_default();
        if !self.ports.contains(&port) {
            let message = format!(
                "`{host}`: the port {port} is none that images are fetched from; they stand in `ports` of \
                 `[service.image_urls]` in the service's configuration"
            );
            return Err(Error::invalid(message));
        }
        url.set_fragment(None);
        Ok(AllowedUrl(url))
    }
}

impl Hosts {
    fn parse(text: &str) -> Result<Self> {
        let (name, is_family) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        let host = name_of_host(name).ok_or_else(|| {
            let form = "`images.example.com`, or `*.example.org` for all hosts below it";
            Error::invalid(format!("`allowed_hosts` has `{text}`, which is no host; give it like {form}"))
        })?;
        if !is_family {
            return Ok(Self::One(host));
        }
        if host.starts_with('[') || host.parse::<IpAddr>().is_ok() || !host.contains('.') {
            let message = format!("`allowed_hosts` has `{text}`; after `*.` comes a name of two parts or more");
            return Err(Error::invalid(message));
        }
        Ok(Self::Below(format!(".{host}")))
    }

    fn have(&self, host: &str) -> bool {
        match self {
            Self::One(one) => one == host,
            Self::Below(end) => host.strip_suffix(end.as_str()).is_some_and(|front| front.split('.').all(is_label)),
        }
    }
}

fn is_label(text: &str) -> bool {
    !text.is_empty()
}

/// The name of a host as the parser of URLs writes it. A dot at its end would make it another name.
fn name_of_host(name: &str) -> Option<String> {
    let is_odd = |c: char| c.is_control() || c.is_whitespace() || "/\\@?#%*".contains(c);
    let has_port = name.contains(':') && !(name.starts_with('[') && name.ends_with(']'));
    if has_port || name.contains(is_odd) {
        return None;
    }
    let url = Url::parse(&format!("https://{name}/")).ok()?;
    url.host_str().filter(|host| !host.ends_with('.') && host.split('.').all(is_label)).map(str::to_owned)
}

/// Refuses texts that parsers of URLs read differently: these drop tabs and line ends, and take `\` for `/`.
fn check_text(text: &str) -> Result<()> {
    if text.len() > MAX_LENGTH {
        return Err(Error::invalid(format!("the address has more than {MAX_LENGTH} bytes")));
    }
    if text.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
        let message = "the address has a space, a control character or a backslash in it; write it in percent-encoding";
        return Err(Error::invalid(message));
    }
    Ok(())
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::invalid(format!("the address is none: {error}")).with_source(error)
}
