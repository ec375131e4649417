//! Reading text: a detector finds lines (differentiable binarisation, DB), a classifier tells those that are upside down,
//! a recogniser reads them (connectionist temporal classification, CTC).
//!
//! The geometry of it is open to readers of one's own: the borders of what a mask shows, the smallest rectangle around
//! points, and the order in which lines are read.

mod contours;
mod detect;
mod lines;
mod order;
mod part;
mod pixels;
mod rect;
mod warp;

use std::sync::Arc;

use image::RgbImage;
use ndarray::ArrayD;
use tokio::sync::OnceCell;

pub use self::contours::{Bitmap, borders};
use self::detect::Page;
use self::lines::{Alphabet, Model, Recogniser, model_error};
pub use self::order::in_reading_order;
pub use self::part::OcrPart;
use self::pixels::{Channels, Scale};
pub use self::rect::{Quad, grown, smallest_rectangle};
use super::model::Input;
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::image::{Frame, Image};
use crate::runner::{LazyFile, Runner, Tensor, Tensors};
use crate::value::Line;

/// Lines the recogniser is less sure of are dropped, unless a manifest says otherwise.
const LINE_SCORE: f64 = 0.5;
/// How many times a piece of an image may be enlarged before it gets room around it.
const LARGEST: u32 = 4;

/// A reader of text: the head `ocr`, which the tool `read_text` is a manifest of.
///
/// Its models take floats of shape 1x3xHxW. Every step computes what the Python package rapidocr 3.10.0 computes with its
/// defaults; the order of the lines is our own, and the second look at small pieces in which nothing is found.
pub struct Ocr {
    detector: Arc<dyn Runner>,
    direction: Option<Arc<dyn Runner>>,
    recogniser: Arc<dyn Runner>,
    characters: Option<LazyFile>,
    part: OcrPart,
    /// How the detector, and how the other two are fed.
    scales: [Scale; 2],
    min_score: f64,
    models: OnceCell<Models>,
}

/// What is known once the models are loaded.
struct Models {
    detector: Model,
    direction: Option<Model>,
    recogniser: Recogniser,
}

/// The models of a reader, which may run anywhere.
pub struct OcrModels {
    /// Finds lines of text.
    pub detector: Arc<dyn Runner>,
    /// Tells lines that are upside down; they stay as they are without.
    pub direction: Option<Arc<dyn Runner>>,
    /// Reads a line.
    pub recogniser: Arc<dyn Runner>,
    /// The recogniser's characters, one a line; its metadata has them when left out.
    pub characters: Option<LazyFile>,
}

/// What was read, and what went into the detector and came out of it.
pub(super) struct Sight {
    pub(super) lines: Vec<Line>,
    pub(super) input: Tensors,
    pub(super) outputs: Tensors,
}

impl Ocr {
    /// A reader of PP-OCR models with rapidocr's numbers.
    pub fn new(models: OcrModels) -> Self {
        Self::of(models, OcrPart::default(), &OcrPart::input(), None)
    }

    /// A reader as a manifest describes it; lines with a lower score than `min_score` are left out.
    pub(super) fn of(models: OcrModels, part: OcrPart, input: &Input, min_score: Option<f64>) -> Self {
        let OcrModels { detector, direction, recogniser, characters } = models;
        let whole = Scale { colour: input.colour, mean: input.mean, std: input.std };
        let lines = Scale { mean: part.mean.unwrap_or(whole.mean), std: part.std.unwrap_or(whole.std), ..whole };
        let min_score = min_score.unwrap_or(LINE_SCORE);
        let scales = [whole, lines];
        Self { detector, direction, recogniser, characters, part, scales, min_score, models: OnceCell::new() }
    }

    /// The lines of text in an image, in reading order; polygons in pixels of the root image.
    ///
    /// An image without text gives no lines; a small piece of an image in which nothing is found is looked at once more
    /// with room around it. Memory grows with the image's area, up to `longest` pixels (2000) a side: the detector's
    /// input has at most `longest` times `longest` pixels, or eight times the square of `side` (736) where that is more,
    /// of three floats each.
    ///
    /// # Errors
    /// `InvalidInput` when the image is too thin; `Model` when a model fails, or returns something else than
    /// probabilities; `Cancelled` or `Budget` when the run ends first.
    pub async fn lines(&self, cx: &Cx, image: &Image) -> Result<Vec<Line>> {
        let lines = self.look(cx, image, false).await?.lines;
        let roomy = if lines.is_empty() { with_room(image, self.part.side) } else { None };
        match roomy {
            Some(roomy) => Ok(self.look(cx, &roomy, false).await?.lines),
            None => Ok(lines),
        }
    }

