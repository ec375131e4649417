//! The description of the routes: it is what it was, whole, and true.

use reqwest::{Method, StatusCode};
use serde_json::Value as Json;

use super::{Running, client, config};
use crate::agent::tools;
use crate::experts::repository;
use crate::fakes::Script;

const FILE: &str = "tests/openapi.json";
/// Set to write the file anew.
const WRITE: &str = "LAVR_WRITE_OPENAPI";
pub const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

pub async fn document(service: &Running) -> Json {
    service.get("/openapi.json").send().await.unwrap().json().await.unwrap()
}

/// The operations of a document: method, path, and the rest.
pub fn operations(document: &Json) -> Vec<(Method, String, Json)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(METHODS.contains(&method.as_str()), "{path}: {method}");
            all.push((method.to_uppercase().parse().unwrap(), path.clone(), operation.clone()));
        }
    }
    all
}

#[tokio::test]
async fn the_document_is_the_one_that_was_agreed_on() {
    let service = Running::scripted(Vec::<String>::new()).await;
    let text = service.get("/openapi.json").send().await.unwrap().text().await.unwrap();
    let file = repository(FILE);
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let agreed = std::fs::read_to_string(&file).unwrap_or_default();
    let first = agreed.lines().zip(text.lines()).find(|(agreed, told)| agreed != told);
    assert!(
        agreed == text,
        "the routes are described otherwise than in {FILE}, first at {first:?}; if that is right, write the file anew: \
         {WRITE}=1 cargo test --release --test suite -- service::openapi"
    );
}

#[tokio::test]
async fn all_that_the_document_names_is_in_it() {
    let service = Running::scripted(Vec::<String>::new()).await;
    let document = document(&service).await;
    let mut ids = Vec::new();
    for (method, path, operation) in operations(&document) {
        let placed: Vec<&str> = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let told = parameters.iter().filter(|parameter| parameter["in"] == "path");
        let told: Vec<&str> = told.map(|parameter| parameter["name"].as_str().unwrap()).collect();
        assert_eq!(placed, told, "{method} {path}");
        assert!(operation["summary"].is_string() && operation["responses"]["200"].is_object(), "{method} {path}");
        ids.push(operation["operationId"].as_str().unwrap().to_owned());
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "two operations have one name");
    let mut used = Vec::new();
    references(&document, &mut used);
    for reference in &used {
        let place = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(place).is_some(), "{reference} leads nowhere");
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(used.iter().any(|used| used.ends_with(&format!("/{name}"))), "nothing is of the schema {name}");
    }
}

fn references(json: &Json, found: &mut Vec<String>) {
    match json {
        Json::Array(items) => items.iter().for_each(|item| references(item, found)),
        Json::Object(object) => {
            found.extend(object.get("$ref").and_then(Json::as_str).map(str::to_owned));
            object.values().for_each(|value| references(value, found));
        }
        _ => {}
    }
}

#[tokio::test]
async fn each_route_that_is_described_is_there_with_its_guards() {
    let key = "a key of sixteen";
    let service = Running::start(Script::new(Vec::<String>::new()), tools(), config(), key).await;
    for (method, path, operation) in operations(&document(&service).await) {
        let url = service.url(&path.replace("{n}", "1").replace(['{', '}'], ""));
        let ask = |method: &Method| client().request(method.clone(), &url);
        let response = ask(&method).bearer_auth(key).send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert!(!text.contains("unknown_route") && status != 405, "{method} {path}: {status} {text}");
        assert!(operation["responses"][status.as_str()].is_object(), "{method} {path}: {status} is not described");
        let keyless = ask(&method).send().await.unwrap().status();
        let wants_key = operation["security"][0]["api_key"].is_array();
        assert_eq!(keyless == 401, wants_key, "{method} {path} without a key: {keyless}");
        assert_eq!(operation["responses"]["401"].is_object(), wants_key, "{method} {path}");
        let foreign = ask(&method).bearer_auth(key).header("host", "elsewhere.example").send().await.unwrap().status();
        assert_eq!(foreign == 421, operation["responses"]["421"].is_object(), "{method} {path} elsewhere: {foreign}");
    }
    let (none, other) = (service.get("/openapi.json").bearer_auth(key), service.get("/v2").bearer_auth(key));
    assert_eq!(none.header("origin", "https://elsewhere.example").send().await.unwrap().status(), 403);
    let other = other.send().await.unwrap();
    assert_eq!(other.status(), StatusCode::NOT_FOUND);
    assert!(other.text().await.unwrap().contains("`/openapi.json` lists"));
}
