//! The request as it goes over the wire.

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::ImageFormat;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, resize};
use serde_json::{Map, Value as Json, json};

use super::dialect::{Dialect, Format};
use super::gist::gist;
use crate::chat::ChatRequest;
use crate::image::Image;
use crate::message::Role;

/// What only the embedded LLM's constraints understand.
const OURS: &str = "x-guidance";
/// Most pixels of an image's longer side; servers make larger ones smaller themselves.
const MAX_SIDE: u32 = 2048;
/// Quality of photographs, of 100.
const QUALITY: u8 = 90;

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

/// An image as a data URL: its upright pixels, photographs as JPEG and drawings as PNG, the longer side at most
/// [`MAX_SIDE`] pixels.
///
/// # Why not the file itself
/// All places in `lavr` are in pixels of the upright image, and whether a server turns what EXIF says is not known;
/// and a file may say more than what it shows, such as where it was taken.
fn data_url(image: &Image) -> String {
    let pixels = image.pixels();
    let scale = f64::from(MAX_SIDE) / f64::from(pixels.width().max(pixels.height()));
    let side = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    let small;
    let pixels = if scale < 1.0 {
        small = resize(pixels, side(pixels.width()), side(pixels.height()), FilterType::Triangle);
        &small
    } else {
        pixels
    };
    let photograph = matches!(image::guess_format(image.encoded()), Ok(ImageFormat::Jpeg));
    let format = if photograph { ImageFormat::Jpeg } else { ImageFormat::Png };
    let mut bytes = Cursor::new(Vec::new());
    // Writing RGB pixels into memory does not fail.
    let _ = if photograph {
        pixels.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, QUALITY))
    } else {
        pixels.write_to(&mut bytes, format)
    };
    format!("data:{};base64,{}", format.to_mime_type(), STANDARD.encode(bytes.into_inner()))
}
