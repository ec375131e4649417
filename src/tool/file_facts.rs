//! `file_facts`: what an image's file says about itself: format, size, camera, date, place.

mod exif;

use std::io::Cursor;

use async_trait::async_trait;
use image::{ExtendedColorType, ImageDecoder as _, ImageFormat, ImageReader};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{ImageRef, TypedTool};
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::image::Image;

/// Tells what the file of an image says about it.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileFacts;

/// The arguments of [`FileFacts`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileFactsArgs {
    /// the image as it was given, not cut out of another
    image: ImageRef,
}

#[async_trait]
impl TypedTool for FileFacts {
    const NAME: &'static str = "file_facts";
    const MAPS_OVER: Option<&'static str> = Some("image");
    type Args = FileFactsArgs;
    type Output = Json;

    async fn call(&self, cx: &Cx, args: FileFactsArgs) -> Result<Json> {
        let image = args.image.load(cx)?;
        let work = tokio::task::spawn_blocking(move || facts(&image));
        let ended = |e| Error::internal("reading a file's facts ended unexpectedly").with_source(e);
        cx.within(async { work.await.map_err(ended) }).await
    }
}

/// What `file_facts` returns.
///
/// `format`, `bytes`, `color` and the size as it is stored (`stored_width`, `stored_height`: an image can be stored
/// turned) are those of the file; `width` and `height` are those of the upright image. What EXIF tells (CIPA DC-008) is
/// `camera`, `lens`, `software`, `taken` (local time of the camera), `orientation`, `gps` (degrees, south and west
/// negative) and `exposure`; each is null where the file does not say, and whoever wrote the file could write anything.
/// An image that a tool made has no file: `made_by` says so, and all facts of a file are null.
pub fn facts(image: &Image) -> Json {
    let (file, made_by) = match image.file() {
        Some(file) => (file, "whoever made the file"),
        None => (&[][..], "a tool of this run, not a camera: it has no file of its own"),
    };
    let stored = Stored::of(file);
    let mut facts = json!({
        "made_by": made_by,
        "format": stored.as_ref().map(|stored| stored.format),
        "bytes": image.file().map(<[u8]>::len),
        "width": image.width(),
        "height": image.height(),
        "stored_width": stored.as_ref().map(|stored| stored.width),
        "stored_height": stored.as_ref().map(|stored| stored.height),
        "color": stored.map(|stored| stored.color),
    });
    if let (Some(facts), Json::Object(told)) = (facts.as_object_mut(), exif::facts(file)) {
        facts.extend(told);
    }
    facts
}

/// How the pixels are stored.
struct Stored {
    format: &'static str,
    width: u32,
    height: u32,
    color: String,
}

impl Stored {
    fn of(file: &[u8]) -> Option<Self> {
        let reader = ImageReader::new(Cursor::new(file)).with_guessed_format().ok()?;
        let format = reader.format()?;
        let decoder = reader.into_decoder().ok()?;
        let (width, height) = decoder.dimensions();
        Some(Self { format: name(format), width, height, color: color(decoder.original_color_type()) })
    }
}

fn name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Png => "PNG",
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Gif => "GIF",
        ImageFormat::WebP => "WebP",
        ImageFormat::Tiff => "TIFF",
        ImageFormat::Bmp => "BMP",
        _ => "another format",
    }
}

fn color(color: ExtendedColorType) -> String {
    let channels = match color.channel_count() {
        1 => "grey",
        2 => "grey with transparency",
        3 => "RGB",
        4 if color == ExtendedColorType::Cmyk8 => "CMYK",
        _ => "RGB with transparency",
    };
    format!("{channels}, {} bits a pixel", color.bits_per_pixel())
}
