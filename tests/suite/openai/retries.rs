//! What may pass is tried again, within the run's clock.

use std::time::{Duration, Instant};

use lavr::budget::Budget;
use lavr::chat::ChatModel;
use lavr::chat::openai::{OpenAiModel, OpenAiOptions};
use lavr::cx::Cx;
use lavr::error::ErrorKind;
use tokio_util::sync::CancellationToken;

use super::server::{Answer, Server};
use super::{ask, cx, model, options, request};

fn busy(after: &str) -> Answer {
    let body = "{\"error\": {\"message\": \"Rate limit reached\", \"code\": \"rate_limit_exceeded\"}}";
    Answer::new(429, &[("retry-after", after)], body)
}

#[tokio::test]
async fn a_busy_server_is_asked_again_after_the_time_it_names() {
    let server = Server::start([busy("0.3"), Answer::streamed(&["Hi."])]).await;
    let began = Instant::now();
    assert_eq!(ask(&server, &request()).await.unwrap().text, "Hi.");
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_date_that_is_over_asks_for_no_wait() {
    let server = Server::start([busy("Sun, 06 Nov 1994 08:49:37 GMT"), Answer::streamed(&["Hi."])]).await;
    assert_eq!(ask(&server, &request()).await.unwrap().text, "Hi.");
}

#[tokio::test]
async fn a_server_that_stays_busy_ends_in_an_error_that_says_how_often_it_was_tried() {
    let server = Server::start([Answer::error(429, "Rate limit reached", "rate_limit_exceeded")]).await;
    let error = ask(&server, &request()).await.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(
        text.contains("takes no more requests now (429: Rate limit reached); tried 4 times; try again later"),
        "{text}"
    );
    assert_eq!(server.asked().len(), 4);
}

#[tokio::test]
async fn a_wait_longer_than_the_run_is_not_begun() {
    let server = Server::start([busy("60")]).await;
    let began = Instant::now();
    let error = ask(&server, &request()).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(error.to_string().contains("tried once, and a wait of 60.0 s is longer than the run may last"), "{error}");
}

#[tokio::test]
async fn a_server_that_fails_is_asked_again() {
    let server = Server::start([
        Answer::new(500, &[], "oops"),
        Answer::new(503, &[], "<html>down</html>"),
        Answer::hang_up(),
        Answer::streamed(&["Hi."]),
    ])
    .await;
    assert_eq!(ask(&server, &request()).await.unwrap().text, "Hi.");
    assert_eq!(server.asked().len(), 4);
}

#[tokio::test]
async fn a_server_that_keeps_failing_is_given_up() {
    let server = Server::start([Answer::new(502, &[], "bad gateway")]).await;
    let error = ask(&server, &request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(error.to_string().contains("failed (502: bad gateway); tried 4 times"), "{error}");
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_one_clear_line() {
    let options =
        OpenAiOptions { backoff: Duration::from_millis(5), ..OpenAiOptions::new("http://127.0.0.1:1/v1", "x") };
    let error = OpenAiModel::new(options).unwrap().complete(&cx(), &request()).await.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(text.starts_with("LLM unreachable: http://127.0.0.1:1/v1: cannot connect"), "{text}");
    assert!(text.ends_with("tried 4 times; start the server, or correct the address"), "{text}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left_when_the_run_ends() {
    let server = Server::start([Answer::silence()]).await;
    let cx = Cx::new(Budget { timeout_ms: 300, ..Budget::default() });
    let began = Instant::now();
    let error = model(&server).complete(&cx, &request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Budget);
    assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn cancelling_ends_a_call_at_once() {
    for answer in [Answer::silence(), busy("1"), Answer::streamed(&["Hi"]).then_hang()] {
        let server = Server::start([answer.clone()]).await;
        let llm =
            OpenAiModel::new(OpenAiOptions { idle_timeout: Duration::from_secs(60), ..options(&server) }).unwrap();
        let cancel = CancellationToken::new();
        let cx = Cx::with(Budget::default(), cancel.clone(), Vec::new());
        let began = Instant::now();
        let stop = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            cancel.cancel();
        };
        let asked = request();
        let (reply, ()) = tokio::join!(llm.complete(&cx, &asked), stop);
        if let Err(error) = reply {
            assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
        }
        assert!(began.elapsed() < Duration::from_millis(900), "{:?} {answer:?}", began.elapsed());
    }
}
