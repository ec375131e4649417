//! What goes into a model: a picture as the tensor that it was trained on.

use image::RgbImage;
use image::imageops::{self, FilterType};
use ndarray::{ArrayD, IxDyn};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::outputs::ungivable;
use crate::error::{Error, Result};
use crate::runner::{Port, Tensor};
use crate::tool::resize::{self, Kernel};
use crate::tool::tiles::MOST;

/// Most pixels of an input's side: a model that wants more is described wrongly.
const MAX_SIDE: u32 = 4_096;
/// Most pixels of the side of a square that a picture is filled up to before it is scaled: 200 MB. Larger pictures are scaled
/// first, as with `resize = "letterbox"`.
const MAX_SQUARE: u32 = 8_192;

/// The table `[input]`: how a picture becomes the model's input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Input {
    /// The name of the model's input for the picture; its first input when left out.
    pub name: Option<String>,
    /// Width and height in pixels; those that the model's file states when left out.
    pub size: Option<[u32; 2]>,
    /// For a detector: it looks at the whole picture and at so many overlapping pieces to a side, 1 to 4, enlarged: for
    /// small things. 1 is the whole alone.
    pub tiles: u32,
    /// How a picture of another size is brought to that one.
    pub resize: Resize,
    /// For `resize = "shortest"`: what the shorter side becomes before the middle is cut out, in pixels; the smaller
    /// side of `size` when left out. For `resize = "within"`: what the shorter side becomes.
    pub short: Option<u32>,
    /// For `resize = "within"`: the most that the longer side becomes, in pixels.
    pub long: Option<u32>,
    /// For `resize = "cut"`: what width and height become before the middle is cut out, in pixels.
    pub scaled: Option<[u32; 2]>,
    /// For `resize = "shortest"` and `"cut"`: where the middle begins when it lies between two pixels.
    pub middle: Middle,
    /// For `resize = "keep"` and `"fit"`: width and height are brought to the nearest multiple of this, in pixels.
    pub multiple_of: u32,
    /// How pixels between pixels are computed.
    pub filter: Filter,
    /// For `resize = "letterbox"` and `"square"`: the level of what the picture does not fill, 0 to 255.
    pub pad: u8,
    /// For `resize = "letterbox"` and `"square"`: where the picture goes.
    pub place: Place,
    /// The order of the colours.
    pub colour: Colour,
    /// What levels (0 to 255) are divided by first: 255 for a model that takes 0 to 1, 1 for one that takes bytes.
    pub scale: f64,
    /// Whether levels are divided by the brightest one of the resized picture instead of `scale`, as rembg does.
    pub brightest: bool,
    /// What is subtracted after that, for each channel in the order of `colour`; one number for all channels.
    pub mean: PerChannel,
    /// What the difference is divided by, for each channel in the order of `colour`; one number for all channels.
    pub std: PerChannel,
    /// The order of the dimensions; that which the model's file states when left out.
    pub layout: Option<Layout>,
    /// The elements' type; that which the model's file states when left out.
    pub dtype: Option<Dtype>,
}

impl Default for Input {
    fn default() -> Self {
        Self {
            name: None,
            size: None,
            tiles: 1,
            resize: Resize::default(),
            short: None,
            long: None,
            scaled: None,
            middle: Middle::default(),
            multiple_of: 32,
            filter: Filter::default(),
            pad: 114,
            place: Place::default(),
            colour: Colour::default(),
            scale: 255.0,
            brightest: false,
            mean: PerChannel::One(0.0),
            std: PerChannel::One(1.0),
            layout: None,
            dtype: None,
        }
    }
}

/// How a picture is brought to the model's size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resize {
    /// Each side on its own.
    #[default]
    Stretch,
    /// In its proportions, the rest filled up.
    Letterbox,
    /// As letterbox, but first it is filled up to a square as large as its longer side, and then scaled: as MediaPipe's
    /// models and OWLv2 are fed.
    Square,
    /// In its proportions until the shorter side fits; then the middle is cut out.
    Shortest,
    /// Each side on its own to `scaled`; then the middle is cut out.
    Cut,
    /// In its proportions until the shorter side is `short`, or the longer one is `long`, whichever is first: as DETR and
    /// Faster R-CNN are fed.
    Within,
    /// In its proportions until the side fits that changes less, each side to a multiple of `multiple_of`: as MiDaS and
    /// Depth Anything are fed.
    Fit,
    /// In its proportions until the longer side fits, at the top left; the rest is 0 after `mean` and `std`: as SAM is fed.
    Longest,
    /// Not at all, but for multiples of `multiple_of`.
    Keep,
}

