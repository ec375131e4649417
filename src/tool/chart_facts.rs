//! `chart_facts`: the bars of a bar chart, with their colours, labels and values.

mod axis;

use async_trait::async_trait;
use image::{RgbImage, imageops};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use self::axis::Axis;
use super::bounds::{of_image, size};
use super::color_of::color_name;
use super::find_shapes::parts::{Part, parts};
use super::{ImageRef, TypedTool};
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::value::Line;

/// Most rectangles that may be bars, the largest.
const MOST: usize = 400;
/// The longer side, in pixels, of the copy that is looked at; smaller images are looked at as they are.
const SIDE: u32 = 1600;
/// Least length and thickness of a bar, pixels.
const LEAST: [u32; 2] = [2, 5];
/// The part of its box that a bar fills; a text in it takes some.
const FILLED: f64 = 0.8;
/// Bars stand on one line, but for so many pixels, and as a share of the longer side of the image.
const PIXELS: f64 = 2.0;
const SHARE: f64 = 0.004;
/// The longest bar of a chart is at least so long, as a share of the shorter side of the image.
const LONGEST: f64 = 0.1;
/// Bars of one chart are as thick as each other, but for this factor.
const THICK: f64 = 1.5;

/// Measures the bars of a bar chart.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChartFacts;

/// The arguments of [`ChartFacts`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChartFactsArgs {
    /// the bar chart
    image: ImageRef,
    /// the lines that read_text returned for it, for labels and values
    #[serde(default)]
    lines: Option<Vec<Line>>,
}

/// A bar of a chart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bar {
    /// The name of its colour.
    pub color: &'static str,
    /// Left, top, right, bottom, in pixels of the root image.
    #[serde(rename = "box")]
    pub bounds: [f64; 4],
    /// Its length as a share of that of the longest bar, 0 to 1.
    pub share_of_longest: f64,
    /// The nearest text at its foot.
    pub label: Option<String>,
    /// Where it ends on the axis.
    pub value: Option<f64>,
}

#[async_trait]
impl TypedTool for ChartFacts {
    const NAME: &'static str = "chart_facts";
    type Args = ChartFactsArgs;
    type Output = Json;

    async fn call(&self, cx: &Cx, args: ChartFactsArgs) -> Result<Json> {
        let image = args.image.load(cx)?;
        let lines = args.lines.unwrap_or_default();
        let work = tokio::task::spawn_blocking(move || facts(&image, &lines));
        let ended = |e| Error::internal("measuring a chart ended unexpectedly").with_source(e);
        cx.within(async { work.await.map_err(ended) }).await
    }
}

/// What `chart_facts` returns: `bars` (see [`Bar`]) from left to right, or from top to bottom where they lie; `direction`
/// (`vertical` or `horizontal`); `axis`, how many numbers of the axis the values rest on, or null.
///
/// A bar is a rectangle in one colour; at least two that begin on one line and are about as thick as each other, one of
/// them a tenth of the image long, make a chart, else `bars` is empty. Values come from a straight line through the positions of the numbers beside the axis
/// (least squares), and only where all of them lie on it, so an axis with a logarithmic scale has none.
pub fn facts(image: &Image, lines: &[Line]) -> Json {
    let found = rectangles(image);
    let (upright, lying) = (in_line(&found, Way::Vertical), in_line(&found, Way::Horizontal));
    let (way, bars) = if lying.len() > upright.len() { (Way::Horizontal, lying) } else { (Way::Vertical, upright) };
    let longest = bars.iter().map(|(_, bounds)| way.length(*bounds)).fold(1.0, f64::max);
    let (width, height) = size(of_image(image));
    if bars.len() < 2 || longest < LONGEST * width.min(height) {
        return json!({ "bars": [], "direction": null, "axis": null });
    }
    let axis = Axis::of(&bars.iter().map(|bar| bar.1).collect::<Vec<_>>(), lines, way);
    let bar = |(color, bounds): &(&'static str, [f64; 4])| Bar {
        color,
        bounds: *bounds,
        share_of_longest: (way.length(*bounds) / longest * 1000.0).round() / 1000.0,
        label: axis::label(*bounds, lines, way),
        value: axis.as_ref().map(|axis| axis.value(way.end(*bounds))),
    };
    let bars: Vec<Bar> = bars.iter().map(bar).collect();
    json!({ "bars": bars, "direction": way, "axis": axis.map(|axis| json!({ "numbers": axis.numbers })) })
}

