//! Options that point at a place in an image.

use clap::Args;

use crate::config::Config;
use crate::error::Result;
use crate::image::Image;
use crate::pointed::Pointed;

/// What "this" means in a question: at most one of these.
#[derive(Args)]
#[group(multiple = false)]
pub(super) struct RegionOptions {
    /// What "this" means: the thing, or the line of text, at this point of the first image
    ///
    /// In pixels from the left and the top; `--point 2:X,Y` points into the second image. Where nothing is found it is
    /// a square around the point. Once `lavr models pull segment_at` has fetched its model, it is the outline there.
    #[arg(long, value_name = "X,Y", allow_hyphen_values = true)]
    point: Option<String>,

    /// What "this" means: this box in the first image, e.g. 40,30,200,180
    ///
    /// Left, top, right and bottom in pixels; `--box 2:X1,Y1,X2,Y2` is one in the second image.
    #[arg(long = "box", value_name = "X1,Y1,X2,Y2", allow_hyphen_values = true)]
    bounds: Option<String>,

    /// What "this" means: the bright pixels (128 of 255 and more) of this picture, which is as large as the first image
    ///
    /// `--mask 2:FILE` is one of the second image.
    #[arg(long, value_name = "FILE")]
    mask: Option<String>,
}

/// A place whose mask, where it has one, is not opened yet.
pub(super) enum Given<'a> {
    Place(Pointed),
    Mask { file: &'a str, image: usize },
}

impl RegionOptions {
    /// What is given.
    ///
    /// # Errors
    /// `InvalidInput` when it has not the form that is asked for; it names the option.
    pub(super) fn read(&self) -> Result<Option<Given<'_>>> {
        if let Some(text) = &self.point {
            return Ok(Some(Given::Place(Pointed::read_point(text).map_err(|e| e.context("--point"))?)));
        }
        if let Some(text) = &self.bounds {
            return Ok(Some(Given::Place(Pointed::read_box(text).map_err(|e| e.context("--box"))?)));
        }
        Ok(self.mask.as_deref().map(mask))
    }
}

/// A mask's file; a number and a colon before its name say in which image it is.
fn mask(text: &str) -> Given<'_> {
    let numbered = text.split_once(':').and_then(|(n, file)| Some((n.parse::<usize>().ok()?.checked_sub(1)?, file)));
    let (image, file) = numbered.unwrap_or((0, text));
    Given::Mask { file, image }
}

impl Given<'_> {
    /// The place.
    ///
    /// # Errors
    /// Those of [`Image::open`] when the mask cannot be opened.
    pub(super) fn open(self, config: &Config) -> Result<Pointed> {
        match self {
            Self::Place(pointed) => Ok(pointed),
            Self::Mask { file, image } => {
                let picture = Image::open(file, &config.images).map_err(|e| e.context("--mask"))?;
                Ok(Pointed::mask(picture).in_image(image))
            }
        }
    }
}
