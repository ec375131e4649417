//! Guarded calls: a tool's timeout, its panics, and whether it returned what it promised.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;

use super::{Args, SharedTool, ToolSpec};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::signature::{Returns, ValueType};
use crate::value::Value;

/// Calls a tool once within its timeout, for a tool that is made of others.
///
/// The executor calls every step in this way; a composite that calls its parts so is not taken along
/// when one of them waits for ever, panics, or returns what it did not promise. A tool that blocks its thread
/// cannot be stopped: it has to run its work elsewhere ([`tokio::task::spawn_blocking`]).
///
/// # Errors
/// Those of the tool; `Timeout` when it takes longer than [`ToolSpec::timeout`]; `Tool` when it panics, or
/// returns another type than its signature says or a number that is none (NaN or infinite).
pub async fn call_guarded(cx: &Cx, tool: &SharedTool, args: Args) -> Result<Value> {
    let spec = tool.spec();
    // Inside the block, so that a panic before the first await is caught as well.
    let work = AssertUnwindSafe(async { tool.call(cx, args).await }).catch_unwind();
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
