//! Segmenters: the outlines of things.

use image::imageops;
use image::{Rgb, RgbImage};
use ndarray::{Array2, ArrayD, ArrayView2, Axis, Ix2, Ix3};

use super::detector::{Found, found_rows, sparse};
use super::head::{Activation, Family, Head, min_max, sigmoid, softmax};
use super::input::Placement;
use super::outputs::{Outputs, counting, plane};
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::runner::Tensors;
use crate::tool::boxes::Detection;
use crate::tool::resize::{self, Kernel};
use crate::value::{Mask, Region};

/// Most pixels of a mask's longer side; over a larger thing it is stretched.
const MAX_SIDE: f64 = 1_024.0;
/// Parts of a picture that cover less of it are no things.
const LEAST_SHARE: f64 = 0.001;
/// A place belongs to the subject when it is at least this bright, of 255.
const INSIDE: u8 = 128;
/// What a subject is called when its manifest has no label for it.
const SUBJECT: &str = "subject";

/// What a segmenter found in a picture, the largest first.
///
/// Sources: Hugging Face's `post_process_semantic_segmentation` (the grids are interpolated, then the best class is
/// taken); ultralytics' `process_mask_native` (the grid is interpolated, cut to the box, and all above 0 is the
/// thing); rembg's U²-Net session (the grid is interpolated by Lanczos).
///
/// # Errors
/// `Model` when the outputs have other shapes than the family's.
pub(super) fn masks(
    family: Family,
    outputs: Tensors,
    head: &Head,
    names: &[String],
    min_score: f64,
    sight: &Sight<'_>,
) -> Result<Vec<Mask>> {
    match family {
        Family::Semantic => semantic(head, outputs, names, sight),
        Family::Salient => salient(head, outputs, names, sight),
        _ => of_boxes(outputs, head, names, min_score, sight),
    }
}

/// A picture and where it lies in the model's input.
pub(super) struct Sight<'a> {
    pub(super) image: &'a Image,
    pub(super) place: &'a Placement,
}

impl Sight<'_> {
    /// The size of a mask over the whole picture.
    fn canvas(&self) -> (u32, u32) {
        let (width, height) = (f64::from(self.image.width()), f64::from(self.image.height()));
        let scale = (MAX_SIDE / width.max(height)).min(1.0);
        ((width * scale).round().max(1.0) as u32, (height * scale).round().max(1.0) as u32)
    }

    /// Where a point of the picture lies in a grid of this size over the model's input, where it lies in it at all; a
    /// cell's centre is at a half.
    fn in_grid(&self, x: f64, y: f64, grid: [f64; 2]) -> Option<(f64, f64)> {
        let Placement { input, scale, offset } = self.place;
        let (across, down) = ((x * scale[0] + offset[0]) / input[0], (y * scale[1] + offset[1]) / input[1]);
        let within = |share: f64| (0.0..=1.0).contains(&share);
        (within(across) && within(down)).then_some((across * grid[0], down * grid[1]))
    }

    /// A mask over a box of the picture, in its own pixels.
    fn mask(&self, label: &str, score: f64, [left, top, right, bottom]: [f64; 4], pixels: RgbImage) -> Mask {
        let frame = self.image.frame();
        let ((x1, y1), (x2, y2)) = (frame.to_root(left, top), frame.to_root(right, bottom));
        let region = Region { label: label.to_owned(), score, bounds: [x1, y1, x2, y2] };
        Mask { region, pixels: Image::from_pixels(pixels, crate::image::Frame::ROOT) }
    }

    /// These levels as a mask over the whole picture.
    fn painted(&self, levels: &[u8]) -> RgbImage {
        let (width, height) = self.canvas();
        RgbImage::from_fn(width, height, |x, y| {
            Rgb([levels.get(y as usize * width as usize + x as usize).copied().unwrap_or_default(); 3])
        })
    }

    /// What is bright enough of a mask over the whole picture, cut to the box around it; nothing when nothing is.
    fn cut(&self, label: &str, score: f64, canvas: &RgbImage) -> Option<Mask> {
        let (width, height) = canvas.dimensions();
        let inside = canvas.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[0] >= INSIDE);
        let [left, top, right, bottom] = inside
            .fold([width, height, 0, 0], |[l, t, r, b], (x, y, _)| [l.min(x), t.min(y), r.max(x + 1), b.max(y + 1)]);
        if left >= right || top >= bottom {
            return None;
        }
        let part = imageops::crop_imm(canvas, left, top, right - left, bottom - top).to_image();
        let across = f64::from(self.image.width()) / f64::from(width);
        let down = f64::from(self.image.height()) / f64::from(height);
        let [left, top, right, bottom] = [left, top, right, bottom].map(f64::from);
        Some(self.mask(label, score, [left * across, top * down, right * across, bottom * down], part))
    }
}

