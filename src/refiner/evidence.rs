//! Evidence: the observations that speak to the question, short enough for a prompt.

use std::collections::HashSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value as Json;

use super::in_words::{
    MAX_ONE, labels_of_each, labels_text, numbers_text, regions_of, regions_text, rows_text, sentences_of, short_text,
    texts_of, told, whole_text,
};
use super::text::{cut, length, plain, quoted, words};
use crate::error::Error;
use crate::observation::Observation;
use crate::plan::{POINT_AT, Step};
use crate::signature::ValueType;
use crate::task::image_place;
use crate::trace::Trace;
use crate::value::Value;

/// Most characters of the whole evidence; about 250 tokens.
const MAX_TOTAL: usize = 900;
/// Most characters of text from lines that a prompt carries; about 150 tokens.
const MAX_TEXT: usize = 480;
/// Most characters of a call, and of a result that is only mentioned.
const MAX_CALL: usize = 80;
const MAX_SHORT: usize = 60;
/// Room that every result has at least.
const MIN_RESULT: usize = 48;
/// Most lines that a value which was looked up has.
pub(super) const MAX_FOUND: usize = 3;

/// The observations that speak to the question.
///
/// These are the results that no other step consumes, scalars on the way to
/// them, and, where such a result is empty, what it was searched in. The other
/// steps are shown in short, so that the LLM sees what a number counts.
pub struct Evidence<'a> {
    pub(super) question: &'a str,
    pub(super) known: &'a Trace,
    consumed: HashSet<&'a str>,
    speaking: HashSet<&'a str>,
}

impl<'a> Evidence<'a> {
    /// Picks the evidence from what is known.
    pub fn gather(question: &'a str, known: &'a Trace) -> Self {
        let consumed = consumed(known);
        let result = known.plan.as_ref().map(|plan| plan.result.id.as_str());
        let mut speaking: HashSet<&str> = HashSet::new();
        for observation in &known.observations {
            let id = observation.id.as_str();
            // What was answered from another step says nothing new.
            let Some(value) = observation.value().filter(|_| observation.same_as.is_none()) else { continue };
            let ends = !consumed.contains(id) && observation.tool != POINT_AT;
            if ends || result == Some(id) || is_scalar(value) || is_found(observation, value) {
                speaking.insert(id);
            }
            // What was searched in vain, and how a value is printed, speaks as well.
            if is_empty(value) || observation.tool == "normalize" {
                speaking.extend(inputs(known, id));
            }
        }
        Self { question, known, consumed, speaking }
    }

    /// The observations that count as evidence, in plan order.
    pub fn observations(&self) -> impl Iterator<Item = (&'a Observation, &'a Value)> {
        self.known
            .observations
            .iter()
            .filter(|o| self.speaking.contains(o.id.as_str()))
            .filter_map(|o| Some((o, o.value()?)))
    }

    /// Whether nothing was observed at all.
    pub fn is_empty(&self) -> bool {
        self.observations().next().is_none()
    }

    /// Why there is no evidence: the failures, in words for the caller.
    pub fn why_empty(&self) -> String {
        let failures: Vec<String> = self
            .known
            .observations
            .iter()
            .filter_map(|o| Some(format!("step `{}` ({}): {}", o.id, o.tool, o.failure()?.message)))
            .collect();
        if failures.is_empty() { "no step returned anything".to_owned() } else { failures.join("; ") }
    }

    /// Whether another step works on this step's result.
    pub(super) fn is_consumed(&self, id: &str) -> bool {
        self.consumed.contains(id)
    }

    /// The evidence as the LLM sees it: one line a step, at most 900 characters.
    ///
    /// What no step consumes shares the room that the rest leaves. When there
    /// are too many steps, those that only lead to others are left out first.
    pub fn text(&self) -> String {
        let shown = self.shown();
        let mut room = MAX_TOTAL.saturating_sub(shown.iter().map(|(_, head)| length(head) + 1).sum());
        let mut lines = Vec::with_capacity(shown.len());
        for (n, (observation, head)) in shown.iter().enumerate() {
            let result = self.result_text(observation, room / (shown.len() - n));
            room = room.saturating_sub(length(&result));
            lines.push(format!("{head}{result}"));
        }
        lines.join("\n")
    }

