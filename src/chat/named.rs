//! LLMs by name, as `--llm` and the configuration give them.

use std::path::{Path, PathBuf};

use super::openai::{OPENAI, OpenAiOptions, Prices, Secret};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Artefact, builtin_artefact};

const QWEN: &str = "qwen2.5-coder-1.5b";
const SMOLLM: &str = "smollm2-135m";

/// The LLM that a name stands for.
#[derive(Debug, Clone)]
pub enum Named {
    /// An embedded LLM that ships.
    Artefact(Box<Artefact>),
    /// An embedded LLM from a file.
    File(PathBuf),
    /// One behind the OpenAI protocol.
    Served(Box<OpenAiOptions>),
    /// A cassette's folder.
    Replay(PathBuf),
}

/// The name of an LLM from a file in this folder: what it says of files is seen from there.
pub(crate) fn seen_from(folder: &Path, name: &str) -> String {
    let path = |kind: &str, file: &str| format!("{kind}:{}", folder.join(file).display());
    match name.split_once(':') {
        Some((kind @ "replay", file)) if !file.is_empty() => path(kind, file),
        Some((kind @ "local", file)) if file.ends_with(".gguf") => path(kind, file),
        _ => name.to_owned(),
    }
}

impl Named {
    /// Reads a name: `local`, `local:tiny`, `local:FILE.gguf`, `openai:MODEL`, `http://HOST/v1#MODEL` or
    /// `replay:DIR`.
    ///
    /// `env` looks environment variables up. `openai:` goes to `OPENAI_BASE_URL`, or OpenAI itself, with the key
    /// in `OPENAI_API_KEY`; an address gets the key in `LAVR_LLM_KEY`, never OpenAI's.
    ///
    /// # Errors
    /// `InvalidInput` when it is no such name, or a key is missing; `NotFound` when its file does not exist.
    pub fn parse(name: &str, env: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let artefact = |name: &str| Ok(Self::Artefact(Box::new(builtin_artefact(name)?)));
        match name.split_once(':') {
            None if name == "local" => artefact(QWEN),
            Some(("local", "tiny")) => artefact(SMOLLM),
            Some(("local", name @ (QWEN | SMOLLM))) => artefact(name),
            Some(("local", file)) if file.ends_with(".gguf") => file_of(file),
            Some(("openai", model)) if !model.is_empty() => openai(model, env),
            Some(("http" | "https", _)) => address(name, env),
            Some(("replay", folder)) if !folder.is_empty() => Ok(Self::Replay(PathBuf::from(folder))),
            _ => Err(Error::invalid(format!(
                "`{}` is not an LLM; use `local`, `local:tiny`, `local:FILE.gguf`, `openai:MODEL`, \
                 `http://HOST:PORT/v1#MODEL`, or `replay:DIR`",
                shown(name)
            ))),
        }
    }

    /// The file that has to be there before the LLM can load.
    pub fn artefact(&self) -> Option<&Artefact> {
        match self {
            Self::Artefact(artefact) => Some(artefact),
            _ => None,
        }
    }

    /// Gives a served LLM its prices: the compiled-in table, with a user's file laid over it.
    ///
    /// # Errors
    /// As [`Prices::with_file`].
    pub fn with_prices(mut self, file: Option<&Path>) -> Result<Self> {
        let prices = file.map_or_else(Prices::builtin, Prices::with_file)?;
        if let Self::Served(options) = &mut self {
            options.prices = prices;
        }
        Ok(self)
    }
}

/// A name as it may be shown: an address loses its user, password and query.
pub fn shown(name: &str) -> String {
    if matches!(name.split_once(':'), None | Some(("local" | "openai" | "replay", _))) {
        return name.to_owned();
    }
    let (base, model) = name.rsplit_once('#').unwrap_or((name, ""));
    let authority = base.split_once("://").map_or(base, |(_, rest)| rest);
    if !authority.contains('/') && model.contains('@') {
        // The `#` may be one of a password.
        return super::openai::shown_address(&name.replace('#', "%23"));
    }
    let base = super::openai::shown_address(base);
    if model.is_empty() { base } else { format!("{base}#{model}") }
}

fn file_of(file: &str) -> Result<Named> {
    let path = PathBuf::from(file);
    if path.is_file() {
        return Ok(Named::File(path));
    }
    Err(Error::new(ErrorKind::NotFound, format!("LLM file `{file}` does not exist")))
}

fn openai(model: &str, env: impl Fn(&str) -> Option<String>) -> Result<Named> {
    let set = |name: &str| env(name).filter(|value| !value.trim().is_empty());
    let base = set("OPENAI_BASE_URL");
    let key = set("OPENAI_API_KEY").map(Secret::new);
    if base.is_none() && key.is_none() {
        return Err(Error::invalid(format!(
            "`openai:{model}` needs a key: set OPENAI_API_KEY (and OPENAI_BASE_URL for another server)"
        )));
    }
    let options = OpenAiOptions {
        key,
        key_variable: "OPENAI_API_KEY".to_owned(),
        name: Some(format!("openai:{model}")),
        ..OpenAiOptions::new(base.unwrap_or_else(|| OPENAI.to_owned()), model)
    };
    Ok(Named::Served(Box::new(options)))
}

fn address(name: &str, env: impl Fn(&str) -> Option<String>) -> Result<Named> {
    match name.rsplit_once('#') {
        Some((base, model)) if !model.is_empty() => {
            let key = env("LAVR_LLM_KEY").filter(|key| !key.trim().is_empty()).map(Secret::new);
            Ok(Named::Served(Box::new(OpenAiOptions { key, ..OpenAiOptions::new(base, model) })))
        }
        _ => Err(Error::invalid(format!(
            "`{}` names no model; write it behind a `#`, as in `http://127.0.0.1:11434/v1#qwen2.5:7b`",
            shown(name)
        ))),
    }
}
