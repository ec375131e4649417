//! Grounding: which steps' results contain the values of a sentence.

use std::collections::HashSet;

use super::evidence::{Evidence, regions_of, sentences_of, split_hole, tally, whole_text};
use super::text::{number_tokens, words};
use super::wording::{self, spoken};
use crate::answer::Claim;
use crate::observation::Observation;
use crate::trace::Trace;
use crate::value::Value;

/// Number words and what they stand for; "one" is seldom a count and looked at apart.
const NUMBER_WORDS: [(&str, &str); 28] = [
    ("zero", "0"),
    ("two", "2"),
    ("three", "3"),
    ("four", "4"),
    ("five", "5"),
    ("six", "6"),
    ("seven", "7"),
    ("eight", "8"),
    ("nine", "9"),
    ("ten", "10"),
    ("eleven", "11"),
    ("twelve", "12"),
    ("thirteen", "13"),
    ("fourteen", "14"),
    ("fifteen", "15"),
    ("sixteen", "16"),
    ("seventeen", "17"),
    ("eighteen", "18"),
    ("nineteen", "19"),
    ("twenty", "20"),
    ("thirty", "30"),
    ("forty", "40"),
    ("fifty", "50"),
    ("sixty", "60"),
    ("seventy", "70"),
    ("eighty", "80"),
    ("ninety", "90"),
    ("dozen", "12"),
];
/// Words before "one" that make it a count: "there is one dog".
const COUNTING: [&str; 7] = ["is", "only", "just", "exactly", "has", "shows", "contains"];
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
/// Words that say nothing about the picture.
const STOP: [&str; 44] = [
    "the", "a", "an", "is", "are", "was", "were", "there", "it", "its", "this", "that", "these", "those", "on", "in",
    "at", "of", "to", "and", "or", "with", "for", "from", "by", "say", "read", "show", "picture", "image", "photo",
    "sign", "text", "yes", "no", "not", "can", "be", "has", "have", "you", "see", "one", "than",
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

/// One step's result, prepared for look-ups.
struct Fact<'a> {
    id: &'a str,
    tool: &'a str,
    value: &'a Value,
    /// Another step works on it: that step decides, not this one.
    consumed: bool,
    /// What it and the steps behind it looked for.
    searched: Vec<String>,
    text: String,
    squashed: Squashed,
    words: HashSet<String>,
    numbers: HashSet<String>,
}

/// The values of a sentence that a step's result must contain.
enum Essential {
    Number(String),
    /// How many more or fewer: only a calculation says so.
    Difference(String),
    Quote(String),
    Name(String),
    Step(String),
}

/// A sentence taken apart.
struct Sentence {
    essentials: Vec<Essential>,
    /// What stands neither in quotes nor for a step.
    own: String,
    polarity: Polarity,
    /// It begins with yes or no.
    outright: bool,
    /// The words that compare.
    comparisons: Vec<String>,
    /// A number in it may stand for one below zero.
    points_down: bool,
}

/// Whether a sentence affirms or denies.
#[derive(Clone, Copy, PartialEq)]
enum Polarity {
    Yes,
    No,
    Neither,
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
            || !repeats
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

impl Sentence {
    fn parse(written: &str) -> Self {
        let mut essentials = Vec::new();
        let mut rest = written;
        let mut unfilled = String::new();
        while let Some((before, id, behind)) = split_hole(rest) {
            unfilled.push_str(before);
            essentials.push(Essential::Step(id.to_owned()));
            rest = behind;
        }
        unfilled.push_str(rest);
        let (quotes, own) = split_quotes(&unfilled);
        essentials.extend(quotes.into_iter().filter(|q| !squash(q).is_empty()).map(Essential::Quote));
        let spoken = spoken(&own);
        let comparisons = wording::comparisons(&spoken);
        let numbers = number_tokens(&own).into_iter().chain(number_words(&own));
        essentials.extend(
            numbers.map(|n| if differs(&n, &spoken) { Essential::Difference(n) } else { Essential::Number(n) }),
        );
        essentials.extend(names(&own).into_iter().map(Essential::Name));
        let points_down = wording::points_down(&own, &spoken);
        let outright = matches!(spoken.first().map(String::as_str), Some("yes" | "no"));
        Self { essentials, polarity: polarity(&spoken), own, outright, comparisons, points_down }
    }

    /// It says how many there are: "there are 3 people".
    fn counts(&self) -> bool {
        spoken(&self.own).windows(2).any(|pair| {
            matches!(pair, [there, is] if there == "there" && matches!(is.as_str(), "is" | "are" | "was" | "were"))
        })
    }

