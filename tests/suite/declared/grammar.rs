//! What the grammar lets an LLM write of declared tools, and what the checker says to that.

use std::time::{Duration, Instant};

use lavr::plan::{PlanLimits, declared_schema, read_declared};
use lavr::prompt::spaced_json;
use lavr::tool::Catalog;
use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::ApproximateTokEnv;
use llguidance::{Matcher, ParserFactory};
use serde_json::{Value as Json, json};

use super::{LIMITS, MEDIA, SERVICES, VISION, catalog, faults, plan, public, spoken};

/// A grammar over single bytes.
pub struct Grammar(Matcher);

impl Grammar {
    pub fn new(catalog: &Catalog, request: &str) -> Self {
        let env = ApproximateTokEnv::single_byte_env();
        let factory = ParserFactory::new_simple(&env).unwrap();
        let grammar = TopLevelGrammar::from_json_schema(declared_schema(catalog, &LIMITS, request));
        Self(Matcher::new(factory.create_parser(grammar)))
    }

    /// Whether the grammar lets this plan be written, to its end, with or without what its steps do.
    fn accepts(&self, json: &Json) -> bool {
        self.takes(json) || self.takes(&spoken(json))
    }

    fn takes(&self, json: &Json) -> bool {
        let mut matcher = self.0.deep_clone();
        let tokens: Vec<u32> = spaced_json(json).unwrap().bytes().map(u32::from).collect();
        let read = matcher.try_consume_tokens(&tokens).unwrap();
        read == tokens.len() && matcher.is_accepting().unwrap()
    }
}

#[test]
fn good_plans_can_be_written() {
    let request = "Speed up my clip.mp4 with a second \"echo\", and see https://example.org/a?b=c (or 'my talk.mp3')!";
    let media = Grammar::new(&catalog(MEDIA), request);
    let plans = [
        plan(&[("audio_1", "Video-to-Audio", json!({ "video": "clip.mp4" }))]),
        plan(&[("image_1", "Image Downloader", json!({ "url": "https://example.org/a?b=c" }))]),
        plan(&[("text_1", "Audio-to-Text", json!({ "audio": "my talk.mp3" }))]),
        plan(&[
            ("audio_1", "Video-to-Audio", json!({ "video": "clip.mp4" })),
            ("audio_2", "Audio Effects", json!({ "audio": "$audio_1", "text": "a second \"echo\"" })),
            ("video_3", "Video Synchronization", json!({ "video": "clip.mp4", "audio": "$audio_2" })),
        ]),
    ];
    for json in plans {
        assert!(media.accepts(&json), "{json}");
        assert_eq!(faults(&catalog(MEDIA), &json), [""; 0]);
    }
    let vision = Grammar::new(&catalog(VISION), "Cut the dog out of a.png");
    let cut = plan(&[
        ("mask_1", "image-perception", json!({ "image": "a.png", "text": "dog" })),
        ("image_2", "image-editing", json!({ "image": "a.png", "mask": "$mask_1" })),
    ]);
    assert!(vision.accepts(&cut));
    let services = Grammar::new(&catalog(SERVICES), "Note the weather in Oslo");
    let noted = plan(&[
        ("result_1", "get_weather", json!({ "location": "Oslo", "date": "tomorrow" })),
        ("result_2", "take_note", json!({ "content": "$result_1" })),
    ]);
    assert!(services.accepts(&noted));
}

