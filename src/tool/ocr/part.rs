//! The table `[ocr]`: the other models of a reader, and the numbers that differ from one family to the next.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::tool::model::{Colour, Input, PerChannel};

/// Most pixels of `side`, `longest` and `width`: tensors grow with their squares, of which they have eight at most.
const MAX_SIDE: u32 = 2_048;
/// Most pixels of `height`: a line may be a thousand times as wide as high.
const MAX_HEIGHT: u32 = 128;

/// The table `[ocr]`: what reads the lines that `[model]`, a detector of text such as DB, finds.
///
/// What is left out is as rapidocr 3.10.0 has it for PP-OCR models, and so is `[input]` when the whole table is left out:
/// `colour = "bgr"`, `mean = 0.5`, `std = 0.5`. All models return probabilities, 0 to 1: their last step is a sigmoid
/// or a softmax.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OcrPart {
    /// The model that reads a line, trained with connectionist temporal classification (CTC), such as CRNN or SVTR: the
    /// name of a file beside the manifest, or of one of `[[artefacts]]`. Class 0 is that of no character.
    pub recogniser: String,
    /// The model that tells lines that are upside down, with scores of two classes; lines stay as they are when left
    /// out.
    pub direction: Option<String>,
    /// The recogniser's characters, one a line, in the order of its classes; when left out, its metadata `character` has
    /// them. A space comes last where there is one more class.
    pub characters: Option<String>,
    /// The shorter side of a picture is enlarged to at least this for the detector, pixels.
    #[serde(default = "OcrPart::side")]
    pub side: u32,
    /// The longer side of a picture is reduced to at most this before anything else, pixels.
    #[serde(default = "OcrPart::longest")]
    pub longest: u32,
    /// Places of the detector's map above this belong to text, 0 to 1.
    #[serde(default = "OcrPart::threshold")]
    pub threshold: f32,
    /// Boxes are dropped whose mean in the map is below this, 0 to 1.
    #[serde(default = "OcrPart::box_threshold")]
    pub box_threshold: f64,
    /// Boxes are grown on each side by this times their area over their perimeter: the map shows text shrunk.
    #[serde(default = "OcrPart::unclip")]
    pub unclip: f64,
    /// The height of lines, for the recogniser and for `direction`, pixels.
    #[serde(default = "OcrPart::height")]
    pub height: u32,
    /// The least width of a line for the recogniser, filled up on the right, pixels.
    #[serde(default = "OcrPart::width")]
    pub width: u32,
    /// What is subtracted from levels of 0 to 1 of lines; as in `[input]` when left out.
    pub mean: Option<PerChannel>,
    /// What the difference is divided by; as in `[input]` when left out.
    pub std: Option<PerChannel>,
}

impl Default for OcrPart {
    fn default() -> Self {
        Self {
            recogniser: String::new(),
            direction: None,
            characters: None,
            side: Self::side(),
            longest: Self::longest(),
            threshold: Self::threshold(),
            box_threshold: Self::box_threshold(),
            unclip: Self::unclip(),
            height: Self::height(),
            width: Self::width(),
            mean: None,
            std: None,
        }
    }
}

impl OcrPart {
    fn side() -> u32 {
        736
    }

    fn longest() -> u32 {
        2_000
    }

    fn threshold() -> f32 {
        0.3
    }

    fn box_threshold() -> f64 {
        0.5
    }

    fn unclip() -> f64 {
        1.6
    }

    fn height() -> u32 {
        48
    }

    fn width() -> u32 {
        320
    }

    /// What stands in the place of `[input]` when there is none.
    pub(in crate::tool) fn input() -> Input {
        let half = PerChannel::One(0.5);
        Input { colour: Colour::Bgr, mean: half, std: half, ..Input::default() }
    }

    /// Refuses what cannot be, and keys of `[input]` without a meaning.
    ///
    /// # Errors
    /// `InvalidInput` naming the table and the key.
    pub(in crate::tool) fn check(&self, input: &Input) -> Result<()> {
        let sides = [self.side, self.longest, self.width];
        let shares = [f64::from(self.threshold), self.box_threshold];
        let numbers = |of: Option<PerChannel>| of.map_or([1.0; 3], PerChannel::all);
        let Input { colour, mean, std, .. } = input.clone();
        let fault = if sides.iter().any(|side| !(8..=MAX_SIDE).contains(side)) {
            format!("[ocr]: `side`, `longest` and `width` go from 8 to {MAX_SIDE} pixels")
        } else if !(8..=MAX_HEIGHT).contains(&self.height) {
            format!("[ocr]: `height` goes from 8 to {MAX_HEIGHT} pixels")
        } else if shares.iter().any(|share| !(0.0..=1.0).contains(share)) {
            "[ocr]: `threshold` and `box_threshold` go from 0 to 1".to_owned()
        } else if !(0.0..=10.0).contains(&self.unclip) {
            "[ocr]: `unclip` goes from 0 to 10".to_owned()
        } else if numbers(self.mean).iter().any(|n| !n.is_finite()) {
            "[ocr]: `mean` has numbers".to_owned()
        } else if numbers(self.std).iter().any(|n| !n.is_finite() || *n == 0.0) {
            "[ocr]: `std` has numbers other than 0".to_owned()
        } else if colour == Colour::Grey {
            "[input]: `colour` of an ocr model is \"rgb\" or \"bgr\"".to_owned()
        } else if (Input { colour, mean, std, ..Input::default() }) != *input {
            "[input]: an ocr model has only `colour`, `mean` and `std`; sizes are in [ocr], and the picture goes into the \
             first input of each model"
                .to_owned()
        } else {
            return Ok(());
        };
        Err(Error::invalid(fault))
    }
}
