//! Exports that are known by the names of their inputs and outputs: models of several parts, and those that take words.

use super::{Guess, owned};
use crate::error::{Error, ErrorKind, Result};
use crate::runner::ModelFacts;

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
            classes: None,
            why: "an output `image_embeddings`, as the image encoder of SAM has".to_owned(),
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
        classes: None,
        why: "inputs of words and outputs `logits` and `pred_boxes`, as OWL-ViT has".to_owned(),
    })
}
