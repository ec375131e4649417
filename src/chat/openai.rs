//! LLMs behind the OpenAI protocol: OpenAI itself, and the servers that speak it (llama.cpp, Ollama, vLLM ...).
//!
//! A call is one `POST {base}/chat/completions`, streamed as server-sent events; a server that answers with one
//! JSON object works too. Servers differ in what they take: what one refuses is left out or asked for in another
//! way, and the client remembers what worked ([`OpenAiModel`]).

mod dialect;
mod endpoint;
mod gist;
mod prices;
mod reading;
mod refusal;
mod repair;
mod tries;
mod wire;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::StreamExt;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use serde_json::Value as Json;

pub use self::endpoint::Secret;
pub(super) use self::endpoint::shown as shown_address;
pub use self::prices::{Price, Prices};
pub use self::reading::{MAX_ANSWER, Reading, Tokens, read_reply};
pub use self::refusal::retry_after;
pub use self::repair::mend_json;

use self::dialect::Dialect;
use self::endpoint::Endpoint;
use self::reading::OnText;
use self::refusal::Refusal;
use self::tries::{Passing, Tries};
use super::{Capabilities, ChatModel, ChatReply, ChatRequest, ChatUsage, FinishReason};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::store::http;

/// The base URL of OpenAI itself.
pub const OPENAI: &str = "https://api.openai.com/v1";

/// How a served LLM is reached.
#[derive(Clone, PartialEq)]
pub struct OpenAiOptions {
    /// The address before `/chat/completions`, usually ending in `/v1`. A user and a password in it are sent as
    /// basic authentication; they, and the query, are never shown.
    pub base_url: String,
    /// The model's name, as the server knows it.
    pub model: String,
    /// Sent as a bearer token, unless the address brings a user and a password.
    pub key: Option<Secret>,
    /// The environment variable that errors tell to set.
    pub key_variable: String,
    /// The name that stands in traces: the address and the model when not given.
    pub name: Option<String>,
    /// Tokens of context that the caller may count on; servers do not tell.
    pub context: u32,
    /// Whether the model takes images.
    pub images: bool,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait between two pieces of a reply. The wait for the first is limited by the run's clock only:
    /// slow servers read the whole prompt before they write.
    pub idle_timeout: Duration,
    /// How often a call is tried again that failed in passing.
    pub retries: usize,
    /// The first wait before that; it doubles with each. A server's `Retry-After` goes before it.
    pub backoff: Duration,
    /// What models cost.
    pub prices: Prices,
}

impl OpenAiOptions {
    /// A model at an address, without a key, with the timeouts and retries that fit most servers.
    pub fn new(base_url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            model: model.into(),
            key: None,
            key_variable: "LAVR_LLM_KEY".to_owned(),
            name: None,
            context: 32_768,
            images: false,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            retries: 3,
            backoff: Duration::from_millis(250),
            prices: Prices::default(),
        }
    }
}

impl fmt::Debug for OpenAiOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiOptions")
            .field("base_url", &endpoint::shown(&self.base_url))
            .field("model", &self.model)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// An LLM behind the OpenAI protocol.
///
/// Dropping the future of a call, or cancelling the run, ends the connection at once.
///
/// - **Form of the reply.** A schema is asked for as `json_schema`. A server that refuses it is asked for a
///   `json_object` with the schema beside it, then without it, then for nothing; in the last two the prompt says
///   in short what form the reply has. A reply that is nearly JSON is mended ([`mend_json`]), unless the limit
///   of tokens cut it off.
/// - **Retries.** A connection that fails before the reply's first byte, 429 and 5xx are tried again with growing
///   waits, at most [`OpenAiOptions::retries`] times and never past the run's clock.
/// - **Usage** is what the server counts; where it does not, tokens are guessed ([`ChatUsage::guess`]) so that a
///   limit holds, and the cost is unknown.
///
/// # Examples
/// ```no_run
/// use lavr::budget::Budget;
/// use lavr::chat::openai::{OpenAiModel, OpenAiOptions};
/// use lavr::chat::{ChatModel, ChatRequest};
/// use lavr::cx::Cx;
/// use lavr::message::Message;
///
/// # async fn example() -> lavr::error::Result<()> {
/// let llm = OpenAiModel::new(OpenAiOptions::new("http://127.0.0.1:11434/v1", "qwen2.5:7b"))?;
/// let request = ChatRequest::new(Vec::new(), vec![Message::user("What colour is the sky?")]);
/// let reply = llm.complete(&Cx::new(Budget::default()), &request).await?;
/// println!("{}", reply.text);
/// # Ok(())
/// # }
/// ```
pub struct OpenAiModel {
    endpoint: Endpoint,
    client: Client,
    options: OpenAiOptions,
    dialect: Mutex<Dialect>,
    name: String,
}

