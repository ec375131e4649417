//! ONNX Runtime in process: one library for the process, one worker thread for each session.

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex as SyncMutex};
use std::thread;
use std::time::{Duration, Instant};

use ::ort::environment::Environment;
use ::ort::logging::LogLevel;
use ::ort::session::builder::GraphOptimizationLevel;
use ::ort::session::{RunOptions, Session, SessionInputValue};
use ::ort::value::{DynValue, Outlet, Tensor as OrtTensor, TensorElementType, ValueType};
use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::batch::{self, Batching};
use super::exit::Inside;
use super::{ModelFacts, Port, Runner, Tensor, Tensors};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Artefact, Progress, Store};

/// The variable that names the ONNX Runtime library to load instead of the store's.
const LIBRARY_VARIABLE: &str = "ORT_DYLIB_PATH";

/// How long a worker that gathers a batch sleeps before it looks again.
const NAP: Duration = Duration::from_micros(300);

/// A file that is found, or fetched, when it is first needed.
#[derive(Clone)]
pub struct LazyFile(Arc<dyn Fn() -> BoxFuture<'static, Result<PathBuf>> + Send + Sync>);

impl LazyFile {
    /// A file that `find` finds. It is asked again after a failure.
    pub fn new<F, Fut>(find: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<PathBuf>> + Send + 'static,
    {
        Self(Arc::new(move || find().boxed()))
    }

    /// A file that is already there.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self::new(move || futures::future::ready(Ok(path.clone())))
    }

    /// A file of the store, fetched when it is not there, which `progress` is told of.
    pub fn stored(store: &Store, artefact: Artefact, progress: &Arc<dyn Progress>) -> Self {
        let (store, progress) = (store.clone(), Arc::clone(progress));
        Self::new(move || {
            let (store, progress, artefact) = (store.clone(), Arc::clone(&progress), artefact.clone());
            async move { store.get(&artefact, progress.as_ref()).await }
        })
    }

    /// Finds the file.
    ///
    /// # Errors
    /// Those of finding it.
    pub async fn path(&self) -> Result<PathBuf> {
        (self.0)().await
    }
}

impl fmt::Debug for LazyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LazyFile")
    }
}

/// Where a model's bytes are.
#[derive(Debug, Clone)]
pub enum OrtModel {
    /// An `.onnx` file.
    File(LazyFile),
    /// Compiled into the program.
    Bytes(&'static [u8]),
}

/// ONNX Runtime, before it is loaded: makes runners that share one library.
///
/// The library is loaded once per process, on first use. The variable
/// `ORT_DYLIB_PATH` names another one to load instead.
///
/// ```no_run
/// use lavr::runner::{LazyFile, OrtModel, OrtRuntime};
///
/// let runtime = OrtRuntime::new(LazyFile::at("/usr/lib/libonnxruntime.so"));
/// let runner = runtime.runner("detector", OrtModel::File(LazyFile::at("detector.onnx")));
/// ```
#[derive(Debug, Clone)]
pub struct OrtRuntime {
    library: LazyFile,
    threads: usize,
}

impl OrtRuntime {
    /// A runtime whose library is `library`; sessions use at most two threads each.
    pub fn new(library: LazyFile) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self { library, threads: cores.min(2) }
    }

    /// Sets how many threads one session computes with.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// A runner for one model, which is loaded on first use. `name` stands in errors and names the worker thread.
    pub fn runner(&self, name: impl Into<String>, model: OrtModel) -> OrtRunner {
        let (batching, worker) = (Batching::default(), Mutex::new(None));
        OrtRunner { name: name.into(), model, runtime: self.clone(), batching, worker }
    }
}

/// Runs one model in ONNX Runtime.
///
/// # Why a thread of its own
/// A session computes one call at a time and blocks while it does. So one
/// thread owns it and drains a bounded queue; callers wait without blocking.
/// Dropping a call's future takes it out of the queue, or stops the
/// computation at the next node of the graph.
pub struct OrtRunner {
    name: String,
    model: OrtModel,
    runtime: OrtRuntime,
    batching: Batching,
    worker: Mutex<Option<mpsc::Sender<Job>>>,
}

impl OrtRunner {
    /// Gathers calls into batches: one run of the model for several inputs of one shape, where the model takes them.
    ///
    /// What it does not take in one is run one by one, so that no call suffers from another.
    #[must_use]
    pub fn with_batching(mut self, batching: Batching) -> Self {
        self.batching = batching;
        self
    }

