//! Verifying a step's result as it arises, without an LLM (VIRO, arXiv 2601.12781, has a verifier in each
//! operator).

use crate::cx::Cx;
use crate::error::{ErrorKind, Result};
use crate::image::Image;
use crate::tool::crop::crop;
use crate::tool::{Args, SharedTool, ToolKind, call_guarded, overlap};
use crate::trace::Finding;
use crate::value::{Region, Value};

/// Finds below this score are looked at a second time.
const SURE: f64 = 0.5;
/// Room around a find for its second look, as a part of its width and height.
const ROOM: f64 = 0.5;
/// Least intersection over union of a find with what the second look finds.
const SAME_PLACE: f64 = 0.3;
/// A piece that is more of the image than this shows nothing new.
const MOST_OF_IMAGE: f64 = 0.6;
/// Most second looks of one step.
const MAX_LOOKS: usize = 8;

/// What verifying brought, in words, besides what is left of the result.
pub(super) type Verdict = Option<(Finding, String)>;

/// Verifies what a tool returned: a find with little confidence has to be found again in a closer look at its place.
///
/// What is looked at again is the find with some room around it, by the same tool with the same other arguments. What
/// is not found again is taken out of the result. An expert that finds nothing says that there is nothing.
pub(super) async fn verify(cx: &Cx, tool: &SharedTool, args: &Args, value: Value) -> Result<(Value, Verdict)> {
    let spec = tool.spec();
    let Value::List(items) = &value else { return Ok((value, None)) };
    if spec.kind != ToolKind::Expert {
        return Ok((value, None));
    }
    if items.is_empty() {
        return Ok((value, Some((Finding::Absent, format!("`{}` finds {}", spec.name, nothing_of(args))))));
    }
    let image = args.iter().find_map(|(name, value)| match value {
        Value::Image(image) => Some((name.to_owned(), image.clone())),
        _ => None,
    });
    let (Some((name, image)), [_]) = (image, args.images().as_slice()) else { return Ok((value, None)) };
    let (mut kept, mut confirmed, mut refuted, mut looks) = (Vec::new(), 0_usize, Vec::new(), 0_usize);
    for item in items {
        let doubtful = item.region().filter(|region| region.score < SURE);
        let piece = doubtful.and_then(|region| piece(&image, region));
        let (Some(region), Some(piece)) = (doubtful, piece.filter(|_| looks < MAX_LOOKS)) else {
            kept.push(item.clone());
            continue;
        };
        looks += 1;
        match found_again(cx, tool, (args, &name), piece, region).await? {
            Some(false) => refuted.push(region.label.clone()),
            again => {
                confirmed += usize::from(again.is_some());
                kept.push(item.clone());
            }
        }
    }
    let verdict = if refuted.is_empty() {
        (confirmed > 0).then(|| (Finding::Confirmed, format!("{confirmed} doubtful found again in a closer look")))
    } else {
        let labels = refuted.join(", ");
        Some((Finding::Refuted, format!("not found again in a closer look and left out: {labels}")))
    };
    Ok((Value::List(kept), verdict))
}

/// A find with room around it; nothing where that is most of the image, or nothing of it.
fn piece(image: &Image, region: &Region) -> Option<Image> {
    let piece = crop(image, region.bounds, ROOM).ok()?;
    let area = |image: &Image| f64::from(image.width()) * f64::from(image.height());
    (area(&piece) < MOST_OF_IMAGE * area(image)).then_some(piece)
}

/// Whether the tool finds a thing again in a piece; nothing where it fails there.
async fn found_again(
    cx: &Cx,
    tool: &SharedTool,
    (args, name): (&Args, &str),
    piece: Image,
    region: &Region,
) -> Result<Option<bool>> {
    let mut closer = args.clone();
    closer.set(name, Value::Image(piece));
    let seen = match call_guarded(cx, tool, closer).await {
        Ok(seen) => seen,
        Err(error) if matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Budget) => return Err(error),
        Err(error) => {
            tracing::debug!("no second look: {}", error.for_log());
            return Ok(None);
        }
    };
    let Value::List(seen) = seen else { return Ok(None) };
    let is_it = |other: &Region| other.label == region.label && overlap(&other.bounds, &region.bounds) >= SAME_PLACE;
    Ok(Some(seen.iter().filter_map(Value::region).any(is_it)))
}

/// What was looked for in vain: `no dog`.
fn nothing_of(args: &Args) -> String {
    let labels = args.texts("labels").ok().flatten().unwrap_or_default();
    if labels.is_empty() { "nothing".to_owned() } else { format!("no {}", labels.join(", no ")) }
}
