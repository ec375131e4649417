//! Values as traces hold them, and back.

use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use super::{Label, Mask, Point, Region, Value};
use crate::error::{Error, Result};
use crate::image::{Frame, Image};
use crate::signature::ValueType;

/// Where the encoded images of a trace come from, by their digests.
pub type Blobs<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>>;

impl Value {
    /// The JSON form in which nothing is lost beside the pixels of images and masks, which are blobs: as
    /// [`Value::to_json`], and `"frame":{"x","y","scale"}` beside the blob of an image that was cut out of another.
    pub fn to_record(&self) -> Json {
        self.to_json_showing(&recorded)
    }

    /// A value from its record.
    ///
    /// # Errors
    /// `InvalidInput` when the record is none of a value of this type, or a blob is no image; those of `blobs`.
    pub fn from_record(record: &Json, kind: &ValueType, blobs: Blobs<'_>) -> Result<Self> {
        Ok(match kind {
            ValueType::List(of) => Self::List(each(record, kind, |item| Self::from_record(item, of, blobs))?),
            ValueType::Image => Self::Image(image(record, blobs)?),
            ValueType::Mask => Self::Mask(mask(record, blobs)?),
            ValueType::Region => Self::Region(read(record, kind)?),
            ValueType::Line => Self::Line(read(record, kind)?),
            ValueType::Points => Self::Points(each(record, kind, |point| read::<Point>(point, kind))?),
            ValueType::Labels => Self::Labels(each(record, kind, |label| read::<Label>(label, kind))?),
            ValueType::Vector => Self::Vector(read(record, kind)?),
            ValueType::Map => Self::Map(read(record, kind)?),
            ValueType::Table => Self::Table(read(record, kind)?),
            ValueType::Text => Self::Text(read(record, kind)?),
            ValueType::Number => Self::Number(read(record, kind)?),
            ValueType::Bool => Self::Bool(read(record, kind)?),
            ValueType::Json | ValueType::Named(_) => Self::Json(record.clone()),
            ValueType::Any => by_its_looks(record, blobs)?,
        })
    }
}

/// An image as records have it.
pub(crate) fn recorded(image: &Image) -> Json {
    if image.frame() == Frame::ROOT {
        json!({ "blob": image.digest() })
    } else {
        json!({ "blob": image.digest(), "frame": image.frame() })
    }
}

/// An image from its record.
///
/// # Errors
/// As [`Value::from_record`].
pub(crate) fn image(record: &Json, blobs: Blobs<'_>) -> Result<Image> {
    let digest = record.get("blob").and_then(Json::as_str).ok_or_else(|| unfit(record, &ValueType::Image))?;
    let frame = record.get("frame").map_or(Ok(Frame::ROOT), |frame| read(frame, &ValueType::Image))?;
    let image = Image::restored(blobs(digest)?, frame).map_err(|e| e.context(digest.to_owned()))?;
    if image.digest() == digest {
        return Ok(image);
    }
    Err(Error::invalid(format!("the blob `{digest}` holds other bytes than its name says")))
}

fn mask(record: &Json, blobs: Blobs<'_>) -> Result<Mask> {
    let kind = ValueType::Mask;
    let (mut object, pixels) = (record.as_object().cloned().unwrap_or_default(), record.get("mask"));
    let pixels = image(pixels.ok_or_else(|| unfit(record, &kind))?, blobs)?;
    object.shift_remove("mask");
    Ok(Mask { region: read::<Region>(&Json::Object(object), &kind)?, pixels })
}

/// An element of a list whose elements are not all of one type.
fn by_its_looks(record: &Json, blobs: Blobs<'_>) -> Result<Value> {
    let has = |name: &str| record.get(name).is_some();
    let kind = match record {
        Json::Array(_) => ValueType::list(ValueType::Any),
        Json::Object(_) if has("mask") && has("box") => ValueType::Mask,
        Json::Object(_) if has("box") && has("label") => ValueType::Region,
        Json::Object(_) if has("polygon") => ValueType::Line,
        Json::Object(_) if has("blob") => ValueType::Image,
        _ => return Ok(Value::plain(record.clone())),
    };
    // What only looks like one of these is JSON.
    Value::from_record(record, &kind, blobs).or_else(|_| Ok(Value::Json(record.clone())))
}

fn each<T>(record: &Json, kind: &ValueType, item: impl Fn(&Json) -> Result<T>) -> Result<Vec<T>> {
    record.as_array().ok_or_else(|| unfit(record, kind))?.iter().map(item).collect()
}

fn read<T: DeserializeOwned>(record: &Json, kind: &ValueType) -> Result<T> {
    T::deserialize(record).map_err(|e| unfit(record, kind).with_source(e))
}

fn unfit(record: &Json, kind: &ValueType) -> Error {
    let shown: String = record.to_string().chars().take(60).collect();
    Error::invalid(format!("`{shown}` is no {kind}"))
}
