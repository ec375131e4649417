//! Replies kept in a file: what was asked before is not asked again.
//!
//! The file is JSON lines: a header, then a reply a line, under the digest of what was asked. `docs/FORMATS.md` has the
//! form. Prompts do not stand in it, replies do.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::cassette::{self, ReplyLine};
use super::{Capabilities, ChatModel, ChatReply, ChatRequest, ChatUsage};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};

/// The format that this version writes, and the newest it reads.
pub const FORMAT: u32 = 1;

/// Longest file that is read, in bytes: some hundred thousand replies.
const MAX_BYTES: u64 = 256 << 20;

/// How the lines begin: the first, and all others.
const HEADER: &[u8] = b"{\"replies\":1}";
const REPLY: &[u8] = b"{\"request\":";

#[derive(Serialize, Deserialize)]
struct Header {
    replies: u32,
}

#[derive(Serialize, Deserialize)]
struct Line {
    request: String,
    #[serde(flatten)]
    reply: ReplyLine,
}

/// An LLM that is asked only what its file does not hold the reply to.
///
/// The same request to the same LLM (its name, the whole prompt, schema, limit of tokens, images) is answered from the
/// file; its tokens are those of the first time, its times zero, and it costs nothing. Only requests of temperature 0
/// are kept: others are meant to be answered differently each time. Failures are not kept, nor what should be JSON and is
/// not. An LLM is known by its name alone: where other weights or another server come under the same name, take another
/// file.
///
/// Nothing is made ready ahead of calls, since there may be none. Several processes can share a file; each sees what
/// was in it when it began. A reply that cannot be written to the file is one all the same, and the log tells of it.
pub struct Cached {
    inner: Arc<dyn ChatModel>,
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    file: File,
    replies: HashMap<String, ReplyLine>,
}

impl Cached {
    /// Puts a file of replies before an LLM. The file is made when there is none.
    ///
    /// # Errors
    /// `Io` or `NotFound` when the file cannot be read or written, `InvalidInput` naming the line that is no reply, or
    /// saying that the format is a newer one.
    pub fn open(inner: Arc<dyn ChatModel>, path: &Path) -> Result<Self> {
        let place = |e: Error| e.context(format!("replies `{}`", path.display()));
        let state = State::open(path).map_err(place)?;
        Ok(Self { inner, path: path.to_owned(), state: Mutex::new(state) })
    }

    /// How many replies the file holds.
    pub fn len(&self) -> usize {
        self.state().replies.len()
    }

    /// Whether the file holds no reply.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name of a request in the file; none when its reply is not for keeping.
    fn name(&self, request: &ChatRequest) -> Result<Option<String>> {
        if request.temperature > 0.0 {
            return Ok(None);
        }
        let model = self.inner.capabilities().model;
        let messages: Vec<_> = request.prompt().collect();
        let images: Vec<_> = request.images.iter().map(|image| image.digest()).collect();
        let (schema, max_tokens) = (&request.schema, request.max_tokens);
        let asked = json!({ "model": model, "messages": messages, "schema": schema, "max_tokens": max_tokens,
            "images": images });
        cassette::name_of(&asked).map(Some)
    }

    fn kept(&self, name: Option<&String>) -> Option<ChatReply> {
        let line = self.state().replies.get(name?).cloned()?;
        let reply = ChatReply::from(line);
        let usage = ChatUsage {
            prompt_time: Duration::ZERO,
            completion_time: Duration::ZERO,
            cost_usd: None,
            reused: true,
            ..reply.usage
        };
        Some(ChatReply { usage, ..reply })
    }

    /// Keeps a reply. One that cannot be kept is a reply all the same, so that failing to is told and no more.
    fn keep(&self, name: Option<String>, request: &ChatRequest, reply: &ChatReply) {
        // A backend that does not hold to schemas may do better when it is asked again.
        let fits = request.schema.is_none() || serde_json::from_str::<IgnoredAny>(&reply.text).is_ok();
        let Some(request) = name.filter(|_| fits) else { return };
        let line = Line { request, reply: reply.into() };
        if let Err(error) = self.state().add(line) {
            tracing::warn!("a reply is not kept in `{}`: {}", self.path.display(), error.for_log());
        }
    }
}

