//! `read_text`: PP-OCRv6 finds lines of text, turns them upright and reads them.

mod contours;
mod detect;
mod lines;
mod order;
mod pixels;
mod rect;
mod warp;

use std::sync::Arc;

use async_trait::async_trait;
use image::RgbImage;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::OnceCell;

use self::detect::Page;
use self::lines::Alphabet;
pub(super) use self::order::reading;
use self::rect::Quad;
use super::{ImageRef, TypedTool};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::runner::Runner;
use crate::value::Line;

/// Lines the recogniser is less sure of are dropped.
const LINE_SCORE: f64 = 0.5;

/// The tool `read_text`.
///
/// Three models stand behind it: a detector of text, a classifier that tells
/// upside-down lines, and a recogniser whose metadata holds its characters.
/// Each takes the input `x`, floats of shape 1x3xHxW with the blue channel first.
///
/// Every step computes what the Python package rapidocr 3.10.0 computes with
/// its defaults; only the order of the lines is our own.
pub struct ReadText {
    detector: Arc<dyn Runner>,
    classifier: Arc<dyn Runner>,
    recogniser: Arc<dyn Runner>,
    alphabet: OnceCell<Alphabet>,
}

/// The arguments of `read_text`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadTextArgs {
    /// The image to read.
    pub image: ImageRef,
}

impl ReadText {
    /// Joins the three models, which may run anywhere.
    pub fn new(detector: Arc<dyn Runner>, classifier: Arc<dyn Runner>, recogniser: Arc<dyn Runner>) -> Self {
        Self { detector, classifier, recogniser, alphabet: OnceCell::new() }
    }

    /// The lines of text in an image, in reading order; polygons in pixels of the root image.
    ///
    /// An image without text gives no lines. Memory grows with the image's area, up to 2000 pixels a side.
    ///
    /// # Errors
    /// `InvalidInput` when the image is too thin, `Model` when a model fails,
    /// `Cancelled` or `Budget` when the run ends first.
    pub async fn lines(&self, cx: &Cx, image: &Image) -> Result<Vec<Line>> {
        let pixels = image.clone();
        let page = blocking(move || Page::new(pixels.pixels())).await??;
        let (page, input) = blocking(move || (page.input(), page)).await.map(|(input, page)| (page, input))?;
        let Some(input) = input else { return Ok(Vec::new()) };
        let (height, width) = (input.shape()[2], input.shape()[3]);
        let map = lines::run(&*self.detector, cx, input).await?;
        if map.len() != width * height {
            let message = format!("the text detector returned {:?} for {width}x{height} pixels", map.shape());
            return Err(Error::new(ErrorKind::Model, message));
        }
        let (page, mut found) = blocking(move || {
            let boxes = page.boxes(map.as_slice().unwrap_or_default(), width, height);
            let found = Found::cut_from(&page, detect::in_rows(boxes));
            (page, found)
        })
        .await?;
        let flipped = lines::upright(&*self.classifier, cx, &mut found.pieces).await?;
        let alphabet = self.alphabet().await?;
        let texts = lines::read(&*self.recogniser, cx, alphabet, &found.pieces).await?;
        let places = found.places.iter().zip(flipped).map(|(place, flipped)| place.polygon(&page, image, flipped));
        let lines = texts.into_iter().zip(places).map(|((text, score), polygon)| Line { text, score, polygon });
        let legible = lines.filter(|line| line.score >= LINE_SCORE && !line.text.trim().is_empty());
        Ok(reading(legible.collect()))
    }

    async fn alphabet(&self) -> Result<&Alphabet> {
        self.alphabet.get_or_try_init(|| Alphabet::of(&*self.recogniser)).await
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

/// Runs code that computes for long off the threads that drive futures.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Error::internal("reading text ended unexpectedly").with_source(e))
}

#[async_trait]
impl TypedTool for ReadText {
    const NAME: &'static str = "read_text";
    const MAPS_OVER: Option<&'static str> = Some("image");
    type Args = ReadTextArgs;
    type Output = Vec<Line>;

    async fn call(&self, cx: &Cx, args: ReadTextArgs) -> Result<Vec<Line>> {
        self.lines(cx, &args.image.load(cx)?).await
    }

    async fn prepare(&self, cx: &Cx) -> Result<()> {
        cx.within(async {
            tokio::try_join!(self.detector.load(), self.classifier.load(), self.alphabet())?;
            Ok(())
        })
        .await
    }
}
