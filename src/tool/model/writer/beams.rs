//! Greedy and beam search, as Hugging Face's `generate` does them.
//!
//! Source: transformers 4.57, `GenerationMixin._beam_search`. One beam is greedy search.

/// A score that no text has.
const NEVER: f32 = -1.0e9;

/// How texts are searched for.
pub(super) struct Rules {
    pub(super) beams: usize,
    /// Most tokens of a text, with those that it begins with.
    pub(super) longest: usize,
    /// The tokens that end a text.
    pub(super) end: Vec<i64>,
    pub(super) length_penalty: f64,
    pub(super) early_stopping: bool,
    /// Whether the last place can only be taken by the first of `end`.
    pub(super) forced_end: bool,
}

/// The search for one text.
pub(super) struct Beams {
    rules: Rules,
    /// How many tokens there were to begin with.
    begin: usize,
    /// The texts that go on, all of one length, best first, with their sums of log probabilities.
    running: Vec<Vec<i64>>,
    sums: Vec<f32>,
    /// Texts that have ended, best first.
    ended: Vec<Ended>,
    can_improve: bool,
}

struct Ended {
    text: Vec<i64>,
    score: f32,
    is_real: bool,
}

/// What comes after a step.
pub(super) enum Next {
    /// Each running text goes on from one of those before.
    Go(Vec<usize>),
    Done,
}

/// A text with one more token.
struct Candidate {
    from: usize,
    token: i64,
    sum: f32,
    ends: bool,
}

impl Beams {
    pub(super) fn new(start: &[i64], rules: Rules) -> Self {
        let mut sums = vec![NEVER; rules.beams];
        // Only the first one counts, so that the beams do not all say the same.
        sums.iter_mut().take(1).for_each(|sum| *sum = 0.0);
        let none = |_| Ended { text: start.to_vec(), score: NEVER, is_real: false };
        Self {
            begin: start.len(),
            running: vec![start.to_vec(); rules.beams],
            sums,
            ended: (0..rules.beams).map(none).collect(),
            can_improve: true,
            rules,
        }
    }

    pub(super) fn running(&self) -> &[Vec<i64>] {
        &self.running
    }

    /// The best text.
    pub(super) fn best(&self) -> &[i64] {
        let ended = self.ended.first().filter(|ended| ended.is_real).map(|ended| ended.text.as_slice());
        ended.or_else(|| self.running.first().map(Vec::as_slice)).unwrap_or_default()
    }

    /// Takes what each running text might go on with.
    pub(super) fn advance(&mut self, logits: &[Vec<f32>]) -> Next {
        let length = self.running.first().map_or(0, Vec::len) + 1;
        let candidates = self.candidates(logits, length);
        self.finish(&candidates, length);
        let mut going: Vec<&Candidate> = candidates.iter().collect();
        let sum = |c: &Candidate| if c.ends { c.sum + NEVER } else { c.sum };
        going.sort_by(|a, b| sum(b).total_cmp(&sum(a)));
        going.truncate(self.rules.beams);
        let from: Vec<usize> = going.iter().map(|c| c.from).collect();
        self.sums = going.iter().map(|c| sum(c)).collect();
        self.running = going.iter().map(|c| self.extended(c)).collect();
        let full = self.rules.early_stopping && self.ended.iter().all(|ended| ended.is_real);
        let at_an_end = candidates.iter().all(|c| c.ends);
        // One beam is greedy search: the first text that ends is the one.
        let found = self.rules.beams == 1 && self.ended.iter().any(|ended| ended.is_real);
        self.can_improve &= self.may_improve(length);
        if found || full || at_an_end || !self.can_improve { Next::Done } else { Next::Go(from) }
    }

    fn extended(&self, candidate: &Candidate) -> Vec<i64> {
        let mut text = self.running.get(candidate.from).cloned().unwrap_or_default();
        text.push(candidate.token);
        text
    }

    /// The best texts with one more token: as many as leave enough to go on with when all of the best end.
    fn candidates(&self, logits: &[Vec<f32>], length: usize) -> Vec<Candidate> {
        let count = self.rules.beams * (1 + self.rules.end.len()).max(2);
        if let Some(end) = self.rules.end.first().filter(|_| self.rules.forced_end && length >= self.rules.longest) {
            // Nothing else is likely, so it costs nothing.
            let ended = |(from, sum): (usize, &f32)| Candidate { from, token: *end, sum: *sum, ends: true };
            let mut ended: Vec<Candidate> = self.sums.iter().enumerate().map(ended).collect();
            ended.sort_by(|a, b| b.sum.total_cmp(&a.sum));
            return ended;
        }
        let mut best: Vec<Candidate> = Vec::new();
        for (from, (logits, sum)) in logits.iter().zip(&self.sums).enumerate() {
            let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let all = logits.iter().map(|n| (n - most).exp()).sum::<f32>().ln() + most;
            let mut order: Vec<usize> = (0..logits.len()).collect();
            let number = |n: &usize| logits.get(*n).copied().unwrap_or(f32::NEG_INFINITY);
            order.sort_by(|a, b| number(b).total_cmp(&number(a)));
            best.extend(order.into_iter().take(count).map(|n| {
                let token = n as i64;
                let ends = self.rules.end.contains(&token) || length >= self.rules.longest;
                Candidate { from, token, sum: number(&n) - all + sum, ends }
            }));
        }
        best.sort_by(|a, b| b.sum.total_cmp(&a.sum));
        best.truncate(count);
        best
    }

    /// Keeps the texts that end, where they are among the best.
    fn finish(&mut self, candidates: &[Candidate], length: usize) {
        let full = self.rules.early_stopping && self.ended.iter().all(|ended| ended.is_real);
        if full || !self.can_improve {
            return;
        }
        let written = (length - self.begin) as f64;
        for candidate in candidates.iter().take(self.rules.beams).filter(|candidate| candidate.ends) {
            let score = (f64::from(candidate.sum) / written.powf(self.rules.length_penalty)) as f32;
            self.ended.push(Ended { text: self.extended(candidate), score, is_real: true });
        }
        self.ended.sort_by(|a, b| b.score.total_cmp(&a.score));
        self.ended.truncate(self.rules.beams);
    }

    /// Whether a running text could still be better than one that has ended.
    fn may_improve(&self, length: usize) -> bool {
        let written = (length - self.begin) as f64;
        let best =
            self.sums.first().map_or(f64::from(NEVER), |sum| f64::from(*sum)) / written.powf(self.rules.length_penalty);
        let least = self.ended.iter().map(|ended| ended.score).fold(f32::INFINITY, f32::min);
        self.ended.iter().any(|ended| best > f64::from(if ended.is_real { least } else { NEVER }))
    }
}
