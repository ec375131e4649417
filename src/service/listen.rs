//! Listening: connections, how many there are, and how long they may take over their headers and answers.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::unread::Impatient;
use crate::config::ServiceConfig;

/// How long to wait after a connection could not be taken, mostly for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers connections until `stop`, then waits for those that are still being answered.
pub(super) async fn listen(listener: TcpListener, app: Router, config: &ServiceConfig, stop: &CancellationToken) {
    let most = config.max_connections.min(Semaphore::MAX_PERMITS);
    let (open, room) = (GracefulShutdown::new(), Arc::new(Semaphore::new(most)));
    let patience = Duration::from_millis(config.write_timeout_ms);
    while let Some((stream, place)) = stop.run_until_cancelled(next(&listener, &room)).await.flatten() {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(config.header_timeout_ms))
            .serve_connection(TokioIo::new(Impatient::new(stream, patience)), TowerToHyperService::new(app.clone()));
        let connection = open.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("a connection ended early: {error}");
            }
            drop(place);
        });
    }
    drop(listener);
    open.shutdown().await;
}

/// The next connection, with its place among those that are open.
async fn next(listener: &TcpListener, room: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(room).acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Pieces of an answer do not wait for more; a socket that cannot be told so is as good.
                let _ = stream.set_nodelay(true);
                return Some((stream, place));
            }
            Err(error) => {
                tracing::warn!("a connection could not be taken: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
