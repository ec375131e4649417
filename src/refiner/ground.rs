//! Grounding: which steps' results contain the values of a sentence.

mod fact;
mod number;
mod sentence;

use std::collections::HashSet;

use self::fact::Fact;
pub(super) use self::number::{canonical, number_words, same_number};
pub(super) use self::sentence::split_quotes;
use self::sentence::{Essential, Polarity, STOP, Sentence};
use super::evidence::Evidence;
use super::in_words::whole_text;
use super::text::{number_tokens, words};
use super::wording::{self, spoken};
use crate::answer::Claim;
use crate::observation::Observation;
use crate::trace::Trace;
use crate::value::Value;

/// What may be said of an image that a step made.
const DRAWN: [&str; 14] = [
    "annotated",
    "marked",
    "drawn",
    "draw",
    "mark",
    "boxe",
    "box",
    "cropped",
    "crop",
    "highlighted",
    "outlined",
    "ready",
    "here",
    "around",
];

/// Ties sentences to the steps that support them.
pub struct Grounding<'a> {
    question: String,
    asked_words: HashSet<String>,
    asked_numbers: HashSet<String>,
    /// Superlatives that a step decided.
    superlatives: Vec<&'static str>,
    facts: Vec<Fact<'a>>,
}

/// The numbers of a sentence that stand neither in the question nor in anything that is known.
pub(crate) fn strange_numbers(sentence: &str, question: &str, known: &Trace) -> Vec<String> {
    let mut told = question.to_owned();
    for observation in &known.observations {
        let value = observation.value().map(whole_text).unwrap_or_default();
        told.push_str(&format!(" {} {} {value}", observation.id, observation.args));
    }
    let known: HashSet<String> = number_tokens(&told)
        .iter()
        .flat_map(|n| n.split(['/', '-', ':']).map(canonical).chain([canonical(n)]).collect::<Vec<_>>())
        .collect();
    number_tokens(sentence).into_iter().filter(|n| !known.contains(&canonical(n))).collect()
}

/// Whether a sentence denies.
pub(super) fn denies(text: &str) -> bool {
    Sentence::parse(text).polarity == Polarity::No
}

impl<'a> Grounding<'a> {
    /// Prepares the evidence for look-ups.
    pub fn new(question: &str, evidence: &Evidence<'a>) -> Self {
        let fact =
            |o: &'a Observation, value| Fact::new(o, value, evidence.is_consumed(&o.id), evidence.searched(&o.id));
        Self {
            question: question.to_owned(),
            asked_words: words(question).into_iter().collect(),
            asked_numbers: number_tokens(question).into_iter().chain(number_words(question)).collect(),
            superlatives: evidence.superlatives(),
            facts: evidence.observations().map(|(o, value)| fact(o, value)).collect(),
        }
    }

    /// The sentence as a claim, or nothing when the evidence does not bear it out.
    ///
    /// `written` is the sentence of the LLM, in which `{id}` stands for a step's
    /// text, and `shown` the same sentence with those texts. Every number, every
    /// quotation and every name must stand in some step's result (those of the
    /// question excepted), and a yes or no in a result that decides it; a
    /// sentence without any of them needs a result that contains its words.
    pub fn claim(&self, written: &str, shown: &str) -> Option<Claim> {
        if self.lead_fits(written) {
            return self.borne_out(written, shown);
        }
        self.borne_out(&wording::without_lead(written)?, &wording::without_lead(shown)?)
    }

    fn borne_out(&self, written: &str, shown: &str) -> Option<Claim> {
        let sentence = Sentence::parse(written);
        if shown.trim().is_empty() || !self.allows(&sentence) || self.only_repeats(&sentence) {
            return None;
        }
        let steps = self.support(&sentence)?;
        let ordered: Vec<String> =
            self.facts.iter().filter(|f| steps.contains(&f.id)).map(|f| f.id.to_owned()).collect();
        (!ordered.is_empty()).then(|| Claim { text: shown.trim().to_owned(), steps: ordered })
    }