    /// It says that there is a thing: "there is a dog".
    fn names_one(&self) -> bool {
        spoken(&self.own).windows(3).any(|three| {
            matches!(three, [there, is, a] if there == "there" && is == "is" && matches!(a.as_str(), "a" | "an"))
        })
    }
}

impl<'a> Fact<'a> {
    fn new(observation: &'a Observation, value: &'a Value, consumed: bool, searched: Vec<String>) -> Self {
        let text = match value {
            Value::Json(json) if sentences_of(json).is_none() => json.to_string(),
            other => whole_text(other),
        };
        let mut numbers: HashSet<String> = HashSet::new();
        for token in number_tokens(&text) {
            numbers.extend(token.split(['/', '-', ':']).map(canonical));
            numbers.insert(canonical(&token));
        }
        numbers.extend(number_words(&text));
        Self {
            id: &observation.id,
            tool: &observation.tool,
            value,
            consumed,
            searched,
            squashed: Squashed::new(&text),
            words: words(&text).into_iter().collect(),
            numbers,
            text,
        }
    }

    fn contains(&self, essential: &Essential, points_down: bool) -> bool {
        match essential {
            Essential::Quote(text) => {
                self.squashed.contains(&squash(text)) && number_tokens(text).iter().all(|n| self.writes_number(n))
            }
            Essential::Number(token) => self.has_number(token, points_down),
            Essential::Difference(token) => self.is_calculated() && self.has_number(token, points_down),
            Essential::Name(word) => self.words.contains(word),
            Essential::Step(id) => self.id == id,
        }
    }

    fn has_number(&self, token: &str, points_down: bool) -> bool {
        match self.value {
            Value::Number(value) => same_number(token, if points_down { value.abs() } else { *value }),
            Value::List(items) if items.is_empty() => token == "0" && !self.searched.is_empty(),
            Value::List(items) if !regions_of(items).is_empty() => {
                let counts = tally(&regions_of(items));
                same_number(token, items.len() as f64) || counts.iter().any(|(_, n)| same_number(token, *n as f64))
            }
            _ => self.numbers.contains(&canonical(token)) || self.has_digits(token),
        }
    }

    /// Whether the number stands in the text as it is written, or with other marks between its digits.
    fn writes_number(&self, token: &str) -> bool {
        let whole = number_tokens(&self.text);
        let parts = |n: &String| n == token || n.split(['/', '-', ':']).any(|part| part == token);
        whole.iter().any(parts) || self.has_digits(token)
    }

    /// A number that was calculated, not counted.
    fn is_calculated(&self) -> bool {
        matches!(self.value, Value::Number(_)) && self.tool == "calculate"
    }

    /// The result of an operation on others: it may compare.
    fn is_operation(&self) -> bool {
        matches!(self.value, Value::Bool(_)) || self.is_calculated()
    }

    /// The same four digits or more, however they are parted: `14/03/2024` and `14.03.2024`.
    fn has_digits(&self, token: &str) -> bool {
        let wanted = squash(token);
        let mut parts = self.text.split(|c: char| !c.is_ascii_digit());
        wanted.len() >= 4
            && (parts.any(|part| part == wanted)
                || number_tokens(&self.text).iter().any(|whole| squash(whole) == wanted))
    }

    /// Whether the result says how many there are.
    fn is_count(&self) -> bool {
        match self.value {
            Value::Number(_) => true,
            Value::List(items) => !regions_of(items).is_empty(),
            _ => false,
        }
    }

    /// Whether the result is itself a yes or a no of this polarity.
    fn decides(&self, polarity: Polarity) -> bool {
        let yes = match self.value {
            Value::Bool(bool) => *bool,
            // A measure is no count: that a thing has a width says neither yes nor no.
            Value::Number(number) if !self.consumed && self.tool != "measure" => *number > 0.0,
            // Nor do the colours or sizes of several things.
            Value::List(items) if !self.consumed && (items.is_empty() || !regions_of(items).is_empty()) => {
                !items.is_empty()
            }
            _ => return false,
        };
        match polarity {
            Polarity::Yes => yes,
            Polarity::No => !yes,
            Polarity::Neither => false,
        }
    }

