//! The HTTP client's set-up, and how addresses and failures are put into words.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::sync::Once;

use reqwest::{Certificate, Client, ClientBuilder, Url};

/// A client builder with `lavr`'s TLS: the platform's own trust store (so a company's certificate and
/// `SSL_CERT_FILE` count), plus the certificates in `extra_roots`. Proxies come from the environment.
pub(crate) fn builder(extra_roots: &[PathBuf]) -> ClientBuilder {
    static PROVIDER: Once = Once::new();
    // Failing means that the embedding program chose a provider already; that one is used then.
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    let builder = Client::builder().user_agent(concat!("lavr/", env!("CARGO_PKG_VERSION")));
    // The macOS verifier takes certificates from the keychain only.
    let roots = if cfg!(target_os = "macos") { Vec::new() } else { certificates(extra_roots) };
    if roots.is_empty() { builder } else { builder.tls_certs_merge(roots) }
}

fn certificates(files: &[PathBuf]) -> Vec<Certificate> {
    let mut all = Vec::new();
    for file in files {
        let read = std::fs::read(file).map_err(|error| error.to_string());
        match read.and_then(|pem| Certificate::from_pem_bundle(&pem).map_err(|error| error.to_string())) {
            Ok(certificates) => all.extend(certificates),
            Err(error) => tracing::warn!(file = %file.display(), error, "cannot read certificates"),
        }
    }
    all
}

/// An address as it may be shown: without credentials, query and fragment.
pub(crate) fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{host}{port}{}", url.scheme(), url.path())
}

/// `host:port`, by which a host is remembered.
pub(crate) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    format!("{host}:{}", url.port_or_known_default().unwrap_or_default())
}

/// Why a request failed, without its address.
pub(crate) fn describe(error: &reqwest::Error) -> String {
    let innermost = innermost(error);
    if error.is_connect() {
        format!("cannot connect ({innermost})")
    } else if error.is_timeout() {
        "no answer in time".to_owned()
    } else {
        innermost
    }
}

fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn StdError = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    // A failure without a cause prints its address: say what it was about instead.
    let is_outermost = cause.is::<reqwest::Error>();
    if is_outermost { "the request failed".to_owned() } else { scrub(&cause.to_string()) }
}

/// Removes `user:password@` from every address in a text.
pub(crate) fn scrub(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        clean.push_str(before);
        clean.push_str("://");
        let end = after.find(|c: char| c == '/' || c.is_whitespace() || c == '"').unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        clean.push_str(authority.rsplit_once('@').map_or(authority, |(_, host)| host));
        rest = tail;
    }
    clean.push_str(rest);
    clean
}
