//! Values: what flows between steps, and how each one looks in JSON.

mod record;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

pub use record::Blobs;
pub(crate) use record::{image as image_of_record, recorded as record_of_image};

use crate::image::Image;

/// A labelled box: `{"label","score","box":[x1,y1,x2,y2]}`.
///
/// The box is in float pixels of the root image, EXIF-oriented.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// The model's own name for the thing (COCO: `tv`).
    pub label: String,
    /// Confidence, 0 to 1.
    pub score: f64,
    /// Left, top, right, bottom.
    #[serde(rename = "box")]
    pub bounds: [f64; 4],
}

/// A thing with its outline: `{"label","score","box":[x1,y1,x2,y2],"mask":{"blob":...}}`.
///
/// It stands wherever a region may stand. The pixels are stretched over the box, and need not be those of the image:
/// 255 is the thing, 0 is not, and what lies outside the box is not.
#[derive(Debug, Clone, PartialEq)]
pub struct Mask {
    /// What it is, and the box around it.
    pub region: Region,
    /// A grey picture of the box.
    pub pixels: Image,
}

impl Mask {
    /// How sure it is that a point of the root image, in pixels, is the thing, 0 to 1.
    pub fn at(&self, x: f64, y: f64) -> f64 {
        let [left, top, right, bottom] = self.region.bounds;
        let place = |at: f64, from: f64, to: f64, size: u32| -> Option<u32> {
            let share = (at - from) / (to - from);
            (0.0..1.0).contains(&share).then(|| (share * f64::from(size)) as u32)
        };
        let pixels = self.pixels.pixels();
        let (x, y) = (place(x, left, right, pixels.width()), place(y, top, bottom, pixels.height()));
        let pixel = x.zip(y).and_then(|(x, y)| pixels.get_pixel_checked(x, y));
        pixel.map_or(0.0, |pixel| f64::from(pixel.0[0]) / 255.0)
    }

    /// How much of its box the thing fills, 0 to 1.
    pub fn fill(&self) -> f64 {
        let sum: u64 = self.pixels.pixels().pixels().map(|pixel| u64::from(pixel.0[0])).sum();
        let all = f64::from(self.pixels.width()) * f64::from(self.pixels.height());
        sum as f64 / (255.0 * all.max(1.0))
    }
}

/// A line of text: `{"text","score","polygon":[[x,y] x 4]}`.
///
/// The polygon runs clockwise from the text's own top left corner, in float pixels of the root image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// What the line says.
    pub text: String,
    /// Confidence, 0 to 1.
    pub score: f64,
    /// The four corners.
    pub polygon: [[f64; 2]; 4],
}

impl Line {
    /// The upright box around the polygon: left, top, right, bottom.
    pub fn bounds(&self) -> [f64; 4] {
        let xs = self.polygon.map(|p| p[0]);
        let ys = self.polygon.map(|p| p[1]);
        [min(&xs), min(&ys), max(&xs), max(&ys)]
    }
}

fn min(values: &[f64; 4]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn max(values: &[f64; 4]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// A class name with its confidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// The model's own name for the class.
    pub label: String,
    /// Confidence, 0 to 1.
    pub score: f64,
}

/// A named point, e.g. a body joint, in pixels of the root image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// What the point marks.
    pub label: String,
    /// Confidence, 0 to 1.
    pub score: f64,
    /// Horizontal position.
    pub x: f64,
    /// Vertical position.
    pub y: f64,
}

/// A grid of numbers over an image or a part of it, e.g. depth; row by row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// What it lies over: left, top, right, bottom, in pixels of the root image.
    #[serde(rename = "box")]
    pub bounds: [f64; 4],
    /// `width * height` numbers.
    pub data: Vec<f32>,
}

/// Rows and columns of text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Rows of cells; every row has the same length.
    pub rows: Vec<Vec<String>>,
}

/// What flows between steps.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// An image.
    Image(Image),
    /// A thing with its outline.
    Mask(Mask),
    /// A labelled box.
    Region(Region),
    /// A line of text.
    Line(Line),
    /// Named points.
    Points(Vec<Point>),
    /// Class names with confidences, best first.
    Labels(Vec<Label>),
    /// An embedding.
    Vector(Vec<f32>),
    /// A grid of numbers over the image, e.g. depth.
    Map(Grid),
    /// Rows and columns of text.
    Table(Table),
    /// Text.
    Text(String),
    /// A number.
    Number(f64),
    /// Yes or no.
    Bool(bool),
    /// Any JSON.
    Json(Json),
    /// Several values of one type.
    List(Vec<Value>),
}

