//! The short form of answers: the bare value that they rest on.

use lavr::refiner::Verdict;
use lavr::trace::Trace;
use lavr::value::{Label, Value};
use serde_json::json;

use crate::fakes::{lines, regions};
use crate::refiner::{known, refine_reply};

/// The short form of an answer in these sentences; `-` when it has none.
async fn short(question: &str, known: &Trace, sentences: &[&str]) -> String {
    let reply = json!({ "answerable": true, "answer": sentences }).to_string();
    match refine_reply(question, known, &reply).await.unwrap() {
        Verdict::Answer(answer) => answer.short.unwrap_or_else(|| "-".to_owned()),
        Verdict::NotEnough { missing } => panic!("{question}: {missing}"),
    }
}

const RECEIPT: [&str; 4] =
    ["ACORN TOYS SDN BHD", "NO 5, JALAN MAJU 2,", "81100 JOHOR BAHRU", "Date 09/01/2019 8:01:11 PM"];

fn looked_up(key: &str, found: &[&str]) -> Trace {
    known(&[
        ("text", "read_text", json!({ "image": "$image" }), Some(lines(&RECEIPT))),
        ("value", "find_text", json!({ "lines": "$text", "text": key, "mode": "value" }), Some(lines(found))),
    ])
}

fn detected(labels: &[&str]) -> Trace {
    known(&[("found", "detect_objects", json!({ "image": "$image", "labels": labels }), Some(regions(labels)))])
}

fn counted(n: f64) -> Trace {
    known(&[
        ("dogs", "detect_objects", json!({ "image": "$image", "labels": ["dog"] }), Some(regions(&["dog"; 3]))),
        ("n", "count", json!({ "items": "$dogs" }), Some(Value::Number(n))),
    ])
}

fn decided(yes: bool) -> Trace {
    known(&[
        ("n", "count", json!({ "items": "$image" }), Some(Value::Number(3.0))),
        ("more", "compare", json!({ "a": "$n", "b": 2, "how": "greater" }), Some(Value::Bool(yes))),
    ])
}

fn coloured(labels: &[&str]) -> Trace {
    let labels = labels.iter().map(|l| Label { label: (*l).to_owned(), score: 0.5 }).collect();
    known(&[("colour", "color_of", json!({ "image": "$image", "region": "$bus" }), Some(Value::Labels(labels)))])
}

#[tokio::test]
async fn text_that_was_looked_up_is_the_short_form_as_it_is_printed() {
    let cases = [
        ("What is the date?", looked_up("date", &["09/01/2019"]), "The date is 09/01/2019.", "09/01/2019"),
        ("What is the date?", looked_up("date", &["09/01/2019"]), "The date is {value}.", "09/01/2019"),
        ("What is the total?", looked_up("total", &["RM 31.00"]), "The total is RM 31.00.", "RM 31.00"),
        // Several lines are one text.
        (
            "What is the address?",
            looked_up("address", &["NO 5, JALAN MAJU 2,", "81100 JOHOR BAHRU"]),
            "The address is {value}.",
            "NO 5, JALAN MAJU 2, 81100 JOHOR BAHRU",
        ),
        // The value of a key is whole even when the sentence leaves some of it out.
        (
            "What is the address?",
            looked_up("address", &["NO 5, JALAN MAJU 2, 81100 JOHOR BAHRU"]),
            "The address is NO 5, JALAN MAJU 2.",
            "NO 5, JALAN MAJU 2, 81100 JOHOR BAHRU",
        ),
    ];
    for (question, known, sentence, expected) in cases {
        assert_eq!(short(question, &known, &[sentence]).await, expected, "{sentence}");
    }
}

