//! What a user points at: the place that "this" means in a question.

use image::{GrayImage, Luma, RgbImage};

use crate::error::{Error, Result};
use crate::image::{Frame, Image};
use crate::value::{Mask, Region};

/// Pixels of a mask from this brightness on belong to the place.
const BRIGHT: u8 = 128;

/// A place in one of a task's images.
///
/// ```
/// use lavr::pointed::Pointed;
///
/// let dog = Pointed::rect(40.0, 30.0, 200.0, 180.0);
/// assert_eq!(dog, Pointed::read_box("40,30,200,180")?);
/// assert_eq!(Pointed::point(7.0, 9.0).in_image(1), Pointed::read_point("2:7,9")?);
/// # Ok::<(), lavr::error::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Pointed {
    /// The image, from 0.
    pub image: usize,
    /// The place in it.
    pub spot: Spot,
}

/// A place in an image, in pixels from its left and its top edge.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Spot {
    /// A point of a thing.
    Point {
        /// From the left.
        x: f64,
        /// From the top.
        y: f64,
    },
    /// A box.
    Box {
        /// Its left edge.
        x1: f64,
        /// Its top edge.
        y1: f64,
        /// Its right edge.
        x2: f64,
        /// Its bottom edge.
        y2: f64,
    },
    /// A picture of the image's size, whose bright pixels (128 of 255 and more) are the place.
    Mask(Image),
}

impl Pointed {
    /// What the region of a user's box or mask is called.
    pub const LABEL: &str = "region";

    /// A point of the first image.
    pub fn point(x: f64, y: f64) -> Self {
        Self { image: 0, spot: Spot::Point { x, y } }
    }

    /// A box in the first image: left, top, right, bottom.
    pub fn rect(x1: f64, y1: f64, x2: f64, y2: f64) -> Self {
        Self { image: 0, spot: Spot::Box { x1, y1, x2, y2 } }
    }

    /// The bright pixels of a picture that is as large as the first image.
    pub fn mask(picture: Image) -> Self {
        Self { image: 0, spot: Spot::Mask(picture) }
    }

    /// The same place in another image, from 0.
    #[must_use]
    pub fn in_image(self, image: usize) -> Self {
        Self { image, ..self }
    }

    /// Reads `x,y`, or `2:x,y` for the second image.
    ///
    /// # Errors
    /// `InvalidInput` when it has another form.
    pub fn read_point(text: &str) -> Result<Self> {
        let (image, numbers) = read(text, "x,y, e.g. 120,80, or 2:120,80 in the second image")?;
        match numbers.as_slice() {
            [x, y] => Ok(Self::point(*x, *y).in_image(image)),
            other => Err(Error::invalid(format!("`{text}`: a point is x,y, and here are {} numbers", other.len()))),
        }
    }

    /// Reads `x1,y1,x2,y2` (left, top, right, bottom), or `2:x1,y1,x2,y2` for the second image.
    ///
    /// # Errors
    /// `InvalidInput` when it has another form.
    pub fn read_box(text: &str) -> Result<Self> {
        let (image, numbers) = read(text, "x1,y1,x2,y2, e.g. 40,30,200,180, or 2:40,30,200,180 in the second image")?;
        match numbers.as_slice() {
            [x1, y1, x2, y2] => Ok(Self::rect(*x1, *y1, *x2, *y2).in_image(image)),
            other => {
                let message = format!("`{text}`: a box is x1,y1,x2,y2, and here are {} numbers", other.len());
                Err(Error::invalid(message))
            }
        }
    }

    /// Checks that the place lies in its image.
    ///
    /// # Errors
    /// `InvalidInput` saying what is wrong with which number.
    pub fn validate(&self, images: &[Image]) -> Result<()> {
        let image = images.get(self.image).ok_or_else(|| {
            let count = if images.len() == 1 { "one image".to_owned() } else { format!("{} images", images.len()) };
            Error::invalid(format!("the region is in image {}, and there is {count}", self.image + 1))
        })?;
        match &self.spot {
            Spot::Point { x, y } => in_image(&[("x", *x), ("y", *y)], image).map_err(|e| e.context("point")),
            Spot::Box { x1, y1, x2, y2 } => {
                let sides = [("x1", *x1), ("y1", *y1), ("x2", *x2), ("y2", *y2)];
                in_image(&sides, image).and_then(|()| has_area(&sides)).map_err(|e| e.context("box"))
            }
            Spot::Mask(picture) => fits(picture, image).map_err(|e| e.context("mask")),
        }
    }