/// Where the middle of a picture begins when it lies between two pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Middle {
    /// At the even one: as torchvision's `CenterCrop`.
    #[default]
    Even,
    /// At the lower one: as the image processors of Hugging Face's transformers.
    Lower,
}

/// How pixels between pixels are computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// As OpenCV's `INTER_LINEAR`: without anti-aliasing.
    #[default]
    Linear,
    /// As TensorFlow's bilinear `resize` and `resize_with_pad` and a cast to whole numbers after them: without
    /// anti-aliasing, sizes and levels rounded down.
    Tensorflow,
    /// As Pillow's `BILINEAR`: with anti-aliasing.
    Bilinear,
    /// As Pillow's `BICUBIC`: with anti-aliasing.
    Bicubic,
    /// As Pillow's `LANCZOS`: with anti-aliasing.
    Lanczos,
    /// The nearest pixel.
    Nearest,
}

/// Where a letterboxed picture goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In the middle.
    #[default]
    Centre,
    /// At the top left.
    Corner,
}

/// The order of the colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Colour {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red: what OpenCV reads.
    Bgr,
    /// One channel: 0.299 red + 0.587 green + 0.114 blue.
    Grey,
}

impl Colour {
    fn channels(self) -> usize {
        if self == Self::Grey { 1 } else { 3 }
    }
}

/// The order of the dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Batch, channel, row, column.
    Nchw,
    /// Batch, row, column, channel.
    Nhwc,
}

/// The type of the elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dtype {
    /// 32-bit floats.
    F32,
    /// Bytes.
    U8,
    /// 32-bit integers.
    I32,
    /// 64-bit integers.
    I64,
}

/// A number for each channel, or one for all.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number, or a list of three numbers")]
pub enum PerChannel {
    /// The same for all.
    One(f64),
    /// Each its own.
    Each([f64; 3]),
}

impl PerChannel {
    pub(in crate::tool) fn of(self, channel: usize) -> f64 {
        match self {
            Self::One(value) => value,
            Self::Each(values) => values.get(channel).copied().unwrap_or_default(),
        }
    }

    pub(in crate::tool) fn all(self) -> [f64; 3] {
        [0, 1, 2].map(|channel| self.of(channel))
    }
}

/// Where a picture lies in the model's input: `input = picture * scale + offset`, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// Width and height of the input.
    pub input: [f64; 2],
    /// Pixels of the input for each of the picture, across and down.
    pub scale: [f64; 2],
    /// Where the picture's top left corner lies.
    pub offset: [f64; 2],
}

impl Placement {
    /// A picture of this size that fills an input of that size.
    pub(super) fn stretched(picture: [u32; 2], input: [u32; 2]) -> Self {
        let scale = [0, 1].map(|n: usize| f64::from(input[n]) / f64::from(picture[n]));
        Self { input: input.map(f64::from), scale, offset: [0.0; 2] }
    }

    /// A point of the input, in the picture's pixels.
    pub fn to_picture(&self, x: f64, y: f64) -> (f64, f64) {
        ((x - self.offset[0]) / self.scale[0], (y - self.offset[1]) / self.scale[1])
    }

    /// Whether the whole input is the whole picture.
    pub(super) fn is_stretched(&self, image: &crate::image::Image) -> bool {
        let fills = |n: usize, side: u32| (self.scale[n] * f64::from(side) - self.input[n]).abs() < 0.5;
        self.offset == [0.0; 2] && fills(0, image.width()) && fills(1, image.height())
    }
}

