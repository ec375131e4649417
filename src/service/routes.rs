//! Routes: the one table that the router and its description are both made from.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequestParts, Path};
use axum::handler::Handler;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::routing::{self, MethodRouter};
use serde::de::DeserializeOwned;
use utoipa::openapi::HttpMethod;

use super::openapi;
use super::openapi::operations::{self, Told};
use super::refusal::Refusal;
use super::{Shared, access, chat, health, metrics, models, playground, runs};
use crate::mcp;

/// A route: how it is called and described, and what answers.
pub(super) struct Route {
    described: Described,
    answers: MethodRouter<Shared>,
}

/// How a route is called, and how it is described.
pub(super) struct Described {
    pub(super) method: HttpMethod,
    pub(super) path: &'static str,
    pub(super) guard: Guard,
    pub(super) told: Told,
}

/// What a caller of a route has to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// The API key, where there are any; and names and origins that are the service's.
    Key,
    /// Names and origins alone.
    Place,
    /// Nothing: probes know the address alone.
    Nothing,
}

impl Route {
    fn new(method: HttpMethod, path: &'static str, answers: MethodRouter<Shared>, told: Told) -> Self {
        Self { described: Described { method, path, guard: Guard::Key, told }, answers }
    }

    pub(super) fn get<T: 'static>(path: &'static str, handler: impl Handler<T, Shared>, told: Told) -> Self {
        Self::new(HttpMethod::Get, path, routing::get(handler), told)
    }

    pub(super) fn post<T: 'static>(path: &'static str, handler: impl Handler<T, Shared>, told: Told) -> Self {
        Self::new(HttpMethod::Post, path, routing::post(handler), told)
    }

    fn behind(mut self, guard: Guard) -> Self {
        self.described.guard = guard;
        self
    }
}

/// All routes but the one that describes them.
fn table(shared: &Shared) -> Vec<Route> {
    let mut table = vec![
        Route::post("/v1/chat/completions", chat::complete, operations::complete()),
        Route::get("/v1/models", models::list, operations::models()),
        Route::get("/v1/models/{name}", models::one, operations::model()),
        Route::new(HttpMethod::Post, "/mcp", mcp::http::route(shared), operations::mcp()),
        Route::get("/metrics", metrics::tell, operations::metrics()),
        Route::get("/health/live", health::live, operations::live()).behind(Guard::Nothing),
        Route::get("/health/ready", health::ready, operations::ready()).behind(Guard::Nothing),
    ];
    table.extend(runs::routes());
    table
}

/// The router of the service.
///
/// # Errors
/// When the routes cannot be described.
pub(super) fn router(shared: Shared) -> crate::error::Result<Router> {
    let (mut described, mut keyed, mut others) = (Vec::new(), Router::new(), Router::new());
    for route in table(&shared) {
        let router = if route.described.guard == Guard::Key { &mut keyed } else { &mut others };
        *router = std::mem::take(router).route(route.described.path, route.answers);
        described.push(route.described);
    }
    // The document describes its own route, too.
    let (method, guard) = (HttpMethod::Get, Guard::Place);
    described.push(Described { method, path: openapi::PATH, guard, told: operations::openapi() });
    let document = Bytes::from(openapi::document(described)?);
    let answer = move || async move { ([(header::CONTENT_TYPE, "application/json")], document) };
    let others = others.route(openapi::PATH, routing::get(answer));
    let key = middleware::from_fn_with_state(Shared::clone(&shared), access::check_key);
    Ok(keyed
        .route_layer(key)
        .merge(others)
        .merge(playground::routes())
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_method)
        .layer(middleware::from_fn_with_state(Shared::clone(&shared), access::check_place))
        .layer(middleware::from_fn_with_state(Shared::clone(&shared), metrics::count_refusals))
        .with_state(shared))
}

async fn unknown_route() -> Refusal {
    let message = format!("there is no such route; `{}` lists those that there are", openapi::PATH);
    Refusal::new(StatusCode::NOT_FOUND, "unknown_route", message)
}

async fn unknown_method() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "unknown_method", "this route takes another method")
}

/// What stands in the path of a request, in the places that its route leaves open.
pub(super) struct InPath<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for InPath<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let read = Path::from_request_parts(parts, state).await;
        // Its own refusal would be plain text.
        let faulty = |e| Refusal::bad(format!("the path cannot be read: {e}"));
        read.map(|Path(inside)| Self(inside)).map_err(faulty)
    }
}
