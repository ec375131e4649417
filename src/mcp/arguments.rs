//! Arguments: what a client writes, as the values that a tool takes.

use rmcp::model::JsonObject;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::executor::written_region;
use crate::image::Image;
use crate::signature::{Arg, Signature, ValueType};
use crate::tool::Args;
use crate::value::{Grid, Label, Line, Mask, Point, Region, Table, Value};

/// Arguments as they were written, whose images are not opened yet.
pub(super) struct Written {
    args: Vec<(String, Given)>,
    /// What stands for the images, in order.
    pub(super) sources: Vec<String>,
}

/// A value, or where its image stands among those to be opened.
enum Given {
    Value(Value),
    Image(usize),
    Mask(Region, usize),
    List(Vec<Given>),
}

/// Reads the arguments of a tool. What is `null` counts as not given.
///
/// # Errors
/// What is wrong with which argument, in words.
pub(super) fn read(signature: &Signature, arguments: JsonObject) -> Result<Written, String> {
    let mut written = Written { args: Vec::new(), sources: Vec::new() };
    for (name, json) in arguments {
        let arg = signature.arg(&name).ok_or_else(|| unknown(signature, &name))?;
        if json.is_null() && !arg.types.contains(&ValueType::Json) {
            continue;
        }
        let of = type_of(signature, arg, &json)?;
        let given = take(json, &of, &mut written.sources);
        written.args.push((name, given));
    }
    let given = |arg: &&Arg| written.args.iter().any(|(name, _)| *name == arg.name);
    match signature.args.iter().filter(|arg| arg.required).find(|arg| !given(arg)) {
        Some(arg) => Err(format!("argument `{}` is missing; it takes {}", arg.name, arg.types_text())),
        None => Ok(written),
    }
}

fn unknown(signature: &Signature, name: &str) -> String {
    let names: Vec<&str> = signature.args.iter().map(|arg| arg.name.as_str()).collect();
    format!("there is no argument `{name}`, only {}", names.join(", "))
}

/// The type that a written value is meant to be: the first that it fits, of those that the argument takes or is mapped
/// over.
fn type_of(signature: &Signature, arg: &Arg, json: &Json) -> Result<ValueType, String> {
    if let (false, Json::String(text)) = (arg.choices.is_empty(), json)
        && !arg.choices.contains(text)
    {
        return Err(format!("argument `{}` is one of {}", arg.name, arg.choices.join(", ")));
    }
    let found = types(signature, arg).into_iter().find(|of| is(json, of));
    found.ok_or_else(|| {
        let given = match json {
            Json::Object(object) if object.get("mask").is_some_and(|mask| !mask.is_string()) => {
                "an object whose `mask` is not here: leave it out, or send it as an image".to_owned()
            }
            Json::Object(_) => "an object that is none".to_owned(),
            other => format!("{}", ValueType::of_json(other)),
        };
        format!("argument `{}` should be {}, got {given}", arg.name, arg.types_text())
    })
}

/// The types that an argument takes, with the lists that its tool is mapped over.
pub(super) fn types(signature: &Signature, arg: &Arg) -> Vec<ValueType> {
    let mut types = arg.types.clone();
    if signature.maps_over.as_deref() == Some(&arg.name) {
        let lists = arg.types.iter().filter(|of| !matches!(of, ValueType::List(_))).cloned().map(ValueType::list);
        types.extend(lists);
    }
    types
}

/// Whether a written value can be taken as one of this type.
fn is(json: &Json, of: &ValueType) -> bool {
    match of {
        ValueType::Any | ValueType::Json => true,
        ValueType::Text | ValueType::Image => json.is_string(),
        ValueType::Number => json.is_number(),
        ValueType::Bool => json.is_boolean(),
        ValueType::List(of) => json.as_array().is_some_and(|items| items.iter().all(|item| is(item, of))),
        // A thing with its outline stands wherever a region may; one whose outline cannot be had stands nowhere.
        ValueType::Region => region(json).is_some() && json.get("mask").is_none_or(Json::is_string),
        ValueType::Mask => region(json).is_some() && json.get("mask").is_some_and(Json::is_string),
        ValueType::Line => line(json).is_some(),
        ValueType::Points => parsed::<Vec<Point>>(json).is_some(),
        ValueType::Labels => parsed::<Vec<Label>>(json).is_some(),
        ValueType::Vector => parsed::<Vec<f32>>(json).is_some(),
        ValueType::Map => parsed::<Grid>(json).is_some(),
        ValueType::Table => parsed::<Table>(json).is_some(),
        ValueType::Named(_) => false,
    }
}