impl Input {
    /// Refuses what cannot be.
    ///
    /// # Errors
    /// `InvalidInput` naming the key.
    pub fn check(&self) -> Result<()> {
        let sides = self.size.iter().chain(&self.scaled).flatten().chain(&self.short).chain(&self.long);
        let fault = if sides.clone().any(|side| *side == 0 || *side > MAX_SIDE) {
            format!("`size`, `scaled`, `short` and `long` go from 1 to {MAX_SIDE} pixels")
        } else if !(1..=MOST).contains(&self.tiles) {
            format!("`tiles` goes from 1 to {MOST}")
        } else if self.multiple_of == 0 || self.multiple_of > 1_024 {
            "`multiple_of` goes from 1 to 1024 pixels".to_owned()
        } else if !(self.scale.is_finite() && self.scale != 0.0) {
            "`scale` is a number other than 0".to_owned()
        } else if !self.std.all().iter().all(|std| std.is_finite() && *std != 0.0) {
            "`std` has numbers other than 0".to_owned()
        } else if !self.mean.all().iter().all(|mean| mean.is_finite()) {
            "`mean` has numbers".to_owned()
        } else if self.short.is_some() && !matches!(self.resize, Resize::Shortest | Resize::Within) {
            "`short` belongs to resize = \"shortest\" and \"within\"".to_owned()
        } else if (self.resize == Resize::Within) != (self.short.is_some() && self.long.is_some())
            && (self.resize == Resize::Within || self.long.is_some())
        {
            "resize = \"within\" needs `short` and `long`, and `long` belongs to it".to_owned()
        } else if self.scaled.is_some() != (self.resize == Resize::Cut) {
            "`scaled` belongs to resize = \"cut\", and that needs it".to_owned()
        } else if matches!(self.resize, Resize::Keep | Resize::Within) && self.size.is_some() {
            "`size` has no meaning with resize = \"keep\" and \"within\"".to_owned()
        } else {
            return Ok(());
        };
        Err(Error::invalid(format!("[input]: {fault}")))
    }

    /// The model's input for a picture, of the type and in the order that the model's file states where this table
    /// does not, and where in it the picture lies.
    ///
    /// # Errors
    /// `InvalidInput` when neither the table nor the model's file says how large it is.
    pub fn tensor(&self, picture: &RgbImage, port: &Port) -> Result<(Tensor, Placement)> {
        let layout = self.layout.unwrap_or_else(|| layout_of(port));
        let (pixels, placement) = self.place(picture, port, layout)?;
        let filled = Filled { pixels: &pixels, size: placement.input.map(|side| side as usize) };
        let tensor = match self.dtype.map_or_else(|| dtype_of(port), Ok)? {
            Dtype::F32 => Tensor::F32(self.array(&filled, port, layout, |value| value as f32)?),
            Dtype::U8 => Tensor::U8(self.array(&filled, port, layout, |value| value.round().clamp(0.0, 255.0) as u8)?),
            Dtype::I32 => Tensor::I32(self.array(&filled, port, layout, |value| value.round() as i32)?),
            Dtype::I64 => Tensor::I64(self.array(&filled, port, layout, |value| value.round() as i64)?),
        };
        Ok((tensor, placement))
    }

    fn place(&self, picture: &RgbImage, port: &Port, layout: Layout) -> Result<(RgbImage, Placement)> {
        let (width, height) = picture.dimensions();
        let stretched = |to: [u32; 2]| (self.resized(picture, to), Placement::stretched([width, height], to));
        let step = f64::from(self.multiple_of);
        let multiple = |side: f64| {
            let most = (f64::from(MAX_SIDE) / step).floor();
            ((side / step).round_ties_even().clamp(1.0, most) * step) as u32
        };
        if self.resize == Resize::Keep {
            return Ok(stretched([width, height].map(|side| multiple(f64::from(side)))));
        }
        if let (Resize::Within, Some(short), Some(long)) = (self.resize, self.short, self.long) {
            return Ok(stretched(within([width, height], short, long)));
        }
        let size = self.size.or_else(|| size_of(port, layout)).ok_or_else(|| {
            Error::invalid(format!(
                "the model's input `{}` is {port}, which does not tell its size: set `size` in [input]",
                port.name
            ))
        })?;
        Ok(match self.resize {
            Resize::Letterbox => self.letterboxed(picture, size),
            Resize::Square => self.squared(picture, size),
            Resize::Shortest => self.cut(picture, self.shortest(picture, size), size),
            Resize::Cut => self.cut(picture, self.scaled.unwrap_or(size), size),
            Resize::Fit => {
                let scales = [f64::from(size[0]) / f64::from(width), f64::from(size[1]) / f64::from(height)];
                let less = if (1.0 - scales[0]).abs() < (1.0 - scales[1]).abs() { scales[0] } else { scales[1] };
                stretched([width, height].map(|side| multiple(f64::from(side) * less)))
            }
            Resize::Longest => {
                let (resized, place) = stretched(longest([width, height], size));
                (resized, Placement { input: size.map(f64::from), ..place })
            }
            Resize::Stretch | Resize::Keep | Resize::Within => stretched(size),
        })
    }

