//! Words, as what fits a gap is compared with what is known of an image.

use lavr::reason::{Fill, Frame};

/// Whether a text says another.
fn says(text: &str, other: &str) -> bool {
    let fill = Fill { fill: "It is.".to_owned(), short: other.to_owned() };
    fill.is_shown_by(&Frame { image: 1, text: String::new(), all: text.to_owned() })
}

#[test]
fn numbers_stay_whole() {
    for (text, words, parts) in [
        (
            "It's 12.50, at 10:30 (-3 °C).",
            vec!["it", "s", "12.50", "at", "10:30", "-3", "c"],
            vec!["12", "50", "10", "30", "3", "it's at"],
        ),
        ("A4-5, 3–4, x-1", vec!["a4-5", "3-4", "x", "1"], vec!["a4", "5", "3", "4", "-1"]),
    ] {
        // Two texts that say each other have the same words.
        let written = words.join(" ");
        assert!(says(text, &written) && says(&written, text), "{text} / {written}");
        words.iter().for_each(|word| assert!(says(text, word), "{text} / {word}"));
        parts.iter().for_each(|part| assert!(!says(text, part), "{text} / {part}"));
    }
    // Signs alone are no words: they are compared as they stand.
    assert!(says("Wait... what?", " ... ") && !says("Wait, what?", " ... ") && !says(" ... ", "wait"));
}

#[test]
fn what_is_said_stands_in_a_row() {
    for (text, other, said) in [
        ("It reads '10:20'.", "10:10", false),
        ("It reads '5.0'.", "5.5", false),
        ("It reads '-1'.", "1", false),
        ("It reads 'FLOOR 7'.", "floor 7", true),
        ("The 7 is on the floor.", "floor 7", false),
        ("It reads '三月五日星期三'.", "星期三", true),
        ("It reads '12日'.", "2日", false),
        ("It reads '12日'.", "12日", true),
        ("It reads '★'.", "★", true),
        ("It reads '★'.", "☆", false),
        ("There are 13 people.", "3", false),
        ("anything", "", false),
    ] {
        assert_eq!(says(text, other), said, "{text} / {other}");
    }
}
