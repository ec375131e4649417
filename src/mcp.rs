//! MCP, the Model Context Protocol: questions about images and single tools, for agents that call tools.
//!
//! A client finds `ask_image`, which answers a question about images as `lavr ask` does, and each tool of the agent's
//! catalog. It starts the program itself and speaks with it over standard input and output ([`stdio`], `lavr mcp`), or
//! reaches it over HTTP at `/mcp` of the service ([`crate::service::router`], `lavr serve`).
//!
//! Both are held to the limits of a [`ServiceConfig`](crate::config::ServiceConfig) on images and runs. Over standard
//! input images may be paths of files; over HTTP no file is read.

mod arguments;
mod ask;
mod call;
pub(crate) mod http;
mod pictures;
mod progress;
mod refused;
mod running;
mod schema;
mod server;

use rmcp::RoleServer;
use rmcp::service::{RunningService, ServerInitializeError};
use rmcp::transport::async_rw::AsyncRwTransport;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use self::server::{Reach, Server};
use crate::agent::Agent;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::service::{self, ApiKeys};

/// Serves one client over standard input and output, until it closes them or `stop` is cancelled.
///
/// Nothing else may write to standard output meanwhile.
///
/// # Errors
/// As [`serve`].
pub async fn stdio(agent: Agent, config: &Config, stop: CancellationToken) -> Result<()> {
    serve(agent, config, (tokio::io::stdin(), tokio::io::stdout()), stop).await
}

/// Serves one client over a pair of streams, a message of JSON-RPC a line, until the client closes them or `stop` is
/// cancelled. Calls that run when the client goes are stopped after five seconds.
///
/// The client may do what the process may do to read images: paths are opened. A message that is longer than
/// [`max_body_bytes`](crate::config::ServiceConfig::max_body_bytes) is dropped, as its sender cannot be told which it was.
///
/// # Errors
/// `InvalidInput` when the configuration is faulty; `Network` when the client begins otherwise than the protocol has it.
pub async fn serve(
    agent: Agent,
    config: &Config,
    (input, output): (impl AsyncRead + Send + Unpin + 'static, impl AsyncWrite + Send + Unpin + 'static),
    stop: CancellationToken,
) -> Result<()> {
    // Runs are the service's alone, and one process uses their folder.
    let mut own = config.clone();
    own.service.runs.folder = None;
    let shared = service::shared(agent, &own, ApiKeys::none(), None, None)?;
    let longest = config.service.max_body_bytes;
    let transport = AsyncRwTransport::new_server(input, output).with_max_line_length(longest);
    let all = shared.stop.clone().drop_guard();
    let server = Server::new(service::Shared::clone(&shared), Reach::Machine);
    let served = answered(rmcp::service::serve_server_with_ct(server, transport, stop).await).await;
    drop(all);
    shared.end_runs().await;
    served
}

/// Waits until the client goes.
async fn answered(began: std::result::Result<RunningService<RoleServer, Server>, ServerInitializeError>) -> Result<()> {
    match began {
        Ok(running) => {
            let ended = running.waiting().await;
            ended.map(|_| ()).map_err(|e| Error::internal("the server ended in a panic").with_source(e))
        }
        // A client that goes before it has said anything has done no harm.
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => Ok(()),
        Err(error) => {
            let message = "the client does not begin as MCP has it";
            Err(Error::new(crate::error::ErrorKind::Network, message).with_source(error))
        }
    }
}
