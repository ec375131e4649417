//! Which tables a manifest has to have, by what kind of model it describes.

use super::head::{Family, Head, HeadKind};
use crate::error::{Error, Result};
use crate::tool::{Manifest, OcrPart};

/// Refuses tables that are missing, or have no meaning for this kind of model.
///
/// # Errors
/// `InvalidInput` naming the table.
pub(super) fn check(manifest: &Manifest, head: &Head) -> Result<()> {
    let kind = head.kind;
    let no_meaning = |table: &str| Err(Error::invalid(format!("[{table}] has no meaning for type = \"{kind}\"")));
    if manifest.input.as_ref().is_some_and(|input| input.tiles > 1) && kind != HeadKind::Detector {
        return Err(Error::invalid(format!("[input]: `tiles` has no meaning for type = \"{kind}\"")));
    }
    match &manifest.labels {
        Some(_) if !head.may_have_names() => return no_meaning("labels"),
        Some(labels) => labels.check()?,
        None if head.has_classes() => return Err(Error::invalid(format!("a {kind} needs [labels]"))),
        None => {}
    }
    match &manifest.text {
        Some(_) if !head.takes_words() && kind != HeadKind::Vqa => return no_meaning("text"),
        Some(text) => text.check()?,
        None if kind == HeadKind::ZeroShot => return Err(Error::invalid("a zero_shot model needs [text]")),
        None if head.takes_words() => return Err(Error::invalid("a detector of this family needs [text]")),
        None => {}
    }
    match &manifest.mask_decoder {
        Some(_) if head.family != Some(Family::Sam) => return no_meaning("mask_decoder"),
        Some(decoder) if decoder.builtin.is_some() => {
            let message = "[mask_decoder]: `builtin` has no meaning here, as no mask decoder is compiled in: name a \
                           `file` or an `artefact`";
            return Err(Error::invalid(message));
        }
        Some(decoder) if decoder.file.is_some() == decoder.artefact.is_some() => {
            return Err(Error::invalid("[mask_decoder] needs one of `file` and `artefact`"));
        }
        None if head.family == Some(Family::Sam) => {
            return Err(Error::invalid("a segmenter of family = \"sam\" needs [mask_decoder]"));
        }
        _ => {}
    }
    let reads = manifest.text.as_ref();
    let has_encoder = reads.is_some_and(|text| text.file.is_some() || text.artefact.is_some());
    if head.family == Some(Family::Siglip) && has_encoder && (head.logit_scale.is_none() || head.logit_bias.is_none()) {
        let message =
            "[head]: siglip with two encoders needs `logit_scale` (e to the one that its makers give) and `logit_bias`";
        return Err(Error::invalid(message));
    }
    if kind == HeadKind::Detector && has_encoder {
        let message = "[text] of a detector has no `file` or `artefact`: [model] takes the words itself";
        return Err(Error::invalid(message));
    }
    if kind == HeadKind::Vqa && reads.is_some() && !has_encoder {
        return Err(Error::invalid("[text] of a vqa model needs one of `file` and `artefact`"));
    }
    match &manifest.ocr {
        Some(_) if kind != HeadKind::Ocr => return no_meaning("ocr"),
        Some(ocr) => ocr.check(manifest.input.as_ref().unwrap_or(&OcrPart::input()))?,
        None if kind == HeadKind::Ocr => return Err(Error::invalid("an ocr model needs [ocr]")),
        None => {}
    }
    match &manifest.decoder {
        Some(_) if !matches!(kind, HeadKind::Captioner | HeadKind::Vqa) => no_meaning("decoder"),
        Some(decoder) if kind == HeadKind::Vqa && reads.is_none() && !decoder.asks() => {
            Err(Error::invalid("[decoder]: the `prompt` of a vqa model has `{question}`, unless [text] reads it"))
        }
        Some(decoder) if kind == HeadKind::Captioner && decoder.asks() => {
            Err(Error::invalid("[decoder]: nobody asks a captioner; `{question}` is for type = \"vqa\""))
        }
        Some(decoder) => decoder.check(),
        None if matches!(kind, HeadKind::Captioner | HeadKind::Vqa) => {
            Err(Error::invalid(format!("a {kind} needs [decoder]")))
        }
        None => Ok(()),
    }
}
