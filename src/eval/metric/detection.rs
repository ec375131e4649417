//! Detection: F1 at one overlap, and the average precision of COCO.
//!
//! Boxes are left, top, right, bottom in any unit, the same for finds and truth; an image's root pixels
//! where [`Region`]s are compared. Data sets that give centre, width and height as shares of the image come
//! in through [`corners`].

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Counts;
use crate::value::Region;

mod coco;

pub use coco::{AveragePrecision, average_precision};

/// A thing that is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// Its class.
    pub label: String,
    /// Left, top, right, bottom.
    #[serde(rename = "box")]
    pub bounds: [f64; 4],
}

/// An image's finds and what is there.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// What was found.
    pub found: &'a [Region],
    /// What is there.
    pub truth: &'a [Object],
}

/// Left, top, right, bottom of a box given by centre, width and height in shares of an image of this size.
///
/// ```
/// assert_eq!(lavr::eval::metric::detection::corners([0.5, 0.5, 0.5, 0.25], 200.0, 100.0), [50.0, 37.5, 150.0, 62.5]);
/// ```
pub fn corners([x, y, w, h]: [f64; 4], width: f64, height: f64) -> [f64; 4] {
    [(x - w / 2.0) * width, (y - h / 2.0) * height, (x + w / 2.0) * width, (y + h / 2.0) * height]
}

/// Intersection over union of two boxes, 0 to 1.
pub fn overlap(a: [f64; 4], b: [f64; 4]) -> f64 {
    let area = |[left, top, right, bottom]: [f64; 4]| (right - left).max(0.0) * (bottom - top).max(0.0);
    let shared = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let union = area(a) + area(b) - shared;
    if shared > 0.0 && union > 0.0 { shared / union } else { 0.0 }
}

/// Matches the finds of an image with its objects, class by class.
///
/// The finds take their turn by falling score; each takes the free object of its class that it overlaps most,
/// when that is at least `iou` (0 to 1). F1 of a corpus is that of the summed counts.
///
/// ```
/// use lavr::eval::metric::detection::{Object, Scene, counts};
/// use lavr::value::Region;
///
/// let found = [Region { label: "cat".into(), score: 0.9, bounds: [0.0, 0.0, 10.0, 10.0] }];
/// let truth = [Object { label: "cat".into(), bounds: [0.0, 0.0, 10.0, 8.0] }];
/// assert_eq!(counts(Scene { found: &found, truth: &truth }, 0.5).f1(), 1.0);
/// ```
pub fn counts(scene: Scene<'_>, iou: f64) -> Counts {
    let of_class = |class: Class| {
        let hits = class.hits(iou).into_iter().filter(|hit| *hit).count();
        Counts { hits, wrong: class.scores.len() - hits, missed: class.objects - hits }
    };
    classes(scene, usize::MAX).into_values().map(of_class).sum()
}

/// One class in one image.
struct Class {
    /// The scores of the finds, falling.
    scores: Vec<f64>,
    /// How many objects there are.
    objects: usize,
    /// The overlap of every find with every object.
    overlaps: Vec<Vec<f64>>,
}

/// The classes that were found or are there, with at most so many finds each.
fn classes(scene: Scene<'_>, limit: usize) -> BTreeMap<&str, Class> {
    let mut sides: BTreeMap<&str, (Vec<&Region>, Vec<&Object>)> = BTreeMap::new();
    for region in scene.found {
        sides.entry(&region.label).or_default().0.push(region);
    }
    for object in scene.truth {
        sides.entry(&object.label).or_default().1.push(object);
    }
    sides.into_iter().map(|(label, (found, truth))| (label, Class::new(found, &truth, limit))).collect()
}

impl Class {
    fn new(mut found: Vec<&Region>, truth: &[&Object], limit: usize) -> Self {
        found.sort_by(|a, b| falling(a.score, b.score));
        found.truncate(limit);
        let overlaps = found.iter().map(|f| truth.iter().map(|t| overlap(f.bounds, t.bounds)).collect()).collect();
        Self { scores: found.iter().map(|f| f.score).collect(), objects: truth.len(), overlaps }
    }

    /// Which finds take an object. Of objects that overlap equally the last is taken, as in pycocotools.
    fn hits(&self, iou: f64) -> Vec<bool> {
        let mut free = vec![true; self.objects];
        let mut take = |overlaps: &Vec<f64>| {
            let open = overlaps.iter().enumerate().filter(|(n, o)| free.get(*n) == Some(&true) && **o >= iou);
            let best = open.max_by(|a, b| a.1.total_cmp(b.1)).map(|(n, _)| n);
            best.and_then(|n| free.get_mut(n)).map(|free| *free = false).is_some()
        };
        self.overlaps.iter().map(&mut take).collect()
    }
}

/// The higher score first.
fn falling(a: f64, b: f64) -> Ordering {
    b.total_cmp(&a)
}
