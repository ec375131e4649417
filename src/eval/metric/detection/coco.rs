//! The average precision of COCO.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Class, Scene, classes, falling};

/// Finds beyond the best so many of a class in an image do not count.
const MAX_FINDS: usize = 100;

/// Average precision, each 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AveragePrecision {
    /// The mean over the overlaps 0.5, 0.55 ... 0.95: mAP@[.5:.95].
    pub mean: f64,
    /// At the overlap 0.5.
    pub at_50: f64,
    /// At the overlap 0.75.
    pub at_75: f64,
}

/// The average precision over all classes that are there, as pycocotools computes it for boxes.
///
/// Lin et al., "Microsoft COCO" (ECCV 2014) and `cocoeval.py`: per class and overlap the finds of all images
/// by falling score, precision made monotone and read off at 101 recalls, at most 100 finds of a class in an image,
/// objects of all areas, no crowds. Classes that are nowhere there do not count; nothing without any object.
pub fn average_precision(scenes: &[Scene<'_>]) -> Option<AveragePrecision> {
    let mut by_label: BTreeMap<&str, Vec<Class>> = BTreeMap::new();
    for scene in scenes {
        for (label, class) in classes(*scene, MAX_FINDS) {
            by_label.entry(label).or_default().push(class);
        }
    }
    let there = by_label.into_values().filter(|images| images.iter().any(|class| class.objects > 0));
    let precisions: Vec<[f64; 10]> = there.map(|images| thresholds().map(|iou| precision_at(&images, iou))).collect();
    let mean = |n: usize| precisions.iter().map(|p| p[n]).sum::<f64>() / precisions.len() as f64;
    let all: [f64; 10] = std::array::from_fn(mean);
    let [at_50, _, _, _, _, at_75, ..] = all;
    (!precisions.is_empty()).then(|| AveragePrecision { mean: all.iter().sum::<f64>() / 10.0, at_50, at_75 })
}

/// The overlaps, to the last bit those of `numpy.linspace(0.5, 0.95, 10)`.
fn thresholds() -> [f64; 10] {
    std::array::from_fn(|n| if n == 9 { 0.95 } else { 0.5 + n as f64 * ((0.95 - 0.5) / 9.0) })
}

fn precision_at(images: &[Class], iou: f64) -> f64 {
    let objects: usize = images.iter().map(|class| class.objects).sum();
    let mut finds: Vec<(f64, bool)> =
        images.iter().flat_map(|class| class.scores.iter().copied().zip(class.hits(iou))).collect();
    finds.sort_by(|a, b| falling(a.0, b.0));
    let mut hits = 0;
    let mut curve: Vec<(f64, f64)> = Vec::with_capacity(finds.len());
    for (n, (_, hit)) in finds.iter().enumerate() {
        hits += usize::from(*hit);
        curve.push((hits as f64 / objects as f64, hits as f64 / (n + 1) as f64));
    }
    let mut best = 0.0;
    for (_, precision) in curve.iter_mut().rev() {
        best = f64::max(best, *precision);
        *precision = best;
    }
    let read_off = |n: usize| {
        let at = curve.partition_point(|(recall, _)| *recall < n as f64 * 0.01);
        curve.get(at).map_or(0.0, |(_, precision)| *precision)
    };
    (0..=100).map(read_off).sum::<f64>() / 101.0
}
