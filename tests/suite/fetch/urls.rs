//! Which URLs are fetched from.

use std::time::Instant;

use lavr::config::Config;
use lavr::error::ErrorKind;
use lavr::fetch::{Fetcher, ImageUrls};
use lavr::service::{self, ApiKeys};
use proptest::prelude::*;

use super::{MOST, Names, allowing, nearby};

fn fetcher() -> Fetcher {
    Fetcher::new(&allowing(&["images.example.com", "*.example.org", "Bücher.example"])).unwrap()
}

#[test]
fn allowed_hosts_are_those_and_no_others() {
    let fetcher = fetcher();
    for (url, host) in [
        ("https://images.example.com/cat.png", "images.example.com"),
        ("HTTPS://IMAGES.EXAMPLE.COM:443/cat.png?a=b#c", "images.example.com"),
        ("https://images.example.com", "images.example.com"),
        ("https://ｉmages.example.com/", "images.example.com"),
        ("https://images%2Eexample%2Ecom/", "images.example.com"),
        ("https://images。example。com/", "images.example.com"),
        ("https://images.example.com/@evil.org/https://evil.org/?u=https://evil.org", "images.example.com"),
        ("https://a.example.org/", "a.example.org"),
        ("https://a.b-c.example.org/", "a.b-c.example.org"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("https://XN--BCHER-KVA.example/", "xn--bcher-kva.example"),
    ] {
        let allowed = fetcher.allow(url).unwrap_or_else(|e| panic!("{url}: {e}"));
        assert_eq!(allowed.host(), host, "{url}");
    }
}

#[test]
fn everything_else_is_refused() {
    let fetcher = fetcher();
    let none = "is none of the hosts that images are fetched from";
    let scheme = "images are fetched by `https:` alone";
    let user = "with a user or a password";
    let odd = "a space, a control character or a backslash";
    let port = "is none that images are fetched from";
    for (url, said) in [
        // Other hosts, however they look.
        ("https://evil.org/", none),
        ("https://images.example.com.evil.org/", none),
        ("https://evilimages.example.com/", none),
        ("https://a.images.example.com/", none),
        ("https://example.com/", none),
        ("https://example.org/", none),
        ("https://evilexample.org/", none),
        ("https://example.org.evil.org/", none),
        ("https://.example.org/", none),
        ("https://a..example.org/", none),
        ("https://images.example.com./", none),
        ("https://IMAGES.EXAMPLE.com./", none),
        ("https://a.example.org./", none),
        ("https://images.example.com%00.evil.org/", "the address is none"),
        ("https://images-example.com/", none),
        // A letter of another script.
        ("https://imаges.example.com/", none),
        ("https://bucher.example/", none),
        ("https://xn--bcher-kvb.example/", ""),
        // Addresses, however they are written.
        ("https://127.0.0.1/", "`127.0.0.1` is none"),
        ("https://2130706433/", "`127.0.0.1` is none"),
        ("https://0x7f.1/", "`127.0.0.1` is none"),
        ("https://0x7f000001/", "`127.0.0.1` is none"),
        ("https://0177.0.0.1/", "`127.0.0.1` is none"),
        ("https://127.1/", "`127.0.0.1` is none"),
        ("https://１２７.0.0.1/", "`127.0.0.1` is none"),
        ("https://127.0.0.1./", none),
        ("https://93.184.216.34/", none),
        ("https://[::1]/", "`[::1]` is none"),
        ("https://[::ffff:127.0.0.1]/", none),
        ("https://[fe80::1%25eth0]/", "the address is none"),
        ("https://localhost/", none),
        ("https://1.2.3.4.example.org:80/", port),
        // Other schemes.
        ("http://images.example.com/", scheme),
        ("ftp://images.example.com/", scheme),
        ("file:///etc/passwd", scheme),
        ("file://images.example.com/etc/passwd", scheme),
        ("ws://images.example.com/", scheme),
        ("blob:https://images.example.com/a", scheme),
        ("javascript:alert(1)", scheme),
        ("gopher://images.example.com/", scheme),
        // Users.
        ("https://images.example.com@evil.org/", user),
        ("https://images.example.com:443@evil.org/", user),
        ("https://evil.org@images.example.com/", user),
        ("https://a:b@images.example.com/", user),
        ("https://:b@images.example.com/", user),
        ("https://images.example.com%40evil.org/", "the address is none"),
        // Where parsers differ.
        ("https://images.example.com\\@evil.org/", odd),
        ("https://evil.org\\@images.example.com/", odd),
        ("https:\\\\images.example.com/", odd),
        ("https://images.example.com/\\evil.org", odd),
        ("https://evil.org#@images.example.com/", none),
        ("https://evil.org?@images.example.com/", none),
        ("https://ima\tges.example.com/", odd),
        ("https://images.example.com/\r\nHost: evil.org", odd),
        (" https://images.example.com/", odd),
        ("https://images.example.com /", odd),
        ("https://images.example.com/\u{a0}", odd),
        ("https://images.example.com/\u{0}", odd),
        // Ports.
        ("https://images.example.com:22/", port),
        ("https://images.example.com:8443/", port),
        ("https://images.example.com:80/", port),
        ("https://images.example.com:0/", port),
        ("https://images.example.com:65536/", "the address is none"),
        ("https://images.example.com:-443/", "the address is none"),
        // No URLs.
        ("", "the address is none"),
        ("images.example.com/cat.png", "the address is none"),
        ("//images.example.com/cat.png", "the address is none"),
        ("https://", "the address is none"),
        ("https://[images.example.com]/", "the address is none"),
    ] {
        let error = fetcher.allow(url).map(|url| url.host().to_owned()).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{url}");
        assert!(error.to_string().contains(said), "{url}: {error}");
    }
    let long = format!("https://images.example.com/{}", "a".repeat(9000));
    assert!(fetcher.allow(&long).unwrap_err().to_string().contains("more than 8192 bytes"));
}

#[test]
fn faulty_settings_are_named() {
    let with = |text: &str| -> lavr::error::Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lavr.toml");
        std::fs::write(&file, format!("[service.image_urls]\n{text}\n")).unwrap();
        service::check(&Config::open(&file)?, &ApiKeys::default())
    };
    with("allowed_hosts = [\"images.example.com\", \"*.example.org\", \"93.184.216.34\", \"[2606:2800::1]\"]").unwrap();
    with("allowed_hosts = [\"a.example\"]\nports = [443, 8443]\nmax_redirects = 0\ntimeout_ms = 1").unwrap();
    let (host, two) = ("which is no host", "a name of two parts or more");
    for (text, said) in [
        ("", "service.image_urls: `allowed_hosts` is empty"),
        ("allowed_hosts = []", "`allowed_hosts` is empty"),
        ("allowed_hosts = [\"a.example\"]\nports = []", "`ports` is empty or 0"),
        ("allowed_hosts = [\"a.example\"]\nports = [0]", "`ports` is empty or 0"),
        ("allowed_hosts = [\"a.example\"]\ntimeout_ms = 0", "`timeout_ms` is empty or 0"),
        ("allowed_hosts = [\"a.example\"]\ntimeout_ms = 600001", "`timeout_ms` is more than 600000"),
        ("allowed_hosts = [\"a.example\"]\nmax_redirects = 21", "`max_redirects` is more than 20"),
        ("allowed_hosts = [\"a.example\"]\nmax_bytes = 1", "unknown field `max_bytes`"),
        ("allowed_hosts = [\"\"]", host),
        ("allowed_hosts = [\"*\"]", host),
        ("allowed_hosts = [\"*.\"]", host),
        ("allowed_hosts = [\"*.com\"]", two),
        ("allowed_hosts = [\"*.0.0.1\"]", two),
        ("allowed_hosts = [\"*.[::1]\"]", two),
        ("allowed_hosts = [\"a.*.example\"]", host),
        ("allowed_hosts = [\"*.*.example\"]", host),
        ("allowed_hosts = [\"a.example:443\"]", host),
        ("allowed_hosts = [\"https://a.example\"]", host),
        ("allowed_hosts = [\"a.example/\"]", host),
        ("allowed_hosts = [\"user@a.example\"]", host),
        ("allowed_hosts = [\"a.example.\"]", host),
        ("allowed_hosts = [\"a..example\"]", host),
        ("allowed_hosts = [\".example\"]", host),
        ("allowed_hosts = [\"a example\"]", host),
        ("allowed_hosts = [\"[a.example]\"]", host),
    ] {
        let error = with(text).expect_err(text);
        assert!(error.to_string().contains(said), "{text}: {error}");
    }
    assert!(Config::default().service.image_urls.is_none(), "off by default");
    let urls = ImageUrls::default();
    assert_eq!((urls.ports.as_slice(), urls.max_redirects, urls.timeout_ms), (&[443][..], 3, 10_000));
}

