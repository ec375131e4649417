//! What the embedded LLM costs: loading, the planner's constant prefix cold and kept, and a plan.
//!
//!     cargo bench --bench llm
//!
//! Prints milliseconds. The model is fetched by the store when it is missing.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and fails by panicking")]

use std::sync::Arc;
use std::time::Instant;

use lavr::budget::Budget;
use lavr::chat::local::{LocalModel, LocalOptions};
use lavr::chat::{ChatModel, ChatRequest};
use lavr::config::Config;
use lavr::cx::Cx;
use lavr::plan::{PlanLimits, schema};
use lavr::prompt::{Prompts, Said};
use lavr::store::{Progress, Silent, Store, StoreOptions, builtin_artefact};

fn ms(began: Instant) -> u128 {
    began.elapsed().as_millis()
}

#[tokio::main]
async fn main() {
    let store = Store::open(StoreOptions::from_env().unwrap()).unwrap();
    let path = store.get(&builtin_artefact("qwen2.5-coder-1.5b").unwrap(), &Silent).await.unwrap();
    let progress: Arc<dyn Progress> = Arc::new(Silent);
    let catalog = Config::default().catalog(&progress).unwrap();
    let prompts = Prompts::builtin().unwrap();
    let prefix = prompts.plan_prefix(&catalog).unwrap();
    let folder = std::env::temp_dir().join(format!("lavr-bench-{}", std::process::id()));
    let cx = Cx::new(Budget { max_tokens: 1_000_000, ..Budget::default() });

    for pass in ["cold", "kept on disk"] {
        let began = Instant::now();
        let options = LocalOptions { prefix_dir: Some(folder.clone()), ..LocalOptions::default() };
        let llm = LocalModel::load(&path, options).unwrap();
        println!("{pass}: load {} ms", ms(began));
        let began = Instant::now();
        llm.warm(&cx, &prefix).await.unwrap();
        println!("{pass}: constant prefix {} ms", ms(began));
        let question = "How many people are in the picture?";
        let library = prompts.plan_lookup(&catalog).unwrap();
        let mut messages = library.similar(&cx, question, 1, &catalog).await.unwrap();
        messages.push(prompts.plan_user(question, 1, &catalog, &Said::default()).unwrap());
        let request = ChatRequest {
            prefix: prefix.clone(),
            messages,
            schema: Some(schema(&catalog, &PlanLimits { max_steps: 16, images: 1 })),
            max_tokens: 400,
            temperature: 0.0,
            images: Vec::new(),
        };
        let began = Instant::now();
        let usage = llm.complete(&cx, &request).await.unwrap().usage;
        println!(
            "{pass}: plan {} ms ({} tokens read in {} ms, {} written in {} ms, {} of them forced, {} kept)",
            ms(began),
            usage.prompt_tokens,
            usage.prompt_time.as_millis(),
            usage.completion_tokens,
            usage.completion_time.as_millis(),
            usage.forced_tokens,
            usage.cached_tokens,
        );
    }
    // A folder of the system's own for such files: left-overs are no harm.
    let _ = std::fs::remove_dir_all(folder);
}
