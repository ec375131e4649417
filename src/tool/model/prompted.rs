//! Segmenters that are asked about places, SAM and its kin: one model looks at the picture, another outlines what one
//! points at.
//!
//! Sources: Kirillov et al., "Segment anything" (2023); transformers' `SamModel` as optimum exports it, and
//! `SamImageProcessor`; segment_anything's `SamOnnxModel` and `SamPredictor`.

use ndarray::{ArrayD, Ix3, IxDyn};

use super::ModelTool;
use super::input::Placement;
use super::outputs::{Outputs, typed};
use super::prompts::{Place, middle, prompts};
use super::segmenter::{Sight, outlined};
use crate::cx::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::runner::{ModelFacts, Port, Tensor, Tensors};
use crate::tool::Args;
use crate::value::{Mask, Value};

/// What a thing is called when neither the prompt nor the manifest has a label for it.
const THING: &str = "thing";
/// Most numbers of a mask that a decoder takes: those of SAM and its kin are 256 by 256.
const MOST_OF_MASK: usize = 2_048 * 2_048;
/// What the encoder's only output is called where the decoder takes it.
const EMBEDDINGS: &str = "image_embeddings";

impl ModelTool {
    /// The outline of what is at each of the places that a call points at. The picture is looked at once.
    pub(super) async fn prompted(
        &self,
        cx: &Cx,
        input: &Tensors,
        names: &[String],
        (image, place): (&Image, Placement),
        args: &Args,
    ) -> Result<(Tensors, Value)> {
        let decoder = self.mask_decoder.as_ref().ok_or_else(|| Error::internal("a prompted model without decoder"))?;
        let prompts = prompts(args, image)?;
        if prompts.is_empty() {
            return Ok((Tensors::new(), Value::List(Vec::new())));
        }
        let facts = decoder.facts().await?;
        let export = Export::of(&facts)?;
        let seen = self.runner.run(cx, input.clone()).await?;
        let usual = names.first().map_or(THING, String::as_str);
        let (mut masks, mut outputs) = (Vec::new(), Tensors::new());
        for prompt in prompts {
            let asked = export.asked(&prompt.place, &place);
            let inputs = facts.inputs.iter().map(|port| Ok((port.name.clone(), given(port, &asked, &seen, &facts)?)));
            outputs = decoder.run(cx, inputs.collect::<Result<_>>()?).await?;
            let label = if prompt.label.is_empty() { usual.to_owned() } else { prompt.label };
            let (answer, image) = (outputs.clone(), image.clone());
            let work = move || best(answer, &label, &Sight { image: &image, place: &place });
            let ended = |e| Error::internal("outlining a thing ended unexpectedly").with_source(e);
            masks.extend(cx.within(async { tokio::task::spawn_blocking(work).await.map_err(ended)? }).await?);
        }
        let all = seen.into_iter().chain(outputs).collect();
        Ok((all, Value::List(masks.into_iter().map(Value::Mask).collect())))
    }
}

/// Who exported a decoder: the two take prompts of other names and shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Export {
    /// Hugging Face's optimum: points alone.
    Transformers,
    /// segment_anything's own: points and boxes.
    SegmentAnything,
}

impl Export {
    /// That of a decoder, by its inputs' names.
    fn of(facts: &ModelFacts) -> Result<Self> {
        let has = |name: &str| facts.inputs.iter().any(|port| port.name == name);
        if has("input_points") && has("input_labels") {
            Ok(Self::Transformers)
        } else if has("point_coords") && has("point_labels") {
            Ok(Self::SegmentAnything)
        } else {
            let message = format!(
                "[mask_decoder]: the model takes {}, but a mask decoder takes `input_points` and `input_labels` \
                 (exported by optimum) or `point_coords` and `point_labels` (by segment_anything)",
                listed(facts)
            );
            Err(Error::new(ErrorKind::Model, message))
        }
    }

    /// A prompt in the pixels of the model's input, by the names that this export has for it.
    fn asked(self, at: &Place, place: &Placement) -> Vec<(&'static str, Numbers)> {
        let to_input = |[x, y]: [f64; 2]| [x * place.scale[0] + place.offset[0], y * place.scale[1] + place.offset[1]];
        match (self, *at) {
            (Self::Transformers, at) => {
                let point = match at {
                    Place::Point(point) => point,
                    Place::Box(sides) => middle(sides),
                };
                let points = to_input(point).to_vec();
                vec![("input_points", (vec![1, 1, 1, 2], points)), ("input_labels", (vec![1, 1, 1], vec![1.0]))]
            }
            // A point without a box is followed by one that is none.
            (Self::SegmentAnything, Place::Point(point)) => coords([to_input(point), [0.0; 2]], [1.0, -1.0], place),
            (Self::SegmentAnything, Place::Box([left, top, right, bottom])) => {
                coords([to_input([left, top]), to_input([right, bottom])], [2.0, 3.0], place)
            }
        }
    }
}

