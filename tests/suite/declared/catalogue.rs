//! Reading catalogues: what is understood, and what is refused.

use lavr::error::ErrorKind;
use lavr::signature::{Returns, Signatures, ValueType};
use lavr::tool::Catalog;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{MEDIA, SERVICES, VISION, catalog, public};

fn names(catalog: &Catalog, tool: &str) -> Vec<(String, String, bool)> {
    let args = &catalog.signature(tool).unwrap().args;
    args.iter().map(|arg| (arg.name.clone(), arg.types_text(), arg.required)).collect()
}

fn entry(name: &str, of: &str, required: bool) -> (String, String, bool) {
    (name.to_owned(), of.to_owned(), required)
}

fn returns(catalog: &Catalog, tool: &str) -> String {
    match &catalog.signature(tool).unwrap().returns {
        Returns::Type(of) => of.to_string(),
        Returns::SameAs(arg) => panic!("{arg}"),
    }
}

#[test]
fn arguments_are_called_after_their_types() {
    let media = catalog(MEDIA);
    assert_eq!(names(&media, "Image Downloader"), [entry("url", "url", true)]);
    assert_eq!(names(&media, "Audio Effects"), [entry("audio", "audio", true), entry("text", "text", false)]);
    assert_eq!(names(&media, "Audio Splicer"), [entry("audio", "audio", true), entry("audio2", "audio", false)]);
    assert_eq!(returns(&media, "Image Search (by Image)"), "image", "types are told apart in lower case");
    let vision = catalog(VISION);
    assert_eq!(returns(&vision, "image-perception"), "text|bbox|mask");
    assert!(media.is_declared() && vision.is_declared());
    assert_eq!(media.names()[1], "Image Search (by Image)", "ids stay as they are, in their order");
}

#[test]
fn parameters_have_names_of_their_own() {
    let services = catalog(SERVICES);
    assert_eq!(names(&services, "get_weather"), [entry("location", "string", true), entry("date", "date", false)]);
    assert_eq!(returns(&services, "take_note"), "Any");
    let stated = r#"{"nodes": [{"id": "a", "parameters": [
        {"name": "x", "type": "any"}, {"name": "y", "type": ["string", "number"], "required": true}, {"name": "x"}]}]}"#;
    let want = [entry("x", "Any", false), entry("y", "string|number", true), entry("x2", "Any", false)];
    assert_eq!(names(&catalog(stated), "a"), want);
}

