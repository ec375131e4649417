//! VQA accuracy, exact match, ANLS, reading, POPE, numbers in words.

use lavr::eval::metric::ocr::Edits;
use lavr::eval::metric::yesno::Pope;
use lavr::eval::metric::{Counts, anls, exact, number as count, ocr, vqa, yesno};

use super::{counts, list, near, number, read, reference, text};

#[test]
fn vqa_answers_are_normalised_as_the_official_script_does() {
    for pair in list(&reference("texts")["vqa"]["normalized"]) {
        assert_eq!(vqa::normalized(text(&pair[0])), text(&pair[1]), "{}", pair[0]);
    }
}

#[test]
fn vqa_accuracy_is_that_of_the_official_script() {
    for case in list(&reference("texts")["vqa"]["cases"]) {
        let truths: Vec<String> = read(&case["truths"]);
        near(vqa::score(text(&case["answer"]), &truths), number(&case["score"]), case);
    }
}

#[test]
fn few_annotators_confirm_little() {
    let score = |n: usize| vqa::score("red", &vec!["red"; n]);
    assert_eq!([score(0), score(1), score(4), score(10)], [0.0, 0.0, 1.0, 1.0]);
    near(score(2), 1.0 / 3.0, &"two");
    near(score(3), 2.0 / 3.0, &"three");
    // One of ten: nine rounds with one match, one with none.
    near(vqa::score("red", &["red", "b", "b", "b", "b", "b", "b", "b", "b", "b"]), 0.3, &"one of ten");
}

#[test]
fn anls_is_that_of_the_package() {
    for case in list(&reference("texts")["anls"]) {
        let truths: Vec<String> = read(&case["truths"]);
        near(anls::score(text(&case["answer"]), &truths), number(&case["score"]), case);
    }
    assert_eq!(anls::score::<&str>("a", &[]), 0.0);
}

#[test]
fn exact_match_forgives_case_and_white_space_only() {
    let cases = [("Red\tCar ", "red car", 1.0), ("red car.", "red car", 0.0), ("", "", 1.0), ("", "x", 0.0)];
    for (answer, truth, score) in cases {
        assert_eq!(exact::score(answer, &["other", truth]), score, "{answer:?} {truth:?}");
    }
    assert_eq!(exact::score::<&str>("", &[]), 0.0);
}

#[test]
fn error_rates_are_jiwers() {
    let reference = reference("texts");
    let cases = list(&reference["ocr"]["cases"]);
    let mut sum = Edits::default();
    for case in cases {
        let edits = ocr::edits(text(&case["read"]), text(&case["truth"]));
        assert_eq!(edits.edits as f64, number(&case["edits"]), "{case}");
        near(edits.rate(), number(&case["rate"]), case);
        sum = sum + edits;
    }
    near(sum.rate(), number(&reference["ocr"]["rate"]), &"the corpus");
}

#[test]
fn an_empty_truth_is_read_by_reading_nothing() {
    let rates = [("", ""), (" \n", ""), ("x", ""), ("", "xy"), ("abc", "x")].map(|(read, truth)| {
        let edits = ocr::edits(read, truth);
        (edits.rate(), edits.score())
    });
    assert_eq!(rates, [(0.0, 1.0), (0.0, 1.0), (1.0, 0.0), (1.0, 0.0), (3.0, 0.0)]);
}

#[test]
fn lines_match_as_a_multiset() {
    for case in list(&reference("texts")["ocr"]["cases"]) {
        let found = ocr::lines(text(&case["read"]), text(&case["truth"]));
        assert_eq!(found, counts(read(&case["lines"])), "{case}");
    }
    assert!(ocr::lines("\n \n", "").is_empty());
    assert_eq!(ocr::lines("Total\nTOTAL", " total "), Counts { hits: 1, wrong: 1, missed: 0 });
}

