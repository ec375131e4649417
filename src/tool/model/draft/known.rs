//! Exports that are known by the names of their inputs and outputs: models of several parts, and those that take words.

use super::{Guess, owned};
use crate::error::{Error, ErrorKind, Result};
use crate::runner::ModelFacts;
use crate::tool::model::detector::ANCHORS;

/// Pre-processing of SAM and its kin, but for the size.
const SAM: [&str; 4] =
    ["resize = \"longest\"", "filter = \"bilinear\"", "mean = [0.485, 0.456, 0.406]", "std = [0.229, 0.224, 0.225]"];
/// That of OWL-ViT.
const OWLVIT: [&str; 3] = [
    "filter = \"bicubic\"",
    "mean = [0.48145466, 0.4578275, 0.40821073]",
    "std = [0.26862954, 0.26130258, 0.27577711]",
];
/// That of Grounding DINO.
const GROUNDING_DINO: [&str; 6] = [
    "resize = \"within\"",
    "short = 800",
    "long = 1333",
    "filter = \"bilinear\"",
    "mean = [0.485, 0.456, 0.406]",
    "std = [0.229, 0.224, 0.225]",
];
/// That of BlazeFace.
const BLAZEFACE: [&str; 5] = ["resize = \"square\"", "pad = 0", "filter = \"bilinear\"", "mean = 0.5", "std = 0.5"];
/// That of PP-OCR.
pub(super) const PP_OCR: [&str; 3] = ["colour = \"bgr\"", "mean = 0.5", "std = 0.5"];
/// What reads the lines that a detector of text finds.
const LINES: &str =
    "[ocr]\nrecogniser = \"recogniser.onnx\" # guessed: the model that reads a line, beside this manifest\n";
/// What reads the words of OWL-ViT.
const WORDS: &str = "[text]\ntokenizer = \"tokenizer.json\" # beside this manifest\ntemplate = \"a photo of a {}\"\n\
                     length = 16\npad = 0\n";

/// Refuses the second half of a model of two.
///
/// # Errors
/// `Model` saying which file to draft from.
pub(super) fn refuse_halves(facts: &ModelFacts) -> Result<()> {
    let takes = |name: &str| facts.inputs.iter().any(|port| port.name == name);
    if !takes("image_embeddings") || !(takes("input_points") || takes("point_coords")) {
        return Ok(());
    }
    let message = "this is the mask decoder of a segmenter such as SAM: draft from its image encoder, and name this \
                   file in [mask_decoder]";
    Err(Error::new(ErrorKind::Model, message))
}

/// What such a model is; `file` is its name.
pub(super) fn known(facts: &ModelFacts, file: &str) -> Option<Guess> {
    let takes = |name: &str| facts.inputs.iter().any(|port| port.name == name);
    let gives = |name: &str| facts.outputs.iter().any(|port| port.name == name);
    if gives("image_embeddings") && facts.inputs.len() == 1 {
        let decoder = if file.contains("vision_encoder") {
            file.replace("vision_encoder", "prompt_encoder_mask_decoder")
        } else {
            "decoder.onnx".to_owned()
        };
        let decoder = toml::Value::String(decoder);
        return Some(Guess {
            head: owned(&["type = \"segmenter\"", "family = \"sam\""]),
            input: owned(&SAM),
            tables: format!("[mask_decoder]\nfile = {decoder} # guessed: the second half of the export\n"),
            side: Some(1_024),
            why: "an output `image_embeddings`, as the image encoder of SAM has".to_owned(),
            ..Guess::default()
        });
    }
    if is_blazeface(facts) {
        return Some(Guess {
            head: owned(&["type = \"detector\"", "family = \"blazeface\"", "min_score = 0.65"]),
            input: owned(&BLAZEFACE),
            classes: Some(1),
            names: &["face"],
            why: "a score and 16 numbers for each of 896 or 2304 anchors, as BlazeFace has".to_owned(),
            ..Guess::default()
        });
    }
    if finds_text(facts, file) {
        return Some(Guess {
            head: owned(&["type = \"ocr\" # or, without [ocr], \"depth\", or \"segmenter\" with family = \"salient\""]),
            input: owned(&PP_OCR),
            tables: LINES.to_owned(),
            why: "one number for each pixel of pictures of any size, and its name: as detectors of text".to_owned(),
            ..Guess::default()
        });
    }
    if !(takes("input_ids") && gives("logits") && gives("pred_boxes")) {
        return None;
    }
    if takes("token_type_ids") {
        return Some(Guess {
            head: owned(&["type = \"detector\"", "family = \"grounding_dino\"", "min_score = 0.35"]),
            input: owned(&GROUNDING_DINO),
            tables: "[text]\ntokenizer = \"tokenizer.json\" # beside this manifest\n".to_owned(),
            why: "inputs of words and their types, as Grounding DINO has".to_owned(),
            ..Guess::default()
        });
    }
    Some(Guess {
        head: owned(&["type = \"detector\"", "family = \"owlvit\"", "min_score = 0.1"]),
        input: owned(&OWLVIT),
        tables: WORDS.to_owned(),
        side: Some(768),
        why: "inputs of words and outputs `logits` and `pred_boxes`, as OWL-ViT has".to_owned(),
        ..Guess::default()
    })
}

/// Whether there are scores and boxes of as many anchors as BlazeFace has, in two outputs or one by one for each grid.
fn is_blazeface(facts: &ModelFacts) -> bool {
    let rows = |columns: usize| -> usize {
        let of = facts.outputs.iter().filter(|port| port.shape.last() == Some(&Some(columns)));
        of.filter_map(|port| port.shape.iter().rev().nth(1).copied().flatten()).sum()
    };
    ANCHORS.iter().any(|(anchors, _)| rows(1) == *anchors && rows(16) == *anchors)
}

/// Whether it is a detector of text: such models take pictures of any size, and are called so.
fn finds_text(facts: &ModelFacts, file: &str) -> bool {
    let ([_], [output]) = (facts.inputs.as_slice(), facts.outputs.as_slice()) else { return false };
    matches!(output.shape.as_slice(), [_, Some(1), None, None]) && file.to_lowercase().contains("det")
}
