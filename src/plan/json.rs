//! The JSON form of plans: read with every malformation reported, written in a fixed key order.

use serde_json::{Map, Value as Json, json};

use super::fault::{did_you_mean, quoted};
use super::program::is_program;
use super::reference::is_id;
use super::strict::Strict;
use super::{ArgValue, Fault, FaultKind, Plan, Reference, Step};

/// Longest plan as text, in bytes.
const MAX_TEXT: usize = 64 * 1024;
/// Deepest nesting of lists and objects inside one argument.
pub(super) const MAX_DEPTH: usize = 16;

impl Plan {
    /// Reads a plan from text that holds one JSON object, or a program.
    ///
    /// It is taken for a program when a line of it assigns something, as `NAME = tool(...)` does, and it does not
    /// begin as JSON does.
    ///
    /// ```
    /// use lavr::plan::Plan;
    ///
    /// let text = r#"{"steps": [{"id": "text", "tool": "read_text", "args": {"image": "$image"}}], "result": "$text"}"#;
    /// let plan = Plan::parse(text).expect("a plan");
    /// assert_eq!(plan.result.to_string(), "$text");
    /// assert_eq!(Plan::parse("{}").unwrap_err()[0].to_string(), "plan: the key `steps` is missing");
    /// ```
    ///
    /// # Errors
    /// All malformations, as [`Plan::from_json`] or [`Plan::from_program`]; one fault when it is not JSON, repeats a key or is over 64 KiB.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        check_length(text)?;
        if is_program(text) {
            return Self::from_program(text);
        }
        match serde_json::from_str(text) {
            Ok(Strict(json)) => Self::from_json(&json),
            Err(error) => Err(vec![
                malformed("plan", format!("the plan is not JSON: {error}"))
                    .suggest(r#"write {"steps": [...], "result": "$id"}"#.to_owned()),
            ]),
        }
    }

    /// Reads a plan from its JSON form. Whether it makes sense is for [`check`](super::check) to say.
    ///
    /// # Errors
    /// All malformations: missing and unknown keys, wrong types, bad ids and references.
    pub fn from_json(json: &Json) -> Result<Self, Vec<Fault>> {
        let mut reader = Reader::default();
        match reader.plan(json) {
            Some(plan) if reader.faults.is_empty() => Ok(plan),
            _ => Err(reader.faults),
        }
    }

    /// The JSON form; the inverse of [`Plan::from_json`].
    pub fn to_json(&self) -> Json {
        let steps: Vec<Json> = self.steps.iter().map(Step::to_json).collect();
        json!({ "steps": steps, "result": self.result.to_string() })
    }
}

impl Step {
    /// The JSON form: `id`, `tool`, `args`.
    pub fn to_json(&self) -> Json {
        let args: Map<String, Json> = self.args.iter().map(|(n, v)| (n.clone(), v.to_json())).collect();
        json!({ "id": self.id, "tool": self.tool, "args": args })
    }
}

impl ArgValue {
    /// The JSON form: references as `$id`, literals that begin with `$` as `$$`.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Ref(reference) => Json::String(reference.to_string()),
            Self::Literal(json) => escape(json),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Object(entries) => Json::Object(entries.iter().map(|(n, v)| (n.clone(), v.to_json())).collect()),
        }
    }
}

/// A literal as it is written: `$5` becomes `$$5`.
pub(super) fn escape(json: &Json) -> Json {
    match json {
        Json::String(text) if text.starts_with('$') => Json::String(format!("${text}")),
        Json::Array(items) => items.iter().map(escape).collect(),
        Json::Object(entries) => Json::Object(entries.iter().map(|(n, v)| (n.clone(), escape(v))).collect()),
        other => other.clone(),
    }
}

/// Refuses a text that is longer than any plan.
pub(super) fn check_length(text: &str) -> Result<(), Vec<Fault>> {
    if text.len() <= MAX_TEXT {
        return Ok(());
    }
    let message = format!("the plan has {} bytes, more than {MAX_TEXT}", text.len());
    Err(vec![malformed("plan", message).suggest("write fewer steps".to_owned())])
}

pub(super) fn malformed(at: impl Into<String>, message: impl Into<String>) -> Fault {
    Fault::new(FaultKind::Malformed, at, message)
}

