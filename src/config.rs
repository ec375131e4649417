//! Configuration: everything that puts an agent together, in one struct.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::agent::Agent;
use crate::budget::Budget;
use crate::chat::ChatModel;
use crate::chat::local::{LocalModel, LocalOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::image::ImageLimits;
use crate::prompt::Prompts;
use crate::store::{Artefact, Progress, Store, StoreOptions};
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