#[test]
fn pope_sums_are_those_of_scikit_learn() {
    let reference = reference("texts");
    let pope = &reference["pope"];
    let (answers, truths): (Vec<String>, Vec<bool>) = (read(&pope["answers"]), read(&pope["truths"]));
    let sums = Pope::of(answers.iter().map(|a| Some(yesno::read_as_pope(a))).zip(truths));
    let given =
        [sums.accuracy(), sums.counts().precision(), sums.counts().recall(), sums.counts().f1(), sums.yes_ratio()];
    for (given, name) in given.into_iter().zip(["accuracy", "precision", "recall", "f1", "yes_ratio"]) {
        near(given, number(&pope[name]), &name);
    }
}

#[test]
fn yes_and_no_are_read_and_doubt_is_neither() {
    let cases = [
        ("Yes, not all of them.", Some(true)),
        ("NO!", Some(false)),
        ("The answer is yes.", Some(true)),
        ("There isn’t a dog.", Some(false)),
        ("There is a dog.", None),
        ("It could be yes or no.", None),
        ("", None),
        ("Nothing of the kind", Some(false)),
        ("I know yesterday", None),
    ];
    for (answer, said) in cases {
        assert_eq!(yesno::read(answer), said, "{answer}");
    }
    assert_eq!([yesno::score("yes", true), yesno::score("", true), yesno::score("", false)], [1.0, 0.0, 0.0]);
}

#[test]
fn answers_that_are_neither_count_as_wrong() {
    let sums = Pope::of([(Some(true), true), (None, true), (None, false), (Some(false), false)]);
    assert_eq!((sums.accuracy(), sums.yes_ratio(), sums.counts().recall()), (0.5, 0.25, 0.5));
    assert_eq!(sums.counts().precision(), 1.0);
    let none = Pope::of([]);
    assert_eq!((none.is_empty(), none.accuracy(), none.counts().f1()), (true, 0.0, 0.0));
}

#[test]
fn numbers_in_words_are_read() {
    for pair in list(&reference("texts")["numbers"]) {
        let words = text(&pair[0]);
        assert_eq!(count::numbers(words), [number(&pair[1])], "{words}");
        assert_eq!(count::score(&format!("I see {words}."), number(&pair[1])), 1.0, "{words}");
    }
}

#[test]
fn numbers_are_found_in_sentences() {
    let cases: [(&str, &[f64]); 22] = [
        ("3", &[3.0]),
        ("There are 1,234.5 of them.", &[1234.5]),
        ("-3 degrees, −4 tomorrow", &[-3.0, -4.0]),
        ("2-3", &[2.0, 3.0]),
        ("5cm of 12%", &[5.0, 12.0]),
        ("the 3rd of May", &[]),
        ("A4, B52 and x2", &[]),
        ("Two or three", &[2.0, 3.0]),
        ("one two", &[1.0, 2.0]),
        ("No, there are none.", &[0.0]),
        ("No, there are 2.", &[2.0]),
        ("no one", &[0.0]),
        ("nobody and nothing", &[0.0]),
        ("two hundred and two dogs and five cats", &[202.0, 5.0]),
        ("one hundred and two hundred", &[100.0, 200.0]),
        ("two thousand and seven hundred", &[2700.0]),
        ("2 thousand", &[2000.0]),
        ("a hundred", &[100.0]),
        ("zero", &[0.0]),
        ("Infinity, nan and knot", &[]),
        ("", &[]),
        (".5 or 0.25.", &[0.5, 0.25]),
    ];
    for (answer, found) in cases {
        assert_eq!(count::numbers(answer), found, "{answer}");
    }
}

#[test]
fn several_numbers_say_none_unless_the_first_is_meant() {
    assert_eq!(count::read("3 (three)"), Some(3.0));
    assert_eq!(count::read("3 of 4"), None);
    assert_eq!(
        [count::score("3 of 4", 3.0), count::score_first("3 of 4", 3.0), count::score_first("", 0.0)],
        [0.0, 1.0, 0.0]
    );
}
