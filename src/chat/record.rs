//! Recording: an LLM whose calls are written to a cassette.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use async_trait::async_trait;
use serde::Serialize;

use super::cassette::{self, CallLine, FORMAT, Header, PrefixLine, ReplyLine, RequestLine, SchemaLine};
use super::{Capabilities, ChatModel, ChatReply, ChatRequest, ChatUsage};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::observation::Failure;

/// Writes a cassette, line by line. Each line is written whole, when its call has ended.
#[derive(Debug)]
pub struct CassetteWriter {
    path: PathBuf,
    header: Header,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    calls: u64,
    /// The header is written.
    begun: bool,
    /// Bytes of whole lines.
    whole: u64,
    named: HashSet<String>,
}

impl CassetteWriter {
    /// Begins a cassette in a folder, which is made when there is none.
    ///
    /// # Errors
    /// `InvalidInput` when the folder holds a cassette already, `Io` when it cannot be written.
    pub fn create(folder: &Path, llm: &Capabilities) -> Result<Self> {
        let path = cassette::path(folder);
        let failed = |e: std::io::Error| failed(&path, &e);
        fs::create_dir_all(folder).map_err(failed)?;
        if fs::metadata(&path).is_ok_and(|info| info.len() > 0) {
            return Err(Error::invalid(format!(
                "`{}` was recorded before and is not written over; name another folder, or remove that file",
                path.display()
            )));
        }
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
        let header = Header {
            cassette: FORMAT,
            lavr: env!("CARGO_PKG_VERSION").to_owned(),
            model: llm.model.clone(),
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            context: llm.context,
            constrained: llm.constrained,
            images: llm.images,
        };
        Ok(Self {
            path,
            header,
            state: Mutex::new(State { file, calls: 0, begun: false, whole: 0, named: HashSet::new() }),
        })
    }

    /// Appends a call.
    ///
    /// # Errors
    /// `Io` naming the file, e.g. when the disk is full.
    pub fn append(&self, request: &ChatRequest, outcome: &Result<ChatReply>) -> Result<()> {
        let mut state = self.state.lock().map_err(|_| Error::internal("the cassette's lock is poisoned"))?;
        if !state.begun {
            self.write(&mut state, &self.header)?;
            state.begun = true;
        }
        let prefix = self.prefix(&mut state, &request.prefix)?;
        let schema = match &request.schema {
            Some(json) => {
                let name = cassette::name_of(json)?;
                let line = SchemaLine { schema: name.clone(), json: json.clone() };
                self.once(&mut state, &name, &line)?;
                Some(name)
            }
            None => None,
        };
        state.calls += 1;
        let line = CallLine {
            call: state.calls,
            request: RequestLine {
                prefix,
                messages: request.messages.clone(),
                schema,
                max_tokens: request.max_tokens,
                temperature: request.temperature,
                images: request.images.iter().map(|image| image.digest().to_owned()).collect(),
            },
            reply: outcome.as_ref().ok().map(ReplyLine::from),
            error: outcome.as_ref().err().map(Failure::from),
        };
        self.write(&mut state, &line)
    }

    fn prefix(&self, state: &mut State, messages: &[Message]) -> Result<Option<String>> {
        if messages.is_empty() {
            return Ok(None);
        }
        let name = cassette::name_of(&messages)?;
        self.once(state, &name, &PrefixLine { prefix: name.clone(), messages: messages.to_vec() })?;
        Ok(Some(name))
    }

    /// Writes a line unless the one of this name stands there.
    fn once(&self, state: &mut State, name: &str, line: &impl Serialize) -> Result<()> {
        if !state.named.contains(name) {
            self.write(state, line)?;
            state.named.insert(name.to_owned());
        }
        Ok(())
    }

    fn write(&self, state: &mut State, line: &impl Serialize) -> Result<()> {
        let mut bytes =
            serde_json::to_vec(line).map_err(|e| Error::internal("a call has no JSON form").with_source(e))?;
        bytes.push(b'\n');
        let written = state.file.write_all(&bytes).and_then(|()| state.file.flush());
        match &written {
            Ok(()) => state.whole += bytes.len() as u64,
            // Half a line would spoil the lines after it. When this fails too, the reader names the line.
            Err(_) => drop(state.file.set_len(state.whole)),
        }
        written.map_err(|e| failed(&self.path, &e))
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cassette `{}` cannot be written: {error}", path.display()))
}

/// An LLM whose calls are written to a cassette, replies and failures alike.
///
/// A call that the run's end stopped is not written: it has no outcome of its own.
pub struct Recorded {
    inner: Arc<dyn ChatModel>,
    cassette: CassetteWriter,
}

impl Recorded {
    /// Records the calls of an LLM into a folder.
    ///
    /// # Errors
    /// As [`CassetteWriter::create`].
    pub fn new(inner: Arc<dyn ChatModel>, folder: &Path) -> Result<Self> {
        let cassette = CassetteWriter::create(folder, &inner.capabilities())?;
        Ok(Self { inner, cassette })
    }

    fn keep(&self, request: &ChatRequest, outcome: Result<ChatReply>) -> Result<ChatReply> {
        let stopped = |e: &Error| matches!(e.kind(), ErrorKind::Cancelled | ErrorKind::Budget);
        if !outcome.as_ref().is_err_and(stopped) {
            self.cassette.append(request, &outcome)?;
        }
        outcome
    }
}

#[async_trait]
impl ChatModel for Recorded {
    async fn complete(&self, cx: &Cx, request: &ChatRequest) -> Result<ChatReply> {
        let outcome = self.inner.complete(cx, request).await;
        self.keep(request, outcome)
    }

    async fn stream(
        &self,
        cx: &Cx,
        request: &ChatRequest,
        on_text: &mut (dyn for<'a> FnMut(&'a str) + Send),
    ) -> Result<ChatReply> {
        let outcome = self.inner.stream(cx, request, on_text).await;
        self.keep(request, outcome)
    }

    async fn warm(&self, cx: &Cx, prefix: &[Message]) -> Result<ChatUsage> {
        self.inner.warm(cx, prefix).await
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}
