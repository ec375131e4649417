//! Verifying a step's result as it arises, without an LLM (VIRO, arXiv 2601.12781, has a verifier in each
//! operator).

use crate::cx::Cx;
use crate::error::ErrorKind;
use crate::image::Image;
use crate::tool::crop::crop;
use crate::tool::{Args, SharedTool, ToolKind, call_guarded, overlap};
use crate::trace::{Finding, Verdict};
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

/// Verifies what a tool returned: a find with little confidence has to be found again in a closer look at its place.
///
/// What is looked at again is the find with some room around it, by the same tool with the same other arguments. What
/// is not found again is taken out of the result. An expert that finds nothing says that there is nothing. Where the
/// run ends meanwhile, the rest of the finds stay as they are.
pub(super) async fn verify(cx: &Cx, tool: &SharedTool, args: &Args, value: Value) -> (Value, Verdict) {
    let spec = tool.spec();
    let Value::List(items) = &value else { return (value, None) };
    if spec.kind != ToolKind::Expert {
        return (value, None);
    }
    if items.is_empty() {
        return (value, Some((Finding::Absent, format!("`{}` finds {}", spec.name, nothing_of(args)))));
    }
    let image = args.iter().find_map(|(name, value)| match value {
        Value::Image(image) => Some((name.to_owned(), image.clone())),
        _ => None,
    });
    let (Some((name, image)), [_]) = (image, args.images().as_slice()) else { return (value, None) };
    let (mut kept, mut confirmed, mut refuted, mut looks) = (Vec::new(), 0_usize, Vec::new(), MAX_LOOKS);
    for item in items {
        let doubtful = item.region().filter(|region| region.score < SURE && looks > 0);
        let again = match doubtful.and_then(|region| Some((region, piece(&image, region)?))) {
            Some((region, piece)) => {
                looks -= 1;
                match found_again(cx, tool, (args, &name), piece, region).await {
                    Again::Ended => {
                        looks = 0;
                        None
                    }
                    Again::Unknown => None,
                    Again::Seen => Some(true),
                    Again::Missed => Some(false),
                }
            }
            None => None,
        };
        match (again, item.region()) {
            (Some(false), Some(region)) => refuted.push(region.label.clone()),
            _ => kept.push(item.clone()),
        }
        confirmed += usize::from(again == Some(true));
    }
    let verdict = if refuted.is_empty() {
        (confirmed > 0).then(|| (Finding::Confirmed, format!("{confirmed} doubtful found again in a closer look")))
    } else {
        let labels = refuted.join(", ");
        Some((Finding::Refuted, format!("not found again in a closer look and left out: {labels}")))
    };
    (Value::List(kept), verdict)
}

/// The verdicts on the elements that a tool was mapped over, as one: what was left out anywhere, else what is confirmed
/// anywhere; that there is nothing only where no element has anything.
pub(super) fn joined(verdicts: Vec<Verdict>) -> Verdict {
    let all_absent = verdicts.iter().all(|verdict| matches!(verdict, Some((Finding::Absent, _))));
    let wanted = |finding: Finding| finding != Finding::Absent || all_absent;
    let mut told: Vec<(Finding, String)> =
        verdicts.into_iter().flatten().filter(|(finding, _)| wanted(*finding)).collect();
    let finding = [Finding::Refuted, Finding::Confirmed, Finding::Absent]
        .into_iter()
        .find(|finding| told.iter().any(|(other, _)| other == finding))?;
    told.retain(|(other, _)| *other == finding);
    told.dedup();
    Some((finding, told.into_iter().map(|(_, why)| why).collect::<Vec<_>>().join("; ")))
}

/// A find with room around it; nothing where that is most of the image, or nothing of it.
fn piece(image: &Image, region: &Region) -> Option<Image> {
    let piece = crop(image, region.bounds, ROOM).ok()?;
    let area = |image: &Image| f64::from(image.width()) * f64::from(image.height());
    (area(&piece) < MOST_OF_IMAGE * area(image)).then_some(piece)
}

/// What came of a second look.
enum Again {
    /// The thing is there.
    Seen,
    /// It is not.
    Missed,
    /// The tool failed.
    Unknown,
    /// The run is over.
    Ended,
}

/// Whether the tool finds a thing again in a piece.
async fn found_again(cx: &Cx, tool: &SharedTool, (args, name): (&Args, &str), piece: Image, region: &Region) -> Again {
    let mut closer = args.clone();
    closer.set(name, Value::Image(piece));
    let seen = match call_guarded(cx, tool, closer).await {
        Ok(Value::List(seen)) => seen,
        Ok(_) => return Again::Unknown,
        Err(error) if matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Budget) => return Again::Ended,
        Err(error) => {
            tracing::debug!("no second look: {}", error.for_log());
            return Again::Unknown;
        }
    };
    let is_it = |other: &Region| other.label == region.label && overlap(&other.bounds, &region.bounds) >= SAME_PLACE;
    if seen.iter().filter_map(Value::region).any(is_it) { Again::Seen } else { Again::Missed }
}

/// What was looked for in vain: `no dog`.
fn nothing_of(args: &Args) -> String {
    let labels = args.texts("labels").ok().flatten().unwrap_or_default();
    if labels.is_empty() { "nothing".to_owned() } else { format!("no {}", labels.join(", no ")) }
}
