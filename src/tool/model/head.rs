//! What a model's outputs mean.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::runner::{Tensor, Tensors};
use crate::value::Label;

/// Classes that a classifier tells, unless its manifest says otherwise.
const TOP: usize = 5;
/// The least score of a tag or a box, unless the manifest says otherwise.
const MIN_SCORE: f64 = 0.35;
/// The table `[head]`: what the model's outputs mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// What kind of model it is.
    #[serde(rename = "type")]
    pub kind: HeadKind,
    /// For a detector, segmenter, pose or zero-shot model: how it writes down what it sees.
    pub family: Option<Family>,
    /// For a model whose outputs are not told apart by its family: the output that counts; the first one when left out.
    pub output: Option<String>,
    /// For a classifier or tagger: what makes scores of its outputs; `softmax` for a classifier and `sigmoid` for a
    /// tagger when left out, and `none` where the model's last step was one of them. For a salient segmenter:
    /// `min_max` when left out.
    pub activation: Option<Activation>,
    /// For a classifier: how many classes it tells, best first; 5 when left out.
    pub top: Option<usize>,
    /// For a tagger, detector, pose model, reader of text or YOLO segmenter: the least score, 0 to 1, of what it tells;
    /// 0.35 when left out, and 0.5 for a reader of text.
    pub min_score: Option<f64>,
    /// For a detector, or a pose model or segmenter of the YOLO family: a box is dropped when it overlaps a better one of its class by more (intersection over union).
    pub overlap: Option<f64>,
    /// For a detector: the number that its first label has; 1 where 0 means the background.
    pub first_class: Option<usize>,
    /// For an embedder: whether the vector is brought to length 1; it is when left out. For a depth model: whether the
    /// numbers are brought to 0 (the farthest) to 1 (the nearest); they are when left out.
    pub normalize: Option<bool>,
    /// For a depth model: whether larger numbers are farther; when left out they are nearer, as those of MiDaS and
    /// Depth Anything.
    pub invert: Option<bool>,
    /// For a zero-shot model of two encoders: what likeness is multiplied by, e^`logit_scale` of its makers; 100 when
    /// left out.
    pub logit_scale: Option<f64>,
    /// For a zero-shot model of two encoders: what is added after that; 0 when left out.
    pub logit_bias: Option<f64>,
}

/// What kind of model it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeadKind {
    /// One of several classes.
    Classifier,
    /// Any of several tags.
    Tagger,
    /// Boxes around things.
    Detector,
    /// Outlines of things.
    Segmenter,
    /// The joints of people.
    Pose,
    /// How near each place is.
    Depth,
    /// Which of any words fits best.
    ZeroShot,
    /// A sentence about a picture.
    Captioner,
    /// The answer to a question about a picture.
    Vqa,
    /// A vector that is near those of similar pictures.
    Embedder,
    /// The lines of text in a picture.
    Ocr,
    /// The tensors themselves, as JSON.
    Raw,
}

/// Its name in manifests.
impl fmt::Display for HeadKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Classifier => "classifier",
            Self::Tagger => "tagger",
            Self::Detector => "detector",
            Self::Segmenter => "segmenter",
            Self::Pose => "pose",
            Self::Depth => "depth",
            Self::ZeroShot => "zero_shot",
            Self::Captioner => "captioner",
            Self::Vqa => "vqa",
            Self::Embedder => "embedder",
            Self::Ocr => "ocr",
            Self::Raw => "raw",
        })
    }
}

