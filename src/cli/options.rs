//! Options that several commands share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::progress::Bars;
use super::steps::Steps;
use super::{Stop, output, usage};
use crate::agent::Agent;
use crate::config::Config;
use crate::cx::EventSink;
use crate::error::{Error, ErrorKind, Result};
use crate::files::read_at_most;
use crate::image::Image;
use crate::task::Mode;
use crate::trace::TraceWriter;

/// Options of the commands that use an LLM.
#[derive(Args)]
pub(super) struct LlmOptions {
    /// The LLM [default: local]: `local`, `openai:MODEL`, `http://HOST:PORT/v1#MODEL`, `replay:DIR` ... (all with --help)
    ///
    /// `local` is Qwen2.5-Coder 1.5B inside this program, `local:tiny` SmolLM2 135M (for smoke tests),
    /// `local:FILE.gguf` any GGUF of the Qwen2 or Llama family.
    ///
    /// `openai:MODEL` is OpenAI, or the server in OPENAI_BASE_URL; the key is in OPENAI_API_KEY.
    ///
    /// `http://127.0.0.1:11434/v1#MODEL` (or https) is any server that speaks the OpenAI protocol, such as
    /// llama.cpp, Ollama or vLLM; a key, when it wants one, is in LAVR_LLM_KEY.
    ///
    /// `replay:DIR` replies what `--record DIR` recorded.
    #[arg(long, value_name = "LLM", env = "LAVR_LLM", hide_env_values = true)]
    pub(super) llm: Option<String>,

    /// A configuration file, e.g. lavr.toml; options of the command line go before it
    ///
    /// TOML with any of `llm`, `mode`, `guess`, `tools`, `prompts`, `prices`, `show_images` ..., and the tables
    /// `[chain]` (`stages = "two"`), `[style]` (`language = "zh-Hant"`) and `[budget]` (`max_rounds`, `max_steps`, `max_tokens`, `timeout_ms`).
    /// Paths are seen from its folder.
    #[arg(long, value_name = "FILE", env = "LAVR_CONFIG")]
    config: Option<PathBuf>,

    /// Record the LLM's calls into DIR/cassette.jsonl, for `--llm replay:DIR`
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,

    /// Keep the LLM's replies in FILE, and do not ask again what was asked before
    ///
    /// For evaluations that repeat most of their calls. Answers stay the same, seconds do not: `--json` says in
    /// `usage.reused_calls` how many calls were spared. Calls that ask for variety (`--chain votes=N`) are not kept.
    #[arg(long, value_name = "FILE")]
    llm_cache: Option<PathBuf>,

    /// A TOML table of prices, in US dollars per million tokens, laid over the built-in one
    ///
    /// For LLMs behind a server; the cost then stands in `usage.cost_usd` of `--json`. The form:
    ///
    /// [models."MODEL"]
    /// input = 0.40
    /// cached = 0.10
    /// output = 1.60
    #[arg(long, value_name = "FILE", env = "LAVR_PRICES", verbatim_doc_comment)]
    prices: Option<PathBuf>,

    /// Send the images to the LLM that plans, too; it has to take images (`local` does not)
    ///
    /// Without this only text is sent. Answers rest on what the tools find, whatever the LLM sees. Not with
    /// `--mode controller`, in which nothing that stands in an image has a say in the plan.
    #[arg(long)]
    show_images: bool,

    /// More tools: a built-in one that is off, by its name; a manifest (NAME.toml), or a folder of them; repeat for
    /// more. Or a JSON catalogue to plan with
    ///
    /// `lavr tools list` shows the tools that are off: an LLM plans better with a short list. Manifests are added to the
    /// tools of lavr; `lavr tools schema` says what they hold. In a folder, faulty ones are named and left out.
    ///
    /// For `lavr plan` and `lavr eval --metric plan` it can be a JSON catalogue as TaskBench and ControlLLM have it:
    /// {"nodes": [{"id": "Audio-to-Text", "desc": "...", "input-type": ["audio"], "output-type": ["text"]}]}. Its
    /// tools take the place of those of lavr; nothing runs them, and files are named in the request.
    #[arg(long, value_name = "NAME|FILE|DIR")]
    pub(super) tools: Vec<PathBuf>,

    /// A folder of prompt files that override the built-in ones (same layout as `prompts/`)
    #[arg(long, value_name = "DIR")]
    pub(super) prompts: Option<PathBuf>,

