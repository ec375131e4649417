//! Replies: streamed, whole, mended, broken.

use lavr::chat::openai::{MAX_ANSWER, OpenAiModel, OpenAiOptions};
use lavr::chat::{ChatModel, ChatRequest, FinishReason};
use lavr::error::ErrorKind;
use lavr::image::{Frame, Image};
use lavr::message::Message;
use serde_json::json;

use super::server::{Answer, Server, stream_events};
use super::{ask, cx, model, options, request, schema_request};
use crate::fakes::picture;

#[tokio::test]
async fn a_reply_is_handed_over_piece_by_piece_as_it_is_streamed() {
    let server = Server::start([Answer::streamed(&["The sky", " is ", "blü", "."])]).await;
    let mut pieces = Vec::new();
    let reply = model(&server).stream(&cx(), &request(), &mut |piece| pieces.push(piece.to_owned())).await.unwrap();
    assert_eq!(pieces, ["The sky", " is ", "blü", "."]);
    assert_eq!((reply.text.as_str(), reply.finish), ("The sky is blü.", FinishReason::Stop));
    let usage = reply.usage;
    assert_eq!((usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens), (10, 20, 5));
    assert_eq!(usage.cost_usd, None);
    let asked = &server.asked()[0];
    assert!(asked.head.starts_with("POST /v1/chat/completions HTTP/1.1"), "{}", asked.head);
    assert_eq!(asked.header("authorization"), None);
    assert_eq!(
        asked.body,
        json!({
            "model": "m",
            "messages": [{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "Hi" }],
            "max_tokens": 50,
            "temperature": 0.0,
            "stream": true,
            "stream_options": { "include_usage": true }
        })
    );
}

#[tokio::test]
async fn text_is_there_before_the_reply_ends() {
    let mut events = stream_events(&["early"], "stop");
    events.truncate(2);
    let server = Server::start([Answer::events(&events).then_hang()]).await;
    let mut seen = String::new();
    let error = model(&server).stream(&cx(), &request(), &mut |piece| seen.push_str(piece)).await.unwrap_err();
    assert_eq!(seen, "early");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(error.to_string().contains("stands still"), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let server = Server::start([Answer::whole("Hello.")]).await;
    let mut pieces = Vec::new();
    let reply = model(&server).stream(&cx(), &request(), &mut |piece| pieces.push(piece.to_owned())).await.unwrap();
    assert_eq!((reply.text.as_str(), pieces.as_slice()), ("Hello.", ["Hello.".to_owned()].as_slice()));
    assert_eq!(reply.usage.prompt_tokens, 10);
}

#[tokio::test]
async fn tokens_are_guessed_where_the_server_counts_nothing() {
    let events = stream_events(&["Hi."], "stop");
    let server = Server::start([Answer::events(&events[..events.len() - 2])]).await;
    let usage = ask(&server, &request()).await.unwrap().usage;
    let characters: usize = request().prompt().map(|m| m.content.chars().count() + 4).sum();
    assert!((1..=characters as u64).contains(&usage.prompt_tokens), "{usage:?}");
    assert_eq!((usage.cached_tokens, usage.completion_tokens, usage.cost_usd), (0, 1, None));
}

#[tokio::test]
async fn a_reply_that_the_limit_cut_off_says_so_and_is_not_mended() {
    let server = Server::start([Answer::events(&stream_events(&["{\"n\": 1, \"ki"], "length"))]).await;
    let reply = ask(&server, &schema_request()).await.unwrap();
    assert_eq!((reply.text.as_str(), reply.finish), ("{\"n\": 1, \"ki", FinishReason::Length));
}

#[tokio::test]
async fn what_is_nearly_json_is_mended_when_json_was_asked_for() {
    let cases = [
        ("{\"n\": 3, \"kind\": \"a\"}", "{\"n\": 3, \"kind\": \"a\"}"),
        ("```json\n{\"n\": 3}\n```", "{\"n\": 3}"),
        ("Sure! Here it is: {\"n\": 3} I hope it helps.", "{\"n\": 3}"),
        ("<think>Is it {2} or {3}?</think>\n{\"n\": 3}", "{\"n\": 3}"),
        ("{\"n\": 3, \"kind\": \"a", "{\"n\":3,\"kind\":\"a\"}"),
        ("{'n': 3,}", "{\"n\":3}"),
        ("{\"n\": [{\"a\": 1}, {\"b\": 2}, {\"c\":", "{\"n\":[{\"a\":1},{\"b\":2},{\"c\":null}]}"),
        ("I cannot do that.", "I cannot do that."),
    ];
    for (said, expected) in cases {
        let server = Server::start([Answer::streamed(&[said])]).await;
        assert_eq!(ask(&server, &schema_request()).await.unwrap().text, expected);
        let server = Server::start([Answer::streamed(&[said])]).await;
        assert_eq!(ask(&server, &request()).await.unwrap().text, said, "prose is left alone when prose was asked for");
    }
}

/// Every way an answer can be broken ends in an error that says so, never in a reply.
#[tokio::test]
async fn a_broken_answer_is_an_error_of_one_line() {
    let invalid = vec![b"data: {\"choices\": [{\"delta\": {\"content\": \"\xff\xfe\"}}]}\n\n".to_vec()];
    let filler = vec![b' '; (1 << 20) - 100];
    let endless = vec![b"data: {\"choices\": [], \"x\": \"".to_vec(), filler.clone(), filler.clone()];
    let event = b"\n\ndata: {\"choices\": []}\n\n".to_vec();
    let many = std::iter::repeat_n([event, filler], (MAX_ANSWER >> 20) + 1).flatten().collect();
    let begun = stream_events(&["The sk"], "stop")[..2].to_vec();
    let failing = |event: &str| Answer::events(&[event.to_owned()]);
    let cases = [
        (Answer::bytes(invalid), ErrorKind::Model, "no chat completion"),
        (Answer::bytes(endless), ErrorKind::Model, "a line of the answer is longer than 1 MiB"),
        (Answer::bytes(many), ErrorKind::Model, "the answer is longer than 8 MiB"),
        (Answer::events(&begun), ErrorKind::Network, "in the middle of the reply"),
        (Answer::events(&begun).then_cut(), ErrorKind::Network, "broke off"),
        (Answer::new(200, &[("content-type", "text/html")], "<html>Sign in</html>"), ErrorKind::Model, "neither JSON"),
        (Answer::json(200, &json!({ "object": "list" })), ErrorKind::Model, "no `choices`"),
        (failing("{\"error\": {\"message\": \"out of\\nmemory\"}}"), ErrorKind::Model, "out of memory"),
        (failing("not json"), ErrorKind::Model, "no chat completion"),
        (
            failing("{\"choices\": [{\"delta\": {}, \"finish_reason\": \"content_filter\"}]}"),
            ErrorKind::Model,
            "content filter",
        ),
        (
            failing("{\"choices\": [{\"delta\": {\"refusal\": \"I will not.\"}}]}"),
            ErrorKind::Model,
            "declines: I will not.",
        ),
    ];
    for (answer, kind, part) in cases {
        let server = Server::start([answer]).await;
        let error = ask(&server, &request()).await.unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind(), kind, "{text}");
        assert!(text.contains(part) && text.contains(&server.base()) && !text.contains('\n'), "{text}");
        assert_eq!(server.asked().len(), 1, "{text}: what was begun is not asked again");
    }
}

