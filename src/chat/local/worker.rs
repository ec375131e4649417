//! The thread that owns the LLM and works through the calls one by one.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};

use tokio::sync::oneshot;

use super::LocalOptions;
use super::engine::Engine;
use crate::error::{Error, ErrorKind, Result};

/// Something to do with the model, or the reason why there is none.
pub(super) type Job = Box<dyn FnOnce(Result<&mut Engine>) + Send>;

/// The LLM's thread, seen from outside. It ends when this is dropped and its last job is done.
pub(super) struct Worker {
    jobs: Sender<Job>,
    /// Tokens of context, known once the model is loaded.
    context: Arc<OnceLock<u32>>,
}

impl Worker {
    /// Starts the thread. It waits for the path of the model file, loads it, and reports to
    /// `loaded` if somebody wants to know. Jobs may be sent at once.
    pub(super) fn start(
        path: oneshot::Receiver<Result<PathBuf>>,
        options: LocalOptions,
        loaded: Option<oneshot::Sender<Result<()>>>,
    ) -> Result<Self> {
        let (jobs, queue) = channel();
        let context = Arc::new(OnceLock::new());
        let known = Arc::clone(&context);
        std::thread::Builder::new()
            .name("lavr-llm".into())
            .spawn(move || run(path, &options, loaded, &queue, &known))
            .map_err(|e| Error::from(e).context("starting the LLM's thread"))?;
        Ok(Self { jobs, context })
    }

    /// Tokens of context, once the model is loaded.
    pub(super) fn context(&self) -> Option<u32> {
        self.context.get().copied()
    }

    /// Puts a job into the queue.
    pub(super) fn send(&self, job: Job) -> Result<()> {
        self.jobs.send(job).map_err(|_| gone())
    }
}

/// The error of a thread that ended unexpectedly.
pub(super) fn gone() -> Error {
    Error::new(ErrorKind::Model, "the embedded LLM's thread ended; the log may say why")
}

fn run(
    path: oneshot::Receiver<Result<PathBuf>>,
    options: &LocalOptions,
    loaded: Option<oneshot::Sender<Result<()>>>,
    queue: &Receiver<Job>,
    context: &OnceLock<u32>,
) {
    let engine = path.blocking_recv().unwrap_or_else(|_| Err(gone())).and_then(|path| Engine::load(&path, options));
    match engine {
        Ok(mut engine) => {
            let _ = context.set(u32::try_from(engine.context()).unwrap_or(u32::MAX));
            loaded.map(|loaded| loaded.send(Ok(())));
            queue.iter().for_each(|job| job(Ok(&mut engine)));
        }
        Err(error) => {
            let (kind, reason) = (error.kind(), error.to_string());
            let told = loaded.is_some_and(|loaded| loaded.send(Err(error)).is_ok());
            if !told {
                let refuse = || Error::new(kind, reason.clone()).context("loading the embedded LLM");
                queue.iter().for_each(|job| job(Err(refuse())));
            }
        }
    }
}
