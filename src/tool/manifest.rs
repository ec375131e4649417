//! Manifests: one TOML file a tool, what a person edits to describe it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Effects, ToolKind, ToolSpec};
use crate::error::{Error, Result};
use crate::signature::Signature;
use crate::store::Artefact;

/// The description of a tool, as it stands in `tools/NAME.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
        toml::from_str(toml).map_err(|e| Error::invalid(format!("the manifest is faulty: {e}")).with_source(e))
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