    /// In-context demos of your own: a file of them (JSON lines), or a folder of such files; repeat for more
    ///
    /// Those that resemble the question go along with it, beside the built-in ones; `--chain demos=N` sets how many.
    /// `lavr demos check` checks such a file, `lavr demos add` learns one from a run.
    #[arg(long, value_name = "FILE|DIR")]
    pub(super) demos: Vec<PathBuf>,
}

/// Options of the commands that answer questions.
#[derive(Args)]
pub(super) struct ReasonOptions {
    /// Who decides [default: auto]: `controller` plans once and never after it has seen text from an image;
    /// `decision-maker` works in rounds; `auto` begins with a plan, and goes on in rounds only when its evidence does
    /// not answer
    #[arg(long, value_name = "MODE", value_parser = mode())]
    pub(super) mode: Option<Mode>,

    /// How a run reasons: KEY=VALUE,... (all keys with --help)
    ///
    /// bridge=expert|native|both: whether the LLM knows the images by what tools say, by its own eyes, or both.
    /// stop=adaptive|N: rounds until the LLM decides, or exactly N rounds of a decision maker.
    /// pattern=predicting|infilling: a missing frame of a sequence, or a missing hop, is inferred and checked.
    /// stages=one|two: with two, a rationale is written first and the answer from it.
    /// think=on|off: the planner writes down a thought before its plan.
    /// questions=off|ask|split: smaller questions are asked, or what text alone settles is split off.
    /// votes=N: N plans, whose answers are voted on.
    /// critic=on|off: the answer is criticised against its evidence, and an objection reopens the run once.
    /// verify=on|off: doubtful finds get a second look, and steps that contradict each other are told.
    /// arbitrate=on|off: several experts' answers are weighed by what they are reliable for.
    /// demos=auto|N: how many in-context demos go along, 0 to 8; demo-choice=similar|fixed|random|image|diverse;
    /// demo-order=similar-last|similar-first; demo-seed=N; demo-tokens=auto|N.
    ///
    /// docs/REASONING.md says more.
    #[arg(long, value_name = "KEY=VALUE,...", verbatim_doc_comment)]
    chain: Vec<String>,

    /// How the answer is worded: KEY=VALUE,... (all keys with --help)
    ///
    /// length=normal|short|detailed, tone=neutral|friendly|formal|lively, audience=TEXT (`children`).
    /// language=question|TAG|NAME: that of the question, or `en`, `zh-Hant`, `zh-Hans`, `de`, `German` ...
    /// facts=evidence|knowledge: with knowledge, one sentence may be added that is not from the image, marked so.
    /// format=sentence|list|markdown|json: json wants a --schema.
    ///
    /// Numbers and quotations stay those of the evidence: wording that loses or adds one is dropped, and said so.
    #[arg(long, value_name = "KEY=VALUE,...", verbatim_doc_comment)]
    style: Vec<String>,

    /// A JSON Schema that the answer has to fit; the answer is JSON then (`--style format=json`)
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
}

impl ReasonOptions {
    /// Lays these options over a configuration.
    ///
    /// # Errors
    /// `InvalidInput` naming the setting that is unknown or does not take its value.
    pub(super) fn set(&self, config: &mut Config) -> Result<()> {
        config.mode = self.mode.unwrap_or(config.mode);
        lay_chain(&self.chain, config)?;
        self.set_style(config)
    }

    fn set_style(&self, config: &mut Config) -> Result<()> {
        let place = |e: Error| e.context("--style");
        for settings in &self.style {
            config.style = std::mem::take(&mut config.style).with(settings).map_err(place)?;
        }
        let Some(file) = &self.schema else { return config.style.validate().map_err(place) };
        let place = |e: Error| e.context(format!("--schema `{}`", file.display()));
        let bytes = read_at_most(file, MAX_SCHEMA).map_err(|e| place(e.into()))?;
        let no_json = |e| place(Error::invalid(format!("it is no JSON: {e}")).with_source(e));
        let schema = serde_json::from_slice(&bytes).map_err(no_json)?;
        config.style = std::mem::take(&mut config.style).with_schema(schema);
        config.style.validate().map_err(place)
    }
}

/// Longest file with a JSON Schema, in bytes.
const MAX_SCHEMA: u64 = 1 << 20;

