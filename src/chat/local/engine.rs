//! The embedded LLM itself: one model, the states of its prefixes, and the loop that writes replies.

use std::cell::Cell;
use std::path::Path;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::LocalOptions;
use super::gguf::Gguf;
use super::grammar::Grammars;
use super::kv::Kv;
use super::lookup::Lookup;
use super::model::Model;
use super::prefix::PrefixFiles;
use super::sample::Sampler;
use super::template::Template;
use super::text::Text;
use super::tokens::Tokens;
use super::writing::Writing;
use crate::chat::{ChatReply, ChatRequest, ChatUsage};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;

/// Tokens read at once. Between blocks the run may be cancelled.
pub(super) const BLOCK: usize = 64;

/// Prefixes whose state is kept in memory.
const SESSIONS: usize = 3;

/// Receives text as it is written.
pub(super) type OnText<'a> = &'a mut dyn FnMut(&str);

/// The run that a call belongs to, and whether somebody still waits for the reply.
pub(super) struct Call {
    cx: Cx,
    stop: CancellationToken,
    /// Tokens of this call so far; they reach the run's meter when the call is over.
    used: Cell<u64>,
}

impl Call {
    /// A call of the run `cx` that `stop` ends.
    pub(super) fn new(cx: Cx, stop: CancellationToken) -> Self {
        Self { cx, stop, used: Cell::new(0) }
    }

    /// Counts tokens against the run's budget.
    pub(super) fn spend(&self, tokens: usize) {
        self.used.set(self.used.get() + tokens as u64);
    }

    fn check(&self) -> Result<()> {
        if self.stop.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "nobody waits for the reply any more"));
        }
        self.cx.check()?;
        let limit = self.cx.meter().budget().max_tokens;
        if self.cx.meter().tokens() + self.used.get() > limit {
            let why =
                format!("the token budget of {limit} is used up in the middle of a call; raise it with `max_tokens`");
            return Err(Error::new(ErrorKind::Budget, why));
        }
        Ok(())
    }
}

/// What was read after one prefix.
pub(super) struct Session {
    prefix: Vec<u32>,
    /// All tokens whose keys and values are held, the prefix first.
    tokens: Vec<u32>,
    kv: Kv,
}

impl Session {
    /// Tokens held.
    pub(super) fn held(&self) -> usize {
        self.tokens.len()
    }

    /// The tokens held.
    pub(super) fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Forgets all tokens from `len` on.
    pub(super) fn trim(&mut self, len: usize) {
        self.tokens.truncate(len);
        self.kv.trim(len);
    }

    /// Forgets what `prompt` does not begin with, and at least the prompt's last token, whose
    /// state is needed; returns how many tokens are left.
    pub(super) fn share(&mut self, prompt: &[u32]) -> usize {
        let same = self.tokens.iter().zip(prompt).take_while(|(a, b)| a == b).count();
        let shared = same.min(prompt.len().saturating_sub(1));
        self.trim(shared);
        shared
    }
}

/// A loaded model with all it needs to chat.
pub(super) struct Engine {
    model: Model,
    tokens: Tokens,
    template: Template,
    grammars: Grammars,
    files: Option<PrefixFiles>,
    /// Most recently used last.
    sessions: Vec<Session>,
    context: usize,
    seed: Option<u64>,
}

impl Engine {
    /// Loads a model file.
    pub(super) fn load(path: &Path, options: &LocalOptions) -> Result<Self> {
        let file = Gguf::open(path)?;
        let ((tokens, grammars), model) = std::thread::scope(|scope| {
            let words = scope.spawn(|| {
                let tokens = Tokens::read(&file)?;
                let grammars = Grammars::new(&tokens)?;
                Ok::<_, Error>((tokens, grammars))
            });
            let model = Model::load(&file, options.context as usize);
            let words = words.join().unwrap_or_else(|_| Err(Error::internal("reading the vocabulary failed")));
            Ok::<_, Error>((words?, model?))
        })?;
        Ok(Self {
            template: Template::read(&file, &tokens)?,
            files: options.prefix_dir.clone().map(|dir| PrefixFiles::new(dir, file.identity())),
            context: model.shape().context.min(options.context as usize),
            model,
            tokens,
            grammars,
            sessions: Vec::new(),
            seed: options.seed,
        })
    }

    /// Tokens of context.
    pub(super) fn context(&self) -> usize {
        self.context
    }

