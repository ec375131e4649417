//! The page that people ask on.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::{Running, config, dogs};
use crate::agent::tools;
use crate::fakes::Script;
use crate::real;

const KEY: &str = "0123456789abcdef";

/// What stands between two marks.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no {from}"));
    rest.split_once(to).unwrap_or_else(|| panic!("no {to} after {from}")).0
}

fn digest(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

#[tokio::test]
async fn the_page_wants_no_key_and_lets_nothing_run_but_its_own_script() {
    let service = Running::start(Script::new(dogs()), tools(), config(), KEY).await;
    let response = service.get("/").send().await.unwrap();
    assert_eq!(response.status(), 200);
    let headers = response.headers().clone();
    let page = response.text().await.unwrap();
    let (style, script) = (between(&page, "<style>", "</style>"), between(&page, "<script>", "</script>"));
    let policy = format!(
        "default-src 'none'; img-src blob: data:; style-src {}; script-src {}; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        digest(style),
        digest(script)
    );
    assert_eq!(headers["content-security-policy"].to_str().unwrap(), policy);
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(
        (&headers["x-content-type-options"], &headers["referrer-policy"]),
        (&"nosniff".parse().unwrap(), &"no-referrer".parse().unwrap())
    );
    assert_eq!(page.matches("</script").count(), 1, "the script does not end early");
    assert!(!page.contains('\r') && !page.contains("{{"), "a browser would take the digest of something else");
    for address in ["https://", "src=\"http", "href=\"http", "@import"] {
        assert!(!page.contains(address), "{address}");
    }
    // What it asks the service for wants the key all the same.
    assert_eq!(service.get("/v1/models").send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn the_page_is_sent_once() {
    let service = Running::scripted(dogs()).await;
    for path in ["/", "/examples/gallery.jpg"] {
        let first = service.get(path).send().await.unwrap();
        let tag = first.headers()["etag"].to_str().unwrap().to_owned();
        assert_eq!(first.headers()["cache-control"], "no-cache", "{path}");
        for known in [tag.clone(), format!("\"other\", W/{tag}")] {
            let again = service.get(path).header("if-none-match", &known).send().await.unwrap();
            assert_eq!((again.status().as_u16(), again.headers()["etag"].to_str().unwrap()), (304, tag.as_str()));
            assert_eq!(again.bytes().await.unwrap().len(), 0);
        }
        let other = service.get(path).header("if-none-match", "\"other\"").send().await.unwrap();
        assert_eq!(other.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn the_page_is_for_this_service_s_names_alone() {
    let service = Running::scripted(dogs()).await;
    assert_eq!(service.get("/").header("host", "evil.example").send().await.unwrap().status(), 421);
    assert_eq!(service.get("/").header("origin", "https://evil.example").send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn its_examples_are_the_images_they_are_named_after_and_no_others() {
    let service = Running::scripted(dogs()).await;
    let page = service.get("/").send().await.unwrap().text().await.unwrap();
    for name in ["gallery.jpg", "receipt.png", "road.jpg"] {
        assert!(page.contains(name), "{name}");
        let sent = service.get(&format!("/examples/{name}")).send().await.unwrap();
        assert_eq!(sent.headers()["x-content-type-options"], "nosniff");
        let kind = sent.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!(kind.trim_start_matches("image/").replace("jpeg", "jpg"), name.rsplit('.').next().unwrap());
        assert_eq!(sent.bytes().await.unwrap(), std::fs::read(real::picture(name)).unwrap(), "{name}");
    }
    let none = service.get("/examples/secret.txt").send().await.unwrap();
    assert_eq!(none.status(), 404);
    let told: Json = none.json().await.unwrap();
    assert_eq!(told["error"]["code"], "example_not_found");
}