    /// The observations for which there is room, each with the beginning of its line.
    fn shown(&self) -> Vec<(&'a Observation, String)> {
        let mut shown: Vec<_> = self.known.observations.iter().map(|o| (o, self.own_head(o))).collect();
        let cost = |shown: &[(&Observation, String)]| -> usize {
            shown.iter().map(|(_, head)| length(head) + 1 + MIN_RESULT).sum()
        };
        while cost(&shown) > MAX_TOTAL {
            let result = self.known.plan.as_ref().map(|plan| plan.result.id.as_str());
            let idle = shown.iter().position(|(o, _)| !self.speaking.contains(o.id.as_str()));
            let Some(out) = idle.or_else(|| shown.iter().position(|(o, _)| Some(o.id.as_str()) != result)) else {
                break;
            };
            shown.remove(out);
        }
        shown
    }

    /// The beginning of a step's line, which says of which image it is where there are several.
    fn own_head(&self, observation: &Observation) -> String {
        let Some(image) = self.of_image(observation) else { return Self::head(observation) };
        let is_image = |arg: &Json| arg.as_str().and_then(|arg| arg.strip_prefix('$')).and_then(image_place).is_some();
        let mut args = observation.args.clone();
        if let Some(args) = args.as_object_mut() {
            args.retain(|_, arg| !is_image(arg));
        }
        let call = call_text(&observation.tool, &args);
        format!("{}: {}{image} = ", cut(&observation.id, 24), cut(&call, MAX_CALL))
    }

    /// The beginning of a step's line: `id: call = `.
    pub(crate) fn head(observation: &Observation) -> String {
        head(&observation.id, &observation.tool, &observation.args)
    }

    /// The beginning of the line that a step has once it is over.
    pub(crate) fn head_of(step: &Step) -> String {
        head(&step.id, &step.tool, &Json::Object(step.args.iter().map(|(n, v)| (n.clone(), v.to_json())).collect()))
    }

    fn result_text(&self, observation: &Observation, room: usize) -> String {
        if self.speaking.contains(observation.id.as_str()) {
            self.in_part(observation, room.min(MAX_TEXT))
        } else {
            self.in_short(observation, MAX_SHORT.min(room))
        }
    }

    /// A step's result in a few words, or how it failed.
    pub(crate) fn in_short(&self, observation: &Observation, most: usize) -> String {
        observation.value().map_or_else(|| failed(observation), |value| cut(&short_text(value), most))
    }

    /// As much of a step's result as there is room for, or how it failed.
    pub(crate) fn in_part(&self, observation: &Observation, room: usize) -> String {
        let unit = unit(observation);
        let full = |value| self.full_text(value, room.saturating_sub(length(unit))) + unit;
        observation.value().map_or_else(|| failed(observation), full)
    }

    fn full_text(&self, value: &Value, room: usize) -> String {
        let full = match value {
            Value::Text(text) => return quoted(text, room.min(MAX_ONE)),
            Value::Line(line) => return quoted(&line.text, room.min(MAX_ONE)),
            Value::List(items) => {
                let texts = texts_of(items);
                if !texts.is_empty() {
                    return self.lines_text(&texts, room);
                }
                regions_text(&regions_of(items))
                    .or_else(|| numbers_text(items))
                    .or_else(|| labels_of_each(items))
                    .unwrap_or_else(|| short_text(value))
            }
            Value::Json(json) => match sentences_of(json) {
                Some(_) => return cut(&told(json).join(" "), room),
                None if json.is_object() || json.is_array() => return quoted(&json.to_string(), room.min(MAX_ONE)),
                None => plain(&json.to_string()),
            },
            Value::Table(table) => {
                let rows: Vec<String> = rows_text(table).iter().map(|row| quoted(row, MAX_ONE)).collect();
                return cut(&rows.join(" | "), room);
            }
            Value::Labels(labels) => labels_text(labels),
            other => short_text(other),
        };
        cut(&full, room.min(MAX_ONE))
    }

