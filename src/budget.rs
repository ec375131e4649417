//! Limits of one run, and the meter that counts against them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::answer::Usage;
use crate::error::{Error, ErrorKind, Result};

/// The limits of one run. Reaching one ends the run with what is known by then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Most steps a run may execute.
    pub max_steps: u64,
    /// Most rounds of planning (a repair is not a round).
    pub max_rounds: u64,
    /// Most LLM tokens, prompt (without what a prefix cache held) and reply together.
    pub max_tokens: u64,
    /// Wall-clock limit of the whole run, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { max_steps: 24, max_rounds: 8, max_tokens: 50_000, timeout_ms: 300_000 }
    }
}

/// Stands for a wall-clock limit that no clock can hold.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// Counts what a run has used. Clones share the same counters.
#[derive(Debug, Clone)]
pub struct Meter(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    budget: Budget,
    started: Instant,
    steps: AtomicU64,
    rounds: AtomicU64,
    prompt_tokens: AtomicU64,
    cached_tokens: AtomicU64,
    completion_tokens: AtomicU64,
    llm_calls: AtomicU64,
    reused_calls: AtomicU64,
    cost_usd: Mutex<Option<f64>>,
}

impl Meter {
    /// Starts counting now.
    pub fn start(budget: Budget) -> Self {
        Self(Arc::new(Counters {
            budget,
            started: Instant::now(),
            steps: AtomicU64::new(0),
            rounds: AtomicU64::new(0),
            prompt_tokens: AtomicU64::new(0),
            cached_tokens: AtomicU64::new(0),
            completion_tokens: AtomicU64::new(0),
            llm_calls: AtomicU64::new(0),
            reused_calls: AtomicU64::new(0),
            cost_usd: Mutex::new(None),
        }))
    }

    /// The limits this meter counts against.
    pub fn budget(&self) -> &Budget {
        &self.0.budget
    }

    /// Time since the run began.
    pub fn elapsed(&self) -> Duration {
        self.0.started.elapsed()
    }

    /// The moment the wall-clock limit is reached; a limit beyond what a clock can hold is years away.
    pub fn deadline(&self) -> Instant {
        let started = self.0.started;
        let limit = Duration::from_millis(self.0.budget.timeout_ms);
        started.checked_add(limit).unwrap_or_else(|| started + FAR)
    }

    /// Wall-clock time left, zero when used up.
    pub fn remaining(&self) -> Duration {
        self.deadline().saturating_duration_since(Instant::now())
    }

    /// Steps executed so far.
    pub fn steps(&self) -> u64 {
        self.0.steps.load(Ordering::Relaxed)
    }

    /// Rounds of planning so far.
    pub fn rounds(&self) -> u64 {
        self.0.rounds.load(Ordering::Relaxed)
    }

    /// LLM tokens so far: prompts as far as they were computed, and replies.
    pub fn tokens(&self) -> u64 {
        self.0.prompt_tokens.load(Ordering::Relaxed) + self.0.completion_tokens.load(Ordering::Relaxed)
    }

    /// Everything the run has used so far.
    pub fn usage(&self) -> Usage {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Usage {
            llm_calls: load(&self.0.llm_calls),
            reused_calls: load(&self.0.reused_calls),
            prompt_tokens: load(&self.0.prompt_tokens),
            cached_tokens: load(&self.0.cached_tokens),
            completion_tokens: load(&self.0.completion_tokens),
            steps: self.steps(),
            rounds: self.rounds(),
            cost_usd: *self.0.cost_usd.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Fails with [`ErrorKind::Budget`] when the wall-clock or token limit is reached.
    pub fn check(&self) -> Result<()> {
        if self.remaining().is_zero() {
            return Err(spent("wall-clock", &format!("{} ms", self.0.budget.timeout_ms), "--timeout"));
        }
        if self.tokens() >= self.0.budget.max_tokens {
            return Err(spent("token", &self.0.budget.max_tokens, "--max-tokens"));
        }
        Ok(())
    }

    /// Counts one step, or fails when no step is left.
    pub fn take_step(&self) -> Result<()> {
        self.check()?;
        take(&self.0.steps, self.0.budget.max_steps)
            .ok_or_else(|| spent("step", &self.0.budget.max_steps, "--max-steps"))
    }

    /// Counts one round, or fails when no round is left.
    pub fn take_round(&self) -> Result<()> {
        self.check()?;
        take(&self.0.rounds, self.0.budget.max_rounds)
            .ok_or_else(|| spent("round", &self.0.budget.max_rounds, "--max-rounds"))
    }

    /// Counts prompt tokens that were computed ahead of a call.
    pub fn add_tokens(&self, prompt: u64) {
        self.0.prompt_tokens.fetch_add(prompt, Ordering::Relaxed);
    }

    /// Counts what an LLM call cost, in US dollars.
    pub fn add_cost(&self, usd: f64) {
        let mut cost = self.0.cost_usd.lock().unwrap_or_else(PoisonError::into_inner);
        *cost = Some(cost.unwrap_or_default() + usd);
    }

    /// Counts an LLM call, counted already, as one whose reply came from an earlier call.
    pub fn add_reused_call(&self) {
        self.0.reused_calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one LLM call with its tokens.
    pub fn add_llm_call(&self, prompt: u64, cached: u64, completion: u64) {
        self.0.llm_calls.fetch_add(1, Ordering::Relaxed);
        self.0.prompt_tokens.fetch_add(prompt, Ordering::Relaxed);
        self.0.cached_tokens.fetch_add(cached, Ordering::Relaxed);
        self.0.completion_tokens.fetch_add(completion, Ordering::Relaxed);
    }
}

fn take(counter: &AtomicU64, limit: u64) -> Option<()> {
    counter
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| (used < limit).then_some(used + 1))
        .ok()
        .map(|_| ())
}

fn spent(what: &str, limit: &dyn std::fmt::Display, option: &str) -> Error {
    Error::new(ErrorKind::Budget, format!("the {what} budget of {limit} is used up; raise it with `{option}`"))
}
