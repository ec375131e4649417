//! Reading a reply: server-sent events as they come, or one JSON object.

use std::fmt::Display;
use std::pin::pin;
use std::time::Duration;

use eventsource_stream::{EventStreamError, Eventsource};
use futures::{Stream, StreamExt, stream};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::chat::FinishReason;
use crate::error::{Error, ErrorKind, Result};

/// Most bytes of an answer that are read. A reply of a few hundred tokens takes some 100 KB as events.
pub const MAX_ANSWER: usize = 8 << 20;

/// Longest line of a stream of events: the parser reads an unfinished line anew with each piece of it.
const MAX_LINE: usize = 1 << 20;

/// Takes each piece of text as it comes.
pub(super) type OnText<'a> = &'a mut (dyn for<'b> FnMut(&'b str) + Send);

/// What an answer said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// The text.
    pub text: String,
    /// Why it ended.
    pub finish: Option<FinishReason>,
    /// Tokens of the prompt, of the prompt from the server's cache, and of the reply; when it says so.
    pub tokens: Option<Tokens>,
}

/// The tokens that a server counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tokens {
    /// The whole prompt.
    pub prompt: u64,
    /// As much of it as was cached.
    pub cached: u64,
    /// The reply.
    pub completion: u64,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    error: Option<Json>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Option<Said>,
    #[serde(default)]
    message: Option<Said>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    content: Json,
    #[serde(default)]
    refusal: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
    #[serde(default)]
    prompt_tokens_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    cached_tokens: Option<u64>,
}

impl From<Usage> for Tokens {
    fn from(usage: Usage) -> Self {
        let prompt = usage.prompt_tokens.unwrap_or_default();
        let cached = usage.prompt_tokens_details.and_then(|details| details.cached_tokens).unwrap_or_default();
        Self { prompt, cached: cached.min(prompt), completion: usage.completion_tokens.unwrap_or_default() }
    }
}

/// Reads one reply from the bytes of an answer, however they are split.
///
/// An answer that begins with `{` is one JSON object; anything else are server-sent events. `on_text`
/// receives each piece of text as it comes. `idle` is the longest wait between two pieces of the answer;
/// the wait for its first byte is not limited here. At most [`MAX_ANSWER`] bytes are read.
///
/// # Errors
/// `Network` when the answer breaks off, `Timeout` when it stands still, `Model` when it is no reply: another
/// format, invalid UTF-8, too long, or an error that the server reports in it.
pub async fn read_reply<B: AsRef<[u8]>>(
    bytes: impl Stream<Item = Result<B>>,
    idle: Duration,
    on_text: OnText<'_>,
) -> Result<Reading> {
    let mut bytes = pin!(bounded(bytes, idle));
    let mut head = Vec::new();
    while head.iter().all(u8::is_ascii_whitespace) {
        match bytes.next().await {
            Some(chunk) => head.extend_from_slice(&chunk?),
            None => return Err(broken_off()),
        }
    }
    if head.trim_ascii_start().starts_with(b"{") {
        while let Some(chunk) = bytes.next().await {
            head.extend_from_slice(&chunk?);
        }
        return one_object(&head, on_text);
    }
    events(stream::once(async { Ok(head) }).chain(bytes), on_text).await
}

/// Bytes that stop with an error when they stand still or are too many.
fn bounded<B: AsRef<[u8]>>(
    bytes: impl Stream<Item = Result<B>>,
    idle: Duration,
) -> impl Stream<Item = Result<Vec<u8>>> {
    let state = (Box::pin(bytes), 0_usize);
    stream::try_unfold(state, move |(mut bytes, read)| async move {
        let next = if read == 0 {
            bytes.next().await
        } else {
            tokio::time::timeout(idle, bytes.next()).await.map_err(|_| stands_still(idle))?
        };
        let Some(chunk) = next.transpose()? else { return Ok(None) };
        let chunk = chunk.as_ref().to_vec();
        let read = read.saturating_add(chunk.len());
        if read > MAX_ANSWER {
            return Err(too_long("the answer", MAX_ANSWER));
        }
        Ok(Some((chunk, (bytes, read))))
    })
}