/// Lays settings of `--chain` over a configuration.
///
/// # Errors
/// `InvalidInput` naming the setting that is unknown or does not take its value.
pub(super) fn lay_chain(settings: &[String], config: &mut Config) -> Result<()> {
    for settings in settings {
        let chain = std::mem::take(&mut config.chain).with(settings);
        config.chain = chain.map_err(|e: Error| e.context("--chain"))?;
    }
    Ok(())
}

fn mode() -> impl TypedValueParser<Value = Mode> {
    PossibleValuesParser::new(Mode::NAMES).try_map(|name| name.parse::<Mode>())
}

/// Limits of a run.
#[derive(Args)]
pub(super) struct LimitOptions {
    /// Most steps a run may execute [default: 24]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=256))]
    max_steps: Option<u64>,

    /// Most LLM tokens of a run: prompts, without what was computed before, and replies [default: 50000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_tokens: Option<u64>,

    /// Wall-clock limit in seconds; fetching missing models does not count [default: 300]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<f64>,
}

impl LimitOptions {
    /// Lays these limits over a configuration.
    pub(super) fn limit(&self, mut config: Config) -> Config {
        let budget = &mut config.budget;
        budget.max_steps = self.max_steps.unwrap_or(budget.max_steps);
        budget.max_tokens = self.max_tokens.unwrap_or(budget.max_tokens);
        budget.timeout_ms = self.timeout.map_or(budget.timeout_ms, |seconds| (seconds * 1000.0) as u64);
        config
    }
}

/// Options of the commands that run something: what is told of it.
#[derive(Args)]
pub(super) struct WatchOptions {
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,

    /// Write the run's journal here as JSON lines; its images go to FILE.blobs/
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,

    /// Say more on stderr (-v steps, -vv also log lines of lavr, -vvv everything)
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
}

impl WatchOptions {
    /// Switches log lines on as `-v` asks: `-vv` those of lavr, `-vvv` all; `RUST_LOG` overrides.
    pub(super) fn start_log(&self) {
        start_log(match self.verbose {
            0 | 1 => "off",
            2 => "lavr=debug",
            _ => "debug",
        });
    }

    /// Refuses a journal that would replace one of the images, before anything is written.
    pub(super) fn check_trace(&self, images: &[PathBuf], llm_cache: Option<&PathBuf>) -> Result<()> {
        let Some(path) = &self.trace else { return Ok(()) };
        check_beside("--trace", path, llm_cache)?;
        check_target("--trace", path, images)
    }

    /// The journal, when one is asked for. An existing file is replaced.
    pub(super) fn journal(&self) -> Result<Option<Arc<TraceWriter>>> {
        Ok(self.trace.as_ref().map(TraceWriter::create).transpose()?.map(Arc::new))
    }

    /// What receives the run's events: steps on stderr for people, and the journal.
    pub(super) fn sinks(&self, journal: Option<&Arc<TraceWriter>>) -> Vec<Arc<dyn EventSink>> {
        let mut sinks: Vec<Arc<dyn EventSink>> = Vec::new();
        if self.verbose > 0 || (output::watched() && !self.json) {
            sinks.push(Arc::new(Steps));
        }
        if let Some(journal) = journal {
            sinks.push(Arc::<TraceWriter>::clone(journal));
        }
        sinks
    }
}

/// Options of the commands that serve others.
#[derive(Args)]
pub(super) struct ServerOptions {
    #[command(flatten)]
    llm: LlmOptions,

    #[command(flatten)]
    reason: ReasonOptions,

    /// Say more on stderr (-v log lines of lavr, -vv everything)
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
}

impl ServerOptions {
    /// Begins the log, and puts the configuration together.
    ///
    /// # Errors
    /// `InvalidInput` naming what is wrong.
    pub(super) fn config(&self) -> Result<Config, Error> {
        start_log(match self.verbose {
            0 => "lavr=warn",
            1 => "lavr=debug",
            _ => "debug",
        });
        let mut config = self.llm.config()?;
        self.reason.set(&mut config)?;
        if config.declares_tools() {
            return Err(Error::invalid("tools that are only declared cannot run, so nothing could be answered"));
        }
        Ok(config)
    }
}

/// Switches log lines on, those that `RUST_LOG` asks for or else these.
pub(super) fn start_log(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    // A host that set a subscriber before keeps its own.
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = lines.with_ansi(output::watched()).try_init();
}

