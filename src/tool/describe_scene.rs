//! `describe_scene`: what the other tools see in an image, in plain sentences with their evidence.

mod sentences;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::time::timeout;

pub use sentences::Sentence;
use sentences::{Said, sentences};

use super::color_of::colors;
use super::measure::brightness;
use super::{Args, Catalog, ImageRef, SharedTool, ToolKind, TypedTool, call_guarded};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::signature::{Returns, ValueType};
use crate::value::{Line, Region, Value};

/// Things that score less are not mentioned; of those below the detector's own limit it says "perhaps".
///
/// On 26 photos of COCO val2017, of the kinds of things that the five captions of a photo mention, 70 % are
/// named; 80 % of what is said without "perhaps" is there, and 44 % of what is said with it.
const MIN_SCORE: f64 = 0.28;
/// Longest wait for what a further tool says.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// The tool `describe_scene`: a composite of other tools, without an LLM and without a captioner.
///
/// It says how many of which things there are and where, what can be read, which colours and how bright the
/// image is, and what further tools say of it. Its parts run at the same time.
pub struct DescribeScene {
    detector: SharedTool,
    reader: SharedTool,
    more: Vec<SharedTool>,
}

/// The arguments of [`DescribeScene`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DescribeSceneArgs {
    /// The image to describe.
    image: ImageRef,
}

impl DescribeScene {
    /// Joins a detector (image to regions), a reader (image to lines), and further tools that take an
    /// `image` and return Labels or Text, such as a scene classifier or a captioner.
    pub fn new(detector: SharedTool, reader: SharedTool, more: Vec<SharedTool>) -> Self {
        Self { detector, reader, more }
    }

    /// Joins the tools of a catalog: its `detect_objects` and `read_text`, and every expert that needs
    /// nothing but an `image` and returns Labels or Text.
    ///
    /// # Errors
    /// `NotFound` when one of the two is missing.
    pub fn of(catalog: &Catalog) -> Result<Self> {
        let (detector, reader) = (catalog.find("detect_objects")?, catalog.find("read_text")?);
        let more = catalog.shared().filter(|tool| speaks_of_images(tool)).cloned().collect();
        Ok(Self::new(detector.clone(), reader.clone(), more))
    }

    /// The sentences about an image, most telling first.
    ///
    /// # Errors
    /// Those of the detector and the reader, each called as [`call_guarded`] does; `Cancelled` or `Budget` when
    /// the run ends first. A further tool that fails or takes longer than 60 s is left out, and the reason logged.
    pub async fn describe(&self, cx: &Cx, image: &Image) -> Result<Vec<Sentence>> {
        let parts = async {
            let said = futures::future::join_all(self.more.iter().map(|tool| said(cx, tool, image)));
            let looks = async { looks(image.clone()).await };
            tokio::try_join!(self.things(cx, image), self.lines(cx, image), looks, async { Ok(said.await) })
        };
        let (things, lines, (colors, brightness), said) = cx.within(parts).await?;
        cx.check()?;
        let said: Vec<Said> = said.into_iter().flatten().collect();
        Ok(sentences(image, &things, &lines, &colors, brightness, &said))
    }

    async fn things(&self, cx: &Cx, image: &Image) -> Result<Vec<Region>> {
        let mut args = of_image(image);
        if self.detector.spec().signature.arg("min_score").is_some() {
            args.set("min_score", Value::Number(MIN_SCORE));
        }
        let found = list(&self.detector, call_guarded(cx, &self.detector, args).await?)?;
        let region = |value| if let Value::Region(region) = value { Some(region) } else { None };
        Ok(found.into_iter().filter_map(region).collect())
    }

    async fn lines(&self, cx: &Cx, image: &Image) -> Result<Vec<Line>> {
        let found = list(&self.reader, call_guarded(cx, &self.reader, of_image(image)).await?)?;
        let line = |value| if let Value::Line(line) = value { Some(line) } else { None };
        Ok(found.into_iter().filter_map(line).collect())
    }
}

/// Whether a tool is an expert that needs nothing but an image and returns Labels or Text.
fn speaks_of_images(tool: &SharedTool) -> bool {
    let spec = tool.spec();
    let mut needed = spec.signature.args.iter().filter(|arg| arg.required);
    let takes_image = needed.next().is_some_and(|arg| arg.name == "image" && arg.accepts(&ValueType::Image));
    let speaks = matches!(spec.signature.returns, Returns::Type(ValueType::Labels | ValueType::Text));
    spec.describes && spec.kind == ToolKind::Expert && takes_image && needed.next().is_none() && speaks
}

fn of_image(image: &Image) -> Args {
    Args::from_iter([("image".to_owned(), Value::Image(image.clone()))])
}

fn list(tool: &SharedTool, value: Value) -> Result<Vec<Value>> {
    let name = &tool.spec().name;
    match value {
        Value::List(items) => Ok(items),
        other => Err(Error::new(ErrorKind::Tool, format!("`{name}` returned {}, not a list", other.type_name()))),
    }
}

/// What a further tool says of the image.
async fn said(cx: &Cx, tool: &SharedTool, image: &Image) -> Option<Said> {
    let name = tool.spec().name.clone();
    let late = |_| Err(Error::new(ErrorKind::Timeout, format!("`{name}` took longer than {} s", MAX_WAIT.as_secs())));
    match timeout(MAX_WAIT, call_guarded(cx, tool, of_image(image))).await.unwrap_or_else(late) {
        Ok(Value::Text(text)) => Some(Said::Text(text)),
        Ok(Value::Labels(labels)) => Some(Said::Labels(name, labels)),
        Ok(_) => None,
        Err(error) => {
            tracing::debug!(tool = %name, "left out of the description: {}", error.for_log());
            None
        }
    }
}

/// Whether a further tool could be loaded in time.
async fn loads(cx: &Cx, tool: &SharedTool) -> bool {
    let work = AssertUnwindSafe(async { tool.prepare(cx).await }).catch_unwind();
    matches!(timeout(MAX_WAIT, work).await, Ok(Ok(Ok(()))))
}

/// The main colours and the brightness of an image.
async fn looks(image: Image) -> Result<(Vec<crate::value::Label>, f64)> {
    tokio::task::spawn_blocking(move || (colors(&image), brightness(&image)))
        .await
        .map_err(|e| Error::internal("looking at an image ended unexpectedly").with_source(e))
}

#[async_trait]
impl TypedTool for DescribeScene {
    const NAME: &'static str = "describe_scene";
    const MAPS_OVER: Option<&'static str> = Some("image");
    type Args = DescribeSceneArgs;
    type Output = Json;

    async fn call(&self, cx: &Cx, args: DescribeSceneArgs) -> Result<Json> {
        Ok(json!({ "sentences": self.describe(cx, &args.image.load(cx)?).await? }))
    }

    async fn prepare(&self, cx: &Cx) -> Result<()> {
        let more = futures::future::join_all(self.more.iter().map(|tool| loads(cx, tool)));
        let needed = async { tokio::try_join!(self.detector.prepare(cx), self.reader.prepare(cx)) };
        let (needed, more) = tokio::join!(needed, more);
        // A further tool that cannot load is left out of the description, as one that fails.
        for (tool, _) in self.more.iter().zip(more).filter(|(_, loaded)| !loaded) {
            tracing::debug!(tool = %tool.spec().name, "cannot load, and will be left out of the description");
        }
        needed.map(|_| ())
    }
}
