//! Views: recorded runs as one HTML page that stands alone.
//!
//! The page asks no network for anything and runs no script but its own, which its content security policy names by
//! their digest: what a trace says goes in as data, and is shown as text.

mod mermaid;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::ImageFormat;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::image::{Frame, Image, ImageLimits};
use crate::trace::{self, BlobFolder, RawEntry, Source};

pub use mermaid::mermaid;

const PAGE: &str = include_str!("view/page.html");
pub(crate) const STYLE: &str = include_str!("view/style.css");
/// What shows one run, in parts that each need those before them.
pub(crate) const PARTS: [&str; 13] = [
    include_str!("view/dom.js"),
    include_str!("view/theme.js"),
    include_str!("view/value.js"),
    include_str!("view/run.js"),
    include_str!("view/thumb.js"),
    include_str!("view/graph.js"),
    include_str!("view/picture.js"),
    include_str!("view/timeline.js"),
    include_str!("view/detail.js"),
    include_str!("view/steps.js"),
    include_str!("view/course.js"),
    include_str!("view/answer.js"),
    include_str!("view/viewer.js"),
];
/// What makes a page that stands alone of them.
const ALONE: [&str; 2] = [include_str!("view/compare.js"), include_str!("view/page.js")];

/// A run as its trace tells it, with the images that lie beside it.
#[derive(Debug, Clone, Serialize)]
pub struct Recorded {
    name: String,
    entries: Vec<RawEntry>,
    pictures: BTreeMap<String, Picture>,
    #[serde(skip)]
    missing: usize,
}

/// An image as a page holds it.
#[derive(Debug, Clone, Serialize)]
struct Picture {
    url: String,
    width: u32,
    height: u32,
}

impl Recorded {
    /// Reads a trace, of this version or another, and the images in `FILE.blobs` that it mentions.
    ///
    /// An image that is not there, is larger than the default [`ImageLimits`], or does not have the digest that it is
    /// named by, is left out; the page says so in its place.
    ///
    /// # Errors
    /// Those of [`trace::read_raw`], and `InvalidInput` when nothing happened in it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let entries = trace::read_raw(path)?;
        if entries.is_empty() {
            let why = "no run began in it; give a file that `lavr ask --trace` wrote";
            return Err(Error::invalid(why).context(format!("trace `{}`", path.display())));
        }
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Ok(Self::new(name, entries, &BlobFolder::beside(path)))
    }

    /// A run of this name, from its entries; images come from `source`.
    pub fn new(name: String, entries: Vec<RawEntry>, source: &dyn Source) -> Self {
        let (pictures, missing) = pictures(&entries, source);
        Self { name, entries, pictures, missing }
    }

    /// What happened.
    pub fn entries(&self) -> &[RawEntry] {
        &self.entries
    }

    /// How many of the images that the trace mentions are left out.
    pub fn missing(&self) -> usize {
        self.missing
    }
}

impl Picture {
    fn open(source: &dyn Source, digest: &str) -> Option<Self> {
        let picture = Image::decode(source.blob(digest).ok()?, &ImageLimits::default()).ok()?;
        if picture.digest() != digest {
            return None;
        }
        let (width, height) = (picture.width(), picture.height());
        let (picture, format) = match image::guess_format(picture.encoded()).ok()? {
            // Browsers do not show it.
            ImageFormat::Tiff => (Image::from_pixels(picture.pixels().clone(), Frame::ROOT), ImageFormat::Png),
            format => (picture, format),
        };
        let url = format!("data:{};base64,{}", format.to_mime_type(), STANDARD.encode(picture.encoded()));
        Some(Self { url, width, height })
    }
}

/// The images that a trace mentions, by their digests, and how many of them are not there.
fn pictures(entries: &[RawEntry], source: &dyn Source) -> (BTreeMap<String, Picture>, usize) {
    let named: BTreeSet<&str> =
        entries.iter().flat_map(|entry| entry.rest.values()).flat_map(trace::blobs_in).collect();
    let picture = |digest: &&str| Some(((*digest).to_owned(), Picture::open(source, digest)?));
    let pictures: BTreeMap<String, Picture> = named.iter().filter_map(picture).collect();
    let missing = named.len() - pictures.len();
    (pictures, missing)
}

/// A page that shows one run, or the first two beside one another with what differs between them.
pub fn page(runs: &[Recorded]) -> String {
    // A browser reads line ends as `\n`, and takes its digests of that.
    let (style, script) = (STYLE.replace('\r', ""), [&PARTS[..], &ALONE[..]].concat().join("\n").replace('\r', ""));
    let policy = format!(
        "default-src 'none'; img-src data:; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        digest(&style),
        digest(&script),
    );
    let page = PAGE.replace("{{policy}}", &policy).replace("{{style}}", &style).replace("{{script}}", &script);
    // What traces say comes last, so that nothing in it is taken for a place to fill.
    page.replace("{{runs}}", &inert(&json!(runs).to_string()))
}

/// The digest of a script or a style, as a policy names it.
pub(crate) fn digest(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

/// The same JSON without what could end the element that it stands in, or begin another.
fn inert(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => safe.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => safe.push(c),
        }
    }
    safe
}
