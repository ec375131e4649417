//! Mounts the service into an axum app of your own, beside its other routes.
//!
//! Models: as for `ask`; fetched on the first run. Without arguments the app asks itself which models there are and
//! ends; with an address it stays:
//!
//!     LAVR_API_KEY=0123456789abcdef cargo run --release --example axum_host -- 127.0.0.1:8080
//!     curl http://127.0.0.1:8080/vision/v1/models -H 'Authorization: Bearer 0123456789abcdef'
#![allow(clippy::print_stdout, reason = "an example shows its results")]

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use lavr::config::Config;
use lavr::error::Result;
use lavr::service::{self, ApiKeys};
use lavr::store::Silent;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const KEY: &str = "0123456789abcdef";

#[tokio::main]
async fn main() -> Result<()> {
    let stays_at = std::env::args().nth(1);
    let config = Config::default();
    // Routes without a key are an error: whoever reaches the app could ask. An app that guards them by itself says
    // `ApiKeys::none()`.
    let keys = if stays_at.is_some() { ApiKeys::from_env(&config.service)? } else { ApiKeys::parse(KEY)? };
    let agent = config.agent(Arc::new(Silent)).await?;
    let app = Router::new()
        .route("/", get(|| async { "The service is under /vision/v1." }))
        .nest("/vision", service::router(agent, &config, keys)?);
    let listener = TcpListener::bind(stays_at.as_deref().unwrap_or("127.0.0.1:0")).await?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}");
    let served = tokio::spawn(async move { axum::serve(listener, app).await });
    if stays_at.is_some() {
        return served.await.map_or(Ok(()), |ended| Ok(ended?));
    }
    let request = format!(
        "GET /vision/v1/models HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {KEY}\r\nConnection: close\r\n\r\n"
    );
    let mut client = TcpStream::connect(address).await?;
    client.write_all(request.as_bytes()).await?;
    let mut reply = String::new();
    client.read_to_string(&mut reply).await?;
    println!("{}", reply.rsplit("\r\n").next().unwrap_or_default());
    Ok(())
}
