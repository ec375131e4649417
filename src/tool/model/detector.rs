//! Detectors: what the outputs of the usual families mean.

use ndarray::{Array2, ArrayView2, Axis, Slice};

use super::head::{Family, Head, sigmoid, softmax};
use super::input::Placement;
use super::outputs::{Output, Outputs, flat};
use crate::error::{Error, ErrorKind, Result};
use crate::runner::Tensors;
use crate::tool::boxes::{Detection, averaged, without_doubles};
use crate::tool::cells::Grid;

/// Cells of the grids of YOLOX: pixels of the input for each.
const STRIDES: [usize; 3] = [8, 16, 32];
/// Most boxes that are kept: no picture has more things that are worth a name.
const MOST: usize = 1_000;
/// Boxes that overlap a better one of their class by more are dropped, where a family needs that.
const OVERLAP: f64 = 0.45;
/// The same for faces, as MediaPipe has it.
const FACES_OVERLAP: f64 = 0.3;
/// Grids of BlazeFace's anchors, by how many there are in all: cells to a side, and anchors of each.
pub(super) const ANCHORS: [(usize, &[(usize, usize)]); 2] = [(896, &[(16, 2), (8, 6)]), (2_304, &[(48, 1)])];

fn has_doubles(family: Family) -> bool {
    use Family::{Nanodet, NanodetPlus, Yolov5, Yolov8, Yolox};
    matches!(family, Yolov5 | Yolov8 | Yolox | Nanodet | NanodetPlus)
}

/// What a detector found, best first, in the picture's pixels.
///
/// # Errors
/// `Model` when the outputs have other shapes than the family's.
pub(super) fn detections(
    family: Family,
    outputs: Tensors,
    head: &Head,
    classes: usize,
    min_score: f64,
    place: &Placement,
) -> Result<Vec<Detection>> {
    let outputs = Outputs::new(outputs)?;
    let found = match family {
        Family::Yolov5 => rows(&outputs.only(5 + classes, false)?.view(), true, min_score),
        Family::Yolov8 => rows(&outputs.only(4 + classes, true)?.view(), false, min_score),
        Family::Yolox => rows(&gridded(outputs.only(5 + classes, false)?, place)?.view(), true, min_score),
        Family::Nanodet => nanodet(&outputs, classes, 0.5, min_score, place)?,
        Family::NanodetPlus => nanodet(&outputs, classes, 0.0, min_score, place)?,
        Family::Detr | Family::RtDetr | Family::OwlVit | Family::GroundingDino => {
            queries(&outputs, family, classes, min_score, place)?
        }
        Family::Ssd => ssd(&outputs, min_score, place)?,
        Family::EndToEnd => end_to_end(&outputs, min_score)?,
        Family::Blazeface => blazeface(&outputs, min_score, place)?,
        _ => return Err(Error::internal("a family of no detector")),
    };
    let first = head.first_class.unwrap_or(0);
    let mut found: Vec<Detection> = found
        .into_iter()
        .filter(is_sound)
        .filter_map(|d| Some(Detection { class: d.class.checked_sub(first)?, ..d }))
        .map(|d| in_picture(d, place))
        .collect();
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found.truncate(MOST);
    if family == Family::Blazeface {
        return Ok(averaged(found, head.overlap.unwrap_or(FACES_OVERLAP)));
    }
    Ok(match head.overlap.or_else(|| has_doubles(family).then_some(OVERLAP)) {
        Some(limit) => without_doubles(found, limit),
        None => found,
    })
}

fn is_sound(detection: &Detection) -> bool {
    detection.bounds.iter().all(|side| side.is_finite()) && detection.score.is_finite()
}

/// A box of the input in the picture's pixels.
fn in_picture(detection: Detection, place: &Placement) -> Detection {
    let [left, top, right, bottom] = detection.bounds;
    let ((left, top), (right, bottom)) = (place.to_picture(left, top), place.to_picture(right, bottom));
    Detection { bounds: [left, top, right, bottom], ..detection }
}

/// A thing with the numbers that stand behind its scores: how much of each grid, or its points.
pub(super) struct Found {
    pub(super) detection: Detection,
    pub(super) rest: Vec<f32>,
}

impl AsRef<Detection> for Found {
    fn as_ref(&self) -> &Detection {
        &self.detection
    }
}

