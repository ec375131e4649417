//! Tools: what a plan can call, and the catalog that holds them.

pub(crate) mod added;
pub mod annotate;
mod bounds;
pub mod boxes;
pub mod builtin;
pub mod calculate;
pub(crate) mod catalog;
mod cells;
pub mod chart_facts;
pub mod color_of;
pub mod compare;
pub mod count;
pub mod crop;
pub mod cut_out;
pub(crate) mod declared;
mod demo;
pub mod depth_of;
pub mod describe_scene;
mod detect;
pub mod difference;
pub mod file_facts;
pub mod filter;
pub mod find_shapes;
pub mod find_text;
mod guarded;
pub mod image_quality;
pub mod key_values;
pub mod labels;
mod manifest;
pub mod measure;
pub mod model;
pub mod normalize;
pub mod ocr;
pub mod oklab;
pub mod operations;
pub mod palette;
pub mod point_at;
pub mod read_codes;
pub mod read_small_text;
pub mod read_table;
mod ready;
pub mod relate;
pub mod resize;
mod tiles;
mod typed;
mod weights;
pub mod zoom_detect;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

pub use added::Added;
pub(crate) use boxes::overlap;
pub use catalog::Catalog;
pub use demo::PlanDemo;
pub use describe_scene::DescribeScene;
pub use detect::DetectObjects;
pub use guarded::call_guarded;
pub use manifest::{Available, Manifest};
pub use ocr::{Ocr, OcrModels, OcrPart};
pub use typed::{ImageRef, Item, Items, MaskRef, ToolOutput, Typed, TypedTool};
pub use weights::NANODET;

use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::signature::Signature;
use crate::value::Value;

/// What a tool does besides returning a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Effects {
    /// Nothing: the same arguments give the same result.
    #[default]
    None,
    /// It reaches the network.
    Network,
    /// Nobody knows: the tool is only declared.
    Unknown,
}

/// What stands behind a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToolKind {
    /// A model stands behind it.
    Expert,
    /// It is plain code.
    Operation,
    /// Nothing: it can be planned with, not called.
    Declared,
}

/// What a tool is: everything a planner, a checker and a person need to know.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToolSpec {
    /// Unique name, `[a-z][a-z0-9_]*`; that of a declared tool can be anything.
    pub name: String,
    /// Expert, operation, or only declared.
    pub kind: ToolKind,
    /// What it does, one sentence.
    pub description: String,
    /// What to use it for, as the planner reads it.
    pub use_for: String,
    /// What it cannot do.
    pub limitations: String,
    /// The licence of the code or weights behind it.
    pub licence: String,
    /// Arguments and result.
    pub signature: Signature,
    /// What it does besides returning a value.
    pub effects: Effects,
    /// Whether `describe_scene` tells what it says of a whole image, when it returns Labels or Text.
    pub describes: bool,
    /// How long one call may take.
    pub timeout: Duration,
}

/// What a tool has against a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// The argument that is wrong.
    pub arg: String,
    /// Why, and what would be right.
    pub reason: String,
}

/// A word of a question that a tool knows by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// Where the word stands, in bytes.
    pub range: Range<usize>,
    /// The name to give to the tool.
    pub name: String,
}

/// Something a plan can call.
#[async_trait]
pub trait Tool: Send + Sync {
    /// What the tool is.
    fn spec(&self) -> &ToolSpec;

    /// Does the work. The arguments fit the signature: names, types and defaults are settled.
    ///
    /// # Errors
    /// Any; the error becomes the step's observation. Dropping the future stops the call.
    async fn call(&self, cx: &Cx, args: Args) -> Result<Value>;

    /// Loads what the first call needs, so that it starts at once. Does nothing by default.
    async fn prepare(&self, _cx: &Cx) -> Result<()> {
        Ok(())
    }

    /// What is wrong with a call that fits the signature, as far as the written arguments tell:
    /// the argument and the reason. Nothing by default; a tool with a closed vocabulary names words it
    /// does not know, so that a plan is mended before it runs.
    fn objections(&self, _args: &Json) -> Vec<Objection> {
        Vec::new()
    }

    /// Examples of plans that use this tool, for questions that resemble theirs. None by default.
    fn demos(&self) -> &[PlanDemo] {
        &[]
    }

    /// The words of a question that this tool knows by name, so that a planner need not guess them.
    /// None by default; a tool with a closed vocabulary, such as a detector's classes, finds them.
    fn mentions(&self, _question: &str) -> Vec<Mention> {
        Vec::new()
    }
}

/// The resolved arguments of one call.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Args(Vec<(String, Value)>);

impl Args {
    /// No arguments.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets an argument, replacing one of the same name.
    pub fn set(&mut self, name: impl Into<String>, value: Value) {
        let name = name.into();
        match self.0.iter_mut().find(|(n, _)| *n == name) {
            Some(entry) => entry.1 = value,
            None => self.0.push((name, value)),
        }
    }

    /// The argument, when it was given.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v))
    }

    /// The JSON form: images as blobs.
    pub fn to_json(&self) -> Json {
        self.to_json_naming(&|image| image.digest().to_owned())
    }

    /// The JSON form with other names than the digests for images and masks.
    pub(crate) fn to_json_naming(&self, name: &dyn Fn(&Image) -> String) -> Json {
        let entries = self.0.iter().map(|(n, value)| (n.clone(), value.to_json_naming(name)));
        Json::Object(entries.collect::<Map<_, _>>())
    }

    /// The form in which traces hold them, see [`Value::to_record`].
    pub fn to_record(&self) -> Json {
        Json::Object(self.0.iter().map(|(n, value)| (n.clone(), value.to_record())).collect::<Map<_, _>>())
    }

    /// All images in the arguments.
    pub fn images(&self) -> Vec<&Image> {
        self.0.iter().flat_map(|(_, v)| v.images()).collect()
    }

    /// The image argument of this name.
    ///
    /// # Errors
    /// `Tool` when it is missing or not an image.
    pub fn image(&self, name: &str) -> Result<&Image> {
        match self.get(name) {
            Some(Value::Image(image)) => Ok(image),
            other => Err(wrong(name, "an Image", other)),
        }
    }

    /// The text argument of this name, when it was given.
    ///
    /// # Errors
    /// `Tool` when it is something else than text.
    pub fn text(&self, name: &str) -> Result<Option<&str>> {
        match self.get(name) {
            None | Some(Value::Json(Json::Null)) => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            other => Err(wrong(name, "Text", other)),
        }
    }

    /// The list of texts of this name, when it was given.
    ///
    /// # Errors
    /// `Tool` when it is something else.
    pub fn texts(&self, name: &str) -> Result<Option<Vec<String>>> {
        let value = match self.get(name) {
            None | Some(Value::Json(Json::Null)) => return Ok(None),
            Some(value) => value,
        };
        let texts: Option<Vec<String>> = match value.to_json() {
            Json::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        texts.map(Some).ok_or_else(|| wrong(name, "List<Text>", Some(value)))
    }
}

fn wrong(name: &str, wanted: &str, got: Option<&Value>) -> Error {
    let got = got.map_or("nothing", Value::type_name);
    Error::new(ErrorKind::Tool, format!("argument `{name}` should be {wanted}, got {got}"))
}

impl IntoIterator for Args {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<(String, Value)> for Args {
    fn from_iter<T: IntoIterator<Item = (String, Value)>>(entries: T) -> Self {
        let mut args = Self::new();
        for (name, value) in entries {
            args.set(name, value);
        }
        args
    }
}

/// A tool behind a shared pointer.
pub type SharedTool = Arc<dyn Tool>;
