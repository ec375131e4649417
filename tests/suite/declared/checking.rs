//! Plans of declared tools: their forms, their faults, and that nothing runs them.

use std::sync::Arc;

use lavr::agent::{Agent, Watch};
use lavr::config::Config;
use lavr::error::ErrorKind;
use lavr::executor::Executor;
use lavr::plan::{Plan, settle};
use lavr::store::Silent;
use lavr::task::Task;
use serde_json::json;

use super::{MEDIA, SERVICES, VISION, catalog, faults, plan, spoken};
use crate::fakes::{Script, picture};

#[test]
fn ids_with_spaces_survive_every_form() {
    let json = plan(&[
        ("image_1", "Image Downloader", json!({ "url": "https://example.org/a" })),
        ("image_2", "Image Search (by Image)", json!({ "image": "$image_1" })),
    ]);
    let read = Plan::from_json(&json).unwrap();
    assert_eq!(read.to_json(), json);
    let program = read.to_program();
    assert!(program.contains("IMAGE_2 = \"Image Search (by Image)\"(image=IMAGE_1)"), "{program}");
    assert_eq!(Plan::parse(&program), Ok(read));
    assert_eq!(faults(&catalog(MEDIA), &json), [""; 0]);
}

#[test]
fn texts_stand_for_anything() {
    let media = catalog(MEDIA);
    for text in ["clip.mp4", "the clip", "https://example.org/clip", "$$5"] {
        let json = plan(&[("audio_1", "Video-to-Audio", json!({ "video": text }))]);
        assert_eq!(faults(&media, &json), [""; 0]);
    }
    let listed = json!({ "audio": ["a.mp3", "b.mp3"], "audio2": 2 });
    assert_eq!(faults(&media, &plan(&[("a", "Audio Splicer", listed)])), [""; 0]);
}

#[test]
fn references_have_types() {
    let media = catalog(MEDIA);
    let first = ("a", "Video-to-Audio", json!({ "video": "clip.mp4" }));
    let good = plan(&[first.clone(), ("b", "Video Synchronization", json!({ "video": "clip.mp4", "audio": "$a" }))]);
    assert_eq!(faults(&media, &good), [""; 0]);
    let bad = plan(&[first, ("b", "Video Synchronization", json!({ "video": "$a" }))]);
    assert_eq!(
        faults(&media, &bad),
        ["steps[1].args.video: `Video Synchronization` takes `video`: video; `$a` is audio; \
          write \"audio\": \"$a\", and for `video`: write a text, e.g. the name of a file"]
    );
    let vision = catalog(VISION);
    for arg in ["text", "mask", "bbox"] {
        let json = plan(&[
            ("found", "image-perception", json!({ "image": "a.png", "text": "dog" })),
            ("cut", "image-editing", json!({ "image": "a.png", arg: "$found" })),
        ]);
        assert_eq!(faults(&vision, &json), [""; 0], "any of the types of a result fits");
    }
    let json = plan(&[
        ("found", "image-perception", json!({ "image": "a.png" })),
        ("more", "image-perception", json!({ "image": "$found" })),
    ]);
    assert_eq!(faults(&vision, &json).len(), 1);
    let services = catalog(SERVICES);
    let noted =
        plan(&[("w", "get_weather", json!({ "location": "Oslo" })), ("n", "take_note", json!({ "content": "$w" }))]);
    assert_eq!(faults(&services, &noted), [""; 0], "what is not declared fits");
}

#[test]
fn plans_are_checked() {
    let media = catalog(MEDIA);
    let audio = |id, video| (id, "Video-to-Audio", json!({ "video": video }));
    let cases = [
        (
            plan(&[("a", "Video to Audio", json!({ "video": "x" }))]),
            "there is no tool `Video to Audio`; did you mean `Video-to-Audio`?",
        ),
        (plan(&[("a", "Video-to-Audio", json!({ "clip": "x", "video": "y" }))]), "has no argument `clip`"),
        (plan(&[("a", "Video-to-Audio", json!({}))]), "needs `video`: video; write a text"),
        (plan(&[("a", "Video-to-Audio", json!({ "video": { "x": 1 } }))]), "this is an object"),
        (plan(&[audio("a", "$b")]), "`$b` refers to no step"),
        (plan(&[audio("a", "$a")]), "`$a` is the step itself"),
        (plan(&[audio("a", "x"), audio("a", "y")]), "another step is called `a`"),
        (plan(&[audio("a", "$image")]), "the task has no image"),
    ];
    for (json, said) in cases {
        let found = faults(&media, &json);
        assert!(found.iter().any(|fault| fault.contains(said)), "{said}: {found:?}");
    }
    let circle =
        plan(&[("a", "Audio Effects", json!({ "audio": "$b" })), ("b", "Audio Effects", json!({ "audio": "$a" }))]);
    assert!(faults(&media, &circle)[0].contains("the steps need each other"));
}

