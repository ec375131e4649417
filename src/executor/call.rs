//! Calls of steps: a tool once, or mapped over a list.

use super::verify::{self, Verdict};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::signature::ValueType;
use crate::tool::{Args, SharedTool, call_guarded};
use crate::value::Value;

/// Most elements a tool is mapped over in one step.
const MAX_MAPPED: usize = 256;

/// Calls a tool, mapped over a list where its signature says so, and verifies what it returned where that is wanted.
pub(super) async fn call(cx: &Cx, tool: SharedTool, args: Args, verifies: bool) -> Result<(Value, Verdict)> {
    let signature = &tool.spec().signature;
    let mapped = signature
        .maps_over
        .as_deref()
        .filter(|name| args.get(name).is_some_and(|value| signature.maps(name, &ValueType::of(value))));
    match mapped {
        Some(name) => Ok((map(cx, &tool, &args, name).await?, None)),
        None if verifies => {
            let value = call_guarded(cx, &tool, args.clone()).await?;
            verify::verify(cx, &tool, &args, value).await
        }
        None => Ok((call_guarded(cx, &tool, args).await?, None)),
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
        match call_guarded(cx, tool, one).await? {
            Value::List(parts) => results.extend(parts),
            single => results.push(single),
        }
    }
    Ok(Value::List(results))
}
