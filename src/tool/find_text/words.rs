//! Words of a line, as a reader takes them: misread letters mended, glued words parted.

use std::collections::{HashMap, HashSet};

/// A word of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// Lower case, as the vocabulary spells it when it knows it.
    pub(super) text: String,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Word {
    pub(super) fn is_number(&self) -> bool {
        self.text.bytes().all(|b| b.is_ascii_digit())
    }
}

/// The words that keys are made of.
#[derive(Debug, Clone, Default)]
pub(super) struct Vocabulary {
    words: HashSet<String>,
    alias: HashMap<String, String>,
}

impl Vocabulary {
    pub(super) fn new(alias: HashMap<String, String>) -> Self {
        Self { words: alias.values().cloned().collect(), alias }
    }

    /// Adds the words of a text.
    pub(super) fn learn(&mut self, text: &str) {
        for word in text.to_lowercase().split_whitespace() {
            if !self.alias.contains_key(word) {
                self.words.insert(word.to_owned());
            }
        }
    }

    /// The words of a text, left to right.
    pub(super) fn words(&self, text: &str) -> Vec<Word> {
        let mut out = Vec::new();
        let mut start = None;
        let ends = text.char_indices().map(|(at, c)| (at, Some(c))).chain([(text.len(), None)]);
        for (at, c) in ends {
            let belongs = c.is_some_and(char::is_alphanumeric);
            match (belongs, start) {
                (true, None) => start = Some(at),
                (false, Some(from)) => {
                    self.part(text, from, at, &mut out);
                    start = None;
                }
                _ => {}
            }
            if c == Some('#') {
                out.push(Word { text: "no".to_owned(), start: at, end: at + 1 });
            }
        }
        out
    }

    /// Adds the words of one run of letters and digits.
    fn part(&self, text: &str, start: usize, end: usize, out: &mut Vec<Word>) {
        let Some(run) = text.get(start..end) else { return };
        if let Some(word) = self.known(run) {
            out.push(Word { text: word, start, end });
            return;
        }
        if let Some(word) = mended(run).and_then(|m| self.known(&m)) {
            out.push(Word { text: word, start, end });
            return;
        }
        let cuts = boundaries(run);
        for pair in cuts.windows(2) {
            if let [from, to] = *pair {
                self.piece(run, start, from, to, out);
            }
        }
    }

    /// Adds the words of a run without inner boundaries.
    fn piece(&self, run: &str, offset: usize, from: usize, to: usize, out: &mut Vec<Word>) {
        let Some(piece) = run.get(from..to) else { return };
        let (start, end) = (offset + from, offset + to);
        if let Some(word) = self.known(piece).or_else(|| self.similar(piece)) {
            out.push(Word { text: word, start, end });
            return;
        }
        let lower = piece.to_lowercase();
        match self.segments(piece) {
            Some(lengths) => {
                let mut at = start;
                for length in lengths {
                    let part = piece.get(at - start..at - start + length).unwrap_or_default();
                    let text = self.known(part).unwrap_or_else(|| part.to_lowercase());
                    out.push(Word { text, start: at, end: at + length });
                    at += length;
                }
            }
            None => out.push(Word { text: lower, start, end }),
        }
    }

    fn known(&self, word: &str) -> Option<String> {
        let lower = word.to_lowercase();
        match self.alias.get(&lower) {
            Some(meant) => Some(meant.clone()),
            None => self.words.contains(&lower).then_some(lower),
        }
    }

    /// A known word that differs by a misread letter or two.
    fn similar(&self, word: &str) -> Option<String> {
        let lower = word.to_lowercase();
        let length = lower.chars().count();
        if !(5..=20).contains(&length) || lower.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let allowed = if length >= 8 { 2 } else { 1 };
        let near = |known: &&String| {
            known.len() >= 5 && known.len().abs_diff(length) <= 1 && strsim::levenshtein(known, &lower) <= allowed
        };
        let found = self.words.iter().chain(self.alias.keys()).filter(near);
        let best = found.min_by_key(|known| (strsim::levenshtein(known, &lower), (*known).clone()))?;
        self.known(best)
    }

    /// The lengths of the known words that a run of letters is glued from.
    fn segments(&self, run: &str) -> Option<Vec<usize>> {
        if !run.is_ascii() || !(5..=40).contains(&run.len()) {
            return None;
        }
        // best[n]: the fewest words that make up the first n letters.
        let mut best: Vec<Option<Vec<usize>>> = vec![Some(Vec::new())];
        for end in 1..=run.len() {
            let ways = (2..=end).filter_map(|length| {
                let before = best.get(end - length)?.as_ref()?;
                self.known(run.get(end - length..end)?)?;
                Some(before.iter().copied().chain([length]).collect::<Vec<_>>())
            });
            let way = ways.min_by_key(Vec::len);
            best.push(way);
        }
        best.pop().flatten().filter(|lengths| lengths.iter().any(|l| *l >= 4))
    }
}

/// Digits that were letters: `T0TAL`. Only where letters are the most.
fn mended(run: &str) -> Option<String> {
    let letters = run.chars().filter(|c| c.is_alphabetic()).count();
    let digits = run.chars().filter(char::is_ascii_digit).count();
    (digits > 0 && letters > digits).then(|| {
        run.chars()
            .map(|c| match c {
                '0' => 'o',
                '1' => 'l',
                '5' => 's',
                '8' => 'b',
                other => other,
            })
            .collect()
    })
}

/// Where a run changes between letters and digits, or from lower to upper case.
fn boundaries(run: &str) -> Vec<usize> {
    let mut cuts = vec![0];
    let mut before: Option<char> = None;
    for (at, c) in run.char_indices() {
        if let Some(b) = before
            && (b.is_ascii_digit() != c.is_ascii_digit() || (b.is_lowercase() && c.is_uppercase()))
        {
            cuts.push(at);
        }
        before = Some(c);
    }
    cuts.push(run.len());
    cuts
}
