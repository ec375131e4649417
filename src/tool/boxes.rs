//! Boxes that detectors find: dropping doubles, joining several looks.
//!
//! What a detector of one's own needs after its model has run. Boxes may be in any unit, all of them in the same one.
//!
//! ```
//! use lavr::tool::boxes::{Detection, without_doubles};
//!
//! let at = |left: f64, score| Detection { class: 0, score, bounds: [left, 0.0, left + 10.0, 10.0] };
//! assert_eq!(without_doubles(vec![at(1.0, 0.6), at(0.0, 0.9), at(30.0, 0.5)], 0.5), [at(0.0, 0.9), at(30.0, 0.5)]);
//! ```

/// Boxes of several looks are one thing when they overlap by more than this (intersection over union).
const FUSED_OVERLAP: f64 = 0.55;

/// A found thing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Which of the detector's classes it is of.
    pub class: usize,
    /// How sure the detector is, usually 0 to 1.
    pub score: f32,
    /// Left, top, right and bottom.
    pub bounds: [f64; 4],
}

impl AsRef<Self> for Detection {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// What was found in a picture of this width, as if it had been found in its mirror image; boxes are in pixels.
pub fn mirrored(found: Vec<Detection>, width: u32) -> Vec<Detection> {
    let width = f64::from(width);
    let mirrored = |d: Detection| {
        let [left, top, right, bottom] = d.bounds;
        Detection { bounds: [width - right, top, width - left, bottom], ..d }
    };
    found.into_iter().map(mirrored).collect()
}

/// Joins what was found in several looks at the same picture; best first.
///
/// Boxes of a class that overlap by more than 0.55 (intersection over union) become one, whose sides and score are the
/// means of theirs; what only one of two looks found has half its score, and so on. Source: Solovyev et al., "Weighted
/// boxes fusion" (2021).
pub fn fused(looks: Vec<Vec<Detection>>) -> Vec<Detection> {
    let count = looks.len() as f32;
    let mut found: Vec<Detection> = looks.into_iter().flatten().collect();
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut clusters: Vec<Cluster> = Vec::new();
    for detection in found {
        let same_class = clusters.iter_mut().filter(|c| c.mean.class == detection.class);
        let nearest = same_class
            .map(|c| (overlap(&c.mean.bounds, &detection.bounds), c))
            .filter(|(overlap, _)| *overlap > FUSED_OVERLAP)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        match nearest {
            Some((_, cluster)) => cluster.add(&detection),
            None => clusters.push(Cluster { weight: detection.score, boxes: 1, mean: detection }),
        }
    }
    let scored = |c: Cluster| {
        let boxes = c.boxes as f32;
        Detection { score: c.weight / boxes * boxes.min(count) / count, ..c.mean }
    };
    let mut fused: Vec<Detection> = clusters.into_iter().map(scored).collect();
    fused.sort_by(|a, b| b.score.total_cmp(&a.score));
    fused
}

/// Boxes that are one thing.
struct Cluster {
    /// The sum of the scores.
    weight: f32,
    boxes: usize,
    mean: Detection,
}

impl Cluster {
    fn add(&mut self, detection: &Detection) {
        let (old, new) = (f64::from(self.weight), f64::from(detection.score));
        for (mean, side) in self.mean.bounds.iter_mut().zip(detection.bounds) {
            *mean = (*mean * old + side * new) / (old + new).max(f64::MIN_POSITIVE);
        }
        self.weight += detection.score;
        self.boxes += 1;
    }
}

/// Non-maximum suppression by class, best score first: a box is dropped when it overlaps a better one of its class by
/// more than `limit` (intersection over union).
pub fn without_doubles<T: AsRef<Detection>>(mut found: Vec<T>, limit: f64) -> Vec<T> {
    found.sort_by(|a, b| b.as_ref().score.total_cmp(&a.as_ref().score));
    let mut kept: Vec<T> = Vec::new();
    for one in found {
        let new = one.as_ref();
        let rivals = kept.iter().map(AsRef::as_ref).filter(|known| known.class == new.class);
        if rivals.into_iter().all(|known| overlap(&known.bounds, &new.bounds) <= limit) {
            kept.push(one);
        }
    }
    kept
}

/// Weighted non-maximum suppression, best score first: the best box and those of its class that overlap it by more than
/// `limit` become one, whose sides are the means of theirs by their scores, and whose score is the best.
///
/// Source: Bazarevsky et al., "BlazeFace" (2019), section 4.3, as MediaPipe does it.
pub fn averaged(mut found: Vec<Detection>, limit: f64) -> Vec<Detection> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept = Vec::new();
    while let Some((best, others)) = found.split_first() {
        let is_same = |d: &&Detection| d.class == best.class && overlap(&d.bounds, &best.bounds) > limit;
        let (same, rest): (Vec<&Detection>, Vec<&Detection>) = others.iter().partition(is_same);
        let mut mean = Cluster { weight: best.score, boxes: 1, mean: *best };
        same.into_iter().for_each(|d| mean.add(d));
        kept.push(mean.mean);
        found = rest.into_iter().copied().collect();
    }
    kept
}

/// Intersection over union of two boxes (left, top, right, bottom), 0 to 1; 0 where neither has an area.
pub fn overlap(a: &[f64; 4], b: &[f64; 4]) -> f64 {
    let area = |r: &[f64; 4]| (r[2] - r[0]).max(0.0) * (r[3] - r[1]).max(0.0);
    let inner = area(&[a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let outer = area(a) + area(b) - inner;
    if outer > 0.0 { inner / outer } else { 0.0 }
}
