//! What may stand in a manifest.

use lavr::store::{Artefact, Source, builtin, builtin_artefact, parse_artefacts};
use proptest::prelude::*;

fn entry(change: (&str, &str)) -> String {
    let sha256 = format!("\"{}\"", "a".repeat(64));
    let fields = [
        ("name", "\"n\""),
        ("file", "\"f.bin\""),
        ("size", "1"),
        ("sha256", sha256.as_str()),
        ("licence", "\"MIT\""),
        ("sources", "[\"hf:o/r/f\"]"),
    ];
    let mut lines: Vec<String> = fields
        .iter()
        .map(|(key, value)| format!("{key} = {}", if *key == change.0 { change.1 } else { value }))
        .filter(|line| !line.ends_with("= -"))
        .collect();
    if fields.iter().all(|(key, _)| *key != change.0) {
        lines.push(format!("{} = {}", change.0, change.1));
    }
    format!("[[artefacts]]\n{}\n", lines.join("\n"))
}

#[test]
fn a_faulty_entry_is_refused_with_the_field() {
    assert!(parse_artefacts(&entry(("platform", "\"linux-x86_64\""))).is_ok());
    let faults = [
        ("unknown", "1", "unknown"),
        ("name", "\"../x\"", "`name`"),
        ("file", "\"a/b\"", "`file`"),
        ("file", "\".hidden\"", "`file`"),
        ("size", "0", "`size`"),
        ("size", "-", "size"),
        ("sha256", "\"abc\"", "`sha256`"),
        ("sources", "[]", "`sources`"),
        ("sources", "[\"ftp://x/y\"]", "ftp://x/y"),
        ("sources", "[\"https://me:secret@x/y\"]", "credentials"),
        ("sources", "[\"hf:o/r/../../x\"]", "hf:o/r/../../x"),
        ("sources", "[\"pypi:p#m\"]", "pypi:p#m"),
        ("sources", "[\"pypi:--index-url==1#m\"]", "--index-url"),
        ("sources", "[\"file:relative\"]", "file:relative"),
        ("sources", "[{ parts = [] }]", "parts"),
        ("sources", "[{ part = [\"hf:o/r/f\"] }]", "part"),
        ("sources", "[{ parts = [{ parts = [\"hf:o/r/f\"] }] }]", "string"),
    ];
    for (field, value, named) in faults {
        let error = parse_artefacts(&entry((field, value))).expect_err(value).to_string();
        assert!(error.contains(named), "{field} = {value}: {error}");
        assert!(!error.contains(":secret@x/y cannot"), "{error}");
    }
}

#[test]
fn sources_read_and_write_alike() {
    let texts = [
        "hf:owner/repo/dir/file.gguf",
        "hf:owner/repo/file.gguf@0123abc",
        "pypi:name==1.0#pkg/file.onnx",
        "npm:@scope/name@3.0.4#models/net.json",
        "npm:name@3.0.4#net.json",
        "https://example.org/a/b?c=d",
        "file:/a/b",
    ];
    for text in texts {
        assert_eq!(text.parse::<Source>().unwrap().to_string(), text);
    }
}

#[test]
fn the_built_in_list_is_sound() {
    let all = builtin().unwrap();
    for name in ["qwen2.5-coder-1.5b", "smollm2-135m"] {
        assert_eq!(builtin_artefact(name).unwrap().name, name);
        assert_eq!(all.iter().filter(|artefact| artefact.name == name).count(), 1);
    }
    assert!(builtin_artefact("nothing").unwrap_err().to_string().contains("nothing"));
    let json = serde_json::to_string(&all).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Artefact>>(&json).unwrap(), all);
}

proptest! {
    #[test]
    fn any_text_is_read_as_a_source_without_panic(text in "(hf:|pypi:|npm:|https://|file:)?\\PC{0,60}") {
        if let Ok(source) = text.parse::<Source>() {
            prop_assert_eq!(source.to_string().parse::<Source>().unwrap(), source);
        }
    }

    #[test]
    fn anything_like_a_source_is_read_without_panic(text in "(hf|pypi|npm|file|http):[a-z@/=#.:%-]{0,30}") {
        if let Ok(source) = text.parse::<Source>() {
            prop_assert_eq!(source.to_string().parse::<Source>().unwrap(), source);
        }
    }

    #[test]
    fn any_manifest_is_read_without_panic(text in "\\PC{0,120}", value in "\\PC{0,30}") {
        let _ = parse_artefacts(&text);
        let _ = parse_artefacts(&entry(("sources", &value)));
    }
}