    /// The queue of a live worker; starts one when there is none.
    async fn worker(&self) -> Result<mpsc::Sender<Job>> {
        let mut worker = self.worker.lock().await;
        if let Some(jobs) = worker.as_ref().filter(|jobs| !jobs.is_closed()) {
            return Ok(jobs.clone());
        }
        let jobs = self.start().await.map_err(|e| e.context(format!("model `{}`", self.name)))?;
        *worker = Some(jobs.clone());
        Ok(jobs)
    }

    async fn start(&self) -> Result<mpsc::Sender<Job>> {
        let library = match std::env::var_os(LIBRARY_VARIABLE).filter(|v| !v.is_empty()) {
            Some(path) => PathBuf::from(path),
            None => self.runtime.library.path().await?,
        };
        let model = match &self.model {
            OrtModel::File(file) => Found::File(file.path().await?),
            OrtModel::Bytes(bytes) => Found::Bytes(bytes),
        };
        if let Found::File(path) = &model
            && !path.is_file()
        {
            return Err(Error::new(ErrorKind::NotFound, format!("there is no file `{}`", path.display())));
        }
        let (threads, batching) = (self.runtime.threads, self.batching);
        let (jobs, queue) = mpsc::channel(batching.max_queue.max(1));
        let (ready, opened) = oneshot::channel();
        let work = move || {
            let Some(inside) = Inside::enter() else { return };
            match open(&library, &model, threads) {
                Ok(session) => {
                    drop(inside);
                    if ready.send(Ok(())).is_ok() {
                        leave(serve(session, queue, batching));
                    } else {
                        leave(session);
                    }
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        };
        thread::Builder::new().name(format!("ort-{}", self.name)).spawn(work)?;
        opened.await.map_err(|_| Error::internal("the worker ended while it loaded the model"))??;
        Ok(jobs)
    }

    /// Queues a question for the worker and waits for its answer.
    async fn ask<T>(&self, job: impl FnOnce(Reply<T>, Arc<RunOptions>) -> Job) -> Result<T> {
        let jobs = self.worker().await?;
        // Only now, because options live in the library that the worker loaded.
        let options = Arc::new(RunOptions::new().map_err(|e| self.failed(&e))?);
        let stop = StopOnDrop(options.clone());
        let (reply, answer) = oneshot::channel();
        let ended = || Error::internal(format!("the worker of model `{}` has ended", self.name));
        jobs.send(job(reply, options)).await.map_err(|_| ended())?;
        let answer = answer.await.map_err(|_| ended())?;
        drop(stop);
        answer.map_err(|e| self.failed(&e))
    }

    fn failed(&self, error: &::ort::Error) -> Error {
        Error::new(ErrorKind::Model, error.message().to_owned()).context(format!("model `{}`", self.name))
    }
}

impl fmt::Debug for OrtRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrtRunner").field("name", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl Runner for OrtRunner {
    async fn run(&self, cx: &Cx, inputs: Tensors) -> Result<Tensors> {
        let shapes: Vec<String> =
            inputs.iter().map(|(name, t)| format!("`{name}` {}{:?}", t.type_name(), t.shape())).collect();
        cx.within(self.ask(|reply, options| Job::Run { inputs, options, reply }))
            .await
            .map_err(|e| e.context(format!("inputs {}", shapes.join(", "))))
    }

    async fn facts(&self) -> Result<ModelFacts> {
        self.ask(|reply, _| Job::Facts { reply }).await
    }

    async fn load(&self) -> Result<()> {
        self.worker().await.map(drop)
    }
}

type Reply<T> = oneshot::Sender<::ort::Result<T>>;

/// What a worker does next.
enum Job {
    Run { inputs: Tensors, options: Arc<RunOptions>, reply: Reply<Tensors> },
    Facts { reply: Reply<ModelFacts> },
}

/// Stops the computation when the caller gives up on it.
struct StopOnDrop(Arc<RunOptions>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        // It can fail only for a null pointer.
        let _ = self.0.terminate();
    }
}