    /// The place as a mask, where it was given as one and is not empty.
    pub fn outline(&self) -> Option<Mask> {
        let Spot::Mask(picture) = &self.spot else { return None };
        let bright = brightness(picture);
        let [left, top, right, bottom] = bounds(&bright)?;
        let pixels = RgbImage::from_fn(right - left, bottom - top, |x, y| {
            let inside = bright.get_pixel_checked(left + x, top + y).is_some_and(|pixel| pixel.0[0] >= BRIGHT);
            image::Rgb([if inside { 255 } else { 0 }; 3])
        });
        let region =
            Region { label: Self::LABEL.to_owned(), score: 1.0, bounds: [left, top, right, bottom].map(f64::from) };
        Some(Mask { region, pixels: Image::from_pixels(pixels, Frame::ROOT) })
    }
}

/// The image, from 0, and the numbers of a place.
fn read(text: &str, form: &str) -> Result<(usize, Vec<f64>)> {
    let unfit = || Error::invalid(format!("`{text}` is no place: give {form}, in pixels"));
    let (image, numbers) = match text.split_once(':') {
        Some((image, numbers)) => (image.trim().parse::<usize>().map_err(|_| unfit())?, numbers),
        None => (1, text),
    };
    let image = image.checked_sub(1).ok_or_else(|| Error::invalid(format!("`{text}`: the first image is 1")))?;
    let numbers: Option<Vec<f64>> = numbers.split(',').map(|number| number.trim().parse().ok()).collect();
    Ok((image, numbers.ok_or_else(unfit)?))
}

/// Checks coordinates, whose names say along which edge they run.
fn in_image(coordinates: &[(&str, f64)], image: &Image) -> Result<()> {
    for (name, at) in coordinates {
        let (size, side) = match name.starts_with('x') {
            true => (image.width(), "wide"),
            false => (image.height(), "high"),
        };
        if !at.is_finite() {
            return Err(Error::invalid(format!("{name} is {at}; give a number of pixels")));
        }
        if !(0.0..=f64::from(size)).contains(at) {
            let message = format!(
                "{name} is {at}, outside the image, which is {size} pixels {side}; give a number from 0 to {size}"
            );
            return Err(Error::invalid(message));
        }
    }
    Ok(())
}

/// Checks the sides of a box: left, top, right, bottom.
fn has_area([x1, y1, x2, y2]: &[(&str, f64); 4]) -> Result<()> {
    for ((from, least), (to, most)) in [(x1, x2), (y1, y2)] {
        if most <= least {
            let message = format!(
                "{to} ({most}) is not greater than {from} ({least}); give left, top, right, bottom, in this order"
            );
            return Err(Error::invalid(message));
        }
    }
    Ok(())
}

/// Checks that a mask is as large as its image and not empty.
fn fits(picture: &Image, image: &Image) -> Result<()> {
    let (own, wanted) = ((picture.width(), picture.height()), (image.width(), image.height()));
    if own != wanted {
        let message = format!(
            "it has {}x{} pixels and the image {}x{}; give a picture of the image's size",
            own.0, own.1, wanted.0, wanted.1
        );
        return Err(Error::invalid(message));
    }
    if bounds(&brightness(picture)).is_none() {
        return Err(Error::invalid(format!("it is empty; make what you mean brighter than {} of 255", BRIGHT - 1)));
    }
    Ok(())
}

fn brightness(picture: &Image) -> GrayImage {
    image::imageops::grayscale(picture.pixels())
}

/// The box around the bright pixels: left, top, right, bottom; nothing where there are none.
fn bounds(bright: &GrayImage) -> Option<[u32; 4]> {
    let inside = bright.enumerate_pixels().filter(|(_, _, Luma([level]))| *level >= BRIGHT);
    inside.fold(None, |found, (x, y, _)| {
        let [left, top, right, bottom] = found.unwrap_or([x, y, x + 1, y + 1]);
        Some([left.min(x), top.min(y), right.max(x + 1), bottom.max(y + 1)])
    })
}
