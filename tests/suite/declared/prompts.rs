//! The planner's prompt for declared tools.

use lavr::message::{Message, Role};
use lavr::plan::read_declared;
use lavr::prompt::{Prompts, Said};
use lavr::tool::Catalog;
use serde_json::{Value as Json, json};

use super::{LIMITS, MEDIA, SERVICES, VISION, catalog, public};

/// The constant part of the prompt, all of whose demos pass the check.
pub fn shown(catalog: &Catalog) -> Vec<Message> {
    let prefix = Prompts::builtin().unwrap().plan_prefix(catalog).unwrap();
    for message in prefix.iter().filter(|message| message.role == Role::Assistant) {
        let plan = read_declared(&message.content).unwrap_or_else(|faults| panic!("{}: {faults:?}", message.content));
        let faults = catalog.check(&plan, &LIMITS);
        assert!(faults.is_empty(), "{}: {faults:?}", message.content);
    }
    prefix
}

#[test]
fn each_tool_has_a_line() {
    let system = &shown(&catalog(MEDIA))[0].content;
    assert!(system.contains("\n- Image Downloader(url) -> image: Downloads an image from a given URL\n"), "{system}");
    assert!(system.contains("\n- Audio Splicer(audio, audio2) -> audio: Combines two audio files"), "{system}");
    assert!(!system.contains("detect_objects"), "{system}");
    let system = &shown(&catalog(VISION))[0].content;
    assert!(system.contains("\n- image-perception(image, text) -> text or bbox or mask: Finds things"), "{system}");
    let system = &shown(&catalog(SERVICES))[0].content;
    assert!(system.contains("\n- get_weather(location: string, date): Get the weather"), "{system}");
}

#[test]
fn demos_are_made_of_the_tools_themselves() {
    let prefix = shown(&catalog(MEDIA));
    let demos: Vec<&str> = prefix.iter().skip(1).map(|message| message.content.as_str()).collect();
    assert_eq!(demos.len(), 8, "{demos:#?}");
    assert!(demos[0].contains(". Then ") && demos[0].contains("\nGiven: "), "{}", demos[0]);
    let chain: Json = serde_json::from_str(demos[1]).unwrap();
    assert_eq!(chain["steps"].as_array().unwrap().len(), 3, "{chain}");
    let twice: Json = serde_json::from_str(demos[3]).unwrap();
    let steps = json!([
        { "do": "extract the audio track from clip.mp4", "tool": "Video-to-Audio", "id": "audio_1",
          "args": { "video": "clip.mp4" } },
        { "do": "synchronize the timing of an audio file with the visuals of clip.mp4", "tool": "Video Synchronization",
          "id": "video_2", "args": { "video": "clip.mp4", "audio": "$audio_1" } }
    ]);
    assert_eq!(twice["steps"], steps);
    assert!(demos[3].starts_with(r#"{"steps": [{"do": "#), "what is to be done is said first: {}", demos[3]);
    let vision = shown(&catalog(VISION));
    assert!(vision[2].content.starts_with(r#"{"steps": [{"id": "#), "a result of several: {}", vision[2].content);
    assert_eq!(shown(&catalog(MEDIA)), prefix, "the prefix is constant");
}

/// The request of the last demo, of a catalogue of one tool.
fn asked(name: &str, desc: &str, input: &str) -> String {
    let tool = json!({ "id": name, "desc": desc, "input-type": [input], "output-type": ["text"] });
    let prefix = shown(&catalog(&json!({ "nodes": [tool] }).to_string()));
    prefix[prefix.len() - 2].content.clone()
}

#[test]
fn demos_ask_in_the_words_of_descriptions() {
    for (name, desc, input, want) in [
        (
            "Hear",
            "Transcribes speech from a given audio file into text.",
            "audio",
            "Transcribe speech from talk.mp3 into text.",
        ),
        ("Find", "Searches for a specific text or keyword.", "text", "Search for harbour lights or keyword."),
        (
            "Far",
            "Depth estimation is the task of predicting how far away things in an image are.",
            "image",
            "Help me with predicting how far away things in photo.jpg are.",
        ),
        ("Spot", "Detection models allow users to spot things in an image.", "image", "Spot things in photo.jpg."),
        ("Name Things", "Name-things marks the names.", "text", "Mark the names (harbour lights)."),
        ("Other", "A family of methods", "video", "Use Other (clip.mp4)."),
    ] {
        let request = asked(name, desc, input);
        assert!(request.starts_with(&format!("Request: {want}")), "{request}");
    }
}

#[test]
fn files_that_a_request_names_are_told_of() {
    let prompts = Prompts::builtin().unwrap();
    let user = |question: &str| prompts.plan_user(question, 0, &catalog(MEDIA), &Said::default()).unwrap().content;
    let told = user("Mix talk.mp3 with notes.xyz and https://example.org/a.");
    assert!(told.ends_with("\nGiven: talk.mp3 (audio), notes.xyz, https://example.org/a (url)"), "{told}");
    assert_eq!(user("Tell a story"), "Request: Tell a story");
}

#[test]
fn a_tool_with_the_name_of_one_of_ours_gets_none_of_our_demos() {
    let own = catalog(r#"{"nodes": [{"id": "read_text", "input-type": ["page"], "output-type": ["words"]}]}"#);
    for message in shown(&own).iter().skip(1) {
        assert!(!message.content.contains("$image"), "{}", message.content);
    }
    let prompts = Prompts::builtin().unwrap();
    let (library, cx) = (prompts.plan_lookup(&own).unwrap(), crate::experts::cx());
    let similar = crate::real::block_on(library.similar(&cx, "What's written on the door?", 0, &own));
    assert!(similar.unwrap().is_empty());
}

#[test]
fn odd_catalogues_get_what_demos_there_can_be() {
    for odd in [
        r#"{"nodes": [{"id": "a"}]}"#,
        r#"{"nodes": [{"id": "a", "input-type": ["x"], "output-type": ["x"], "desc": "Çizer. Ş"}]}"#,
        r#"{"nodes": [{"id": "a", "input-type": ["$x y"], "output-type": ["日本", "x y"], "desc": "…"}, {"id": "b", "input-type": ["日本"]}]}"#,
    ] {
        shown(&catalog(odd));
    }
}

#[test]
fn long_descriptions_of_many_tools_are_cut() {
    let desc = "Does this and that with all of the things that it was given and many more besides. ".repeat(5);
    let nodes: Vec<Json> =
        (0..150).map(|n| json!({ "id": format!("tool {n}"), "desc": desc, "input-type": ["text"] })).collect();
    let prefix = shown(&catalog(&json!({ "nodes": nodes }).to_string()));
    assert!(prefix[0].content.len() < 12_000, "{}", prefix[0].content.len());
}

#[test]
fn the_prompts_of_public_benchmarks_leave_room_for_a_request() {
    for path in ["taskbench/tool_desc.json", "plans/catalogue.json"] {
        let Some(file) = public(path) else { return println!("skipped: LAVR_EVAL_DATA has no {path}") };
        let prefix = shown(&Catalog::declared_in(file).unwrap());
        let size: usize = prefix.iter().map(|message| message.content.len()).sum();
        assert!(size < 9_000, "{path}: {size} characters");
    }
}
