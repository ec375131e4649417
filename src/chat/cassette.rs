//! Cassettes: LLM calls on file, as they were asked and answered.
//!
//! `DIR/cassette.jsonl` begins with a header; then come the calls, one a line, in the order in which they ended.
//! What many calls share stands in lines of its own before them, named by its digest: the constant beginning of
//! prompts, and schemas. `docs/FORMATS.md` has the form. Requests stand in it as the agent made them, above the
//! transport: no key, no address with a password.

mod difference;
mod line;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

pub use self::difference::Difference;
pub use self::line::{CallLine, Header, Line, PrefixLine, ReplyLine, RequestLine, SchemaLine, UsageLine};

use super::{ChatReply, ChatRequest};
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::observation::Failure;

/// The file's name in its folder.
pub const FILE: &str = "cassette.jsonl";
/// The format that this version writes, and the newest it reads.
pub const FORMAT: u32 = 1;

/// Where a folder's cassette is.
pub fn path(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// A request as a cassette holds it: what the LLM sees, and no more.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The whole prompt, in order.
    pub messages: Vec<Message>,
    /// The schema of the reply.
    pub schema: Option<Json>,
    /// Most tokens of the reply.
    pub max_tokens: u32,
    /// Sampling temperature.
    pub temperature: f32,
    /// The digests of the images.
    pub images: Vec<String>,
}

impl From<&ChatRequest> for Asked {
    fn from(request: &ChatRequest) -> Self {
        Self {
            messages: request.prompt().cloned().collect(),
            schema: request.schema.clone(),
            max_tokens: request.max_tokens,
            temperature: request.temperature,
            images: request.images.iter().map(|image| image.digest().to_owned()).collect(),
        }
    }
}

/// One recorded call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// What was asked.
    pub asked: Asked,
    /// What was replied, or how the call failed.
    pub outcome: std::result::Result<ChatReply, Failure>,
}

/// A cassette that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Cassette {
    /// Who recorded it, and when.
    pub header: Header,
    /// The calls, in order of recording.
    pub calls: Vec<Call>,
}

impl Cassette {
    /// Reads the cassette of a folder.
    ///
    /// # Errors
    /// `NotFound` when there is no such folder or no cassette in it, `Io` when it cannot be read, and those of
    /// [`Cassette::parse`].
    pub fn read(folder: &Path) -> Result<Self> {
        let shown = folder.display();
        if !folder.is_dir() {
            return Err(Error::new(ErrorKind::NotFound, format!("there is no folder `{shown}` to replay")));
        }
        let path = path(folder);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let text = format!("`{shown}` holds no {FILE}; record one with `--record {shown}`");
                return Err(Error::new(ErrorKind::NotFound, text));
            }
            Err(e) => return Err(Error::from(e).context(format!("cassette `{}`", path.display()))),
        };
        Self::parse(&String::from_utf8_lossy(&bytes)).map_err(|e| e.context(format!("cassette `{}`", path.display())))
    }

    /// Reads a cassette's text. A last line without its end, cut off when a recording was killed, is left out.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty line, or saying that the format is a newer one.
    pub fn parse(text: &str) -> Result<Self> {
        let whole = text.rfind('\n').map_or("", |end| text.get(..=end).unwrap_or_default());
        let mut lines = whole.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let Some((n, first)) = lines.next() else {
            return Err(Error::invalid("it is empty; nothing was recorded"));
        };
        let header = header(first).map_err(|e| e.context(format!("line {}", n + 1)))?;
        let mut shared = Shared::default();
        let mut calls = Vec::new();
        for (n, line) in lines {
            let faulty = |why: String| Error::invalid(format!("line {} is faulty: {why}", n + 1));
            match serde_json::from_str::<Line>(line).map_err(|e| faulty(e.to_string()))? {
                Line::Prefix(prefix) => drop(shared.prefixes.insert(prefix.prefix, prefix.messages)),
                Line::Schema(schema) => drop(shared.schemas.insert(schema.schema, schema.json)),
                Line::Call(call) => calls.push(shared.call(*call).map_err(faulty)?),
            }
        }
        Ok(Self { header, calls })
    }
}

fn header(line: &str) -> Result<Header> {
    #[derive(Deserialize)]
    struct Format {
        cassette: u32,
    }
    let faulty = |e: serde_json::Error| Error::invalid(format!("it is no cassette's header: {e}"));
    let format: Format = serde_json::from_str(line).map_err(faulty)?;
    if format.cassette > FORMAT {
        return Err(Error::invalid(format!(
            "the cassette is of format {}, and this version of lavr knows {FORMAT} at most; use a newer one",
            format.cassette
        )));
    }
    serde_json::from_str(line).map_err(faulty)
}

/// What calls share, by the name the cassette gives it.
#[derive(Default)]
struct Shared {
    prefixes: HashMap<String, Vec<Message>>,
    schemas: HashMap<String, Json>,
}

impl Shared {
    fn call(&self, line: CallLine) -> std::result::Result<Call, String> {
        let RequestLine { prefix, messages, schema, max_tokens, temperature, images } = line.request;
        let missing = |what: &str, name: &str| format!("there is no {what} `{name}` before it");
        let mut prompt = match &prefix {
            Some(name) => self.prefixes.get(name).ok_or_else(|| missing("prefix", name))?.clone(),
            None => Vec::new(),
        };
        prompt.extend(messages);
        let schema = match &schema {
            Some(name) => Some(self.schemas.get(name).ok_or_else(|| missing("schema", name))?.clone()),
            None => None,
        };
        let outcome = match (line.reply, line.error) {
            (Some(reply), None) => Ok(reply.into()),
            (None, Some(error)) => Err(error),
            _ => return Err("a call has either a `reply` or an `error`".to_owned()),
        };
        let asked = Asked { messages: prompt, schema, max_tokens, temperature, images };
        Ok(Call { asked, outcome })
    }
}

/// The name by which lines refer to something that many calls share.
pub(super) fn name_of(value: &impl Serialize) -> Result<String> {
    let json = serde_json::to_vec(value).map_err(|e| Error::internal("a request has no JSON form").with_source(e))?;
    Ok(format!("sha256:{}", hex::encode(Sha256::digest(json))))
}
