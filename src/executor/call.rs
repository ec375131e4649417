//! Calls of steps: a tool once, or mapped over a list.

use std::sync::{Arc, Mutex};

use serde_json::Value as Json;

use super::verify;
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::signature::ValueType;
use crate::tool::{Args, SharedTool, call_guarded};
use crate::trace::Verdict;
use crate::value::Value;

/// Most elements a tool is mapped over in one step.
const MAX_MAPPED: usize = 256;

/// What a tool returned before it was verified: it counts where the run ends meanwhile.
pub(super) type Unverified = Arc<Mutex<Option<Value>>>;

/// Calls a tool, mapped over a list where its signature says so; and verifies what it returned, where there is a place
/// to put it meanwhile.
pub(super) async fn call(
    cx: &Cx,
    tool: SharedTool,
    args: Args,
    unverified: Option<Unverified>,
) -> Result<(Value, Verdict)> {
    let signature = &tool.spec().signature;
    let mapped = signature
        .maps_over
        .as_deref()
        .filter(|name| args.get(name).is_some_and(|value| signature.maps(name, &ValueType::of(value))));
    let (value, each) = match mapped {
        Some(name) => map(cx, &tool, &args, name).await?,
        None => {
            let value = call_guarded(cx, &tool, args.clone()).await?;
            (value.clone(), vec![(args, value)])
        }
    };
    let Some(unverified) = unverified else { return Ok((value, None)) };
    if let Ok(mut place) = unverified.lock() {
        *place = Some(value);
    }
    let (mut values, mut verdicts) = (Vec::with_capacity(each.len()), Vec::new());
    for (args, value) in each {
        let (value, verdict) = verify::verify(cx, &tool, &args, value).await;
        values.push(value);
        verdicts.push(verdict);
    }
    let value =
        if mapped.is_some() { Value::List(joined(values)) } else { values.pop().unwrap_or(Value::Json(Json::Null)) };
    Ok((value, verify::joined(verdicts)))
}

/// The results of a mapped tool as one list.
fn joined(results: Vec<Value>) -> Vec<Value> {
    let parts = results.into_iter().flat_map(|result| match result {
        Value::List(parts) => parts,
        single => vec![single],
    });
    parts.collect()
}

/// What a tool returns for all elements of a list, and for each with its arguments.
async fn map(cx: &Cx, tool: &SharedTool, args: &Args, name: &str) -> Result<(Value, Vec<(Args, Value)>)> {
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
        let result = call_guarded(cx, tool, one.clone()).await?;
        results.push((one, result));
    }
    Ok((Value::List(joined(results.iter().map(|(_, result)| result.clone()).collect())), results))
}
