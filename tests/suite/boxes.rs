//! Boxes that detectors find, doubles dropped and looks joined.

use lavr::tool::boxes::{Detection, averaged, fused, mirrored, overlap, without_doubles};
use proptest::prelude::*;

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
        let both = fused(vec![once.clone(), once.clone()]);
        prop_assert_eq!(both.len(), once.len());
        for (a, b) in both.iter().zip(&once) {
            prop_assert!((a.score - b.score).abs() < 1e-5);
        }
        let alone = fused(vec![once.clone(), Vec::new()]);
        let half = |(a, b): (&Detection, &Detection)| (a.score * 2.0 - b.score).abs() < 1e-5 && a.bounds == b.bounds;
        prop_assert!(alone.iter().zip(&once).all(half));
    }

    #[test]
    fn a_box_joins_the_one_it_overlaps_most(shift in 0.0..20.0f64) {
        let at = |left: f64, score| Detection { class: 0, score, bounds: [left, 0.0, left + 100.0, 100.0] };
        // Two neighbours of one look, both of which the box of the other look overlaps; it is nearer to the second.
        let joined = fused(vec![vec![at(0.0, 0.9), at(50.0, 0.8)], vec![at(26.0 + shift, 0.7)]]);
        prop_assert_eq!(joined.len(), 2);
        let second = joined.iter().find(|d| d.bounds[0] > 25.0);
        prop_assert!(second.is_some_and(|d| (d.score - 0.75).abs() < 1e-5), "{:?}", joined);
    }

    #[test]
    fn mirrored_twice_is_the_same(found in proptest::collection::vec(detection(), 0..20)) {
        let twice = mirrored(mirrored(found.clone(), 64), 64);
        for (a, b) in twice.iter().zip(&found) {
            prop_assert!(a.bounds.iter().zip(b.bounds).all(|(a, b)| (a - b).abs() < 1e-9));
        }
    }
}
