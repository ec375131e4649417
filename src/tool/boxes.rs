//! Boxes that detectors find: dropping doubles, joining several looks.

/// Boxes of several looks are one thing when they overlap by more than this (intersection over union).
const FUSED_OVERLAP: f64 = 0.55;

/// A found thing: its class, and its box (left, top, right, bottom).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Detection {
    pub(crate) class: usize,
    pub(crate) score: f32,
    pub(crate) bounds: [f64; 4],
}

impl AsRef<Self> for Detection {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// What was found in a picture of this width, as if it had been found in its mirror image.
pub(crate) fn mirrored(found: Vec<Detection>, width: u32) -> Vec<Detection> {
    let width = f64::from(width);
    let mirrored = |d: Detection| {
        let [left, top, right, bottom] = d.bounds;
        Detection { bounds: [width - right, top, width - left, bottom], ..d }
    };
    found.into_iter().map(mirrored).collect()
}

/// Joins what was found in several looks at the same picture; best first.
///
/// Boxes of a class that overlap become one, whose sides and score are the means of theirs; what only one of two looks
/// found has half its score, and so on. Source: Solovyev et al., "Weighted boxes fusion" (2021).
pub(crate) fn fused(looks: Vec<Vec<Detection>>) -> Vec<Detection> {
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
pub(crate) fn without_doubles<T: AsRef<Detection>>(mut found: Vec<T>, limit: f64) -> Vec<T> {
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
pub(crate) fn averaged(mut found: Vec<Detection>, limit: f64) -> Vec<Detection> {
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

/// Intersection over union.
pub(crate) fn overlap(a: &[f64; 4], b: &[f64; 4]) -> f64 {
    let area = |r: &[f64; 4]| (r[2] - r[0]).max(0.0) * (r[3] - r[1]).max(0.0);
    let inner = area(&[a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let outer = area(a) + area(b) - inner;
    if outer > 0.0 { inner / outer } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OVERLAP: f64 = 0.5;

    fn detection() -> impl Strategy<Value = Detection> {
        (0..2usize, 0.0..1.0f32, 0.0..50.0f64, 0.0..50.0f64, 1.0..50.0f64, 1.0..50.0f64)
            .prop_map(|(class, score, x, y, w, h)| Detection { class, score, bounds: [x, y, x + w, y + h] })
    }

    proptest! {
        #[test]
        fn of_doubles_the_best_stays(found in proptest::collection::vec(detection(), 0..40)) {
            let kept = without_doubles(found.clone(), OVERLAP);
            prop_assert!(kept.windows(2).all(|w| w[0].score >= w[1].score));
            for one in &found {
                let covered = kept.iter().any(|k| {
                    k == one || (k.class == one.class && k.score >= one.score && overlap(&k.bounds, &one.bounds) > OVERLAP)
                });
                prop_assert!(covered);
            }
            for (i, a) in kept.iter().enumerate() {
                prop_assert!(kept[..i].iter().all(|b| a.class != b.class || overlap(&a.bounds, &b.bounds) <= OVERLAP));
            }
        }

        #[test]
        fn what_overlaps_is_averaged(found in proptest::collection::vec(detection(), 0..40)) {
            let kept = averaged(found.clone(), OVERLAP);
            prop_assert!(kept.windows(2).all(|w| w[0].score >= w[1].score));
            // No side lies outside those that it is the mean of, and the best score stays.
            for one in &kept {
                let of_class = || found.iter().filter(|d| d.class == one.class && d.score <= one.score);
                for side in 0..4 {
                    let least = of_class().map(|d| d.bounds[side]).fold(f64::INFINITY, f64::min);
                    let most = of_class().map(|d| d.bounds[side]).fold(f64::NEG_INFINITY, f64::max);
                    prop_assert!(least - 1e-6 <= one.bounds[side] && one.bounds[side] <= most + 1e-6);
                }
            }
            prop_assert_eq!(found.iter().map(|d| d.score).fold(0.0, f32::max), kept.first().map_or(0.0, |d| d.score));
        }

        #[test]
        fn two_same_looks_are_one(found in proptest::collection::vec(detection(), 0..20)) {
            let once = without_doubles(found, OVERLAP);
            let fused = fused(vec![once.clone(), once.clone()]);
            prop_assert_eq!(fused.len(), once.len());
            for (a, b) in fused.iter().zip(&once) {
                prop_assert!((a.score - b.score).abs() < 1e-5);
            }
            let alone = super::fused(vec![once.clone(), Vec::new()]);
            prop_assert!(alone.iter().zip(&once).all(|(a, b)| (a.score * 2.0 - b.score).abs() < 1e-5 && a.bounds == b.bounds));
        }

        #[test]
        fn a_box_joins_the_one_it_overlaps_most(shift in 0.0..20.0f64) {
            let at = |left: f64, score| Detection { class: 0, score, bounds: [left, 0.0, left + 100.0, 100.0] };
            // Two neighbours of one look, both of which the box of the other look overlaps; it is nearer to the second.
            let fused = fused(vec![vec![at(0.0, 0.9), at(50.0, 0.8)], vec![at(26.0 + shift, 0.7)]]);
            prop_assert_eq!(fused.len(), 2);
            let second = fused.iter().find(|d| d.bounds[0] > 25.0);
            prop_assert!(second.is_some_and(|d| (d.score - 0.75).abs() < 1e-5), "{:?}", fused);
        }

        #[test]
        fn mirrored_twice_is_the_same(found in proptest::collection::vec(detection(), 0..20)) {
            let twice = mirrored(mirrored(found.clone(), 64), 64);
            for (a, b) in twice.iter().zip(&found) {
                prop_assert!(a.bounds.iter().zip(b.bounds).all(|(a, b)| (a - b).abs() < 1e-9));
            }
        }
    }
}
