//! In-context demos in files: how they are read, chosen, shown, checked and learned.

mod binary;
mod choosing;
mod learning;
mod reading;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lavr::agent::Agent;
use lavr::chain::Chain;
use lavr::chat::ChatRequest;
use lavr::demo;
use lavr::prompt::Prompts;
use lavr::task::{Mode, Task};
use serde_json::{Value as Json, json};

use crate::agent::{dogs_plan, says, tools};
use crate::fakes::{Script, picture};

/// A demo that counts, with all its parts.
pub fn counting(question: &str, description: &str) -> Json {
    json!({
        "question": question,
        "description": description,
        "plan": {
            "steps": [
                { "id": "cats", "tool": "detect_objects", "args": { "image": "$image", "labels": ["cat"] } },
                { "id": "many", "tool": "count", "args": { "items": "$cats" } },
            ],
            "result": "$many",
        },
        "observations": [{ "id": "cats", "text": "4 cat" }, { "id": "many", "text": "4" }],
        "answer": ["There are 4 cats."],
    })
}

/// A file of demos.
pub fn file(folder: &Path, demos: &[Json]) -> PathBuf {
    let path = folder.join("demos.jsonl");
    std::fs::write(&path, demos.iter().map(|demo| format!("{demo}\n")).collect::<String>()).unwrap();
    path
}

/// The compiled-in prompts with the demos of a file.
pub fn prompts(path: &Path) -> Prompts {
    Prompts::builtin().unwrap().with_demos(demo::open(path).unwrap())
}

/// The requests of a run that counts dogs: a plan, or rounds, and the answer.
pub async fn requests(prompts: Prompts, mode: Mode, chain: &str) -> Vec<ChatRequest> {
    let done = json!({ "thought": "n says 2.", "result": "$n" });
    let round = json!({ "thought": "Nothing is known yet.", "missing": "all", "steps": dogs_plan()["steps"] });
    let says = says(&["There are 2 dogs."]);
    let script = match mode {
        Mode::DecisionMaker => Script::new([round, done, says]),
        _ => Script::new([dogs_plan(), says]),
    };
    let agent = Agent::builder().chat(Arc::<Script>::clone(&script)).catalog(tools()).prompts(prompts).build().unwrap();
    let chain = Chain::default().with(chain).unwrap();
    let task = Task::new("How many dogs are there?", vec![picture()]).with_mode(mode).with_chain(chain);
    let report = agent.ask(&task).await.unwrap();
    assert_eq!(report.answer.text, "There are 2 dogs.", "{:?}", report.error);
    script.requests()
}