    /// The steps that bear the sentence out.
    fn support(&self, sentence: &Sentence) -> Option<Vec<&'a str>> {
        let ids = |which: &dyn Fn(&Fact<'_>) -> bool| -> Vec<&'a str> {
            self.facts.iter().filter(|f| which(f)).map(|f| f.id).collect()
        };
        let mut steps = self.values(sentence)?;
        if !steps.is_empty() && sentence.outright {
            steps.extend(ids(&|f| matches!(f.value, Value::Bool(_)) && self.decides(f, sentence)));
        }
        if steps.is_empty() {
            steps = ids(&|f| self.decides(f, sentence));
        }
        if steps.is_empty() {
            steps = ids(&|f| self.speaks_of(f, sentence));
        }
        if self.compares(sentence) {
            let operations = ids(&|f| f.is_operation());
            if operations.is_empty() || !self.points_right(sentence) {
                return None;
            }
            if !steps.iter().any(|id| operations.contains(id)) && (!steps.is_empty() || self.adds_nothing(sentence)) {
                steps.extend(operations);
            }
        }
        Some(steps)
    }

    /// The sentence compares in words that stand in no text.
    fn compares(&self, sentence: &Sentence) -> bool {
        let read = |word: &String| {
            let forms = words(word);
            self.facts.iter().any(|f| f.is_text() && forms.iter().all(|w| f.words.contains(w)))
        };
        let decided = |word: &String| self.superlatives.contains(&word.as_str());
        sentence.comparisons.iter().any(|word| !read(word) && !decided(word))
    }

    /// A sentence that compares as a yes-or-no question does is a yes to it.
    fn points_right(&self, sentence: &Sentence) -> bool {
        let asked = wording::comparisons(&spoken(&self.question));
        let repeats = sentence.comparisons.iter().any(|w| w != "than" && asked.contains(w));
        wording::asks_openly(&self.question)
            || sentence.polarity != Polarity::Neither
            || !(repeats || self.adds_nothing(sentence))
            || !self.contradicted(Polarity::Yes)
    }

    /// It answers what was asked openly with nothing but the words of the question.
    fn only_repeats(&self, sentence: &Sentence) -> bool {
        let said = |w: &String| STOP.contains(&w.as_str()) || self.asked_words.contains(w);
        wording::asks_openly(&self.question)
            && sentence.essentials.iter().all(|essential| self.was_asked(essential))
            && sentence.polarity == Polarity::Neither
            && !sentence.names_one()
            && words(&sentence.own).iter().all(said)
    }

    /// All its words stand in the question, or point at one of the things there.
    fn adds_nothing(&self, sentence: &Sentence) -> bool {
        words(&sentence.own).iter().all(|w| {
            let word = w.as_str();
            STOP.contains(&word) || wording::POINTING.contains(&word) || self.asked_words.contains(w)
        })
    }

    /// The yes or no that the sentence begins with answers the question that was asked.
    fn lead_fits(&self, written: &str) -> bool {
        let Some((yes, rest)) = wording::lead(written) else { return true };
        if wording::asks_openly(&self.question) {
            return rest.is_empty();
        }
        self.asked_number_holds().is_none_or(|holds| holds == yes)
    }

    /// Whether a number of the question is one that was found; nothing when another operation decides.
    fn asked_number_holds(&self) -> Option<bool> {
        if self.asked_numbers.is_empty() || self.facts.iter().any(|f| matches!(f.value, Value::Bool(_))) {
            return None;
        }
        let counted = self.facts.iter().any(Fact::is_count);
        let mut able = self.facts.iter().filter(|f| if counted { f.is_count() } else { f.is_text() }).peekable();
        able.peek()?;
        Some(able.any(|f| self.asked_numbers.iter().any(|n| f.has_number(n, false))))
    }