    fn is_text(&self) -> bool {
        match self.value {
            Value::Text(_) | Value::Line(_) => true,
            Value::List(items) => items.iter().any(|v| matches!(v, Value::Line(_) | Value::Text(_))),
            _ => false,
        }
    }
}

/// What stands in quotes, and the sentence without it.
fn split_quotes(sentence: &str) -> (Vec<String>, String) {
    let mut quotes = Vec::new();
    let mut own = String::new();
    let mut quote: Option<(char, String)> = None;
    let mut before = ' ';
    let mut chars = sentence.chars().peekable();
    while let Some(c) = chars.next() {
        let at_end = chars.peek().is_none_or(|next| !next.is_alphanumeric());
        match &mut quote {
            Some((close, inner)) if c == *close && (c != '\'' || at_end) => {
                quotes.push(std::mem::take(inner));
                quote = None;
                own.push(' ');
            }
            Some((_, inner)) => inner.push(c),
            None => match closing(c).filter(|close| *close != '\'' || !before.is_alphanumeric()) {
                Some(close) => quote = Some((close, String::new())),
                None => own.push(c),
            },
        }
        before = c;
    }
    // A quote that is never closed is part of the sentence.
    own.extend(quote.into_iter().map(|(_, inner)| inner));
    (quotes, own)
}

/// The character that ends the quote which this one begins.
fn closing(open: char) -> Option<char> {
    match open {
        '"' => Some('"'),
        '“' | '„' => Some('”'),
        '‘' => Some('’'),
        '«' => Some('»'),
        '\'' | '`' => Some(open),
        _ => None,
    }
}

/// The number words of a text as digits.
fn number_words(text: &str) -> Vec<String> {
    let spoken = spoken(text);
    let word = |n: usize| spoken.get(n).map_or("", String::as_str);
    (0..spoken.len())
        .filter_map(|n| match word(n) {
            "one" => {
                let counts = n > 0 && COUNTING.contains(&word(n - 1)) && word(n + 1) != "of";
                counts.then(|| "1".to_owned())
            }
            other => NUMBER_WORDS.iter().find(|(w, _)| *w == other).map(|(_, digits)| (*digits).to_owned()),
        })
        .collect()
}

/// Words with a capital inside a sentence: names.
fn names(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut begins = true;
    for word in text.split_whitespace() {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let capital = bare.starts_with(char::is_uppercase) && bare.chars().count() > 1;
        let known = |w: &String| STOP.contains(&w.as_str()) || NUMBER_WORDS.iter().any(|(n, _)| n == w);
        if capital && !begins {
            found.extend(words(bare).into_iter().filter(|w| w.chars().count() > 1 && !known(w)));
        }
        begins = word.ends_with(['.', '!', '?', ':']) || (begins && matches!(bare, "Yes" | "No" | ""));
    }
    found
}

fn polarity(spoken: &[String]) -> Polarity {
    match spoken.first().map(String::as_str) {
        Some("yes") => return Polarity::Yes,
        Some("no") => return Polarity::No,
        _ => {}
    }
    let denies =
        |w: &String| matches!(w.as_str(), "no" | "not" | "none" | "nothing" | "nobody" | "zero") || w.ends_with("n't");
    if spoken.iter().any(denies) { Polarity::No } else { Polarity::Neither }
}

fn same_number(token: &str, value: f64) -> bool {
    let plain = token.replace(',', "");
    let Ok(number) = plain.parse::<f64>() else { return false };
    let decimals = plain.split_once('.').map_or(0, |(_, d)| d.len());
    let tolerance = if decimals >= 2 { 0.5 * 10f64.powi(-(decimals.min(12) as i32)) } else { 0.0 };
    (number - value).abs() <= tolerance + 1e-9
}

/// One form for a number however it is written: no thousands, no zeros that say nothing.
fn canonical(token: &str) -> String {
    let plain = token.replace(',', "");
    match plain.parse::<f64>() {
        Ok(number) => format!("{number}"),
        Err(_) => plain,
    }
}

fn squash(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The number says how many more or fewer: "3 fewer", "a difference of 3".
fn differs(number: &str, spoken: &[String]) -> bool {
    let same = |word: &String| word == number || NUMBER_WORDS.iter().any(|(w, n)| w == word && *n == number);
    spoken.windows(2).any(|pair| match pair {
        [n, word] => same(n) && matches!(word.as_str(), "more" | "fewer" | "less"),
        _ => false,
    })
}

/// A text without white space and punctuation that still knows where its words begin and end.
struct Squashed {
    text: String,
    bounds: HashSet<usize>,
}

impl Squashed {
    fn new(text: &str) -> Self {
        let mut squashed = String::new();
        let mut bounds = HashSet::from([0]);
        for word in text.split(|c: char| !c.is_alphanumeric()) {
            squashed.push_str(&squash(word));
            bounds.insert(squashed.len());
        }
        Self { text: squashed, bounds }
    }

    /// Whether whole words of the text are these.
    fn contains(&self, wanted: &str) -> bool {
        let bounded = |at: usize| self.bounds.contains(&at) && self.bounds.contains(&(at + wanted.len()));
        !wanted.is_empty()
            && self.bounds.iter().any(|at| bounded(*at) && self.text.get(*at..).is_some_and(|t| t.starts_with(wanted)))
    }
}
