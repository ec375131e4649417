//! Configuration: everything that puts an agent together, in one struct.

mod service;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use service::{Otlp, RunsConfig, ServiceConfig, Variant};

use crate::agent::{Agent, AgentBuilder};
use crate::budget::Budget;
use crate::chain::{Bridge, Chain};
use crate::chat::ChatModel;
use crate::chat::cached::Cached;
use crate::chat::local::{LocalModel, LocalOptions};
use crate::chat::named::{self, Named};
use crate::chat::openai::OpenAiModel;
use crate::chat::record::Recorded;
use crate::chat::replay::Replay;
use crate::demo::{self, FileDemo};
use crate::embedder;
use crate::error::{Error, Result};
use crate::files::read_at_most;
use crate::image::{Image, ImageLimits};
use crate::prompt::{PlanLibrary, Prompts};
use crate::store::{Progress, Store, StoreOptions, builtin_artefact};
use crate::style::Style;
use crate::task::{Mode, Task};
use crate::tool::{Catalog, builtin};

/// Everything that puts an agent together.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The LLM: `local`, `local:tiny`, `local:FILE.gguf`, `openai:MODEL`, `http://HOST:PORT/v1#MODEL`, or
    /// `replay:DIR`; see [`Named::parse`] for the environment variables that go with them.
    pub llm: String,
    /// A folder to record the LLM's calls into, for `replay:DIR`.
    pub record: Option<PathBuf>,
    /// A file of replies to earlier requests, which are not asked again; see [`Cached`].
    pub llm_cache: Option<PathBuf>,
    /// A table of prices laid over the compiled-in one, for LLMs behind a server.
    pub prices: Option<PathBuf>,
    /// A folder of prompt files laid over the compiled-in ones.
    pub prompts: Option<PathBuf>,
    /// More in-context demos: files of them (`*.jsonl`, see [`crate::demo`]), or folders of such files. They are added
    /// to those of the prompts.
    pub demos: Vec<PathBuf>,
    /// More tools: manifests (`NAME.toml`), folders of them, or names of built-in tools that are off otherwise, which
    /// are added to the built-in tools; or one JSON catalogue of declared tools that takes their place, to plan with
    /// (see [`Catalog::declared`]). A name is one word without an ending that is no file or folder.
    pub tools: Vec<PathBuf>,
    /// Limits of one run.
    pub budget: Budget,
    /// Who decides what a run does, and when.
    pub mode: Mode,
    /// Whether a question that the evidence does not answer gets a guess, marked as one; see [`Task::with_guess`].
    pub guess: bool,
    /// How a run reasons.
    pub chain: Chain,
    /// How answers are worded.
    pub style: Style,
    /// Limits on image files.
    pub images: ImageLimits,
    /// Whether the LLM that plans is shown the images. An address of an LLM does not tell whether it takes them,
    /// so this says that it does.
    pub show_images: bool,
    /// How many steps run at the same time.
    pub parallel: usize,
    /// How often a faulty plan goes back to the LLM.
    pub max_repairs: u64,
    /// How the service listens, and what it takes on.
    pub service: ServiceConfig,
    /// Configurations that the service's clients choose by their names.
    pub models: BTreeMap<String, Variant>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            llm: "local".to_owned(),
            record: None,
            llm_cache: None,
            prices: None,
            prompts: None,
            demos: Vec::new(),
            tools: Vec::new(),
            budget: Budget::default(),
            mode: Mode::default(),
            guess: false,
            chain: Chain::default(),
            style: Style::default(),
            images: ImageLimits::default(),
            show_images: false,
            parallel: 4,
            max_repairs: 2,
            service: ServiceConfig::default(),
            models: BTreeMap::new(),
        }
    }
}

