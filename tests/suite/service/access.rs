//! Who may call.

use lavr::config::{Config, ServiceConfig};
use lavr::service::{self, ApiKeys};
use serde_json::{Value as Json, json};

use super::{Running, config, dogs, question};
use crate::agent::tools;
use crate::fakes::Script;

const KEY: &str = "0123456789abcdef";
const OTHER: &str = "fedcba9876543210";

#[tokio::test]
async fn a_key_opens_every_route_but_health() {
    let service = Running::start(Script::new(dogs()), tools(), config(), &format!("{KEY}, {OTHER}")).await;
    for path in ["/v1/models", "/v1/models/lavr"] {
        let response = service.get(path).send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["www-authenticate"]),
            (401, &"Bearer".parse().unwrap())
        );
        let wrong = service.get(path).bearer_auth("0123456789abcdeX").send().await.unwrap();
        let reply: Json = wrong.json().await.unwrap();
        assert_eq!(reply["error"]["code"], "invalid_api_key");
        for key in [KEY, OTHER] {
            assert_eq!(service.get(path).bearer_auth(key).send().await.unwrap().status(), 200);
        }
    }
    let asked = question("How many dogs are there?");
    for given in ["", "Bearer", "Bearer ", "Basic 0123456789abcdef", "bearer\t0123456789abcdef"] {
        let response = service.post(&asked).header("authorization", given).send().await.unwrap();
        assert_eq!(response.status(), 401, "{given:?}");
    }
    assert_eq!(service.post(&asked).bearer_auth(KEY).send().await.unwrap().status(), 200);
    assert_eq!(service.get("/health/ready").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn other_names_and_other_pages_are_refused() {
    let mut config = config();
    config.service.allowed_hosts = vec!["vision.example".to_owned()];
    config.service.allowed_origins = vec!["https://app.example".to_owned()];
    let service = Running::start(Script::new(dogs()), tools(), config, "").await;
    let port = service.address.port();
    for (host, status) in [
        (format!("localhost:{port}"), 200),
        (format!("[::1]:{port}"), 200),
        ("127.0.0.1".to_owned(), 200),
        ("Vision.Example".to_owned(), 200),
        (format!("evil.example:{port}"), 421),
        ("127.0.0.1.evil.example".to_owned(), 421),
        ("10.0.0.1".to_owned(), 421),
        ("not a host".to_owned(), 400),
    ] {
        let response = service.get("/v1/models").header("host", &host).send().await.unwrap();
        assert_eq!(response.status(), status, "{host}");
    }
    // Probes call by whatever address there is, and learn nothing.
    assert_eq!(service.get("/health/live").header("host", "10.0.0.1").send().await.unwrap().status(), 200);
    for (origin, status) in [
        (format!("http://127.0.0.1:{port}"), 200),
        ("https://app.example".to_owned(), 200),
        ("http://127.0.0.1:1".to_owned(), 403),
        ("https://evil.example".to_owned(), 403),
        ("null".to_owned(), 403),
    ] {
        let response = service.get("/v1/models").header("origin", &origin).send().await.unwrap();
        assert_eq!(response.status(), status, "{origin}");
        assert!(!response.headers().contains_key("access-control-allow-origin"));
    }
}

#[test]
fn without_a_key_only_the_loopback_is_listened_on() {
    let at = |listen: &str| {
        let service = ServiceConfig { listen: listen.parse().unwrap(), ..ServiceConfig::default() };
        Config { service, ..Config::default() }
    };
    let none = ApiKeys::default();
    service::check(&at("127.0.0.1:8321"), &none).unwrap();
    service::check(&at("[::1]:8321"), &none).unwrap();
    let error = service::check(&at("0.0.0.0:8321"), &none).unwrap_err();
    assert!(error.to_string().contains("without an API key the service listens on the loopback alone"), "{error}");
    service::check(&at("0.0.0.0:8321"), &ApiKeys::parse(KEY).unwrap()).unwrap();
}

#[test]
fn keys_are_long_and_come_from_a_file_too() {
    let error = ApiKeys::parse("0123456789abcdef,secret").err().unwrap();
    assert!(error.to_string().contains("fewer than 16 characters") && !error.to_string().contains("secret"), "{error}");
    assert!(ApiKeys::parse(" , ").unwrap().is_empty());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    let config = ServiceConfig { api_keys_file: Some(file.clone()), ..ServiceConfig::default() };
    let error = ApiKeys::from_env(&config).err().unwrap();
    assert!(error.to_string().contains("the file of API keys"), "{error}");
    std::fs::write(&file, "# none yet\n").unwrap();
    let error = ApiKeys::from_env(&config).err().unwrap();
    assert!(error.to_string().contains("there is no API key in it"), "{error}");
    std::fs::write(&file, format!("# ours\n{KEY} # mine\n\n0123456789#abcdef\n")).unwrap();
    assert!(!ApiKeys::from_env(&config).unwrap().is_empty());
    std::fs::write(&file, "short\n").unwrap();
    assert!(ApiKeys::from_env(&config).is_err());
}

#[test]
fn faulty_settings_are_named() {
    let with = |text: &str| -> lavr::error::Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lavr.toml");
        std::fs::write(&file, text).unwrap();
        service::check(&Config::open(&file)?, &ApiKeys::default())
    };
    with("[service]\nmax_runs = 1\n[models.careful]\nchain = { votes = 3 }\n").unwrap();
    for (text, said) in [
        ("[service]\nmax_runs = 0\n", "service: `max_runs` is 0"),
        ("[service]\nport = 80\n", "unknown field `port`"),
        ("[models.lavr]\nguess = true\n", "models.lavr: this is the name of the whole configuration"),
        ("[models.a]\nllm = \"local\"\n", "unknown field `llm`"),
        ("[models.a]\nmode = \"controller\"\nchain = { stop = 3 }\n", "models.a: a controller plans once"),
        ("[service]\nallowed_hosts = [\"a.example:8443\"]\n", "names without scheme and port"),
        ("[models.a]\nstyle = { format = \"json\" }\n", "models.a: style: `format=json` wants the JSON Schema"),
    ] {
        let error = with(text).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
    assert_eq!(json!(ServiceConfig::default())["listen"], "127.0.0.1:8321");
}
