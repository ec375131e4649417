//! Detection.

use lavr::eval::metric::Counts;
use lavr::eval::metric::detection::{self, Object, Scene, average_precision, corners, overlap};
use lavr::value::Region;

use super::{counts, list, near, number, read, reference};

type Sides = (Vec<Region>, Vec<Object>);

fn scenes(sides: &[Sides]) -> Vec<Scene<'_>> {
    sides.iter().map(|(found, truth)| Scene { found, truth }).collect()
}

fn region(label: &str, score: f64, bounds: [f64; 4]) -> Region {
    Region { label: label.to_owned(), score, bounds }
}

fn object(label: &str, bounds: [f64; 4]) -> Object {
    Object { label: label.to_owned(), bounds }
}

#[test]
fn average_precision_is_that_of_pycocotools() {
    for (n, corpus) in list(&reference("boxes")).iter().enumerate() {
        let sides: Vec<Sides> =
            list(&corpus["scenes"]).iter().map(|s| (read(&s["found"]), read(&s["truth"]))).collect();
        let given = average_precision(&scenes(&sides)).expect("there are objects");
        let expected: [f64; 3] = read(&corpus["ap"]);
        for (given, expected) in [given.mean, given.at_50, given.at_75].into_iter().zip(expected) {
            near(given, expected, &n);
        }
    }
}

#[test]
fn counts_are_those_of_pycocotools_matches() {
    let mut compared = 0;
    for corpus in list(&reference("boxes")) {
        let sides: Vec<Sides> =
            list(&corpus["scenes"]).iter().map(|s| (read(&s["found"]), read(&s["truth"]))).collect();
        for (name, iou) in [("0.5", 0.5), ("0.75", 0.75)] {
            if let Some(expected) = corpus["counts"].get(name) {
                let given: Counts = scenes(&sides).into_iter().map(|s| detection::counts(s, iou)).sum();
                assert_eq!(given, counts(read(expected)));
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 10);
}

#[test]
fn nothing_there_has_no_precision() {
    let found = [region("cat", 0.9, [0.0, 0.0, 1.0, 1.0])];
    assert_eq!(average_precision(&[]), None);
    assert_eq!(average_precision(&[Scene { found: &found, truth: &[] }]), None);
    let nothing = detection::counts(Scene { found: &[], truth: &[] }, 0.5);
    assert!(nothing.is_empty() && nothing.f1() == 0.0);
    assert_eq!(detection::counts(Scene { found: &found, truth: &[] }, 0.5), counts([0, 1, 0]));
    let truth = [object("cat", [0.0, 0.0, 1.0, 1.0])];
    let missed = average_precision(&[Scene { found: &[], truth: &truth }]).expect("there is an object");
    assert_eq!((missed.mean, missed.at_50), (0.0, 0.0));
}

#[test]
fn the_surer_find_takes_the_object() {
    let truth = [object("cat", [0.0, 0.0, 10.0, 10.0])];
    let found = [region("cat", 0.2, [0.0, 0.0, 10.0, 10.0]), region("cat", 0.9, [0.0, 0.0, 10.0, 6.0])];
    let scene = Scene { found: &found, truth: &truth };
    assert_eq!(detection::counts(scene, 0.5), counts([1, 1, 0]));
    // The surer one fits too badly here, so the other takes it.
    assert_eq!(detection::counts(scene, 0.7), counts([1, 1, 0]));
    let other = [region("dog", 0.9, [0.0, 0.0, 10.0, 10.0])];
    assert_eq!(detection::counts(Scene { found: &other, truth: &truth }, 0.5), counts([0, 1, 1]));
}

#[test]
fn boxes_without_area_overlap_nothing() {
    let (point, whole) = ([1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 2.0, 2.0]);
    assert_eq!([overlap(point, point), overlap(point, whole), overlap(whole, whole)], [0.0, 0.0, 1.0]);
    assert_eq!(overlap([2.0, 2.0, 0.0, 0.0], whole), 0.0);
    near(overlap([0.0, 0.0, 2.0, 1.0], [1.0, 0.0, 3.0, 1.0]), 1.0 / 3.0, &"a third");
}

#[test]
fn centres_become_corners_and_scale_away() {
    let (a, b) = ([0.389578, 0.416103, 0.0385937, 0.163146], [0.39, 0.42, 0.04, 0.16]);
    let share = overlap(corners(a, 1.0, 1.0), corners(b, 1.0, 1.0));
    near(overlap(corners(a, 640.0, 426.0), corners(b, 640.0, 426.0)), share, &"the unit does not matter");
    near(number(&serde_json::json!(corners([0.5, 0.5, 1.0, 1.0], 4.0, 2.0)[3])), 2.0, &"the bottom");
}