    /// The same, with the detector's input and outputs where they are to be kept.
    pub(super) async fn look(&self, cx: &Cx, image: &Image, keep: bool) -> Result<Sight> {
        let models = self.models(cx).await?;
        let (pixels, part, scale) = (image.clone(), self.part.clone(), self.scales[0]);
        let prepare = move || {
            let page = Page::new(pixels.pixels(), &part)?;
            Ok::<_, Error>((page.input(&Channels::for_detector(&scale))?, page))
        };
        let (input, page) = blocking(prepare).await??;
        let mut sight = Sight { lines: Vec::new(), input: Tensors::new(), outputs: Tensors::new() };
        if keep {
            sight.input.push((models.detector.input.clone(), Tensor::F32(input.clone().into_dyn())));
        }
        let (height, width) = (input.shape()[2], input.shape()[3]);
        let map = models.detector.run(cx, input).await?;
        if map.len() != width * height {
            let shape = map.shape();
            let message = format!(
                "the text detector returned {shape:?} for {width}x{height} pixels, and not one number for each"
            );
            return Err(model_error(message));
        }
        if keep {
            sight.outputs.push(("map".to_owned(), Tensor::F32(map.clone())));
        }
        sight.lines = self.read(cx, models, image, page, map, [width, height]).await?;
        Ok(sight)
    }

    /// What stands in the places that the detector's map shows.
    async fn read(
        &self,
        cx: &Cx,
        models: &Models,
        image: &Image,
        page: Page,
        map: ArrayD<f32>,
        [width, height]: [usize; 2],
    ) -> Result<Vec<Line>> {
        let part = self.part.clone();
        let (page, mut found) = blocking(move || {
            let map = map.as_slice().unwrap_or_default();
            lines::probabilities(map, "the text detector")?;
            let boxes = page.boxes(map, width, height, &part);
            let found = Found::cut_from(&page, detect::in_rows(boxes));
            Ok::<_, Error>((page, found))
        })
        .await??;
        let channels = Channels::for_lines(&self.scales[1]);
        let flipped = match &models.direction {
            Some(model) => lines::upright(model, cx, &mut found.pieces, &self.part, &channels).await?,
            None => vec![false; found.pieces.len()],
        };
        let texts = lines::read(&models.recogniser, cx, &found.pieces, &self.part, &channels).await?;
        let places = found.places.iter().zip(flipped).map(|(place, flipped)| place.polygon(&page, image, flipped));
        let lines = texts.into_iter().zip(places).map(|((text, score), polygon)| Line { text, score, polygon });
        let legible = lines.filter(|line| line.score >= self.min_score && !line.text.trim().is_empty());
        Ok(in_reading_order(legible.collect()))
    }

    /// Loads the models.
    ///
    /// # Errors
    /// `Model` when one cannot be loaded or has no characters; `Cancelled` or `Budget` when the run ends first.
    pub(super) async fn prepare(&self, cx: &Cx) -> Result<()> {
        self.models(cx).await.map(|_| ())
    }

    async fn models(&self, cx: &Cx) -> Result<&Models> {
        let direction = async {
            match &self.direction {
                Some(runner) => Model::of(runner).await.map(Some),
                None => Ok(None),
            }
        };
        let load = || async {
            let alphabet = Alphabet::of(&*self.recogniser, self.characters.as_ref());
            let (detector, direction, model, alphabet) =
                tokio::try_join!(Model::of(&self.detector), direction, Model::of(&self.recogniser), alphabet)?;
            Ok(Models { detector, direction, recogniser: Recogniser { model, alphabet } })
        };
        self.models.get_or_try_init(|| cx.within(load())).await
    }
}

/// Pieces of the page with text, and where they come from.
struct Found {
    pieces: Vec<RgbImage>,
    places: Vec<Place>,
}

struct Place {
    quad: Quad,
    /// The piece was turned a quarter anticlockwise.
    turned: bool,
}

impl Found {
    fn cut_from(page: &Page, boxes: Vec<Quad>) -> Self {
        let cut = |quad: Quad| {
            let (piece, turned) = warp::cut(&page.picture, &quad)?;
            Some((piece, Place { quad, turned }))
        };
        let (pieces, places) = boxes.into_iter().filter_map(cut).unzip();
        Self { pieces, places }
    }
}

impl Place {
    /// The corners in the root image, from the text's own top left.
    fn polygon(&self, page: &Page, image: &Image, flipped: bool) -> [[f64; 2]; 4] {
        let mut polygon = self.quad.map(|corner| {
            let [x, y] = page.to_original(corner).map(f64::from);
            let (x, y) = image.frame().to_root(x, y);
            [x, y]
        });
        polygon.rotate_left(usize::from(self.turned) + 2 * usize::from(flipped));
        polygon
    }
}

/// A piece that was cut out of an image, with its edges drawn out on all sides, where it is so small that it would be
/// enlarged more than four times: letters as large as that are not found.
fn with_room(piece: &Image, side: u32) -> Option<Image> {
    let (frame, pixels) = (piece.frame(), piece.pixels());
    let (width, height) = pixels.dimensions();
    let room = (side / LARGEST).saturating_sub(width.min(height)).div_ceil(2);
    if frame == Frame::ROOT || room == 0 {
        return None;
    }
    let inside = |at: u32, size: u32| at.saturating_sub(room).min(size.saturating_sub(1));
    let roomy = RgbImage::from_fn(width + 2 * room, height + 2 * room, |x, y| {
        let pixel = pixels.get_pixel_checked(inside(x, width), inside(y, height));
        pixel.copied().unwrap_or(image::Rgb([0; 3]))
    });
    let (x, y) = frame.to_root(-f64::from(room), -f64::from(room));
    Some(Image::from_pixels(roomy, Frame { x, y, ..frame }))
}

/// Runs code that computes for long off the threads that drive futures.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Error::internal("reading text ended unexpectedly").with_source(e))
}
