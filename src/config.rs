//! Configuration: everything that puts an agent together, in one struct.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::agent::Agent;
use crate::budget::Budget;
use crate::chat::ChatModel;
use crate::chat::local::{LocalModel, LocalOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::image::ImageLimits;
use crate::prompt::Prompts;
use crate::store::{Progress, Store, StoreOptions, builtin_artefact};
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
            images: ImageLimits::default(),
            parallel: 4,
            max_repairs: 2,
        }
    }
}

impl Config {
    /// The LLM and the tools that this configuration names, put together.
    ///
    /// Models are fetched and loaded in the background, the LLM beside the
    /// experts; the first question waits for what it needs. Fetching reports to `progress`.
    ///
    /// # Errors
    /// `InvalidInput` or `NotFound` when the LLM's name, the prompts or the environment's settings are faulty.
    pub async fn agent(&self, progress: Arc<dyn Progress>) -> Result<Agent> {
        let prompts = match &self.prompts {
            Some(folder) => Prompts::with_folder(folder)?,
            None => Prompts::builtin()?,
        };
        Agent::builder()
            .chat(self.chat(Arc::clone(&progress))?)
            .catalog(self.catalog(&progress)?)
            .prompts(prompts)
            .parallel(self.parallel)
            .max_repairs(self.max_repairs)
            .build()
    }

    /// The built-in tools. Their models are fetched when they are first needed.
    ///
    /// # Errors
    /// `InvalidInput` when the environment's settings are faulty.
    pub fn catalog(&self, progress: &Arc<dyn Progress>) -> Result<Catalog> {
        builtin::catalog(&Store::open(StoreOptions::from_env()?)?, progress)
    }

    /// The LLM, being fetched and loaded in the background.
    ///
    /// # Errors
    /// `InvalidInput` or `NotFound` when its name is faulty.
    pub fn chat(&self, progress: Arc<dyn Progress>) -> Result<Arc<dyn ChatModel>> {
        let store = Store::open(StoreOptions::from_env()?)?;
        let options = |name: &str| LocalOptions {
            name: format!("local:{name}"),
            prefix_dir: Some(store.home().join("prefix")),
            ..LocalOptions::default()
        };
        let Some(name) = self.llm.strip_prefix("local") else { return Err(unknown_llm(&self.llm)) };
        let artefact = match name.strip_prefix(':').unwrap_or(name) {
            "" | QWEN => builtin_artefact(QWEN)?,
            "tiny" | SMOLLM => builtin_artefact(SMOLLM)?,
            file if file.ends_with(".gguf") => return open_gguf(Path::new(file), options(file)),
            _ => return Err(unknown_llm(&self.llm)),
        };
        let options = options(&artefact.name);
        let path = async move { store.get(&artefact, progress.as_ref()).await };
        Ok(Arc::new(LocalModel::spawn(path, options)?))
    }
}

const QWEN: &str = "qwen2.5-coder-1.5b";
const SMOLLM: &str = "smollm2-135m";

fn open_gguf(file: &Path, options: LocalOptions) -> Result<Arc<dyn ChatModel>> {
    if !file.is_file() {
        return Err(Error::new(ErrorKind::NotFound, format!("LLM file `{}` does not exist", file.display())));
    }
    let path = file.to_owned();
    Ok(Arc::new(LocalModel::spawn(async move { Ok(path) }, options)?))
}

fn unknown_llm(name: &str) -> Error {
    Error::invalid(format!("`{name}` is not an LLM; use `local`, `local:tiny`, or `local:FILE.gguf`"))
}
