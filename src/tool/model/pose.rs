//! Pose models: the joints of people.

use super::detector::{Found, found_rows, sparse};
use super::head::{Family, Head};
use super::input::Placement;
use super::outputs::{Outputs, flat};
use super::segmenter::Sight;
use crate::error::Result;
use crate::runner::Tensors;
use crate::value::Point;

/// The points of COCO's people, in their order.
const COCO: [&str; 17] = [
    "nose",
    "left eye",
    "right eye",
    "left ear",
    "right ear",
    "left shoulder",
    "right shoulder",
    "left elbow",
    "right elbow",
    "left wrist",
    "right wrist",
    "left hip",
    "right hip",
    "left knee",
    "right knee",
    "left ankle",
    "right ankle",
];

/// The names of the points: those of the manifest, or COCO's.
pub(super) fn names(given: &[String]) -> Vec<String> {
    if given.is_empty() { COCO.map(str::to_owned).to_vec() } else { given.to_vec() }
}

/// The points of each person, in pixels of the root image; points that score less are left out, and so are people
/// without any.
///
/// # Errors
/// `Model` when the outputs have other shapes than the family's.
pub(super) fn people(
    family: Family,
    outputs: Tensors,
    head: &Head,
    names: &[String],
    min_score: f64,
    seen: &Sight<'_>,
) -> Result<Vec<Vec<Point>>> {
    let Sight { image, place } = *seen;
    let outputs = Outputs::new(outputs)?;
    let rows = match family {
        Family::Movenet => one(&outputs, names, place)?,
        _ => several(&outputs, head, names, min_score, place)?,
    };
    let point = |(name, [x, y, score]): (&String, &[f64; 3])| {
        let ((x, y), within) = (place.to_picture(*x, *y), *score >= min_score && x.is_finite() && y.is_finite());
        let (x, y) = image.frame().to_root(x, y);
        within.then(|| Point { label: name.clone(), score: *score, x, y })
    };
    let people = rows.iter().map(|rows| names.iter().zip(rows).filter_map(point).collect::<Vec<_>>());
    Ok(people.filter(|points| !points.is_empty()).collect())
}

/// Across, down (in pixels of the input) and score of each point of one person.
fn one(outputs: &Outputs, names: &[String], place: &Placement) -> Result<Vec<Vec<[f64; 3]>>> {
    let table = outputs.0.first().and_then(|output| flat(&output.array));
    let table = table
        .filter(|table| table.dim() == (names.len(), 3))
        .ok_or_else(|| outputs.unfit(&format!("one output of {} points, each down, across and score", names.len())))?;
    let number = |row: &ndarray::ArrayView1<'_, f32>, n: usize| row.get(n).copied().map_or(0.0, f64::from);
    let [width, height] = place.input;
    let rows = table.outer_iter().map(|row| [number(&row, 1) * width, number(&row, 0) * height, number(&row, 2)]);
    Ok(vec![rows.collect()])
}

/// The same of each person that a YOLO found.
fn several(
    outputs: &Outputs,
    head: &Head,
    names: &[String],
    min_score: f64,
    place: &Placement,
) -> Result<Vec<Vec<[f64; 3]>>> {
    let table = outputs.only(5 + 3 * names.len(), true)?;
    let found = sparse(found_rows(&table.view(), 1, min_score), head, place);
    let points = |Found { rest, .. }: Found| {
        rest.chunks_exact(3).filter_map(<[f32]>::first_chunk).map(|row: &[f32; 3]| row.map(f64::from)).collect()
    };
    Ok(found.into_iter().map(points).collect())
}