/// A tensor's shape and numbers.
type Numbers = (Vec<usize>, Vec<f64>);

/// Two points with their meaning, as segment_anything's export takes them: no mask is given, and the size to which it
/// enlarges its masks is the least that keeps their proportions, as they are not used.
fn coords(points: [[f64; 2]; 2], labels: [f64; 2], place: &Placement) -> Vec<(&'static str, Numbers)> {
    let [width, height] = place.input;
    vec![
        ("point_coords", (vec![1, 2, 2], points.concat())),
        ("point_labels", (vec![1, 2], labels.to_vec())),
        ("has_mask_input", (vec![1], vec![0.0])),
        ("orig_im_size", (vec![2], vec![height, width])),
    ]
}

/// What an input of the decoder is given.
///
/// # Errors
/// `Model` naming the input that nothing is known for.
fn given(port: &Port, asked: &[(&'static str, Numbers)], seen: &Tensors, facts: &ModelFacts) -> Result<Tensor> {
    let name = port.name.as_str();
    if let Some((_, (shape, numbers))) = asked.iter().find(|(known, _)| *known == name) {
        let array = ArrayD::from_shape_vec(IxDyn(shape), numbers.clone());
        return typed(&array.map_err(|e| Error::internal("a prompt's shape").with_source(e))?, port);
    }
    let embeddings = seen.first().filter(|_| seen.len() == 1);
    let named = seen.iter().find(|(known, _)| known == name).or(embeddings.filter(|_| name == EMBEDDINGS));
    if let Some((_, tensor)) = named {
        return Ok(tensor.clone());
    }
    let shape: Option<Vec<usize>> = port.shape.iter().copied().collect();
    match (name, shape) {
        ("mask_input", Some(shape)) => {
            let numbers = shape.iter().try_fold(1_usize, |all, length| all.checked_mul(*length));
            if numbers.is_none_or(|numbers| numbers > MOST_OF_MASK) {
                let message = format!(
                    "[mask_decoder]: the input `{name}` is {port}, and {MOST_OF_MASK} numbers at most can be given to it"
                );
                return Err(Error::new(ErrorKind::Model, message));
            }
            typed(&ArrayD::zeros(IxDyn(&shape)), port)
        }
        _ => {
            let made: Vec<String> = seen.iter().map(|(name, _)| format!("`{name}`")).collect();
            let message = format!(
                "[mask_decoder]: nothing is known for the input `{name}` of a model that takes {}; [model] makes {}: \
                 the two have to be of one export",
                listed(facts),
                made.join(", ")
            );
            Err(Error::new(ErrorKind::Model, message))
        }
    }
}

/// The names of what a model takes.
pub(super) fn listed(facts: &ModelFacts) -> String {
    facts.inputs.iter().map(|port| format!("`{}`", port.name)).collect::<Vec<_>>().join(", ")
}

/// Of the outlines that a decoder offers the one with the best score; nothing where it is empty.
///
/// Of four the first one is left out: it is meant for prompts of several points, as `SamOnnxModel.select_masks` and
/// `multimask_output` in `SamPredictor` have it.
///
/// # Errors
/// `Model` when there are other outputs, or they are not all numbers.
fn best(outputs: Tensors, label: &str, sight: &Sight<'_>) -> Result<Option<Mask>> {
    let outputs = Outputs::new(outputs)?;
    let unfit = || {
        outputs.unfit(
            "`pred_masks` and `iou_scores`, or `low_res_masks` and `iou_predictions`: grids, and a score for each",
        )
    };
    let named = |names: [&str; 2]| outputs.0.iter().find(|output| names.contains(&output.name.as_str()));
    let masks = &named(["pred_masks", "low_res_masks"]).ok_or_else(unfit)?.array;
    let scores: Vec<f32> = named(["iou_scores", "iou_predictions"]).ok_or_else(unfit)?.array.iter().copied().collect();
    let [.., rows, columns] = *masks.shape() else { return Err(unfit()) };
    let grids = masks.to_shape((scores.len(), rows, columns)).map_err(|_| unfit())?;
    let grids = grids.into_dimensionality::<Ix3>().map_err(|_| unfit())?;
    if scores.is_empty() || rows == 0 || columns == 0 {
        return Err(unfit());
    }
    if grids.iter().chain(&scores).any(|number| !number.is_finite()) {
        let message = format!("the outlines are not all numbers (NaN or infinite): {}", outputs.shapes());
        return Err(Error::new(ErrorKind::Model, message));
    }
    let offered = grids.outer_iter().zip(&scores).skip(usize::from(scores.len() > 3));
    let best = offered.max_by(|a, b| a.1.total_cmp(b.1));
    Ok(best.and_then(|(grid, score)| outlined(&grid, label, f64::from(score.clamp(0.0, 1.0)), sight)))
}