    /// Whether the result is itself the sentence's yes or no.
    fn decides(&self, fact: &Fact<'_>, sentence: &Sentence) -> bool {
        let denied = sentence.polarity == Polarity::No && !matches!(fact.value, Value::Bool(_));
        fact.decides(sentence.polarity) && (!denied || self.denies(fact, sentence))
    }

    /// What was looked for in vain is what the sentence denies.
    fn denies(&self, fact: &Fact<'_>, sentence: &Sentence) -> bool {
        fact.searched.is_empty() || wording::denial_is_covered(&sentence.own, &self.question, &fact.searched)
    }

    /// The steps whose results contain the sentence's values; nothing when some value is in none.
    fn values(&self, sentence: &Sentence) -> Option<Vec<&'a str>> {
        let mut steps = Vec::new();
        let counted = self.facts.iter().any(Fact::is_count) && sentence.counts();
        for essential in &sentence.essentials {
            // A number that happens to stand in a text counts nothing.
            let may = |f: &Fact<'_>| {
                !(counted && f.is_text() && matches!(essential, Essential::Number(_) | Essential::Difference(_)))
            };
            let found =
                self.facts.iter().filter(|f| may(f) && f.contains(essential, sentence.points_down)).map(|f| f.id);
            let before = steps.len();
            steps.extend(found);
            if steps.len() == before && !self.was_asked(essential) {
                return None;
            }
        }
        Some(steps)
    }

    /// No decision stands against the sentence, and an outright yes or no is not the LLM's own.
    fn allows(&self, sentence: &Sentence) -> bool {
        let by_number = || match self.asked_number_holds() {
            Some(holds) => holds == (sentence.polarity == Polarity::Yes),
            None => false,
        };
        let decided = || by_number() || self.facts.iter().any(|f| f.is_text() || self.decides(f, sentence));
        !self.contradicted(sentence.polarity) && (!sentence.outright || decided())
    }

    fn was_asked(&self, essential: &Essential) -> bool {
        match essential {
            Essential::Number(token) => self.asked_numbers.contains(token),
            Essential::Quote(text) => words(text).iter().all(|w| self.asked_words.contains(w)),
            Essential::Name(word) => self.asked_words.contains(word),
            Essential::Difference(_) | Essential::Step(_) => false,
        }
    }

    /// A yes against a `false`, a no against a `true`: operations decide, not the LLM.
    fn contradicted(&self, polarity: Polarity) -> bool {
        let mut decisions =
            self.facts.iter().filter_map(|f| if let Value::Bool(b) = f.value { Some(*b) } else { None });
        match polarity {
            Polarity::Neither => false,
            Polarity::Yes => decisions.next().is_some_and(|first| !first && decisions.all(|b| !b)),
            Polarity::No => decisions.next().is_some_and(|first| first && decisions.all(|b| b)),
        }
    }

    /// The words that the sentence adds to the question stand in the result.
    fn speaks_of(&self, fact: &Fact<'_>, sentence: &Sentence) -> bool {
        let denies = sentence.polarity == Polarity::No;
        let new: Vec<String> = words(&sentence.own)
            .into_iter()
            .filter(|w| !STOP.contains(&w.as_str()) && (!self.asked_words.contains(w) || fact.words.contains(w)))
            .collect();
        let found = new.iter().filter(|w| fact.words.contains(*w)).count();
        match fact.value {
            Value::List(items) if items.is_empty() => denies && self.denies(fact, sentence),
            Value::Image(_) => !denies && new.iter().all(|w| DRAWN.contains(&w.as_str())),
            Value::Number(n) if *n == 1.0 && sentence.names_one() => new.is_empty(),
            // Where it was searched in vain, the search speaks.
            _ if denies => !fact.words.is_empty() && fact.is_text() && !fact.consumed,
            _ => found > 0 && found * 2 >= new.len(),
        }
    }
}