impl State {
    fn open(path: &Path) -> Result<Self> {
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        // What another run is adding is waited for.
        file.lock()?;
        let read = Self::read(&mut file);
        file.unlock()?;
        Ok(Self { replies: read?, file })
    }

    /// Reads the file, and ends its last line where its writer was killed within it. What is no file of replies is left
    /// as it is.
    fn read(file: &mut File) -> Result<HashMap<String, ReplyLine>> {
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(Error::invalid(format!("it has more than {MAX_BYTES} bytes; name another file")));
        }
        let end = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let (whole, cut_off) = bytes.split_at(end);
        let text = std::str::from_utf8(whole).map_err(|_| Error::invalid("it is no UTF-8 text; name another file"))?;
        let mut lines = text.lines().enumerate();
        let first = lines.next().map(|(_, first)| header(first)).transpose()?;
        let begins: &[u8] = if first.is_some() { REPLY } else { HEADER };
        if !cut_off.starts_with(begins) && !begins.starts_with(cut_off) {
            return Err(Error::invalid(
                "its last line has no end, and is none of a file of replies; name another file",
            ));
        }
        let mut replies = HashMap::new();
        for (n, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let faulty = |e| format!("line {} is no reply, remove it: {e}", n + 1);
            let line: Line = serde_json::from_str(line).map_err(|e| Error::invalid(faulty(e)))?;
            replies.insert(line.request, line.reply);
        }
        if !cut_off.is_empty() {
            file.set_len(end as u64)?;
        }
        if first.is_none() {
            write(file, &Header { replies: FORMAT })?;
        }
        Ok(replies)
    }

    fn add(&mut self, line: Line) -> Result<()> {
        if !self.replies.contains_key(&line.request) {
            self.file.lock()?;
            let written = write(&mut self.file, &line);
            self.file.unlock()?;
            written?;
            self.replies.insert(line.request, line.reply);
        }
        Ok(())
    }
}

/// Writes a line, or nothing of it.
fn write(file: &mut File, line: &impl Serialize) -> Result<()> {
    let mut bytes = serde_json::to_vec(line).map_err(|e| Error::internal("a reply has no JSON form").with_source(e))?;
    bytes.push(b'\n');
    let end = file.metadata()?.len();
    if end + bytes.len() as u64 > MAX_BYTES {
        return Err(Error::new(ErrorKind::Io, format!("it would have more than {MAX_BYTES} bytes")));
    }
    file.write_all(&bytes).map_err(|e| {
        // Half a line would spoil the lines after it. When this fails too, the reader names the line.
        drop(file.set_len(end));
        Error::new(ErrorKind::Io, format!("it cannot be written: {e}")).with_source(e)
    })
}

fn header(line: &str) -> Result<()> {
    let Ok(header) = serde_json::from_str::<Header>(line) else {
        return Err(Error::invalid(format!(
            "it is no file of replies: its first line is not {{\"replies\":{FORMAT}}}; name another file"
        )));
    };
    if header.replies > FORMAT {
        let found = header.replies;
        return Err(Error::invalid(format!("its format is {found}, and this version reads {FORMAT} at most")));
    }
    Ok(())
}

#[async_trait]
impl ChatModel for Cached {
    async fn complete(&self, cx: &Cx, request: &ChatRequest) -> Result<ChatReply> {
        let name = self.name(request)?;
        if let Some(reply) = self.kept(name.as_ref()) {
            return Ok(reply);
        }
        let reply = self.inner.complete(cx, request).await?;
        self.keep(name, request, &reply);
        Ok(reply)
    }

    async fn stream(
        &self,
        cx: &Cx,
        request: &ChatRequest,
        on_text: &mut (dyn for<'a> FnMut(&'a str) + Send),
    ) -> Result<ChatReply> {
        let name = self.name(request)?;
        if let Some(reply) = self.kept(name.as_ref()) {
            on_text(&reply.text);
            return Ok(reply);
        }
        let reply = self.inner.stream(cx, request, on_text).await?;
        self.keep(name, request, &reply);
        Ok(reply)
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}
