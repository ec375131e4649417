//! Experts that are manifests alone, compiled in: off until they are switched on, or offered once their files are there.

use std::path::Path;
use std::sync::Arc;

use super::{Added, Manifest};
use crate::error::Result;
use crate::runner::OrtRuntime;
use crate::store::{Artefact, Progress, Store, for_platform};

macro_rules! manifests {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tools/", $name)))),+]
    };
}

/// Their files' names and texts.
static MANIFESTS: [(&str, &str); 17] = manifests![
    "segment_subject.toml",
    "page_orientation.toml",
    "page_layout.toml",
    "nsfw_score.toml",
    "classify_image.toml",
    "detect_faces.toml",
    "estimate_pose.toml",
    "guess_age.toml",
    "guess_gender.toml",
    "guess_emotion.toml",
    "caption.toml",
    "match_words.toml",
    "detect_objects_dfine.toml",
    "estimate_depth.toml",
    "read_handwriting.toml",
    "segment_at.toml",
    "find_things.toml",
];

/// The experts; their models are loaded, and fetched where they have to be, when they are first used.
///
/// # Errors
/// `InvalidInput` when a manifest is faulty, which a test rules out.
pub(super) fn experts(runtime: &OrtRuntime, store: &Store, progress: &Arc<dyn Progress>) -> Result<Vec<Added>> {
    let read = |(name, text): &(&str, &str)| Added::of(text, Path::new(name), runtime, store, progress);
    MANIFESTS.iter().map(read).collect()
}

/// Their names.
///
/// # Errors
/// As [`experts`].
pub(super) fn names() -> Result<Vec<String>> {
    MANIFESTS.iter().map(|(_, text)| Manifest::parse(text).map(|manifest| manifest.name)).collect()
}

/// The files that they need on this platform, each with the tool that uses it.
///
/// # Errors
/// As [`experts`].
pub(super) fn artefacts() -> Result<Vec<(Artefact, Vec<String>)>> {
    let mut all = Vec::new();
    for (_, text) in MANIFESTS {
        let Manifest { name, artefacts, .. } = Manifest::parse(text)?;
        all.extend(for_platform(artefacts).into_iter().map(|artefact| (artefact, vec![name.clone()])));
    }
    Ok(all)
}
