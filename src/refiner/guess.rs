//! Guesses: what most people would answer, for callers that want an answer in any case.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::evidence::Evidence;
use super::in_words::told;
use super::short::spelled_as_asked;
use super::wording;
use crate::chat::{ChatModel, ChatRequest, layers};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::observation::Observation;
use crate::prompt::Prompts;
use crate::tool::color_of::COLORS;
use crate::trace::Trace;
use crate::value::Value;

/// Most tokens of a reply.
const MAX_TOKENS: u32 = 60;
/// Most characters of the findings; about 200 tokens.
const MAX_FINDINGS: usize = 700;
/// What a description says that tells nothing.
const SILENT: &str = "No text was found.";
/// Colours that things have besides those of [`COLORS`].
const MORE_COLORS: [&str; 2] = ["silver", "gold"];
/// A few words in lower case.
const FEW_WORDS: &str = r"^([a-z0-9][a-z0-9' :-]{0,28}|\$?[0-9][0-9.,/%:]{0,14})$";
/// A number of things.
const NUMBER: &str = "^(0|[1-9][0-9]?)$";

/// Guesses answers from what is known, however little that is.
///
/// # Why the form is fixed by the question
/// A small LLM that is asked for a colour answers "a colour". So the reply can only be what the question asks
/// for: yes or no, a number, a colour, the letter of an option, one of two things, or a few words.
pub struct Guesser {
    chat: Arc<dyn ChatModel>,
    prompts: Arc<Prompts>,
    prefix: Vec<Message>,
}

#[derive(Deserialize)]
struct Reply {
    guess: String,
}

impl Guesser {
    /// A guesser that asks this LLM.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty prompt file.
    pub fn new(chat: Arc<dyn ChatModel>, prompts: Arc<Prompts>) -> Result<Self> {
        let prefix = prompts.guess_prefix()?;
        Ok(Self { chat, prompts, prefix })
    }

    /// What the answer probably is, in its short form; `answered` is what is borne out so far, in words.
    ///
    /// # Errors
    /// Those of the LLM; `Cancelled` or `Budget` when the run ends first.
    pub async fn guess(&self, cx: &Cx, question: &str, known: &Trace, answered: Option<&str>) -> Result<String> {
        let question = question.trim();
        let request = ChatRequest {
            prefix: self.prefix.clone(),
            messages: vec![self.prompts.guess_user(question, &findings(question, known, answered))?],
            schema: Some(schema(question)),
            max_tokens: MAX_TOKENS,
            temperature: 0.0,
            images: Vec::new(),
        };
        let reply = layers::call(cx, self.chat.as_ref(), "guess", &request).await?.text;
        let Reply { guess } = serde_json::from_str(&reply).map_err(|error| {
            Error::new(ErrorKind::Model, format!("the LLM's guess is not the JSON asked for: {error}"))
                .with_source(error)
        })?;
        Ok(spelled_as_asked(question, guess.trim()))
    }
}

/// What is known, in sentences where something was described, else as evidence.
fn findings(question: &str, known: &Trace, answered: Option<&str>) -> String {
    let described = known.observations.iter().filter(|o| o.same_as.is_none()).filter_map(Observation::value);
    let mut sentences: Vec<String> = described
        .filter_map(|value| if let Value::Json(json) = value { Some(told(json)) } else { None })
        .flatten()
        .filter(|sentence| sentence != SILENT)
        .collect();
    if let Some(answered) = answered.map(super::plain).filter(|text| !sentences.iter().any(|s| text.contains(s))) {
        sentences.insert(0, answered);
    }
    let findings = if sentences.is_empty() { Evidence::gather(question, known).text() } else { sentences.join(" ") };
    if findings.trim().is_empty() { "none".to_owned() } else { super::cut(findings.trim(), MAX_FINDINGS) }
}

/// The two things of which one is the answer: "is it wide or narrow", not "what brand or model is it".
fn two_things(question: &str) -> Option<(String, String)> {
    let (one, other) = wording::alternatives(question)?;
    let offered = !wording::asks_openly(question) || question.contains(',');
    (offered && one != "one" && other != "one").then_some((one, other))
}

/// The schema of a guess: what the question asks for and nothing else.
fn schema(question: &str) -> Json {
    let options = wording::options(question);
    let guess = if !options.is_empty() {
        let letters: Vec<String> = options.iter().map(|(letter, _)| letter.to_string()).collect();
        json!({ "enum": letters })
    } else if wording::asks_plainly(question) {
        json!({ "enum": ["yes", "no"] })
    } else if wording::asks_how_many(question) {
        json!({ "type": "string", "pattern": NUMBER })
    } else if wording::asks_color(question) {
        let colors: Vec<String> =
            COLORS.iter().chain(&MORE_COLORS).map(|color| spelled_as_asked(question, color)).collect();
        json!({ "enum": colors })
    } else if let Some((one, other)) = two_things(question) {
        json!({ "enum": [one, other] })
    } else {
        json!({ "type": "string", "pattern": FEW_WORDS })
    };
    json!({
        "x-guidance": { "whitespace_flexible": false, "key_separator": ": ", "item_separator": ", " },
        "type": "object",
        "properties": { "guess": guess },
        "required": ["guess"],
        "additionalProperties": false
    })
}
