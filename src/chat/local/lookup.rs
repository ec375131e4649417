//! Prompt lookup decoding: what was written after the same words before is read along, as a draft.
//!
//! Replies repeat much of what stands in the prompt, and a few tokens cost little more to read
//! than one. Every token is still chosen from its own state, which does not depend on what is read
//! with it: a draft that was wrong costs its reading, and changes nothing.
//!
//! Source: A. Saxena, "Prompt Lookup Decoding", 2023, after Leviathan et al., "Fast Inference from
//! Transformers via Speculative Decoding", 2023.

use super::engine::{BLOCK, Call, Engine, Session};
use crate::error::Result;

/// Most tokens of a draft, and most that are compared: a draft is as long as what came before it was the same.
const MOST: usize = 8;

/// Reads tokens and drafts of what may follow them.
#[derive(Default)]
pub(super) struct Lookup {
    /// Tokens that were read after those decided on.
    draft: Vec<u32>,
    /// States of the tokens read last, the draft's at the end.
    states: Vec<f32>,
}

impl Lookup {
    /// Tokens that `session` holds without the draft.
    pub(super) fn held(&self, session: &Session) -> usize {
        session.held() - self.draft.len()
    }

    /// Reads `tokens`, unless they were drafted; returns the state of the last of them.
    pub(super) fn read(
        &mut self,
        engine: &Engine,
        call: &Call,
        session: &mut Session,
        tokens: &[u32],
    ) -> Result<Vec<f32>> {
        let right = self.draft.iter().zip(tokens).take_while(|(a, b)| a == b).count();
        let left = self.draft.split_off(right);
        if right == tokens.len() && right > 0 {
            self.draft = left;
        } else {
            session.trim(session.held() - left.len());
            let new = tokens.get(right..).unwrap_or_default();
            let context = engine.context().saturating_sub(session.held() + new.len());
            let block = BLOCK.saturating_sub(new.len());
            self.draft = draft(session.tokens(), new, context.min(block));
            self.states = engine.read(call, session, &[new, &self.draft].concat())?;
        }
        let width = engine.model().shape().width;
        let last = self.states.len().saturating_sub((self.draft.len() + 1) * width);
        Ok(self.states.iter().skip(last).take(width).copied().collect())
    }
}

/// A guess at the tokens that come after `held` and `new`, by prompt lookup: what followed, the last time, the longest
/// run of tokens that the two end with.
///
/// Runs count up to 8 tokens, and a draft is no longer than its run was, or than `most`; it is empty when the last
/// token is new. Time grows with the number of tokens. For a decoder of one's own: whether a draft is right is for the
/// model to say.
///
/// ```
/// use lavr::chat::local::draft;
///
/// assert_eq!(draft(&[1, 2, 3, 4, 1], &[2], 8), [3, 4]);
/// ```
pub fn draft(held: &[u32], new: &[u32], most: usize) -> Vec<u32> {
    let all = [held, new].concat();
    let same = |end: usize| (1..=MOST.min(end)).take_while(|n| all[end - n] == all[all.len() - n]).count();
    // Of two runs that are as long, `max_by_key` takes the later one.
    match (1..all.len()).map(|end| (same(end), end)).max_by_key(|(long, _)| *long) {
        Some((long, end)) => all[end..].iter().take(long.min(most)).copied().collect(),
        None => Vec::new(),
    }
}