#[tokio::test]
async fn images_go_with_the_last_message_when_the_model_takes_them() {
    let server = Server::start([Answer::whole("A red square.")]).await;
    let llm = OpenAiModel::new(OpenAiOptions { images: true, ..options(&server) }).unwrap();
    assert!(llm.capabilities().images);
    let messages = vec![Message::user("Look."), Message::assistant("Yes?"), Message::user("What is it?")];
    let asked = ChatRequest { images: vec![picture()], ..ChatRequest::new(Vec::new(), messages) };
    llm.complete(&cx(), &asked).await.unwrap();
    let body = &server.bodies()[0];
    assert_eq!(body["messages"][0]["content"], "Look.");
    let parts = &body["messages"][2]["content"];
    assert_eq!(parts[0], json!({ "type": "text", "text": "What is it?" }));
    let url = parts[1]["image_url"]["url"].as_str().unwrap();
    assert!(url.starts_with("data:image/png;base64,iVBOR"), "{url}");
}

#[tokio::test]
async fn an_image_that_servers_do_not_read_is_sent_as_png() {
    let server = Server::start([Answer::whole("Red.")]).await;
    let llm = OpenAiModel::new(OpenAiOptions { images: true, ..options(&server) }).unwrap();
    let mut bmp = std::io::Cursor::new(Vec::new());
    picture().pixels().write_to(&mut bmp, image::ImageFormat::Bmp).unwrap();
    let bmp = Image::decode(bmp.into_inner(), &lavr::image::ImageLimits::default()).unwrap();
    assert_eq!(bmp.frame(), Frame::ROOT);
    llm.complete(&cx(), &ChatRequest { images: vec![bmp], ..request() }).await.unwrap();
    let body = server.bodies()[0].to_string();
    assert!(body.contains("data:image/png;base64,iVBOR"), "{body}");
}

/// A photograph of 3000 x 1500 pixels, taken with the camera on its side, at a place.
fn turned_photograph() -> Image {
    let pixels = image::RgbImage::from_fn(3000, 1500, |x, _| image::Rgb([if x < 1500 { 250 } else { 0 }, 0, 0]));
    let mut jpeg = std::io::Cursor::new(Vec::new());
    pixels.write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
    let jpeg = jpeg.into_inner();
    // EXIF with one entry, the orientation 6: the left side is the upper one.
    let mut exif = b"\xff\xe1\x00\x29Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    exif.extend(b"SECRET!");
    let bytes = [&jpeg[..2], &exif, &jpeg[2..]].concat();
    Image::decode(bytes, &lavr::image::ImageLimits::default()).unwrap()
}

#[tokio::test]
async fn a_photograph_is_sent_upright_not_too_large_and_without_what_its_file_tells() {
    let server = Server::start([Answer::whole("Red.")]).await;
    let llm = OpenAiModel::new(OpenAiOptions { images: true, ..options(&server) }).unwrap();
    llm.complete(&cx(), &ChatRequest { images: vec![turned_photograph()], ..request() }).await.unwrap();
    let body = &server.bodies()[0];
    let parts = body["messages"].as_array().unwrap().last().unwrap()["content"].as_array().unwrap().clone();
    let url = parts[1]["image_url"]["url"].as_str().unwrap();
    let data = url.strip_prefix("data:image/jpeg;base64,").unwrap();
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, data).unwrap();
    assert!(!bytes.windows(6).any(|w| w == b"SECRET"));
    let sent = image::load_from_memory(&bytes).unwrap().to_rgb8();
    assert_eq!(sent.dimensions(), (1024, 2048));
    assert!(sent.get_pixel(500, 10)[0] > 200 && sent.get_pixel(500, 2040)[0] < 50);
}

#[tokio::test]
async fn images_are_refused_before_anything_is_sent_when_the_model_takes_none() {
    let server = Server::start([Answer::whole("?")]).await;
    let error = ask(&server, &ChatRequest { images: vec![picture()], ..request() }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("takes no images"), "{error}");
    assert!(server.asked().is_empty());
}
