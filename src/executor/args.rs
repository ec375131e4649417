//! Arguments of calls: references, literals and defaults settled into values.

use serde_json::Value as Json;

use super::Running;
use crate::error::{Error, ErrorKind, Result};
use crate::observation::Outcome;
use crate::plan::{ArgValue, Reference, Segment, Step};
use crate::signature::{Arg, Signature, ValueType};
use crate::tool::{Args, SharedTool};
use crate::value::{Region, Value};

impl Running<'_> {
    /// Settles references, literals and defaults into the arguments of one call.
    pub(super) fn resolve(&self, step: &Step, tool: &SharedTool) -> Result<Args> {
        let signature = &tool.spec().signature;
        let mut args = Args::new();
        for (name, written) in &step.args {
            let arg = signature
                .arg(name)
                .ok_or_else(|| Error::new(ErrorKind::Tool, format!("`{}` has no argument `{name}`", step.tool)))?;
            let value = self.value_of(written, arg)?;
            if arg.required || value != Value::Json(Json::Null) {
                fits(signature, arg, &value)?;
                args.set(name, value);
            }
        }
        set_defaults(signature, &mut args);
        Ok(args)
    }

    fn value_of(&self, written: &ArgValue, arg: &Arg) -> Result<Value> {
        Ok(match written {
            ArgValue::Ref(reference) => self.follow(reference)?,
            ArgValue::Literal(json) => literal(json, arg),
            ArgValue::List(items) => {
                Value::List(items.iter().map(|item| self.value_of(item, arg)).collect::<Result<_>>()?)
            }
            ArgValue::Object(entries) => {
                let mut object = serde_json::Map::new();
                for (key, value) in entries {
                    object.insert(key.clone(), self.value_of(value, arg)?.to_json());
                }
                literal(&Json::Object(object), arg)
            }
        })
    }

    fn follow(&self, reference: &Reference) -> Result<Value> {
        let missing = || Error::new(ErrorKind::Tool, format!("`{reference}` has no value"));
        let mut value = match (self.images.get(&reference.id), self.outcome(&reference.id)) {
            (Some(image), _) => image.clone(),
            (None, Some(Outcome::Returned(value))) => value.clone(),
            _ => return Err(missing()),
        };
        for segment in &reference.path {
            let part = match segment {
                Segment::Field(name) => value.field(name),
                Segment::Index(n) => value.element(*n),
            };
            value = part.ok_or_else(|| {
                Error::new(
                    ErrorKind::Tool,
                    format!("`{reference}` is not there: `${}` is {}", reference.id, describe(&value)),
                )
            })?;
        }
        Ok(value)
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::List(items) if items.is_empty() => "an empty list".to_owned(),
        Value::List(items) => format!("a list of {}", items.len()),
        other => other.type_name().to_owned(),
    }
}

fn fits(signature: &Signature, arg: &Arg, value: &Value) -> Result<()> {
    let given = ValueType::of(value);
    if arg.accepts(&given) || signature.maps(&arg.name, &given) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Tool, format!("argument `{}` should be {}, got {given}", arg.name, arg.types_text())))
}

/// The arguments of one call from JSON, with the defaults of those that are not given.
///
/// # Errors
/// `Tool` naming the argument that the tool does not have, or does not take so.
pub(crate) fn arguments(signature: &Signature, written: &serde_json::Map<String, Json>) -> Result<Args> {
    let mut args = Args::new();
    for (name, json) in written {
        let names = || signature.args.iter().map(|arg| arg.name.as_str()).collect::<Vec<_>>().join(", ");
        let arg = signature
            .arg(name)
            .ok_or_else(|| Error::new(ErrorKind::Tool, format!("there is no argument `{name}`, only {}", names())))?;
        args.set(name, literal(json, arg));
    }
    settled(signature, args)
}

/// The arguments of one call, with the defaults of those that are not given.
///
/// # Errors
/// `Tool` naming the argument that is of another type than the tool takes.
pub(crate) fn settled(signature: &Signature, mut args: Args) -> Result<Args> {
    for (name, value) in args.iter() {
        if let Some(arg) = signature.arg(name) {
            fits(signature, arg, value)?;
        }
    }
    set_defaults(signature, &mut args);
    Ok(args)
}

/// Sets the arguments that are not given and have a default.
fn set_defaults(signature: &Signature, args: &mut Args) {
    for arg in &signature.args {
        if let (None, Some(default)) = (args.get(&arg.name), &arg.default) {
            args.set(&arg.name, literal(default, arg));
        }
    }
}

/// A JSON literal as the value its argument wants.
fn literal(json: &Json, arg: &Arg) -> Value {
    let wants_region = |t: &ValueType| *t == ValueType::Region || *t == ValueType::list(ValueType::Region);
    if arg.types.iter().any(wants_region)
        && let Some(region) = written_region(json)
    {
        return Value::Region(region);
    }
    match json {
        Json::Array(items) if !arg.types.contains(&ValueType::Json) => {
            Value::List(items.iter().cloned().map(Value::plain).collect())
        }
        other => Value::plain(other.clone()),
    }
}

/// A region as a plan writes it: the box, with or without a label and a score.
pub(crate) fn written_region(json: &Json) -> Option<Region> {
    let mut object = json.as_object()?.clone();
    object.entry("label").or_insert_with(|| Json::from(""));
    object.entry("score").or_insert_with(|| Json::from(1.0));
    serde_json::from_value(Json::Object(object)).ok()
}