/// Shows everything but what an address of an LLM may hide: a user, a password, a query.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("llm", &named::shown(&self.llm))
            .field("record", &self.record)
            .field("llm_cache", &self.llm_cache)
            .field("prices", &self.prices)
            .field("prompts", &self.prompts)
            .field("demos", &self.demos)
            .field("tools", &self.tools)
            .field("budget", &self.budget)
            .field("mode", &self.mode)
            .field("guess", &self.guess)
            .field("chain", &self.chain)
            .field("style", &self.style)
            .field("images", &self.images)
            .field("show_images", &self.show_images)
            .field("parallel", &self.parallel)
            .field("max_repairs", &self.max_repairs)
            .field("service", &self.service)
            .field("models", &self.models)
            .finish()
    }
}

/// Longest configuration file, in bytes.
const MAX_BYTES: u64 = 1 << 20;

impl Config {
    /// Reads a configuration file, by custom `lavr.toml`: the fields of this struct as TOML, what is left out being
    /// as it is by default. Paths in it are seen from its folder.
    ///
    /// ```toml
    /// llm = "openai:gpt-4.1-mini"
    /// mode = "decision-maker"
    ///
    /// [budget]
    /// timeout_ms = 60000
    ///
    /// [chain]
    /// stages = "two"
    ///
    /// [style]
    /// language = "zh-Hant"
    /// ```
    ///
    /// # Errors
    /// `NotFound` or `Io` when it cannot be read, `InvalidInput` saying what is wrong in which line.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let place = |e: Error| e.context(format!("configuration `{}`", path.display()));
        let bytes = read_at_most(path, MAX_BYTES).map_err(|e| place(e.into()))?;
        let text = String::from_utf8(bytes).map_err(|_| place(Error::invalid("it is no UTF-8 text")))?;
        let mut config: Self =
            toml::from_str(&text).map_err(|e| place(Error::invalid(e.to_string().trim_end()).with_source(e)))?;
        config.chain.validate().map_err(place)?;
        config.style.validate().map_err(place)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let (keys, runs) = (&mut config.service.api_keys_file, &mut config.service.runs.folder);
        let paths = [&mut config.record, &mut config.llm_cache, &mut config.prices, &mut config.prompts, keys, runs];
        for path in paths.into_iter().flatten() {
            *path = folder.join(&*path);
        }
        config.llm = named::seen_from(folder, &config.llm);
        for demos in &mut config.demos {
            *demos = folder.join(&*demos);
        }
        for tool in config.tools.iter_mut().filter(|tool| builtin::name_of(tool).is_none()) {
            *tool = folder.join(&*tool);
        }
        Ok(config)
    }

    /// The LLM and the tools that this configuration names, put together.
    ///
    /// Missing model files are fetched first, so that no run's clock counts the time; `progress` is told.
    /// Then the LLM loads in the background, and experts when a run begins.
    ///
    /// # Errors
    /// `InvalidInput` or `NotFound` when the LLM's name, the prompts, the tools or the environment's settings are
    /// faulty; `Offline`, `Network` or `Integrity` when the LLM's file cannot be had. A missing expert
    /// is an error only of the steps that need it.
    pub async fn agent(&self, progress: Arc<dyn Progress>) -> Result<Agent> {
        self.builder(progress).await?.build()
    }

    /// As [`Config::agent`], with parts that can still be replaced.
    ///
    /// # Errors
    /// As [`Config::agent`].
    pub async fn builder(&self, progress: Arc<dyn Progress>) -> Result<AgentBuilder> {
        if self.chain.bridge != Bridge::Expert && matches!(self.named()?, Named::Artefact(_) | Named::File(_)) {
            let message =
                format!("the LLM `{}` takes no images; `bridge=expert` does without", named::shown(&self.llm));
            return Err(Error::invalid(message));
        }
        let prompts = self.prompts()?;
        // A catalogue that cannot be read is told of before anything is fetched.
        let catalog = self.catalog(&progress)?;
        let store = Store::open(StoreOptions::from_env()?)?;
        let llm = async {
            match self.named()?.artefact() {
                Some(artefact) => store.get(artefact, progress.as_ref()).await.map(|_| ()),
                None => Ok(()),
            }
        };
        let experts =
            async { if catalog.is_declared() { Ok(()) } else { fetch_experts(&store, progress.as_ref()).await } };
        tokio::try_join!(llm, experts)?;
        let mut builder = Agent::builder();
        if embedder_is_ready(&store).await? {
            builder = builder.embedder(embedder::builtin(&store, &progress)?);
        }
        Ok(builder
            .chat(self.chat(Arc::clone(&progress))?)
            .catalog(catalog)
            .prompts(prompts)
            .parallel(self.parallel)
            .max_repairs(self.max_repairs)
            .show_images(self.show_images))
    }

    /// An agent with an LLM of the caller's, and nothing fetched: experts are when a step needs them. Demos are found by
    /// their words.
    ///
    /// # Errors
    /// `InvalidInput` or `NotFound` when the prompts, the tools or the environment's settings are faulty.
    pub fn agent_with(&self, chat: Arc<dyn ChatModel>, progress: &Arc<dyn Progress>) -> Result<Agent> {
        Agent::builder()
            .chat(chat)
            .catalog(self.catalog(progress)?)
            .prompts(self.prompts()?)
            .parallel(self.parallel)
            .max_repairs(self.max_repairs)
            .show_images(self.show_images)
            .build()
    }

    /// The templates and demos: the compiled-in ones, with those of [`Config::prompts`] and [`Config::demos`].
    ///
    /// # Errors
    /// `NotFound` or `InvalidInput` naming the folder, or the file and its line.
    pub fn prompts(&self) -> Result<Prompts> {
        let prompts = match &self.prompts {
            Some(folder) => Prompts::with_folder(folder)?,
            None => Prompts::builtin()?,
        };
        let demos: Vec<Vec<FileDemo>> = self.demos.iter().map(demo::open).collect::<Result<_>>()?;
        Ok(prompts.with_demos(demos.into_iter().flatten().collect()))
    }

    /// The demos that go along with questions, and the tools; without an LLM. The embedder's files are fetched when
    /// demos are first looked up.
    ///
    /// # Errors
    /// As [`Config::catalog`] and [`Config::prompts`]; `InvalidInput` naming a demo whose plan does not fit the tools.
    pub fn library(&self, progress: &Arc<dyn Progress>) -> Result<(PlanLibrary, Catalog)> {
        let catalog = self.catalog(progress)?;
        let store = Store::open(StoreOptions::from_env()?)?;
        let library = self.prompts()?.plan_lookup(&catalog)?;
        Ok((library.with_embedder(embedder::builtin(&store, progress)?), catalog))
    }

    /// A question about images, with the limits, the mode and the style of this configuration.
    pub fn task(&self, question: impl Into<String>, images: Vec<Image>) -> Task {
        Task::new(question, images)
            .with_budget(self.budget.clone())
            .with_mode(self.mode)
            .with_guess(self.guess)
            .with_chain(self.chain.clone())
            .with_style(self.style.clone())
    }

    /// The tools: the built-in ones, whose model files are fetched when they are first needed, with those that
    /// [`Config::tools`] adds; or those that it declares.
    ///
    /// # Errors
    /// `InvalidInput` when the environment's settings are faulty, or a catalogue of declared tools does not stand
    /// alone; those of [`Catalog::declared_in`] and [`builtin::add`].
    pub fn catalog(&self, progress: &Arc<dyn Progress>) -> Result<Catalog> {
        match self.tools.as_slice() {
            [file] if declares(file) => return Catalog::declared_in(file),
            files if files.iter().any(|file| declares(file)) => {
                let message = "a catalogue of declared tools takes the place of all others: give it alone";
                return Err(Error::invalid(message));
            }
            _ => {}
        }
        let store = Store::open(StoreOptions::from_env()?)?;
        let mut catalog = builtin::catalog(&store, progress)?;
        for path in &self.tools {
            builtin::add(&mut catalog, path, &store, progress)?;
        }
        Ok(catalog)
    }

    /// Whether the tools are only declared; see [`Config::tools`].
    pub fn declares_tools(&self) -> bool {
        self.tools.iter().any(|file| declares(file))
    }

    /// The LLM, behind its [`Config::llm_cache`], recorded when [`Config::record`] says so. An embedded one loads in
    /// the background, its file being fetched when it is missing; a served one is not called before it is needed.
    ///
    /// # Errors
    /// `InvalidInput` or `NotFound` when its name, its cassette or the prices are faulty, `InvalidInput` when
    /// there is a recording already; those of [`Cached::open`].
    pub fn chat(&self, progress: Arc<dyn Progress>) -> Result<Arc<dyn ChatModel>> {
        if matches!(self.named()?, Named::Replay(_)) {
            if self.record.is_some() {
                return Err(Error::invalid("a replay cannot be recorded: record a run with the LLM itself"));
            }
            if self.llm_cache.is_some() {
                return Err(Error::invalid("a replay asks no LLM: leave the file of replies (`--llm-cache`) out"));
            }
        }
        let mut chat = self.llm(progress)?;
        if let Some(file) = &self.llm_cache {
            chat = Arc::new(Cached::open(chat, file)?);
        }
        Ok(match &self.record {
            Some(folder) => Arc::new(Recorded::new(chat, folder)?),
            None => chat,
        })
    }

    fn named(&self) -> Result<Named> {
        Named::parse(&self.llm, |name| std::env::var(name).ok())
    }

    fn llm(&self, progress: Arc<dyn Progress>) -> Result<Arc<dyn ChatModel>> {
        let store = Store::open(StoreOptions::from_env()?)?;
        let prefix_dir = Some(store.home().join("prefix"));
        let options =
            |name: &str| LocalOptions { name: format!("local:{name}"), prefix_dir, ..LocalOptions::default() };
        Ok(Arc::new(match self.named()?.with_prices(self.prices.as_deref())? {
            Named::Artefact(artefact) => {
                let options = options(&artefact.name);
                LocalModel::spawn(async move { store.get(&artefact, progress.as_ref()).await }, options)?
            }
            Named::File(path) => {
                let options = options(&path.to_string_lossy());
                LocalModel::spawn(async move { Ok(path) }, options)?
            }
            Named::Served(mut options) => {
                let mut chains = self.models.values().filter_map(|variant| variant.chain.as_ref());
                let looks = self.chain.bridge != Bridge::Expert || chains.any(|chain| chain.bridge != Bridge::Expert);
                options.images = self.show_images || looks;
                return Ok(Arc::new(OpenAiModel::new(*options)?));
            }
            Named::Replay(folder) => return Ok(Arc::new(Replay::open(&folder)?)),
        }))
    }
}