/// Bytes that stop with an error when a line has no end.
fn short_lines(bytes: impl Stream<Item = Result<Vec<u8>>>) -> impl Stream<Item = Result<Vec<u8>>> {
    let mut length = 0_usize;
    bytes.map(move |chunk| {
        let chunk = chunk?;
        length = match chunk.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')) {
            Some(end) => chunk.len() - end,
            None => length.saturating_add(chunk.len()),
        };
        if length > MAX_LINE { Err(too_long("a line of the answer", MAX_LINE)) } else { Ok(chunk) }
    })
}

fn one_object(body: &[u8], on_text: OnText<'_>) -> Result<Reading> {
    let text = std::str::from_utf8(body).map_err(|e| no_reply(&e))?;
    let chunk: Chunk = serde_json::from_str(text).map_err(|e| if e.is_eof() { broken_off() } else { no_reply(&e) })?;
    let mut reading = Reading::default();
    if chunk.choices.is_empty() && chunk.error.is_none() {
        return Err(no_reply(&"it has no `choices`"));
    }
    reading.take(chunk, on_text)?;
    reading.finish.get_or_insert(FinishReason::Stop);
    Ok(reading)
}

async fn events(bytes: impl Stream<Item = Result<Vec<u8>>>, on_text: OnText<'_>) -> Result<Reading> {
    let mut events = pin!(short_lines(bytes).eventsource());
    let mut reading = Reading::default();
    let mut any = false;
    while let Some(event) = events.next().await {
        let event = match event {
            Ok(event) => event,
            // The reply is whole; what else would have come does not matter.
            Err(_) if reading.finish.is_some() => break,
            Err(EventStreamError::Transport(error)) => return Err(error),
            Err(other) => return Err(no_reply(&other)),
        };
        let data = event.data.trim();
        if data == "[DONE]" {
            reading.finish.get_or_insert(FinishReason::Stop);
            break;
        }
        any = true;
        reading.take(serde_json::from_str(data).map_err(|e| no_reply(&e))?, on_text)?;
    }
    match reading.finish {
        Some(_) => Ok(reading),
        None if any => Err(broken_off()),
        None => Err(no_reply(&"it is neither JSON nor a stream of events")),
    }
}

impl Reading {
    fn take(&mut self, chunk: Chunk, on_text: OnText<'_>) -> Result<()> {
        if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
            let message = error.get("message").and_then(Json::as_str).map_or_else(|| error.to_string(), str::to_owned);
            return Err(Error::new(ErrorKind::Model, format!("the server reports an error: {message}")));
        }
        if let Some(usage) = chunk.usage {
            self.tokens = Some(usage.into());
        }
        let Some(choice) = chunk.choices.into_iter().next() else { return Ok(()) };
        if let Some(said) = choice.delta.or(choice.message) {
            let piece = text_of(&said.content);
            if !piece.is_empty() {
                self.text.push_str(&piece);
                on_text(&piece);
            } else if let Some(refusal) = said.refusal.filter(|text| !text.is_empty()) {
                return Err(Error::new(ErrorKind::Model, format!("the LLM declines: {refusal}")));
            }
        }
        match choice.finish_reason.as_deref() {
            None | Some("") => {}
            Some("length") => self.finish = Some(FinishReason::Length),
            Some("content_filter") => {
                return Err(Error::new(ErrorKind::Model, "the server's content filter stopped the reply"));
            }
            Some(_) => self.finish = Some(FinishReason::Stop),
        }
        Ok(())
    }
}

/// Content is a text, or a list of parts with one.
fn text_of(content: &Json) -> String {
    match content {
        Json::String(text) => text.clone(),
        Json::Array(parts) => parts.iter().filter_map(|part| part.get("text").and_then(Json::as_str)).collect(),
        _ => String::new(),
    }
}

fn stands_still(idle: Duration) -> Error {
    Error::new(ErrorKind::Timeout, format!("the reply stands still since {} s", idle.as_secs_f32()))
}

fn too_long(what: &str, limit: usize) -> Error {
    Error::new(ErrorKind::Model, format!("{what} is longer than {} MiB", limit >> 20))
}

fn broken_off() -> Error {
    Error::new(ErrorKind::Network, "the connection ended in the middle of the reply")
}

fn no_reply(why: &dyn Display) -> Error {
    Error::new(ErrorKind::Model, format!("the answer is no chat completion: {why}"))
}