/// Boxes as YOLOv8 writes them down, with more numbers behind the scores of so many classes.
pub(super) fn found_rows(table: &ArrayView2<'_, f32>, classes: usize, min_score: f64) -> Vec<Found> {
    let found = |row: ndarray::ArrayView1<'_, f32>| {
        let numbers = row.to_vec();
        let bounds: [f32; 4] = *numbers.first_chunk()?;
        let (class, score) = best(numbers.get(4..4 + classes)?)?;
        let rest = numbers.get(4 + classes..)?.to_vec();
        let detection = Detection { class, score, bounds: around(bounds.map(f64::from)) };
        (f64::from(score) > min_score && rest.iter().all(|n| n.is_finite())).then_some(Found { detection, rest })
    };
    table.outer_iter().filter_map(found).collect()
}

/// The same without doubles, best first, in the picture's pixels.
pub(super) fn sparse(found: Vec<Found>, head: &Head, place: &Placement) -> Vec<Found> {
    let mut found: Vec<Found> = found.into_iter().filter(|found| is_sound(&found.detection)).collect();
    found.sort_by(|a, b| b.detection.score.total_cmp(&a.detection.score));
    found.truncate(MOST);
    let kept = without_doubles(found, head.overlap.unwrap_or(OVERLAP));
    kept.into_iter().map(|found| Found { detection: in_picture(found.detection, place), ..found }).collect()
}

/// Boxes by centre and size, each with its scores; the first score is that of there being a thing at all, where
/// there is one.
fn rows(table: &ArrayView2<'_, f32>, has_objectness: bool, min_score: f64) -> Vec<Detection> {
    let scores = if has_objectness { 5 } else { 4 };
    let mut found = Vec::new();
    for row in table.outer_iter() {
        let (Some([x, y, w, h]), Some(classes)) = (row.as_slice().and_then(<[f32]>::first_chunk), row.as_slice())
        else {
            continue;
        };
        let sure = if has_objectness { row.get(4).copied().unwrap_or_default() } else { 1.0 };
        let Some((class, best)) = best(classes.get(scores..).unwrap_or_default()) else { continue };
        let score = best * sure;
        if f64::from(score) > min_score {
            found.push(Detection { class, score, bounds: around([*x, *y, *w, *h].map(f64::from)) });
        }
    }
    found
}

fn best(scores: &[f32]) -> Option<(usize, f32)> {
    scores.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
}

/// From centre and size to left, top, right, bottom.
fn around([x, y, width, height]: [f64; 4]) -> [f64; 4] {
    [x - width / 2.0, y - height / 2.0, x + width / 2.0, y + height / 2.0]
}

/// YOLOX's boxes in pixels of the input: it writes them in cells of three grids.
fn gridded(mut table: Array2<f32>, place: &Placement) -> Result<Array2<f32>> {
    let cells = STRIDES.iter().flat_map(|stride| {
        let [columns, rows] = place.input.map(|side| side as usize / stride);
        (0..rows).flat_map(move |y| (0..columns).map(move |x| (x as f32, y as f32, *stride as f32)))
    });
    let cells: Vec<_> = cells.collect();
    if cells.len() != table.nrows() {
        let message = format!(
            "the family wants a box for each of {} cells of the grids of 8, 16 and 32 pixels, and there are {}",
            cells.len(),
            table.nrows()
        );
        return Err(Error::new(ErrorKind::Model, message));
    }
    for (mut row, (x, y, stride)) in table.outer_iter_mut().zip(cells) {
        if let Some([left, top, width, height, ..]) = row.as_slice_mut() {
            (*left, *top) = ((*left + x) * stride, (*top + y) * stride);
            (*width, *height) = (width.exp() * stride, height.exp() * stride);
        }
    }
    Ok(table)
}

