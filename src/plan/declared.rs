//! Plans of declared tools as an LLM writes them, and their JSON Schema.
//!
//! # Why steps are called after what they make
//! A grammar does not know which tool an earlier step called, but it sees the id: when the step that makes audio
//! is called `audio_1`, an argument that takes audio can only refer to such a step. So references have the right
//! type for certain, which a small LLM does not get right by itself.
//!
//! # Why the keys of a step have two orders
//! An LLM decides in the order it writes. Where each tool makes one thing, it says first what is to be done, and
//! takes the tool for that; the id follows. Where a tool makes one of several things, such as a mask or a text,
//! what is to be made comes first: with the tool first, a small LLM takes the last tool and skips those before it.

use serde_json::{Map, Value as Json, json};

use super::check::PlanLimits;
use super::reference::is_id;
use super::request::{URL, begins, files, is_given, is_medium, medium_of, speaks_of_media};
use super::schema::{ID, MAX_TEXT, any_of, guidance, text};
use super::strict::Strict;
use super::{Fault, Plan};
use crate::signature::{Arg, Returns, Signature, Signatures, ValueType};

/// The number behind a name.
const NUMBER: &str = "_[1-9][0-9]?";
/// What a step is called after that makes nothing with a name.
const NAMELESS: &str = "result";
/// Longest name that a step is called after.
const MAX_NAME: usize = 20;
/// What a step says it is to do, before it names its tool. It is no part of the plan.
const TO_DO: &str = "do";
/// Longest of these, in characters.
const MAX_TO_DO: usize = 70;
/// Types of words.
const TEXTS: [&str; 2] = ["text", "string"];
/// Most steps, as far as decoding is constrained.
const MAX_STEPS: usize = 16;
/// Patterns longer than this are written once.
const SHARED: usize = 16;

/// The JSON Schema of plans that use [declared](crate::signature::ValueType::Named) tools, for a request.
///
/// Steps are called after what they make, with a number: `text_1`, `image_2`; see [`result_name`]. An argument is a
/// text of one line that begins as some words of the request do, or a reference to a step that makes what it takes;
/// the first step refers to none. For images, audio, video and addresses the text is one that the request names:
/// `talk.mp3`, or where it speaks of one without a name, `the audio`. What steps make besides is only referred to,
/// such as boxes. Of two inputs, words that go with something else have to be given. There are at most 16 steps.
/// Else as [`schema`](super::schema()).
pub fn declared_schema(signatures: &dyn Signatures, limits: &PlanLimits, request: &str) -> Json {
    narrowed_schema(signatures, limits, request, &[])
}

/// The same for another attempt, in which nothing can refer to what is [`unmade`].
pub(crate) fn narrowed_schema(
    signatures: &dyn Signatures,
    limits: &PlanLimits,
    request: &str,
    unmade: &[String],
) -> Json {
    let names = signatures.names();
    let tools: Vec<(&str, &Signature)> =
        names.iter().filter_map(|name| Some((*name, signatures.signature(name)?))).collect();
    let takes_addresses = tools.iter().flat_map(|(_, s)| &s.args).any(|arg| arg.types.iter().any(|of| is(of, URL)));
    let made = tools.iter().flat_map(|(_, s)| results(s));
    let made = made.filter(|name| !unmade.iter().any(|other| other == name)).collect();
    let begins = begins(request, &rest_of_text());
    let mut written = Written { request, files: files(request), takes_addresses, made, begins, is_loose: false };
    let says = says_what_to_do(signatures);
    let mut later: Vec<Json> = tools.iter().filter_map(|tool| written.step(tool, says, true)).collect();
    if later.is_empty() {
        written.is_loose = true;
        later = tools.iter().filter_map(|tool| written.step(tool, says, true)).collect();
    }
    let first: Vec<Json> = tools.iter().filter_map(|tool| written.step(tool, says, false)).collect();
    let (first, later) = if first.is_empty() { (later.clone(), later) } else { (first, later) };
    let mut steps = json!({
        "type": "array",
        "prefixItems": [any_of(first)],
        "items": any_of(later),
        "minItems": 1,
        "maxItems": limits.max_steps.clamp(1, MAX_STEPS),
    });
    let mut shared = Map::new();
    share(&mut steps, &mut shared);
    json!({
        "x-guidance": guidance(),
        "type": "object",
        "properties": { "steps": steps, "result": text(&format!(r"^\${ID}$")) },
        "required": ["steps", "result"],
        "additionalProperties": false,
        "$defs": shared,
    })
}

