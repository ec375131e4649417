//! The request as it goes over the wire.

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::metadata::Orientation;
use image::{ImageDecoder, ImageFormat, ImageReader};
use serde_json::{Map, Value as Json, json};

use super::dialect::{Dialect, Format};
use super::gist::gist;
use crate::chat::ChatRequest;
use crate::image::{Frame, Image};
use crate::message::Role;

/// What only the embedded LLM's constraints understand.
const OURS: &str = "x-guidance";

/// The body of a request to `chat/completions`.
pub(super) fn body(model: &str, request: &ChatRequest, dialect: &Dialect) -> Json {
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    body.insert("messages".to_owned(), Json::Array(messages(request, dialect)));
    let lengths = if dialect.completion_tokens { "max_completion_tokens" } else { "max_tokens" };
    body.insert(lengths.to_owned(), json!(request.max_tokens));
    if dialect.temperature {
        body.insert("temperature".to_owned(), json!(request.temperature));
    }
    if dialect.stream {
        body.insert("stream".to_owned(), json!(true));
    }
    if dialect.stream && dialect.usage {
        body.insert("stream_options".to_owned(), json!({ "include_usage": true }));
    }
    if let Some(format) = request.schema.as_ref().and_then(|schema| response_format(schema, dialect.format)) {
        body.insert("response_format".to_owned(), format);
    }
    Json::Object(body)
}

fn response_format(schema: &Json, format: Format) -> Option<Json> {
    match format {
        // Strict schemas may not have patterns for names, which ours do.
        Format::JsonSchema => Some(json!({
            "type": "json_schema",
            "json_schema": { "name": "reply", "strict": false, "schema": standard(schema) }
        })),
        Format::ObjectWithSchema => Some(json!({ "type": "json_object", "schema": standard(schema) })),
        Format::Object => Some(json!({ "type": "json_object" })),
        Format::Free => None,
    }
}

/// A schema without what is not of JSON Schema.
fn standard(schema: &Json) -> Json {
    match schema {
        Json::Object(object) => {
            let entries = object.iter().filter(|(key, _)| *key != OURS);
            Json::Object(entries.map(|(key, value)| (key.clone(), standard(value))).collect())
        }
        Json::Array(items) => Json::Array(items.iter().map(standard).collect()),
        other => other.clone(),
    }
}

fn messages(request: &ChatRequest, dialect: &Dialect) -> Vec<Json> {
    let mut all: Vec<Json> =
        request.prompt().map(|message| json!({ "role": message.role, "content": message.content })).collect();
    let last = request.prompt().collect::<Vec<_>>().iter().rposition(|message| message.role == Role::User);
    let Some(last) = last.and_then(|n| all.get_mut(n)) else { return all };
    let mut text = last.get("content").and_then(Json::as_str).unwrap_or_default().to_owned();
    if let (true, Some(schema)) = (dialect.told, &request.schema) {
        text.push_str("\n\nReply with JSON alone, no other text, of this form:\n");
        text.push_str(&gist(schema));
    }
    let content = if request.images.is_empty() {
        json!(text)
    } else {
        let mut parts = vec![json!({ "type": "text", "text": text })];
        parts
            .extend(request.images.iter().map(|i| json!({ "type": "image_url", "image_url": { "url": data_url(i) } })));
        Json::Array(parts)
    };
    if let Some(slot) = last.get_mut("content") {
        *slot = content;
    }
    all
}

/// An image as a data URL: the file as it was given where servers read it, else a PNG of its pixels.
///
/// # Why a turned photograph is sent as PNG
/// All places in `lavr` are in pixels of the upright image; whether a server turns what EXIF says is not known.
fn data_url(image: &Image) -> String {
    if let Some(format) = readable(image.encoded()) {
        return format!("data:{};base64,{}", format.to_mime_type(), STANDARD.encode(image.encoded()));
    }
    let upright = Image::from_pixels(image.pixels().clone(), Frame::ROOT);
    format!("data:image/png;base64,{}", STANDARD.encode(upright.encoded()))
}

/// The format of a file that servers read as we do.
fn readable(bytes: &[u8]) -> Option<ImageFormat> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok()?;
    let format = reader.format()?;
    let common = matches!(format, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP | ImageFormat::Gif);
    let upright = || {
        let mut decoder = reader.into_decoder().ok()?;
        (decoder.orientation().ok()? == Orientation::NoTransforms).then_some(format)
    };
    common.then(upright).flatten()
}
