//! Configuration: everything that puts an agent together, in one struct.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::agent::Agent;
use crate::budget::Budget;
use crate::chat::ChatModel;
use crate::chat::local::{LocalModel, LocalOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::image::{Image, ImageLimits};
use crate::prompt::Prompts;
use crate::store::{Artefact, Progress, Store, StoreOptions, builtin_artefact};
use crate::task::{Mode, Task};
use crate::tool::{Catalog, builtin};

/// Everything that puts an agent together.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The LLM: `local`, `local:tiny`, or `local:FILE.gguf`.
    pub llm: String,
    /// A folder of prompt files laid over the compiled-in ones.
    pub prompts: Option<PathBuf>,
    /// Limits of one run.
    pub budget: Budget,
    /// Who decides what a run does, and when.
    pub mode: Mode,
    /// Limits on image files.
    pub images: ImageLimits,
    /// How many steps run at the same time.
    pub parallel: usize,
    /// How often a faulty plan goes back to the LLM.
    pub max_repairs: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            llm: "local".to_owned(),
            prompts: None,
            budget: Budget::default(),
            mode: Mode::default(),
            images: ImageLimits::default(),
            parallel: 4,
            max_repairs: 2,
        }
    }
}

impl Config {
    /// The LLM and the tools that this configuration names, put together.
    ///
    /// Missing model files are fetched first, so that no run's clock counts the time; `progress` is told.
    /// Then the LLM loads in the background, and experts when a run begins.
    ///
    /// # Errors
    /// `InvalidInput` or `NotFound` when the LLM's name, the prompts or the environment's settings are
    /// faulty; `Offline`, `Network` or `Integrity` when the LLM's file cannot be had. A missing expert
    /// is an error only of the steps that need it.
    pub async fn agent(&self, progress: Arc<dyn Progress>) -> Result<Agent> {
        let prompts = match &self.prompts {
            Some(folder) => Prompts::with_folder(folder)?,
            None => Prompts::builtin()?,
        };
        let store = Store::open(StoreOptions::from_env()?)?;
        let llm = async {
            match self.llm_file()? {
                LlmFile::Artefact(artefact) => store.get(&artefact, progress.as_ref()).await.map(|_| ()),
                LlmFile::Path(_) => Ok(()),
            }
        };
        tokio::try_join!(llm, fetch_experts(&store, progress.as_ref()))?;
        Agent::builder()
            .chat(self.chat(Arc::clone(&progress))?)
            .catalog(self.catalog(&progress)?)
            .prompts(prompts)
            .parallel(self.parallel)
            .max_repairs(self.max_repairs)
            .build()
    }

    /// A question about images, with the limits and the mode of this configuration.
    pub fn task(&self, question: impl Into<String>, images: Vec<Image>) -> Task {
        Task::new(question, images).with_budget(self.budget.clone()).with_mode(self.mode)
    }

    /// The built-in tools. Model files that are missing are fetched when they are first needed.
    ///
    /// # Errors
    /// `InvalidInput` when the environment's settings are faulty.
    pub fn catalog(&self, progress: &Arc<dyn Progress>) -> Result<Catalog> {
        builtin::catalog(&Store::open(StoreOptions::from_env()?)?, progress)
    }

    /// The LLM, loading in the background, its file being fetched when it is missing.
    ///
    /// # Errors
    /// `InvalidInput` or `NotFound` when its name is faulty.
    pub fn chat(&self, progress: Arc<dyn Progress>) -> Result<Arc<dyn ChatModel>> {
        let store = Store::open(StoreOptions::from_env()?)?;
        let prefix_dir = Some(store.home().join("prefix"));
        let options =
            |name: &str| LocalOptions { name: format!("local:{name}"), prefix_dir, ..LocalOptions::default() };
        Ok(Arc::new(match self.llm_file()? {
            LlmFile::Artefact(artefact) => {
                let options = options(&artefact.name);
                LocalModel::spawn(async move { store.get(&artefact, progress.as_ref()).await }, options)?
            }
            LlmFile::Path(path) => {
                let options = options(&path.to_string_lossy());
                LocalModel::spawn(async move { Ok(path) }, options)?
            }
        }))
    }

    fn llm_file(&self) -> Result<LlmFile> {
        let named = |name: &str| Ok(LlmFile::Artefact(Box::new(builtin_artefact(name)?)));
        match self.llm.split_once(':') {
            None if self.llm == "local" => named(QWEN),
            Some(("local", "tiny")) => named(SMOLLM),
            Some(("local", name @ (QWEN | SMOLLM))) => named(name),
            Some(("local", file)) if file.ends_with(".gguf") => {
                let path = PathBuf::from(file);
                if path.is_file() {
                    return Ok(LlmFile::Path(path));
                }
                Err(Error::new(ErrorKind::NotFound, format!("LLM file `{file}` does not exist")))
            }
            _ => Err(Error::invalid(format!(
                "`{}` is not an LLM; use `local`, `local:tiny`, or `local:FILE.gguf`",
                self.llm
            ))),
        }
    }
}

const QWEN: &str = "qwen2.5-coder-1.5b";
const SMOLLM: &str = "smollm2-135m";

/// Where an embedded LLM comes from.
enum LlmFile {
    Artefact(Box<Artefact>),
    Path(PathBuf),
}

/// Fetches what the experts need. What cannot be had is reported by the step that needs it.
async fn fetch_experts(store: &Store, progress: &dyn Progress) -> Result<()> {
    let fetches = builtin::artefacts()?.into_iter().map(|(artefact, _)| async move {
        if let Err(error) = store.get(&artefact, progress).await {
            tracing::debug!(artefact = %artefact.name, "not fetched: {}", error.for_log());
        }
    });
    futures::future::join_all(fetches).await;
    Ok(())
}
