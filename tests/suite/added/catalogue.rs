//! The catalogue's experts that are manifests, against the Python packages that their weights come from.
//!
//! `tests/reference/catalogue_ref.py` wrote the reference down.

use std::path::{Path, PathBuf};

use lavr::tool::Args;
use lavr::value::{Mask, Value};
use serde_json::Value as Json;

use super::floats;
use crate::experts::{cx, described, evaluation, image, json, repository};

/// The pictures of the reference, those of photos only where there are any.
pub(super) fn pictures(reference: &Json) -> Vec<(PathBuf, Json)> {
    let of = |kind: &str, folder: &Path| -> Vec<(PathBuf, Json)> {
        let entries = reference[kind].as_object().unwrap();
        entries.iter().map(|(name, wanted)| (folder.join(name), wanted.clone())).collect()
    };
    let mut all = of("images", &repository("tests/images"));
    match evaluation("photos") {
        Some(photos) => all.extend(of("photos", &photos.join("images")).into_iter().filter(|(path, _)| path.is_file())),
        None => eprintln!("LAVR_EVAL_DATA has no photos: only the repository's own pictures are looked at"),
    }
    all
}

pub(super) fn reference(name: &str) -> Json {
    json(&repository("tests/reference/catalogue").join(format!("{name}.json")))
}

/// How sure a mask is of the middle of a pixel, of 255; nothing outside every mask.
fn level(masks: &[&Mask], x: u64, y: u64) -> f64 {
    masks.iter().map(|mask| mask.at(x as f64 + 0.5, y as f64 + 0.5) * 255.0).fold(0.0, f64::max)
}

#[tokio::test]
async fn the_subject_is_outlined_as_rembg_does() {
    let tool = described("segment_subject");
    let (mut worst, mut places, mut far) = (0.0_f64, 0, 0);
    for (path, wanted) in pictures(&reference("subject")) {
        let look = tool.tool.look(&cx(), &image(&path), &Args::new()).await.unwrap();
        let Value::List(items) = &look.value else { panic!("{look:?}") };
        let masks: Vec<&Mask> =
            items.iter().filter_map(|v| if let Value::Mask(m) = v { Some(m) } else { None }).collect();
        let (size, side) = (floats(&wanted["size"]), 24_u64);
        let (width, height) = (size[0] as u64, size[1] as u64);
        for (n, want) in floats(&wanted["places"]).into_iter().enumerate() {
            let (row, column) = (n as u64 / side, n as u64 % side);
            let (x, y) = ((2 * column + 1) * width / (2 * side), (2 * row + 1) * height / (2 * side));
            let got = level(&masks, x, y);
            places += 1;
            // What is less than half sure may lie outside the box around the rest.
            if got == 0.0 && want < 128.0 {
                continue;
            }
            worst = worst.max((got - want).abs());
            far += usize::from((got - want).abs() > 2.0);
        }
        let inside = wanted["inside"].as_f64().unwrap();
        let of_masks: f64 = masks.iter().map(|mask| f64::from(mask.pixels.width() * mask.pixels.height())).sum();
        assert!(inside <= of_masks + 1.0, "{}: {inside} in {of_masks}", path.display());
    }
    eprintln!("the worst of {places} places is off by {worst} of 255; {far} by more than 2");
    assert!(places >= 6 * 24 * 24 && worst <= 2.0 + 1e-6, "off by {worst} of 255, {far} by more than 2");
}

#[tokio::test]
async fn a_picture_is_as_safe_as_opennsfw_says() {
    let tool = described("nsfw_score");
    for (path, wanted) in pictures(&reference("nsfw")) {
        let look = tool.tool.look(&cx(), &image(&path), &Args::new()).await.unwrap();
        let Value::Labels(labels) = &look.value else { panic!("{look:?}") };
        for (name, want) in ["safe", "nsfw"].iter().zip(floats(&wanted)) {
            let got = labels.iter().find(|label| label.label == *name).unwrap().score;
            assert!((got - want).abs() < 1e-4, "{}: {name} {got} and {want}", path.display());
        }
    }
}
