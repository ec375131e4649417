//! A server of images by `https`, on the loopback.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lavr::fetch::ImageUrls;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};

use crate::experts::repository;
use crate::fakes::picture;

/// What happens after the body.
#[derive(Clone, Copy)]
enum After {
    End,
    /// Nothing, for as long as the client waits.
    Hang,
    /// More of it, for as long as the client reads.
    More,
}

/// One answer.
#[derive(Clone)]
pub struct Answer {
    head: String,
    body: Vec<u8>,
    after: After,
}

impl Answer {
    /// A status with headers and a body, whose length is not said.
    pub fn new(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let mut head = format!("HTTP/1.1 {status} Some\r\nconnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        Self { head, body: body.to_vec(), after: After::End }
    }

    /// A picture.
    pub fn picture() -> Self {
        Self::new(200, &[("content-type", "image/png")], picture().encoded())
    }

    /// Bytes that are said to be a picture.
    pub fn of(kind: &str, body: &[u8]) -> Self {
        Self::new(200, &[("content-type", kind)], body)
    }

    /// Sends on.
    pub fn to(status: u16, location: &str) -> Self {
        Self::new(status, &[("location", location), ("set-cookie", "a=b; Path=/")], b"")
    }

    /// A picture without end.
    pub fn endless() -> Self {
        Self { after: After::More, ..Self::picture() }
    }

    /// Takes the request and says nothing at all.
    pub fn silence() -> Self {
        Self { head: String::new(), body: Vec::new(), after: After::Hang }
    }
}

#[derive(Default)]
struct Seen {
    requests: Mutex<Vec<String>>,
    connections: AtomicUsize,
    left: AtomicUsize,
    stop: AtomicBool,
}

/// Answers by path, each connection once.
pub struct Server {
    pub port: u16,
    seen: Arc<Seen>,
}

impl Server {
    pub fn start<const N: usize>(answers: [(&str, Answer); N]) -> Self {
        let answers: HashMap<String, Answer> = answers.map(|(path, answer)| (path.to_owned(), answer)).into();
        let (answers, config, seen) = (Arc::new(answers), config(), Arc::new(Seen::default()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let of_thread = Arc::clone(&seen);
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                if of_thread.stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(mut socket) = socket else { continue };
                of_thread.connections.fetch_add(1, Ordering::SeqCst);
                let (answers, config, seen) = (Arc::clone(&answers), Arc::clone(&config), Arc::clone(&of_thread));
                std::thread::spawn(move || serve(&mut socket, config, &answers, &seen));
            }
        });
        Self { port, seen }
    }

    /// The heads of all requests.
    pub fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// How many clients went away from an answer that had no end.
    pub fn left(&self) -> usize {
        self.seen.left.load(Ordering::SeqCst)
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://images.example.com:{}{path}", self.port)
    }

    /// Settings that allow this server, by the names of its certificate.
    pub fn allowed(&self) -> ImageUrls {
        let allowed_hosts = vec!["images.example.com".to_owned(), "*.example.org".to_owned()];
        ImageUrls { allowed_hosts, ports: vec![self.port], timeout_ms: 60_000, ..ImageUrls::default() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.seen.stop.store(true, Ordering::SeqCst);
        // Wakes the thread that listens.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// The authority that signed the server's certificate.
pub fn authority() -> Vec<u8> {
    std::fs::read(repository("tests/tls/ca.pem")).unwrap()
}

fn config() -> Arc<ServerConfig> {
    let certificate = std::fs::read(repository("tests/tls/server.pem")).unwrap();
    let key = std::fs::read(repository("tests/tls/server.key")).unwrap();
    let chain = CertificateDer::pem_slice_iter(&certificate).map(Result::unwrap).collect();
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    Arc::new(builder.with_single_cert(chain, PrivateKeyDer::from_pem_slice(&key).unwrap()).unwrap())
}

/// Whatever fails here is seen by the client, or was its doing.
fn serve(
    socket: &mut TcpStream,
    config: Arc<ServerConfig>,
    answers: &HashMap<String, Answer>,
    seen: &Seen,
) -> Option<()> {
    socket.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    let mut session = ServerConnection::new(config).ok()?;
    let mut stream = Stream::new(&mut session, socket);
    let (mut head, mut chunk) = (Vec::new(), [0; 16 << 10]);
    while !head.ends_with(b"\r\n\r\n") {
        let length = stream.read(&mut chunk).ok().filter(|length| *length > 0)?;
        head.extend_from_slice(&chunk[..length]);
    }
    let head = String::from_utf8(head).ok()?;
    let path = head.split(' ').nth(1)?.to_owned();
    seen.requests.lock().unwrap().push(head);
    let none = Answer::new(404, &[], b"nothing here");
    let answer = answers.get(&path).unwrap_or(&none);
    if !answer.head.is_empty() {
        stream.write_all(format!("{}\r\n", answer.head).as_bytes()).ok()?;
        stream.write_all(&answer.body).ok()?;
    }
    match answer.after {
        After::End => {
            stream.conn.send_close_notify();
            stream.flush().ok()?;
        }
        After::Hang => while stream.read(&mut chunk).is_ok_and(|length| length > 0) {},
        After::More => while stream.write_all(&chunk).is_ok() {},
    }
    if !matches!(answer.after, After::End) {
        seen.left.fetch_add(1, Ordering::SeqCst);
    }
    Some(())
}
