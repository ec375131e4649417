//! What the outputs of a single model mean, by its head.

use super::head::{Head, HeadKind};
use super::raw::raw;
use super::segmenter::{self, Sight};
use super::{depth, detector, pose};
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::runner::Tensors;
use crate::tool::Args;
use crate::value::{Mask, Point, Region, Value};

/// What a call asks for.
pub(super) struct Asked {
    /// For each class whether it is asked for; empty when all are.
    pub(super) wanted: Vec<bool>,
    /// The least score.
    pub(super) least: f64,
}

/// What the outputs mean. This may take a second for a large picture: no work for an async thread.
///
/// # Errors
/// `Model` when they are other outputs than the head's.
pub(super) fn meaning(
    head: &Head,
    outputs: Tensors,
    names: &[String],
    Asked { wanted, least }: &Asked,
    seen: &Sight<'_>,
) -> Result<Value> {
    let family = || head.family.ok_or_else(|| Error::internal("a head without a family"));
    let is_wanted = |class: usize| wanted.get(class).copied().unwrap_or(wanted.is_empty());
    Ok(match head.kind {
        HeadKind::Embedder => Value::Vector(head.vector(outputs)?),
        HeadKind::Depth => Value::Map(depth::map(head, outputs, seen.image, seen.place)?),
        HeadKind::Detector => {
            let found = detector::detections(family()?, outputs, head, names.len(), *least, seen.place)?;
            let mut regions = Vec::new();
            for found in found.iter().filter(|found| is_wanted(found.class)) {
                let name = names.get(found.class).ok_or_else(|| no_name(found.class, names))?;
                regions.extend(region(seen.image, name, f64::from(found.score), found.bounds).map(Value::Region));
            }
            Value::List(regions)
        }
        HeadKind::Segmenter => {
            let masks = segmenter::masks(family()?, outputs, head, names, *least, seen)?;
            let class = |mask: &Mask| names.iter().position(|name| *name == mask.region.label);
            let masks = masks.into_iter().filter(|mask| class(mask).is_none_or(is_wanted));
            Value::List(masks.map(Value::Mask).collect())
        }
        HeadKind::Pose => {
            let people = pose::people(family()?, outputs, head, names, *least, seen)?;
            let asked = |point: &Point| names.iter().position(|name| *name == point.label).is_some_and(is_wanted);
            let people = people.into_iter().map(|points| points.into_iter().filter(asked).collect::<Vec<_>>());
            Value::List(people.filter(|points| !points.is_empty()).map(Value::Points).collect())
        }
        HeadKind::Classifier | HeadKind::Tagger => Value::Labels(head.labels(outputs, names)?),
        _ => Value::Json(raw(&outputs)),
    })
}

/// The least score that a call asks for.
///
/// # Errors
/// `Tool` when it is none.
pub(super) fn least(args: &Args) -> Result<Option<f64>> {
    match args.get("min_score") {
        None | Some(Value::Json(serde_json::Value::Null)) => Ok(None),
        Some(Value::Number(score)) if (0.0..=1.0).contains(score) => Ok(Some(*score)),
        Some(other) => {
            let message = format!("`min_score` is {}, but it is a number from 0 to 1", other.to_json());
            Err(Error::new(ErrorKind::Tool, message))
        }
    }
}

fn no_name(class: usize, names: &[String]) -> Error {
    let message = format!("the model found class {class}, and [labels] names only {}", names.len());
    Error::new(ErrorKind::Model, message)
}

/// A box in the picture as a region of the root image; nothing where it has no area inside the picture.
fn region(image: &Image, label: &str, score: f64, bounds: [f64; 4]) -> Option<Region> {
    let (width, height) = (f64::from(image.width()), f64::from(image.height()));
    let [left, top, right, bottom] = bounds;
    let ([left, right], [top, bottom]) =
        ([left, right].map(|x| x.clamp(0.0, width)), [top, bottom].map(|y| y.clamp(0.0, height)));
    let ((x1, y1), (x2, y2)) = (image.frame().to_root(left, top), image.frame().to_root(right, bottom));
    let has_area = left < right && top < bottom;
    has_area.then(|| Region { label: label.to_owned(), score, bounds: [x1, y1, x2, y2] })
}