enum Found {
    File(PathBuf),
    Bytes(&'static [u8]),
}

fn serve(mut session: Session, mut queue: mpsc::Receiver<Job>, batching: Batching) -> Session {
    let mut next = None;
    while let Some(job) = next.take().or_else(|| queue.blocking_recv()) {
        let Some(_inside) = Inside::enter() else { break };
        // An answer that nobody waits for any more is not an error.
        match job {
            Job::Run { reply, .. } if reply.is_closed() => {}
            Job::Run { inputs, options, reply } => {
                let first = Call { inputs, options, reply };
                if batching.max_batch > 1 {
                    let (calls, other) = gather(first, &mut queue, batching);
                    next = other;
                    run_all(&mut session, calls);
                } else {
                    first.run(&mut session);
                }
            }
            Job::Facts { reply } => drop(reply.send(facts(&session))),
        }
    }
    session
}

/// One call of the model.
struct Call {
    inputs: Tensors,
    options: Arc<RunOptions>,
    reply: Reply<Tensors>,
}

impl Call {
    fn run(self, session: &mut Session) {
        drop(self.reply.send(run(session, self.inputs, &self.options)));
    }
}

/// The calls of a batch, and the job that was there but does not belong to it.
fn gather(first: Call, queue: &mut mpsc::Receiver<Job>, batching: Batching) -> (Vec<Call>, Option<Job>) {
    let until = Instant::now() + batching.max_delay;
    let mut calls = vec![first];
    while calls.len() < batching.max_batch {
        match queue.try_recv() {
            Ok(Job::Run { reply, .. }) if reply.is_closed() => {}
            Ok(Job::Run { inputs, options, reply })
                if calls.first().is_some_and(|first| batch::alike(&first.inputs, &inputs)) =>
            {
                calls.push(Call { inputs, options, reply });
            }
            Ok(other) => return (calls, Some(other)),
            Err(mpsc::error::TryRecvError::Empty) if Instant::now() < until => thread::sleep(NAP),
            Err(_) => break,
        }
    }
    (calls, None)
}

/// Runs the calls of a batch in one; one by one where the model does not take them so.
fn run_all(session: &mut Session, calls: Vec<Call>) {
    let sizes: Option<Vec<usize>> = calls.iter().map(|call| batch::samples(&call.inputs)).collect();
    let inputs: Vec<&Tensors> = calls.iter().map(|call| &call.inputs).collect();
    let together = sizes.filter(|_| calls.len() > 1).and_then(|sizes| {
        let outputs = run(session, batch::stacked(&inputs)?, &RunOptions::new().ok()?).ok()?;
        batch::parted(&outputs, &sizes)
    });
    match together {
        Some(outputs) => {
            for (call, outputs) in calls.into_iter().zip(outputs) {
                drop(call.reply.send(Ok(outputs)));
            }
        }
        None => calls.into_iter().for_each(|call| call.run(session)),
    }
}

/// Drops a session; at the end of the process it is left to the operating system.
fn leave(session: Session) {
    match Inside::enter() {
        Some(_inside) => drop(session),
        None => std::mem::forget(session),
    }
}

fn facts(session: &Session) -> ::ort::Result<ModelFacts> {
    let metadata = session.metadata()?;
    let noted = |key: String| metadata.custom(&key).map(|value| (key, value));
    Ok(ModelFacts {
        inputs: session.inputs().iter().map(port).collect(),
        outputs: session.outputs().iter().map(port).collect(),
        metadata: metadata.custom_keys()?.into_iter().filter_map(noted).collect(),
    })
}

fn port(outlet: &Outlet) -> Port {
    let name = outlet.name().to_owned();
    let ValueType::Tensor { ty, shape, .. } = outlet.dtype() else {
        return Port { name, of: String::new(), shape: Vec::new() };
    };
    let of = match ty {
        TensorElementType::Float32 => "f32".to_owned(),
        TensorElementType::Int32 => "i32".to_owned(),
        TensorElementType::Int64 => "i64".to_owned(),
        TensorElementType::Uint8 => "u8".to_owned(),
        TensorElementType::Bool => "bool".to_owned(),
        other => other.to_string().to_lowercase(),
    };
    Port { name, of, shape: shape.iter().map(|length| usize::try_from(*length).ok()).collect() }
}

fn run(session: &mut Session, inputs: Tensors, options: &RunOptions) -> ::ort::Result<Tensors> {
    let inputs: Vec<(String, SessionInputValue<'_>)> =
        inputs.into_iter().map(|(name, tensor)| Ok((name, input(tensor)?))).collect::<::ort::Result<_>>()?;
    let outputs = session.run_with_options(inputs, options)?;
    let mut tensors = Vec::new();
    let mut refused = None;
    for (name, value) in outputs.iter() {
        match output(name, &value) {
            Ok(tensor) => tensors.push((name.to_owned(), tensor)),
            Err(error) => refused = Some(error),
        }
    }
    // A side output of another type is nobody's business, as long as there is one that can be read.
    match refused {
        Some(error) if tensors.is_empty() => Err(error),
        _ => Ok(tensors),
    }
}

fn input(tensor: Tensor) -> ::ort::Result<SessionInputValue<'static>> {
    Ok(match tensor {
        Tensor::F32(array) => OrtTensor::from_array(array)?.into(),
        Tensor::I32(array) => OrtTensor::from_array(array)?.into(),
        Tensor::I64(array) => OrtTensor::from_array(array)?.into(),
        Tensor::U8(array) => OrtTensor::from_array(array)?.into(),
        Tensor::Bool(array) => OrtTensor::from_array(array)?.into(),
    })
}

fn output(name: &str, value: &DynValue) -> ::ort::Result<Tensor> {
    let ValueType::Tensor { ty, .. } = value.dtype() else {
        return Err(::ort::Error::new(format!("output `{name}` is not a tensor")));
    };
    Ok(match ty {
        TensorElementType::Float32 => Tensor::F32(value.try_extract_array()?.to_owned()),
        TensorElementType::Float64 => Tensor::F32(value.try_extract_array::<f64>()?.mapv(|number| number as f32)),
        TensorElementType::Int32 => Tensor::I32(value.try_extract_array()?.to_owned()),
        TensorElementType::Int64 => Tensor::I64(value.try_extract_array()?.to_owned()),
        TensorElementType::Uint8 => Tensor::U8(value.try_extract_array()?.to_owned()),
        TensorElementType::Bool => Tensor::Bool(value.try_extract_array()?.to_owned()),
        other => {
            return Err(::ort::Error::new(format!(
                "output `{name}` has elements of type {other}, which cannot be read; export the model in 32-bit floats"
            )));
        }
    })
}

/// Opens a session. Memory patterns are off, because shapes vary from call to
/// call; spinning is off, because sessions share the cores with each other and the LLM.
fn open(library: &Path, model: &Found, threads: usize) -> Result<Session> {
    let environment = environment(library)?;
    let open = || -> ::ort::Result<Session> {
        let mut builder = Session::builder(&environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(threads)?
            .with_intra_op_spinning(false)?
            .with_memory_pattern(false)?;
        match model {
            Found::File(path) => builder.commit_from_file(path),
            Found::Bytes(bytes) => builder.commit_from_memory(bytes),
        }
    };
    open().map_err(|e| {
        let place = match model {
            Found::File(path) => format!("`{}`", path.display()),
            Found::Bytes(_) => "the compiled-in model".to_owned(),
        };
        Error::new(ErrorKind::Model, format!("{place} cannot be loaded: {}", e.message()))
    })
}

/// The process's one environment; made at the first call, again after a failure.
fn environment(library: &Path) -> Result<Environment> {
    static ENVIRONMENT: SyncMutex<Option<Environment>> = SyncMutex::new(None);
    let mut slot = ENVIRONMENT.lock().map_err(|_| Error::internal("loading ONNX Runtime panicked before"))?;
    if let Some(environment) = slot.as_ref() {
        return Ok(environment.clone());
    }
    if !library.is_file() {
        let message = format!("there is no ONNX Runtime library at `{}`", library.display());
        return Err(Error::new(ErrorKind::NotFound, message));
    }
    let environment = ::ort::init_from(library)
        .map_err(|e| refused(library, &e))?
        .with_name("lavr")
        .with_telemetry(false)
        .build()
        .map_err(|e| refused(library, &e))?;
    environment.set_log_level(LogLevel::Warning);
    *slot = Some(environment.clone());
    Ok(environment)
}

fn refused(library: &Path, cause: &dyn fmt::Display) -> Error {
    let message = format!(
        "ONNX Runtime cannot be loaded from `{}`: {cause}; set {LIBRARY_VARIABLE} to a library of version 1.24 or later",
        library.display()
    );
    Error::new(ErrorKind::Model, message)
}
