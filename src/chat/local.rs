//! The embedded LLM: a quantised GGUF of the Qwen2 or Llama family, run on the CPU.
//!
//! One thread owns the model and works through the calls in order; callers wait without blocking
//! the runtime. Replies to requests with a schema fit it for certain. The state of a request's
//! constant prefix is computed once, kept in memory, and on disk when a folder is given.
//!
//! The arithmetic runs on candle's threads, as many as there are physical cores; the environment
//! variable `CANDLE_NUM_THREADS`, read once, sets another number. They wait for one another
//! after every product, so other work on the same cores slows them down more than its share:
//! with fewer free cores than threads, fewer threads are faster.

mod attention;
mod engine;
mod gguf;
mod grammar;
mod kv;
mod lookup;
mod model;
mod prefix;
mod q4_1;
mod sample;
mod shape;
mod simd;
mod template;
mod text;
mod tokens;
mod worker;
mod writing;

use std::future::Future;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::engine::{Call, Engine};
pub use self::lookup::draft;
use self::worker::{Worker, gone};
use super::{Capabilities, ChatModel, ChatReply, ChatRequest, ChatUsage};
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::message::Message;

/// How an embedded LLM is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalOptions {
    /// The name that stands in traces.
    pub name: String,
    /// Most tokens of a prompt and its reply together; the model's own limit holds too.
    /// A token that is held takes 28 KB with the default model.
    pub context: u32,
    /// Where the states of prefixes are kept between processes; nowhere when not given.
    /// At most 8 files stay there, the ones used last.
    pub prefix_dir: Option<PathBuf>,
    /// What random choices begin with, for requests with a temperature above 0; at random when not given.
    pub seed: Option<u64>,
}

impl Default for LocalOptions {
    fn default() -> Self {
        Self { name: "local".into(), context: 4096, prefix_dir: None, seed: None }
    }
}

/// An LLM that runs inside this process.
///
/// Dropping the future of a call stops the work before the next token, or within a block of
/// 64 prompt tokens. Calls wait for one another. A run's token budget ends a call in its middle.
///
/// # Why a reply does not depend on the calls before it
/// What a call shares with an earlier one is not read again. A token's state is the same whichever
/// tokens it is computed with and wherever it was kept, so this only saves time. (Processors
/// with AMX are the exception: there it depends on whether at least 32 tokens are read together.)
///
/// # Examples
/// ```no_run
/// use lavr::budget::Budget;
/// use lavr::chat::local::{LocalModel, LocalOptions};
/// use lavr::chat::{ChatModel, ChatRequest};
/// use lavr::cx::Cx;
/// use lavr::message::Message;
///
/// # async fn example() -> lavr::error::Result<()> {
/// let llm = LocalModel::load("model.gguf".as_ref(), LocalOptions::default())?;
/// let request = ChatRequest {
///     prefix: vec![Message::system("Answer with one colour.")],
///     messages: vec![Message::user("What colour is the sky?")],
///     schema: Some(serde_json::json!({"enum": ["red", "green", "blue"]})),
///     max_tokens: 20,
///     temperature: 0.0,
///     images: Vec::new(),
/// };
/// let reply = llm.complete(&Cx::new(Budget::default()), &request).await?;
/// assert_eq!(reply.text, "\"blue\"");
/// # Ok(())
/// # }
/// ```
pub struct LocalModel {
    worker: Worker,
    options: LocalOptions,
}

impl LocalModel {
    /// Loads a model file and returns when it is ready.
    ///
    /// The file is mapped, so it must not change while the model is in use. Blocks the thread for
    /// a second or two; in async code use [`LocalModel::spawn`].
    ///
    /// # Errors
    /// `NotFound` or `Io` when the file cannot be opened, `InvalidInput` when it is not a GGUF
    /// of a supported family.
    pub fn load(path: &Path, options: LocalOptions) -> Result<Self> {
        let (tell, wait) = oneshot::channel();
        let (send, receive) = oneshot::channel();
        let _ = send.send(Ok(path.to_owned()));
        let worker = Worker::start(receive, options.clone(), Some(tell))?;
        // A channel of the standard library would do; this one is what the worker speaks.
        futures::executor::block_on(wait).unwrap_or_else(|_| Err(gone()))?;
        Ok(Self { worker, options })
    }