/// How a detector, segmenter, pose or zero-shot model writes down what it sees.
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
    /// Detectors of any words, OWL-ViT and OWLv2: for each box `logits` with a number for each word, and `pred_boxes` by
    /// centre and size, from 0 to 1.
    #[serde(rename = "owlvit")]
    OwlVit,
    /// Detectors of any words that read them as one text, Grounding DINO: for each box `logits` with a number for each
    /// token, and `pred_boxes` by centre and size, from 0 to 1.
    GroundingDino,
    /// TensorFlow's SSD: `detection_boxes` (top, left, bottom, right, from 0 to 1), `detection_classes` and
    /// `detection_scores`, without doubles.
    Ssd,
    /// Boxes without doubles in the input's pixels: one output of left, top, right, bottom, score and class (YOLOv10),
    /// or three: boxes, scores and classes, in any order.
    EndToEnd,
    /// BlazeFace, MediaPipe's detector of faces: for each anchor of two grids, or of one, a score before the sigmoid, and a
    /// box by centre and size in pixels of the input from the anchor's middle, with six points. Boxes that overlap are
    /// averaged by their scores (0.3 when `overlap` is left out).
    Blazeface,
    /// Segmenters: a number for each class and cell of a grid over the input, or the number of the class itself.
    Semantic,
    /// Segmenters of the YOLOv8 family: boxes as YOLOv8 with 32 more numbers each, and a second output of 32 grids that
    /// are added up by them.
    Yolov8Seg,
    /// Segmenters such as U²-Net: one grid over the input of how much a place belongs to the subject.
    Salient,
    /// Segmenters that are asked about places, SAM and its kin: `[model]` makes `image_embeddings`, and `[mask_decoder]`
    /// outlines of them, each with a score.
    Sam,
    /// Pose models: 17 rows of down, across (from 0 to 1) and score, for one person.
    Movenet,
    /// Pose models: boxes as YOLOv8 with three more numbers for each point: across, down, and score.
    Yolov8Pose,
    /// Zero-shot models such as CLIP: scores of the labels sum up to 1.
    Clip,
    /// Zero-shot models such as SigLIP: each label has its own score.
    Siglip,
}

impl Family {
    /// The kind of model that it is a family of.
    pub fn kind(self) -> HeadKind {
        match self {
            Self::Semantic | Self::Yolov8Seg | Self::Salient | Self::Sam => HeadKind::Segmenter,
            Self::Movenet | Self::Yolov8Pose => HeadKind::Pose,
            Self::Clip | Self::Siglip => HeadKind::ZeroShot,
            _ => HeadKind::Detector,
        }
    }

    /// Whether it is one of detectors of any words.
    pub(super) fn is_worded(self) -> bool {
        matches!(self, Self::OwlVit | Self::GroundingDino)
    }
}

/// What makes scores from 0 to 1 of a model's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Scores that sum up to 1.
    Softmax,
    /// Each score on its own.
    Sigmoid,
    /// The least number is 0, the greatest is 1.
    MinMax,
    /// They are scores already.
    None,
}

impl Head {
    /// Whether the classes need names.
    pub fn has_classes(&self) -> bool {
        use HeadKind::{Classifier, Detector, Segmenter, Tagger};
        let has_none = matches!(self.family, Some(Family::Salient | Family::Sam)) || self.takes_words();
        matches!(self.kind, Classifier | Tagger | Detector | Segmenter) && !has_none
    }

    /// Whether each call names what it looks for.
    pub fn takes_words(&self) -> bool {
        self.kind == HeadKind::ZeroShot || self.family.is_some_and(Family::is_worded)
    }

    /// Whether `[labels]` has a meaning: what has classes needs it, the others have a usual name for what they find.
    pub fn may_have_names(&self) -> bool {
        self.has_classes() || matches!(self.kind, HeadKind::Pose | HeadKind::Segmenter)
    }

    /// Whether it tells boxes or people, each with a score.
    pub fn has_boxes(&self) -> bool {
        matches!(self.kind, HeadKind::Detector | HeadKind::Pose) || self.family == Some(Family::Yolov8Seg)
    }

    /// The least score of what is told.
    pub fn least(&self) -> f64 {
        self.min_score.unwrap_or(MIN_SCORE)
    }

