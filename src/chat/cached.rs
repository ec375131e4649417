//! Replies kept in a file: what was asked before is not asked again.
//!
//! The file is JSON lines: a header, then a reply a line, under the digest of what was asked. `docs/FORMATS.md` has the
//! form. Prompts do not stand in it, replies do.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
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
/// are kept: others are meant to be answered differently each time. Failures are not kept. An LLM is known by its name
/// alone: when other weights come under the same name, the file has to go.
///
/// Nothing is made ready ahead of calls, since there may be none. Several processes can share a file; each sees what
/// was in it when it began.
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

    fn keep(&self, name: Option<String>, reply: &ChatReply) -> Result<()> {
        let Some(request) = name else { return Ok(()) };
        let line = Line { request, reply: reply.into() };
        self.state().add(line).map_err(|e| e.context(format!("replies `{}`", self.path.display())))
    }
}

impl State {
    fn open(path: &Path) -> Result<Self> {
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let mut text = String::new();
        if (&mut file).take(MAX_BYTES + 1).read_to_string(&mut text)? as u64 > MAX_BYTES {
            return Err(Error::invalid(format!("it has more than {MAX_BYTES} bytes; name another file")));
        }
        // A last line without its end was cut off when its writer was killed.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        if whole < text.len() {
            file.set_len(whole as u64)?;
            file.seek(SeekFrom::End(0))?;
        }
        let mut state = Self { file, replies: HashMap::new() };
        let mut lines = text.get(..whole).unwrap_or_default().lines().enumerate();
        match lines.next() {
            None => state.write(&Header { replies: FORMAT })?,
            Some((_, first)) => header(first)?,
        }
        for (n, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let line: Line = serde_json::from_str(line)
                .map_err(|e| Error::invalid(format!("line {} is no reply: {e}", n + 1)).with_source(e))?;
            state.replies.insert(line.request, line.reply);
        }
        Ok(state)
    }

    fn add(&mut self, line: Line) -> Result<()> {
        if !self.replies.contains_key(&line.request) {
            self.write(&line)?;
            self.replies.insert(line.request, line.reply);
        }
        Ok(())
    }

    /// Writes a line in one piece, so that the lines of several processes do not mix.
    fn write(&mut self, line: &impl Serialize) -> Result<()> {
        let mut bytes =
            serde_json::to_vec(line).map_err(|e| Error::internal("a reply has no JSON form").with_source(e))?;
        bytes.push(b'\n');
        let failed = |e: std::io::Error| Error::new(ErrorKind::Io, format!("it cannot be written: {e}")).with_source(e);
        self.file.write_all(&bytes).map_err(failed)
    }
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
        self.keep(name, &reply)?;
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
        self.keep(name, &reply)?;
        Ok(reply)
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}