    /// As YOLO models are fed: the larger side fits, the rest is filled up.
    fn letterboxed(&self, picture: &RgbImage, size: [u32; 2]) -> (RgbImage, Placement) {
        let sides = [f64::from(picture.width()), f64::from(picture.height())];
        let scale = (f64::from(size[0]) / sides[0]).min(f64::from(size[1]) / sides[1]);
        let rounds_down = self.filter == Filter::Tensorflow || self.place == Place::Corner;
        let rounded = |side: f64| {
            // A whole number may come out a little below itself.
            if rounds_down { (side * scale + 1e-9).floor() } else { (side * scale).round_ties_even() }
        };
        let [width, height] = [0, 1].map(|n| (rounded(sides[n]).max(1.0) as u32).min(size[n]));
        let resized = self.resized(picture, [width, height]);
        let offset = match self.place {
            // From the size before it was rounded.
            Place::Centre if self.filter == Filter::Tensorflow => {
                [0, 1].map(|n: usize| ((f64::from(size[n]) - sides[n] * scale) / 2.0 + 1e-9).floor())
            }
            Place::Centre => [size[0] - width, size[1] - height].map(|rest| (f64::from(rest) / 2.0 - 0.1).round()),
            Place::Corner => [0.0; 2],
        };
        let mut input = RgbImage::from_pixel(size[0], size[1], image::Rgb([self.pad; 3]));
        imageops::replace(&mut input, &resized, offset[0].max(0.0) as i64, offset[1].max(0.0) as i64);
        let scale = match self.filter {
            Filter::Tensorflow => [f64::from(width) / sides[0], f64::from(height) / sides[1]],
            _ => [scale; 2],
        };
        (input, Placement { input: size.map(f64::from), scale, offset: offset.map(|o| o.max(0.0)) })
    }

    /// As MediaPipe's models are fed: filled up to a square, then scaled. The picture begins at a whole pixel, and counts
    /// as if it began in the exact place.
    fn squared(&self, picture: &RgbImage, size: [u32; 2]) -> (RgbImage, Placement) {
        let (width, height) = picture.dimensions();
        let side = width.max(height);
        if side > MAX_SQUARE {
            return self.letterboxed(picture, size);
        }
        let rest = match self.place {
            Place::Centre => [side - width, side - height],
            Place::Corner => [0; 2],
        };
        let mut square = RgbImage::from_pixel(side, side, image::Rgb([self.pad; 3]));
        imageops::replace(&mut square, picture, i64::from(rest[0] / 2), i64::from(rest[1] / 2));
        let scale = size.map(|length| f64::from(length) / f64::from(side));
        let offset = [0, 1].map(|n: usize| f64::from(rest[n]) / 2.0 * scale[n]);
        (self.resized(&square, size), Placement { input: size.map(f64::from), scale, offset })
    }

    /// The size at which the shorter side is `short`.
    fn shortest(&self, picture: &RgbImage, size: [u32; 2]) -> [u32; 2] {
        let short = self.short.unwrap_or_else(|| size[0].min(size[1]));
        let (width, height) = picture.dimensions();
        let longer = |side: u32| {
            let long = f64::from(short) * f64::from(side) / f64::from(width.min(height));
            (long as u32).clamp(1, MAX_SIDE)
        };
        [longer(width), longer(height)]
    }

    /// As classifiers are fed: the picture is scaled, then the middle is cut out.
    fn cut(&self, picture: &RgbImage, scaled: [u32; 2], size: [u32; 2]) -> (RgbImage, Placement) {
        let (width, height) = picture.dimensions();
        let resized = self.resized(picture, scaled);
        let start = |n: usize| (f64::from(scaled[n]) - f64::from(size[n])) / 2.0;
        let [left, top] = [start(0), start(1)].map(|start| match self.middle {
            Middle::Even => start.round_ties_even(),
            Middle::Lower => start.floor(),
        });
        let mut input = RgbImage::new(size[0], size[1]);
        imageops::replace(&mut input, &resized, -left as i64, -top as i64);
        let scale = [f64::from(scaled[0]) / f64::from(width), f64::from(scaled[1]) / f64::from(height)];
        (input, Placement { input: size.map(f64::from), scale, offset: [-left, -top] })
    }

    fn resized(&self, picture: &RgbImage, [width, height]: [u32; 2]) -> RgbImage {
        match self.filter {
            _ if picture.dimensions() == (width, height) => picture.clone(),
            Filter::Linear => resize::linear(picture, width, height),
            Filter::Tensorflow => resize::cut_off(picture, width, height),
            Filter::Bilinear => resize::smooth(picture, width, height, Kernel::Bilinear),
            Filter::Bicubic => resize::smooth(picture, width, height, Kernel::Bicubic),
            Filter::Lanczos => resize::smooth(picture, width, height, Kernel::Lanczos),
            Filter::Nearest => imageops::resize(picture, width, height, FilterType::Nearest),
        }
    }

