//! The real thing as the tests use it: the embedded LLM, the experts, the model store.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use lavr::agent::{Agent, Report};
use lavr::config::Config;
use lavr::image::Image;
use lavr::store::{Artefact, Silent, Store, StoreOptions};
use lavr::task::Task;

use crate::experts::repository;

/// One runtime for everything that outlives a test: models are loaded into it once.
static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| tokio::runtime::Runtime::new().unwrap());
static AGENT: LazyLock<Agent> = LazyLock::new(|| make(Some(replies().to_owned())));
static LIVE: LazyLock<Agent> = LazyLock::new(|| make(None));
static REPLIES: LazyLock<PathBuf> = LazyLock::new(|| {
    let kept = repository("tests/cassettes/replies.jsonl");
    if std::env::var_os("LAVR_RECORD_REPLIES").is_some() {
        return kept;
    }
    let (file, text) = (PathBuf::from(env!("CARGO_TARGET_TMPDIR")), std::fs::read_to_string(kept).unwrap());
    let file = file.join("replies.jsonl");
    let told = |(n, line): (usize, &str)| (n % ASKED_ANYWAY != 1).then(|| format!("{line}\n"));
    std::fs::write(&file, text.lines().enumerate().filter_map(told).collect::<String>()).unwrap();
    file
});
/// Of so many kept replies one is left out, so that the LLM is asked.
const ASKED_ANYWAY: usize = 16;
static TURN: Mutex<()> = Mutex::new(());

fn make(llm_cache: Option<PathBuf>) -> Agent {
    let _inside = RUNTIME.enter();
    // Prompts can be tried out without compiling them in.
    let prompts = std::env::var_os("LAVR_PROMPTS").map(PathBuf::from);
    RUNTIME.block_on(Config { prompts, llm_cache, ..Config::default() }.agent(Arc::new(Silent))).unwrap()
}

/// A file for `--llm-cache`: what the embedded LLM replied to most of what these tests ask it. Whatever else it is
/// asked, as after a change of prompts, it is asked. See `tests/cassettes/README.md`.
pub fn replies() -> &'static std::path::Path {
    &REPLIES
}

/// LLM tests take turns: two at once would fight for the cores.
pub fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a future to its end on the shared runtime.
pub fn block_on<F: Future>(work: F) -> F::Output {
    RUNTIME.block_on(work)
}

/// The agent that `lavr ask` uses, with [`replies`] that are known.
pub fn agent() -> &'static Agent {
    &AGENT
}

/// The same without any reply that is known.
pub fn live() -> &'static Agent {
    &LIVE
}

/// Asks about pictures of the repository or files anywhere.
pub fn ask(images: &[PathBuf], question: &str) -> Report {
    let limits = Config::default().images;
    let images = images.iter().map(|path| Image::open(path, &limits).unwrap()).collect();
    block_on(agent().ask(&Task::new(question, images))).unwrap()
}

/// A picture of the repository.
pub fn picture(name: &str) -> PathBuf {
    repository("tests/images").join(name)
}

/// The path of a model by its name or file, fetched by the store when it is missing.
pub fn model_file(file: &str) -> PathBuf {
    let mut all: Vec<Artefact> = lavr::store::for_platform(lavr::store::builtin().unwrap());
    all.extend(lavr::tool::builtin::artefacts().unwrap().into_iter().map(|(artefact, _)| artefact));
    let artefact = all
        .into_iter()
        .find(|a| a.file == file || a.name == file)
        .unwrap_or_else(|| panic!("there is no artefact {file}"));
    let get = || {
        let store = Store::open(StoreOptions::from_env().unwrap()).unwrap();
        RUNTIME.block_on(store.get(&artefact, &Silent)).unwrap()
    };
    // A test may be inside a runtime of its own, where blocking is not allowed.
    std::thread::scope(|scope| scope.spawn(get).join().unwrap())
}

/// A file of JSON lines.
pub fn json_lines(path: &std::path::Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.lines().filter(|l| !l.trim().is_empty()).map(|l| serde_json::from_str(l).unwrap()).collect()
}
