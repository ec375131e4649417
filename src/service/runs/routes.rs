//! The routes under `/v1/runs`.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use image::ImageFormat;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::request::{self, RunRequest};
use super::{One, begin, blocking, ended, events};
use crate::agent::Watch;
use crate::config::Config;
use crate::error::Error;
use crate::image::Image;
use crate::otel::traceparent;
use crate::pointed::Pointed;
use crate::replay::Recorded;
use crate::run_store::{Accepted, Idempotency, new_id};
use crate::service::access::Caller;
use crate::service::admission::Place;
use crate::service::images::{self, Sent};
use crate::service::models::WHOLE;
use crate::service::openapi::operations;
use crate::service::refusal::Refusal;
use crate::service::routes::{InPath, Route};
use crate::service::told::Told;
use crate::service::{Shared, body};
use crate::task::Task;
use crate::tool::annotate;
use crate::trace::{self, Entry, Event, Past, RawEntry};
use crate::view;

pub(in crate::service) fn routes() -> [Route; 8] {
    [
        Route::post("/v1/runs", ask, operations::ask()),
        Route::get("/v1/runs/{id}", show, operations::show()),
        Route::get("/v1/runs/{id}/events", follow, operations::follow()),
        Route::post("/v1/runs/{id}/cancel", cancel, operations::cancel()),
        Route::get("/v1/runs/{id}/trace", trace, operations::trace()),
        Route::get("/v1/runs/{id}/view", page, operations::page()),
        Route::get("/v1/runs/{id}/images/{n}/annotated", annotated, operations::annotated()),
        Route::get("/v1/runs/{id}/blobs/{digest}", blob, operations::blob()),
    ]
}

/// `POST /v1/runs`
async fn ask(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, sent) = request.into_parts();
    let (key, name) = (request::key(&parts.headers)?, shared.keys.name(caller));
    // What is sent again needs no place: its run has one, or had it.
    let again = key.as_ref().is_some_and(|key| shared.runs.asked_as(key, name.as_deref()).is_some());
    let place = if again { None } else { Some(shared.admission.enter(caller)) };
    let place = match place.transpose() {
        Ok(place) => place,
        Err(refusal) => {
            body::forget(sent, &shared.config).await;
            return Err(refusal);
        }
    };
    let bytes = body::read_any(sent, &shared.config).await?;
    let asked = RunRequest::read(&parts.headers, bytes, &shared.config).await?;
    let key = key.map(|key| Idempotency { key, request: asked.digest.clone() });
    if let Some(known) = known(&shared, key.as_ref(), name.as_deref())? {
        return Ok(told(StatusCode::OK, &known));
    }
    // It was forgotten meanwhile, if it was known.
    let place = place.map_or_else(|| shared.admission.enter(caller), Ok)?;
    let (id, traceparent) = (new_id(), traceparent(&parts.headers));
    if let Some((from, plan)) = asked.origin()? {
        let old = shared.runs.find(&from.run, name.as_deref())?;
        let (entries, task) = origin(&shared, &old, &from.step, plan.cloned()).await?;
        let accepted = Accepted { id, at_ms: now(), key, traceparent, ..old.accepted.clone() };
        let (run, is_new) = accept(&shared, New { accepted, task, entries, old: Some(old) }, place).await?;
        return Ok(told(if is_new { StatusCode::ACCEPTED } else { StatusCode::OK }, &run));
    }
    let model = asked.model().unwrap_or(WHOLE).to_owned();
    let config = asked.settle(shared.models.get(&model)?.clone())?;
    let (question, region) = (asked.question(), asked.region());
    question.validate()?;
    let (urls, files) = asked.images();
    images::check_count(urls.len() + files.len(), &shared.config)?;
    let addresses = images::check(urls, &shared)?;
    let mut sent = images::fetch(addresses, &shared).await?;
    sent.extend(files.into_iter().map(Sent::File));
    let task = task(&shared, config, (question, sent), region).await?;
    let accepted = Accepted {
        id,
        at_ms: now(),
        caller: name,
        model,
        question: task.question.clone(),
        images: task.images.iter().map(|image| json!({ "blob": image.digest() })).collect(),
        task: task.settings(),
        key,
        traceparent,
    };
    let new = New { accepted, task, entries: Vec::new(), old: None };
    let (run, is_new) = accept(&shared, new, place).await?;
    Ok(told(if is_new { StatusCode::ACCEPTED } else { StatusCode::OK }, &run))
}

/// A run to be kept.
struct New {
    accepted: Accepted,
    task: Task,
    /// What it takes over from an older one.
    entries: Vec<Entry>,
    old: Option<Arc<One>>,
}

/// Milliseconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// What a run takes over that goes out from a step of another, and its task.
///
/// # Errors
/// When there is no such step, or the plan is faulty.
async fn origin(
    shared: &Shared,
    old: &Arc<One>,
    step: &str,
    plan: Option<Value>,
) -> Result<(Vec<Entry>, Task), Refusal> {
    let entries = events::entries(shared, old, 0).await?;
    let read = blocking(shared, old, move |runs, old| {
        let recorded = Recorded::new(entries, runs.source(old))?;
        let task = recorded.task()?;
        Ok((recorded, task))
    });
    let (recorded, task) = read.await.map_err(|error| events::kept_badly(&error))?;
    let unfit = |error: Error| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "unfit_plan", error.to_string());
    let plan = plan.map(|plan| shared.agent.plan_of(&plan, &task)).transpose().map_err(unfit)?;
    let mut before = recorded.before(step, plan.as_ref()).map_err(unfit)?;
    for entry in &mut before {
        if let Event::Started { at, .. } = &mut entry.event {
            *at = Some(trace::now());
        }
    }
    Ok((before, task))
}

/// Leave to decode images; given back when it is dropped, which is when the decoding is over.
async fn permit(shared: &Shared) -> Result<OwnedSemaphorePermit, Refusal> {
    Arc::clone(&shared.decoding).acquire_owned().await.map_err(|_| Refusal::internal())
}

/// The task of a request, checked. As many are made at a time as there are turns.
async fn task(
    shared: &Shared,
    config: Config,
    (question, sent): (Task, Vec<Sent>),
    region: Option<Pointed>,
) -> Result<Task, Refusal> {
    let permit = permit(shared).await?;
    let shared = Shared::clone(shared);
    let make = move || {
        let _permit = permit;
        let mut task = config.task(question.question, images::open(sent, &shared.config)?);
        task = task.with_earlier(question.earlier);
        if let Some(region) = region {
            task = task.with_region(region);
        }
        task.validate()?;
        Ok(task)
    };
    tokio::task::spawn_blocking(make).await.unwrap_or_else(|_| Err(Refusal::internal()))
}

/// The run that was asked for by this name before.
///
/// # Errors
/// When something else was asked by it.
fn known(shared: &Shared, key: Option<&Idempotency>, caller: Option<&str>) -> Result<Option<Arc<One>>, Refusal> {
    let Some(key) = key else { return Ok(None) };
    let Some(run) = shared.runs.asked_as(&key.key, caller) else { return Ok(None) };
    if run.accepted.key.as_ref() == Some(key) {
        return Ok(Some(run));
    }
    let message = format!("something else was asked by the idempotency key `{}` before; take another one", key.key);
    Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", message))
}

/// Keeps a run and lets it begin; or finds that it was accepted a moment ago. It goes on whether or not the client waits.
async fn accept(shared: &Shared, new: New, place: Place) -> Result<(Arc<One>, bool), Refusal> {
    let shared = Shared::clone(shared);
    let accepting = async move {
        let _turn = shared.runs.accepting.lock().await;
        if let Some(run) = known(&shared, new.accepted.key.as_ref(), new.accepted.caller.as_deref())? {
            return Ok((run, false));
        }
        let keeping = {
            let shared = Shared::clone(&shared);
            tokio::task::spawn_blocking(move || {
                let New { accepted, task, entries, old } = new;
                shared.runs.accept(accepted, &task.all_images(), &entries, old.as_deref())
            })
        };
        let run = keeping.await.map_err(|_| Refusal::internal())??;
        begin(&shared, Arc::clone(&run), place);
        Ok((run, true))
    };
    tokio::spawn(accepting).await.map_err(|_| Refusal::internal())?
}

