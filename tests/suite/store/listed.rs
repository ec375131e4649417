//! What a Python package index lists: pages of either kind, and the wheels that are looked into.

use std::sync::{Arc, Mutex};

use lavr::store::{Artefact, Silent};
use proptest::prelude::*;
use serde_json::json;
use wiremock::matchers::path_regex;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::archives::wheel;
use super::servers::FileAt;
use super::{artefact, store};

const JSON: &str = "application/vnd.pypi.simple.v1+json";

/// A page that can be changed: its content type and its text.
#[derive(Clone)]
struct Page(Arc<Mutex<(String, String)>>);

impl Page {
    fn set(&self, kind: &str, text: &str) {
        *self.0.lock().unwrap() = (kind.to_owned(), text.to_owned());
    }
}

impl Respond for Page {
    fn respond(&self, _request: &Request) -> ResponseTemplate {
        let (kind, text) = self.0.lock().unwrap().clone();
        ResponseTemplate::new(200).set_body_raw(text, &kind)
    }
}

/// An index that lists this for every package; its files have no member that is asked for.
async fn index(kind: &str, text: &str) -> (MockServer, Page) {
    let server = MockServer::start().await;
    let page = Page(Arc::default());
    page.set(kind, text);
    Mock::given(path_regex("^/simple/[^/]+/$")).respond_with(page.clone()).mount(&server).await;
    let other = FileAt { content: wheel(&[("other", b"other")]), ranges: true };
    Mock::given(path_regex("[.]whl$")).respond_with(other).mount(&server).await;
    (server, page)
}

/// A file that is asked for in wheels of version 1.0.
fn wanted(platform: Option<&str>) -> Artefact {
    let platform = platform.map(str::to_owned);
    Artefact { platform, ..artefact(b"content", "\"pypi:some-pkg==1.0#member\"") }
}

/// The paths and queries that a server was asked for beyond its index, each once, in order; and what went wrong.
async fn looked_into(server: &MockServer, index: &str, wanted: &Artefact) -> (Vec<String>, String) {
    let home = tempfile::tempdir().unwrap();
    let error = store(home.path(), &[("PIP_INDEX_URL", index)]).get(wanted, &Silent).await.unwrap_err();
    let requests = server.received_requests().await.unwrap();
    let asked = requests.iter().map(|request| {
        let query = request.url.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{query}", request.url.path())
    });
    let mut asked: Vec<String> = asked.filter(|asked| !asked.starts_with("/simple/")).collect();
    asked.dedup();
    (asked, error.to_string())
}

#[tokio::test]
async fn html_links_are_resolved_and_unescaped() {
    let elsewhere = MockServer::start().await;
    let page = format!(
        r#"<!DOCTYPE html><html><body><h1>Links</h1>
        <a href="../../files/some_pkg-1.0-py3-none-any.whl#sha256=abc" data-requires-python="&gt;=3.8">x</a><br/>
        <A data-x=">" HREF='{}/some_pkg-1.0%2Blocal-py3-none-any.whl?a=1&amp;b=2'>y</A>
        <a>no link</a><a href="mailto:someone">z</a></body>"#,
        elsewhere.uri()
    );
    let (server, _) = index("text/html", &page).await;
    let simple = format!("{}/simple", server.uri());
    let (asked, error) = looked_into(&server, &simple, &wanted(None)).await;
    assert_eq!(asked, ["/files/some_pkg-1.0-py3-none-any.whl"], "{error}");
    let local = artefact(b"content", "\"pypi:some-pkg==1.0+local#member\"");
    let (asked, error) = looked_into(&elsewhere, &simple, &local).await;
    assert_eq!(asked, ["/some_pkg-1.0%2Blocal-py3-none-any.whl?a=1&b=2"], "{error}");
}

