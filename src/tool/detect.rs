//! `detect_objects`: NanoDet finds people, vehicles, animals and everyday things.

mod labels;
mod nanodet;

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use self::labels::Labels;
pub(super) use self::labels::covers;
use super::boxes::{self, Detection};
use super::{ImageRef, Mention, Objection, TypedTool};
use serde_json::Value as Json;

use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::runner::Runner;
use crate::value::Region;

/// Boxes below this are not shown where nothing was asked for by name.
const MIN_SCORE: f64 = 0.35;
/// The same for things that are asked for by name: who asks for a dog has a reason to expect one.
const ASKED_SCORE: f64 = 0.25;
/// Where none of a thing that is asked for scores that much, its best find from here on is shown.
///
/// On 26 photos of COCO val2017, asked for each label that is there and as many that are not, whether something is
/// found is right for 89 % of them, and for 84 % with [`MIN_SCORE`] and one look; how many there are is right for 65 %
/// of the labels that are there, and for 40 %.
const FAINT_SCORE: f64 = 0.1;
/// Sizes in which the image is looked at for what is asked for by name.
const ASKED_SIDES: [u32; 2] = [384, 480];
/// What scores less in one look is left out before looks are joined.
const LOWEST_SCORE: f64 = 0.05;

/// The tool `detect_objects`.
pub struct DetectObjects {
    runner: Arc<dyn Runner>,
    labels: Labels,
}

/// The arguments of `detect_objects`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DetectObjectsArgs {
    /// The image to search.
    pub image: ImageRef,
    /// Only these things, e.g. "person", "dog", "vehicle"; everything when left out.
    #[serde(default)]
    pub labels: Option<Vec<String>>,
    /// Least confidence, 0 to 1; by default 0.35, for `labels` 0.25, or else the best of each from 0.1 on.
    #[serde(default)]
    pub min_score: Option<f64>,
}

impl DetectObjects {
    /// The tool with a runner of NanoDet, usually one for [`NANODET`](super::NANODET).
    ///
    /// # Errors
    /// `InvalidInput` when the compiled-in file of everyday words is faulty.
    pub fn new(runner: Arc<dyn Runner>) -> Result<Self> {
        Ok(Self { runner, labels: Labels::new()? })
    }

    /// The things in an image that score above `min_score`, best first; boxes
    /// in pixels of the root image, clipped to this one.
    ///
    /// `labels` are everyday words; none stand for everything. A region's
    /// label is the model's own name for its class.
    ///
    /// # Errors
    /// `Tool` when a label means no class or the score is not from 0 to 1, `Model` when the model fails,
    /// `Cancelled` or `Budget` when the run ends first.
    pub async fn regions(&self, cx: &Cx, image: &Image, labels: &[String], min_score: f64) -> Result<Vec<Region>> {
        if !(0.0..=1.0).contains(&min_score) {
            return Err(Error::new(ErrorKind::Tool, format!("`min_score` is {min_score}, but it goes from 0 to 1")));
        }
        let wanted = self.labels.wanted(labels)?;
        let found = self.look(cx, image, nanodet::SIDE, min_score, false).await?;
        let meant = found.into_iter().filter(|d| wanted.get(d.class) == Some(&true));
        Ok(meant.map(|d| self.region(image, &d)).collect())
    }

    /// One run of the model, with as many pixels as a square of `side` has, on the image or on its mirror image; boxes
    /// in pixels of the image.
    async fn look(&self, cx: &Cx, image: &Image, side: u32, min_score: f64, mirror: bool) -> Result<Vec<Detection>> {
        let pixels = image.clone();
        let size = (image.width(), image.height());
        let input_size = nanodet::input_size(size, side);
        let prepare = move || nanodet::input(pixels.pixels(), input_size, mirror);
        let input = tokio::task::spawn_blocking(prepare)
            .await
            .map_err(|e| Error::internal("preparing an image ended unexpectedly").with_source(e))?;
        let outputs = self.runner.run(cx, input).await?;
        let found = nanodet::detections(outputs, self.labels.len(), input_size, size, min_score)?;
        Ok(if mirror { boxes::mirrored(found, image.width()) } else { found })
    }

