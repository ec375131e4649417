//! Runs: questions that are taken on, and go on whether or not their client stays.
//!
//! `POST /v1/runs` answers when the run is kept, not when it is over. What has no end when the service stops goes on from
//! its last completed step when it is started again, as far as its store outlives the process.

mod events;
mod keeper;
mod one;
mod request;
mod routes;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

pub(super) use self::one::One;
pub(super) use self::request::Asked;
pub(super) use self::routes::routes;

use super::Shared;
use super::access::Caller;
use super::admission::Place;
use super::refusal::{self, Refusal};
use super::run::Outcome;
use super::told::Told;
use crate::agent::{Report, Watch};
use crate::config::RunsConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::observation::Failure;
use crate::run_store::{Accepted, FolderRuns, MemoryRuns, RunStore};
use crate::task::Task;
use crate::trace::{self, Entry, Event, Past, Source};

/// How often a run is begun from one place: one that comes no further, and may bring the process down, is given up.
const MAX_BEGUN: u32 = 25;

/// The runs of a service.
pub(super) struct Runs {
    store: Arc<dyn RunStore>,
    config: RunsConfig,
    index: Mutex<Index>,
    /// One run is accepted after the other, so that none is accepted twice.
    accepting: tokio::sync::Mutex<()>,
    /// What runs without a client that waits for it.
    pub(super) going: TaskTracker,
}

#[derive(Default)]
struct Index {
    runs: HashMap<String, Arc<One>>,
    /// Their names, the oldest first.
    order: Vec<String>,
}

/// Where the images of one run are.
struct OfRun {
    store: Arc<dyn RunStore>,
    id: String,
}

impl Source for OfRun {
    fn blob(&self, digest: &str) -> Result<Vec<u8>> {
        self.store.blob(&self.id, digest)
    }
}

impl Runs {
    /// The runs of a configuration's store, those of earlier processes among them.
    ///
    /// # Errors
    /// `Io` or `NotFound` when the store cannot be used.
    pub(super) fn open(config: &RunsConfig) -> Result<Self> {
        let store: Arc<dyn RunStore> = match &config.folder {
            Some(folder) => Arc::new(FolderRuns::open(folder)?),
            None => Arc::new(MemoryRuns::default()),
        };
        let mut index = Index::default();
        for kept in store.all()? {
            index.add(Arc::new(One::kept(kept)));
        }
        let (index, config) = (Mutex::new(index), config.clone());
        Ok(Self { store, config, index, accepting: tokio::sync::Mutex::default(), going: TaskTracker::new() })
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many runs there are, and how much room they take, about.
    pub(super) fn kept(&self) -> (usize, u64) {
        let index = self.index();
        (index.runs.len(), index.runs.values().map(|run| run.bytes()).sum())
    }

    /// A caller's run.
    ///
    /// # Errors
    /// When there is none of this name, or it is another caller's.
    fn find(&self, id: &str, caller: Option<&str>) -> Result<Arc<One>, Refusal> {
        let found = self.index().runs.get(id).cloned();
        found.filter(|run| run.accepted.caller.as_deref() == caller).ok_or_else(|| {
            let message = format!("there is no run `{id}`; runs that are over are kept for a while only");
            Refusal::new(axum::http::StatusCode::NOT_FOUND, "run_not_found", message)
        })
    }

    /// A caller's run that was asked for by this name of the client's.
    fn asked_as(&self, key: &str, caller: Option<&str>) -> Option<Arc<One>> {
        let index = self.index();
        let same = |run: &&Arc<One>| {
            run.accepted.caller.as_deref() == caller && run.accepted.key.as_ref().is_some_and(|own| own.key == key)
        };
        index.runs.values().find(same).cloned()
    }

    /// Keeps a run, and forgets the oldest that are over where there is no room for all.
    fn accept(&self, accepted: Accepted, images: &[&Image], entries: &[Entry], old: Option<&One>) -> Result<Arc<One>> {
        let taken = old.map_or(Ok(Vec::new()), |old| self.blobs_of(entries, old))?;
        let own = images.iter().map(|image| (image.digest(), image.encoded()));
        let taken = taken.iter().map(|(digest, bytes)| (digest.as_str(), bytes.as_slice()));
        let blobs: Vec<(&str, &[u8])> = own.chain(taken).collect();
        self.store.accept(&accepted, &blobs, entries)?;
        let run = Arc::new(One::new(accepted, blobs.iter().map(|(_, bytes)| bytes.len() as u64).sum()));
        self.index().add(Arc::clone(&run));
        self.forget();
        Ok(run)
    }

    /// Forgets the oldest runs that are over, where there is no room for all.
    fn forget(&self) {
        let forgotten = self.index().forget(&self.config);
        for old in forgotten {
            if let Err(error) = self.store.remove(&old) {
                tracing::warn!("an old run could not be removed: {}", error.for_log());
            }
        }
    }

    /// The images that events of a run name, by their digests.
    fn blobs_of(&self, entries: &[Entry], run: &One) -> Result<Vec<(String, Vec<u8>)>> {
        let entries = json!(entries);
        let blob = |digest: &str| Ok((digest.to_owned(), self.store.blob(&run.accepted.id, digest)?));
        trace::blobs_in(&entries).into_iter().map(blob).collect()
    }

    /// Where the images of a run are.
    fn source(&self, run: &One) -> Arc<dyn Source> {
        Arc::new(OfRun { store: Arc::clone(&self.store), id: run.accepted.id.clone() })
    }
}

impl Index {
    fn add(&mut self, run: Arc<One>) {
        self.order.push(run.accepted.id.clone());
        self.runs.insert(run.accepted.id.clone(), run);
    }