    fn array<T>(&self, filled: &Filled<'_>, port: &Port, layout: Layout, to: impl Fn(f64) -> T) -> Result<ArrayD<T>> {
        let Filled { pixels, size: [width, height] } = *filled;
        let channels = self.colour.channels();
        let brightest = || f64::from(pixels.as_raw().iter().copied().max().unwrap_or(255).max(1));
        let scale = if self.brightest { brightest() } else { self.scale };
        let value = |x: usize, y: usize, channel: usize| {
            let Some(pixel) = pixels.get_pixel_checked(x as u32, y as u32) else { return to(0.0) };
            let [red, green, blue] = pixel.0.map(f64::from);
            let level = match (self.colour, channel) {
                (Colour::Grey, _) => (0.299 * red + 0.587 * green + 0.114 * blue).round(),
                (Colour::Rgb, 0) | (Colour::Bgr, 2) => red,
                (_, 1) => green,
                _ => blue,
            };
            to((level / scale - self.mean.of(channel)) / self.std.of(channel))
        };
        let rows = 0..height;
        let (mut shape, values): (Vec<usize>, Vec<T>) = match layout {
            Layout::Nchw => (
                vec![1, channels, height, width],
                (0..channels)
                    .flat_map(|c| (0..height).flat_map(move |y| (0..width).map(move |x| (x, y, c))))
                    .map(|(x, y, c)| value(x, y, c))
                    .collect(),
            ),
            Layout::Nhwc => (
                vec![1, height, width, channels],
                rows.flat_map(|y| (0..width).flat_map(move |x| (0..channels).map(move |c| (x, y, c))))
                    .map(|(x, y, c)| value(x, y, c))
                    .collect(),
            ),
        };
        if port.shape.len() == 3 {
            shape.remove(0);
        }
        ArrayD::from_shape_vec(IxDyn(&shape), values).map_err(|e| Error::internal("an input's size").with_source(e))
    }
}

/// Pixels at the top left of an input of this width and height; what they do not fill is 0.
struct Filled<'a> {
    pixels: &'a RgbImage,
    size: [usize; 2],
}

/// The size at which a picture just fits into another, with the rounding of segment_anything.
fn longest([width, height]: [u32; 2], size: [u32; 2]) -> [u32; 2] {
    let scale = (f64::from(size[0]) / f64::from(width)).min(f64::from(size[1]) / f64::from(height));
    let side = |side: u32, most: u32| ((f64::from(side) * scale + 0.5) as u32).clamp(1, most);
    [side(width, size[0]), side(height, size[1])]
}

/// The size at which the shorter side is `short`, or the longer one `long`, with the rounding of transformers.
fn within([width, height]: [u32; 2], short: u32, long: u32) -> [u32; 2] {
    let (least, most) = (f64::from(width.min(height)), f64::from(width.max(height)));
    let exact = f64::from(short);
    let exact = if most / least * exact > f64::from(long) { f64::from(long) * least / most } else { exact };
    let longer = ((exact * most / least) as u32).clamp(1, MAX_SIDE);
    let shorter = (exact.round_ties_even() as u32).clamp(1, MAX_SIDE);
    if width < height { [shorter, longer] } else { [longer, shorter] }
}

/// The order of a model's dimensions: channels are three or one.
fn layout_of(port: &Port) -> Layout {
    let few = |length: Option<&Option<usize>>| matches!(length, Some(Some(1 | 3)));
    if few(port.shape.last()) && !few(port.shape.iter().rev().nth(2)) { Layout::Nhwc } else { Layout::Nchw }
}

fn dtype_of(port: &Port) -> Result<Dtype> {
    Ok(match port.of.as_str() {
        "f32" | "" => Dtype::F32,
        "u8" => Dtype::U8,
        "i32" => Dtype::I32,
        "i64" => Dtype::I64,
        _ => return Err(ungivable(port)),
    })
}

/// Width and height that a model's file states.
fn size_of(port: &Port, layout: Layout) -> Option<[u32; 2]> {
    let from_end = |n: usize| -> Option<u32> { u32::try_from((*port.shape.iter().rev().nth(n)?)?).ok() };
    let (width, height) = match layout {
        Layout::Nchw => (from_end(0)?, from_end(1)?),
        Layout::Nhwc => (from_end(1)?, from_end(2)?),
    };
    let fits = |side: u32| (1..=MAX_SIDE).contains(&side);
    (fits(width) && fits(height)).then_some([width, height])
}
