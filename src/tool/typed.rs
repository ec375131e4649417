//! Tools from a Rust type: arguments by `serde` and `schemars`, the signature from their schema.

use std::borrow::Cow;

use async_trait::async_trait;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{Args, Manifest, Mention, Objection, PlanDemo, Tool, ToolSpec};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::signature::{Arg, Returns, Signature, ValueType};
use crate::value::{Grid, Label, Line, Mask, Point, Region, Table, Value};

/// A tool as a Rust type.
///
/// `Args` derives `Deserialize` and `JsonSchema`: its doc comments become the
/// arguments' docs, `Option` fields and `#[serde(default)]` are optional,
/// enums of unit variants are choices, and [`ImageRef`], [`Region`], [`Line`]
/// and [`Item`] stand for values. An argument of plain regions gets the boxes of masks.
#[async_trait]
pub trait TypedTool: Send + Sync + 'static {
    /// The tool's name, `[a-z][a-z0-9_]*`.
    const NAME: &'static str;
    /// The argument a list is mapped over, when there is one.
    const MAPS_OVER: Option<&'static str> = None;
    /// The argument whose type the result has, when it is not always the same.
    const RETURNS_LIKE: Option<&'static str> = None;
    /// The arguments.
    type Args: DeserializeOwned + JsonSchema + Send;
    /// The result.
    type Output: ToolOutput;

    /// Does the work.
    ///
    /// # Errors
    /// Any; the error becomes the step's observation.
    async fn call(&self, cx: &Cx, args: Self::Args) -> Result<Self::Output>;

    /// Loads what the first call needs. Does nothing by default.
    async fn prepare(&self, _cx: &Cx) -> Result<()> {
        Ok(())
    }

    /// What is wrong with a call, as far as the written arguments tell; see [`Tool::objections`].
    fn objections(&self, _args: &Json) -> Vec<Objection> {
        Vec::new()
    }

    /// The words of a question that this tool knows by name; see [`Tool::mentions`].
    fn mentions(&self, _question: &str) -> Vec<Mention> {
        Vec::new()
    }
}

/// What a [`TypedTool`] may return.
pub trait ToolOutput: Send {
    /// The type it becomes.
    fn value_type() -> ValueType;
    /// The conversion.
    fn into_value(self) -> Value;
}

macro_rules! output {
    ($rust:ty, $variant:ident) => {
        impl ToolOutput for $rust {
            fn value_type() -> ValueType {
                ValueType::$variant
            }
            fn into_value(self) -> Value {
                Value::$variant(self)
            }
        }
    };
}

output!(Image, Image);
output!(Region, Region);
output!(Line, Line);
output!(Mask, Mask);
output!(Grid, Map);
output!(Vec<Point>, Points);
output!(Table, Table);
output!(String, Text);
output!(f64, Number);
output!(bool, Bool);
output!(Json, Json);
output!(Vec<Label>, Labels);
output!(Vec<f32>, Vector);

/// Marks an output whose lists become a list of values.
pub trait Element: ToolOutput {}
impl Element for Image {}
impl Element for Region {}
impl Element for Mask {}
impl Element for Vec<Point> {}
impl Element for Line {}
impl Element for String {}
impl Element for f64 {}
impl Element for Item {}

impl<T: Element> ToolOutput for Vec<T> {
    fn value_type() -> ValueType {
        ValueType::list(T::value_type())
    }
    fn into_value(self) -> Value {
        Value::List(self.into_iter().map(T::into_value).collect())
    }
}

/// An image argument: a handle that [`ImageRef::load`] resolves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageRef {
    blob: String,
}

impl ImageRef {
    /// The image itself.
    ///
    /// # Errors
    /// `NotFound` when the handle is of another run.
    pub fn load(&self, cx: &Cx) -> Result<Image> {
        cx.image(&self.blob)
    }
}

/// Something with a place in the image: a region, with its outline where that is known, or a line of text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Item {
    /// A labelled box.
    Region(Region),
    /// A thing with its outline.
    Mask(MaskRef),
    /// A line of text.
    Line(Line),
    /// A named point.
    Point(Point),
}

/// A mask argument: a labelled box with a handle to its pixels that [`MaskRef::load`] resolves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "WrittenMask", into = "WrittenMask")]
pub struct MaskRef {
    /// What it is, and the box around it.
    pub region: Region,
    mask: ImageRef,
    /// The pixels, once they were asked for.
    pixels: Option<Image>,
}

/// A mask as it stands in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenMask {
    label: String,
    score: f64,
    #[serde(rename = "box")]
    bounds: [f64; 4],
    mask: ImageRef,
}

impl From<WrittenMask> for MaskRef {
    fn from(WrittenMask { label, score, bounds, mask }: WrittenMask) -> Self {
        Self { region: Region { label, score, bounds }, mask, pixels: None }
    }
}

impl From<MaskRef> for WrittenMask {
    fn from(MaskRef { region: Region { label, score, bounds }, mask, .. }: MaskRef) -> Self {
        Self { label, score, bounds, mask }
    }
}

