//! Keys and passwords go to the server and nowhere else.

use std::sync::Arc;

use lavr::chat::openai::{OpenAiModel, OpenAiOptions, Secret};
use lavr::chat::record::Recorded;
use lavr::chat::{ChatModel, layers};
use lavr::config::Config;
use lavr::cx::Cx;

use super::server::{Answer, Server};
use super::{cx, options, request};
use crate::fakes::Record;

const KEY: &str = "sk-very-secret-1234";
/// The password in the address, as it is and as the address has it; the header they make; the query's.
const PASSWORDS: [&str; 4] = ["hush hush", "hush%20hush", "YW5uYTpodXNoIGh1c2g=", "query-secret"];

fn assert_clean(text: &str) {
    for secret in PASSWORDS.into_iter().chain([KEY]) {
        assert!(!text.contains(secret), "`{secret}` stands in: {text}");
    }
}

#[tokio::test]
async fn a_key_is_sent_as_a_bearer_token() {
    let server = Server::start([Answer::whole("Hi.")]).await;
    let key = Some(Secret::new(format!(" {KEY}\n")));
    let llm = OpenAiModel::new(OpenAiOptions { key, ..options(&server) }).unwrap();
    llm.complete(&cx(), &request()).await.unwrap();
    assert_eq!(server.asked()[0].header("authorization"), Some(format!("Bearer {KEY}").as_str()));
}

#[tokio::test]
async fn a_user_and_password_in_the_address_are_sent_instead_of_the_key_and_the_query_is_kept() {
    let server = Server::start([Answer::whole("Hi.")]).await;
    let key = Some(Secret::new(KEY));
    let llm = OpenAiModel::new(OpenAiOptions { key, base_url: server.secret_base(), ..options(&server) }).unwrap();
    llm.complete(&cx(), &request()).await.unwrap();
    let asked = &server.asked()[0];
    assert_eq!(asked.header("authorization"), Some("Basic YW5uYTpodXNoIGh1c2g="));
    assert!(asked.head.starts_with("POST /v1/chat/completions?code=query-secret HTTP/1.1"), "{}", asked.head);
}

#[tokio::test]
async fn secrets_stand_in_no_name_error_trace_or_cassette() {
    let echo = format!("you sent {KEY} {}", PASSWORDS.join(" "));
    let answers = [
        Answer::error(400, &echo, ""),
        Answer::error(403, &echo, ""),
        Answer::error(500, &echo, ""),
        Answer::events(&[format!("{{\"error\": {{\"message\": \"{echo}\"}}}}")]),
        Answer::new(307, &[("location", "http://anna:hush%20hush@h.test/?code=query-secret")], &echo),
        Answer::new(404, &[], &echo),
        Answer::hang_up(),
        Answer::whole("Hi."),
    ];
    for answer in answers {
        let server = Server::start([answer]).await;
        let folder = tempfile::tempdir().unwrap();
        let key = Some(Secret::new(KEY));
        let options = OpenAiOptions { key, base_url: server.secret_base(), ..options(&server) };
        assert_clean(&format!("{options:?}"));
        let llm = Arc::new(OpenAiModel::new(options).unwrap());
        let llm = Recorded::new(llm, folder.path()).unwrap();
        assert_eq!(llm.capabilities().model, format!("{}#m", server.base()));
        let events = Arc::new(Record::default());
        let cx = Cx::with(lavr::budget::Budget::default(), Default::default(), vec![events.clone()]);
        if let Err(error) = layers::call(&cx, &llm, "plan", &request()).await {
            assert_clean(&format!("{error} {error:?} {}", error.for_log()));
        }
        assert_clean(&serde_json::to_string(&events.entries()).unwrap());
        let cassette = std::fs::read_to_string(folder.path().join("cassette.jsonl")).unwrap();
        assert!(cassette.contains("\"call\":1"), "{cassette}");
        assert_clean(&cassette);
    }
}

#[test]
fn a_configuration_does_not_show_what_its_address_hides() {
    let config =
        Config { llm: "http://anna:hush%20hush@h.test/v1?code=query-secret#m".to_owned(), ..Config::default() };
    let text = format!("{config:?}");
    assert_clean(&text);
    assert!(text.contains("http://h.test/v1#m"), "{text}");
}

#[tokio::test]
async fn a_token_in_place_of_the_user_is_struck_out() {
    let server = Server::start([Answer::error(403, "no hush hush, no hush%20hush, no aHVzaCBodXNoOg==", "")]).await;
    let base_url = server.base().replace("http://", "http://hush%20hush@");
    let llm = OpenAiModel::new(OpenAiOptions { base_url, ..options(&server) }).unwrap();
    let error = llm.complete(&cx(), &request()).await.unwrap_err();
    assert_eq!(server.asked()[0].header("authorization"), Some("Basic aHVzaCBodXNoOg=="));
    let text = format!("{error} {error:?} {}", error.for_log());
    assert!(text.contains("no ***, no ***, no ***") && !text.contains("hush"), "{text}");
}

#[test]
fn names_that_are_no_addresses_hide_what_may_be_a_password() {
    let names = [
        ("http://anna:hu#sh@h.test/v1#m", "http://h.test/v1#m"),
        ("http:anna:hush@h.test/v1#m", "http://h.test/v1#m"),
        ("anna:hush@h.test/v1#m", "h.test/v1#m"),
        ("http://anna:hu#sh@h.test/v1", "http://h.test/v1"),
        ("https://h.test/v1#@cf/llama", "https://h.test/v1#@cf/llama"),
        ("http://anna:hush@h.test:port/v1?k=hu@sh#m", "http://…#m"),
        ("http://tok#en@h.test/v1#m", "http://h.test/v1#m"),
        ("http://anna:12#34@h.test/v1#m", "http://h.test/v1#m"),
        ("replay:runs/a@b#c", "replay:runs/a@b#c"),
    ];
    for (name, shown) in names {
        assert_eq!(lavr::chat::named::shown(name), shown, "{name}");
    }
}

#[test]
fn a_key_that_no_header_can_carry_is_refused_without_being_shown() {
    let key = Some(Secret::new("sk-\u{1}bad"));
    let Err(error) = OpenAiModel::new(OpenAiOptions { key, ..OpenAiOptions::new("http://h/v1", "m") }) else {
        panic!("it was taken");
    };
    assert!(error.to_string().contains("LAVR_LLM_KEY") && !error.for_log().contains("bad"), "{}", error.for_log());
}
