//! Multiple choice.

use lavr::eval::metric::choice::{pick, score};

#[test]
fn letters_and_texts_pick_an_option() {
    let options = ["a red car", "car", "two dogs", "New York"];
    let cases = [
        ("A", Some(0)),
        ("b", Some(1)),
        ("(C)", Some(2)),
        ("(c) because of the fur", Some(2)),
        ("D.", Some(3)),
        ("d)", Some(3)),
        ("B: car", Some(1)),
        ("The answer is B.", Some(1)),
        ("the answer is option b", Some(1)),
        ("A red car", Some(0)),
        ("It is a red car!", Some(0)),
        ("The car.", Some(1)),
        ("I see two dogs", Some(2)),
        ("new york", Some(3)),
        ("A car", Some(1)),
        ("A Car", Some(1)),
        ("C, two dogs and not a car", Some(2)),
        ("", None),
        ("E", None),
        ("A or B", None),
        ("A is right", Some(0)),
        ("I think A", Some(0)),
        ("car or two dogs", None),
        ("(A) two dogs", None),
        ("a red car and another car", None),
        ("cars", None),
        ("no idea", None),
        ("C-section", None),
    ];
    for (answer, option) in cases {
        assert_eq!(pick(answer, &options), option, "{answer}");
    }
}

#[test]
fn letters_in_texts_are_not_picked() {
    let options = ["Washington D.C.", "vitamin C", "plan B", "T-shirt"];
    let cases = [
        ("Washington D.C.", Some(0)),
        ("It is Washington D.C.", Some(0)),
        ("It contains vitamin C.", Some(1)),
        ("A T-shirt.", Some(3)),
        ("(B) vitamin C", Some(1)),
        ("B. vitamin C", Some(1)),
    ];
    for (answer, option) in cases {
        assert_eq!(pick(answer, &options), option, "{answer}");
    }
}

#[test]
fn a_letter_that_is_also_another_options_text_is_ambiguous() {
    assert_eq!(pick("A", &["B", "A"]), Some(0));
    assert_eq!(pick("12", &["1", "12", "2"]), Some(1));
    assert_eq!(pick("+", &["+", "-"]), Some(0));
    assert_eq!(pick("yes", &["yes", "yes"]), None);
    assert_eq!(pick::<&str>("A", &[]), None);
}

#[test]
fn the_truth_is_a_letter_or_a_text() {
    let options = ["cat", "dog"];
    assert_eq!(
        [score("B", &options, "dog"), score("dog", &options, "B"), score("cat", &options, "B")],
        [1.0, 1.0, 0.0]
    );
    assert_eq!(score("nothing", &options, "horse"), 0.0);
}