impl From<Mask> for MaskRef {
    fn from(Mask { region, pixels }: Mask) -> Self {
        Self { region, mask: ImageRef { blob: pixels.digest().to_owned() }, pixels: Some(pixels) }
    }
}

impl MaskRef {
    /// The mask itself.
    ///
    /// # Errors
    /// `NotFound` when the handle is of another run.
    pub fn load(&self, cx: &Cx) -> Result<Mask> {
        let pixels = self.pixels.clone().map_or_else(|| self.mask.load(cx), Ok)?;
        Ok(Mask { region: self.region.clone(), pixels })
    }

    /// The mask, where its pixels are there already.
    pub fn loaded(&self) -> Option<Mask> {
        let pixels = self.pixels.clone()?;
        Some(Mask { region: self.region.clone(), pixels })
    }
}

impl Item {
    /// Left, top, right, bottom, in pixels of the root image.
    pub fn bounds(&self) -> [f64; 4] {
        match self {
            Self::Region(region) | Self::Mask(MaskRef { region, .. }) => region.bounds,
            Self::Line(line) => line.bounds(),
            Self::Point(point) => [point.x, point.y, point.x, point.y],
        }
    }

    /// The label, or the line's text.
    pub fn name(&self) -> &str {
        match self {
            Self::Region(region) | Self::Mask(MaskRef { region, .. }) => &region.label,
            Self::Line(line) => &line.text,
            Self::Point(point) => &point.label,
        }
    }

    /// The same item with the pixels of its mask, where it has one: a tool that returns its items returns these.
    ///
    /// # Errors
    /// `NotFound` when the mask is of another run.
    pub fn resolved(self, cx: &Cx) -> Result<Self> {
        Ok(match self {
            Self::Mask(mask) => Self::Mask(mask.load(cx)?.into()),
            other => other,
        })
    }

    /// Confidence, 0 to 1.
    pub fn score(&self) -> f64 {
        match self {
            Self::Region(region) | Self::Mask(MaskRef { region, .. }) => region.score,
            Self::Line(line) => line.score,
            Self::Point(point) => point.score,
        }
    }
}

impl ToolOutput for Item {
    fn value_type() -> ValueType {
        ValueType::Any
    }
    fn into_value(self) -> Value {
        match self {
            Self::Region(region) => Value::Region(region),
            // What was never resolved has no pixels to show.
            Self::Mask(mask) => mask.loaded().map_or(Value::Region(mask.region), Value::Mask),
            Self::Line(line) => Value::Line(line),
            Self::Point(point) => Value::Points(vec![point]),
        }
    }
}

/// One or several things with a place in the image: an argument that takes a list or a single one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Items(pub Vec<Item>);

impl<'de> Deserialize<'de> for Items {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum OneOrMany {
            One(Item),
            Many(Vec<Item>),
        }
        Ok(Self(match OneOrMany::deserialize(deserializer)? {
            OneOrMany::One(item) => vec![item],
            OneOrMany::Many(items) => items,
        }))
    }
}

/// The schema keyword that names the value types an argument takes.
const KEYWORD: &str = "x-lavr-types";

macro_rules! schema {
    ($rust:ty, $($name:literal),+) => {
        impl JsonSchema for $rust {
            fn schema_name() -> Cow<'static, str> {
                stringify!($rust).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "object", "x-lavr-types": [$($name),+] })
            }
        }
    };
}

schema!(ImageRef, "Image");
schema!(Region, "Region");
schema!(Line, "Line");
schema!(Item, "Region", "Line");
schema!(Items, "List<Region>", "List<Line>", "Region", "Line");
schema!(MaskRef, "Mask");
schema!(Grid, "Map");

/// A [`TypedTool`] with the spec that makes it a [`Tool`].
pub struct Typed<T> {
    tool: T,
    spec: ToolSpec,
    demos: Vec<PlanDemo>,
}

impl<T: TypedTool> Typed<T> {
    /// Joins a tool with its manifest.
    ///
    /// # Errors
    /// `InvalidInput` when the manifest is of another tool, or `Args` is not an object of known types.
    pub fn new(tool: T, manifest: &Manifest) -> Result<Self> {
        if manifest.name != T::NAME {
            return Err(Error::invalid(format!("the manifest of `{}` describes `{}`", T::NAME, manifest.name)));
        }
        let demos = manifest.demos.clone();
        demos.iter().try_for_each(|demo| demo.parse().map(drop))?;
        Ok(Self { tool, spec: manifest.spec(signature_of::<T>()?)?, demos })
    }
}

#[async_trait]
impl<T: TypedTool> Tool for Typed<T> {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, cx: &Cx, args: Args) -> Result<Value> {
        let args = boxed(&self.spec.signature, args);
        let args = serde_json::from_value(args.to_json_naming(&|image| cx.keep_image(image)))
            .map_err(|e| Error::new(ErrorKind::Tool, format!("the arguments do not fit: {e}")).with_source(e))?;
        Ok(self.tool.call(cx, args).await?.into_value())
    }

    async fn prepare(&self, cx: &Cx) -> Result<()> {
        self.tool.prepare(cx).await
    }

    fn demos(&self) -> &[PlanDemo] {
        &self.demos
    }

    fn objections(&self, args: &Json) -> Vec<Objection> {
        self.tool.objections(args)
    }

    fn mentions(&self, question: &str) -> Vec<Mention> {
        self.tool.mentions(question)
    }
}