/// The thing of which these are the logits over the model's input; nothing where they are above 0 nowhere in the
/// picture.
///
/// They are interpolated to the size of the input, and then, without what is no picture there, to that of the picture:
/// as transformers' `SamImageProcessor.post_process_masks` and segment_anything's `postprocess_masks` do.
pub(super) fn outlined(logits: &ArrayView2<'_, f32>, label: &str, score: f64, sight: &Sight<'_>) -> Option<Mask> {
    let Placement { input, scale, offset } = *sight.place;
    let coarse = Field(logits.view());
    let steps = [logits.ncols() as f64 / input[0], logits.nrows() as f64 / input[1]];
    let place = |n: usize, axis: usize| (n as f64 + 0.5 + offset[axis]) * steps[axis];
    let sides = [sight.image.width(), sight.image.height()];
    let [columns, rows] = [0, 1].map(|axis| (f64::from(sides[axis]) * scale[axis]).round().max(1.0) as usize);
    let fitted = Array2::from_shape_fn((rows, columns), |(row, column)| coarse.at(place(column, 0), place(row, 1)));
    let fine = Field(fitted.view());
    let levels = each_pixel(sight, |x, y| {
        let is_seen = sight.in_grid(x, y, [1.0; 2]).is_some();
        if is_seen && fine.at(x * scale[0], y * scale[1]) > 0.0 { 255 } else { 0 }
    });
    sight.cut(label, score, &sight.painted(&levels))
}

/// A grid of numbers between which one may ask.
struct Field<'a>(ArrayView2<'a, f32>);

impl Field<'_> {
    /// The number at a point, in cells, between those of the four nearest cells; as torch's `interpolate` with
    /// `bilinear` and without `align_corners`.
    fn at(&self, x: f64, y: f64) -> f32 {
        let mix = |a: f32, b: f32, t: f32| a * (1.0 - t) + b * t;
        let ([left, right], across) = neighbours(x, self.0.ncols());
        let ([above, below], down) = neighbours(y, self.0.nrows());
        let cell = |row: usize, column: usize| self.0.get((row, column)).copied().unwrap_or_default();
        mix(
            mix(cell(above, left), cell(above, right), across),
            mix(cell(below, left), cell(below, right), across),
            down,
        )
    }
}

/// The two nearest of so many cells, and how far a point is from the first towards the second, 0 to 1.
fn neighbours(at: f64, cells: usize) -> ([usize; 2], f32) {
    let last = cells.saturating_sub(1);
    let at = (at - 0.5).clamp(0.0, last as f64);
    let first = at.floor() as usize;
    ([first, (first + 1).min(last)], (at - at.floor()) as f32)
}

/// One mask for each class that covers some of the picture.
fn semantic(head: &Head, outputs: Tensors, names: &[String], sight: &Sight<'_>) -> Result<Vec<Mask>> {
    let (is_whole, array) = counting(head, outputs)?;
    let shape = array.shape().to_vec();
    let wrong = || {
        let wanted = format!("{} numbers for each cell of a grid, by the number of labels, or the class", names.len());
        Error::new(ErrorKind::Model, format!("the family wants {wanted}, and the output is {shape:?}"))
    };
    let (classes, sure) = match shape.as_slice() {
        [_, _] if is_whole => (numbered(&array, sight), None),
        [1, _, _] if is_whole => (numbered(&array.index_axis(Axis(0), 0).to_owned(), sight), None),
        [_, _, _] => {
            let grids = array.into_dimensionality::<Ix3>().map_err(|_| wrong())?;
            // Which comes first differs; classes last is TensorFlow's way.
            let cells = match [grids.shape()[0], grids.shape()[2]].map(|n| n == names.len()) {
                [true, _] => grids.permuted_axes([1, 2, 0]),
                [false, true] => grids,
                _ => return Err(wrong()),
            };
            let cells = cells.as_standard_layout().into_owned();
            if cells.iter().any(|number| !number.is_finite()) {
                return Err(Error::new(ErrorKind::Model, "the output is not all numbers (NaN or infinite)"));
            }
            (best_classes(&cells, sight), Some(certainty(&cells)))
        }
        _ => return Err(wrong()),
    };
    let (width, height) = sight.canvas();
    let mut counts = vec![0_usize; names.len()];
    classes.iter().for_each(|class| counts.get_mut(*class).into_iter().for_each(|count| *count += 1));
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_key(|class| std::cmp::Reverse(counts.get(*class).copied()));
    let mut found = Vec::new();
    for class in order {
        let share = counts.get(class).copied().unwrap_or_default() as f64 / classes.len().max(1) as f64;
        let Some(name) = names.get(class).filter(|name| !name.is_empty() && share >= LEAST_SHARE) else { continue };
        let at = |x: u32, y: u32| classes.get(y as usize * width as usize + x as usize) == Some(&class);
        let canvas = RgbImage::from_fn(width, height, |x, y| Rgb([if at(x, y) { 255 } else { 0 }; 3]));
        let score = sure.as_ref().map_or(1.0, |sure| sure.get(class).copied().unwrap_or_default());
        found.extend(sight.cut(name, score, &canvas));
    }
    Ok(found)
}

