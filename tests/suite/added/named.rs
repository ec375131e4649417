//! What a model's classes are called: labels as exporters note them, and files of them.

use lavr::error::Result;
use lavr::runner::ModelFacts;
use lavr::tool::model::Labels;
use proptest::prelude::*;

/// The labels of a model with this in its metadata.
fn noted(text: &str) -> Result<Vec<String>> {
    let mut facts = ModelFacts::default();
    facts.metadata.insert("names".to_owned(), text.to_owned());
    Labels { metadata: Some("names".to_owned()), ..Labels::default() }.noted(&facts)
}

#[test]
fn labels_are_read_as_exporters_note_them() {
    for (text, names) in [
        ("{0: 'person', 1: \"driver's seat\", 2: 'it\\'s'}", vec!["person", "driver's seat", "it's"]),
        ("{\"1\": \"b\", \"0\": \"a\"}", vec!["a", "b"]),
        ("['a', 'b, c']", vec!["a", "b, c"]),
        ("[\"a\", \"b\"]", vec!["a", "b"]),
        ("a\r\n\nc\n\n", vec!["a", "", "c"]),
        ("{2: 'c'}", vec!["", "", "c"]),
        ("{0: 'a'", vec!["{0: 'a'"]),
    ] {
        assert_eq!(noted(text).unwrap(), names, "{text}");
    }
}

proptest! {
    #[test]
    fn whatever_is_noted_is_read_without_a_panic(text in ".{0,80}") {
        if let Ok(names) = noted(&text) {
            prop_assert!(!names.is_empty());
        }
    }
}

#[test]
fn a_file_of_labels_is_read_up_to_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("labels.txt");
    let labels = Labels { file: Some("labels.txt".to_owned()), ..Labels::default() };
    let most = 4 * 1024 * 1024;
    std::fs::write(&file, "a".repeat(most)).unwrap();
    assert_eq!(labels.listed(folder.path()).unwrap(), ["a".repeat(most)]);
    std::fs::write(&file, "a".repeat(most + 1)).unwrap();
    let error = labels.listed(folder.path()).unwrap_err().to_string();
    assert!(error.contains("labels.txt") && error.contains("it has more than 4194304 bytes"), "{error}");
}