/// The arguments with boxes for masks where only a region is taken; [`Item`] takes lines, too, and masks as they are.
fn boxed(signature: &Signature, args: Args) -> Args {
    let takes_masks = |of: &ValueType| match of {
        ValueType::List(of) => matches!(**of, ValueType::Line | ValueType::Mask | ValueType::Any),
        of => matches!(of, ValueType::Line | ValueType::Mask | ValueType::Any),
    };
    let boxed = |(name, value): (String, Value)| {
        let keeps = signature.arg(&name).is_none_or(|arg| arg.types.iter().any(takes_masks));
        (name, if keeps { value } else { value.without_outlines() })
    };
    args.into_iter().map(boxed).collect()
}

/// The signature that a typed tool's argument schema describes.
fn signature_of<T: TypedTool>() -> Result<Signature> {
    let mut settings = schemars::generate::SchemaSettings::default();
    settings.inline_subschemas = true;
    let schema = settings.into_generator().into_root_schema_for::<T::Args>().to_value();
    let required: Vec<&str> =
        schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
    let empty = Map::new();
    let properties = schema.get("properties").and_then(Json::as_object).unwrap_or(&empty);
    let args = properties
        .iter()
        .map(|(name, schema)| arg_of(name, schema, required.contains(&name.as_str())))
        .collect::<Result<Vec<_>>>()
        .map_err(|e| e.context(format!("tool `{}`", T::NAME)))?;
    let returns = match T::RETURNS_LIKE {
        Some(name) => Returns::SameAs(name.to_owned()),
        None => Returns::Type(T::Output::value_type()),
    };
    for named in T::MAPS_OVER.into_iter().chain(T::RETURNS_LIKE) {
        if !properties.contains_key(named) {
            return Err(Error::invalid(format!("tool `{}` has no argument `{named}` to map over or return", T::NAME)));
        }
    }
    Ok(Signature { args, returns, maps_over: T::MAPS_OVER.map(str::to_owned) })
}

fn arg_of(name: &str, schema: &Json, required: bool) -> Result<Arg> {
    let types = types_of(schema);
    if types.is_empty() {
        return Err(Error::invalid(format!("argument `{name}` has no value type: {schema}")));
    }
    Ok(Arg {
        name: name.to_owned(),
        doc: schema.get("description").and_then(Json::as_str).unwrap_or_default().replace('\n', " "),
        types,
        required,
        choices: choices_of(schema),
        default: schema.get("default").filter(|d| !d.is_null()).cloned(),
    })
}

fn types_of(schema: &Json) -> Vec<ValueType> {
    if let Some(names) = schema.get(KEYWORD).and_then(Json::as_array) {
        let types = names.iter().filter_map(|n| n.as_str()?.parse().ok());
        return types.filter(|of| !matches!(of, ValueType::Named(_))).collect();
    }
    for union in ["anyOf", "oneOf"] {
        if let Some(branches) = schema.get(union).and_then(Json::as_array) {
            return dedup(branches.iter().flat_map(types_of).collect());
        }
    }
    if schema.get("enum").is_some() || schema.get("const").is_some() {
        return vec![ValueType::Text];
    }
    match schema.get("type") {
        Some(Json::Array(names)) => {
            dedup(names.iter().filter_map(Json::as_str).flat_map(|n| of_json_type(n, schema)).collect())
        }
        Some(Json::String(name)) => of_json_type(name, schema),
        _ => vec![ValueType::Any],
    }
}

fn of_json_type(name: &str, schema: &Json) -> Vec<ValueType> {
    match name {
        "string" => vec![ValueType::Text],
        "number" | "integer" => vec![ValueType::Number],
        "boolean" => vec![ValueType::Bool],
        "array" => {
            let items = schema.get("items").map_or_else(|| vec![ValueType::Any], types_of);
            items.into_iter().map(ValueType::list).collect()
        }
        "object" => vec![ValueType::Json],
        _ => Vec::new(),
    }
}

fn dedup(types: Vec<ValueType>) -> Vec<ValueType> {
    let mut out: Vec<ValueType> = Vec::new();
    for value_type in types {
        if !out.contains(&value_type) {
            out.push(value_type);
        }
    }
    out
}

fn choices_of(schema: &Json) -> Vec<String> {
    let own = schema.get("enum").and_then(Json::as_array).into_iter().flatten();
    let constant = schema.get("const").into_iter();
    let mut choices: Vec<String> = own.chain(constant).filter_map(|v| v.as_str().map(str::to_owned)).collect();
    for union in ["anyOf", "oneOf"] {
        for branch in schema.get(union).and_then(Json::as_array).into_iter().flatten() {
            choices.extend(choices_of(branch));
        }
    }
    let mut seen = std::collections::HashSet::new();
    choices.retain(|choice| seen.insert(choice.clone()));
    choices
}
