//! Requests for runs: JSON, or a form with files.

use std::fmt;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use multer::{Constraints, Multipart, SizeLimit};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::config::{Config, ServiceConfig};
use crate::pointed::Pointed;
use crate::service::refusal::Refusal;
use crate::service::request::{Settings, with_schema};
use crate::service::{body, images};
use crate::task::Task;

/// The header with the client's own name for a request.
const KEY: &str = "idempotency-key";
/// Longest such name.
const MAX_KEY: usize = 255;
/// Longest field of a form that is no file, in bytes.
const MAX_FIELD: u64 = 128 << 10;

/// What is said of too many earlier questions.
const TOO_MANY: &str = "there are too many earlier questions; give the last few";

/// Reads no more questions than may be given.
fn few<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Few;

    impl<'de> Visitor<'de> for Few {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of questions")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut read = Vec::new();
            while let Some(question) = seq.next_element()? {
                if read.len() == Task::MAX_EARLIER_GIVEN {
                    return Err(serde::de::Error::custom(TOO_MANY));
                }
                read.push(question);
            }
            Ok(read)
        }
    }

    deserializer.deserialize_seq(Few)
}

/// A question, its images, and how it is asked.
#[derive(Deserialize, ToSchema)]
#[schema(as = RunRequest)]
#[serde(deny_unknown_fields, expecting = "an object with `question` and `images`")]
pub(in crate::service) struct Asked {
    /// The question.
    #[serde(default)]
    question: String,
    /// What the user asked before it, oldest first, where it goes on from that: questions alone, no answers.
    #[serde(default, deserialize_with = "few")]
    earlier: Vec<String>,
    /// Its images: `data:` URLs in Base64, or addresses that the service may fetch.
    #[serde(default)]
    images: Vec<String>,
    /// The configuration that is asked; by default `lavr`, the whole.
    #[serde(default)]
    model: Option<String>,
    /// The settings of this run, as in the extension of chat completions.
    #[serde(default)]
    settings: Option<Settings>,
    /// A JSON Schema that the answer has to fit.
    #[serde(default)]
    #[schema(value_type = Object)]
    schema: Option<Box<RawValue>>,
    /// The run that this one goes out from, in place of a question of its own.
    #[serde(default)]
    from: Option<From>,
    /// A plan in place of the one that the LLM wrote there.
    #[serde(default)]
    #[schema(value_type = Object)]
    plan: Option<Value>,
}

/// A step of another run.
#[derive(Deserialize, ToSchema)]
#[schema(as = StepOfRun)]
#[serde(deny_unknown_fields, expecting = "an object with `run` and `step`")]
pub(super) struct From {
    /// The run.
    pub(super) run: String,
    /// What began before this step is taken from it.
    pub(super) step: String,
}

/// A request for a run.
pub(super) struct RunRequest {
    asked: Asked,
    /// The files of a form.
    files: Vec<Vec<u8>>,
    /// The digest of what is asked: a request that is sent again has the same.
    pub(super) digest: String,
}

