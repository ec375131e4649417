//! The JSON Schema of plans, built from the catalog, for constrained decoding.

use std::borrow::Cow;

use serde_json::{Map, Value as Json, json};

use super::check::PlanLimits;
use super::json::escape;
use crate::signature::{Arg, Returns, Signature, Signatures, ValueType};
use crate::task::image_name;

/// An id as an LLM may write it.
pub(super) const ID: &str = "[a-z][a-z0-9_]{0,23}";
/// A path behind an id.
const PATH: &str = r"(\[(0|[1-9][0-9]?)\]|\.[a-z_]{1,24}){0,3}";
/// An index behind an id: all that can stand behind it in a reference to an image.
const INDEX: &str = r"(\[(0|[1-9][0-9]?)\])?";
/// Longest literal text, in characters.
pub(super) const MAX_TEXT: usize = 200;
/// What a decision maker thinks before anything is known.
pub const NOTHING_KNOWN: &str = "Nothing is known yet.";
/// Longest thought of a decision maker, in characters.
const MAX_SENTENCE: usize = 160;
/// Longest thought before a plan, in characters.
const MAX_THOUGHT: usize = 300;
/// Most items of a literal list.
const MAX_ITEMS: usize = 8;

/// The JSON Schema of plans that use these tools, for decoding constrained by `llguidance`.
///
/// Under it an unknown tool or argument, a missing required argument and a malformed reference cannot be
/// written; whether a reference makes sense is for [`check`](super::check). It is narrower than what
/// [`Plan::from_json`](super::Plan::from_json) reads: keys and arguments come in signature order, one space
/// follows each `:` and `,`, texts and lists have a length, and images, regions and lines are references.
pub fn schema(signatures: &dyn Signatures, limits: &PlanLimits) -> Json {
    json!({
        "x-guidance": guidance(),
        "type": "object",
        "properties": { "steps": steps(signatures, limits, 1), "result": text(&reference(PATH)) },
        "required": ["steps", "result"],
        "additionalProperties": false,
    })
}

/// The schema of plans with a thought before the steps; what [`without_thought`] reads.
pub fn thoughtful(mut schema: Json) -> Json {
    let thought = json!({ "type": "string", "pattern": format!(r"^[^\n]{{1,{MAX_THOUGHT}}}$") });
    if let Some(properties) = schema.get_mut("properties").and_then(Json::as_object_mut) {
        let rest = std::mem::take(properties);
        properties.insert("thought".to_owned(), thought);
        properties.extend(rest);
    }
    if let Some(required) = schema.get_mut("required").and_then(Json::as_array_mut) {
        required.insert(0, json!("thought"));
    }
    schema
}

/// A reply with the thought before its plan taken out of it.
pub fn without_thought(reply: &str) -> (Option<String>, Cow<'_, str>) {
    let Ok(Json::Object(mut plan)) = serde_json::from_str(reply) else { return (None, Cow::Borrowed(reply)) };
    match plan.shift_remove("thought") {
        Some(Json::String(thought)) => (Some(thought), Cow::Owned(Json::Object(plan).to_string())),
        _ => (None, Cow::Borrowed(reply)),
    }
}

/// What a round of a decision maker may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RoundKind {
    /// Ask for steps, or name the result.
    #[default]
    Open,
    /// Ask for steps: another round follows.
    Steps,
    /// Name the result: no round follows.
    Last,
}

/// The JSON Schema of one round of a decision maker: a thought, and then either what is missing with the next
/// steps (none when no tool can find it out), or the result: one of the steps in `results`, when there are any.
/// `limits.max_steps` is that of one round.
///
/// In the `first` round, where nothing is known, the thought says so, and there is a step.
pub fn round_schema(
    signatures: &dyn Signatures,
    limits: &PlanLimits,
    first: bool,
    kind: RoundKind,
    results: &[&str],
) -> Json {
    let sentence = json!({ "type": "string", "pattern": format!(r"^[^\n]{{1,{MAX_SENTENCE}}}$") });
    let thought = if first { json!({ "const": NOTHING_KNOWN }) } else { sentence.clone() };
    let ends = !first && kind == RoundKind::Last;
    let mut forms = Vec::new();
    if !ends || results.is_empty() {
        let least = usize::from(first || kind == RoundKind::Steps);
        let none = json!({ "type": "array", "maxItems": 0 });
        forms.push(json!({
            "type": "object",
            "properties": {
                "thought": thought,
                "missing": sentence,
                "steps": if ends { none } else { steps(signatures, limits, least) },
            },
            "required": ["thought", "missing", "steps"],
            "additionalProperties": false,
        }));
    }
    if !first && kind != RoundKind::Steps && !results.is_empty() {
        let results: Vec<String> = results.iter().map(|id| format!("${id}")).collect();
        forms.push(json!({
            "type": "object",
            "properties": { "thought": thought, "result": { "enum": results } },
            "required": ["thought", "result"],
            "additionalProperties": false,
        }));
    }
    json!({ "x-guidance": guidance(), "anyOf": forms })
}

/// How constrained replies are spaced.
pub(super) fn guidance() -> Json {
    json!({ "whitespace_flexible": false, "key_separator": ": ", "item_separator": ", " })
}