/// The class of each pixel of the canvas, where the model tells classes by number.
fn numbered(classes: &ArrayD<f32>, sight: &Sight<'_>) -> Vec<usize> {
    let Ok(grid) = classes.view().into_dimensionality::<Ix2>() else { return Vec::new() };
    let size = [grid.ncols() as f64, grid.nrows() as f64];
    let cell = |at: f64, cells: usize| (at.max(0.0) as usize).min(cells.saturating_sub(1));
    each_pixel(sight, |x, y| {
        let Some((x, y)) = sight.in_grid(x, y, size) else { return usize::MAX };
        let class = grid.get((cell(y, grid.nrows()), cell(x, grid.ncols()))).copied().unwrap_or(-1.0);
        if class >= 0.0 { class as usize } else { usize::MAX }
    })
}

/// The class of each pixel of the canvas, from the scores of the cells around it.
fn best_classes(cells: &ndarray::Array3<f32>, sight: &Sight<'_>) -> Vec<usize> {
    let (rows, columns, classes) = cells.dim();
    let numbers = cells.as_slice().unwrap_or_default();
    let of = |row: usize, column: usize| {
        let from = (row * columns + column) * classes;
        numbers.get(from..from + classes).unwrap_or_default()
    };
    each_pixel(sight, |x, y| {
        let Some((x, y)) = sight.in_grid(x, y, [columns as f64, rows as f64]) else { return usize::MAX };
        let ([left, right], across) = neighbours(x, columns);
        let ([above, below], down) = neighbours(y, rows);
        let corners = of(above, left).iter().zip(of(above, right)).zip(of(below, left).iter().zip(of(below, right)));
        let mixed = corners.map(|((a, b), (c, d))| {
            (a * (1.0 - across) + b * across) * (1.0 - down) + (c * (1.0 - across) + d * across) * down
        });
        let best = mixed.enumerate().fold((usize::MAX, f32::NEG_INFINITY), |best, (class, number)| {
            if number > best.1 { (class, number) } else { best }
        });
        best.0
    })
}

/// What a function makes of the centre of each pixel of the canvas, in pixels of the picture, row by row.
fn each_pixel<T>(sight: &Sight<'_>, make: impl Fn(f64, f64) -> T) -> Vec<T> {
    let (width, height) = sight.canvas();
    let across = f64::from(sight.image.width()) / f64::from(width);
    let down = f64::from(sight.image.height()) / f64::from(height);
    let centre = |n: u32, size: f64| (f64::from(n) + 0.5) * size;
    (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .map(|(x, y)| make(centre(x, across), centre(y, down)))
        .collect()
}

/// How sure the model is of each class: the mean of its share where it is the best.
fn certainty(cells: &ndarray::Array3<f32>) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); cells.dim().2];
    for cell in cells.rows() {
        let shares = softmax(&cell.to_vec());
        let best = shares.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((class, share)) = best
            && let Some((sum, count)) = sums.get_mut(class)
        {
            (*sum, *count) = (*sum + f64::from(share), *count + 1.0);
        }
    }
    sums.into_iter().map(|(sum, count)| if count > 0.0 { sum / count } else { 0.0 }).collect()
}