impl RunRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// When the body is neither JSON nor a form, or not of a run; the message says what is wrong.
    pub(super) async fn read(headers: &HeaderMap, bytes: Bytes, config: &ServiceConfig) -> Result<Self, Refusal> {
        if body::is_json(headers) {
            let parse = move || {
                let faulty = |e| Refusal::bad(format!("the body is no request for a run: {e}"));
                let digest = hex::encode(Sha256::digest(&bytes));
                Ok(Self { asked: serde_json::from_slice(&bytes).map_err(faulty)?, files: Vec::new(), digest })
            };
            return tokio::task::spawn_blocking(parse).await.map_err(|_| Refusal::internal())?;
        }
        let boundary = multer::parse_boundary(body::kind(headers)).map_err(|_| {
            let message = "the body has to be JSON (`Content-Type: application/json`) or a form with files \
                           (`multipart/form-data`)";
            Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", message)
        })?;
        Self::of_form(bytes, boundary, config).await
    }

    async fn of_form(bytes: Bytes, boundary: String, config: &ServiceConfig) -> Result<Self, Refusal> {
        let faulty = |e: multer::Error| Refusal::bad(format!("the form cannot be read: {e}"));
        let whole = futures::stream::once(async move { Ok::<_, std::convert::Infallible>(bytes) });
        let limits = SizeLimit::new().per_field(config.images.max_bytes.max(MAX_FIELD));
        let mut form = Multipart::with_constraints(whole, boundary, Constraints::new().size_limit(limits));
        let (mut fields, mut settings, mut files) = (Map::new(), Map::new(), Vec::new());
        let mut earlier = Vec::new();
        let mut hash = Sha256::new();
        while let Some(field) = form.next_field().await.map_err(faulty)? {
            let name = field.name().unwrap_or_default().to_owned();
            let bytes = field.bytes().await.map_err(faulty)?;
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name.as_bytes());
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(&bytes);
            if name == "image" {
                images::check_count(files.len() + 1, config)?;
                files.push(bytes.to_vec());
                continue;
            }
            let text = String::from_utf8(bytes.to_vec())
                .map_err(|_| Refusal::bad(format!("the field `{name}` of the form is no UTF-8 text")))?;
            if name == "earlier" {
                if earlier.len() == Task::MAX_EARLIER_GIVEN {
                    return Err(Refusal::bad(TOO_MANY));
                }
                earlier.push(text);
                continue;
            }
            match name.as_str() {
                "question" | "model" => fields.insert(name, Value::String(text)),
                "mode" | "chain" | "style" => settings.insert(name, Value::String(text)),
                "guess" | "box" | "schema" => {
                    let faulty = |e| Refusal::bad(format!("the field `{name}` of the form is no JSON: {e}"));
                    let value = serde_json::from_str(&text).map_err(faulty)?;
                    if name == "schema" { fields.insert(name, value) } else { settings.insert(name, value) }
                }
                other => {
                    let message = format!(
                        "the form has a field `{other}`; there are question, earlier, image, model, mode, guess, \
                         chain, style, box and schema"
                    );
                    return Err(Refusal::bad(message));
                }
            };
        }
        fields.insert("earlier".to_owned(), json!(earlier));
        if !settings.is_empty() {
            fields.insert("settings".to_owned(), Value::Object(settings));
        }
        let faulty = |e| Refusal::bad(format!("the form is no request for a run: {e}"));
        // Raw values are read from texts alone.
        let asked = serde_json::from_str(&json!(fields).to_string()).map_err(faulty)?;
        Ok(Self { asked, files, digest: hex::encode(hash.finalize()) })
    }

    /// What it goes out from, and the plan that it goes by.
    ///
    /// # Errors
    /// When it asks a question of its own as well, or none of both.
    pub(super) fn origin(&self) -> Result<Option<(&From, Option<&Value>)>, Refusal> {
        let Asked { question, earlier, images, model, settings, schema, from, plan } = &self.asked;
        let own = !question.is_empty() || !images.is_empty() || model.is_some() || settings.is_some();
        match from {
            Some(_) if own || !earlier.is_empty() || schema.is_some() => {
                Err(Refusal::bad("`from`: such a run asks what the other one did; leave all but `plan` out"))
            }
            None if plan.is_some() => {
                Err(Refusal::bad("`plan`: a plan goes with `from`; leave it out, or say which run"))
            }
            from => Ok(from.as_ref().map(|from| (from, plan.as_ref()))),
        }
    }

    /// The name of the configuration that is asked for.
    pub(super) fn model(&self) -> Option<&str> {
        self.asked.model.as_deref()
    }

    /// Its question with what was asked before, as a task without images.
    pub(super) fn question(&self) -> Task {
        Task::new(self.asked.question.as_str(), Vec::new()).with_earlier(&self.asked.earlier)
    }

    /// What the user points at, in the first image.
    pub(super) fn region(&self) -> Option<Pointed> {
        self.asked.settings.as_ref().and_then(Settings::region)
    }

    /// Lays the settings of this request over a configuration.
    ///
    /// # Errors
    /// When one is unknown or does not take its value.
    pub(super) fn settle(&self, config: Config) -> Result<Config, Refusal> {
        let mut config = match &self.asked.settings {
            Some(settings) => settings.lay_over(config, "settings.")?,
            None => config,
        };
        if let Some(schema) = &self.asked.schema {
            config.style = with_schema(config.style, schema)?;
        }
        Ok(config)
    }

    /// The addresses of its images, and the files that came with it.
    pub(super) fn images(self) -> (Vec<String>, Vec<Vec<u8>>) {
        (self.asked.images, self.files)
    }
}

/// The client's own name for a request.
///
/// # Errors
/// When it is empty, too long, or no text.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(key) = headers.get(KEY) else { return Ok(None) };
    let key = key.to_str().ok().map(str::trim).filter(|key| !key.is_empty() && key.len() <= MAX_KEY);
    let faulty = || Refusal::bad(format!("the header `{KEY}` has 1 to {MAX_KEY} characters of ASCII"));
    key.map(|key| Some(key.to_owned())).ok_or_else(faulty)
}