#[test]
fn faulty_plans_cannot_be_written() {
    let grammar = Grammar::new(&catalog(MEDIA), "Speed up my clip.mp4");
    let audio = ("audio_1", "Video-to-Audio", json!({ "video": "clip.mp4" }));
    let faulty = [
        plan(&[("audio_1", "Video to Audio", json!({ "video": "clip.mp4" }))]),
        plan(&[("video_1", "Video-to-Audio", json!({ "video": "clip.mp4" }))]),
        plan(&[("audio", "Video-to-Audio", json!({ "video": "clip.mp4" }))]),
        plan(&[("audio_1", "Video-to-Audio", json!({}))]),
        plan(&[("audio_1", "Video-to-Audio", json!({ "clip": "clip.mp4" }))]),
        plan(&[("audio_1", "Video-to-Audio", json!({ "video": "other.mp4" }))]),
        plan(&[("audio_1", "Video-to-Audio", json!({ "video": "clipxmp4" }))]),
        plan(&[audio.clone(), ("video_2", "Video Synchronization", json!({ "video": "$audio_1" }))]),
        plan(&[audio.clone(), ("audio_2", "Audio Effects", json!({ "audio": "$audio_1", "text": "$audio_1" }))]),
        plan(&[audio.clone(), ("text_2", "Audio-to-Text", json!({ "audio": "clip.mp4" }))]),
    ];
    for json in faulty {
        assert!(!grammar.accepts(&json), "{json}");
    }
    assert!(grammar.accepts(&plan(&vec![audio.clone(); 16])));
    assert!(!grammar.accepts(&plan(&vec![audio; 17])));
    assert!(!grammar.accepts(&json!({ "steps": [], "result": "$audio_1" })));
}

/// Whether a plan of one step can be written for a request.
#[track_caller]
fn first_step(json: &str, request: &str, step: (&str, &str, Json), is_writable: bool) {
    let plan = plan(&[step]);
    assert_eq!(Grammar::new(&catalog(json), request).accepts(&plan), is_writable, "{request}: {plan}");
}

#[test]
fn a_medium_without_a_name_is_one_that_the_request_speaks_of() {
    let video = || ("audio_1", "Video-to-Audio", json!({ "video": "the video" }));
    for request in ["Get the sound out of this video", "I have a clip. Save its sound", "Do it"] {
        first_step(MEDIA, request, video(), true);
    }
    for request in ["Get the sound out of clip.mp4", "Make a video of talk.mp3", "Make a picture"] {
        first_step(MEDIA, request, video(), false);
    }
    let edit = |args| ("image_1", "image-editing", args);
    first_step(VISION, "Make the picture darker", edit(json!({ "image": "the image" })), true);
    first_step(VISION, "Draw a picture", edit(json!({ "image": "the image" })), false);
}

#[test]
fn texts_begin_with_words_of_the_request() {
    let effect = |text: &str| {
        let args = json!({ "audio": "talk.mp3", "text": text });
        ("audio_1", "Audio Effects", args)
    };
    let request = "Give talk.mp3 some echoes, as in a cave.";
    for text in ["echoes", "an echo", "Some echoes", "as in a cave", "in caves"] {
        first_step(MEDIA, request, effect(text), !text.starts_with("an "));
    }
    for text in ["harbour lights", "talk.mp3", "asked", "some_1", "$audio_1", "$$"] {
        first_step(MEDIA, request, effect(text), false);
    }
    first_step(MEDIA, "让 talk.mp3 像在山洞里", effect("山洞"), true);
}

#[test]
fn the_first_step_refers_to_no_other() {
    let own = plan(&[("text_1", "Audio-to-Text", json!({ "audio": "$audio_1" }))]);
    let grammar = Grammar::new(&catalog(MEDIA), "Write down what my clip.mp4 says");
    assert!(!grammar.accepts(&own));
    let later = plan(&[
        ("audio_1", "Video-to-Audio", json!({ "video": "clip.mp4" })),
        ("text_2", "Audio-to-Text", json!({ "audio": "$audio_1" })),
    ]);
    assert!(grammar.accepts(&later));
}

#[test]
fn what_only_steps_make_is_referred_to() {
    let edit = |args| ("image_1", "image-editing", args);
    first_step(VISION, "Crop a.png at 10", edit(json!({ "image": "a.png", "bbox": "10,10,90,90" })), false);
    first_step(VISION, "Crop a.png at 10", edit(json!({ "image": "a.png", "mask": "a.png" })), false);
    first_step(VISION, "Crop a.png with b.png", edit(json!({ "image": "a.png", "mask": "b.png" })), true);
}

