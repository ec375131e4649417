//! Servers for the tests: files with and without ranges, and connections that break.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// Serves a file, parts of it when it may.
pub(super) struct FileAt {
    pub(super) content: Vec<u8>,
    pub(super) ranges: bool,
}

impl Respond for FileAt {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let length = self.content.len();
        let range = request.headers.get("range").and_then(|range| span(range.to_str().unwrap(), length));
        match range.filter(|_| self.ranges) {
            Some((first, last)) if first <= last && last < length => ResponseTemplate::new(206)
                .insert_header("content-range", format!("bytes {first}-{last}/{length}"))
                .set_body_bytes(&self.content[first..=last]),
            Some(_) => ResponseTemplate::new(416).insert_header("content-range", format!("bytes */{length}")),
            None => ResponseTemplate::new(200).set_body_bytes(self.content.clone()),
        }
    }
}

/// The first and last byte that a range header names.
fn span(range: &str, length: usize) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => Some((first, last.min(length - 1))),
        (Ok(first), Err(_)) => Some((first, length - 1)),
        (Err(_), Ok(suffix)) => Some((length.saturating_sub(suffix), length - 1)),
        _ => None,
    }
}

/// Serves `content` at `at`.
pub(super) async fn serve(server: &MockServer, at: &str, content: &[u8], ranges: bool) {
    let file = FileAt { content: content.to_vec(), ranges };
    Mock::given(method("GET")).and(path(at)).respond_with(file).mount(server).await;
}

/// How many requests a server got for a path.
pub(super) async fn asked(server: &MockServer, at: &str) -> usize {
    server.received_requests().await.unwrap().iter().filter(|request| request.url.path() == at).count()
}

/// A server that breaks connections, and whose file can be changed.
pub(super) struct Fragile {
    pub(super) address: String,
    pub(super) connections: Arc<AtomicUsize>,
    /// The range headers it got.
    pub(super) ranges: Arc<Mutex<Vec<Option<String>>>>,
    pub(super) file: Arc<Mutex<Broken>>,
}

/// What a connection gives.
#[derive(Clone)]
pub(super) struct Broken {
    pub(super) content: Vec<u8>,
    /// How many bytes are sent at most.
    pub(super) most: usize,
    /// Whether the connection is then left open instead of closed.
    pub(super) stall: bool,
}

impl Fragile {
    pub(super) async fn start(content: Vec<u8>, most: usize, stall: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let file = Arc::new(Mutex::new(Broken { content, most, stall }));
        let server = Self { address, connections: Arc::default(), ranges: Arc::default(), file };
        let (count, seen, file) = (server.connections.clone(), server.ranges.clone(), server.file.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let broken = file.lock().unwrap().clone();
                tokio::spawn(answer(socket, broken, seen.clone()));
            }
        });
        server
    }
}

async fn answer(mut socket: TcpStream, broken: Broken, seen: Arc<Mutex<Vec<Option<String>>>>) {
    let mut request = vec![0; 8192];
    let read = socket.read(&mut request).await.unwrap_or(0);
    let request = String::from_utf8_lossy(&request[..read]).to_lowercase();
    let range = request.lines().find_map(|line| line.strip_prefix("range: ").map(str::to_owned));
    let Broken { content, most, stall } = broken;
    let length = content.len();
    let first = range.as_deref().and_then(|range| span(range, length)).map_or(0, |(first, _)| first);
    seen.lock().unwrap().push(range);
    let status = match first {
        0 => "200 OK\r\n".to_owned(),
        first => format!("206 Partial Content\r\ncontent-range: bytes {first}-{}/{length}\r\n", length - 1),
    };
    let head = format!("HTTP/1.1 {status}content-length: {}\r\nconnection: close\r\n\r\n", length - first);
    let _ = socket.write_all(head.as_bytes()).await;
    let _ = socket.write_all(&content[first..length.min(first.saturating_add(most))]).await;
    let _ = socket.flush().await;
    if stall {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}

/// An address at which nothing listens.
pub(super) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}