/// NanoDet and its kin: outputs by their number of cells. `within` is where in a cell its box is measured from.
fn nanodet(
    outputs: &Outputs,
    classes: usize,
    within: f64,
    min_score: f64,
    place: &Placement,
) -> Result<Vec<Detection>> {
    const GRIDS: [usize; 5] = [8, 16, 32, 64, 128];
    let unfit = || {
        let wanted = format!("for each cell of its grids {classes} scores, and as many bins for each of four sides");
        outputs.unfit(&wanted)
    };
    let tables: Vec<Array2<f32>> = outputs.0.iter().filter_map(|output| flat(&output.array)).collect();
    let grids = GRIDS.map(|stride| {
        let [columns, rows] = place.input.map(|side| (side as usize).div_ceil(stride));
        (Grid { columns, stride, within }, columns * rows)
    });
    let mut found = Vec::new();
    if let [all] = tables.as_slice() {
        if !all.ncols().checked_sub(classes).is_some_and(|bins| bins > 0 && bins % 4 == 0) {
            return Err(unfit());
        }
        let mut from = 0;
        for (grid, cells) in &grids {
            if from == all.nrows() {
                break;
            }
            let rows = all.slice_axis(Axis(0), Slice::from(from..(from + cells).min(all.nrows())));
            let (scores, distances) = rows.view().split_at(Axis(1), classes);
            grid.boxes(&scores, &distances, min_score, &mut found);
            from += cells;
        }
        return if from == all.nrows() { Ok(found) } else { Err(unfit()) };
    }
    let mut used = 0;
    for (grid, cells) in &grids {
        let of_grid: Vec<&Array2<f32>> = tables.iter().filter(|table| table.nrows() == *cells).collect();
        // With 32 classes, both have as many columns: then scores come first.
        let pair = match of_grid.as_slice() {
            [scores, distances] if scores.ncols() == classes => Some((scores, distances)),
            [distances, scores] if scores.ncols() == classes => Some((scores, distances)),
            _ => None,
        };
        if let Some((scores, distances)) = pair.filter(|(_, distances)| distances.ncols() % 4 == 0) {
            grid.boxes(&scores.view(), &distances.view(), min_score, &mut found);
            used += 2;
        }
    }
    if used == 0 || used != tables.len() { Err(unfit()) } else { Ok(found) }
}

/// DETR and its kin: a box for each query. Detectors of any words have a number for each of so many.
fn queries(
    outputs: &Outputs,
    family: Family,
    classes: usize,
    min_score: f64,
    place: &Placement,
) -> Result<Vec<Detection>> {
    let unfit = || outputs.unfit("`logits` and `pred_boxes`, for each query a number for each class, and four");
    let table = |name, at| outputs.named(name, at).and_then(flat).ok_or_else(unfit);
    let (logits, boxes) = (table("logits", 0)?, table("pred_boxes", 1)?);
    if boxes.ncols() != 4 || boxes.nrows() != logits.nrows() {
        return Err(unfit());
    }
    if family.is_worded() {
        if logits.ncols() != classes {
            return Err(outputs.unfit(&format!("for each box a number for each of {classes} words")));
        }
        if logits.iter().chain(&boxes).any(|number| number.is_nan()) {
            return Err(Error::new(ErrorKind::Model, "`logits` or `pred_boxes` are not all numbers (NaN)"));
        }
    }
    let mut found = Vec::new();
    for (logits, bounds) in logits.outer_iter().zip(boxes.outer_iter()) {
        let [x, y, w, h] = [0, 1, 2, 3].map(|n| bounds.get(n).copied().map_or(0.0, f64::from));
        let [width, height] = place.input;
        let bounds = around([x * width, y * height, w * width, h * height]);
        let logits = logits.to_vec();
        let scores = match family {
            Family::Detr => {
                let mut scores = softmax(&logits);
                scores.pop();
                scores
            }
            _ => logits.iter().map(|logit| sigmoid(*logit)).collect(),
        };
        // A query of DETR has one class, and one of any words; one of RT-DETR can be of several.
        let several = scores.iter().copied().enumerate().filter(|_| family == Family::RtDetr);
        let one = best(&scores).into_iter().filter(|_| family != Family::RtDetr);
        let sure = several.chain(one).filter(|(_, score)| f64::from(*score) > min_score);
        found.extend(sure.map(|(class, score)| Detection { class, score, bounds }));
    }
    Ok(found)
}

/// Faces: an anchor is the middle of its cell, and has the size of the whole input.
fn blazeface(outputs: &Outputs, min_score: f64, place: &Placement) -> Result<Vec<Detection>> {
    let unfit = || outputs.unfit("for each of 896 or 2304 anchors a score, and 16 numbers of a box and six points");
    let tables: Vec<Array2<f32>> = outputs.0.iter().filter_map(|output| flat(&output.array)).collect();
    // A front and a back model may write their grids one by one; joined, larger grids come first.
    let joined = |columns: usize| {
        let mut of: Vec<_> = tables.iter().filter(|table| table.ncols() == columns).map(|table| table.view()).collect();
        of.sort_by_key(|table| std::cmp::Reverse(table.nrows()));
        ndarray::concatenate(Axis(0), &of).ok().filter(|table| !table.is_empty()).ok_or_else(unfit)
    };
    let (scores, boxes) = (joined(1)?, joined(16)?);
    let grids = ANCHORS.iter().find(|(all, _)| *all == boxes.nrows() && *all == scores.nrows());
    let (_, grids) = grids.ok_or_else(unfit)?;
    let anchors = grids.iter().flat_map(|(side, each)| {
        let middle = move |n: usize| (n as f64 + 0.5) / *side as f64;
        (0..side * side * each).map(move |n| [middle(n / each % side), middle(n / each / side)])
    });
    let mut found = Vec::new();
    for ((score, row), anchor) in scores.iter().zip(boxes.outer_iter()).zip(anchors) {
        let score = sigmoid(*score);
        let [x, y, w, h] = [0, 1, 2, 3].map(|n| row.get(n).copied().map_or(0.0, f64::from));
        let [width, height] = place.input;
        if f64::from(score) > min_score {
            let bounds = around([x + anchor[0] * width, y + anchor[1] * height, w, h]);
            found.push(Detection { class: 0, score, bounds });
        }
    }
    Ok(found)
}

