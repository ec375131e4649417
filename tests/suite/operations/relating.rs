//! `relate`, and `filter` keeping one.

use proptest::prelude::*;

use super::{call, line, list, region, text};
use lavr::tool::Item;
use lavr::tool::relate::{Relation, relate};
use lavr::value::{Region, Value};

/// A street: a small and a large car, a dog between them, a bird over the large car, a person at its wheel.
fn street() -> Vec<Region> {
    vec![
        region("car", 0.9, [10.0, 60.0, 50.0, 80.0]),
        region("dog", 0.8, [60.0, 70.0, 70.0, 80.0]),
        region("car", 0.7, [75.0, 40.0, 155.0, 80.0]),
        region("bird", 0.6, [100.0, 5.0, 110.0, 12.0]),
        region("person", 0.5, [90.0, 45.0, 105.0, 65.0]),
    ]
}

fn related(items: &[Region], relation: &str, to: Value) -> Vec<Region> {
    let items = list(items, Value::Region);
    regions(call("relate", [("items", items), ("relation", text(relation)), ("to", to)]).unwrap())
}

fn kept(items: &[Region], keep: &str) -> Vec<Region> {
    regions(call("filter", [("items", list(items, Value::Region)), ("keep", text(keep))]).unwrap())
}

fn regions(value: Value) -> Vec<Region> {
    let Value::List(items) = value else { panic!("{value:?}") };
    items.into_iter().map(|v| if let Value::Region(r) = v { r } else { panic!("{v:?}") }).collect()
}

fn names(regions: &[Region]) -> Vec<&str> {
    regions.iter().map(|r| r.label.as_str()).collect()
}

#[test]
fn things_lie_left_right_above_below_inside_and_over() {
    let all = street();
    let large = || Value::Region(street()[2].clone());
    for (relation, expected) in [
        ("left_of", vec!["dog", "car"]),
        ("right_of", vec![]),
        ("above", vec!["bird"]),
        ("below", vec![]),
        ("inside", vec!["person"]),
        ("overlaps", vec!["person"]),
        ("nearest", vec!["person"]),
    ] {
        assert_eq!(names(&related(&all, relation, large())), expected, "{relation}");
    }
    // Nearest first: the large car begins 5 pixels from the dog.
    let dog = list(&all[1..2], Value::Region);
    let right = related(&all, "right_of", dog.clone());
    assert_eq!(names(&right), ["car", "person", "bird"]);
    assert_eq!(right[0], all[2]);
    assert_eq!(related(&all, "nearest", dog), [all[2].clone()]);
}

#[test]
fn an_item_is_not_related_to_itself() {
    let all = street();
    let largest = kept(&all, "largest");
    assert_eq!(largest, [all[2].clone()]);
    assert!(!related(&all, "inside", list(&largest, Value::Region)).contains(&all[2]));
    assert!(!related(&all, "overlaps", list(&all, Value::Region)).contains(&all[1]));
    // Each of a pair may be related to the other.
    assert_eq!(related(&all[..2], "nearest", list(&all[..2], Value::Region)), all[..2]);
    assert!(related(&all[..1], "nearest", list(&all[..1], Value::Region)).is_empty());
}

#[test]
fn a_list_to_relate_to_means_any_of_it_and_nothing_means_nothing() {
    let all = street();
    let ends = list(&[all[0].clone(), all[2].clone()], Value::Region);
    assert_eq!(names(&related(&all, "left_of", ends.clone())), ["dog", "car"]);
    assert_eq!(names(&related(&all[1..2], "nearest", ends)), ["dog"], "the nearest of both, once");
    assert!(related(&all, "left_of", Value::List(Vec::new())).is_empty());
    assert!(related(&[], "nearest", Value::Region(all[0].clone())).is_empty());
}

