//! Detectors: what the outputs of the usual families mean.

use ndarray::{Array2, ArrayD, ArrayView2, Axis, Ix2, Slice};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::head::{Head, sigmoid, softmax};
use super::input::Placement;
use crate::error::{Error, ErrorKind, Result};
use crate::runner::{Tensor, Tensors};
use crate::tool::boxes::{Detection, without_doubles};
use crate::tool::cells::Grid;

/// Cells of the grids of YOLOX: pixels of the input for each.
const STRIDES: [usize; 3] = [8, 16, 32];
/// Most boxes that are kept: no picture has more things that are worth a name.
const MOST: usize = 1_000;
/// Boxes that overlap a better one of their class by more are dropped, where a family needs that.
const OVERLAP: f64 = 0.45;

/// How a detector writes its boxes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// YOLOv5 and YOLOv7: one output of boxes by centre and size, how sure it is of a thing, and of each class.
    Yolov5,
    /// YOLOv8, v9, v11 and v12: one output of boxes by centre and size, and how sure it is of each class.
    Yolov8,
    /// YOLOX: as YOLOv5, but in cells of three grids.
    Yolox,
    /// NanoDet and PicoDet: for each of several grids the scores of the classes and the bins of the distances to the four
    /// sides, in one output, or two for each grid.
    Nanodet,
    /// NanoDet-Plus: as NanoDet in one output, with cells that begin where their box is measured from.
    NanodetPlus,
    /// DETR: `logits` with a last class for nothing, and `pred_boxes` by centre and size, from 0 to 1.
    Detr,
    /// RT-DETR and D-FINE: `logits` without a class for nothing, and `pred_boxes` by centre and size, from 0 to 1.
    RtDetr,
    /// TensorFlow's SSD: `detection_boxes` (top, left, bottom, right, from 0 to 1), `detection_classes` and
    /// `detection_scores`, without doubles.
    Ssd,
    /// Boxes without doubles in the input's pixels: one output of left, top, right, bottom, score and class (YOLOv10),
    /// or three: boxes, scores and classes, in any order.
    EndToEnd,
}

impl Family {
    fn has_doubles(self) -> bool {
        matches!(self, Self::Yolov5 | Self::Yolov8 | Self::Yolox | Self::Nanodet | Self::NanodetPlus)
    }
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
        Family::Detr | Family::RtDetr => queries(&outputs, family, min_score, place)?,
        Family::Ssd => ssd(&outputs, min_score, place)?,
        Family::EndToEnd => end_to_end(&outputs, min_score)?,
    };
    let first = head.first_class.unwrap_or(0);
    let sound = |d: &Detection| d.bounds.iter().all(|side| side.is_finite()) && d.score.is_finite();
    let mut found: Vec<Detection> = found
        .into_iter()
        .filter(sound)
        .filter_map(|d| Some(Detection { class: d.class.checked_sub(first)?, ..d }))
        .map(|d| {
            let [left, top, right, bottom] = d.bounds;
            let ((left, top), (right, bottom)) = (place.to_picture(left, top), place.to_picture(right, bottom));
            Detection { bounds: [left, top, right, bottom], ..d }
        })
        .collect();
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found.truncate(MOST);
    Ok(match head.overlap.or_else(|| family.has_doubles().then_some(OVERLAP)) {
        Some(limit) => without_doubles(found, limit),
        None => found,
    })
}

/// A model's outputs as floats.
struct Outputs(Vec<Output>);

struct Output {
    name: String,
    /// Whether its elements are whole numbers, as those of classes are.
    is_whole: bool,
    array: ArrayD<f32>,
}

impl Outputs {
    fn new(outputs: Tensors) -> Result<Self> {
        let output = |(name, tensor): (String, Tensor)| {
            let (is_whole, array) = match tensor {
                Tensor::I64(array) => (true, array.mapv(|v| v as f32)),
                Tensor::I32(array) => (true, array.mapv(|v| v as f32)),
                other => (false, other.into_f32()?),
            };
            Ok(Output { name, is_whole, array })
        };
        outputs.into_iter().map(output).collect::<Result<_>>().map(Self)
    }

    fn shapes(&self) -> String {
        let shapes = self.0.iter().map(|output| format!("`{}` {:?}", output.name, output.array.shape()));
        shapes.collect::<Vec<_>>().join(", ")
    }

    fn unfit(&self, wanted: &str) -> Error {
        Error::new(ErrorKind::Model, format!("the family wants {wanted}, and the outputs are {}", self.shapes()))
    }

    /// The first output as a row of so many numbers for each box. Which of the two comes first differs from export to
    /// export; where that cannot be seen, the numbers do (`is_turned`) or the boxes.
    fn only(&self, numbers: usize, is_turned: bool) -> Result<Array2<f32>> {
        let unfit = || self.unfit(&format!("one output of boxes with {numbers} numbers each, by the number of labels"));
        let table = self.0.first().and_then(|output| flat(&output.array)).ok_or_else(unfit)?;
        let fits = [table.ncols() == numbers, table.nrows() == numbers];
        let table = match fits {
            [true, true] if is_turned => table.reversed_axes(),
            [true, _] => table,
            [false, true] => table.reversed_axes(),
            [false, false] => return Err(unfit()),
        };
        Ok(table.as_standard_layout().into_owned())
    }

    /// The output of this name, or else the one at this place.
    fn named(&self, name: &str, at: usize) -> Option<&ArrayD<f32>> {
        let named = self.0.iter().find(|output| output.name == name);
        named.or_else(|| self.0.get(at)).map(|output| &output.array)
    }
}

/// Without the batch of one.
fn flat(array: &ArrayD<f32>) -> Option<Array2<f32>> {
    let mut view = array.view();
    while view.ndim() > 2 {
        let one = view.shape().iter().position(|length| *length == 1)?;
        view = view.index_axis_move(Axis(one), 0);
    }
    view.into_dimensionality::<Ix2>().ok().map(|view| view.to_owned())
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

/// DETR and its kin: a box for each query.
fn queries(outputs: &Outputs, family: Family, min_score: f64, place: &Placement) -> Result<Vec<Detection>> {
    let unfit = || outputs.unfit("`logits` and `pred_boxes`, for each query a number for each class, and four");
    let table = |name, at| outputs.named(name, at).and_then(flat).ok_or_else(unfit);
    let (logits, boxes) = (table("logits", 0)?, table("pred_boxes", 1)?);
    if boxes.ncols() != 4 || boxes.nrows() != logits.nrows() {
        return Err(unfit());
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
        // A query of DETR has one class; one of its kin can be of several.
        let several = scores.iter().copied().enumerate().filter(|_| family == Family::RtDetr);
        let one = best(&scores).into_iter().filter(|_| family == Family::Detr);
        let sure = several.chain(one).filter(|(_, score)| f64::from(*score) > min_score);
        found.extend(sure.map(|(class, score)| Detection { class, score, bounds }));
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
