//! The strict reader of a demo's line: what it does not know is an error that says what was probably meant.

use std::collections::HashSet;
use std::path::PathBuf;

use serde_json::{Map, Value as Json};

use super::{Demo, Seen};
use crate::error::{Error, Result};
use crate::plan::{self, Plan, Strict};
use crate::task::Task;

/// The keys of a demo.
const KEYS: [&str; 8] = ["question", "image", "images", "description", "plan", "observations", "answer", "missing"];
/// The keys of what was seen of a step.
const SEEN: [&str; 2] = ["id", "text"];
/// Most images of a demo.
const MAX_IMAGES: u64 = 16;
/// Most characters of one text.
const MAX_TEXT: usize = 4_000;
/// Most observations, and most sentences of an answer.
const MAX_PARTS: usize = 64;

type Object = Map<String, Json>;

/// Reads a demo.
pub(super) fn demo(line: &str) -> Result<Demo> {
    let Strict(json) = serde_json::from_str(line)
        .map_err(|e| Error::invalid(format!("it is no JSON object on one line: {e}")).with_source(e))?;
    let object = object("a demo", &json, &KEYS)?;
    let question = text(object, "question")?.ok_or_else(|| Error::invalid("the key `question` is missing"))?;
    if question.chars().count() > Task::MAX_QUESTION {
        return Err(Error::invalid(format!("`question` has more than {} characters", Task::MAX_QUESTION)));
    }
    let demo = Demo {
        question,
        images: images(object)?,
        image: text(object, "image")?.map(PathBuf::from),
        description: text(object, "description")?,
        plan: plan(object)?,
        observations: observations(object)?,
        answer: answer(object)?,
        missing: text(object, "missing")?,
    };
    whole(demo)
}

/// An object with no keys but these.
fn object<'a>(what: &str, json: &'a Json, keys: &[&str]) -> Result<&'a Object> {
    let object = json
        .as_object()
        .ok_or_else(|| Error::invalid(format!("{what} is an object with {}, and this is none", keys.join(", "))))?;
    match object.keys().find(|key| !keys.contains(&key.as_str())) {
        None => Ok(object),
        Some(key) => {
            let all = || Some(format!("the keys of {what} are {}", keys.join(", ")));
            let hint = plan::did_you_mean(key, keys.iter().copied(), all).unwrap_or_default();
            Err(Error::invalid(format!("there is no key {}; {hint}", plan::quoted(key))))
        }
    }
}

/// A text on one line that is there and not empty.
fn sentence(key: &str, json: &Json) -> Result<String> {
    let bad = |why: &str| Error::invalid(format!("`{key}` {why}"));
    let text = json.as_str().ok_or_else(|| bad("should be a text"))?.trim();
    if text.is_empty() {
        return Err(bad("is empty; leave it out, or say something"));
    }
    if text.contains(char::is_control) {
        return Err(bad("has a line break or another control character; write it on one line"));
    }
    if text.chars().count() > MAX_TEXT {
        return Err(bad(&format!("has more than {MAX_TEXT} characters")));
    }
    Ok(text.to_owned())
}

fn text(object: &Object, key: &str) -> Result<Option<String>> {
    object.get(key).map(|json| sentence(key, json)).transpose()
}

fn images(object: &Object) -> Result<usize> {
    let Some(json) = object.get("images") else { return Ok(1) };
    let images = json.as_u64().filter(|n| *n <= MAX_IMAGES).and_then(|n| usize::try_from(n).ok());
    images.ok_or_else(|| Error::invalid(format!("`images` should be a number from 0 to {MAX_IMAGES}")))
}

fn plan(object: &Object) -> Result<Option<Plan>> {
    let Some(json) = object.get("plan") else { return Ok(None) };
    let listed = |faults: Vec<plan::Fault>| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        Error::invalid(format!("`plan` is no plan: {}", faults.join("; ")))
    };
    Plan::from_json(json).map(Some).map_err(listed)
}

fn list<'a>(object: &'a Object, key: &str) -> Result<&'a [Json]> {
    let Some(json) = object.get(key) else { return Ok(&[]) };
    let items = json.as_array().ok_or_else(|| Error::invalid(format!("`{key}` should be a list")))?;
    if items.is_empty() || items.len() > MAX_PARTS {
        let why = format!("`{key}` has {} entries; leave it out, or give 1 to {MAX_PARTS}", items.len());
        return Err(Error::invalid(why));
    }
    Ok(items)
}

fn answer(object: &Object) -> Result<Vec<String>> {
    list(object, "answer")?.iter().enumerate().map(|(n, json)| sentence(&format!("answer[{n}]"), json)).collect()
}

fn observations(object: &Object) -> Result<Vec<Seen>> {
    let seen = |(n, json): (usize, &Json)| {
        let at = format!("observations[{n}]");
        let seen = self::object(&at, json, &SEEN).map_err(|e| e.context(at.clone()))?;
        let part = |key: &str| {
            let json = seen.get(key).ok_or_else(|| Error::invalid(format!("`{at}` has no `{key}`")))?;
            sentence(&format!("{at}.{key}"), json)
        };
        let (id, text) = (part("id")?, part("text")?);
        if !plan::is_id(&id) {
            let why = format!("`{at}.id` is no id: lower-case letters, digits and `_`, a letter first");
            return Err(Error::invalid(why));
        }
        Ok(Seen { id, text })
    };
    list(object, "observations")?.iter().enumerate().map(seen).collect()
}

/// Refuses a demo whose parts do not fit each other, or that shows nothing.
fn whole(demo: Demo) -> Result<Demo> {
    if !demo.answer.is_empty() && demo.missing.is_some() {
        return Err(Error::invalid("it has both `answer` and `missing`; leave one of them out"));
    }
    let mut ids = HashSet::new();
    if let Some(twice) = demo.observations.iter().find(|seen| !ids.insert(seen.id.as_str())) {
        return Err(Error::invalid(format!("`observations` tells of `{}` twice", twice.id)));
    }
    let unknown = |plan: &Plan| demo.observations.iter().find(|seen| plan.step(&seen.id).is_none());
    if let (Some(plan), Some(seen)) = (&demo.plan, demo.plan.as_ref().and_then(unknown)) {
        let ids: Vec<&str> = plan.steps.iter().map(|step| step.id.as_str()).collect();
        let why = format!("`observations` tells of `{}`, which is no step; the steps are {}", seen.id, ids.join(", "));
        return Err(Error::invalid(why));
    }
    if demo.serves().is_empty() {
        let why = "it shows nothing: give it a `plan`, or `observations` with an `answer` or what is `missing`";
        return Err(Error::invalid(why));
    }
    Ok(demo)
}
