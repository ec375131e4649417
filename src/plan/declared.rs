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
use super::schema::{self, ID, MAX_TEXT, any_of, guidance, text};
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
/// Most steps, as far as decoding is constrained.
const MAX_STEPS: usize = 16;
/// Longest name of a file or an address that is looked for in a request, in bytes.
const MAX_FILE: usize = 200;
/// Types that are media, with the endings of their files. What there is of them is named in a request.
const MEDIA: [(&str, &[&str]); 4] = [
    ("image", &["jpg", "jpeg", "png", "gif", "bmp", "tif", "tiff", "webp", "svg", "ico", "heic"]),
    ("audio", &["mp3", "wav", "wma", "ogg", "aac", "flac", "aiff", "m4a", "opus"]),
    ("video", &["mp4", "avi", "mov", "flv", "wmv", "mkv", "webm", "m4v", "mpg", "mpeg"]),
    (URL, &[]),
];
const URL: &str = "url";

/// The JSON Schema of plans that use [declared](crate::signature::ValueType::Named) tools, for a request.
///
/// Steps are called after what they make, with a number: `text_1`, `image_2`; see [`result_name`]. An argument is a
/// text of one line, or a reference to a step that makes what it takes. For images, audio, video and addresses
/// the text is one that the request names: `talk.mp3`, or else `the audio`. There are at most 16 steps.
/// Else as [`schema`](super::schema()).
pub fn declared_schema(signatures: &dyn Signatures, limits: &PlanLimits, request: &str) -> Json {
    let names = signatures.names();
    let tools: Vec<(&str, &Signature)> =
        names.iter().filter_map(|name| Some((*name, signatures.signature(name)?))).collect();
    let takes_addresses = tools.iter().flat_map(|(_, s)| &s.args).any(|arg| arg.types.iter().any(|of| is(of, URL)));
    let some_nameless = tools.iter().any(|(_, s)| results(s).contains(&NAMELESS));
    let written = Written { files: files(request), takes_addresses, some_nameless };
    let steps = tools.iter().map(|(name, signature)| {
        let step = DeclaredStep {
            to_do: text(&format!(r"^[^\n]{{1,{MAX_TO_DO}}}$")),
            id: text(&format!("^({}){NUMBER}$", results(signature).join("|"))),
            tool: json!({ "const": name }),
            args: schema::args(signature, &|arg| written.argument(arg)),
        };
        let properties = step.keys(says_what_to_do(signatures));
        let required: Vec<&String> = properties.keys().collect();
        json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
    });
    let steps = json!({
        "type": "array",
        "items": any_of(steps.collect()),
        "minItems": 1,
        "maxItems": limits.max_steps.clamp(1, MAX_STEPS),
    });
    json!({
        "x-guidance": guidance(),
        "type": "object",
        "properties": { "steps": steps, "result": text(&format!(r"^\${ID}$")) },
        "required": ["steps", "result"],
        "additionalProperties": false,
    })
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

/// What can be written for arguments.
struct Written<'a> {
    files: Vec<&'a str>,
    takes_addresses: bool,
    some_nameless: bool,
}

impl Written<'_> {
    fn argument(&self, arg: &Arg) -> Json {
        let literal = match arg.types.as_slice() {
            [ValueType::Named(words)] => match words.as_slice() {
                [word] => self.medium(word),
                _ => None,
            },
            _ => None,
        };
        let literal = literal.unwrap_or_else(|| format!(r"(\$\$|[^$\n])[^\n]{{0,{}}}", MAX_TEXT - 1));
        let anything = arg.types.iter().any(|of| !matches!(of, ValueType::Named(_)));
        let mut makers: Vec<&str> = arg.types.iter().flat_map(names).collect();
        if self.some_nameless {
            makers.push(NAMELESS);
        }
        let reference = if anything { ID.to_owned() } else { format!("({}){NUMBER}", makers.join("|")) };
        text(&format!(r"^({literal}|\${reference})$"))
    }

    /// A medium as the request names it, or `the audio`.
    fn medium(&self, word: &str) -> Option<String> {
        let (medium, _) = MEDIA.iter().find(|(medium, _)| *medium == word)?;
        let fits = |file: &&&str| match medium_of(file) {
            Some(URL) => *medium == URL || !self.takes_addresses,
            Some(other) => other == *medium,
            None => true,
        };
        let files = self.files.iter().filter(fits).map(|file| regex::escape(file));
        let forms: Vec<String> = files.chain([format!("the {medium}")]).collect();
        Some(format!("({})", forms.join("|")))
    }
}

/// The medium of a file or an address, where its name tells.
fn medium_of(file: &str) -> Option<&'static str> {
    if is_address(file) {
        return Some(URL);
    }
    let ending = file.rsplit_once('.')?.1.to_lowercase();
    MEDIA.iter().find(|(_, endings)| endings.contains(&ending.as_str())).map(|(medium, _)| *medium)
}

fn is_address(text: &str) -> bool {
    text.contains("://") || text.starts_with("www.")
}

/// The files and addresses that a request names, each once.
fn files(request: &str) -> Vec<&str> {
    let apart = |c: char| c.is_whitespace() || "\"'`,;()[]<>{}|“”‘’".contains(c);
    let mut found: Vec<&str> = Vec::new();
    for word in request.split(apart) {
        let word = word.trim_end_matches(['.', '?', '!', ':']);
        if is_file(word) && word.len() <= MAX_FILE && !word.starts_with('$') && !found.contains(&word) {
            found.push(word);
        }
    }
    for quoted in quotations(request) {
        if is_file(quoted) && quoted.len() <= MAX_FILE && !quoted.starts_with('$') && !found.contains(&quoted) {
            found.push(quoted);
        }
    }
    found
}

/// Whether a text is an address, or ends as the name of a file does.
fn is_file(text: &str) -> bool {
    let ends_so = text.rsplit_once('.').is_some_and(|(name, ending)| {
        let plain = ending.chars().all(|c| c.is_ascii_alphanumeric()) && (1..=5).contains(&ending.len());
        plain && ending.starts_with(|c: char| c.is_ascii_alphabetic()) && name.ends_with(|c: char| c.is_alphanumeric())
    });
    !text.contains(char::is_control) && (is_address(text) || ends_so)
}

/// What stands in quotation marks; an apostrophe inside a word is none.
fn quotations(text: &str) -> Vec<&str> {
    let closes = |open: char| match open {
        '“' => '”',
        '‘' => '’',
        other => other,
    };
    let mut found = Vec::new();
    let mut before = ' ';
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        let opens = "\"'`“‘".contains(c) && !before.is_alphanumeric();
        before = c;
        let Some(inside) = text.get(at + c.len_utf8()..).filter(|_| opens) else { continue };
        let Some(end) = inside.find(closes(c)) else { continue };
        found.extend(inside.get(..end));
        while chars.next().is_some_and(|(next, _)| next < at + c.len_utf8() + end) {}
    }
    found
}