fn told(status: StatusCode, run: &One) -> Response {
    let mut response = (status, Json(run.to_json())).into_response();
    // Relative, since the service may be mounted anywhere.
    if let Ok(place) = HeaderValue::from_str(&format!("runs/{}", run.accepted.id)) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

fn find(shared: &Shared, caller: Caller, id: &str) -> Result<Arc<One>, Refusal> {
    shared.runs.find(id, shared.keys.name(caller).as_deref())
}

/// `GET /v1/runs/{id}`
async fn show(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    InPath(id): InPath<String>,
) -> Result<Json<Value>, Refusal> {
    find(&shared, caller, &id).map(|run| Json(run.to_json()))
}

/// `GET /v1/runs/{id}/events`
async fn follow(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    InPath(id): InPath<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let run = find(&shared, caller, &id)?;
    let last: Option<u64> =
        match headers.get("last-event-id").map(|id| id.to_str().ok().and_then(|id| id.trim().parse().ok())) {
            None => None,
            Some(Some(id)) => Some(id),
            Some(None) => return Err(Refusal::bad("the header `last-event-id` is the number of an event")),
        };
    if let Some(last) = last.filter(|_| run.is_over()) {
        let events = events::entries(&shared, &run, 0).await?.len() as u64;
        if last >= events {
            // All was told; a client that is told so does not ask again.
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
    }
    Ok(events::respond(&shared, run, last))
}

/// `POST /v1/runs/{id}/cancel`
async fn cancel(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    InPath(id): InPath<String>,
) -> Result<Json<Value>, Refusal> {
    let run = find(&shared, caller, &id)?;
    if !run.is_over() {
        let noted = blocking(&shared, &run, |runs, run| runs.store.cancel(&run.accepted.id)).await;
        noted.map_err(|error| events::kept_badly(&error))?;
        run.cancel();
    }
    Ok(Json(run.to_json()))
}

/// A run's events so far, as they are told.
async fn lines(shared: &Shared, run: &Arc<One>) -> Result<Vec<Value>, Refusal> {
    let mut told = Told::default();
    let entries = events::entries(shared, run, 0).await?;
    Ok(entries.iter().map(|entry| told.line(entry)).collect())
}

/// `GET /v1/runs/{id}/trace`
async fn trace(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    InPath(id): InPath<String>,
) -> Result<Response, Refusal> {
    let run = find(&shared, caller, &id)?;
    let text: String = lines(&shared, &run).await?.into_iter().map(|line| format!("{line}\n")).collect();
    Ok(([(header::CONTENT_TYPE, "application/jsonl")], text).into_response())
}

/// `GET /v1/runs/{id}/view`
async fn page(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    InPath(id): InPath<String>,
) -> Result<Response, Refusal> {
    let run = find(&shared, caller, &id)?;
    let lines = lines(&shared, &run).await?;
    let permit = permit(&shared).await?;
    let page = blocking(&shared, &run, move |runs, run| {
        let _permit = permit;
        let entries: Vec<RawEntry> = lines.into_iter().filter_map(|line| serde_json::from_value(line).ok()).collect();
        Ok(view::page(&[view::Recorded::new(run.accepted.id.clone(), entries, runs.source(run).as_ref())]))
    });
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    let sniff = HeaderValue::from_static("nosniff");
    let headers = [(header::CONTENT_TYPE, kind), (header::X_CONTENT_TYPE_OPTIONS, sniff)];
    Ok((headers, page.await?).into_response())
}

/// `GET /v1/runs/{id}/images/{n}/annotated`
async fn annotated(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    InPath((id, n)): InPath<(String, usize)>,
) -> Result<Response, Refusal> {
    let run = find(&shared, caller, &id)?;
    if !run.is_over() {
        let message = "the run is not over; what its answer rests on is drawn when it is";
        return Err(Refusal::new(StatusCode::CONFLICT, "run_not_over", message));
    }
    let index = n.checked_sub(1).filter(|n| *n < run.accepted.images.len()).ok_or_else(|| {
        let message = format!("the run has {} images, counted from 1", run.accepted.images.len());
        Refusal::new(StatusCode::NOT_FOUND, "image_not_found", message)
    })?;
    let permit = Arc::new(permit(&shared).await?);
    let entries = events::entries(&shared, &run, 0).await?;
    let held = Arc::clone(&permit);
    let task = blocking(&shared, &run, move |runs, run| {
        let _held = held;
        let Accepted { id, question, images, task, .. } = &run.accepted;
        Task::from_record(question, images, task, &|digest| runs.store.blob(id, digest))
    });
    let task = task.await.map_err(|error| events::kept_badly(&error))?;
    // The run is done again from its trace: what the answer rests on are values, which only a run has.
    let past = Arc::new(Past::new(&entries, shared.runs.source(&run)).only());
    let watch = Watch { cancel: shared.stop.child_token(), past: Some(past), ..Watch::default() };
    let report = shared.agent.ask_watched(&task, watch).await?;
    if run.to_json()["answer"] != ended(&report)["answer"] {
        let message = "prompts or tools have changed since the run, so what its answer rests on cannot be told anew";
        return Err(Refusal::new(StatusCode::CONFLICT, "run_outdated", message));
    }
    let image = task.images.get(index).cloned().ok_or_else(Refusal::internal)?;
    let marks = report.marks(index);
    let drawn = blocking(&shared, &run, move |_, _| {
        let _held = permit;
        png(&annotate::draw(&image, &marks))
    });
    let png = drawn.await?;
    Ok(([(header::CONTENT_TYPE, "image/png")], Body::from(png)).into_response())
}

/// `GET /v1/runs/{id}/blobs/{digest}`: an image of the run, as its events name it.
async fn blob(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    InPath((id, digest)): InPath<(String, String)>,
) -> Result<Response, Refusal> {
    let run = find(&shared, caller, &id)?;
    let bytes = blocking(&shared, &run, move |runs, run| runs.store.blob(&run.accepted.id, &digest)).await;
    let bytes = bytes.map_err(|error| {
        tracing::debug!("no image of a run: {}", error.for_log());
        Refusal::new(StatusCode::NOT_FOUND, "image_not_found", "the run has no such image")
    })?;
    let kind = image::guess_format(&bytes).map_or("application/octet-stream", |format| format.to_mime_type());
    let sniff = HeaderValue::from_static("nosniff");
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::X_CONTENT_TYPE_OPTIONS, sniff)];
    Ok((headers, Body::from(bytes)).into_response())
}

fn png(image: &Image) -> Result<Vec<u8>, Error> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let failed = |e| Error::internal("the picture cannot be encoded").with_source(e);
    image.pixels().write_to(&mut bytes, ImageFormat::Png).map_err(failed)?;
    Ok(bytes.into_inner())
}