    /// Refuses what cannot be, and keys that have no meaning for this kind of model.
    ///
    /// # Errors
    /// `InvalidInput` naming the key.
    pub fn check(&self) -> Result<()> {
        use HeadKind::{Captioner, Classifier, Depth, Detector, Embedder, Ocr, Pose, Segmenter, Tagger, Vqa, ZeroShot};
        let of: [(&str, bool, &[HeadKind]); 11] = [
            ("family", self.family.is_some(), &[Detector, Segmenter, Pose, ZeroShot]),
            (
                "output",
                self.output.is_some(),
                &[Classifier, Tagger, Embedder, Segmenter, Depth, ZeroShot, Captioner, Vqa],
            ),
            ("activation", self.activation.is_some(), &[Classifier, Tagger, Segmenter]),
            ("top", self.top.is_some(), &[Classifier, ZeroShot]),
            ("min_score", self.min_score.is_some(), &[Tagger, Detector, Segmenter, Pose, Ocr]),
            ("overlap", self.overlap.is_some(), &[Detector, Segmenter, Pose]),
            ("first_class", self.first_class.is_some(), &[Detector]),
            ("normalize", self.normalize.is_some(), &[Embedder, Depth]),
            ("invert", self.invert.is_some(), &[Depth]),
            ("logit_scale", self.logit_scale.is_some(), &[ZeroShot]),
            ("logit_bias", self.logit_bias.is_some(), &[ZeroShot]),
        ];
        let misplaced = of.iter().find(|(_, given, kinds)| *given && !kinds.contains(&self.kind));
        let share = |number: Option<f64>| number.is_none_or(|n| (0.0..=1.0).contains(&n));
        let fault = if let Some((key, _, _)) = misplaced {
            format!("`{key}` has no meaning for type = \"{}\"", self.kind)
        } else if [Detector, Segmenter, Pose, ZeroShot].contains(&self.kind) && self.family.is_none() {
            format!("a {} needs its `family`", self.kind)
        } else if self.family.is_some_and(|family| family.kind() != self.kind) {
            format!("this `family` is none of a {}", self.kind)
        } else if let Some(key) = self.idle_key() {
            format!("`{key}` has no meaning for this family or activation")
        } else if [self.logit_scale, self.logit_bias].iter().flatten().any(|n| !n.is_finite()) {
            "`logit_scale` and `logit_bias` are numbers".to_owned()
        } else if !share(self.min_score) || !share(self.overlap) {
            "`min_score` and `overlap` go from 0 to 1".to_owned()
        } else if self.top == Some(0) {
            "`top` is at least 1".to_owned()
        } else {
            return Ok(());
        };
        Err(Error::invalid(format!("[head]: {fault}")))
    }