/// Moves long patterns, which many arguments have in common, to one place.
fn share(schema: &mut Json, shared: &mut Map<String, Json>) {
    let is_long = schema.get("pattern").and_then(Json::as_str).is_some_and(|pattern| pattern.len() > SHARED);
    match schema {
        Json::Object(_) if is_long => {
            let known = shared.iter().find(|(_, other)| *other == schema).map(|(name, _)| name.clone());
            let name = known.unwrap_or_else(|| format!("text{}", shared.len() + 1));
            let pattern = std::mem::replace(schema, json!({ "$ref": format!("#/$defs/{name}") }));
            shared.insert(name, pattern);
        }
        Json::Object(object) => object.values_mut().for_each(|inner| share(inner, shared)),
        Json::Array(list) => list.iter_mut().for_each(|inner| share(inner, shared)),
        _ => {}
    }
}

/// The keys of a step of declared tools, in the order an LLM is to write them.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredStep {
    /// What is to be done, in words.
    pub to_do: Json,
    /// The id.
    pub id: Json,
    /// The tool.
    pub tool: Json,
    /// The arguments.
    pub args: Json,
}

impl DeclaredStep {
    /// The step as an object; what is to be done comes first, or is left out: see [`says_what_to_do`].
    pub fn keys(self, says_what_to_do: bool) -> Map<String, Json> {
        let own = |key: &str, value| (key.to_owned(), value);
        let Self { to_do, id, tool, args } = self;
        if says_what_to_do {
            [own(TO_DO, to_do), own("tool", tool), own("id", id), own("args", args)].into_iter().collect()
        } else {
            [own("id", id), own("tool", tool), own("args", args)].into_iter().collect()
        }
    }
}

/// Whether a step says what it is to do, before it names its tool: where each of the tools makes one thing.
pub fn says_what_to_do(signatures: &dyn Signatures) -> bool {
    let several =
        |signature: &Signature| matches!(&signature.returns, Returns::Type(ValueType::Named(words)) if words.len() > 1);
    !signatures.names().iter().filter_map(|name| signatures.signature(name)).any(several)
}

/// What the steps of a faulty plan refer to and none of them makes, such as `image` for `$image_1`.
pub(crate) fn unmade(plan: &Json) -> Vec<String> {
    let steps = || plan.get("steps").and_then(Json::as_array).into_iter().flatten();
    let made: Vec<&str> = steps().filter_map(|step| kind(step.get("id")?.as_str()?)).collect();
    let args = steps().filter_map(|step| step.get("args")?.as_object()).flat_map(Map::values);
    let referred = args.filter_map(|arg| kind(arg.as_str()?.strip_prefix('$')?));
    let mut unmade: Vec<String> = referred.filter(|name| !made.contains(name)).map(str::to_owned).collect();
    unmade.dedup();
    unmade
}

/// What a step is called after: `image_1` after an image.
pub(super) fn kind(id: &str) -> Option<&str> {
    id.rsplit_once('_').map(|(name, _)| name)
}

/// Reads a plan of declared tools, without what its steps say they do.
///
/// # Errors
/// As [`Plan::parse`].
pub fn read_declared(text: &str) -> Result<Plan, Vec<Fault>> {
    // What is too long, or no JSON, is told of as in any plan.
    let parsed = Some(text).filter(|text| super::json::check_length(text).is_ok()).map(serde_json::from_str);
    let Some(Ok(Strict(mut json))) = parsed else { return Plan::parse(text) };
    for step in json.get_mut("steps").and_then(Json::as_array_mut).into_iter().flatten() {
        if let Some(step) = step.as_object_mut() {
            step.shift_remove(TO_DO);
        }
    }
    Plan::from_json(&json)
}

/// What a step that makes this is called after: `image`, or `result` where that cannot be part of an id.
pub fn result_name(of: &str) -> &str {
    if is_id(of) && of.len() <= MAX_NAME { of } else { NAMELESS }
}

/// What the results of a tool are called after.
fn results(signature: &Signature) -> Vec<&str> {
    match &signature.returns {
        Returns::Type(of) => names(of),
        Returns::SameAs(_) => vec![NAMELESS],
    }
}

fn names(of: &ValueType) -> Vec<&str> {
    match of {
        ValueType::Named(words) => words.iter().map(|word| result_name(word)).collect(),
        _ => vec![NAMELESS],
    }
}

fn is(of: &ValueType, name: &str) -> bool {
    matches!(of, ValueType::Named(words) if words.iter().any(|word| word == name))
}

/// What can be written for a request.
struct Written<'a> {
    request: &'a str,
    files: Vec<&'a str>,
    takes_addresses: bool,
    /// What steps are called after.
    made: Vec<&'a str>,
    /// What texts are, as patterns; none where any text is one.
    begins: Vec<String>,
    /// Whether there is something to write for every argument.
    is_loose: bool,
}

