//! Cases: questions with their truth, one JSON object a line.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value as Json;

use super::metric::detection::{Object, corners};
use crate::error::{Error, ErrorKind, Result};
use crate::files::read_at_most;

/// Longest file of cases, in bytes.
const MAX_BYTES: u64 = 1 << 30;
/// Largest number of a box.
const MAX_NUMBER: f64 = 1e6;

/// A question with its truth, and what its metric needs besides.
///
/// Keys that no metric needs may stand in the line; they are ignored.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Case {
    /// The line it stands on, from 1.
    #[serde(skip)]
    pub line: usize,
    /// A name for it, where the data has one.
    #[serde(default)]
    pub id: Option<Json>,
    /// The image, seen from the file with the cases; `null` where a plan needs none.
    #[serde(default)]
    pub image: Option<PathBuf>,
    /// Several images, in place of `image`.
    #[serde(default)]
    pub images: Vec<PathBuf>,
    /// What is asked.
    pub question: String,
    /// The truth: a text, a number, a list of texts that are all right, or a plan.
    #[serde(default)]
    pub answer: Json,
    /// VQA: what each annotator answered.
    #[serde(default)]
    pub answer_gt: Vec<String>,
    /// Multiple choice: the options, in order.
    #[serde(default)]
    pub choices: Vec<String>,
    /// Receipts: which field is asked for.
    #[serde(default)]
    pub field: Option<String>,
    /// The objects that are there; possibly none of them.
    #[serde(default)]
    pub objects: Option<Vec<Thing>>,
    /// The lines of text that are there.
    #[serde(default)]
    pub lines: Vec<String>,
    /// Captions that people wrote.
    #[serde(default)]
    pub references: Vec<String>,
    /// The right plan, for `--oracle plan`.
    #[serde(default)]
    pub plan: Option<Json>,
}

/// An object, as data sets give it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Thing {
    /// Its class.
    pub label: String,
    /// Centre, width and height, in shares of the image.
    #[serde(default)]
    pub cxcywh: Option<[f64; 4]>,
    /// Left, top, right, bottom, in pixels.
    #[serde(default, rename = "box")]
    pub bounds: Option<[f64; 4]>,
}

impl Case {
    /// Reads the cases of a file.
    ///
    /// # Errors
    /// `NotFound` or `Io` when it cannot be read; `InvalidInput` naming the line that is no case, or when
    /// there is none at all.
    pub fn read(file: &Path) -> Result<Vec<Self>> {
        let bytes = read_at_most(file, MAX_BYTES).map_err(|e| {
            let kind = if e.kind() == std::io::ErrorKind::NotFound { ErrorKind::NotFound } else { ErrorKind::Io };
            Error::new(kind, format!("cases `{}` cannot be read: {e}", file.display())).with_source(e)
        })?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Error::invalid(format!("cases `{}`: this is no UTF-8 text", file.display())))?;
        let text = text.trim_start_matches('\u{feff}');
        let folder = file.parent().unwrap_or(Path::new(""));
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let cases: Vec<Self> = lines
            .map(|(n, line)| {
                let place = || format!("cases `{}`, line {}", file.display(), n + 1);
                Self::parse(line, n + 1, folder).map_err(|e| e.context(place()))
            })
            .collect::<Result<_>>()?;
        if cases.is_empty() {
            return Err(Error::invalid(format!(
                "cases `{}`: there is none; write one JSON object a line",
                file.display()
            )));
        }
        Ok(cases)
    }

    /// Reads one line; images are looked for in `folder`.
    ///
    /// # Errors
    /// `InvalidInput`, saying what is wrong.
    pub fn parse(line: &str, number: usize, folder: &Path) -> Result<Self> {
        let mut case: Self =
            serde_json::from_str(line).map_err(|e| Error::invalid(format!("this is no case: {e}")).with_source(e))?;
        case.line = number;
        if case.question.trim().is_empty() {
            return Err(Error::invalid("`question` is empty"));
        }
        if let Some(thing) = case.things().iter().find(|thing| !thing.is_placed()) {
            let label = &thing.label;
            return Err(Error::invalid(format!(
                "the object `{label}` has neither a `cxcywh` nor a `box` of four numbers"
            )));
        }
        if case.images.is_empty() {
            case.images.extend(case.image.clone());
        }
        for image in &mut case.images {
            *image = folder.join(&*image);
        }
        Ok(case)
    }

    /// The image or images as the file names them.
    pub fn shown_image(&self) -> Json {
        match (&self.image, self.images.as_slice()) {
            (Some(image), _) => Json::String(image.to_string_lossy().into_owned()),
            (None, []) => Json::Null,
            (None, images) => images.iter().map(|i| i.to_string_lossy().into_owned()).collect(),
        }
    }

    /// The texts that are right.
    pub fn truths(&self) -> Vec<String> {
        match &self.answer {
            Json::Array(items) => items.iter().map(as_text).collect(),
            Json::Null => Vec::new(),
            other => vec![as_text(other)],
        }
    }

    /// The objects, in the pixels of an image of this size.
    pub fn objects(&self, width: f64, height: f64) -> Vec<Object> {
        let object = |thing: &Thing| {
            let bounds = thing.bounds.or_else(|| Some(corners(thing.cxcywh?, width, height)))?;
            Some(Object { label: thing.label.clone(), bounds })
        };
        self.things().iter().filter_map(object).collect()
    }

    /// The objects that are there, as the file gives them.
    pub fn things(&self) -> &[Thing] {
        self.objects.as_deref().unwrap_or_default()
    }
}

impl Thing {
    /// Whether it has a place, in numbers that can be reckoned with.
    fn is_placed(&self) -> bool {
        let numbers = self.bounds.or(self.cxcywh);
        numbers.is_some_and(|numbers| numbers.iter().all(|n| n.abs() <= MAX_NUMBER))
    }
}

/// A text as it is, anything else as JSON.
pub(super) fn as_text(json: &Json) -> String {
    json.as_str().map_or_else(|| json.to_string(), str::to_owned)
}
