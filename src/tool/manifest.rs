//! Manifests: one TOML file a tool, what a person edits to describe it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::model::{Head, Input, Labels, ModelFile};
use super::{Effects, ToolKind, ToolSpec};
use crate::error::{Error, Result};
use crate::signature::Signature;
use crate::store::Artefact;

/// The description of a tool, as it stands in `tools/NAME.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The tool's name, `[a-z][a-z0-9_]*`.
    pub name: String,
    /// Expert or operation.
    pub kind: ToolKind,
    /// What it does, one sentence.
    pub description: String,
    /// What to use it for, as the planner reads it.
    pub use_for: String,
    /// What it cannot do.
    #[serde(default)]
    pub limitations: String,
    /// The licence of the code or weights behind it.
    pub licence: String,
    /// What it does besides returning a value.
    #[serde(default)]
    pub effects: Effects,
    /// How long one call may take, milliseconds.
    #[serde(default = "default_timeout")]
    pub timeout_ms: u64,
    /// The files it needs, in the order its code names them.
    #[serde(default)]
    pub artefacts: Vec<Artefact>,
    /// Whether plans may call it: `auto` when everything it needs is there, `off` never.
    #[serde(default)]
    pub available: Available,
    /// For a tool without code of its own: where its model is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelFile>,
    /// For a tool without code of its own: how a picture becomes the model's input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Input>,
    /// For a tool without code of its own: what the model's outputs mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<Head>,
    /// For a tool without code of its own: what the model's classes are called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Labels>,
}

/// Whether plans may call a tool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Available {
    /// When everything it needs is there.
    #[default]
    Auto,
    /// Never.
    Off,
}

fn default_timeout() -> u64 {
    60_000
}

impl Manifest {
    /// Reads a manifest from TOML.
    ///
    /// # Errors
    /// `InvalidInput` with the line and the offending key.
    pub fn parse(toml: &str) -> Result<Self> {
        toml::from_str(toml).map_err(|e: toml::de::Error| {
            let hint = near_key(e.message()).map_or_else(String::new, |key| format!("did you mean `{key}`?"));
            Error::invalid(format!("the manifest is faulty: {e}{hint}")).with_source(e)
        })
    }

    /// The JSON Schema of manifests, by which editors complete and check them.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(Self)
    }

    /// Joins the description with a signature.
    pub fn spec(&self, signature: Signature) -> ToolSpec {
        ToolSpec {
            name: self.name.clone(),
            kind: self.kind,
            description: self.description.clone(),
            use_for: self.use_for.clone(),
            limitations: self.limitations.clone(),
            licence: self.licence.clone(),
            signature,
            effects: self.effects,
            timeout: Duration::from_millis(self.timeout_ms),
        }
    }

    /// The artefact of this name.
    ///
    /// # Errors
    /// `InvalidInput` naming the manifest that lacks it.
    pub fn artefact(&self, name: &str) -> Result<&Artefact> {
        self.artefacts
            .iter()
            .find(|a| a.name == name)
            .ok_or_else(|| Error::invalid(format!("the manifest of `{}` has no artefact `{name}`", self.name)))
    }
}

/// The known key that an unknown one was probably meant to be, from the parser's message.
fn near_key(message: &str) -> Option<&str> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = message.contains("unknown field").then(|| quoted.next()).flatten()?;
    let near = quoted.map(|known| (strsim::jaro_winkler(unknown, known), known)).filter(|(near, _)| *near > 0.8);
    near.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}
