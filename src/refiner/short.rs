//! The short form of an answer: the bare value that it rests on.

use serde_json::Value as Json;

use super::evidence::{Evidence, MAX_FOUND};
use super::ground::{denies, same_number};
use super::in_words::{regions_of, tally, texts_of, whole_text};
use super::plain::is_lookup;
use super::text::number_tokens;
use super::wording::{self, asks_how_many, asks_openly, asks_yes_or_no, lead};
use crate::answer::Claim;
use crate::observation::Observation;
use crate::tool::labels::same_label;
use crate::value::{Label, Value};

impl Evidence<'_> {
    /// What the claims come down to: `yes`, `3`, `red`, `dog`, or the text that was looked up.
    ///
    /// Lines of one result are joined by a space, values of several results by a comma. There is none where
    /// the claims rest on nothing that has one, such as an image or a description, or leave it open.
    pub(super) fn short_answer(&self, claims: &[Claim]) -> Option<String> {
        let said = claims.iter().map(|c| c.text.as_str()).collect::<Vec<_>>().join(" ");
        let options = wording::options(self.question);
        let short = self.short_form(claims, &said);
        if options.is_empty() {
            return short.map(|short| spelled_as_asked(self.question, &short));
        }
        option_said(&options, short.as_deref().unwrap_or_default()).or_else(|| option_said(&options, &said))
    }

    fn short_form(&self, claims: &[Claim], said: &str) -> Option<String> {
        let resting = self.resting(claims);
        if asks_yes_or_no(self.question) {
            return self
                .yes_or_no(claims, &resting)
                .map(str::to_owned)
                .or_else(|| wording::choice(self.question, said));
        }
        if let Some(choice) = wording::choice(self.question, said) {
            return Some(choice);
        }
        let mut values: Vec<String> = Vec::new();
        for value in resting.iter().filter_map(|(o, value)| self.bare(o, value, said)) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        let short = values.join(", ");
        (!short.trim().is_empty()).then_some(short)
    }

    /// The results that the claims rest on in the end: those that no other step is made from, where there are any.
    fn resting(&self, claims: &[Claim]) -> Vec<(&Observation, &Value)> {
        let cited = |id: &String| claims.iter().any(|claim| claim.steps.contains(id));
        let all: Vec<_> = self.observations().filter(|(o, _)| cited(&o.id)).collect();
        let last: Vec<_> = all.iter().filter(|(o, _)| self.is_last(&o.id)).copied().collect();
        if last.is_empty() { all } else { last }
    }

    fn yes_or_no(&self, claims: &[Claim], resting: &[(&Observation, &Value)]) -> Option<&'static str> {
        let word = |yes: bool| if yes { "yes" } else { "no" };
        if let Some((yes, _)) = claims.iter().find_map(|claim| lead(&claim.text)) {
            return Some(word(yes));
        }
        let mut decisions = resting.iter().filter_map(|(_, v)| if let Value::Bool(b) = v { Some(*b) } else { None });
        if let Some(first) = decisions.next() {
            return decisions.all(|b| b == first).then_some(word(first));
        }
        let claim = claims.first()?;
        if denies(&claim.text) {
            return Some(word(false));
        }
        wording::repeats(&claim.text, self.question).then_some(word(true))
    }

    /// A result without any words around it.
    fn bare(&self, observation: &Observation, value: &Value, said: &str) -> Option<String> {
        match value {
            Value::Bool(yes) => (!asks_openly(self.question)).then(|| if *yes { "yes" } else { "no" }.to_owned()),
            Value::Number(number) => Some(number_said(*number, said).unwrap_or_else(|| whole_text(value))),
            Value::Text(text) => self.text_said(observation, &[text], said),
            Value::Line(line) => self.text_said(observation, &[&line.text], said),
            Value::Labels(labels) => self.label_said(labels, said),
            Value::Region(_) | Value::Mask(_) => self.things_said(std::slice::from_ref(value), said),
            Value::List(items) if items.is_empty() => asks_how_many(self.question).then(|| "0".to_owned()),
            Value::List(items) if !regions_of(items).is_empty() => self.things_said(items, said),
            Value::List(items) => {
                let texts = texts_of(items);
                if !texts.is_empty() {
                    return self.text_said(observation, &texts, said);
                }
                let each: Option<Vec<String>> = items.iter().map(|item| self.bare(observation, item, said)).collect();
                each.map(|each| each.join(", "))
            }
            _ => None,
        }
    }

    /// How many there are, or what they are: those that the answer names, when it names any.
    fn things_said(&self, items: &[Value], said: &str) -> Option<String> {
        let counts = tally(&regions_of(items));
        if asks_how_many(self.question) {
            let of_each = counts.iter().map(|(_, n)| *n);
            let numbers = std::iter::once(items.len()).chain(of_each);
            return numbers.map(|n| n as f64).find_map(|n| number_said(n, said)).or(Some(items.len().to_string()));
        }
        let labels: Vec<&str> = counts.iter().map(|(label, _)| label.as_str()).collect();
        let spoken = spoken(said);
        let named: Vec<&str> = labels.iter().filter(|label| names(&spoken, label)).copied().collect();
        Some(if named.is_empty() { labels } else { named }.join(", "))
    }

    /// The label that the answer names, or the best; all that it names when several are asked for.
    fn label_said(&self, labels: &[Label], said: &str) -> Option<String> {
        let spoken = spoken(said);
        let named: Vec<&str> = labels.iter().map(|l| l.label.as_str()).filter(|label| names(&spoken, label)).collect();
        let several = wording::asks_for_several(self.question);
        match named.first() {
            Some(_) if several => Some(named.join(", ")),
            Some(first) => Some((*first).to_owned()),
            None => labels.first().map(|l| l.label.clone()),
        }
    }

    /// The text that the answer quotes; of it only the number, where a number is asked for.
    fn text_said(&self, observation: &Observation, lines: &[&str], said: &str) -> Option<String> {
        let text = self.text_quoted(observation, lines, said)?;
        let number = if wording::asks_which_number(self.question) { number_in(&text) } else { None };
        Some(number.unwrap_or(text))
    }

    /// The lines that the answer quotes; or, of lines that it only quotes in part, that part.
    fn text_quoted(&self, observation: &Observation, lines: &[&str], said: &str) -> Option<String> {
        let spoken = spoken(said);
        let trimmed = |line: &&str| line.trim().to_owned();
        let quoted: Vec<String> = lines.iter().filter(|line| quotes(&spoken, line)).map(trimmed).collect();
        if !quoted.is_empty() {
            return Some(quoted.join(" "));
        }
        let whole = || lines.iter().map(trimmed).collect::<Vec<_>>().join(" ");
        let looked_up = is_lookup(observation) && lines.len() <= MAX_FOUND;
        // The value of a key is no more than that already.
        if looked_up && observation.args.get("mode").and_then(Json::as_str) == Some("value") {
            return Some(whole());
        }
        let asked = spoken_words(self.question);
        let parts = lines.iter().filter_map(|line| longest_part(line, &spoken, &asked));
        // `max_by_key` takes the last of equals; the first is wanted.
        let part = parts.collect::<Vec<_>>().into_iter().rev().max_by_key(String::len);
        part.or_else(|| looked_up.then(whole))
    }
}

