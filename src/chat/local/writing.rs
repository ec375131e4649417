//! One reply being written: forced tokens, chosen tokens, and when it is over.

use std::time::Instant;

use super::engine::{Call, Engine, OnText, Session};
use super::grammar::Grammar;
use super::lookup::Lookup;
use super::sample::Sampler;
use super::template::Prompt;
use super::text::Text;
use crate::chat::{ChatReply, ChatUsage, FinishReason};
use crate::error::{Error, ErrorKind, Result};

/// A reply being written.
pub(super) struct Writing<'a> {
    pub(super) engine: &'a Engine,
    pub(super) call: &'a Call,
    pub(super) grammar: Option<Grammar>,
    pub(super) sampler: Sampler,
    /// Most tokens of the reply.
    pub(super) limit: usize,
    pub(super) usage: ChatUsage,
    pub(super) started: Instant,
    pub(super) text: Text,
    pub(super) lookup: Lookup,
}

impl Writing<'_> {
    /// Writes the reply to `prompt`, whose prefix `session` holds.
    ///
    /// Forced tokens are not computed one by one: they go with the token chosen before them, and
    /// the ones at the beginning with the end of the prompt.
    pub(super) fn run(mut self, session: &mut Session, prompt: &Prompt, on_text: OnText<'_>) -> Result<ChatReply> {
        let mut pending = self.rest(session, prompt);
        let finish = loop {
            let (forced, cut) = self.forced()?;
            self.put(&forced, on_text);
            pending.extend(forced);
            if let Some(finish) = self.over(cut, self.lookup.held(session) + pending.len()) {
                break finish;
            }
            let states = self.lookup.read(self.engine, self.call, session, &pending)?;
            if self.usage.prompt_time.is_zero() {
                self.usage.prompt_time = self.started.elapsed();
            }
            let token = self.choose(&states)?;
            if self.engine.tokens().is_stop(token) {
                break FinishReason::Stop;
            }
            self.put(&[token], on_text);
            pending = vec![token];
        };
        self.usage.completion_time = self.started.elapsed().saturating_sub(self.usage.prompt_time);
        Ok(ChatReply { text: self.text.finish(), finish, usage: self.usage })
    }

    /// Goes back to what the session shares with the prompt; returns the tokens still to be read.
    fn rest(&mut self, session: &mut Session, prompt: &Prompt) -> Vec<u32> {
        let whole: Vec<u32> = prompt.prefix.iter().chain(&prompt.rest).copied().collect();
        let shared = session.share(&whole);
        let rest = whole.get(shared..).unwrap_or_default().to_vec();
        self.usage.cached_tokens = (shared as u64).saturating_sub(self.usage.prompt_tokens);
        self.usage.prompt_tokens += rest.len() as u64;
        self.call.spend(rest.len());
        rest
    }

    /// The tokens that the schema forces now, and whether the limit cut them off.
    fn forced(&mut self) -> Result<(Vec<u32>, bool)> {
        let Some(grammar) = &mut self.grammar else { return Ok((Vec::new(), false)) };
        let mut forced = grammar.forced()?;
        let left = self.limit.saturating_sub(usize::try_from(self.usage.completion_tokens).unwrap_or(usize::MAX));
        let cut = forced.len() > left;
        forced.truncate(left);
        self.usage.forced_tokens += forced.len() as u64;
        Ok((forced, cut))
    }

    fn put(&mut self, tokens: &[u32], on_text: OnText<'_>) {
        self.usage.completion_tokens += tokens.len() as u64;
        self.call.spend(tokens.len());
        for token in tokens {
            let piece = self.text.push(self.engine.tokens().bytes(*token));
            if !piece.is_empty() {
                on_text(piece);
            }
        }
    }

    fn over(&self, cut: bool, tokens: usize) -> Option<FinishReason> {
        if !cut && self.grammar.as_ref().is_some_and(Grammar::done) {
            return Some(FinishReason::Stop);
        }
        let full = self.usage.completion_tokens >= self.limit as u64 || tokens >= self.engine.context();
        (cut || full).then_some(FinishReason::Length)
    }

    fn choose(&mut self, states: &[f32]) -> Result<u32> {
        let logits = self.engine.model().logits(states)?;
        let allowed = self.grammar.as_mut().map(Grammar::allowed).transpose()?;
        let token = self
            .sampler
            .choose(&logits, allowed.as_ref())
            .ok_or_else(|| Error::new(ErrorKind::Model, "the schema allows no further token"))?;
        if let Some(grammar) = &mut self.grammar {
            grammar.take(token)?;
        }
        Ok(token)
    }
}
