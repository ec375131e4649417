//! The agent inside a Tokio service: one line of JSON asks, and the events of the run come back as lines while it goes on.
//!
//! Models: as for `ask`; fetched on the first run. Without arguments the service asks itself one question and ends;
//! with an address it stays:
//!
//!     cargo run --release --example embed -- 127.0.0.1:7007
//!     echo '{"image": "tests/images/gallery.jpg", "question": "How many people are there?"}' | nc 127.0.0.1 7007
#![allow(clippy::print_stdout, reason = "an example shows its results")]

use std::sync::Arc;

use futures::StreamExt;
use lavr::agent::Agent;
use lavr::config::Config;
use lavr::error::{Error, Result};
use lavr::image::Image;
use lavr::store::Silent;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Most bytes of all requests of one connection. (The files they name are any that the service can read.)
const MAX_REQUESTS: u64 = 64 * 1024;

#[derive(serde::Deserialize)]
struct Request {
    image: String,
    question: String,
}

/// Clones share models and tools, so a service makes one agent and clones it for each connection.
#[derive(Clone)]
struct Service {
    agent: Agent,
    config: Arc<Config>,
}

impl Service {
    async fn serve(self, listener: TcpListener) -> Result<()> {
        loop {
            let (socket, _) = listener.accept().await?;
            let service = self.clone();
            // A client that goes away drops the stream of events, and that cancels its run.
            tokio::spawn(async move { service.connection(socket).await });
        }
    }

    async fn connection(self, socket: impl AsyncRead + AsyncWrite) -> Result<()> {
        let (read, mut write) = tokio::io::split(socket);
        let mut lines = BufReader::new(read.take(MAX_REQUESTS)).lines();
        while let Some(line) = lines.next_line().await? {
            if let Err(error) = self.answer(&line, &mut write).await {
                write
                    .write_all(format!("{}\n", json!({ "event": "refused", "error": error.to_string() })).as_bytes())
                    .await?;
            }
        }
        Ok(())
    }

    async fn answer(&self, line: &str, out: &mut (impl AsyncWrite + Unpin)) -> Result<()> {
        let request: Request = serde_json::from_str(line).map_err(|e| Error::invalid(format!("not a request: {e}")))?;
        let (path, config) = (request.image, Arc::clone(&self.config));
        let image = tokio::task::spawn_blocking(move || Image::open(path, &config.images))
            .await
            .map_err(|e| Error::internal("decoding was stopped").with_source(e))??;
        let mut events = self.agent.stream(self.config.task(request.question, vec![image]))?;
        while let Some(entry) = events.next().await {
            out.write_all(format!("{}\n", json!(entry)).as_bytes()).await?;
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let config = Arc::new(Config::default());
    let agent = config.agent(Arc::new(Silent)).await?;
    let service = Service { agent, config };
    if let Some(address) = std::env::args().nth(1) {
        return service.serve(TcpListener::bind(address).await?).await;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(service.serve(listener));
    let mut socket = TcpStream::connect(address).await?;
    let request = json!({ "image": "tests/images/gallery.jpg", "question": "How many people are there?" });
    socket.write_all(format!("{request}\n").as_bytes()).await?;
    socket.shutdown().await?;
    let mut lines = BufReader::new(socket).lines();
    while let Some(line) = lines.next_line().await? {
        let event: serde_json::Value = serde_json::from_str(&line).map_err(|e| Error::internal(e.to_string()))?;
        match event["event"].as_str() {
            Some("answered") => println!("{:>6} ms  {}", event["t_ms"], event["answer"]["text"]),
            Some(name) => println!("{:>6} ms  {name}", event["t_ms"]),
            None => println!("{line}"),
        }
    }
    lavr::runner::close(std::time::Duration::from_secs(5));
    Ok(())
}