#[tokio::test]
async fn json_pages_are_read() {
    let page = r#"{"meta":{"api-version":"1.1"},"name":"some-pkg","versions":["1.0"],
        "files":[{"filename":"some_pkg-1.0-py3-none-any.whl","url":"/f/some_pkg-1.0-py3-none-any.whl","hashes":{}}]}"#;
    let (server, shown) = index(JSON, page).await;
    let simple = format!("{}/simple", server.uri());
    let (asked, error) = looked_into(&server, &simple, &wanted(None)).await;
    assert_eq!(asked, ["/f/some_pkg-1.0-py3-none-any.whl"], "{error}");
    shown.set("application/json", "{");
    let (_, error) = looked_into(&server, &simple, &wanted(None)).await;
    assert!(error.contains("/simple/some-pkg/: a page that makes no sense"), "{error}");
}

#[tokio::test]
async fn wheels_are_chosen_by_version_and_platform() {
    let files = [
        "Some.Pkg-1.0.tar.gz",
        "some_pkg-1.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "some_pkg-1.0-cp313-cp313-manylinux_2_28_x86_64.whl",
        "some_pkg-1.0-cp313-cp313-musllinux_1_2_x86_64.whl",
        "some_pkg-1.0-cp313-cp313-manylinux_2_28_aarch64.whl",
        "some_pkg-1.0-1-cp313-cp313-macosx_14_0_arm64.whl",
        "some_pkg-1.0-cp313-cp313-win_amd64.whl",
        "some_pkg-1.0.1-cp313-cp313-win_amd64.whl",
        "other-1.0-py3-none-any.whl",
    ];
    let listed: Vec<_> = files.iter().map(|name| json!({ "filename": name, "url": format!("/f/{name}") })).collect();
    let page = json!({ "files": listed }).to_string();
    for (platform, chosen) in [
        (Some("linux-x86_64"), vec![files[2], files[1]]),
        (Some("linux-aarch64"), vec![files[4]]),
        (Some("macos-aarch64"), vec![files[5]]),
        (Some("windows-x86_64"), vec![files[6]]),
        (None, files[1..=6].to_vec()),
    ] {
        let (server, _) = index(JSON, &page).await;
        let simple = format!("{}/simple", server.uri());
        let (mut asked, error) = looked_into(&server, &simple, &wanted(platform)).await;
        let mut chosen: Vec<String> = chosen.into_iter().map(|name| format!("/f/{name}")).collect();
        if platform.is_none() {
            // All that are of this version, in whatever order.
            asked.sort();
            chosen.sort();
        }
        assert_eq!(asked, chosen, "{platform:?}: {error}");
    }
}

/// What the store says of any page of an index; it must not panic.
fn said_of_pages<S: Strategy>(pages: &S, show: impl Fn(&Page, S::Value), wanted: &Artefact) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (server, page) = runtime.block_on(index("text/html", ""));
    let home = tempfile::tempdir().unwrap();
    let store = store(home.path(), &[("PIP_INDEX_URL", &format!("{}/simple", server.uri()))]);
    proptest!(ProptestConfig::with_cases(64), |(text in pages)| {
        show(&page, text);
        prop_assert!(runtime.block_on(store.get(wanted, &Silent)).is_err());
    });
    let pages = runtime.block_on(server.received_requests()).unwrap().len();
    assert!(pages >= 64, "the index was asked {pages} times");
}

#[test]
fn any_page_is_read_without_panic() {
    for kind in ["text/html", "application/json"] {
        said_of_pages(&"(?s).{0,200}", |page, text| page.set(kind, &text), &wanted(None));
    }
}

#[test]
fn any_tag_soup_is_read_without_panic() {
    said_of_pages(&"[<>a hrefA='\"/&#;é=]{0,120}", |page, text| page.set("text/html", &text), &wanted(None));
}

#[test]
fn any_file_name_is_judged_without_panic() {
    let names = (".{0,60}", "[a-z0-9.-]{0,40}\\.whl");
    let show = |page: &Page, (name, whl): (String, String)| {
        let files = [name, whl].map(|name| json!({ "filename": name, "url": "/f" }));
        page.set(JSON, &json!({ "files": files }).to_string());
    };
    let mut wanted = artefact(b"content", "\"pypi:p==1#member\"");
    wanted.platform = Some("linux-x86_64".to_owned());
    said_of_pages(&names, show, &wanted);
}
