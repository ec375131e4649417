//! Manifests: one TOML file a tool, what a person edits to describe it.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::model::{BatchingPart, DecoderPart, Head, Input, Labels, ModelFile, TextPart};
use super::{Effects, OcrPart, PlanDemo, ToolKind, ToolSpec};
use crate::error::{Error, Result};
use crate::signature::{Signature, ValueType};
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
    /// Whether `describe_scene` tells what it says of a whole image, when it returns Labels or Text.
    #[serde(default = "yes")]
    pub describes: bool,
    /// How long one call may take, milliseconds.
    #[serde(default = "default_timeout")]
    pub timeout_ms: u64,
    /// The files it needs, in the order its code names them.
    #[serde(default)]
    pub artefacts: Vec<Artefact>,
    /// What is different about its arguments, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub args: BTreeMap<String, ArgPart>,
    /// The tool that this one takes the place of, under its name: one with the same arguments and result, such as a
    /// stronger detector for `detect_objects`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// The built-in tools that are switched on with this one, because it is of use only with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// Examples that the planner is shown with questions that resemble theirs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub demos: Vec<PlanDemo>,
    /// Whether plans may call it: `auto` always, `pulled` when its files are in the store, `off` never.
    #[serde(default)]
    pub available: Available,
    /// For a tool without code of its own: how calls of its model are gathered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batching: Option<BatchingPart>,
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
    /// For a segmenter that is asked about places: what outlines them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask_decoder: Option<ModelFile>,
    /// For a zero-shot model or a detector of any words: what reads the labels. For a vqa model: what reads the question,
    /// where that is a model of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<TextPart>,
    /// For a captioner or a vqa model: what writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoder: Option<DecoderPart>,
    /// For a reader of text: what reads the lines that its model finds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ocr: Option<OcrPart>,
}

/// What a manifest says otherwise of an argument than the tool's code or head.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArgPart {
    /// What it is for, in a few words.
    pub doc: Option<String>,
    /// What stands in its place when a plan does not give it.
    pub default: Option<Json>,
}

impl ArgPart {
    fn apply(&self, name: &str, signature: &mut Signature) -> Result<()> {
        let names: Vec<String> = signature.args.iter().map(|arg| arg.name.clone()).collect();
        let arg = signature.args.iter_mut().find(|arg| arg.name == name).ok_or_else(|| {
            Error::invalid(format!("[args.{name}]: the tool takes no such argument, only {}", names.join(", ")))
        })?;
        if let Some(doc) = &self.doc {
            arg.doc.clone_from(doc);
        }
        if let Some(default) = &self.default {
            let of = ValueType::of_json(default);
            if !arg.accepts(&of) {
                let types = arg.types_text();
                return Err(Error::invalid(format!("[args.{name}]: `default` is {default}, but it should be {types}")));
            }
            (arg.default, arg.required) = (Some(default.clone()), false);
        }
        Ok(())
    }
}

/// Whether plans may call a tool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Available {
    /// Always; its files are fetched when they are first needed.
    #[default]
    Auto,
    /// When all its files are in the store: `lavr models pull` fetches them.
    Pulled,
    /// Never.
    Off,
}

fn yes() -> bool {
    true
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
    ///
    /// # Errors
    /// `InvalidInput` naming an argument that the tool does not have, or a default that it does not take.
    pub fn spec(&self, mut signature: Signature) -> Result<ToolSpec> {
        for (name, part) in &self.args {
            part.apply(name, &mut signature)?;
        }
        Ok(ToolSpec {
            name: self.replaces.as_ref().unwrap_or(&self.name).clone(),
            kind: self.kind,
            description: self.description.clone(),
            use_for: self.use_for.clone(),
            limitations: self.limitations.clone(),
            licence: self.licence.clone(),
            signature,
            effects: self.effects,
            describes: self.describes,
            timeout: Duration::from_millis(self.timeout_ms),
        })
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