#[test]
fn what_is_left_out_is_not_missed() {
    let bare =
        catalog(r#"{"nodes": [{"id": "ぺいんと", "other": {}}, {"id": "B", "desc": null, "input-type": "A B"}]}"#);
    assert_eq!(names(&bare, "ぺいんと"), []);
    assert_eq!(names(&bare, "B"), [entry("a_b", "a_b", true)]);
}

#[test]
fn types_of_built_in_tools_are_no_looser() {
    assert_eq!("image".parse::<ValueType>().unwrap(), ValueType::named(["Image"]).unwrap());
    assert!(!ValueType::Image.accepts(&"image".parse().unwrap()));
    assert!(!"image".parse::<ValueType>().unwrap().accepts(&ValueType::Image));
    for text in ["Audio", "a|", "|", "", "two words", "a|B", "List<a", "_a"] {
        assert!(text.parse::<ValueType>().is_err(), "{text}");
    }
    for text in ["audio", "bbox|mask", "List<audio>", "List<Region>", "ÿ2", "2d_map"] {
        let of: ValueType = text.parse().unwrap();
        assert_eq!(of.to_string(), text);
        assert_eq!(serde_json::from_value::<ValueType>(json!(of)).unwrap(), of);
    }
}

#[test]
fn a_faulty_catalogue_is_told_of_in_one_line() {
    let long = "x".repeat(101);
    let cases = [
        ("", "this is not JSON"),
        ("name = \"read_text\"", "this is not JSON"),
        ("[]", "`nodes` is missing; a catalogue is JSON"),
        (r#"{"tools": []}"#, "`nodes` is missing"),
        (r#"{"nodes": {}}"#, "`nodes` is not a list"),
        (r#"{"nodes": []}"#, "`nodes` has 0 tools"),
        (r#"{"nodes": ["a"]}"#, "nodes[0]: it is not an object"),
        (r#"{"nodes": [{"id": "a"}, {"desc": "b"}]}"#, "nodes[1]: `id` is missing"),
        (r#"{"nodes": [{"id": 7}]}"#, "nodes[0]: `id` is not a text"),
        (r#"{"nodes": [{"id": " "}]}"#, "nodes[0]: `id` should be a name of one line"),
        (r#"{"nodes": [{"id": "a\nb"}]}"#, "nodes[0]: `id` should be a name of one line"),
        (r#"{"nodes": [{"id": "a"}, {"id": "a"}]}"#, "nodes[1]: there is already a tool `a`"),
        (r#"{"nodes": [{"id": "a", "desc": 1}]}"#, "nodes[0]: `desc` is not a text"),
        (r#"{"nodes": [{"id": "a", "input-type": [1]}]}"#, "nodes[0]: `input-type` is not a list of type names"),
        (r#"{"nodes": [{"id": "a", "output-type": {}}]}"#, "nodes[0]: `output-type` is not a list of type names"),
        (r#"{"nodes": [{"id": "a", "parameters": {}}]}"#, "nodes[0]: `parameters` is not a list"),
        (r#"{"nodes": [{"id": "a", "parameters": [1]}]}"#, "nodes[0]: a parameter is not an object"),
        (r#"{"nodes": [{"id": "a", "parameters": [{}]}]}"#, "nodes[0]: `name` is missing"),
        (&format!(r#"{{"nodes": [{{"id": "{long}"}}]}}"#), "at most 100 characters"),
    ];
    for (text, said) in cases {
        let error = Catalog::declared(text).err().unwrap_or_else(|| panic!("{text}"));
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
        let message = error.to_string();
        assert!(message.contains(said) && message.lines().count() == 1, "{text}: {message}");
    }
    let many: Vec<Json> = (0..1_001).map(|n| json!({ "id": n.to_string() })).collect();
    assert!(Catalog::declared(&json!({ "nodes": many }).to_string()).is_err());
    let args: Vec<&str> = vec!["text"; 33];
    assert!(Catalog::declared(&json!({ "nodes": [{ "id": "a", "input-type": args }] }).to_string()).is_err());
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Catalog::declared_in(folder.path().join("none.json")).err().unwrap();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(missing.to_string().contains("none.json"), "{missing}");
    let not_a_file = Catalog::declared_in(folder.path()).err().unwrap();
    assert!(not_a_file.to_string().contains("this is a folder"), "{not_a_file}");
    let file = folder.path().join("tool.json");
    std::fs::write(&file, b"\xff\xfe").unwrap();
    assert!(Catalog::declared_in(&file).err().unwrap().to_string().contains("it is not UTF-8"));
    std::fs::write(&file, format!("\u{feff}{MEDIA}")).unwrap();
    assert_eq!(Catalog::declared_in(&file).unwrap().iter().count(), 7);
}

#[test]
fn the_catalogues_of_public_benchmarks_are_read() {
    for (path, tools) in [("taskbench/tool_desc.json", 40), ("plans/catalogue.json", 7)] {
        let Some(file) = public(path) else { return println!("skipped: LAVR_EVAL_DATA has no {path}") };
        assert_eq!(Catalog::declared_in(file).unwrap().iter().count(), tools);
    }
}

/// JSON that resembles a catalogue more or less.
fn resembling() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        ".{0,12}".prop_map(Json::from),
        Just(json!("text")),
        Just(json!("image")),
    ];
    let key = prop_oneof![
        Just("id"),
        Just("desc"),
        Just("input-type"),
        Just("output-type"),
        Just("parameters"),
        Just("name"),
        Just("type"),
        Just("required"),
    ];
    let value = leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|entries| entries.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    });
    prop::collection::vec(value, 0..4).prop_map(|nodes| json!({ "nodes": nodes }))
}

proptest! {
    #[test]
    fn no_text_brings_the_reader_down(text in ".{0,200}") {
        let _ = Catalog::declared(&text);
    }

    #[test]
    fn what_is_read_can_be_planned_with(json in resembling()) {
        if let Ok(catalog) = Catalog::declared(&json.to_string()) {
            super::prompts::shown(&catalog);
            super::grammar::Grammar::new(&catalog, "Do it with a.jpg");
        }
    }
}