fn steps(signatures: &dyn Signatures, limits: &PlanLimits, least: usize) -> Json {
    let names = signatures.names();
    let tools: Vec<(&str, &Signature)> =
        names.iter().filter_map(|name| Some((*name, signatures.signature(name)?))).collect();
    let makes_images = tools.iter().any(|(_, s)| makes_images(s));
    let images = if makes_images || limits.images == 0 { 0 } else { limits.images };
    let steps: Vec<Json> = tools.iter().map(|(name, signature)| step(name, signature, images)).collect();
    json!({
        "type": "array",
        "items": { "anyOf": steps },
        "minItems": least,
        "maxItems": limits.max_steps.max(1),
    })
}

/// Whether a step of this tool can return an image, so that an image argument can refer to a step.
fn makes_images(signature: &Signature) -> bool {
    let holds = |of: &ValueType| match of {
        ValueType::List(of) => **of == ValueType::Image || **of == ValueType::Any,
        of => matches!(of, ValueType::Image | ValueType::Any),
    };
    match &signature.returns {
        Returns::Type(of) => holds(of),
        Returns::SameAs(name) => signature.arg(name).is_some_and(|arg| arg.types.iter().any(holds)),
    }
}

fn step(name: &str, signature: &Signature, images: usize) -> Json {
    json!({
        "type": "object",
        "properties": {
            "id": text(&format!("^{ID}$")),
            "tool": { "const": name },
            "args": args(signature, &|arg| argument(arg, images)),
        },
        "required": ["id", "tool", "args"],
        "additionalProperties": false,
    })
}

/// The arguments of a tool, each of which is what `argument` says.
pub(super) fn args(signature: &Signature, argument: &dyn Fn(&Arg) -> Json) -> Json {
    let args: Map<String, Json> = signature.args.iter().map(|arg| (arg.name.clone(), argument(arg))).collect();
    let required: Vec<&str> = signature.args.iter().filter(|a| a.required).map(|a| a.name.as_str()).collect();
    json!({ "type": "object", "properties": args, "required": required, "additionalProperties": false })
}

/// What may be written for an argument. `images` is their number when nothing else is an image, else 0.
fn argument(arg: &Arg, images: usize) -> Json {
    if !arg.choices.is_empty() {
        return json!({ "enum": arg.choices.iter().map(|c| escape(&json!(c))).collect::<Vec<_>>() });
    }
    let wants = |t: &ValueType| arg.types.contains(t);
    let loose = wants(&ValueType::Any) || wants(&ValueType::Json);
    let mut forms = Vec::new();
    if loose || wants(&ValueType::Text) {
        forms.push(text_or_reference());
    } else if arg.types.iter().all(|t| *t == ValueType::Image) {
        forms.push(image(images));
    } else {
        forms.push(text(&reference(PATH)));
    }
    if loose || wants(&ValueType::Number) {
        forms.push(number());
    }
    if loose || wants(&ValueType::Bool) {
        forms.push(json!({ "type": "boolean" }));
    }
    forms.extend(arg.types.iter().filter_map(list));
    if wants(&ValueType::Json) {
        forms.push(list_of(&scalar()));
        forms.push(object());
    }
    any_of(forms)
}

pub(super) fn any_of(mut forms: Vec<Json>) -> Json {
    match forms.pop() {
        Some(only) if forms.is_empty() => only,
        Some(last) => {
            forms.push(last);
            json!({ "anyOf": forms })
        }
        None => json!({}),
    }
}

/// A list as a literal, for those lists whose elements can be literals.
fn list(of: &ValueType) -> Option<Json> {
    match of {
        ValueType::List(of) if **of == ValueType::Text => Some(list_of(&text_or_reference())),
        ValueType::List(of) if **of == ValueType::Number => Some(numbers()),
        ValueType::List(of) if **of == ValueType::list(ValueType::Number) => Some(list_of(&numbers())),
        _ => None,
    }
}

fn numbers() -> Json {
    list_of(&any_of(vec![number(), text(&reference(PATH))]))
}

fn list_of(items: &Json) -> Json {
    json!({ "type": "array", "items": items, "minItems": 1, "maxItems": MAX_ITEMS })
}

/// A small object, e.g. the values of a formula.
fn object() -> Json {
    json!({
        "type": "object",
        "patternProperties": { format!("^{ID}$"): scalar() },
        "minProperties": 1,
        "maxProperties": MAX_ITEMS,
        "additionalProperties": false,
    })
}

fn scalar() -> Json {
    any_of(vec![text_or_reference(), number(), json!({ "type": "boolean" })])
}

/// Bounds keep exponents and endless digits out.
fn number() -> Json {
    json!({ "type": "number", "minimum": -1_000_000_000, "maximum": 1_000_000_000 })
}

fn image(images: usize) -> Json {
    match images {
        0 => text(&reference(INDEX)),
        images => json!({ "enum": (0..images).map(|n| format!("${}", image_name(n))).collect::<Vec<_>>() }),
    }
}

pub(super) fn text(pattern: &str) -> Json {
    json!({ "type": "string", "pattern": pattern })
}

fn reference(path: &str) -> String {
    format!(r"^\${ID}{path}$")
}

/// A literal text of one line, its leading `$` doubled, or a reference.
fn text_or_reference() -> Json {
    text(&format!(r"^((\$\$|[^$\n])[^\n]{{0,{}}}|\${ID}{PATH})$", MAX_TEXT - 1))
}