impl Written<'_> {
    /// A step; nothing where something is needed for which nothing can be written.
    fn step(&self, (name, signature): &(&str, &Signature), says: bool, refers: bool) -> Option<Json> {
        let mut args = Map::new();
        for arg in &signature.args {
            match self.argument(arg, refers) {
                Some(pattern) => drop(args.insert(arg.name.clone(), text(&format!("^({pattern})$")))),
                None if arg.required => return None,
                None => {}
            }
        }
        let needed = signature.args.iter().filter(|arg| arg.required || is_said(signature, arg));
        let required: Vec<&str> = needed.map(|arg| arg.name.as_str()).collect();
        let step = DeclaredStep {
            to_do: text(&format!(r"^[^\n]{{1,{MAX_TO_DO}}}$")),
            id: text(&format!("^({}){NUMBER}$", results(signature).join("|"))),
            tool: json!({ "const": name }),
            args: json!({ "type": "object", "properties": args, "required": required, "additionalProperties": false }),
        };
        let properties = step.keys(says);
        let required: Vec<&String> = properties.keys().collect();
        Some(json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false }))
    }

    /// What can be written for an argument: a text, and where it `refers` to steps, a reference.
    fn argument(&self, arg: &Arg, refers: bool) -> Option<String> {
        let literal = match arg.types.as_slice() {
            [ValueType::Named(words)] => match words.as_slice() {
                [word] => self.named(word, arg),
                _ => Some(any_text()),
            },
            _ => Some(any_text()),
        };
        let anything = arg.types.iter().any(|of| !matches!(of, ValueType::Named(_)));
        let mut makers: Vec<&str> = arg.types.iter().flat_map(names).filter(|name| self.made.contains(name)).collect();
        if self.made.contains(&NAMELESS) {
            makers.push(NAMELESS);
        }
        let reference = if anything { ID.to_owned() } else { format!("({}){NUMBER}", makers.join("|")) };
        let reference = Some(format!(r"\${reference}")).filter(|_| refers && (anything || !makers.is_empty()));
        let forms: Vec<String> = literal.into_iter().chain(reference).collect();
        Some(forms.join("|")).filter(|forms| !forms.is_empty())
    }

    /// A text for an argument of a type of one name.
    fn named(&self, word: &str, arg: &Arg) -> Option<String> {
        if is_medium(word) {
            self.medium(word, arg.required)
        } else if is_words(arg) && !self.begins.is_empty() {
            // What begins with no word of the request stands in a demo, or is made up.
            Some(self.begins.join("|"))
        } else if self.made.contains(&word) && !TEXTS.contains(&word) && !self.is_loose {
            // Of several files one may be a mask.
            let several = self.files.iter().filter(|_| self.files.len() > 1);
            let files: Vec<String> = several.map(|file| regex::escape(file)).collect();
            Some(files.join("|")).filter(|files| !files.is_empty())
        } else {
            Some(any_text())
        }
    }

    /// A medium as the request names it, or `the audio` where it speaks of one.
    fn medium(&self, medium: &str, required: bool) -> Option<String> {
        let fits = |file: &&&str| match medium_of(file) {
            Some(URL) => medium == URL || !self.takes_addresses,
            Some(other) => other == medium,
            None => true,
        };
        let mut forms: Vec<String> = self.files.iter().filter(fits).map(|file| regex::escape(file)).collect();
        let is_unsaid = self.files.is_empty() && !speaks_of_media(self.request);
        let is_there = self.is_loose || is_unsaid || is_given(self.request, medium);
        if forms.is_empty() && required && is_there {
            forms.push(format!("the {medium}"));
        }
        Some(format!("({})", forms.join("|"))).filter(|_| !forms.is_empty())
    }
}

/// A text of one line.
fn any_text() -> String {
    format!(r"(\$\$|[^$\n]){}", rest_of_text())
}

/// What follows the beginning of a text.
fn rest_of_text() -> String {
    format!(r"[^\n]{{0,{}}}", MAX_TEXT - 1)
}

/// Whether an argument is words, and is called so: one with a name of its own may be a code, or a day.
fn is_words(arg: &Arg) -> bool {
    matches!(arg.types.as_slice(), [ValueType::Named(words)]
        if words.iter().all(|word| TEXTS.contains(&word.as_str()) && arg.name.starts_with(word.as_str())))
}

/// Whether an argument is the words that tell a tool of two inputs what to do with the other one.
fn is_said(signature: &Signature, arg: &Arg) -> bool {
    signature.args.len() == 2 && is_words(arg)
}
