//! Replaying: an LLM that replies what a cassette holds.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::cassette::{Asked, Call, Cassette};
use super::{Capabilities, ChatModel, ChatReply, ChatRequest};
use crate::cx::Cx;
use crate::error::{Error, Result};

/// An LLM that replies what a cassette holds, and calls no one.
///
/// A request is answered with the reply to the same request: the same whole prompt, schema, limit of tokens,
/// temperature and images. Each recorded call is used once, in order of recording; a request that was recorded
/// fewer times than it is asked gets the last one's reply again. A recorded failure fails the same way.
///
/// Tokens and times are the recorded ones; a replay costs nothing, so no cost is reported.
///
/// # Why an unknown request is an error
/// A reply to another question would look like an answer. The error names the first place where the request
/// differs from the recorded one that is nearest to it, of those not used yet.
#[derive(Debug)]
pub struct Replay {
    cassette: Cassette,
    used: Mutex<Vec<bool>>,
}

impl Replay {
    /// Replays the cassette of a folder.
    ///
    /// # Errors
    /// As [`Cassette::read`].
    pub fn open(folder: &Path) -> Result<Self> {
        Cassette::read(folder).map(Self::new)
    }

    /// Replays a cassette.
    pub fn new(cassette: Cassette) -> Self {
        let used = Mutex::new(vec![false; cassette.calls.len()]);
        Self { cassette, used }
    }

    /// How many recorded calls were not asked for so far.
    pub fn unused(&self) -> usize {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).iter().filter(|used| !**used).count()
    }

    fn find(&self, asked: &Asked) -> Result<&Call> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let mut last = None;
        for (call, used) in self.cassette.calls.iter().zip(used.iter_mut()) {
            if call.asked == *asked {
                last = Some(call);
                if !*used {
                    *used = true;
                    break;
                }
            }
        }
        last.ok_or_else(|| self.unknown(asked, &used))
    }

    fn unknown(&self, asked: &Asked, used: &[bool]) -> Error {
        let all = || self.cassette.calls.iter().enumerate();
        let differ = |(n, call): (usize, &Call)| Some((asked.difference(&call.asked)?, n));
        let unused = all().filter(|(n, _)| used.get(*n) == Some(&false)).filter_map(differ);
        // Of equally near ones, the first: the number counts down.
        let nearest = |found: &(super::cassette::Difference, usize)| (found.0.clone(), std::cmp::Reverse(found.1));
        let found = unused.max_by_key(nearest).or_else(|| all().filter_map(differ).max_by_key(nearest));
        let why = found.map_or_else(
            || "nothing was recorded".to_owned(),
            |(difference, n)| format!("compared to call {} of the cassette, {difference}", n + 1),
        );
        Error::invalid(format!("no recorded call fits this LLM call: {why}; record it again with `--record`"))
    }
}

#[async_trait]
impl ChatModel for Replay {
    async fn complete(&self, cx: &Cx, request: &ChatRequest) -> Result<ChatReply> {
        cx.check()?;
        match &self.find(&Asked::from(request))?.outcome {
            Ok(reply) => {
                let mut reply = reply.clone();
                reply.usage.cost_usd = None;
                Ok(reply)
            }
            Err(failure) => Err(Error::new(failure.kind, failure.message.clone())),
        }
    }

    fn capabilities(&self) -> Capabilities {
        let header = &self.cassette.header;
        Capabilities {
            model: header.model.clone(),
            context: header.context,
            constrained: header.constrained,
            images: header.images,
        }
    }
}
