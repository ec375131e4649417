//! MCP over HTTP: `POST /mcp` of the service, each request alone.
//!
//! There are no sessions: what a client names in `Mcp-Session-Id` only tells its calls from those of others, so that it
//! can cancel them. A client that goes away stops its call.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use rmcp::transport::StreamableHttpServerConfig;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::tower::StreamableHttpService;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::running::{Listed, Name, Running};
use super::server::{Reach, Server};
use crate::service::access::Caller;
use crate::service::admission::Place;
use crate::service::refusal::Refusal;
use crate::service::{Shared, body};

/// The header by which clients of older versions tell their calls from those of others.
const SESSION: &str = "mcp-session-id";
/// Largest body that is read before its request has a place, in bytes: what is no call has to come through when all
/// places are taken, and it is small.
const SMALL: u64 = 64 << 10;
/// Most values in a body: each takes memory of its own, however short it is written, and time on a thread that answers
/// others.
const MAX_VALUES: usize = 25_000;

type Sdk = StreamableHttpService<Server, NeverSessionManager>;

/// What a call brings along from its request.
#[derive(Clone)]
pub(super) struct Door(Arc<Inside>);

struct Inside {
    place: Mutex<Option<Place>>,
    cancel: CancellationToken,
    _listed: Option<Listed>,
}

impl Door {
    /// The place that the request has; the first who asks gets it.
    pub(super) fn place(&self) -> Option<Place> {
        self.0.place.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits until the client cancels the call by another request.
    pub(super) async fn cancelled(&self) {
        self.0.cancel.cancelled().await;
    }
}

/// The route, for a router that checks keys and hosts.
pub(crate) fn route(shared: &Shared) -> MethodRouter<Shared> {
    let server = Server::new(Shared::clone(shared), Reach::Network);
    // Hosts, origins and bodies are checked by the service, in one way for all routes.
    let config = StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        .disable_allowed_origins()
        .with_legacy_session_mode(false)
        .with_max_request_body_bytes(shared.config.max_body_bytes);
    let sdk = Sdk::new(move || Ok(server.clone()), Arc::new(NeverSessionManager::default()), config);
    let endpoint = Endpoint { running: Running::default(), sdk };
    post(move |State(shared): State<Shared>, Extension(caller): Extension<Caller>, request: Request| async move {
        endpoint.answer(&shared, caller, request).await.unwrap_or_else(|refused| *refused)
    })
}

/// What all requests to the route share.
#[derive(Clone)]
struct Endpoint {
    running: Running,
    sdk: Sdk,
}

/// A message that was read, with the place that it has taken for that.
struct Received {
    glance: Glance,
    bytes: Bytes,
    place: Option<Place>,
}

impl Endpoint {
    async fn answer(&self, shared: &Shared, caller: Caller, request: Request) -> Result<Response, Box<Response>> {
        let (mut parts, sent) = request.into_parts();
        let Received { glance, bytes, place } = receive(shared, caller, &parts.headers, sent).await?;
        let session = parts.headers.get(SESSION).and_then(|session| session.to_str().ok());
        let name = |id: Option<&RawValue>| Name::new(caller, session, id.map(RawValue::get));
        // Whatever it is, its place is kept until it is answered.
        let mut _kept = None;
        match glance.method.as_str() {
            "tools/call" => {
                let place = place.map_or_else(|| shared.admission.enter(caller), Ok);
                let place = place.map_err(|refusal| Box::new(refusal.into_rpc(glance.id.as_deref())))?;
                let door = self.door(place, name(glance.id.as_deref()));
                parts.extensions.insert(door);
            }
            "notifications/cancelled" => {
                if let Some(name) = name(glance.cancelled.as_deref()) {
                    self.running.cancel(&name);
                }
            }
            _ => _kept = place,
        }
        let mut response = self.sdk.handle(Request::from_parts(parts, Body::from(bytes))).await.map(Body::new);
        if glance.method == "initialize" && response.status().is_success() {
            name_session(response.headers_mut());
        }
        Ok(response)
    }

    fn door(&self, place: Place, name: Option<Name>) -> Door {
        let cancel = CancellationToken::new();
        let listed = name.map(|name| self.running.list(name, cancel.clone()));
        Door(Arc::new(Inside { place: Mutex::new(Some(place)), cancel, _listed: listed }))
    }
}

/// Reads a message. A large one takes a place before; that of a small one is only known to be needed once it is read.
async fn receive(shared: &Shared, caller: Caller, headers: &HeaderMap, sent: Body) -> Result<Received, Box<Response>> {
    let place = match (length(headers) > SMALL).then(|| shared.admission.enter(caller)).transpose() {
        Ok(place) => place,
        Err(refusal) => {
            body::forget(sent, &shared.config).await;
            return Err(refused(refusal));
        }
    };
    let bytes = body::read(headers, sent, &shared.config).await.map_err(refused)?;
    glanced(bytes, place).await.map_err(refused)
}

/// The refusal of a message of which nothing is known.
fn refused(refusal: Refusal) -> Box<Response> {
    Box::new(refusal.into_rpc(None))
}

/// How long a body is said to be; one that does not say it may be of any length.
fn length(headers: &HeaderMap) -> u64 {
    let said = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    said.and_then(|length| length.parse().ok()).unwrap_or(u64::MAX)
}

/// Gives a client of an older version a name for its session that nobody else can guess.
fn name_session(headers: &mut HeaderMap) {
    if let Ok(name) = HeaderValue::from_str(&uuid::Uuid::new_v4().simple().to_string()) {
        headers.insert(SESSION, name);
    }
}

/// What a message is about, at a glance.
struct Glance {
    method: String,
    id: Option<Box<RawValue>>,
    /// The call that it cancels.
    cancelled: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Message {
    jsonrpc: Version,
    #[serde(default)]
    method: String,
    #[serde(default)]
    id: Option<Box<RawValue>>,
    #[serde(default)]
    params: Option<Params>,
}

#[derive(Deserialize)]
enum Version {
    #[serde(rename = "2.0")]
    Two,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Params {
    #[serde(default, rename = "requestId")]
    request_id: Option<Box<RawValue>>,
}

/// Looks at a message, away from the threads that answer others. The place stays taken until that is over.
async fn glanced(bytes: Bytes, place: Option<Place>) -> Result<Received, Refusal> {
    let look = move || {
        if values(&bytes) > MAX_VALUES {
            return Err(Refusal::too_large(format!("the body has more than {MAX_VALUES} values")));
        }
        let faulty = |e| Refusal::bad(format!("the body is no message of JSON-RPC: {e}"));
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return Err(Refusal::bad("the body is no message of JSON-RPC: it is no object"));
        }
        let message: Message = serde_json::from_slice(&bytes).map_err(faulty)?;
        let Version::Two = message.jsonrpc;
        let cancelled = message.params.and_then(|params| params.request_id);
        Ok(Received { glance: Glance { method: message.method, id: message.id, cancelled }, bytes, place })
    };
    tokio::task::spawn_blocking(look).await.map_err(|_| Refusal::internal())?
}

/// About how many values a JSON text has: one more than its separators.
fn values(json: &[u8]) -> usize {
    let (mut count, mut inside, mut escaped) = (1_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            b',' | b'[' | b'{' if !inside => count += 1,
            _ => {}
        }
    }
    count
}