    /// Takes out the oldest runs that are over, as many as there is no room for.
    fn forget(&mut self, config: &RunsConfig) -> Vec<String> {
        let mut bytes: u64 = self.runs.values().map(|run| run.bytes()).sum();
        let mut count = self.order.len();
        let mut forgotten = Vec::new();
        for id in &self.order {
            if count <= config.max_kept && bytes <= config.max_kept_bytes {
                break;
            }
            if let Some(run) = self.runs.get(id).filter(|run| run.is_over()) {
                bytes = bytes.saturating_sub(run.bytes());
                count -= 1;
                forgotten.push(id.clone());
            }
        }
        self.order.retain(|id| !forgotten.contains(id));
        for id in &forgotten {
            self.runs.remove(id);
        }
        forgotten
    }
}

/// Goes on with the runs that have no end.
///
/// # Errors
/// `InvalidInput` when there are some, and no Tokio runtime around this.
pub(super) fn go_on(shared: &Shared) -> Result<()> {
    let unfinished: Vec<Arc<One>> = {
        let index = shared.runs.index();
        index.order.iter().filter_map(|id| index.runs.get(id)).filter(|run| !run.is_over()).cloned().collect()
    };
    if unfinished.is_empty() {
        return Ok(());
    }
    if tokio::runtime::Handle::try_current().is_err() {
        let why = "there are runs to go on with, which needs a Tokio runtime: make the routes within one";
        return Err(Error::invalid(why));
    }
    tracing::warn!("{} runs go on that had no end when the service was stopped", unfinished.len());
    for run in unfinished {
        let caller = run.accepted.caller.as_deref().map_or(Caller::OWNER, |name| shared.keys.named(name));
        begin(shared, run, shared.admission.return_to(caller));
    }
    Ok(())
}

/// Lets a run go on by itself. Its place is given back when it is over.
fn begin(shared: &Shared, run: Arc<One>, place: Place) {
    let task = go(Shared::clone(shared), Arc::clone(&run), place);
    let watched = {
        let (shared, run) = (Shared::clone(shared), run);
        async move {
            // A panic in a run is a defect, and ends that run alone.
            if let Err(error) = tokio::spawn(task).await {
                tracing::error!("the run {} ended in a panic: {error}", run.accepted.id);
                finish(&shared, &run, failed(&Error::internal("the run failed inside the service"))).await;
            }
        }
    };
    shared.runs.going.spawn(watched);
}

async fn go(shared: Shared, run: Arc<One>, place: Place) {
    if run.is_cancelled() {
        finish(&shared, &run, failed(&Error::new(ErrorKind::Cancelled, "the run was cancelled"))).await;
        return;
    }
    let cancel = shared.stop.child_token();
    run.stops_with(&cancel);
    let turn = match cancel.run_until_cancelled(place.turn()).await {
        Some(Ok(turn)) => turn,
        // The service stops: the run goes on when it is started again.
        None if !run.is_cancelled() => return,
        _ => {
            shared.metrics.run_ended(Outcome::Cancelled);
            finish(&shared, &run, failed(&Error::new(ErrorKind::Cancelled, "the run was cancelled"))).await;
            return;
        }
    };
    run.is_running();
    let counted = shared.metrics.run();
    let outcome = answered(&shared, &run, cancel).await;
    // The service stops, see above.
    if shared.stop.is_cancelled() && !run.is_cancelled() && outcome.is_ok() {
        counted.leave_off();
        return;
    }
    counted.ended(&outcome);
    drop(turn);
    match outcome {
        Ok(report) => finish(&shared, &run, ended(&report)).await,
        Err(error) => {
            tracing::error!("the run {} failed: {}", run.accepted.id, error.for_log());
            finish(&shared, &run, failed(&error)).await;
        }
    }
}

/// Answers a run's question, from where its trace ends.
async fn answered(shared: &Shared, run: &Arc<One>, cancel: tokio_util::sync::CancellationToken) -> Result<Report> {
    let (task, entries) = blocking(shared, run, |runs, run| {
        let begun = runs.store.begin(&run.accepted.id)?;
        if begun > MAX_BEGUN {
            let why = format!("the run was begun {MAX_BEGUN} times from here, and came no further");
            return Err(Error::internal(why));
        }
        let Accepted { id, question, images, task, .. } = &run.accepted;
        let task = Task::from_record(question, images, task, &|digest| runs.store.blob(id, digest))?;
        Ok((task, runs.store.entries(id)?))
    })
    .await?;
    run.knows(&entries);
    let ends = |entry: &Entry| matches!(entry.event, Event::Answered { .. } | Event::Failed { .. });
    let past = (!entries.is_empty()).then(|| {
        let past = Past::new(&entries, shared.runs.source(run));
        // Of a run that has come to its end nothing but the report is missing.
        Arc::new(if entries.iter().any(ends) { past.only() } else { past })
    });
    let keeper = keeper::Keeper::new(shared, run, &entries);
    let watch = Watch { cancel, sinks: vec![Arc::new(keeper)], past };
    shared.agent.ask_watched(&task, watch).await
}

/// Does what may block, away from the threads that answer others.
async fn blocking<T: Send + 'static>(
    shared: &Shared,
    run: &Arc<One>,
    work: impl FnOnce(&Runs, &One) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (shared, run) = (Shared::clone(shared), Arc::clone(run));
    let work = tokio::task::spawn_blocking(move || work(&shared.runs, &run));
    work.await.unwrap_or_else(|e| Err(Error::internal("reading a run ended in a panic").with_source(e)))
}

