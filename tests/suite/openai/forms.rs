//! What servers take, and what is left out or asked for in another way for those that do not.

use lavr::chat::ChatModel;
use serde_json::{Value as Json, json};

use super::server::{Answer, Server};
use super::{ask, cx, model, schema, schema_request};

/// The user's message as it was sent.
fn told(body: &Json) -> &str {
    body["messages"][1]["content"].as_str().unwrap()
}

#[tokio::test]
async fn a_schema_is_asked_for_without_what_only_we_understand() {
    let server = Server::start([Answer::streamed(&["{\"n\": 1}"])]).await;
    ask(&server, &schema_request()).await.unwrap();
    let body = &server.bodies()[0];
    let mut standard = schema();
    standard.as_object_mut().unwrap().shift_remove("x-guidance");
    let format = json!({
        "type": "json_schema", "json_schema": { "name": "reply", "strict": false, "schema": standard }
    });
    assert_eq!(body["response_format"], format);
    assert_eq!(told(body), "Hi", "the server enforces the schema, so the prompt need not say it");
}

#[tokio::test]
async fn refused_formats_are_weakened_step_by_step_and_what_worked_is_remembered() {
    let refuse = |what: &str| Answer::error(400, &format!("response_format {what} is not supported"), "bad_request");
    let server = Server::start([
        refuse("json_schema"),
        refuse("schema"),
        refuse("json_object"),
        Answer::streamed(&["{\"n\": 1}"]),
    ])
    .await;
    let llm = model(&server);
    for _ in 0..2 {
        assert_eq!(llm.complete(&cx(), &schema_request()).await.unwrap().text, "{\"n\": 1}");
    }
    let bodies = server.bodies();
    assert_eq!(bodies.len(), 5, "the second call goes the way that worked");
    assert_eq!(bodies[0]["response_format"]["type"], "json_schema");
    assert_eq!(bodies[1]["response_format"]["type"], "json_object");
    assert!(bodies[1]["response_format"]["schema"].get("x-guidance").is_none());
    assert_eq!(bodies[1]["response_format"]["schema"]["type"], "object");
    assert_eq!(bodies[2]["response_format"], json!({ "type": "json_object" }));
    assert_eq!(bodies[3].get("response_format"), None);
    assert_eq!(bodies[3], bodies[4]);
    assert_eq!(told(&bodies[1]), "Hi");
    for body in &bodies[2..] {
        let form = "{\"n\": number, \"kind\" (optional): \"a\" | \"b\"}";
        assert_eq!(told(body), format!("Hi\n\nReply with JSON alone, no other text, of this form:\n{form}"));
    }
}

/// llama-cpp-python 0.2 answers 500 to a format it does not know.
#[tokio::test]
async fn a_failure_that_names_the_format_is_a_refusal() {
    let message = "[{'type': 'literal_error', 'loc': ('body', 'response_format', 'type'), \
                   'msg': \"Input should be 'text' or 'json_object'\", 'input': 'json_schema'}]";
    let server = Server::start([Answer::error(500, message, ""), Answer::streamed(&["{\"n\": 1}"])]).await;
    ask(&server, &schema_request()).await.unwrap();
    let bodies = server.bodies();
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[1]["response_format"]["type"], "json_object");
}

#[tokio::test]
async fn a_refusal_without_a_reason_weakens_the_format_until_nothing_is_left() {
    let server = Server::start([Answer::new(422, &[], "no")]).await;
    let error = ask(&server, &schema_request()).await.unwrap_err();
    assert_eq!(server.asked().len(), 4);
    assert!(error.to_string().contains("refused the request (422): no"), "{error}");
}

#[tokio::test]
async fn newer_models_get_the_names_and_the_silence_they_want() {
    let tokens = "Unsupported parameter: 'max_tokens' is not supported with this model. \
                  Use 'max_completion_tokens' instead.";
    let temperature = "Unsupported value: 'temperature' does not support 0 with this model.";
    let server = Server::start([
        Answer::error(400, tokens, "unsupported_parameter"),
        Answer::error(400, temperature, "unsupported_value"),
        Answer::error(400, "Unrecognized request argument supplied: stream_options", ""),
        Answer::error(400, "stream is not supported", ""),
        Answer::whole("{\"n\": 1}"),
    ])
    .await;
    let llm = model(&server);
    llm.complete(&cx(), &schema_request()).await.unwrap();
    llm.complete(&cx(), &schema_request()).await.unwrap();
    let bodies = server.bodies();
    assert_eq!(bodies.len(), 6);
    let last = bodies[5].as_object().unwrap();
    let keys: Vec<&str> = last.keys().map(String::as_str).collect();
    assert_eq!(keys, ["model", "messages", "max_completion_tokens", "response_format"]);
    assert_eq!(bodies[5]["response_format"]["type"], "json_schema");
}

#[tokio::test]
async fn both_names_of_the_limit_refused_is_an_error() {
    let server = Server::start([Answer::error(400, "max_tokens is too large: 50", "")]).await;
    let error = ask(&server, &schema_request()).await.unwrap_err();
    assert_eq!(server.asked().len(), 2);
    assert!(error.to_string().contains("max_tokens is too large"), "{error}");
}

/// A server that takes the schema and ignores it is told in the prompt from then on.
#[tokio::test]
async fn a_reply_of_another_form_makes_the_next_prompt_say_the_form() {
    for said in ["There are three.", "{\"count\": 3}", "[1, 2, 3]"] {
        let server = Server::start([Answer::streamed(&[said]), Answer::streamed(&["{\"n\": 3}"])]).await;
        let llm = model(&server);
        for _ in 0..2 {
            llm.complete(&cx(), &schema_request()).await.unwrap();
        }
        let bodies = server.bodies();
        assert_eq!(told(&bodies[0]), "Hi");
        assert!(told(&bodies[1]).contains("of this form:\n{\"n\": number"), "{said}: {}", told(&bodies[1]));
    }
}
