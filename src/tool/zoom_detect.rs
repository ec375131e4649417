//! `zoom_detect`: a detector on the whole image and on enlarged pieces of it, for small things.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use super::tiles::{joined, tiles};
use super::{
    Args, ImageRef, Manifest, Mention, Objection, PlanDemo, SharedTool, Tool, ToolSpec, Typed, TypedTool, call_guarded,
};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::value::{Region, Value};

/// Least score of what is found in a piece, when none is asked for: with more looks more is found that is not there.
const TILE_SCORE: f64 = 0.35;

/// The tool `zoom_detect`, made of a detector.
///
/// A detector shrinks an image to its own size, so small things are lost. This one looks at overlapping pieces as well and
/// joins what it finds. Source: Akyon et al., "Slicing aided hyper inference and fine-tuning for small object
/// detection" (2022).
pub struct ZoomDetect {
    detector: SharedTool,
}

/// The arguments of [`ZoomDetect`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ZoomDetectArgs {
    /// the image to search
    image: ImageRef,
    /// only these things, e.g. "person", "dog", "vehicle"; everything when left out
    #[serde(default)]
    labels: Option<Vec<String>>,
    /// pieces to a side, 1 to 4; 2 when left out, which makes 4 pieces
    #[serde(default)]
    tiles: Option<u32>,
    /// least confidence, 0 to 1; by default the detector's own, and 0.35 in the pieces
    #[serde(default)]
    min_score: Option<f64>,
}

impl ZoomDetect {
    /// Makes it of a detector: a tool that takes an `image` and returns regions.
    pub fn new(detector: SharedTool) -> Self {
        Self { detector }
    }

    /// The tool for a catalog; which labels there are is said by the detector.
    ///
    /// # Errors
    /// As [`Typed::new`].
    pub fn tool(detector: SharedTool, manifest: &Manifest) -> Result<SharedTool> {
        let choices = detector.spec().signature.arg("labels").map(|arg| arg.choices.clone());
        let typed = Typed::new(Self::new(detector), manifest)?;
        let mut spec = typed.spec().clone();
        for arg in spec.signature.args.iter_mut().filter(|arg| arg.name == "labels") {
            arg.choices = choices.clone().unwrap_or_default();
        }
        Ok(Arc::new(OfDetector { typed, spec }))
    }

    /// What the detector finds in the whole image and in its pieces, best first; boxes in pixels of the root image.
    ///
    /// Of boxes with one label that overlap, the best stays. What a piece's border cuts off goes where a box of its label
    /// holds most of it.
    ///
    /// # Errors
    /// Those of the detector, called as [`call_guarded`] does; `Tool` when `count` is not from 1 to 4; `Cancelled` or
    /// `Budget` when the run ends first.
    pub async fn regions(
        &self,
        cx: &Cx,
        image: &Image,
        labels: Option<&[String]>,
        count: Option<u32>,
        min_score: Option<f64>,
    ) -> Result<Vec<Region>> {
        let pieces = tiles(image, count)?;
        let whole = cx.within(self.look(cx, image, labels, min_score)).await?;
        let mut in_pieces = Vec::new();
        for piece in pieces {
            let found = cx.within(self.look(cx, &piece, labels, min_score.or(Some(TILE_SCORE)))).await?;
            in_pieces.push((piece, found));
        }
        Ok(joined(image, whole, in_pieces))
    }

    /// One call of the detector.
    async fn look(
        &self,
        cx: &Cx,
        image: &Image,
        labels: Option<&[String]>,
        min_score: Option<f64>,
    ) -> Result<Vec<Region>> {
        let spec = self.detector.spec();
        let mut args = Args::from_iter([("image".to_owned(), Value::Image(image.clone()))]);
        if let Some(labels) = labels {
            args.set("labels", Value::List(labels.iter().cloned().map(Value::Text).collect()));
        }
        if let Some(score) = min_score.filter(|_| spec.signature.arg("min_score").is_some()) {
            args.set("min_score", Value::Number(score));
        }
        let region = |value| if let Value::Region(region) = value { Some(region) } else { None };
        match call_guarded(cx, &self.detector, args).await? {
            Value::List(items) => Ok(items.into_iter().filter_map(region).collect()),
            other => {
                let message = format!("`{}` returned {}, not a list", spec.name, other.type_name());
                Err(Error::new(ErrorKind::Tool, message))
            }
        }
    }
}

#[async_trait]
impl TypedTool for ZoomDetect {
    const NAME: &'static str = "zoom_detect";
    const MAPS_OVER: Option<&'static str> = Some("image");
    type Args = ZoomDetectArgs;
    type Output = Vec<Region>;

    async fn call(&self, cx: &Cx, args: ZoomDetectArgs) -> Result<Vec<Region>> {
        let image = args.image.load(cx)?;
        self.regions(cx, &image, args.labels.as_deref(), args.tiles, args.min_score).await
    }

    async fn prepare(&self, cx: &Cx) -> Result<()> {
        self.detector.prepare(cx).await
    }

    fn objections(&self, args: &Json) -> Vec<Objection> {
        self.detector.objections(args)
    }

    fn mentions(&self, question: &str) -> Vec<Mention> {
        self.detector.mentions(question)
    }
}

/// The tool with the labels that its detector names.
struct OfDetector {
    typed: Typed<ZoomDetect>,
    spec: ToolSpec,
}

#[async_trait]
impl Tool for OfDetector {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, cx: &Cx, args: Args) -> Result<Value> {
        self.typed.call(cx, args).await
    }

    async fn prepare(&self, cx: &Cx) -> Result<()> {
        self.typed.prepare(cx).await
    }

    fn demos(&self) -> &[PlanDemo] {
        self.typed.demos()
    }

    fn objections(&self, args: &Json) -> Vec<Objection> {
        self.typed.objections(args)
    }

    fn mentions(&self, question: &str) -> Vec<Mention> {
        self.typed.mentions(question)
    }
}
