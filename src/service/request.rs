//! Requests for chat completions, as the OpenAI protocol has them.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::refusal::Refusal;
use crate::config::Config;
use crate::error::Error;
use crate::pointed::Pointed;
use crate::style::Style;
use crate::task::{Mode, latest};

/// A request. What is not named here is the sampling of an LLM that writes freely (`temperature`, `seed`, `stop` ...):
/// it has no say in answers that rest on evidence, and no notice is taken of it.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChatCompletionRequest)]
#[serde(expecting = "an object with `messages`")]
pub(super) struct Completion {
    /// The configuration that is asked; by default `lavr`, the whole.
    #[serde(default)]
    pub(super) model: Option<String>,
    /// The conversation: the last question counts, with the user's own before it.
    messages: Vec<Message>,
    /// Whether the answer comes in pieces.
    #[serde(default)]
    stream: Option<bool>,
    /// How they come.
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    /// What the answer is.
    #[serde(default)]
    response_format: Option<ResponseFormat>,
    /// How many answers: one.
    #[serde(default)]
    n: Option<u64>,
    #[serde(default)]
    #[schema(ignore)]
    tools: Option<Vec<IgnoredAny>>,
    #[serde(default)]
    #[schema(ignore)]
    functions: Option<Vec<IgnoredAny>>,
    /// An answer has none.
    #[serde(default)]
    logprobs: Option<bool>,
    /// Settings of this run: an extension of the protocol.
    #[serde(default)]
    lavr: Option<Settings>,
}

/// What somebody said.
#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object with `role` and `content`")]
struct Message {
    /// Who said it: questions are of the role `user`.
    role: String,
    /// A text, or a list of parts.
    #[serde(default)]
    content: Content,
}

/// What a message says: a text, or parts. It is read as it comes, without keeping what is not asked for.
#[derive(Default)]
struct Content(Vec<Part>);

/// A part of what somebody said.
#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object with `type`")]
struct Part {
    /// `text` or `image_url`.
    #[serde(rename = "type")]
    kind: String,
    /// The text.
    #[serde(default)]
    text: Option<String>,
    /// The image.
    #[serde(default)]
    image_url: Option<ImageUrl>,
}

/// An image.
#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object with `url`")]
struct ImageUrl {
    /// A `data:` URL in Base64, or an address that the service may fetch.
    url: String,
}

/// How a stream is sent.
#[derive(Deserialize, ToSchema)]
struct StreamOptions {
    /// Whether the last chunk says what the LLM read and wrote.
    #[serde(default)]
    include_usage: Option<bool>,
}

/// What the answer is: a text, or JSON.
#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object with `type`")]
struct ResponseFormat {
    /// `text` or `json_schema`.
    #[serde(rename = "type")]
    kind: String,
    /// What the JSON has to fit.
    #[serde(default)]
    json_schema: Option<JsonSchema>,
}

/// A JSON Schema, in the protocol's wrapping.
#[derive(Deserialize, ToSchema)]
struct JsonSchema {
    /// The schema that the answer has to fit.
    #[serde(default)]
    #[schema(value_type = Object)]
    schema: Option<Box<RawValue>>,
}

/// Settings of one run: an extension of the protocol.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// As `--mode` of `lavr ask`.
    #[serde(default)]
    #[schema(schema_with = modes)]
    mode: Option<Mode>,
    /// As `--guess`.
    #[serde(default)]
    guess: Option<bool>,
    /// As `--chain`: `votes=3,stages=two`.
    #[serde(default)]
    chain: Option<String>,
    /// As `--style`: `language=zh-Hant`.
    #[serde(default)]
    style: Option<String>,
    /// As `--box`: left, top, right and bottom in the first image, pixels.
    #[serde(default, rename = "box")]
    region: Option<[f64; 4]>,
}

impl PartialSchema for Content {
    fn schema() -> RefOr<Schema> {
        let parts = ArrayBuilder::new().items(Ref::from_schema_name(Part::name()));
        let text = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]));
        OneOfBuilder::new().item(text).item(parts).into()
    }
}

impl ToSchema for Content {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Part::name().into_owned(), Part::schema()));
        Part::schemas(schemas);
    }
}

/// The names of all modes.
fn modes() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Mode::NAMES))
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Parts)
    }
}

struct Parts;

impl<'de> Visitor<'de> for Parts {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or a list of parts of the type `text` or `image_url`")
    }

    fn visit_str<E>(self, text: &str) -> Result<Content, E> {
        Ok(Content(vec![Part { kind: "text".to_owned(), text: Some(text.to_owned()), image_url: None }]))
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
        let mut parts = Vec::new();
        while let Some(part) = items.next_element()? {
            parts.push(part);
        }
        Ok(Content(parts))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Content, A::Error> {
        Err(serde::de::Error::invalid_type(serde::de::Unexpected::Map, &self))
    }
}

impl Settings {
    /// Lays these settings over a configuration; `at` stands before their names in messages.
    ///
    /// # Errors
    /// `InvalidInput` naming the setting that is unknown or does not take its value.
    pub(crate) fn lay_over(&self, mut config: Config, at: &str) -> Result<Config, Error> {
        config.mode = self.mode.unwrap_or(config.mode);
        config.guess = self.guess.unwrap_or(config.guess);
        if let Some(chain) = &self.chain {
            config.chain = config.chain.with(chain).map_err(|e| e.context(format!("{at}chain")))?;
        }
        if let Some(style) = &self.style {
            config.style = config.style.with(style).map_err(|e| e.context(format!("{at}style")))?;
        }
        Ok(config)
    }

