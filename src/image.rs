//! Images: bounded decoding, EXIF orientation, and a content digest.

mod jpeg;

use std::fmt;
use std::fs::File;
use std::io::{Cursor, Read as _};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind, Result};

/// What an image file may cost to decode.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageLimits {
    /// Largest file, in bytes.
    pub max_bytes: u64,
    /// Most pixels (width times height).
    pub max_pixels: u64,
    /// Most memory a decoder may allocate, in bytes.
    pub max_alloc: u64,
}

impl Default for ImageLimits {
    fn default() -> Self {
        Self { max_bytes: 64 << 20, max_pixels: 64_000_000, max_alloc: 512 << 20 }
    }
}

/// Where an image's pixels lie in the image it was cut from.
///
/// All boxes and polygons in `lavr` are in pixels of the *root*, the
/// EXIF-oriented image the user gave. `root = origin + local / scale`.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Frame {
    /// Left edge in the root image, pixels.
    pub x: f64,
    /// Top edge in the root image, pixels.
    pub y: f64,
    /// Pixels of this image per pixel of the root.
    pub scale: f64,
}

impl Frame {
    /// The frame of a root image.
    pub const ROOT: Self = Self { x: 0.0, y: 0.0, scale: 1.0 };

    /// Maps a point of this image to the root image.
    pub fn to_root(self, x: f64, y: f64) -> (f64, f64) {
        (self.x + x / self.scale, self.y + y / self.scale)
    }

    /// Maps a point of the root image to this image.
    pub fn to_local(self, x: f64, y: f64) -> (f64, f64) {
        ((x - self.x) * self.scale, (y - self.y) * self.scale)
    }
}

/// An RGB image, cheap to clone.
///
/// Its digest is the SHA-256 of its encoded bytes: the file as it was given,
/// or the PNG encoding of pixels that a tool made.
#[derive(Clone)]
pub struct Image(Arc<Inner>);

struct Inner {
    pixels: RgbImage,
    frame: Frame,
    from_file: bool,
    encoded: OnceLock<Vec<u8>>,
    digest: OnceLock<String>,
}

impl Image {
    /// Reads and decodes a file: PNG, JPEG, WebP, GIF (first frame), BMP or TIFF.
    ///
    /// # Errors
    /// `NotFound` or `Io` when the file cannot be read, `InvalidInput` when it
    /// is empty, too large, of an unknown format, or damaged; the message names the file.
    pub fn open(path: impl AsRef<Path>, limits: &ImageLimits) -> Result<Self> {
        let path = path.as_ref();
        let place = || format!("image `{}`", path.display());
        let info = std::fs::metadata(path).map_err(|e| unreadable(e).context(place()))?;
        if info.is_dir() {
            return Err(Error::invalid("this is a folder, not an image file").context(place()));
        }
        if !info.is_file() {
            return Err(Error::invalid("this is not a regular file").context(place()));
        }
        if info.len() > limits.max_bytes {
            return Err(too_many_bytes(info.len(), limits).context(place()));
        }
        let bytes = read_within(path, limits).map_err(|e| unreadable(e).context(place()))?;
        Self::decode(bytes, limits).map_err(|e| e.context(place()))
    }

    /// Decodes the bytes of an image file within the limits and applies its EXIF orientation.
    ///
    /// Transparent pixels are laid over white.
    ///
    /// # Errors
    /// `InvalidInput`, saying which limit or which format is at fault.
    pub fn decode(bytes: Vec<u8>, limits: &ImageLimits) -> Result<Self> {
        if bytes.is_empty() {
            return Err(Error::invalid("the file is empty"));
        }
        if bytes.len() as u64 > limits.max_bytes {
            return Err(too_many_bytes(bytes.len() as u64, limits));
        }
        let (dynamic, orientation) = decode_within(&bytes, limits)?;
        let mut dynamic = dynamic;
        dynamic.apply_orientation(orientation);
        let pixels = over_white(dynamic);
        Ok(Self(Arc::new(Inner {
            pixels,
            frame: Frame::ROOT,
            from_file: true,
            encoded: OnceLock::from(bytes),
            digest: OnceLock::new(),
        })))
    }

    /// An image of a trace, from its bytes: as large as it is, since it was one before.
    ///
    /// # Errors
    /// `InvalidInput` when the bytes are no image.
    pub(crate) fn restored(bytes: Vec<u8>, frame: Frame) -> Result<Self> {
        let limits = ImageLimits { max_bytes: u64::MAX, max_pixels: u64::MAX, max_alloc: u64::MAX };
        let image = Self::decode(bytes, &limits)?;
        if frame == Frame::ROOT {
            return Ok(image);
        }
        let encoded = image.encoded().to_vec();
        let restored = Self::from_pixels(image.pixels().clone(), frame);
        // The pixels are those of the bytes, so that their name is theirs.
        let _ = restored.0.encoded.set(encoded);
        Ok(restored)
    }