/// What a piece of JSON is, for messages.
pub(super) fn describe(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

/// Collects the faults while reading on.
#[derive(Default)]
struct Reader {
    faults: Vec<Fault>,
}

impl Reader {
    fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    fn plan(&mut self, json: &Json) -> Option<Plan> {
        let object = self.object("plan", json, &["steps", "result"])?;
        let steps = object.get("steps").and_then(|steps| self.steps(steps));
        let ids: Vec<&str> = object
            .get("steps")
            .and_then(Json::as_array)
            .map(|steps| steps.iter().filter_map(|s| s.get("id")?.as_str()).collect())
            .unwrap_or_default();
        let result = object.get("result").and_then(|result| self.result(result, &ids));
        Some(Plan { steps: steps?, result: result? })
    }

    fn steps(&mut self, json: &Json) -> Option<Vec<Step>> {
        let Some(items) = json.as_array() else {
            self.fault(malformed("steps", format!("`steps` should be a list, it is {}", describe(json))));
            return None;
        };
        // Every step is read before one that failed ends it, so that all faults are found.
        let steps: Vec<Option<Step>> =
            items.iter().enumerate().map(|(n, item)| self.step(&format!("steps[{n}]"), item)).collect();
        steps.into_iter().collect()
    }

    fn step(&mut self, at: &str, json: &Json) -> Option<Step> {
        let object = self.object(at, json, &["id", "tool", "args"])?;
        let id = object.get("id").and_then(|id| self.id(&format!("{at}.id"), id));
        let tool = object.get("tool").and_then(|tool| self.text(&format!("{at}.tool"), tool));
        let args = object.get("args").and_then(|args| self.args(&format!("{at}.args"), args));
        Some(Step { id: id?, tool: tool?, args: args? })
    }

    /// An object with exactly these keys; missing and unknown ones are reported.
    fn object<'a>(&mut self, at: &str, json: &'a Json, keys: &[&str]) -> Option<&'a Map<String, Json>> {
        let Some(object) = json.as_object() else {
            let wanted = keys.join(", ");
            self.fault(malformed(at, format!("it should be an object with {wanted}, it is {}", describe(json))));
            return None;
        };
        for key in object.keys().filter(|key| !keys.contains(&key.as_str())) {
            let missing = keys.iter().copied().filter(|k| !object.contains_key(*k));
            let hint = did_you_mean(key, missing, || Some(format!("the keys are {}", keys.join(", "))));
            self.fault(malformed(at, format!("there is no key {}", quoted(key))).suggest(hint));
        }
        for key in keys.iter().filter(|key| !object.contains_key(**key)) {
            self.fault(malformed(at, format!("the key `{key}` is missing")));
        }
        Some(object)
    }

    fn text(&mut self, at: &str, json: &Json) -> Option<String> {
        let text = json.as_str().map(str::to_owned);
        if text.is_none() {
            self.fault(malformed(at, format!("it should be a text, it is {}", describe(json))));
        }
        text
    }

    fn id(&mut self, at: &str, json: &Json) -> Option<String> {
        let id = self.text(at, json)?;
        if !is_id(&id) {
            self.fault(bad_id(at, &id));
            return None;
        }
        Some(id)
    }

    fn args(&mut self, at: &str, json: &Json) -> Option<Vec<(String, ArgValue)>> {
        let Some(object) = json.as_object() else {
            self.fault(malformed(at, format!("`args` should be an object, it is {}", describe(json))));
            return None;
        };
        self.entries(at, object, 0)
    }

    fn entries(&mut self, at: &str, object: &Map<String, Json>, depth: usize) -> Option<Vec<(String, ArgValue)>> {
        let entries: Vec<Option<(String, ArgValue)>> = object
            .iter()
            .map(|(name, value)| Some((name.clone(), self.value(&join(at, name), value, depth)?)))
            .collect();
        entries.into_iter().collect()
    }

    fn value(&mut self, at: &str, json: &Json, depth: usize) -> Option<ArgValue> {
        if depth > MAX_DEPTH {
            self.fault(malformed(at, format!("lists and objects are nested more than {MAX_DEPTH} deep")));
            return None;
        }
        match json {
            Json::String(text) => self.text_value(at, text),
            Json::Array(items) => {
                let items: Vec<Option<ArgValue>> = items
                    .iter()
                    .enumerate()
                    .map(|(n, item)| self.value(&format!("{at}[{n}]"), item, depth + 1))
                    .collect();
                items.into_iter().collect::<Option<_>>().map(ArgValue::List)
            }
            Json::Object(object) => self.entries(at, object, depth + 1).map(ArgValue::Object),
            other => Some(ArgValue::Literal(other.clone())),
        }
    }

    fn text_value(&mut self, at: &str, text: &str) -> Option<ArgValue> {
        let Some(rest) = text.strip_prefix('$') else {
            return Some(ArgValue::Literal(Json::String(text.to_owned())));
        };
        if rest.starts_with('$') {
            return Some(ArgValue::Literal(Json::String(rest.to_owned())));
        }
        match text.parse::<Reference>() {
            Ok(reference) => Some(ArgValue::Ref(reference)),
            Err(error) => {
                let hint = format!("a text that begins with `$` is written {}", quoted(&format!("${text}")));
                self.fault(malformed(at, error.to_string()).suggest(hint));
                None
            }
        }
    }

    fn result(&mut self, json: &Json, ids: &[&str]) -> Option<Reference> {
        let text = self.text("result", json)?;
        match text.parse::<Reference>() {
            Ok(reference) => Some(reference),
            Err(error) => {
                let named = ids.iter().find(|id| **id == text).map(|id| format!("did you mean `${id}`?"));
                let hint = named.or_else(|| ids.last().map(|id| format!("write the id of a step, e.g. `${id}`")));
                self.fault(malformed("result", error.to_string()).suggest(hint));
                None
            }
        }
    }
}

/// The fault of an id that is not `[a-z][a-z0-9_]*`, with the id it could be.
pub(super) fn bad_id(at: &str, id: &str) -> Fault {
    let mut near: String = id
        .chars()
        .take(24)
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
        .collect::<String>()
        .trim_matches('_')
        .to_owned();
    if !is_id(&near) {
        near = format!("s{near}");
    }
    malformed(at, format!("{} is not an id: lower-case letters, digits and `_`, a letter first", quoted(id)))
        .suggest(format!("write `{near}`"))
}

/// The path to a named value; a long name is cut.
pub(super) fn join(at: &str, name: &str) -> String {
    format!("{at}.{}", quoted(name).trim_matches('`'))
}