impl LlmOptions {
    /// The configuration these options describe, laid over that of the file.
    ///
    /// # Errors
    /// As [`Config::open`].
    pub(super) fn config(&self) -> Result<Config> {
        let mut config = self.config.as_ref().map_or_else(|| Ok(Config::default()), Config::open)?;
        if let Some(llm) = &self.llm {
            config.llm.clone_from(llm);
        }
        for (own, of_file) in [
            (&self.record, &mut config.record),
            (&self.llm_cache, &mut config.llm_cache),
            (&self.prices, &mut config.prices),
            (&self.prompts, &mut config.prompts),
        ] {
            if own.is_some() {
                of_file.clone_from(own);
            }
        }
        if !self.tools.is_empty() {
            config.tools.clone_from(&self.tools);
        }
        if !self.demos.is_empty() {
            config.demos.clone_from(&self.demos);
        }
        config.show_images |= self.show_images;
        Ok(config)
    }
}

/// The agent of a configuration, with progress bars for what is fetched; `cancel` stops the fetching.
pub(super) async fn agent(config: &Config, cancel: &CancellationToken) -> Result<Agent, Stop> {
    let agent = cancel.run_until_cancelled(config.agent(Arc::new(Bars::new()))).await;
    let stopped = || Err(Error::new(ErrorKind::Cancelled, "stopped before the run began"));
    agent.unwrap_or_else(stopped).map_err(|error| match error.kind() {
        ErrorKind::InvalidInput => usage(error),
        _ => error.into(),
    })
}

pub(super) fn same_file(a: &Path, b: &Path) -> bool {
    a == b || (b.exists() && a.canonicalize().ok() == b.canonicalize().ok())
}

/// Refuses a file that the LLM's replies go to.
pub(super) fn check_beside(option: &str, path: &Path, llm_cache: Option<&PathBuf>) -> Result<()> {
    if llm_cache.is_some_and(|cache| same_file(cache, path)) {
        let message = format!("{option} `{}` is the file of --llm-cache; give another one", path.display());
        return Err(Error::invalid(message));
    }
    Ok(())
}

/// Refuses a file that cannot be written: an input, or in a folder that does not exist.
fn check_target(option: &str, path: &Path, images: &[PathBuf]) -> Result<()> {
    if images.iter().any(|image| same_file(image, path)) {
        return Err(Error::invalid(format!("{option} `{}` is one of the images; give another file", path.display())));
    }
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => {
            Err(Error::invalid(format!("{option}: the folder `{}` does not exist", folder.display())))
        }
        _ => Ok(()),
    }
}

/// Refuses a picture that cannot be written: see [`check_target`], or its ending names no picture format.
pub(super) fn check_picture(option: &str, path: Option<&PathBuf>, images: &[PathBuf]) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let format = image::ImageFormat::from_path(path);
    if !format.is_ok_and(|f| f.can_write() && f.writing_enabled()) {
        return Err(Error::invalid(format!("{option} `{}`: use a name that ends in .png or .jpg", path.display())));
    }
    check_target(option, path, images)
}

pub(super) fn seconds(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(n) if n > 0.0 && n <= 86_400.0 => Ok(n),
        _ => Err("give a number of seconds above 0, at most 86400".to_owned()),
    }
}

/// Opens the images, naming the first that cannot be used.
pub(super) fn open_images(paths: &[PathBuf], config: &Config) -> Result<Vec<Image>> {
    paths.iter().map(|path| Image::open(path, &config.images)).collect()
}

/// Writes a file whose format follows from its name; under that name it is whole, or not there.
pub(super) fn save_image(image: &Image, path: &Path) -> Result<()> {
    let failed = |e: &dyn std::fmt::Display| {
        Error::new(ErrorKind::Io, format!("picture `{}` cannot be written: {e}", path.display()))
    };
    let format = image::ImageFormat::from_path(path).map_err(|e| failed(&e))?;
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.pixels().write_to(&mut bytes, format).map_err(|e| failed(&e))?;
    save(path, &bytes.into_inner()).map_err(|e| failed(&e))
}

/// Writes a file; under its name it is whole, or not there.
pub(super) fn save(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let part = part_of(path);
    std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, path)).inspect_err(|_| {
        // What was begun is of no use to anybody.
        let _ = std::fs::remove_file(&part);
    })
}

/// A name beside the file, of this process alone.
fn part_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.part", std::process::id()))
}
