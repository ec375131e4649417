//! Declared tools: catalogues of others, planned with and never run.

mod binary;
mod catalogue;
mod checking;
mod grammar;
mod prompts;

use std::path::PathBuf;

use lavr::plan::{Plan, PlanLimits};
use lavr::tool::Catalog;
use serde_json::{Value as Json, json};

/// A catalogue of the form of TaskBench.
pub const MEDIA: &str = r#"{
  "nodes": [
    {"id": "Image Downloader", "desc": "Downloads an image from a given URL.", "input-type": ["url"], "output-type": ["image"]},
    {"id": "Image Search (by Image)", "desc": "Performs a similar image search.", "input-type": ["image"], "output-type": ["Image"]},
    {"id": "Video-to-Audio", "desc": "Extracts the audio track from a given video file.", "input-type": ["video"], "output-type": ["audio"]},
    {"id": "Audio-to-Text", "desc": "Transcribes speech from an audio file into text.", "input-type": ["audio"], "output-type": ["text"]},
    {"id": "Audio Effects", "desc": "Applies various audio effects to a given audio file, such as reverb.", "input-type": ["audio", "text"], "output-type": ["audio"]},
    {"id": "Video Synchronization", "desc": "Synchronizes the timing of an audio file with the visuals of a given video.", "input-type": ["video", "audio"], "output-type": ["video"]},
    {"id": "Audio Splicer", "desc": "Combines two audio files into a single output file.", "input-type": ["audio", "audio"], "output-type": ["audio"]}
  ]
}"#;

/// A catalogue of the form of ControlLLM, with several types of results.
pub const VISION: &str = r#"{"nodes": [
  {"id": "image-perception", "desc": "Finds things in an image: counts objects, segments them.", "input-type": ["image", "text"], "output-type": ["text", "bbox", "mask"]},
  {"id": "image-editing", "desc": "Changes an image.", "input-type": ["image", "text", "mask", "bbox"], "output-type": ["image"]}
]}"#;

/// A catalogue of the form of TaskBench's services: parameters by name, no results.
pub const SERVICES: &str = r#"{"nodes": [
  {"id": "get_weather", "desc": "Get the weather for a specific city and a specific day",
   "parameters": [{"name": "location", "type": "string", "desc": "The location"}, {"name": "date", "type": "date", "desc": "The date"}]},
  {"id": "take_note", "desc": "Take a note", "parameters": [{"name": "content", "type": "string", "desc": "The content"}]}
]}"#;

pub const LIMITS: PlanLimits = PlanLimits { max_steps: 24, images: 0 };

pub fn catalog(json: &str) -> Catalog {
    Catalog::declared(json).unwrap()
}

/// A plan of steps `id = TOOL {args}`, whose result is the last one.
pub fn plan(steps: &[(&str, &str, Json)]) -> Json {
    let last = format!("${}", steps.last().unwrap().0);
    let steps: Vec<Json> =
        steps.iter().map(|(id, tool, args)| json!({ "id": id, "tool": tool, "args": args })).collect();
    json!({ "steps": steps, "result": last })
}

/// A plan as an LLM is to write it, saying what each step is to do.
pub fn spoken(plan: &Json) -> Json {
    let step = |step: &Json| json!({ "do": "as asked", "tool": step["tool"], "id": step["id"], "args": step["args"] });
    let steps: Vec<Json> = plan["steps"].as_array().unwrap().iter().map(step).collect();
    json!({ "steps": steps, "result": plan["result"] })
}

/// What the checker has against a plan, one line each.
pub fn faults(catalog: &Catalog, json: &Json) -> Vec<String> {
    let plan = Plan::from_json(json).unwrap_or_else(|faults| panic!("{faults:?}"));
    catalog.check(&plan, &LIMITS).iter().map(ToString::to_string).collect()
}

/// The catalogue of a public benchmark, where it is at hand.
pub fn public(path: &str) -> Option<PathBuf> {
    let file = PathBuf::from(std::env::var_os("LAVR_EVAL_DATA")?).join(path);
    file.is_file().then_some(file)
}