#[test]
fn the_words_that_go_with_an_input_are_given() {
    let find = |args| ("bbox_1", "image-perception", args);
    first_step(VISION, "Find the dog in a.png", find(json!({ "image": "a.png" })), false);
    first_step(VISION, "Find the dog in a.png", find(json!({ "image": "a.png", "text": "the dog" })), true);
    let weather = ("result_1", "get_weather", json!({ "location": "Oslo" }));
    first_step(SERVICES, "How is it in Oslo?", weather, true);
}

#[test]
fn there_is_always_something_to_write() {
    let only = r#"{"nodes": [{"id": "Cut", "input-type": ["video"], "output-type": ["video"]}]}"#;
    first_step(only, "Cut the sound of talk.mp3", ("video_1", "Cut", json!({ "video": "the video" })), false);
    let made = plan(&[("video_1", "Cut", json!({ "video": "$video_1" }))]);
    assert!(Grammar::new(&catalog(only), "Cut talk.mp3").accepts(&made));
    let none = r#"{"nodes": [{"id": "Cut", "input-type": ["video"], "output-type": ["text"]}]}"#;
    first_step(none, "Cut the sound of talk.mp3", ("text_1", "Cut", json!({ "video": "the video" })), true);
}

#[test]
fn an_address_stands_for_what_is_there_when_no_tool_fetches_it() {
    let request = "What is on https://example.org/a.png ?";
    let args = json!({ "image": "https://example.org/a.png", "text": "What is on it" });
    let look = plan(&[("text_1", "image-perception", args)]);
    assert!(Grammar::new(&catalog(VISION), request).accepts(&look));
    let search = plan(&[("image_1", "Image Search (by Image)", json!({ "image": "https://example.org/a.png" }))]);
    assert!(!Grammar::new(&catalog(MEDIA), request).accepts(&search));
}

/// What is written at random is read, and a reference to an earlier step has the right type.
#[test]
fn what_can_be_written_passes_the_check_but_for_places() {
    for json in [MEDIA, VISION, SERVICES] {
        let catalog = catalog(json);
        let mut grammar = Grammar::new(&catalog, "Mix a.mp3 with b.mp4").0;
        let (mut state, mut written) = (7u64, 0);
        for round in 0..30 {
            grammar.reset().unwrap();
            let mut text = Vec::new();
            while !grammar.is_stopped() && text.len() < 4_000 {
                let mask = grammar.compute_mask().unwrap();
                let allowed: Vec<u32> = (0..256).filter(|byte| mask.is_allowed(*byte)).collect();
                let end = b"\"}]".iter().map(|b| u32::from(*b)).find(|b| allowed.contains(b));
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let random = (state >> 33) as usize;
                let pick = allowed.get(random % allowed.len().max(1)).copied();
                let Some(byte) = (if random % 3 == round % 2 { end.or(pick) } else { pick }) else { break };
                grammar.consume_token(byte).unwrap();
                text.push(byte as u8);
            }
            if grammar.is_stopped() {
                written += 1;
                let text = String::from_utf8_lossy(&text).into_owned();
                let plan = read_declared(&text).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
                let places = ["refers to no step", "later step", "the step itself", "each other", "is called"];
                for fault in catalog.check(&plan, &LIMITS) {
                    assert!(places.iter().any(|place| fault.message.contains(place)), "{text}: {fault}");
                }
            }
        }
        assert!(written >= 5, "only {written} texts came to their end");
    }
}

#[test]
fn the_grammar_of_a_large_catalogue_compiles_fast() {
    let Some(file) = public("taskbench/tool_desc.json") else {
        return println!("skipped: LAVR_EVAL_DATA has no TaskBench");
    };
    let catalog = Catalog::declared_in(file).unwrap();
    let fastest = (0..5).map(|_| {
        let start = Instant::now();
        let _ = Grammar::new(&catalog, "Turn example.mp4 into text");
        start.elapsed()
    });
    let fastest = fastest.min().unwrap();
    assert!(fastest < Duration::from_millis(150), "{fastest:?}");
    let size = declared_schema(&catalog, &PlanLimits { max_steps: 24, images: 0 }, "").to_string().len();
    assert!(size < 32_000, "{size} bytes");
}