/// Whether a file is a catalogue of declared tools, and no manifest, folder of manifests, or name of a tool.
fn declares(file: &Path) -> bool {
    !file.is_dir() && file.extension().is_none_or(|end| end != "toml") && builtin::name_of(file).is_none()
}

/// Fetches what the experts and the embedder need. What cannot be had is reported by the step that needs it; without
/// the embedder demos are found by their words.
async fn fetch_experts(store: &Store, progress: &dyn Progress) -> Result<()> {
    let for_tools = builtin::artefacts()?.into_iter().map(|(artefact, _)| artefact);
    let fetches = for_tools.chain(embedder::artefacts()?).map(|artefact| async move {
        if let Err(error) = store.get(&artefact, progress).await {
            tracing::debug!(artefact = %artefact.name, "not fetched: {}", error.for_log());
        }
    });
    futures::future::join_all(fetches).await;
    Ok(())
}

/// Whether the embedder has all it needs: what could not be fetched is not tried again within a run.
async fn embedder_is_ready(store: &Store) -> Result<bool> {
    let mut needed = embedder::artefacts()?.to_vec();
    needed.push(builtin_artefact("onnxruntime")?);
    let store = store.clone();
    let check = move || needed.iter().all(|artefact| store.path_if_ready(artefact).is_some());
    let ready = tokio::task::spawn_blocking(check).await;
    ready.map_err(|error| Error::internal("checking a file failed").with_source(error))
}
