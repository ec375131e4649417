//! `point_at`: the region that a user points at.

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use super::bounds::{Bounds, area, of_image};
use super::{Args, Catalog, ImageRef, MaskRef, SharedTool, ToolOutput, TypedTool, call_guarded};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::pointed::Pointed;
use crate::signature::ValueType;
use crate::value::{Mask, Region, Value};

/// What a region around a line of text is called.
const TEXT: &str = "text";
/// How much of the image's shorter side the region has where nothing is found at a point.
const SHARE: f64 = 0.25;

/// The tool `point_at`, a composite of other tools: what a box, a mask or a point means. A plan's first step calls it,
/// so that the other steps can refer to its result as `$region`; it is in no list that an LLM chooses from.
///
/// Boxes and masks are what they are. At a point it is what the segmenter outlines there; without one the smallest
/// thing or line of text that contains the point; and where there is none, a square around it, whose sides are a
/// quarter of the image's shorter side. A tool that fails is left out, and the reason logged.
pub struct PointAt {
    segmenter: Option<SharedTool>,
    finders: Vec<SharedTool>,
}

/// The arguments of [`PointAt`]: a point, a box or a mask.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PointAtArgs {
    /// the image that is pointed at
    image: ImageRef,
    /// a point's distance from the left edge, in pixels
    #[serde(default)]
    x: Option<f64>,
    /// a point's distance from the top edge, in pixels
    #[serde(default)]
    y: Option<f64>,
    /// a box
    #[serde(default)]
    region: Option<Region>,
    /// a box with an outline
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Json>")]
    mask: Option<MaskRef>,
}

/// What is pointed at.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// A box.
    Region(Region),
    /// A thing with its outline.
    Mask(Mask),
}

impl ToolOutput for Place {
    fn value_type() -> ValueType {
        ValueType::Region
    }
    fn into_value(self) -> Value {
        match self {
            Self::Region(region) => Value::Region(region),
            Self::Mask(mask) => Value::Mask(mask),
        }
    }
}

impl PointAt {
    /// Joins the tools of a catalog: its `segment_at`, `detect_objects` and `read_text`, as far as it has them.
    pub fn of(catalog: &Catalog) -> Self {
        let finders = ["detect_objects", "read_text"].into_iter().filter_map(|name| catalog.get(name));
        Self { segmenter: catalog.get("segment_at").cloned(), finders: finders.cloned().collect() }
    }

    /// What is at a point of an image.
    async fn at(&self, cx: &Cx, image: &Image, point: [f64; 2]) -> Result<Place> {
        let outline = self.outline(cx, image, point).await;
        cx.check()?;
        if let Some(mask) = outline {
            return Ok(Place::Mask(mask));
        }
        let found = futures::future::join_all(self.finders.iter().map(|tool| found(cx, tool, image))).await;
        cx.check()?;
        let around = found.into_iter().flatten().filter(|region| contains(region.bounds, point));
        let nearest = around.min_by(|a, b| area(a.bounds).total_cmp(&area(b.bounds)));
        Ok(Place::Region(nearest.unwrap_or_else(|| square(image, point))))
    }

    async fn outline(&self, cx: &Cx, image: &Image, [x, y]: [f64; 2]) -> Option<Mask> {
        let tool = self.segmenter.as_ref()?;
        let mut args = of(image);
        args.set("at", Value::List(vec![Value::Number(x), Value::Number(y)]));
        let masks = call_guarded(cx, tool, args).await;
        match masks.map_err(|error| left_out(tool, &error)).ok()? {
            Value::Mask(mask) => Some(mask),
            Value::List(items) => {
                items.into_iter().find_map(|item| if let Value::Mask(mask) = item { Some(mask) } else { None })
            }
            _ => None,
        }
    }
}

fn of(image: &Image) -> Args {
    Args::from_iter([("image".to_owned(), Value::Image(image.clone()))])
}

fn left_out(tool: &SharedTool, error: &Error) {
    tracing::debug!(tool = %tool.spec().name, "left out at a point: {}", error.for_log());
}

/// What a tool finds in an image, as regions: lines of text are called "text", as what they say is data.
async fn found(cx: &Cx, tool: &SharedTool, image: &Image) -> Vec<Region> {
    let items = match call_guarded(cx, tool, of(image)).await {
        Ok(Value::List(items)) => items,
        Ok(_) => return Vec::new(),
        Err(error) => {
            left_out(tool, &error);
            return Vec::new();
        }
    };
    let region = |item: Value| match item {
        Value::Region(region) => Some(region),
        Value::Line(line) => Some(Region { label: TEXT.to_owned(), score: line.score, bounds: line.bounds() }),
        _ => None,
    };
    items.into_iter().filter_map(region).collect()
}

fn contains([left, top, right, bottom]: Bounds, [x, y]: [f64; 2]) -> bool {
    (left..=right).contains(&x) && (top..=bottom).contains(&y)
}

/// A square around a point, cut off at the edges of the image.
fn square(image: &Image, [x, y]: [f64; 2]) -> Region {
    let [left, top, right, bottom] = of_image(image);
    let half = SHARE * (right - left).min(bottom - top) / 2.0;
    let bounds = [(x - half).max(left), (y - half).max(top), (x + half).min(right), (y + half).min(bottom)];
    Region { label: Pointed::LABEL.to_owned(), score: 1.0, bounds }
}

#[async_trait]
impl TypedTool for PointAt {
    const NAME: &'static str = crate::plan::POINT_AT;
    type Args = PointAtArgs;
    type Output = Place;

    async fn call(&self, cx: &Cx, args: PointAtArgs) -> Result<Place> {
        let image = args.image.load(cx)?;
        match (args.mask, args.region, args.x.zip(args.y)) {
            (Some(mask), _, _) => Ok(Place::Mask(mask.load(cx)?)),
            (None, Some(region), _) => Ok(Place::Region(region)),
            (None, None, Some((x, y))) => self.at(cx, &image, [x, y]).await,
            (None, None, None) => Err(Error::new(ErrorKind::Tool, "give `x` and `y`, a `region` or a `mask`")),
        }
    }

    async fn prepare(&self, cx: &Cx) -> Result<()> {
        let tools = self.segmenter.iter().chain(&self.finders);
        // One that cannot load is left out when it is called.
        futures::future::join_all(tools.map(|tool| tool.prepare(cx))).await;
        Ok(())
    }
}