/// Parts of URLs, and of what is made to look like them.
const PARTS: [&str; 34] = [
    "https:",
    "https://",
    "HTTPS://",
    "http://",
    "//",
    "/",
    "\\",
    "@",
    ":",
    ":443",
    ":443@",
    ".",
    "。",
    "%2e",
    "%40",
    "%00",
    "?",
    "#",
    ";",
    "[",
    "]",
    "\t",
    "\u{ad}",
    "images.example.com",
    "a.example.org",
    ".example.org",
    "example.org",
    "evil.org",
    "127.0.0.1",
    "::1",
    "2130706433",
    "xn--",
    "ß",
    "https://images.example.com",
];

#[test]
fn no_text_leads_to_another_host() {
    let is_allowed = |host: &str| host == "images.example.com" || host.ends_with(".example.org");
    let names = Names::at(&[]);
    let fetcher = Fetcher::on(&allowing(&["images.example.com", "*.example.org"]), nearby(&names)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // What every text begins with, so that many are allowed.
    let first = prop::sample::select(vec!["", "https://", "https://images.example.com", "https://a.example.org"]);
    let rest = prop::collection::vec(prop::sample::select(PARTS.to_vec()), 0..6);
    proptest!(ProptestConfig::with_cases(2000), |(first in first, rest in rest)| {
        let text = format!("{first}{}", rest.concat());
        if let Ok(url) = fetcher.allow(&text) {
            prop_assert!(is_allowed(url.host()), "{:?} leads to {}", text, url.host());
            // Nobody answers, and the resolver sees the name that the connector has.
            let before = names.asked().len();
            let fetched = runtime.block_on(fetcher.fetch(url.clone(), MOST, Instant::now()));
            prop_assert!(fetched.is_err());
            prop_assert!(names.asked()[before..].iter().all(|name| name == url.host()), "{:?}", text);
        }
    });
    let asked = names.asked();
    assert!(!asked.is_empty() && asked.iter().all(|name| is_allowed(name)), "{asked:?}");
}