#[test]
fn lines_stay_lines_and_can_be_related_to_regions() {
    let lines = list(&[line("EXIT", 0.0, 0.0), line("PUSH", 0.0, 100.0)], Value::Line);
    let door = Value::Region(region("door", 1.0, [0.0, 40.0, 40.0, 90.0]));
    let args = [("items", lines), ("relation", text("above")), ("to", door)];
    assert_eq!(call("relate", args).unwrap(), list(&[line("EXIT", 0.0, 0.0)], Value::Line));
    let wrong = [("items", Value::List(Vec::new())), ("relation", text("behind")), ("to", Value::List(Vec::new()))];
    assert!(call("relate", wrong).unwrap_err().to_string().contains("behind"));
}

#[test]
fn a_filter_keeps_the_one_that_is_the_most_so() {
    let all = street();
    for (keep, at) in [
        ("largest", 2),
        ("smallest", 3),
        ("leftmost", 0),
        ("rightmost", 2),
        ("topmost", 3),
        ("bottommost", 1),
        ("most_certain", 0),
    ] {
        assert_eq!(kept(&all, keep), [all[at].clone()], "{keep}");
    }
    assert!(kept(&[], "largest").is_empty());
    let args = [("items", list(&all, Value::Region)), ("label", text("cars")), ("keep", text("smallest"))];
    assert_eq!(regions(call("filter", args).unwrap()), [all[0].clone()], "of those that fit");
    let twice = [all[0].clone(), Region { score: 0.1, ..all[0].clone() }];
    assert_eq!(kept(&twice, "largest"), [all[0].clone()], "of equals the first");
}

fn any_box() -> impl Strategy<Value = Item> {
    let side = || 0.0_f64..60.0;
    (0.0_f64..200.0, 0.0_f64..200.0, side(), side(), 0.0_f64..1.0)
        .prop_map(|(x, y, w, h, score)| Item::Region(region("thing", score, [x, y, x + w, y + h])))
}

proptest! {
    #[test]
    fn left_and_right_above_and_below_are_converses_and_never_both(a in any_box(), b in any_box()) {
        let holds = |x: &Item, relation, y: &Item| !relate(std::slice::from_ref(x), relation, std::slice::from_ref(y)).is_empty();
        for (relation, converse) in [(Relation::LeftOf, Relation::RightOf), (Relation::Above, Relation::Below)] {
            prop_assert_eq!(holds(&a, relation, &b), holds(&b, converse, &a));
            prop_assert!(!(holds(&a, relation, &b) && holds(&a, converse, &b)));
        }
        prop_assert_eq!(holds(&a, Relation::Overlaps, &b), holds(&b, Relation::Overlaps, &a));
    }

    #[test]
    fn what_is_related_is_some_of_the_items_once(
        items in proptest::collection::vec(any_box(), 0..12),
        to in proptest::collection::vec(any_box(), 0..4),
    ) {
        for relation in [Relation::LeftOf, Relation::Below, Relation::Inside, Relation::Overlaps, Relation::Nearest] {
            let found = relate(&items, relation, &to);
            let mut rest = items.clone();
            for item in &found {
                let at = rest.iter().position(|other| other == item);
                prop_assert!(at.is_some());
                rest.remove(at.unwrap());
            }
            if relation == Relation::Nearest {
                prop_assert!(found.len() <= to.len());
                prop_assert_eq!(found.is_empty(), items.is_empty() || to.is_empty());
            }
        }
    }

    #[test]
    fn any_coordinates_can_be_related(bounds in proptest::array::uniform4(proptest::num::f64::ANY)) {
        let odd = [Item::Region(region("odd", 0.5, bounds))];
        let box_ = [Item::Region(region("box", 0.5, [0.0, 0.0, 9.0, 9.0]))];
        for relation in [Relation::LeftOf, Relation::Inside, Relation::Overlaps, Relation::Nearest] {
            prop_assert!(relate(&odd, relation, &box_).len() + relate(&box_, relation, &odd).len() <= 2);
        }
    }
}
