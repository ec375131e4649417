//! Parsers of what comes from outside: any split, any text, no panic.

use std::time::{Duration, SystemTime};

use futures::executor::block_on;
use futures::stream;
use lavr::chat::FinishReason;
use lavr::chat::cassette::Cassette;
use lavr::chat::openai::{Reading, mend_json, read_reply, retry_after};
use lavr::error::Result;
use proptest::prelude::*;

use super::server::stream_events;

/// Runs a parser that waits with Tokio's clock.
fn run<F: Future>(work: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

fn read(pieces: Vec<Vec<u8>>) -> (Result<Reading>, String) {
    let mut seen = String::new();
    let mut on_text = |piece: &str| seen.push_str(piece);
    let pieces = stream::iter(pieces.into_iter().map(Ok));
    let reading = run(read_reply(pieces, Duration::from_secs(5), &mut on_text));
    (reading, seen)
}

/// Cuts bytes at the given places.
fn split(bytes: &[u8], cuts: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| bytes[pair[0]..pair[1]].to_vec()).collect()
}

/// Texts that are nearly JSON, and worse.
fn broken_json() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        "\"",
        "'",
        ",",
        ":",
        "\\",
        "\\u",
        "\\ud83d",
        "/*",
        "*/",
        "//",
        "#",
        "\n",
        " ",
        "-",
        "1",
        "e",
        ".",
        "true",
        "null",
        "None",
        "é",
        "世",
        "`",
        "```",
        "```json\n",
        "{\"a\": ",
        "[{\"b\": 1}",
        "<think>",
        "</think>",
        "\u{201c}",
        "\0",
        "(",
        ";",
    ]);
    prop::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn a_stream_reads_the_same_however_it_is_split(
        texts in prop::collection::vec("[a-z é世🙂\\\\\"{}\n]{0,8}", 1..6),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ending in prop::sample::select(vec!["\n", "\r\n", "\r"]),
    ) {
        let pieces: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut body = String::from(": a comment");
        body.push_str(ending);
        body.push_str(ending);
        for event in stream_events(&pieces, "stop") {
            body.push_str(&format!("event: message{ending}data: {event}{ending}{ending}"));
        }
        let (reading, seen) = read(split(body.as_bytes(), &cuts));
        let reading = reading.unwrap();
        prop_assert_eq!(&reading.text, &texts.concat());
        prop_assert_eq!(seen, texts.concat());
        prop_assert_eq!(reading.finish, Some(FinishReason::Stop));
        prop_assert_eq!(reading.tokens.map(|t| (t.prompt, t.cached, t.completion)), Some((30, 20, 5)));
    }

    #[test]
    fn one_object_reads_the_same_however_it_is_split(
        text in "[a-z é世🙂\\\\\"{}\n]{0,20}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let body = serde_json::json!({ "choices": [{ "message": { "content": text }, "finish_reason": "stop" }] });
        let (reading, seen) = read(split(format!(" \n{body}").as_bytes(), &cuts));
        prop_assert_eq!(&reading.unwrap().text, &text);
        prop_assert_eq!(seen, text);
    }

    #[test]
    fn any_bytes_end_in_a_reading_or_an_error(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let _ = read(split(&bytes, &cuts));
    }

    #[test]
    fn what_is_mended_is_json(text in prop_oneof![broken_json(), any::<String>()]) {
        if let Some(json) = mend_json(&text) {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{json}");
        }
    }

    #[test]
    fn json_is_not_changed_by_mending(number in any::<i64>(), text in any::<String>()) {
        let json = serde_json::json!({ "n": number, "text": text, "list": [1, { "a": null }] }).to_string();
        prop_assert_eq!(mend_json(&json), Some(json));
    }

    #[test]
    fn a_cassette_parses_or_says_which_line_is_faulty(lines in prop::collection::vec(any::<String>(), 0..5)) {
        let header = "{\"cassette\":1,\"lavr\":\"0\",\"model\":\"m\",\"date\":\"d\",\"context\":1}\n";
        let text = format!("{header}{}\n", lines.join("\n"));
        if let Err(error) = Cassette::parse(&text) {
            prop_assert!(error.to_string().contains("line "), "{error}");
        }
        let _ = Cassette::parse(&lines.join("\n"));
    }

    #[test]
    fn any_wait_is_understood_or_left_out(value in prop_oneof![any::<String>(), "[-+0-9.eE]{0,12}"]) {
        let _ = retry_after(&value, SystemTime::now());
    }

    #[test]
    fn seconds_and_dates_are_understood(seconds in 0_u64..100_000) {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let wait = Duration::from_secs(seconds);
        prop_assert_eq!(retry_after(&seconds.to_string(), now), Some(wait));
        prop_assert_eq!(retry_after(&httpdate::fmt_http_date(now + wait), now), Some(wait));
    }
}

#[test]
fn brackets_without_end_are_left_alone() {
    for (text, repeated) in [("{", 100_000), ("[", 100_000), ("{\"a\":", 50_000), ("[{", 50_000), ("\"", 300_000)] {
        assert_eq!(mend_json(&text.repeat(repeated)), None, "{text}");
    }
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    block_on(async { drop(mend_json(&deep)) });
}

#[test]
fn waits_that_are_none() {
    for value in ["", "-1", "NaN", "inf", "1e400", "soon", "Sun, 06 Nov"] {
        assert_eq!(retry_after(value, SystemTime::now()), None, "{value}");
    }
    assert_eq!(retry_after(" 1.5 ", SystemTime::now()), Some(Duration::from_millis(1500)));
}
