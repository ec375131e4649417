//! What a tool takes and returns, by its head.

use serde_json::json;

use super::head::{Family, Head, HeadKind};
use super::prompts;
use crate::signature::{Arg, Returns, Signature, ValueType};

/// The signature of a head's tool.
pub(super) fn signature(head: &Head) -> Signature {
    let arg = |name: &str, doc: &str, of: ValueType, required: bool| Arg {
        name: name.to_owned(),
        doc: doc.to_owned(),
        types: vec![of],
        required,
        choices: Vec::new(),
        default: None,
    };
    let what = if head.kind == HeadKind::Ocr { "The image to read." } else { "The image to look at." };
    let mut args = vec![arg("image", what, ValueType::Image, true)];
    let texts = || ValueType::list(ValueType::Text);
    match head.kind {
        HeadKind::Detector | HeadKind::Segmenter if head.has_classes() => {
            args.push(arg("labels", "Only these things; everything when left out.", texts(), false));
        }
        HeadKind::Segmenter if head.family == Some(Family::Sam) => {
            let at = arg("at", "Where the things are: regions, boxes, or points [x, y].", ValueType::Region, true);
            args.push(Arg { types: prompts::types(), ..at });
        }
        HeadKind::Detector if head.takes_words() => {
            args.push(arg("labels", "What to look for, in any words.", texts(), true));
        }
        HeadKind::Pose => {
            args.push(arg("labels", "Only these points; all when left out.", texts(), false));
        }
        HeadKind::ZeroShot => args.push(arg("labels", "The words to choose from.", texts(), true)),
        HeadKind::Vqa => args.push(arg("question", "What to answer.", ValueType::Text, true)),
        _ => {}
    }
    if head.has_boxes() {
        let score = arg("min_score", "Least confidence, 0 to 1.", ValueType::Number, false);
        args.push(Arg { default: Some(json!(head.least())), ..score });
    }
    let returns = match head.kind {
        HeadKind::Classifier | HeadKind::Tagger => ValueType::Labels,
        HeadKind::Embedder => ValueType::Vector,
        HeadKind::Raw => ValueType::Json,
        HeadKind::Depth => ValueType::Map,
        HeadKind::Pose => ValueType::list(ValueType::Points),
        HeadKind::Detector => ValueType::list(ValueType::Region),
        HeadKind::Segmenter => ValueType::list(ValueType::Mask),
        HeadKind::Ocr => ValueType::list(ValueType::Line),
        HeadKind::ZeroShot => ValueType::Labels,
        HeadKind::Captioner | HeadKind::Vqa => ValueType::Text,
    };
    Signature { args, returns: Returns::Type(returns), maps_over: Some("image".to_owned()) }
}