    /// The lines that fit; when not all do, those that share words with the question and their neighbours.
    fn lines_text(&self, lines: &[&str], room: usize) -> String {
        let cost = |line: &str| length(line).min(MAX_ONE) + 5;
        if lines.iter().map(|l| cost(l)).sum::<usize>() <= room {
            return lines.iter().map(|l| quoted(l, MAX_ONE)).collect::<Vec<_>>().join(" | ");
        }
        let mut order: Vec<(i32, usize)> =
            self.relevance(lines).into_iter().enumerate().map(|(n, score)| (-score, n)).collect();
        order.sort_unstable();
        let intro = format!("{} lines, among them ", lines.len());
        let mut left = room.saturating_sub(length(&intro));
        let longest = left.saturating_sub(5).min(MAX_ONE);
        let mut chosen: Vec<usize> = Vec::new();
        for (_, n) in order {
            let cost = lines.get(n).map_or(0, |l| length(l).min(longest) + 5);
            if cost <= left {
                left -= cost;
                chosen.push(n);
            }
        }
        chosen.sort_unstable();
        let shown: Vec<String> =
            chosen.iter().filter_map(|n| lines.get(*n)).map(|l| quoted(l, (longest + 2).min(MAX_ONE))).collect();
        format!("{intro}{}", shown.join(" | "))
    }

    fn relevance(&self, lines: &[&str]) -> Vec<i32> {
        let wanted: HashSet<String> = words(self.question).into_iter().filter(|w| w.chars().count() > 2).collect();
        let own: Vec<i32> =
            lines.iter().map(|line| 4 * words(line).iter().filter(|w| wanted.contains(*w)).count() as i32).collect();
        (0..lines.len())
            .map(|n| {
                let near = |k: Option<usize>| k.and_then(|k| own.get(k)).copied().unwrap_or(0);
                let hit = near(Some(n)) + near(n.checked_sub(1)) / 2 + near(n.checked_add(1)) / 4;
                hit + i32::from(n < 3)
            })
            .collect()
    }

    /// Replaces each `{id}` in a sentence by the whole text that the step returned, whatever that text holds.
    ///
    /// `None` when an id is not that of a step that speaks, or its result has no text.
    pub fn quote(&self, sentence: &str) -> Option<String> {
        let mut out = String::new();
        let mut rest = sentence;
        while let Some((before, id, behind)) = split_hole(rest) {
            let (_, value) = self.observations().find(|(o, _)| o.id == id)?;
            let text = whole_text(value);
            if text.trim().is_empty() || !value.images().is_empty() {
                return None;
            }
            out.push_str(before);
            out.push_str(&text);
            rest = behind;
        }
        out.push_str(rest);
        Some(out)
    }

    /// The superlatives that a step decided: "largest" where a filter kept the largest.
    pub(super) fn superlatives(&self) -> Vec<&'static str> {
        let found = self.known.observations.iter().filter(|o| o.value().is_some_and(|v| !is_empty(v)));
        let kept = found.filter_map(|o| o.args.get("keep")?.as_str());
        kept.flat_map(|keep| match keep {
            "largest" => ["largest", "biggest", "most"].as_slice(),
            "smallest" => ["smallest", "least"].as_slice(),
            "most_certain" => ["most"].as_slice(),
            _ => [].as_slice(),
        })
        .copied()
        .collect()
    }

    /// A result in words: a description or a table whole, anything else at most 240 characters of it.
    pub(super) fn in_full(&self, value: &Value) -> String {
        match value {
            Value::Json(json) if sentences_of(json).is_some() => whole_text(value),
            Value::Table(_) => whole_text(value),
            other => self.full_text(other, MAX_ONE),
        }
    }
}