    /// The things that are asked for by these words, best first: all that score enough, and of a word for which
    /// nothing does, the best there is, however faint.
    ///
    /// The image and its mirror image are looked at in two sizes, and the finds of all four looks joined.
    ///
    /// # Errors
    /// As [`DetectObjects::regions`].
    pub async fn asked(&self, cx: &Cx, image: &Image, labels: &[String]) -> Result<Vec<Region>> {
        let wanted = self.labels.wanted(labels)?;
        let mut looks = Vec::new();
        for side in ASKED_SIDES {
            for mirror in [false, true] {
                looks.push(self.look(cx, image, side, LOWEST_SCORE, mirror).await?);
            }
        }
        let asked = |d: &Detection| wanted.get(d.class) == Some(&true) && f64::from(d.score) > FAINT_SCORE;
        let found: Vec<Region> =
            boxes::fused(looks).into_iter().filter(asked).map(|d| self.region(image, &d)).collect();
        let mut shown: Vec<bool> = found.iter().map(|region| region.score > ASKED_SCORE).collect();
        for label in labels {
            let meant = self.labels.names(label)?;
            let of_label = |n: &usize| found.get(*n).is_some_and(|region| meant.contains(&region.label.as_str()));
            let all: Vec<usize> = (0..found.len()).filter(of_label).collect();
            if let Some(best) = all.first().filter(|_| all.iter().all(|n| shown.get(*n) != Some(&true)))
                && let Some(shown) = shown.get_mut(*best)
            {
                *shown = true;
            }
        }
        Ok(found.into_iter().zip(shown).filter_map(|(region, shown)| shown.then_some(region)).collect())
    }

    fn region(&self, image: &Image, found: &Detection) -> Region {
        let (width, height) = (f64::from(image.width()), f64::from(image.height()));
        let [left, top, right, bottom] = found.bounds;
        let corner = |x: f64, y: f64| image.frame().to_root(x.clamp(0.0, width), y.clamp(0.0, height));
        let ((left, top), (right, bottom)) = (corner(left, top), corner(right, bottom));
        Region {
            label: self.labels.name(found.class).to_owned(),
            score: f64::from(found.score),
            bounds: [left, top, right, bottom],
        }
    }
}

#[async_trait]
impl TypedTool for DetectObjects {
    const NAME: &'static str = "detect_objects";
    const MAPS_OVER: Option<&'static str> = Some("image");
    type Args = DetectObjectsArgs;
    type Output = Vec<Region>;

    async fn call(&self, cx: &Cx, args: DetectObjectsArgs) -> Result<Vec<Region>> {
        let image = args.image.load(cx)?;
        let labels = args.labels.unwrap_or_default();
        match args.min_score {
            None if !labels.is_empty() => self.asked(cx, &image, &labels).await,
            least => self.regions(cx, &image, &labels, least.unwrap_or(MIN_SCORE)).await,
        }
    }

    async fn prepare(&self, cx: &Cx) -> Result<()> {
        cx.within(self.runner.load()).await
    }

    fn objections(&self, args: &Json) -> Vec<Objection> {
        let labels = args.get("labels").and_then(Json::as_array).into_iter().flatten();
        labels
            .filter_map(Json::as_str)
            .filter(|label| !label.starts_with('$') && !self.labels.knows(label))
            .map(|label| Objection {
                arg: "labels".to_owned(),
                reason: format!(
                    "it cannot detect `{label}`; leave this step out, and use read_text when it is about what is written"
                ),
            })
            .collect()
    }

    fn mentions(&self, question: &str) -> Vec<Mention> {
        self.labels.mentions(question)
    }
}