impl Value {
    /// The type's name, for messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Image(_) => "Image",
            Self::Mask(_) => "Mask",
            Self::Region(_) => "Region",
            Self::Line(_) => "Line",
            Self::Points(_) => "Points",
            Self::Labels(_) => "Labels",
            Self::Vector(_) => "Vector",
            Self::Map(_) => "Map",
            Self::Table(_) => "Table",
            Self::Text(_) => "Text",
            Self::Number(_) => "Number",
            Self::Bool(_) => "Bool",
            Self::Json(_) => "Json",
            Self::List(_) => "List",
        }
    }

    /// The JSON form. The pixels of images and masks become `{"blob":"sha256:..."}`.
    pub fn to_json(&self) -> Json {
        self.to_json_naming(&|image| image.digest().to_owned())
    }

    /// The JSON form with other names than the digests for images and masks.
    pub(crate) fn to_json_naming(&self, name: &dyn Fn(&Image) -> String) -> Json {
        self.to_json_showing(&|image| json!({ "blob": name(image) }))
    }

    /// The JSON form, in which images and masks look as `show` says.
    pub(crate) fn to_json_showing(&self, show: &dyn Fn(&Image) -> Json) -> Json {
        match self {
            Self::Image(image) => show(image),
            Self::Mask(Mask { region: Region { label, score, bounds }, pixels }) => {
                json!({ "label": label, "score": score, "box": bounds, "mask": show(pixels) })
            }
            Self::Region(region) => json!(region),
            Self::Line(line) => json!(line),
            Self::Points(points) => json!(points),
            Self::Labels(labels) => json!(labels),
            Self::Vector(vector) => json!(vector),
            Self::Map(grid) => json!(grid),
            Self::Table(table) => json!(table),
            Self::Text(text) => json!(text),
            Self::Number(number) => number_json(*number),
            Self::Bool(bool) => json!(bool),
            Self::Json(json) => json.clone(),
            Self::List(items) => Json::Array(items.iter().map(|item| item.to_json_showing(show)).collect()),
        }
    }

    /// All images and masks in the value, in order: what a trace stores as blobs.
    pub fn images(&self) -> Vec<&Image> {
        match self {
            Self::Image(image) | Self::Mask(Mask { pixels: image, .. }) => vec![image],
            Self::List(items) => items.iter().flat_map(Self::images).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether every number in the value is one: neither NaN nor infinite.
    pub fn is_finite(&self) -> bool {
        match self {
            Self::Number(number) => number.is_finite(),
            Self::Region(region) | Self::Mask(Mask { region, .. }) => {
                region.score.is_finite() && region.bounds.iter().all(|v| v.is_finite())
            }
            Self::Line(line) => line.score.is_finite() && line.polygon.iter().flatten().all(|v| v.is_finite()),
            Self::Points(points) => points.iter().all(|p| [p.score, p.x, p.y].iter().all(|v| v.is_finite())),
            Self::Labels(labels) => labels.iter().all(|label| label.score.is_finite()),
            Self::Vector(vector) => vector.iter().all(|v| v.is_finite()),
            Self::Map(grid) => grid.data.iter().all(|v| v.is_finite()),
            Self::List(items) => items.iter().all(Self::is_finite),
            Self::Image(_) | Self::Table(_) | Self::Text(_) | Self::Bool(_) | Self::Json(_) => true,
        }
    }

    /// The labelled box of a region or a mask.
    pub fn region(&self) -> Option<&Region> {
        match self {
            Self::Region(region) | Self::Mask(Mask { region, .. }) => Some(region),
            _ => None,
        }
    }

    /// A field by name: `label`, `score`, `box` of a region or a mask; `text`, `score`, `polygon` of a line;
    /// any key of a JSON object.
    pub fn field(&self, name: &str) -> Option<Self> {
        match self {
            Self::Region(region) | Self::Mask(Mask { region, .. }) => match name {
                "label" => Some(Self::Text(region.label.clone())),
                "score" => Some(Self::Number(region.score)),
                "box" => Some(numbers(&region.bounds)),
                _ => None,
            },
            Self::Line(line) => match name {
                "text" => Some(Self::Text(line.text.clone())),
                "score" => Some(Self::Number(line.score)),
                "polygon" => Some(Self::List(line.polygon.iter().map(|p| numbers(p)).collect())),
                _ => None,
            },
            Self::Json(Json::Object(object)) => object.get(name).map(|v| Self::plain(v.clone())),
            Self::Table(table) if name == "rows" => Some(Self::Json(json!(table.rows))),
            _ => None,
        }
    }

    /// The same value with regions in place of masks.
    #[must_use]
    pub fn without_outlines(self) -> Self {
        match self {
            Self::Mask(mask) => Self::Region(mask.region),
            Self::List(items) => Self::List(items.into_iter().map(Self::without_outlines).collect()),
            other => other,
        }
    }

    /// The n-th element of a list, of points, labels, or of a JSON array.
    pub fn element(&self, n: usize) -> Option<Self> {
        match self {
            Self::List(items) => items.get(n).cloned(),
            Self::Labels(labels) => labels.get(n).map(|l| Self::Json(json!(l))),
            Self::Points(points) => points.get(n).map(|p| Self::Json(json!(p))),
            Self::Vector(vector) => vector.get(n).map(|v| Self::Number(f64::from(*v))),
            Self::Json(Json::Array(items)) => items.get(n).map(|v| Self::plain(v.clone())),
            _ => None,
        }
    }

    /// Wraps JSON: strings, numbers and booleans become their own types, the rest stays [`Value::Json`].
    pub fn plain(json: Json) -> Self {
        match json {
            Json::String(text) => Self::Text(text),
            Json::Bool(bool) => Self::Bool(bool),
            Json::Number(ref number) => number.as_f64().map_or(Self::Json(json.clone()), Self::Number),
            other => Self::Json(other),
        }
    }
}

fn numbers(values: &[f64]) -> Value {
    Value::List(values.iter().map(|v| Value::Number(*v)).collect())
}

/// Whole numbers print without a fraction; what JSON cannot hold becomes null.
fn number_json(number: f64) -> Json {
    if number.fract() == 0.0 && number.abs() < 9.0e15 {
        Json::from(number as i64)
    } else {
        serde_json::Number::from_f64(number).map_or(Json::Null, Json::Number)
    }
}
