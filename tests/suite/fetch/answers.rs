//! What hosts answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lavr::error::ErrorKind;
use lavr::fetch::{Fetcher, ImageUrls};

use super::{Answer, MOST, Names, Server, fetch, fetcher_of, nearby};
use crate::fakes::picture;

#[tokio::test]
async fn an_image_is_asked_for_with_nothing_else_along() {
    let server = Server::start([
        ("/old/cat.png?size=1", Answer::to(302, "../new/cat.png?size=2")),
        ("/new/cat.png?size=2", Answer::picture()),
    ]);
    let bytes = fetch(&fetcher_of(&server), &server.url("/old/cat.png?size=1#top")).await.unwrap();
    assert_eq!(bytes, picture().encoded());
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    for (request, path) in requests.iter().zip(["/old/cat.png?size=1", "/new/cat.png?size=2"]) {
        let mut lines: Vec<String> = request.trim_end().lines().map(str::to_ascii_lowercase).collect();
        assert_eq!(lines.remove(0), format!("get {path} http/1.1"));
        lines.sort();
        let agent = format!("user-agent: lavr/{}", env!("CARGO_PKG_VERSION"));
        let host = format!("host: images.example.com:{}", server.port);
        assert_eq!(lines, ["accept: image/*", host.as_str(), agent.as_str()]);
    }
    // No connection is kept.
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn redirects_lead_to_other_hosts_that_are_allowed() {
    let server = Server::start([("/cat.png", Answer::picture())]);
    let port = server.port;
    for (status, location) in [
        (301, format!("https://images.example.com:{port}/cat.png")),
        (303, format!("HTTPS://IMAGES.EXAMPLE.COM:{port}/cat.png#top")),
        (307, format!("https://cdn.example.org:{port}/cat.png")),
        (308, format!("//cdn.example.org:{port}/cat.png")),
    ] {
        let from = Server::start([("/old.png", Answer::to(status, &location))]);
        let allowed = ImageUrls { ports: vec![port, from.port], ..server.allowed() };
        let fetcher = Fetcher::on(&allowed, nearby(&Names::at(&["127.0.0.1"]))).unwrap();
        assert_eq!(fetch(&fetcher, &from.url("/old.png")).await.unwrap(), picture().encoded(), "{location}");
    }
}

#[tokio::test]
async fn redirects_to_anything_else_are_refused() {
    let server = Server::start([("/cat.png", Answer::picture())]);
    let port = server.port;
    for location in [
        format!("https://127.0.0.1:{port}/cat.png"),
        format!("https://[::1]:{port}/cat.png"),
        format!("https://localhost:{port}/cat.png"),
        format!("https://secret.internal:{port}/cat.png"),
        format!("//evil.org:{port}/cat.png"),
        format!("http://images.example.com:{port}/cat.png"),
        format!("https://user@images.example.com:{port}/cat.png"),
        "https://images.example.com:22/cat.png".to_owned(),
        format!("\\\\images.example.com:{port}/cat.png"),
        "file:///etc/passwd".to_owned(),
        "data:image/png;base64,AAAA".to_owned(),
        "ftp://images.example.com/".to_owned(),
        "https://".to_owned(),
    ] {
        let from = Server::start([("/old.png", Answer::to(302, &location))]);
        let allowed = ImageUrls { ports: vec![port, from.port], ..server.allowed() };
        let names = Names::at(&["127.0.0.1"]);
        let fetcher = Fetcher::on(&allowed, nearby(&names)).unwrap();
        let error = fetch(&fetcher, &from.url("/old.png")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{location}: {error}");
        let said = error.to_string();
        assert!(said.contains("`images.example.com` sends on to an address that is not allowed"), "{location}: {said}");
        assert!(!said.contains("secret") && !said.contains("127.0.0.1"), "{said}");
        assert_eq!(names.asked(), ["images.example.com"], "{location}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn redirects_have_an_end() {
    let server = Server::start([
        ("/0", Answer::to(302, "/1")),
        ("/1", Answer::to(302, "/2")),
        ("/2", Answer::to(302, "/3")),
        ("/3", Answer::picture()),
        ("/round", Answer::to(302, "/round")),
    ]);
    let fetcher = fetcher_of(&server);
    assert_eq!(fetch(&fetcher, &server.url("/0")).await.unwrap(), picture().encoded());
    let error = fetch(&fetcher, &server.url("/round")).await.unwrap_err();
    assert!(error.to_string().contains("`images.example.com` sends on more than 3 times"), "{error}");
    assert_eq!(server.connections(), 8);
    let none = ImageUrls { max_redirects: 0, ..server.allowed() };
    let fetcher = Fetcher::on(&none, nearby(&Names::at(&["127.0.0.1"]))).unwrap();
    assert_eq!(fetch(&fetcher, &server.url("/3")).await.unwrap(), picture().encoded());
    fetch(&fetcher, &server.url("/2")).await.unwrap_err();
}

#[tokio::test]
async fn what_is_no_image_is_told() {
    let png = picture().encoded().to_vec();
    let long = (MOST + 1).to_string();
    let kind = ("content-type", "image/png");
    let server = Server::start([
        ("/endless", Answer::endless()),
        ("/announced", Answer::new(200, &[kind, ("content-length", long.as_str())], &png)),
        ("/cut", Answer::new(200, &[kind, ("content-length", "90000")], &png)),
        ("/page", Answer::of("text/html; charset=utf-8", &png)),
        ("/imagine", Answer::of("imagine/png", &png)),
        ("/untyped", Answer::new(200, &[], &png)),
        ("/gzip", Answer::new(200, &[kind, ("content-encoding", "gzip")], &png)),
        ("/gone", Answer::new(410, &[kind], &png)),
        ("/part", Answer::new(206, &[kind], &png)),
        ("/nowhere", Answer::new(302, &[kind], &png)),
        ("/unmodified", Answer::new(304, &[("location", "/fine")], b"")),
        ("/fine", Answer::of("Image/PNG ; a=b", &png)),
        (
            "/bytes",
            Answer::new(200, &[("content-type", "application/octet-stream"), ("content-encoding", "identity")], &png),
        ),
    ]);
    let fetcher = fetcher_of(&server);
    for path in ["/fine", "/bytes"] {
        assert_eq!(fetch(&fetcher, &server.url(path)).await.unwrap(), png, "{path}");
    }
    for (path, said) in [
        ("/endless", "sent more than 100000 bytes"),
        ("/announced", "sent more than 100000 bytes"),
        ("/cut", "sent an image that is cut off"),
        ("/page", "sent no image"),
        ("/imagine", "sent no image"),
        ("/untyped", "sent no image"),
        ("/gzip", "sent the image compressed"),
        ("/gone", "answered with the status 410"),
        ("/part", "answered with the status 206"),
        ("/nowhere", "answered with the status 302"),
        ("/unmodified", "answered with the status 304"),
        ("/other", "answered with the status 404"),
    ] {
        let error = fetch(&fetcher, &server.url(path)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Network, "{path}");
        assert!(error.to_string().starts_with(&format!("`images.example.com` {said}")), "{path}: {error}");
    }
}

#[tokio::test]
async fn the_limit_is_a_last_byte_that_may_come() {
    let server = Server::start([("/cat.png", Answer::picture())]);
    let (fetcher, size) = (fetcher_of(&server), picture().encoded().len() as u64);
    let url = fetcher.allow(&server.url("/cat.png")).unwrap();
    fetcher.fetch(url.clone(), size, Instant::now()).await.unwrap();
    let error = fetcher.fetch(url, size - 1, Instant::now()).await.unwrap_err();
    assert!(error.to_string().contains("bytes; scale the image down"), "{error}");
}

#[tokio::test]
async fn dropping_the_future_ends_the_connection() {
    let server = Server::start([("/silence.png", Answer::silence())]);
    let (fetcher, url) = (Arc::new(fetcher_of(&server)), server.url("/silence.png"));
    let asking = tokio::spawn(async move { fetch(&fetcher, &url).await });
    until(|| server.requests().len() == 1).await;
    assert_eq!(server.left(), 0);
    asking.abort();
    until(|| server.left() == 1).await;
}

/// Waits until something is so; it is a failure when that takes very long.
pub async fn until(is_so: impl Fn() -> bool) {
    let waits = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waits).await.expect("it never comes about");
}
