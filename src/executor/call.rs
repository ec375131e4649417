//! Calls: one tool, its timeout, its panics, and whether it returned what it promised.

use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::signature::{Returns, ValueType};
use crate::tool::{Args, SharedTool, ToolSpec};
use crate::value::Value;

/// Most elements a tool is mapped over in one step.
const MAX_MAPPED: usize = 256;

/// Calls a tool, mapped over a list where its signature says so.
pub(super) async fn call(cx: &Cx, tool: SharedTool, args: Args) -> Result<Value> {
    let signature = &tool.spec().signature;
    let mapped = signature
        .maps_over
        .as_deref()
        .filter(|name| args.get(name).is_some_and(|value| signature.maps(name, &ValueType::of(value))));
    match mapped {
        Some(name) => map(cx, &tool, &args, name).await,
        None => call_once(cx, &tool, args).await,
    }
}

async fn map(cx: &Cx, tool: &SharedTool, args: &Args, name: &str) -> Result<Value> {
    let Some(Value::List(items)) = args.get(name) else {
        return Err(Error::internal(format!("`{name}` is not a list")));
    };
    if items.len() > MAX_MAPPED {
        return Err(Error::new(
            ErrorKind::Tool,
            format!("`{name}` has {} elements, more than {MAX_MAPPED}; filter them first", items.len()),
        ));
    }
    let mut results = Vec::with_capacity(items.len());
    for item in items {
        cx.check()?;
        let mut one = args.clone();
        one.set(name, item.clone());
        match call_once(cx, tool, one).await? {
            Value::List(parts) => results.extend(parts),
            single => results.push(single),
        }
    }
    Ok(Value::List(results))
}

/// Calls a tool within its timeout; its panic becomes an error.
async fn call_once(cx: &Cx, tool: &SharedTool, args: Args) -> Result<Value> {
    use futures::FutureExt as _;
    let spec = tool.spec();
    // Inside the block, so that a panic before the first await is caught as well.
    let work = std::panic::AssertUnwindSafe(async { tool.call(cx, args).await }).catch_unwind();
    match tokio::time::timeout(spec.timeout, work).await {
        Ok(Ok(result)) => result.and_then(|value| sound(spec, value)),
        Ok(Err(_)) => {
            Err(Error::new(ErrorKind::Tool, format!("`{}` panicked; this is a defect of the tool", spec.name)))
        }
        Err(_) => Err(Error::new(
            ErrorKind::Timeout,
            format!("`{}` took longer than {} ms", spec.name, spec.timeout.as_millis()),
        )),
    }
}

/// The result, when it is of the type that the tool promises, and its numbers are numbers.
fn sound(spec: &ToolSpec, value: Value) -> Result<Value> {
    let given = ValueType::of(&value);
    match &spec.signature.returns {
        Returns::Type(promised) if !promised.accepts(&given) => Err(Error::new(
            ErrorKind::Tool,
            format!("`{}` returned {given} instead of {promised}; this is a defect of the tool", spec.name),
        )),
        _ if !value.is_finite() => Err(Error::new(
            ErrorKind::Tool,
            format!("`{}` returned a number that is none (NaN or infinite)", spec.name),
        )),
        _ => Ok(value),
    }
}