fn head(id: &str, tool: &str, args: &Json) -> String {
    format!("{}: {} = ", cut(id, 24), cut(&call_text(tool, args), MAX_CALL))
}

fn failed(observation: &Observation) -> String {
    let kind = observation.failure().map(|f| Error::new(f.kind, "").for_model()).unwrap_or_default();
    format!("failed, {kind}")
}

/// Ids that another step refers to.
fn consumed(known: &Trace) -> HashSet<&str> {
    let steps = known.plan.iter().flat_map(|plan| &plan.steps);
    steps.flat_map(|step| step.references()).map(|reference| reference.id.as_str()).collect()
}

/// Ids of the steps that a step's arguments refer to.
pub(super) fn inputs<'a>(known: &'a Trace, id: &str) -> Vec<&'a str> {
    let step = known.plan.as_ref().and_then(|plan| plan.step(id));
    step.map(|s| s.references().into_iter().map(|r| r.id.as_str()).collect()).unwrap_or_default()
}

fn is_scalar(value: &Value) -> bool {
    matches!(ValueType::of(value), ValueType::Number | ValueType::Bool | ValueType::Text)
}

/// A value that was looked up: a few lines that say as much as a scalar.
fn is_found(observation: &Observation, value: &Value) -> bool {
    let few = matches!(value, Value::List(items) if items.len() <= MAX_FOUND);
    few && matches!(observation.tool.as_str(), "find_text" | "normalize")
}

fn is_empty(value: &Value) -> bool {
    matches!(value, Value::List(items) if items.is_empty())
}

/// A call in short: `count(people)`, `find_text(text, "total")`.
fn call_text(tool: &str, args: &Json) -> String {
    fn arg(json: &Json) -> Option<String> {
        match json {
            Json::String(text) if text == "$image" => None,
            Json::String(text) => match text.strip_prefix('$') {
                Some(literal) if literal.starts_with('$') => Some(quoted(literal, MAX_ONE)),
                Some(reference) => Some(reference.to_owned()),
                None => Some(quoted(text, MAX_ONE)),
            },
            Json::Array(items) => Some(items.iter().filter_map(arg).collect::<Vec<_>>().join(", ")),
            Json::Object(entries) => {
                let entries = entries.iter().filter_map(|(k, v)| Some(format!("{k} = {}", arg(v)?)));
                Some(entries.collect::<Vec<_>>().join(", "))
            }
            Json::Null => None,
            other => Some(other.to_string()),
        }
    }
    let args: Vec<String> = args.as_object().into_iter().flatten().filter_map(|(_, v)| arg(v)).collect();
    format!("{tool}({})", args.join(", "))
}

/// The first `{id}` of a sentence: what stands before it, the id, and what stands behind it.
pub(super) fn split_hole(sentence: &str) -> Option<(&str, &str, &str)> {
    static HOLE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{([a-z][a-z0-9_]*)\}").ok());
    let found = HOLE.as_ref()?.captures(sentence)?;
    let (hole, id) = (found.get(0)?, found.get(1)?);
    Some((sentence.get(..hole.start())?, id.as_str(), sentence.get(hole.end()..)?))
}

/// What the numbers of a measurement stand for: ` pixels`, or nothing for other results.
pub(super) fn unit(observation: &Observation) -> &'static str {
    let what = observation.args.get("what").and_then(Json::as_str);
    let is_number = |value: &Value| matches!(value, Value::Number(_));
    let measured = match observation.value() {
        Some(Value::List(items)) => !items.is_empty() && items.iter().all(is_number),
        value => value.is_some_and(is_number),
    };
    match what.filter(|_| measured && observation.tool == "measure") {
        Some("width" | "height" | "distance") => " pixels",
        Some("area") => " square pixels",
        Some("share" | "brightness") => " percent",
        _ => "",
    }
}
