//! `read_small_text`: a reader on the whole image and on enlarged pieces of it, for small print.

use async_trait::async_trait;
use image::imageops;
use schemars::JsonSchema;
use serde::Deserialize;

use super::bounds::{area, shared_area, size};
use super::ocr::in_reading_order;
use super::tiles::{is_cut, tiles};
use super::{Args, ImageRef, SharedTool, TypedTool, call_guarded};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::image::{Frame, Image};
use crate::value::{Line, Value};

/// Pieces are enlarged by this, unless they have as many pixels as a reader looks at already.
const ENLARGED: f64 = 2.0;
const MOST_PIXELS: f64 = 2000.0;
/// Lines that share more than this part of the smaller one are one.
const SAME: f64 = 0.5;
/// What comes nearer to a border than this share of its height may be cut off by it.
const MARGIN: f64 = 0.5;

/// The tool `read_small_text`, made of a reader.
///
/// A reader shrinks large images and misses print of a few pixels. This one reads overlapping pieces, enlarged, as well
/// (as Akyon et al., "Slicing aided hyper inference", 2022, do for detectors) and joins what it reads.
pub struct ReadSmallText {
    reader: SharedTool,
}

/// The arguments of [`ReadSmallText`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadSmallTextArgs {
    /// the image to read
    image: ImageRef,
    /// pieces to a side, 1 to 4; 2 when left out, which makes 4 pieces
    #[serde(default)]
    tiles: Option<u32>,
}

impl ReadSmallText {
    /// Makes it of a reader: a tool that takes an `image` and returns lines.
    pub fn new(reader: SharedTool) -> Self {
        Self { reader }
    }

    /// What the reader reads in the pieces of an image and in the whole, in reading order; polygons in pixels of the root
    /// image.
    ///
    /// A line that a piece's border cuts off is taken from the piece that holds it whole, or else from the whole image.
    ///
    /// # Errors
    /// Those of the reader, called as [`call_guarded`] does; `Tool` when `count` is not from 1 to 4; `Cancelled` or
    /// `Budget` when the run ends first.
    pub async fn lines(&self, cx: &Cx, image: &Image, count: Option<u32>) -> Result<Vec<Line>> {
        let pieces = tiles(image, count)?;
        let whole = cx.within(self.look(cx, image)).await?;
        let (mut entire, mut cut) = (Vec::new(), Vec::new());
        for piece in pieces {
            let large = tokio::task::spawn_blocking(move || enlarged(&piece)).await;
            let large = large.map_err(|e| Error::internal("enlarging an image ended unexpectedly").with_source(e))?;
            for line in cx.within(self.look(cx, &large)).await? {
                let margin = MARGIN * height(&line);
                if is_cut(line.bounds(), &large, image, margin) { cut.push(line) } else { entire.push(line) }
            }
        }
        Ok(in_reading_order(joined(entire, whole, cut)))
    }

    /// One call of the reader.
    async fn look(&self, cx: &Cx, image: &Image) -> Result<Vec<Line>> {
        let args = Args::from_iter([("image".to_owned(), Value::Image(image.clone()))]);
        let line = |value| if let Value::Line(line) = value { Some(line) } else { None };
        match call_guarded(cx, &self.reader, args).await? {
            Value::List(items) => Ok(items.into_iter().filter_map(line).collect()),
            other => {
                let message = format!("`{}` returned {}, not a list", self.reader.spec().name, other.type_name());
                Err(Error::new(ErrorKind::Tool, message))
            }
        }
    }
}

/// A piece with twice the pixels to a side, or fewer where it is large.
fn enlarged(piece: &Image) -> Image {
    let longer = f64::from(piece.width().max(piece.height()).max(1));
    let by = (MOST_PIXELS / longer).clamp(1.0, ENLARGED);
    // At least the piece's own size, at most twice that.
    let side = |length: u32| (f64::from(length) * by).round() as u32;
    let (width, height) = (side(piece.width()), side(piece.height()));
    let pixels = imageops::resize(piece.pixels(), width, height, imageops::FilterType::CatmullRom);
    let frame = piece.frame();
    Image::from_pixels(pixels, Frame { scale: frame.scale * by, ..frame })
}

/// Lines that stand whole in a piece first, then those of the whole image, then what is cut off.
fn joined(mut entire: Vec<Line>, whole: Vec<Line>, mut cut: Vec<Line>) -> Vec<Line> {
    entire.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Line> = Vec::new();
    for line in entire {
        if !kept.iter().any(|known| are_one(known, &line)) {
            kept.push(line);
        }
    }
    for line in whole {
        let covered: f64 = kept.iter().map(|known| shared_area(known.bounds(), line.bounds())).sum();
        if covered < SAME * area(line.bounds()) {
            // It is longer than what the pieces hold of it.
            kept.retain(|known| !are_one(known, &line));
            kept.push(line);
        }
    }
    // Of what is cut off, the longer part says more.
    cut.sort_by(|a, b| area(b.bounds()).total_cmp(&area(a.bounds())));
    for line in cut {
        if !kept.iter().any(|known| are_one(known, &line)) {
            kept.push(line);
        }
    }
    kept
}

fn are_one(a: &Line, b: &Line) -> bool {
    let smaller = area(a.bounds()).min(area(b.bounds()));
    shared_area(a.bounds(), b.bounds()) > SAME * smaller
}

/// The shorter side of the box around a line.
fn height(line: &Line) -> f64 {
    let (width, height) = size(line.bounds());
    width.min(height)
}

#[async_trait]
impl TypedTool for ReadSmallText {
    const NAME: &'static str = "read_small_text";
    const MAPS_OVER: Option<&'static str> = Some("image");
    type Args = ReadSmallTextArgs;
    type Output = Vec<Line>;

    async fn call(&self, cx: &Cx, args: ReadSmallTextArgs) -> Result<Vec<Line>> {
        self.lines(cx, &args.image.load(cx)?, args.tiles).await
    }

    async fn prepare(&self, cx: &Cx) -> Result<()> {
        self.reader.prepare(cx).await
    }
}