fn ssd(outputs: &Outputs, min_score: f64, place: &Placement) -> Result<Vec<Detection>> {
    let unfit = || outputs.unfit("`detection_boxes`, `detection_classes` and `detection_scores`");
    // An exact name counts first: there is `detection_multiclass_scores`, too.
    let by_name = |part: &str| {
        let exact =
            outputs.0.iter().find(|output| output.name.strip_prefix("detection_").unwrap_or(&output.name) == part);
        exact.or_else(|| outputs.0.iter().find(|output| output.name.contains(part))).map(|output| &output.array)
    };
    let boxes = by_name("boxes").and_then(flat).filter(|boxes| boxes.ncols() == 4).ok_or_else(unfit)?;
    let list = |part: &str| Ok::<_, Error>(by_name(part).ok_or_else(unfit)?.iter().copied().collect::<Vec<f32>>());
    let (classes, scores) = (list("classes")?, list("scores")?);
    if classes.len() != boxes.nrows() || scores.len() != boxes.nrows() {
        return Err(unfit());
    }
    let sides = boxes.outer_iter().map(|row| [0, 1, 2, 3].map(|n| row.get(n).copied().map_or(0.0, f64::from)));
    let [width, height] = place.input;
    let bounds = sides.map(|[top, left, bottom, right]| [left * width, top * height, right * width, bottom * height]);
    Ok(listed(bounds, &scores, &classes, min_score))
}

fn end_to_end(outputs: &Outputs, min_score: f64) -> Result<Vec<Detection>> {
    let four = |row: ndarray::ArrayView1<'_, f32>| [0, 1, 2, 3].map(|n| row.get(n).copied().map_or(0.0, f64::from));
    if let [one] = outputs.0.as_slice() {
        let unfit = || outputs.unfit("boxes of left, top, right, bottom, score and class");
        let table = flat(&one.array).filter(|table| table.ncols() == 6).ok_or_else(unfit)?;
        let column = |n: usize| table.column(n).to_vec();
        let (scores, classes) = (column(4), column(5));
        return Ok(listed(table.outer_iter().map(four), &scores, &classes, min_score));
    }
    let unfit = || outputs.unfit("boxes of four numbers, a score and a class for each");
    let is_boxes = |output: &&Output| flat(&output.array).is_some_and(|table| table.ncols() == 4);
    let boxes = outputs.0.iter().find(is_boxes).ok_or_else(unfit)?;
    let table = flat(&boxes.array).ok_or_else(unfit)?;
    let of_boxes = |output: &&Output| output.name != boxes.name && output.array.len() == table.nrows();
    let lists: Vec<&Output> = outputs.0.iter().filter(of_boxes).collect();
    let [first, second] = lists.as_slice() else { return Err(unfit()) };
    // Classes are whole numbers, or named so; where neither tells, they are what is above one.
    let names_classes = |output: &Output| output.name.contains("class") || output.name.contains("label");
    let (scores, classes) = match [first, second].map(|output| output.is_whole || names_classes(output)) {
        [true, false] => (second, first),
        [false, true] => (first, second),
        _ if first.array.iter().any(|number| *number > 1.0) => (second, first),
        _ => (first, second),
    };
    let numbers = |output: &Output| output.array.iter().copied().collect::<Vec<f32>>();
    Ok(listed(table.outer_iter().map(four), &numbers(scores), &numbers(classes), min_score))
}

fn listed(bounds: impl Iterator<Item = [f64; 4]>, scores: &[f32], classes: &[f32], min_score: f64) -> Vec<Detection> {
    let rows = bounds.zip(scores).zip(classes);
    let found = rows.filter(|((_, score), class)| f64::from(**score) > min_score && **class >= 0.0);
    found.map(|((bounds, score), class)| Detection { class: class.round() as usize, score: *score, bounds }).collect()
}
