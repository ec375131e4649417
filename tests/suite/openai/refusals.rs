//! Answers that no retry can mend: one clear line each, saying what to set.

use lavr::chat::ChatModel;
use lavr::chat::openai::{OpenAiModel, OpenAiOptions, Secret};
use lavr::error::ErrorKind;

use super::server::{Answer, Server};
use super::{ask, cx, options, request, schema_request};

#[tokio::test]
async fn each_refusal_names_what_to_set() {
    let cases = [
        (
            Answer::error(401, "No key.", "invalid_api_key"),
            ErrorKind::InvalidInput,
            "wants a key (401); set LAVR_LLM_KEY",
        ),
        (Answer::error(403, "Not for you.", ""), ErrorKind::InvalidInput, "(403): Not for you.; set LAVR_LLM_KEY"),
        (Answer::error(404, "The model `m` does not exist", ""), ErrorKind::NotFound, "has no model `m`"),
        (Answer::new(404, &[], "404 page not found"), ErrorKind::NotFound, "is no OpenAI-compatible base URL (404)"),
        (Answer::error(429, "You exceeded your quota", "insufficient_quota"), ErrorKind::Model, "no credit left (429)"),
        (Answer::error(402, "Insufficient balance", ""), ErrorKind::Model, "no credit left (402)"),
        (
            Answer::error(400, "maximum context length is 8 tokens", "context_length_exceeded"),
            ErrorKind::InvalidInput,
            "does not fit the context of `m`",
        ),
        (
            Answer::new(308, &[("location", "https://u:pw@x.test/v2?k=v")], ""),
            ErrorKind::InvalidInput,
            "https://x.test/v2",
        ),
        (
            Answer::error(500, "image input is not supported - hint: you may need to provide the mmproj", ""),
            ErrorKind::Model,
            "refused the request (500): image input is not supported",
        ),
        (Answer::error(409, "Conflict.", ""), ErrorKind::Model, "refused the request (409): Conflict."),
    ];
    for (answer, kind, part) in cases {
        let server = Server::start([answer]).await;
        let error = ask(&server, &schema_request()).await.unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind(), kind, "{text}");
        assert!(text.contains(part) && !text.contains('\n'), "{text}");
        assert!(!error.is_retryable(), "{text}");
        assert_eq!(server.asked().len(), 1, "{text}: asked again");
    }
}

#[tokio::test]
async fn a_wrong_key_is_not_said_to_be_missing() {
    let server = Server::start([Answer::error(401, "Incorrect API key provided: sk-secret-key", "")]).await;
    let key = Some(Secret::new("sk-secret-key"));
    let key_variable = "OPENAI_API_KEY".to_owned();
    let llm = OpenAiModel::new(OpenAiOptions { key, key_variable, ..options(&server) }).unwrap();
    let error = llm.complete(&cx(), &request()).await.unwrap_err().to_string();
    assert!(error.contains("does not accept the key (401); set OPENAI_API_KEY to a valid one"), "{error}");
    assert!(!error.contains("sk-"), "{error}");
}

#[tokio::test]
async fn a_long_page_is_quoted_in_short() {
    let server = Server::start([Answer::new(418, &[], &"teapot\n".repeat(20_000))]).await;
    let error = ask(&server, &request()).await.unwrap_err().to_string();
    assert!(error.contains("(418): teapot teapot") && error.len() < 500, "{}", error.len());
}

#[test]
fn an_address_that_is_none_is_refused_at_once() {
    for (base, part) in [
        ("ftp://h/v1", "begins with http"),
        ("nonsense", "relative URL"),
        ("http://", "empty host"),
        ("http://u:secret@h:99999/v1", "port"),
    ] {
        let Err(error) = OpenAiModel::new(OpenAiOptions::new(base, "m")) else { panic!("{base} was taken") };
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(text.contains(part) && !text.contains("secret"), "{text}");
    }
}