    /// The forward pass.
    pub(super) fn model(&self) -> &Model {
        &self.model
    }

    /// The vocabulary.
    pub(super) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Makes the state of a prefix ready.
    pub(super) fn warm(&mut self, call: &Call, prefix: &[Message]) -> Result<ChatUsage> {
        let tokens = self.template.prefix(&self.tokens, prefix)?;
        self.check_length(tokens.len())?;
        let mut usage = ChatUsage::default();
        let session = self.session(call, &tokens, &mut usage)?;
        self.keep(session);
        Ok(usage)
    }

    /// Writes a reply.
    pub(super) fn complete(&mut self, call: &Call, request: &ChatRequest, on_text: OnText<'_>) -> Result<ChatReply> {
        let started = Instant::now();
        let prompt = self.template.prompt(&self.tokens, &request.prefix, &request.messages)?;
        self.check_length(prompt.prefix.len() + prompt.rest.len())?;
        let grammar = request.schema.as_ref().map(|schema| self.grammars.start(schema)).transpose()?;
        let mut usage = ChatUsage::default();
        let mut session = self.session(call, &prompt.prefix, &mut usage)?;
        let writing = Writing {
            engine: self,
            call,
            grammar,
            sampler: Sampler::new(request.temperature, self.seed.unwrap_or_else(arbitrary)),
            limit: request.max_tokens as usize,
            usage,
            started,
            text: Text::default(),
            lookup: Lookup::default(),
        };
        let reply = writing.run(&mut session, &prompt, on_text);
        self.keep(session);
        reply
    }

    /// The tokens of a prompt.
    pub(super) fn prompt_tokens(&self, prefix: &[Message], messages: &[Message]) -> Result<Vec<u32>> {
        let prompt = self.template.prompt(&self.tokens, prefix, messages)?;
        Ok([prompt.prefix, prompt.rest].concat())
    }

    /// Scores of every token to follow `tokens`.
    pub(super) fn logits(&self, call: &Call, tokens: &[u32]) -> Result<Vec<f32>> {
        self.check_length(tokens.len())?;
        let mut session = Session { prefix: Vec::new(), tokens: Vec::new(), kv: Kv::new(self.model.shape()) };
        let states = self.read(call, &mut session, tokens)?;
        if states.is_empty() { Err(Error::invalid("there are no tokens")) } else { self.model.logits(&states) }
    }

    fn check_length(&self, tokens: usize) -> Result<()> {
        if tokens < self.context {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "the prompt has {tokens} tokens, but the LLM's context holds {}, the reply included; ask a shorter question",
            self.context
        )))
    }

    /// The session of a prefix: from memory, from disk, or computed. It may hold more than the prefix.
    fn session(&mut self, call: &Call, prefix: &[u32], usage: &mut ChatUsage) -> Result<Session> {
        if let Some(at) = self.sessions.iter().position(|s| s.prefix == prefix) {
            return Ok(self.sessions.remove(at));
        }
        let shape = self.model.shape();
        let stored = self.files.as_ref().filter(|_| !prefix.is_empty()).and_then(|f| f.load(shape, prefix));
        if let Some(kv) = stored {
            return Ok(Session { prefix: prefix.to_vec(), tokens: prefix.to_vec(), kv });
        }
        let mut session = Session { prefix: prefix.to_vec(), tokens: Vec::new(), kv: Kv::new(shape) };
        usage.prompt_tokens += prefix.len() as u64;
        call.spend(prefix.len());
        self.read(call, &mut session, prefix)?;
        if let Some(files) = self.files.as_ref().filter(|_| !prefix.is_empty()) {
            files.save(shape, prefix, &session.kv);
        }
        Ok(session)
    }

    /// Puts a session among those kept, unless its prefix was not read to the end.
    fn keep(&mut self, session: Session) {
        if session.tokens.starts_with(&session.prefix) {
            self.sessions.push(session);
        }
        let spare = self.sessions.len().saturating_sub(SESSIONS);
        self.sessions.drain(..spare);
    }

    /// Reads tokens block by block; returns the states of the last block.
    pub(super) fn read(&self, call: &Call, session: &mut Session, tokens: &[u32]) -> Result<Vec<f32>> {
        let mut states = Vec::new();
        for block in tokens.chunks(BLOCK) {
            call.check()?;
            states = self.model.read(&mut session.kv, block)?;
            session.tokens.extend_from_slice(block);
        }
        Ok(states)
    }
}

fn arbitrary() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}