#[tokio::test]
async fn of_text_that_was_only_read_the_quoted_lines_count() {
    let read = known(&[("text", "read_text", json!({ "image": "$image" }), Some(lines(&RECEIPT)))]);
    let cases = [
        ("Which company is it?", "The company is ACORN TOYS SDN BHD.", "ACORN TOYS SDN BHD"),
        // Of a line that says more, the part that answers.
        ("What is the date?", "The date is 09/01/2019.", "09/01/2019"),
        ("Which toys?", r#"It says "ACORN TOYS"."#, "ACORN TOYS"),
        (
            "What does it say?",
            "{text}",
            "ACORN TOYS SDN BHD NO 5, JALAN MAJU 2, 81100 JOHOR BAHRU Date 09/01/2019 8:01:11 PM",
        ),
    ];
    for (question, sentence, expected) in cases {
        assert_eq!(short(question, &read, &[sentence]).await, expected, "{sentence}");
    }
}

#[tokio::test]
async fn of_text_with_a_number_that_is_asked_for_the_number_counts() {
    let cases = [
        ("What number is on the motorcycle?", "750 Super", "750"),
        ("Which number does the bus have?", "Bus No. 12, to town", "12"),
        ("What number should I call?", "Call +1 555-0199 now", "+1 555-0199"),
        // No number stands there, or none is asked for.
        ("What number is on the door?", "Room B", "Room B"),
        ("What does the motorcycle say?", "750 Super", "750 Super"),
    ];
    for (question, line, expected) in cases {
        let read = known(&[("text", "read_text", json!({ "image": "$image" }), Some(lines(&[line])))]);
        assert_eq!(short(question, &read, &[&format!(r#"It says "{line}"."#)]).await, expected, "{question}");
    }
}

#[tokio::test]
async fn yes_and_no_are_words() {
    let empty = known(&[("dogs", "detect_objects", json!({ "labels": ["dog"] }), Some(Value::List(Vec::new())))]);
    let cases = [
        ("Are there more than 2?", decided(true), "Yes.", "yes"),
        ("Are there more than 2?", decided(false), "No, there are not.", "no"),
        ("Is there a dog?", detected(&["dog"]), "There is a dog.", "yes"),
        ("Is there a dog?", empty.clone(), "There is no dog.", "no"),
        ("In the picture, is there a dog?", empty, "No dog is there.", "no"),
        ("Does it mention Acorn?", looked_up("acorn", &["ACORN TOYS SDN BHD"]), "Yes, it mentions ACORN TOYS.", "yes"),
    ];
    for (question, known, sentence, expected) in cases {
        assert_eq!(short(question, &known, &[sentence]).await, expected, "{question} {sentence}");
    }
}

#[tokio::test]
async fn numbers_are_digits() {
    let fewer = known(&[("d", "calculate", json!({ "expression": "1 - 3", "values": {} }), Some(Value::Number(-2.0)))]);
    let cases = [
        ("How many dogs are there?", counted(3.0), "There are 3 dogs.", "3"),
        ("How many dogs are there?", counted(3.0), "There are three dogs.", "3"),
        ("How many dogs are there?", detected(&["dog", "dog"]), "There are 2 dogs.", "2"),
        ("How many fewer cats are there?", fewer, "There are 2 fewer cats.", "2"),
    ];
    for (question, known, sentence, expected) in cases {
        assert_eq!(short(question, &known, &[sentence]).await, expected, "{sentence}");
    }
}

#[tokio::test]
async fn things_and_colours_are_their_labels() {
    let cases = [
        ("What is left of the sofa?", detected(&["dog"]), "A dog is left of the sofa.", "dog"),
        ("What is on the sofa?", detected(&["dog", "cat"]), "A dog and a cat are on the sofa.", "dog, cat"),
        ("What colour is the bus?", coloured(&["red", "white"]), "The bus is red.", "red"),
        ("What colour is the bus?", coloured(&["red", "white"]), "It is red, then white.", "red"),
        ("Which colours has it?", coloured(&["red", "white"]), "It is red and white.", "red, white"),
    ];
    for (question, known, sentence, expected) in cases {
        assert_eq!(short(question, &known, &[sentence]).await, expected, "{question} {sentence}");
    }
}

#[tokio::test]
async fn several_values_are_parted_by_commas() {
    let both = known(&[
        ("text", "read_text", json!({ "image": "$image" }), Some(lines(&RECEIPT))),
        ("date", "find_text", json!({ "lines": "$text", "text": "date" }), Some(lines(&["09/01/2019"]))),
        ("total", "find_text", json!({ "lines": "$text", "text": "total" }), Some(lines(&["31.00"]))),
    ]);
    let sentences = ["The date is 09/01/2019.", "The total is 31.00."];
    assert_eq!(short("What are the date and the total?", &both, &sentences).await, "09/01/2019, 31.00");
}

#[tokio::test]
async fn of_two_that_a_question_offers_the_answer_takes_one() {
    let cases = [
        ("Is the dog left or right?", detected(&["dog"]), "The dog is on the left.", "left"),
        ("Is it a dog or a cat?", detected(&["dog"]), "It is a dog.", "dog"),
    ];
    for (question, known, sentence, expected) in cases {
        assert_eq!(short(question, &known, &[sentence]).await, expected, "{question} {sentence}");
    }
}

#[tokio::test]
async fn what_has_no_bare_value_has_no_short_form() {
    let described = json!({ "sentences": [{ "text": "There is a dog.", "regions": [], "lines": [] }] });
    let cases = [known(&[("scene", "describe_scene", json!({ "image": "$image" }), Some(Value::Json(described)))])];
    for known in cases {
        assert_eq!(short("Describe the picture.", &known, &["There is a dog."]).await, "-");
    }
}

#[tokio::test]
async fn an_option_is_its_letter() {
    let question = "What was found? Options: (A) a cat, (B) a dog, (C) a bird";
    assert_eq!(short(question, &detected(&["dog"]), &["There is a dog."]).await, "B");
    let joined = "Is it (A) a cat or (B) a dog?";
    assert_eq!(short(joined, &detected(&["cat"]), &["It is a cat."]).await, "A");
    let nested = "What is it? Options: (A) boat, (B) motor boat";
    assert_eq!(short(nested, &detected(&["motor boat"]), &["It is a motor boat."]).await, "B");
    // Two of them are none.
    assert_eq!(short(question, &detected(&["dog", "cat"]), &["There is a dog.", "There is a cat."]).await, "-");
}

#[tokio::test]
async fn colours_are_spelled_as_in_the_question() {
    let known = coloured(&["grey", "blue"]);
    assert_eq!(short("What color is this picture?", &known, &["The picture is grey."]).await, "gray");
    assert_eq!(short("What colour is this picture?", &known, &["The picture is grey."]).await, "grey");
    // What is read stays as it is printed.
    let tea = looked_up("tea", &["earl gray tea"]);
    assert_eq!(short("What does the label say?", &tea, &["It says earl gray tea."]).await, "earl gray tea");
}