/// The letter of the one option that an answer names; "blue" is not named where "light blue" is.
fn option_said(options: &[(char, String)], said: &str) -> Option<String> {
    let spoken = spoken(said);
    let named: Vec<&(char, String)> = options.iter().filter(|(_, text)| names(&spoken, text)).collect();
    let inside =
        |text: &str, other: &str| text != other && quotes(&format!(" {} ", spoken_words(other).join(" ")), text);
    let mut whole = named.iter().filter(|(_, text)| !named.iter().any(|(_, other)| inside(text, other)));
    let (letter, _) = whole.next()?;
    whole.next().is_none().then(|| letter.to_string())
}

/// The name of a colour in the spelling of a question for one: `gray` where it says `color`, `grey` where it says `colour`.
pub(super) fn spelled_as_asked(question: &str, short: &str) -> String {
    let asked = question.to_lowercase();
    let (from, to) = match (asked.contains("color"), asked.contains("colour")) {
        (true, _) => ("grey", "gray"),
        (_, true) => ("gray", "grey"),
        _ => return short.to_owned(),
    };
    let spelled = |word: &str| match word.strip_suffix(',').unwrap_or(word) {
        bare if bare == from => word.replace(from, to),
        _ => word.to_owned(),
    };
    short.split(' ').map(spelled).collect::<Vec<_>>().join(" ")
}

/// Whether a value answers the question: it asks something, and is no request to describe or make something.
pub(crate) fn asks_for_value(question: &str) -> bool {
    let why = wording::spoken(question).first().is_some_and(|w| matches!(w.as_str(), "why" | "whose"));
    why || asks_openly(question) || wording::asks_plainly(question) || !wording::options(question).is_empty()
}

/// Whether a short answer has the form that is asked for.
pub(crate) fn has_form(question: &str, short: &str) -> bool {
    if !wording::options(question).is_empty() {
        return short.len() == 1;
    }
    if wording::asks_plainly(question) {
        return matches!(short, "yes" | "no");
    }
    if asks_how_many(question) {
        return short.starts_with(|c: char| c.is_ascii_digit());
    }
    true
}

/// A text without the words before and after its numbers: "Bus No. 12 to town" gives `12`.
fn number_in(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let has_digit = |word: &&str| word.contains(|c: char| c.is_ascii_digit());
    let first = words.iter().position(has_digit)?;
    let last = words.iter().rposition(has_digit)?;
    Some(words.get(first..=last)?.join(" ").trim_matches(|c: char| ",;:.".contains(c)).to_owned())
}

/// A number as the answer writes it; nothing when it does not.
fn number_said(number: f64, said: &str) -> Option<String> {
    let written = number_tokens(said);
    let as_is = written.iter().find(|token| same_number(token, number));
    as_is.or_else(|| written.iter().find(|token| same_number(token, number.abs()))).cloned()
}

/// The words of an answer, each between spaces.
fn spoken(said: &str) -> String {
    format!(" {} ", spoken_words(said).join(" "))
}

fn spoken_words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_lowercase).collect()
}

fn quotes(spoken: &str, line: &str) -> bool {
    let words = spoken_words(line);
    !words.is_empty() && spoken.contains(&format!(" {} ", words.join(" ")))
}

fn names(spoken: &str, label: &str) -> bool {
    quotes(spoken, label) || spoken.split_whitespace().any(|word| same_label(word, label))
}

/// The longest run of a line's words that the answer quotes and the question did not already say.
fn longest_part(line: &str, spoken: &str, asked: &[String]) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().take(60).collect();
    for length in (1..=words.len()).rev() {
        for run in words.windows(length) {
            let text = run.join(" ");
            if quotes(spoken, &text) && !spoken_words(&text).iter().all(|w| asked.contains(w)) {
                return Some(text.trim_matches(|c: char| ",;:.".contains(c)).to_owned());
            }
        }
    }
    None
}