/// The subject of a picture.
fn salient(head: &Head, outputs: Tensors, names: &[String], sight: &Sight<'_>) -> Result<Vec<Mask>> {
    let grid = plane(head, outputs)?;
    let numbers: Vec<f32> = grid.iter().copied().collect();
    let scores: Vec<f32> = match head.activation.unwrap_or(Activation::MinMax) {
        Activation::MinMax => min_max(&numbers),
        Activation::Sigmoid => numbers.iter().map(|number| sigmoid(*number)).collect(),
        Activation::None | Activation::Softmax => numbers,
    };
    let (columns, rows) = (grid.ncols(), grid.nrows());
    let level = |x: u32, y: u32| scores.get(y as usize * columns + x as usize).copied().unwrap_or_default();
    let grey =
        RgbImage::from_fn(columns as u32, rows as u32, |x, y| Rgb([(level(x, y) * 255.0).clamp(0.0, 255.0) as u8; 3]));
    let (width, height) = sight.canvas();
    let canvas = if sight.place.is_stretched(sight.image) {
        resize::smooth(&grey, width, height, Kernel::Lanczos)
    } else {
        let grid = Array2::from_shape_vec((rows, columns), scores)
            .map_err(|e| Error::internal("a grid's size").with_source(e))?;
        let field = Field(grid.view());
        let levels = each_pixel(sight, |x, y| {
            let at = sight.in_grid(x, y, [columns as f64, rows as f64]);
            at.map_or(0, |(x, y)| (field.at(x, y) * 255.0).clamp(0.0, 255.0) as u8)
        });
        sight.painted(&levels)
    };
    let inside: Vec<f64> = canvas.pixels().map(|p| p.0[0]).filter(|p| *p >= INSIDE).map(f64::from).collect();
    let score = inside.iter().sum::<f64>() / (255.0 * inside.len().max(1) as f64);
    Ok(sight.cut(names.first().map_or(SUBJECT, String::as_str), score, &canvas).into_iter().collect())
}

/// The things in the boxes of a YOLO.
fn of_boxes(outputs: Tensors, head: &Head, names: &[String], min_score: f64, sight: &Sight<'_>) -> Result<Vec<Mask>> {
    let outputs = Outputs::new(outputs)?;
    let wrong =
        || outputs.unfit("boxes, and a second output of as many grids as they have numbers behind their scores");
    let grids = outputs.0.iter().find(|output| output.array.ndim() == 4 && output.array.shape().first() == Some(&1));
    let grids = grids.map(|output| output.array.index_axis(Axis(0), 0).to_owned()).ok_or_else(wrong)?;
    let grids = grids.into_dimensionality::<Ix3>().map_err(|_| wrong())?;
    let (count, rows, columns) = grids.dim();
    let table = outputs.only(4 + names.len() + count, true)?;
    let flat = grids.to_shape((count, rows * columns)).map_err(|e| Error::internal("grids").with_source(e))?;
    let mut found = Vec::new();
    for Found { detection, rest } in sparse(found_rows(&table.view(), names.len(), min_score), head, sight.place) {
        let sum = ndarray::Array1::from(rest).dot(&flat);
        let grid = sum.to_shape((rows, columns)).map_err(|e| Error::internal("a grid").with_source(e))?;
        let name = names.get(detection.class).filter(|name| !name.is_empty());
        found.extend(name.and_then(|name| in_box(&detection, name, &Field(grid.view()), sight)));
    }
    Ok(found)
}

/// The mask of one box; nothing when the box has no pixel of the picture.
fn in_box(detection: &Detection, name: &str, field: &Field<'_>, sight: &Sight<'_>) -> Option<Mask> {
    let (width, height) = (f64::from(sight.image.width()), f64::from(sight.image.height()));
    let [x1, y1, x2, y2] = detection.bounds;
    // The pixels whose left and top edges lie in the box.
    let [left, right] = [x1, x2].map(|x| x.ceil().clamp(0.0, width));
    let [top, bottom] = [y1, y2].map(|y| y.ceil().clamp(0.0, height));
    if left >= right || top >= bottom {
        return None;
    }
    let scale = (MAX_SIDE / (right - left).max(bottom - top)).min(1.0);
    let size = |length: f64| (length * scale).round().max(1.0);
    let (columns, rows) = (size(right - left), size(bottom - top));
    let grid = [field.0.ncols() as f64, field.0.nrows() as f64];
    let pixels = RgbImage::from_fn(columns as u32, rows as u32, |x, y| {
        let across = left + (f64::from(x) + 0.5) * (right - left) / columns;
        let down = top + (f64::from(y) + 0.5) * (bottom - top) / rows;
        let is_inside = sight.in_grid(across, down, grid).is_some_and(|(x, y)| field.at(x, y) > 0.0);
        Rgb([if is_inside { 255 } else { 0 }; 3])
    });
    Some(sight.mask(name, f64::from(detection.score), [left, top, right, bottom], pixels))
}
