//! Images at addresses.

use std::sync::Arc;

use lavr::agent::Agent;
use lavr::config::Config;
use lavr::error::Error;
use lavr::fetch::{Fetcher, ImageUrls};
use lavr::service::{self, ApiKeys};
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Running, config, dogs, question};
use crate::agent::tools;
use crate::fakes::Script;
use crate::fetch::{Answer, Server, fetcher_of, until};

/// A service with a fetcher of the tests' own, as a host has one that mounts the routes.
async fn fetching(chat: Arc<Script>, config: Config, fetcher: Fetcher) -> Running {
    let agent = Agent::builder().chat(chat).catalog(tools()).build().unwrap();
    let app = service::router_with(agent, &config, ApiKeys::none(), fetcher).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let ended = tokio::spawn(async move { axum::serve(listener, app).await.map_err(Error::from) });
    Running { address, stop: CancellationToken::new(), ended }
}

/// A question about images at addresses.
fn about(urls: &[String]) -> Json {
    let mut asked = question("How many dogs are there?");
    let text = asked["messages"][0]["content"][0].clone();
    let images = urls.iter().map(|url| json!({ "type": "image_url", "image_url": { "url": url } }));
    asked["messages"][0]["content"] = std::iter::once(text).chain(images).collect();
    asked
}

#[tokio::test]
async fn an_image_at_an_allowed_address_is_fetched_and_asked_about() {
    let server = Server::start([("/cat.png", Answer::picture()), ("/old.png", Answer::to(301, "/cat.png"))]);
    let service = fetching(Script::new(dogs()), config(), fetcher_of(&server)).await;
    let mut asked = about(&[server.url("/old.png")]);
    let (status, reply) = service.ask(&asked).await;
    assert_eq!(status, 200, "{reply}");
    assert_eq!(reply["choices"][0]["message"]["content"], "There are 2 dogs.");
    // Beside one that comes along, and as a stream.
    let service = fetching(Script::new(dogs()), config(), fetcher_of(&server)).await;
    asked["messages"][0]["content"].as_array_mut().unwrap().push(question("")["messages"][0]["content"][1].clone());
    asked["stream"] = json!(true);
    let text = service.post(&asked).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("There are 2 dogs.") && text.trim_end().ends_with("[DONE]"), "{text}");
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn what_is_not_fetched_is_told_with_its_code() {
    let server = Server::start([
        ("/cat.png", Answer::picture()),
        ("/text.png", Answer::of("image/png", b"no picture")),
        ("/drawing.svg", Answer::of("image/svg+xml", b"<svg/>")),
        ("/page", Answer::of("text/html", b"<html>")),
        ("/away", Answer::to(302, "https://intranet.internal/secret")),
        ("/endless", Answer::endless()),
    ]);
    let mut config = config();
    config.service.images.max_bytes = 100_000;
    let service = fetching(Script::new(Vec::<String>::new()), config, fetcher_of(&server)).await;
    let (refused, failed) = ("image_url_not_allowed", "image_url_failed");
    let cat = server.url("/cat.png");
    for (urls, code, said) in [
        (vec!["https://evil.org/a.png".to_owned()], refused, "image 1: `evil.org` is none of the hosts"),
        (vec!["http://images.example.com/".to_owned()], refused, "image 1: images are fetched by `https:` alone"),
        (vec!["file:///etc/passwd".to_owned()], refused, "image 1: images are fetched by `https:` alone"),
        (vec![server.url("/away")], refused, "image 1: `images.example.com` sends on to an address"),
        (vec![server.url("/page")], failed, "image 1: `images.example.com` sent no image"),
        (vec![server.url("/none")], failed, "image 1: `images.example.com` answered with the status 404"),
        (vec![server.url("/endless")], failed, "image 1: `images.example.com` sent more than 100000 bytes"),
        (vec![cat.clone(), server.url("/text.png")], failed, "image 2: the format is not one of PNG"),
        (vec![server.url("/drawing.svg")], failed, "image 1: the format is not one of PNG"),
    ] {
        let (status, reply) = service.ask(&about(&urls)).await;
        assert_eq!((status.as_u16(), &reply["error"]["code"]), (400, &json!(code)), "{urls:?}: {reply}");
        assert!(reply["error"]["message"].as_str().unwrap().starts_with(said), "{urls:?}: {reply}");
        assert!(!reply.to_string().contains("intranet"), "{reply}");
    }
    // What is wrong with one is told before any is fetched.
    let connections = server.connections();
    let (status, _) = service.ask(&about(&[cat, "https://evil.org/a.png".to_owned()])).await;
    assert_eq!((status.as_u16(), server.connections()), (400, connections));
}

#[tokio::test]
async fn fetched_images_have_the_room_of_one_body_together() {
    let server = Server::start([("/cat.png", Answer::of("image/png", &[0; 5000]))]);
    let mut config = config();
    config.service.max_body_bytes = 12_000;
    let service = fetching(Script::new(Vec::<String>::new()), config, fetcher_of(&server)).await;
    let (status, reply) = service.ask(&about(&vec![server.url("/cat.png"); 3])).await;
    assert_eq!((status.as_u16(), &reply["error"]["code"]), (400, &json!("image_url_failed")), "{reply}");
    let begins = "image 3: `images.example.com` sent more than 2000 bytes";
    assert!(reply["error"]["message"].as_str().unwrap().starts_with(begins), "{reply}");
}

#[tokio::test]
async fn the_service_as_it_is_configured_reaches_nothing_inside() {
    let mut config = config();
    let allowed_hosts = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).to_vec();
    let server = Server::start([("/cat.png", Answer::picture())]);
    let ports = vec![server.port];
    config.service.image_urls = Some(ImageUrls { allowed_hosts, ports, ..ImageUrls::default() });
    let service = Running::start(Script::new(Vec::<String>::new()), tools(), config, "").await;
    for host in ["localhost", "127.0.0.1", "[::1]"] {
        let url = format!("https://{host}:{}/cat.png", server.port);
        let (status, reply) = service.ask(&about(&[url])).await;
        assert_eq!((status.as_u16(), &reply["error"]["code"]), (400, &json!("image_url_failed")), "{reply}");
        let said =
            "could not be reached: it has to answer at public addresses, with a valid certificate, within 10000 ms";
        assert_eq!(reply["error"]["message"], format!("image 1: `{host}` {said}"));
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_host_that_is_slow_keeps_no_run_waiting_and_who_goes_away_leaves_it() {
    let server = Server::start([("/silence.png", Answer::silence())]);
    let mut config = config();
    config.service.max_runs = 1;
    config.service.max_queue = 1;
    let service = fetching(Script::new(dogs()), config, fetcher_of(&server)).await;
    let waits = tokio::spawn(service.post(&about(&[server.url("/silence.png")])).send());
    until(|| server.requests().len() == 1).await;
    let (status, reply) = service.ask(&question("How many dogs are there?")).await;
    assert_eq!(status, 200, "{reply}");
    assert_eq!(server.left(), 0);
    waits.abort();
    until(|| server.left() == 1).await;
}