    /// What the user points at, in the first image.
    pub(crate) fn region(&self) -> Option<Pointed> {
        let [left, top, right, bottom] = self.region?;
        Some(Pointed::rect(left, top, right, bottom))
    }
}

impl Completion {
    /// Whether the answer is sent in pieces, and its usage after it.
    pub(super) fn streams(&self) -> Option<bool> {
        let with_usage = self.stream_options.as_ref().and_then(|options| options.include_usage) == Some(true);
        (self.stream == Some(true)).then_some(with_usage)
    }

    /// Whether the answer has to be JSON.
    pub(super) fn wants_json(&self) -> bool {
        self.response_format.as_ref().is_some_and(|format| format.kind == "json_schema")
    }

    /// What the user points at, in the first image.
    pub(super) fn region(&self) -> Option<Pointed> {
        self.lavr.as_ref().and_then(Settings::region)
    }

    /// Refuses what would be answered otherwise than it was asked for.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        let some = |list: &Option<Vec<IgnoredAny>>| list.as_ref().is_some_and(|list| !list.is_empty());
        if self.n.is_some_and(|n| n != 1) {
            return Err(Refusal::bad("`n`: there is one answer; leave it out"));
        }
        if some(&self.tools) || some(&self.functions) {
            return Err(Refusal::bad("`tools`: the tools are those of this service; leave them out"));
        }
        if self.logprobs == Some(true) {
            return Err(Refusal::bad("`logprobs`: an answer has none; leave it out"));
        }
        Ok(())
    }

    /// Lays the settings of this request over a configuration.
    pub(super) fn settle(&self, mut config: Config) -> Result<Config, Refusal> {
        if let Some(settings) = &self.lavr {
            config = settings.lay_over(config, "lavr.")?;
        }
        if let Some(format) = &self.response_format {
            config.style = format.lay_over(std::mem::take(&mut config.style))?;
        }
        Ok(config)
    }

    /// The last question, what the user asked before it, and the images that it is about: those that come with it, else
    /// those of the last message before it that has some.
    pub(super) fn question(self) -> Result<Question, Refusal> {
        let mut asked: Vec<Message> = self.messages.into_iter().filter(|message| message.role == "user").collect();
        let last = asked.pop().ok_or_else(|| Refusal::bad("there is no message of the role `user`"))?;
        let earlier = latest(asked.iter().map(Message::text));
        let (text, mut images) = last.parts()?;
        while images.is_empty()
            && let Some(earlier) = asked.pop()
        {
            images = earlier.parts()?.1;
        }
        Ok(Question { text, earlier, images })
    }
}

/// A question as it stands in a conversation.
pub(super) struct Question {
    pub(super) text: String,
    /// What the user asked before, oldest first, as far as it is used.
    pub(super) earlier: Vec<String>,
    /// The addresses of its images.
    pub(super) images: Vec<String>,
}

/// A style whose answers have to fit a JSON Schema.
///
/// # Errors
/// When it is too long, or no JSON.
pub(super) fn with_schema(style: Style, schema: &RawValue) -> Result<Style, Refusal> {
    if schema.get().len() > Style::MAX_SCHEMA {
        return Err(Refusal::bad(format!("the JSON Schema has more than {} KB", Style::MAX_SCHEMA >> 10)));
    }
    let faulty = |e| Refusal::bad(format!("the JSON Schema is no JSON: {e}"));
    Ok(style.with_schema(serde_json::from_str(schema.get()).map_err(faulty)?))
}

impl ResponseFormat {
    fn lay_over(&self, style: Style) -> Result<Style, Refusal> {
        match self.kind.as_str() {
            "text" => Ok(style),
            "json_schema" => {
                let schema = self.json_schema.as_ref().and_then(|named| named.schema.as_ref());
                let schema = schema.ok_or_else(|| Refusal::bad("`response_format.json_schema` has no `schema`"))?;
                with_schema(style, schema)
            }
            "json_object" => Err(Refusal::bad(
                "`response_format`: `json_object` leaves open what the answer holds; use `json_schema`",
            )),
            other => Err(Refusal::bad(format!("`response_format`: `{other}` is neither `text` nor `json_schema`"))),
        }
    }
}

impl Message {
    /// Its text, whatever else it has: parts of other types may repeat what stands in an image.
    fn text(&self) -> String {
        let parts = self.content.0.iter().filter(|part| part.kind == "text");
        let texts = parts.filter_map(|part| part.text.as_deref());
        texts.collect::<Vec<_>>().join("\n")
    }

    /// Its text, and the addresses of its images.
    fn parts(self) -> Result<(String, Vec<String>), Refusal> {
        let (mut texts, mut images) = (Vec::new(), Vec::new());
        for part in self.content.0 {
            match (part.kind.as_str(), part.text, part.image_url) {
                ("text", Some(text), _) => texts.push(text),
                ("image_url", _, Some(image)) => images.push(image.url),
                (kind @ ("text" | "image_url"), ..) => {
                    return Err(Refusal::bad(format!("a part of the type `{kind}` has no `{kind}`")));
                }
                (other, ..) => {
                    let message =
                        format!("a part of the type `{other}` cannot be read; there are `text` and `image_url`");
                    return Err(Refusal::bad(message));
                }
            }
        }
        Ok((texts.join("\n"), images))
    }
}