/// How an attempt ended that brought no reply.
enum Trouble {
    /// It may go well the next time.
    Passing(Passing),
    /// The server does not take the request as it is.
    Refused(Refusal),
    /// It will not get better.
    Final(Error),
}

impl OpenAiModel {
    /// A client. Nothing is sent before the first call.
    ///
    /// # Errors
    /// `InvalidInput` when the address is none or the key cannot be sent.
    pub fn new(options: OpenAiOptions) -> Result<Self> {
        let endpoint = Endpoint::new(&options)?;
        let mut builder = http::builder(&[]).connect_timeout(options.connect_timeout).redirect(Policy::none());
        if is_here(&options.base_url) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|e| Error::internal("cannot set up the HTTP client").with_source(e))?;
        let name = options.name.clone().unwrap_or_else(|| format!("{}#{}", endpoint.shown(), options.model));
        let dialect = Mutex::new(Dialect::new(endpoint.shown() == OPENAI));
        Ok(Self { endpoint, client, options, dialect, name })
    }

    async fn write(&self, cx: &Cx, request: &ChatRequest, on_text: OnText<'_>) -> Result<ChatReply> {
        if !self.options.images {
            request.without_images(&self.name)?;
        }
        let began = Instant::now();
        let mut first = None;
        let mut piece = |text: &str| {
            first.get_or_insert_with(|| began.elapsed());
            on_text(text);
        };
        let reading = cx.within(self.converse(cx, request, &mut piece)).await?;
        let prompt_time = first.unwrap_or_else(|| began.elapsed());
        let mut usage = reading
            .tokens
            .filter(|tokens| tokens.prompt > 0)
            .map_or_else(|| ChatUsage::guess(request, &reading.text), |tokens| self.usage(tokens));
        (usage.prompt_time, usage.completion_time) = (prompt_time, began.elapsed().saturating_sub(prompt_time));
        let finish = reading.finish.unwrap_or(FinishReason::Stop);
        Ok(ChatReply { text: self.judged(request, reading.text, finish), finish, usage })
    }

    /// Asks until there is a reply, in whatever way the server takes.
    async fn converse(&self, cx: &Cx, request: &ChatRequest, on_text: OnText<'_>) -> Result<Reading> {
        let mut dialect = self.dialect();
        let mut tries = Tries::new(&self.options);
        loop {
            match self.attempt(request, &dialect, on_text).await {
                Ok(reading) => {
                    self.remember(dialect);
                    return Ok(reading);
                }
                Err(Trouble::Passing(passing)) => tries.wait(cx, passing).await?,
                Err(Trouble::Final(error)) => return Err(error),
                Err(Trouble::Refused(refusal)) => match dialect.after(&refusal, request.schema.is_some()) {
                    Some(next) => {
                        tracing::debug!(llm = %self.name, "refused, asking in another way: {}", refusal.message);
                        dialect = next;
                    }
                    None if refusal.is_passing() => tries.wait(cx, self.failed(&refusal)).await?,
                    None => return Err(self.refused(&refusal)),
                },
            }
        }
    }

    async fn attempt(
        &self,
        request: &ChatRequest,
        dialect: &Dialect,
        on_text: OnText<'_>,
    ) -> std::result::Result<Reading, Trouble> {
        let body = wire::body(&self.options.model, request, dialect);
        let response = self.endpoint.request(&self.client, &body).send().await.map_err(|e| self.unreachable(&e))?;
        if response.status().is_success() {
            return self.read(response, on_text).await;
        }
        let refusal = Refusal::read(response, &self.endpoint).await;
        tracing::debug!(llm = %self.name, "answered: {}", refusal.what());
        Err(Trouble::Refused(refusal))
    }

    async fn read(&self, response: Response, on_text: OnText<'_>) -> std::result::Result<Reading, Trouble> {
        let begun = AtomicBool::new(false);
        let bytes = response.bytes_stream().map(|chunk| match chunk {
            Ok(chunk) => {
                begun.store(true, Ordering::Relaxed);
                Ok(chunk)
            }
            Err(e) => Err(Error::new(ErrorKind::Network, format!("the reply broke off ({})", http::describe(&e)))),
        });
        let result = read_reply(bytes, self.options.idle_timeout, on_text).await;
        result.map_err(|error| match error.kind() {
            ErrorKind::Network if !begun.load(Ordering::Relaxed) => Trouble::Passing(Passing {
                what: format!("LLM at {}: {error}", self.endpoint.shown()),
                way_out: "try again later",
                after: None,
            }),
            _ => Trouble::Final(self.place(&error)),
        })
    }

    /// The reply as the caller gets it: mended when JSON was asked for.
    fn judged(&self, request: &ChatRequest, text: String, finish: FinishReason) -> String {
        let Some(schema) = &request.schema else { return text };
        let text = if finish == FinishReason::Stop { mend_json(&text).unwrap_or(text) } else { text };
        let fits = serde_json::from_str::<Json>(&text).is_ok_and(|json| gist::fits_roughly(schema, &json));
        if !fits && finish == FinishReason::Stop {
            // The server took the schema and does not keep to it: from now on the prompt says it too.
            self.dialect.lock().unwrap_or_else(PoisonError::into_inner).told = true;
        }
        text
    }

    fn usage(&self, tokens: Tokens) -> ChatUsage {
        let price = self.options.prices.find(self.endpoint.host(), &self.options.model);
        ChatUsage {
            prompt_tokens: tokens.prompt - tokens.cached,
            cached_tokens: tokens.cached,
            completion_tokens: tokens.completion,
            cost_usd: price.map(|price| price.of(tokens)),
            ..ChatUsage::default()
        }
    }

    fn dialect(&self) -> Dialect {
        *self.dialect.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, dialect: Dialect) {
        let mut known = self.dialect.lock().unwrap_or_else(PoisonError::into_inner);
        // Another call may have found out meanwhile that the prompt has to say the form.
        *known = Dialect { told: dialect.told || known.told, ..dialect };
    }

    /// An error in the reply itself, with where it came from.
    fn place(&self, error: &Error) -> Error {
        let kind = error.kind();
        let way_out = if matches!(kind, ErrorKind::Network | ErrorKind::Timeout) { "; ask again" } else { "" };
        let text = self.endpoint.quote(&error.to_string());
        Error::new(kind, format!("LLM at {}: {text}{way_out}", self.endpoint.shown()))
    }

    fn refused(&self, refusal: &Refusal) -> Error {
        refusal.error(&self.endpoint, &self.options.key_variable, &self.options.model)
    }

    fn failed(&self, refusal: &Refusal) -> Passing {
        Passing {
            what: format!("LLM: {} {}", self.endpoint.shown(), refusal.what()),
            way_out: "try again later",
            after: refusal.after,
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Trouble {
        if error.is_builder() {
            return Trouble::Final(Error::internal("cannot build the request to the LLM"));
        }
        let why = self.endpoint.quote(&http::describe(error));
        Trouble::Passing(Passing {
            what: format!("LLM unreachable: {}: {why}", self.endpoint.shown()),
            way_out: "start the server, or correct the address",
            after: None,
        })
    }
}

/// Whether an address is of this machine, which no proxy knows.
fn is_here(base: &str) -> bool {
    let host = Url::parse(base).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[async_trait]
impl ChatModel for OpenAiModel {
    async fn complete(&self, cx: &Cx, request: &ChatRequest) -> Result<ChatReply> {
        self.write(cx, request, &mut |_| {}).await
    }

    async fn stream(
        &self,
        cx: &Cx,
        request: &ChatRequest,
        on_text: &mut (dyn for<'a> FnMut(&'a str) + Send),
    ) -> Result<ChatReply> {
        self.write(cx, request, on_text).await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            model: self.name.clone(),
            context: self.options.context,
            constrained: false,
            images: self.options.images,
        }
    }
}
