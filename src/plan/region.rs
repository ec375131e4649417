//! The step that says what a user points at: what `$region` refers to.

use serde_json::{Value as Json, json};

use super::{ArgValue, Reference, Step};
use crate::error::{Error, Result};
use crate::pointed::{Pointed, Spot};
use crate::task::image_name;

/// The id of the step that says what a user points at: plans refer to it as `$region`.
pub const REGION: &str = "region";
/// The tool of that step, which only this step calls.
pub const POINT_AT: &str = "point_at";

/// The step that says what a user points at. It comes before those that an LLM plans.
///
/// # Errors
/// `InvalidInput` when a mask is empty.
pub fn region_step(pointed: &Pointed) -> Result<Step> {
    let mut args = vec![("image".to_owned(), ArgValue::Ref(Reference::to(image_name(pointed.image))))];
    match &pointed.spot {
        Spot::Point { x, y } => {
            args.push(("x".to_owned(), number(*x)));
            args.push(("y".to_owned(), number(*y)));
        }
        Spot::Box { x1, y1, x2, y2 } => args.push(("region".to_owned(), boxed([*x1, *y1, *x2, *y2], None))),
        Spot::Mask(_) => {
            let mask = pointed.outline().ok_or_else(|| Error::invalid("mask: it is empty"))?;
            args.push(("mask".to_owned(), boxed(mask.region.bounds, Some(mask.pixels.digest()))));
        }
    }
    Ok(Step { id: REGION.to_owned(), tool: POINT_AT.to_owned(), args })
}

/// Whether a step says what a user points at.
pub(crate) fn points(step: &Step) -> bool {
    step.tool == POINT_AT
}

/// A box as a plan writes it, with the digest of its outline where there is one.
fn boxed(sides: [f64; 4], outline: Option<&str>) -> ArgValue {
    let text = |text: &str| ArgValue::Literal(json!(text));
    let mut entries = vec![
        ("label".to_owned(), text(Pointed::LABEL)),
        ("score".to_owned(), number(1.0)),
        ("box".to_owned(), ArgValue::List(sides.map(number).into())),
    ];
    if let Some(digest) = outline {
        entries.push(("mask".to_owned(), ArgValue::Object(vec![("blob".to_owned(), text(digest))])));
    }
    ArgValue::Object(entries)
}

/// Whole numbers are written without a fraction.
fn number(number: f64) -> ArgValue {
    let whole = number.fract() == 0.0 && number.abs() < 1.0e9;
    ArgValue::Literal(if whole { Json::from(number as i64) } else { json!(number) })
}
