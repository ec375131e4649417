//! Tasks as traces hold them, and back.

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{Mode, Task, latest};
use crate::budget::Budget;
use crate::chain::Chain;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::pointed::{Pointed, Spot};
use crate::style::Style;
use crate::value::{Blobs, image_of_record, record_of_image};

/// How a task is asked, besides its question and its images.
#[derive(Deserialize)]
#[serde(default)]
struct Settings {
    mode: Mode,
    guess: bool,
    chain: Chain,
    style: Style,
    budget: Budget,
    region: Option<Json>,
    earlier: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let Task { budget, mode, guess, chain, style, .. } = Task::new("", Vec::new());
        Self { mode, guess, chain, style, budget, region: None, earlier: Vec::new() }
    }
}

impl Task {
    /// How it is asked, besides its question and its images: what a trace holds, and [`Task::from_record`] reads.
    pub fn settings(&self) -> Json {
        let Self { mode, guess, chain, style, budget, earlier, .. } = self;
        let mut settings = json!({ "mode": mode, "guess": guess, "chain": chain, "style": style, "budget": budget });
        if let Some(region) = &self.region {
            settings["region"] = recorded(region);
        }
        if !earlier.is_empty() {
            settings["earlier"] = json!(latest(earlier));
        }
        settings
    }

    /// The images that a trace of it holds: its own, and a mask that the user points with.
    pub fn all_images(&self) -> Vec<&Image> {
        let mask = self.region.as_ref().and_then(|region| match &region.spot {
            Spot::Mask(picture) => Some(picture),
            _ => None,
        });
        self.images.iter().chain(mask).collect()
    }

    /// A task from what a trace tells of it: the question, its images, and its [`Task::settings`].
    ///
    /// # Errors
    /// `InvalidInput` naming what is none of it; those of `blobs`.
    pub fn from_record(question: &str, images: &[Json], settings: &Json, blobs: Blobs<'_>) -> Result<Self> {
        let faulty = |e| Error::invalid(format!("the settings of the task cannot be read: {e}"));
        let settings = match settings {
            Json::Null => Settings::default(),
            settings => Settings::deserialize(settings).map_err(faulty)?,
        };
        let Settings { mode, guess, chain, style, budget, region, earlier } = settings;
        Ok(Self {
            question: question.to_owned(),
            earlier,
            images: images.iter().map(|image| image_of_record(image, blobs)).collect::<Result<_>>()?,
            budget,
            mode,
            guess,
            chain,
            style,
            region: region.map(|region| pointed(&region, blobs)).transpose()?,
        })
    }
}

fn recorded(region: &Pointed) -> Json {
    let image = region.image;
    match &region.spot {
        Spot::Point { x, y } => json!({ "image": image, "point": [x, y] }),
        Spot::Box { x1, y1, x2, y2 } => json!({ "image": image, "box": [x1, y1, x2, y2] }),
        Spot::Mask(picture) => json!({ "image": image, "mask": record_of_image(picture) }),
    }
}

fn pointed(record: &Json, blobs: Blobs<'_>) -> Result<Pointed> {
    #[derive(Deserialize)]
    struct Place {
        image: usize,
        point: Option<[f64; 2]>,
        #[serde(rename = "box")]
        bounds: Option<[f64; 4]>,
        mask: Option<Json>,
    }
    let faulty = || Error::invalid("what the task points at cannot be read");
    let place = Place::deserialize(record).map_err(|e| faulty().with_source(e))?;
    let spot = match (place.point, place.bounds, place.mask) {
        (Some([x, y]), ..) => Spot::Point { x, y },
        (_, Some([x1, y1, x2, y2]), _) => Spot::Box { x1, y1, x2, y2 },
        (.., Some(mask)) => Spot::Mask(image_of_record(&mask, blobs)?),
        _ => return Err(faulty()),
    };
    Ok(Pointed { image: place.image, spot })
}
