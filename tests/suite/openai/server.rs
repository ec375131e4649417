//! A server that gives canned answers, down to the packets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// One answer, and what happens after it.
#[derive(Debug, Clone)]
pub struct Answer {
    head: String,
    pieces: Vec<Vec<u8>>,
    hang: bool,
}

impl Answer {
    /// A status with headers and a body.
    pub fn new(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let mut head = format!("HTTP/1.1 {status} Some\r\nconnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        Self { head, pieces: vec![body.as_bytes().to_vec()], hang: false }
    }

    pub fn json(status: u16, body: &Json) -> Self {
        Self::new(status, &[("content-type", "application/json")], &body.to_string())
    }

    /// An error as OpenAI puts it.
    pub fn error(status: u16, message: &str, code: &str) -> Self {
        Self::json(status, &json!({ "error": { "message": message, "type": "error", "param": null, "code": code } }))
    }

    /// A whole reply in one JSON object.
    pub fn whole(text: &str) -> Self {
        let choice =
            json!({ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": "stop" });
        Self::json(200, &json!({ "choices": [choice], "usage": usage(10, 0, 3) }))
    }

    /// Events, each its own packet.
    pub fn events(events: &[String]) -> Self {
        let mut answer = Self::new(200, &[("content-type", "text/event-stream")], "");
        answer.pieces = events.iter().map(|event| format!("data: {event}\n\n").into_bytes()).collect();
        answer
    }

    /// A streamed reply in these pieces.
    pub fn streamed(pieces: &[&str]) -> Self {
        Self::events(&stream_events(pieces, "stop"))
    }

    /// Raw bytes as the body.
    pub fn bytes(pieces: Vec<Vec<u8>>) -> Self {
        Self { pieces, ..Self::new(200, &[("content-type", "text/event-stream")], "") }
    }

    /// Leaves the connection open after the last piece.
    pub fn then_hang(self) -> Self {
        Self { hang: true, ..self }
    }

    /// Ends the connection early: the body that was announced is longer.
    pub fn then_cut(mut self) -> Self {
        self.head.push_str("content-length: 99999\r\n");
        self
    }

    /// Takes the request and says nothing at all.
    pub fn silence() -> Self {
        Self { head: String::new(), pieces: Vec::new(), hang: true }
    }

    /// Ends the connection without a word.
    pub fn hang_up() -> Self {
        Self { head: String::new(), pieces: Vec::new(), hang: false }
    }

    async fn give(&self, stream: &mut TcpStream) {
        if !self.head.is_empty() && stream.write_all(format!("{}\r\n", self.head).as_bytes()).await.is_err() {
            return;
        }
        for piece in &self.pieces {
            if stream.write_all(piece).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if self.hang {
            std::future::pending::<()>().await;
        }
        let _ = stream.shutdown().await;
    }
}

/// The tokens of a call, as OpenAI puts them.
pub fn usage(prompt: u64, cached: u64, completion: u64) -> Json {
    json!({
        "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
        "prompt_tokens_details": { "cached_tokens": cached }
    })
}

/// The events of a streamed reply: a role, the pieces, the finish, the usage, the end.
pub fn stream_events(pieces: &[&str], finish: &str) -> Vec<String> {
    let choice =
        |delta: Json, finish: Json| json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] });
    let mut events = vec![choice(json!({ "role": "assistant", "content": null }), Json::Null)];
    events.extend(pieces.iter().map(|piece| choice(json!({ "content": piece }), Json::Null)));
    events.push(choice(json!({}), json!(finish)));
    events.push(json!({ "choices": [], "usage": usage(30, 20, 5) }));
    let mut events: Vec<String> = events.iter().map(Json::to_string).collect();
    events.push("[DONE]".to_owned());
    events
}

/// What was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    pub head: String,
    pub body: Json,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Gives its answers in order; the last one again and again.
pub struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    _serving: AbortOnDropHandle<()>,
}

impl Server {
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers: Vec<Answer> = answers.into_iter().collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let serving = tokio::spawn(async move {
            loop {
                let Ok((mut stream, _)) = listener.accept().await else { return };
                let (seen, answers) = (Arc::clone(&seen), answers.clone());
                tokio::spawn(async move {
                    let Some(request) = read_request(&mut stream).await else { return };
                    let number = {
                        let mut seen = seen.lock().unwrap();
                        seen.push(request);
                        seen.len() - 1
                    };
                    answers[number.min(answers.len() - 1)].give(&mut stream).await;
                });
            }
        });
        Self { port, asked, _serving: AbortOnDropHandle::new(serving) }
    }

    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// The address with a user, a password and a secret in its query.
    pub fn secret_base(&self) -> String {
        format!("http://anna:hush%20hush@127.0.0.1:{}/v1?code=query-secret", self.port)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub fn bodies(&self) -> Vec<Json> {
        self.asked().into_iter().map(|asked| asked.body).collect()
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 << 10];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = Asked { head: head.clone(), body: Json::Null };
            let length: usize = length.header("content-length")?.parse().ok()?;
            if bytes.len() >= end + 4 + length {
                return Some(Asked { head, body: serde_json::from_slice(&bytes[end + 4..end + 4 + length]).unwrap() });
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
        }
    }
}