/// Which way bars grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Way {
    /// Upwards.
    Vertical,
    /// To the right.
    Horizontal,
}

impl Way {
    /// Where a bar begins.
    fn foot(self, bounds: [f64; 4]) -> f64 {
        if self == Self::Vertical { bounds[3] } else { bounds[0] }
    }

    /// Where a bar ends.
    fn end(self, bounds: [f64; 4]) -> f64 {
        if self == Self::Vertical { bounds[1] } else { bounds[2] }
    }

    fn length(self, bounds: [f64; 4]) -> f64 {
        (self.end(bounds) - self.foot(bounds)).abs()
    }

    /// The two sides of a bar, across the way that it grows.
    fn sides(self, bounds: [f64; 4]) -> (f64, f64) {
        if self == Self::Vertical { (bounds[0], bounds[2]) } else { (bounds[1], bounds[3]) }
    }

    fn thickness(self, bounds: [f64; 4]) -> f64 {
        let (from, to) = self.sides(bounds);
        to - from
    }
}

/// The filled rectangles of an image with the names of their colours; boxes in pixels of the root.
fn rectangles(image: &Image) -> Vec<(&'static str, [f64; 4])> {
    let pixels = image.pixels();
    let scale = (f64::from(SIDE) / f64::from(pixels.width().max(pixels.height()).max(1))).min(1.0);
    // Between 1 and SIDE.
    let side = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    let copy: RgbImage =
        imageops::resize(pixels, side(pixels.width()), side(pixels.height()), imageops::FilterType::Nearest);
    let whole = u64::from(copy.width()) * u64::from(copy.height());
    let is_bar = |part: &&Part| part.fill() >= FILLED && 2 * part.extent() < whole;
    let placed = |part: &Part| {
        let [left, top, right, bottom] = part.bounds.map(|side| f64::from(side) / scale);
        let ((left, top), (right, bottom)) = (image.frame().to_root(left, top), image.frame().to_root(right, bottom));
        (color_name(part.color()), [left, top, right, bottom])
    };
    let mut bars: Vec<Part> = parts(&copy, LEAST).into_iter().filter(|part| is_bar(&part)).collect();
    bars.sort_by_key(|part| std::cmp::Reverse(part.extent()));
    bars.truncate(MOST);
    bars.iter().map(placed).collect()
}

/// The largest group of rectangles that begin on one line and are about as thick as each other, in their order.
fn in_line(found: &[(&'static str, [f64; 4])], way: Way) -> Vec<(&'static str, [f64; 4])> {
    let reach = found.iter().map(|(_, [_, _, right, bottom])| right.max(*bottom)).fold(0.0, f64::max);
    let near = PIXELS.max(SHARE * reach);
    let thick = |bounds: [f64; 4]| way.thickness(bounds) >= f64::from(LEAST[1]);
    let with = |first: &(&'static str, [f64; 4])| -> Vec<(&'static str, [f64; 4])> {
        let like = |other: &&(&'static str, [f64; 4])| {
            let (a, b) = (way.thickness(first.1), way.thickness(other.1));
            (way.foot(other.1) - way.foot(first.1)).abs() <= near && a.max(b) <= THICK * a.min(b) && thick(other.1)
        };
        found.iter().filter(like).copied().collect()
    };
    let groups = found.iter().map(with);
    let mut bars = groups.reduce(|best, next| if next.len() > best.len() { next } else { best }).unwrap_or_default();
    bars.sort_by(|a, b| way.sides(a.1).0.total_cmp(&way.sides(b.1).0));
    bars
}