    /// Wraps pixels that a tool made.
    pub fn from_pixels(pixels: RgbImage, frame: Frame) -> Self {
        Self(Arc::new(Inner { pixels, frame, from_file: false, encoded: OnceLock::new(), digest: OnceLock::new() }))
    }

    /// The pixels, row by row, 8-bit RGB, upright.
    pub fn pixels(&self) -> &RgbImage {
        &self.0.pixels
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.0.pixels.width()
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.0.pixels.height()
    }

    /// Where the pixels lie in the root image.
    pub fn frame(&self) -> Frame {
        self.0.frame
    }

    /// The encoded bytes: the original file, or a PNG.
    pub fn encoded(&self) -> &[u8] {
        self.0.encoded.get_or_init(|| {
            let mut out = Cursor::new(Vec::new());
            // Encoding to memory fails only for empty images; those keep an empty blob.
            let _ = self.0.pixels.write_to(&mut out, ImageFormat::Png);
            out.into_inner()
        })
    }

    /// The bytes of the file that the image was decoded from; none for pixels that a tool made.
    pub fn file(&self) -> Option<&[u8]> {
        self.0.from_file.then(|| self.encoded())
    }

    /// `sha256:` and the hex digest of [`Image::encoded`].
    pub fn digest(&self) -> &str {
        self.0.digest.get_or_init(|| format!("sha256:{}", hex::encode(Sha256::digest(self.encoded()))))
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({}x{})", self.width(), self.height())
    }
}

impl PartialEq for Image {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.0.frame == other.0.frame && self.0.pixels == other.0.pixels)
    }
}

fn unreadable(error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => Error::new(ErrorKind::NotFound, "there is no such file"),
        _ => Error::new(ErrorKind::Io, format!("it cannot be read: {error}")),
    }
    .with_source(error)
}

/// Reads a file up to one byte past the limit: pipes and devices do not say how long they are.
fn read_within(path: &Path, limits: &ImageLimits) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limits.max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn too_many_bytes(size: u64, limits: &ImageLimits) -> Error {
    Error::invalid(format!(
        "the file has {size} bytes, more than the limit of {}; scale it down or raise `max_bytes`",
        limits.max_bytes
    ))
}

fn decode_within(bytes: &[u8], limits: &ImageLimits) -> Result<(DynamicImage, Orientation)> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    let format = reader.format().filter(|f| supported(*f)).ok_or_else(|| {
        Error::invalid("the format is not one of PNG, JPEG, WebP, GIF, BMP, TIFF; convert it to PNG or JPEG")
    })?;
    let too_much = || Error::invalid("decoding it would need more memory than `max_alloc` allows; scale it down");
    let damaged = |e: image::ImageError| match e {
        image::ImageError::Limits(_) => too_much(),
        other => Error::invalid(format!("the {format:?} data is damaged or cut off: {other}")).with_source(other),
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut decode_limits = Limits::default();
    decode_limits.max_alloc = Some(limits.max_alloc);
    reader.limits(decode_limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > limits.max_pixels {
        return Err(Error::invalid(format!(
            "the image has {width}x{height} pixels, more than the limit of {}; scale it down or raise `max_pixels`",
            limits.max_pixels
        )));
    }
    if width == 0 || height == 0 {
        return Err(Error::invalid("the image has no pixels"));
    }
    if decoder.total_bytes() > limits.max_alloc {
        return Err(too_much());
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    if format == ImageFormat::Jpeg
        && let Some(pixels) = jpeg::decode(bytes)?
    {
        return Ok((pixels.into(), orientation));
    }
    Ok((DynamicImage::from_decoder(decoder).map_err(damaged)?, orientation))
}

fn supported(format: ImageFormat) -> bool {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    matches!(format, Png | Jpeg | WebP | Gif | Bmp | Tiff)
}

fn over_white(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let rgba = image.into_rgba8();
    RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
        let [r, g, b, a] = rgba.get_pixel(x, y).0;
        let blend = |c: u8| ((u32::from(c) * u32::from(a) + 255 * (255 - u32::from(a)) + 127) / 255) as u8;
        image::Rgb([blend(r), blend(g), blend(b)])
    })
}