#[tokio::test]
async fn a_plan_is_written_checked_and_repaired_but_not_run() {
    let wrong = plan(&[("audio_1", "Video-to-Sound", json!({ "video": "clip.mp4" }))]);
    let right = plan(&[("audio_1", "Video-to-Audio", json!({ "video": "clip.mp4" }))]);
    let script = Script::new([wrong, spoken(&right)]);
    let agent = Agent::builder().chat(Arc::<Script>::clone(&script)).catalog(catalog(MEDIA)).build().unwrap();
    let task = Task::new("Give me the sound of clip.mp4", Vec::new());
    let trace = agent.plan(&task, Watch::default()).await.unwrap();
    assert_eq!((trace.plan.unwrap().to_json(), trace.repairs), (right, 1));
    let requests = script.requests();
    assert!(requests[1].messages.last().unwrap().content.contains("did you mean `Video-to-Audio`?"));
    assert_eq!(requests[0].messages.len(), 1, "no demo of other tools goes along");

    for error in [agent.ask(&task).await.err(), agent.stream(task).err()] {
        let error = error.unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let message = error.to_string();
        assert!(message.contains("these tools are only declared") && message.contains("lavr plan"), "{message}");
    }
    assert_eq!(script.requests().len(), 2, "nobody was asked");
}

#[tokio::test]
async fn a_step_of_a_declared_tool_fails() {
    let media = catalog(MEDIA);
    let json = plan(&[("a", "Video-to-Audio", json!({ "video": "clip.mp4" }))]);
    let cx = lavr::cx::Cx::new(lavr::budget::Budget::default());
    let execution = Executor::new(media, 1).run(&cx, &Plan::from_json(&json).unwrap(), &[picture()]).await;
    let shown = format!("{:?}", execution.observations);
    assert!(shown.contains("Video-to-Audio"), "{shown}");
    assert!(!shown.contains("Returned"), "{shown}");
}

#[tokio::test]
async fn a_configuration_names_a_catalogue() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tools.json");
    std::fs::write(&file, MEDIA).unwrap();
    let config = Config { llm: "http://127.0.0.1:1/v1#m".to_owned(), tools: vec![file.clone()], ..Config::default() };
    let agent = config.agent(Arc::new(Silent)).await.unwrap();
    assert!(agent.catalog().is_declared());
    std::fs::write(&file, "x").unwrap();
    let error = config.agent(Arc::new(Silent)).await.err().unwrap().to_string();
    assert!(error.contains("tools.json") && error.contains("this is not JSON"), "{error}");
}

/// The arguments of a plan's steps, after its references were settled for a request.
fn settled(steps: &[(&str, &str, serde_json::Value)], request: &str) -> Vec<serde_json::Value> {
    let plan = Plan::from_json(&plan(steps)).unwrap();
    let json = settle(plan, request).to_json();
    json["steps"].as_array().unwrap().iter().map(|step| step["args"].clone()).collect()
}

#[test]
fn a_reference_to_no_step_is_the_file_that_is_meant() {
    let both = json!({ "video": "$video_1", "audio": "$audio_1" });
    let steps = [("video_1", "Video Search", json!({ "text": "cats" })), ("video_2", "Video Synchronization", both)];
    let one = settled(&steps, "Find a video of cats and synchronize talk.wav with it.");
    assert_eq!(one[1], json!({ "video": "$video_1", "audio": "talk.wav" }));
    // Of two files neither is meant for certain, and without one nothing is.
    for request in ["Put talk.wav and song.mp3 to a video of cats.", "Synchronize a video of cats with photo.jpg."] {
        assert_eq!(settled(&steps, request)[1]["audio"], json!("$audio_1"), "{request}");
    }
}

#[test]
fn a_reference_to_no_step_is_to_the_step_before_that_makes_such_a_thing() {
    let steps = [
        ("text_2", "Text Translator", json!({ "text": "Hola" })),
        ("text_3", "Text Summarizer", json!({ "text": "$text_1" })),
    ];
    assert_eq!(settled(&steps, "Translate 'Hola' and sum it up.")[1], json!({ "text": "$text_2" }));
    // A file that a step takes already is not meant again.
    let steps = [
        ("audio_1", "Audio Noise Reduction", json!({ "audio": "talk.wav" })),
        ("audio_2", "Audio Effects", json!({ "audio": "$audio_9", "text": "reverb" })),
    ];
    assert_eq!(settled(&steps, "Clean talk.wav and add reverb.")[1]["audio"], json!("$audio_1"));
}

#[test]
fn a_reference_to_no_step_means_the_same_everywhere() {
    let steps = [
        ("text_1", "Audio-to-Text", json!({ "audio": "$audio_9" })),
        ("audio_2", "Audio Noise Reduction", json!({ "audio": "$audio_9" })),
    ];
    let settled = settled(&steps, "Transcribe talk.wav, and clean it.");
    assert_eq!(settled, [json!({ "audio": "talk.wav" }), json!({ "audio": "talk.wav" })]);
}