/// Takes a written value that fits a type; what stands for images goes to `sources`.
fn take(json: Json, of: &ValueType, sources: &mut Vec<String>) -> Given {
    let value = match (of, json) {
        (ValueType::Image, Json::String(source)) => {
            sources.push(source);
            return Given::Image(sources.len() - 1);
        }
        (ValueType::List(of), Json::Array(items)) => {
            return Given::List(items.into_iter().map(|item| take(item, of, sources)).collect());
        }
        (ValueType::Mask | ValueType::Region, mut json) if json.get("mask").is_some() => {
            let source = json.get_mut("mask").map(Json::take);
            return match (region(&json), source) {
                (Some(region), Some(Json::String(source))) => {
                    sources.push(source);
                    Given::Mask(region, sources.len() - 1)
                }
                _ => Given::Value(Value::plain(json)),
            };
        }
        (ValueType::Any, Json::Array(items)) => {
            return Given::List(items.into_iter().map(|item| take(item, of, sources)).collect());
        }
        (_, json) => json,
    };
    Given::Value(valued(value, of))
}

fn valued(json: Json, of: &ValueType) -> Value {
    let value = match of {
        ValueType::Region => region(&json).map(Value::Region),
        ValueType::Line => line(&json).map(Value::Line),
        ValueType::Points => parsed(&json).map(Value::Points),
        ValueType::Labels => parsed(&json).map(Value::Labels),
        ValueType::Vector => parsed(&json).map(Value::Vector),
        ValueType::Map => parsed(&json).map(Value::Map),
        ValueType::Table => parsed(&json).map(Value::Table),
        _ => None,
    };
    value.unwrap_or_else(|| Value::plain(json))
}

fn parsed<T: DeserializeOwned>(json: &Json) -> Option<T> {
    T::deserialize(json).ok()
}

/// A region, with or without a label and a score; the outline of a thing that has one is left out.
fn region(json: &Json) -> Option<Region> {
    match json.get("mask") {
        Some(_) => {
            let mut object = json.as_object()?.clone();
            object.shift_remove("mask");
            written_region(&Json::Object(object))
        }
        None => written_region(json),
    }
}

/// A line of text, with or without a score.
fn line(json: &Json) -> Option<Line> {
    let mut object = json.as_object()?.clone();
    object.entry("score").or_insert_with(|| Json::from(1.0));
    parsed(&Json::Object(object))
}

impl Written {
    /// What is known of the arguments before images are opened, as JSON.
    pub(super) fn known(&self) -> Json {
        let known = |(name, given): &(String, Given)| Some((name.clone(), given.known()?));
        Json::Object(self.args.iter().filter_map(known).collect())
    }

    /// The arguments with their images.
    pub(super) fn with(self, images: &[Image]) -> Args {
        self.args.into_iter().filter_map(|(name, given)| Some((name, given.with(images)?))).collect()
    }
}

impl Given {
    fn known(&self) -> Option<Json> {
        match self {
            Self::Value(value) => Some(value.to_json()),
            Self::List(items) => items.iter().map(Self::known).collect(),
            Self::Image(_) | Self::Mask(..) => None,
        }
    }

    /// The value; nothing when its image is missing.
    fn with(self, images: &[Image]) -> Option<Value> {
        Some(match self {
            Self::Value(value) => value,
            Self::Image(n) => Value::Image(images.get(n)?.clone()),
            Self::Mask(region, n) => Value::Mask(Mask { region, pixels: images.get(n)?.clone() }),
            Self::List(items) => Value::List(items.into_iter().map(|item| item.with(images)).collect::<Option<_>>()?),
        })
    }
}