    /// Starts loading a model whose file `path` resolves to, and returns at once.
    ///
    /// Calls wait until it is loaded; if that fails, every call fails with the reason.
    /// Must be called inside a tokio runtime, which drives `path`.
    ///
    /// # Errors
    /// `Internal` outside of a runtime.
    pub fn spawn(path: impl Future<Output = Result<PathBuf>> + Send + 'static, options: LocalOptions) -> Result<Self> {
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|e| Error::internal("an LLM can only be loaded in the background of a runtime").with_source(e))?;
        let (send, receive) = oneshot::channel();
        let worker = Worker::start(receive, options.clone(), None)?;
        runtime.spawn(async move {
            let _ = send.send(path.await);
        });
        Ok(Self { worker, options })
    }

    /// The tokens of a prompt, as the model reads it: the prefix first, up to where the reply begins.
    ///
    /// # Errors
    /// Those of loading; `InvalidInput` when the model's chat template cannot render the messages.
    pub async fn prompt_tokens(&self, cx: &Cx, prefix: &[Message], messages: &[Message]) -> Result<Vec<u32>> {
        let (prefix, messages) = (prefix.to_vec(), messages.to_vec());
        self.ask(cx, move |engine, _| engine.prompt_tokens(&prefix, &messages)).await
    }

    /// Scores of every token to follow `tokens`, computed from nothing. For comparison with other
    /// implementations.
    ///
    /// # Errors
    /// Those of loading; `InvalidInput` when there are no tokens, or more than the context holds.
    pub async fn logits(&self, cx: &Cx, tokens: &[u32]) -> Result<Vec<f32>> {
        let tokens = tokens.to_vec();
        self.ask(cx, move |engine, call| engine.logits(call, &tokens)).await
    }

    async fn write(
        &self,
        cx: &Cx,
        request: &ChatRequest,
        pieces: Option<mpsc::UnboundedSender<String>>,
    ) -> Result<ChatReply> {
        request.without_images(&self.options.name)?;
        let request = request.clone();
        let on_text = move |piece: &str| {
            if let Some(pieces) = &pieces {
                let _ = pieces.send(piece.to_owned());
            }
        };
        self.ask(cx, move |engine, call| engine.complete(call, &request, &mut { on_text })).await
    }

    /// Has the worker do something; dropping the future tells it to stop.
    async fn ask<T: Send + 'static>(
        &self,
        cx: &Cx,
        work: impl FnOnce(&mut Engine, &Call) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let stop = CancellationToken::new();
        let call = Call::new(cx.clone(), stop.clone());
        let _guard = stop.drop_guard();
        let (tell, wait) = oneshot::channel();
        self.worker.send(Box::new(move |engine| {
            let _ = tell.send(engine.and_then(|engine| work(engine, &call)));
        }))?;
        cx.within(async { wait.await.unwrap_or_else(|_| Err(gone())) }).await
    }
}

#[async_trait]
impl ChatModel for LocalModel {
    async fn complete(&self, cx: &Cx, request: &ChatRequest) -> Result<ChatReply> {
        self.write(cx, request, None).await
    }

    async fn stream(
        &self,
        cx: &Cx,
        request: &ChatRequest,
        on_text: &mut (dyn for<'a> FnMut(&'a str) + Send),
    ) -> Result<ChatReply> {
        let (send, mut pieces) = mpsc::unbounded_channel::<String>();
        let mut reply = std::pin::pin!(self.write(cx, request, Some(send)));
        let reply = loop {
            tokio::select! {
                biased;
                Some(piece) = pieces.recv() => on_text(&piece),
                reply = &mut reply => break reply?,
            }
        };
        while let Ok(piece) = pieces.try_recv() {
            on_text(&piece);
        }
        Ok(reply)
    }

    async fn warm(&self, cx: &Cx, prefix: &[Message]) -> Result<ChatUsage> {
        let prefix = prefix.to_vec();
        self.ask(cx, move |engine, call| engine.warm(call, &prefix)).await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            model: self.options.name.clone(),
            context: self.worker.context().unwrap_or(self.options.context),
            constrained: true,
            images: false,
        }
    }
}