    /// A key that is given and changes nothing, by family.
    fn idle_key(&self) -> Option<&'static str> {
        use Family::{Blazeface, GroundingDino, Movenet, OwlVit, Salient, Sam, Semantic, Yolov8Seg};
        let of = |families: &[Family]| self.family.is_some_and(|family| families.contains(&family));
        let min_max = self.activation == Some(Activation::MinMax);
        let idle = [
            ("activation", self.activation.is_some() && of(&[Semantic, Yolov8Seg, Sam])),
            ("activation", self.activation == Some(Activation::Softmax) && of(&[Salient])),
            ("activation", min_max && self.kind != HeadKind::Segmenter),
            ("min_score", self.min_score.is_some() && of(&[Semantic, Salient, Sam])),
            ("overlap", self.overlap.is_some() && of(&[Semantic, Salient, Sam, Movenet])),
            ("output", self.output.is_some() && of(&[Yolov8Seg, Sam])),
            ("first_class", self.first_class.is_some() && of(&[OwlVit, GroundingDino, Blazeface])),
        ];
        idle.into_iter().find(|(_, is_idle)| *is_idle).map(|(key, _)| key)
    }

    /// The output that counts.
    pub(super) fn counting(&self, outputs: Tensors) -> Result<(String, Tensor)> {
        let names: Vec<String> = outputs.iter().map(|(name, _)| name.clone()).collect();
        let wanted = |(name, _): &(String, Tensor)| self.output.as_ref().is_none_or(|output| output == name);
        outputs.into_iter().find(wanted).ok_or_else(|| {
            let output = self.output.as_deref().unwrap_or("first");
            Error::new(ErrorKind::Model, format!("[head]: there is no output `{output}`, only {}", names.join(", ")))
        })
    }

    /// The numbers of the output that counts.
    pub(super) fn numbers(&self, outputs: Tensors) -> Result<Vec<f32>> {
        let (name, tensor) = self.counting(outputs)?;
        let shape = tensor.shape().to_vec();
        if shape.iter().filter(|length| **length > 1).count() > 1 {
            let message =
                format!("the output `{name}` {shape:?} is no single row of numbers; name another with `output`");
            return Err(Error::new(ErrorKind::Model, message));
        }
        let numbers: Vec<f32> = tensor.into_f32()?.iter().copied().collect();
        if numbers.is_empty() || numbers.iter().any(|number| !number.is_finite()) {
            let fault = if numbers.is_empty() { "empty" } else { "not all numbers (NaN or infinite)" };
            return Err(Error::new(ErrorKind::Model, format!("the output `{name}` {shape:?} is {fault}")));
        }
        Ok(numbers)
    }

    /// The classes of a classifier, or the tags of a tagger, best first.
    ///
    /// # Errors
    /// `Model` when there are not as many numbers as names.
    pub(super) fn labels(&self, outputs: Tensors, names: &[String]) -> Result<Vec<Label>> {
        let numbers = self.numbers(outputs)?;
        if numbers.len() != names.len() {
            let message = format!("the model tells {} classes, and [labels] names {}", numbers.len(), names.len());
            return Err(Error::new(ErrorKind::Model, message));
        }
        let is_tagger = self.kind == HeadKind::Tagger;
        let usual = if is_tagger { Activation::Sigmoid } else { Activation::Softmax };
        let scores = match self.activation.unwrap_or(usual) {
            Activation::Softmax => softmax(&numbers),
            Activation::Sigmoid => numbers.iter().map(|number| sigmoid(*number)).collect(),
            Activation::MinMax => min_max(&numbers),
            Activation::None => numbers,
        };
        let named = names.iter().zip(scores).filter(|(name, _)| !name.is_empty());
        let mut labels: Vec<Label> =
            named.map(|(name, score)| Label { label: name.clone(), score: f64::from(score) }).collect();
        labels.sort_by(|a, b| b.score.total_cmp(&a.score));
        if is_tagger {
            labels.retain(|label| label.score >= self.least());
        } else {
            labels.truncate(self.top.unwrap_or(TOP));
        }
        Ok(labels)
    }

    /// The vector of an embedder.
    ///
    /// # Errors
    /// `Model` when the output is empty or no vector.
    pub(super) fn vector(&self, outputs: Tensors) -> Result<Vec<f32>> {
        let mut numbers = self.numbers(outputs)?;
        let length = numbers.iter().map(|n| f64::from(*n).powi(2)).sum::<f64>().sqrt();
        if self.normalize.unwrap_or(true) && length > 0.0 {
            numbers.iter_mut().for_each(|n| *n = (f64::from(*n) / length) as f32);
        }
        Ok(numbers)
    }
}

/// Scores that sum up to 1.
pub(super) fn softmax(numbers: &[f32]) -> Vec<f32> {
    let most = numbers.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = numbers.iter().map(|number| (number - most).exp()).collect();
    let sum: f32 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

/// Scores of which the least is 0 and the greatest is 1; all 0 where they are the same.
pub(super) fn min_max(numbers: &[f32]) -> Vec<f32> {
    let least = numbers.iter().copied().fold(f32::INFINITY, f32::min);
    let most = numbers.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    numbers.iter().map(|number| if most > least { (number - least) / (most - least) } else { 0.0 }).collect()
}

/// A score from 0 to 1.
pub(super) fn sigmoid(number: f32) -> f32 {
    1.0 / (1.0 + (-number).exp())
}