/// Keeps what a run came to. It is over then, whether or not that could be kept.
async fn finish(shared: &Shared, run: &Arc<One>, end: Value) {
    let kept = {
        let end = end.clone();
        let keep = move |runs: &Runs, run: &One| {
            runs.store.end(&run.accepted.id, &end)?;
            runs.store.one(&run.accepted.id)
        };
        blocking(shared, run, keep).await.map(|kept| run.takes(kept.bytes))
    };
    if let Err(error) = kept {
        tracing::error!("what the run {} came to is not kept: {}", run.accepted.id, error.for_log());
    }
    run.ends(end);
    // What its steps made counts now, too.
    let forgotten = blocking(shared, run, |runs, _| {
        runs.forget();
        Ok(())
    });
    if let Err(error) = forgotten.await {
        tracing::warn!("old runs could not be forgotten: {}", error.for_log());
    }
}

/// What a run came to that has a report.
fn ended(report: &Report) -> Value {
    let told = Told::of(report);
    let status = Outcome::of(report).as_str();
    let error = report.error.as_ref().map(told_of);
    json!({ "status": status, "answer": told.text(&report.answer.text), "error": error, "report": told.report(report) })
}

/// What a run came to that has none.
fn failed(error: &Error) -> Value {
    let failure = Failure::from(error);
    let status = if failure.kind == ErrorKind::Cancelled { "cancelled" } else { "failed" };
    json!({ "status": status, "answer": null, "error": told_of(&failure), "report": null })
}

fn told_of(failure: &Failure) -> Value {
    json!({ "kind": failure.kind, "message": refusal::told(failure) })
}
