//! The catalog: all tools of an agent, by name, in a fixed order.

use std::path::Path;
use std::sync::Arc;

use super::{Effects, Manifest, Mention, Objection, SharedTool, Tool, ToolKind, Typed, TypedTool, declared};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::{self, Fault, FaultKind, Plan, PlanLimits};
use crate::signature::{Arg, Returns, Signature, Signatures};

/// All tools of an agent, in the order they were registered.
#[derive(Clone, Default)]
pub struct Catalog {
    tools: Vec<SharedTool>,
    /// Tools that can be called and are in no list.
    unlisted: Vec<SharedTool>,
}

impl Catalog {
    /// An empty catalog.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tools that are only declared: they can be planned with, and not one of them runs.
    ///
    /// `json` is a catalogue of the form that TaskBench and ControlLLM use: `nodes`, each with an `id`, a `desc`,
    /// and the names of its types in `input-type` and `output-type`, or its `parameters` by name and type. Ids
    /// stay as they are; arguments are called after their types, the second of a type `text2`. Only the first
    /// argument is required, unless a parameter says otherwise.
    ///
    /// ```
    /// use lavr::plan::{Plan, PlanLimits};
    /// use lavr::tool::Catalog;
    ///
    /// let catalog = Catalog::declared(
    ///     r#"{"nodes": [{"id": "Audio-to-Text", "input-type": ["audio"], "output-type": ["text"]},
    ///                   {"id": "Text Summarizer", "input-type": ["text"], "output-type": ["text"]}]}"#,
    /// )?;
    /// let plan = r#"{"steps": [{"id": "s1", "tool": "Audio-to-Text", "args": {"audio": "talk.mp3"}},
    ///                          {"id": "s2", "tool": "Text Summarizer", "args": {"text": "$s1"}}], "result": "$s2"}"#;
    /// let plan = Plan::parse(plan).expect("a plan");
    /// assert!(catalog.check(&plan, &PlanLimits { max_steps: 9, images: 0 }).is_empty());
    /// # Ok::<(), lavr::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidInput` naming the node that is faulty, or what else is wrong.
    pub fn declared(json: &str) -> Result<Self> {
        declared::read(json)
    }

    /// The declared tools of a catalogue in a file; see [`Catalog::declared`].
    ///
    /// # Errors
    /// `NotFound` or `Io` when the file cannot be read, else as [`Catalog::declared`]; all name the file.
    pub fn declared_in(file: impl AsRef<Path>) -> Result<Self> {
        declared::open(file.as_ref())
    }

    /// Whether the tools are only declared, so that a plan can be written and checked, but not run.
    pub fn is_declared(&self) -> bool {
        self.tools.iter().any(|tool| tool.spec().kind == ToolKind::Declared)
    }

    /// Adds a tool.
    ///
    /// # Errors
    /// `InvalidInput` when the name is not `[a-z][a-z0-9_]*`, or is taken.
    pub fn add(&mut self, tool: SharedTool) -> Result<()> {
        let name = tool.spec().name.clone();
        if tool.spec().kind != ToolKind::Declared && !is_name(&name) {
            return Err(Error::invalid(format!("`{name}` is not a tool name; use lower-case letters, digits and `_`")));
        }
        if self.get(&name).is_some() {
            return Err(Error::invalid(format!("there is already a tool `{name}`")));
        }
        self.tools.push(tool);
        Ok(())
    }

    /// Puts a tool in place of the one with its name, or adds it.
    ///
    /// # Errors
    /// `InvalidInput` when the name is not `[a-z][a-z0-9_]*`.
    pub fn replace(&mut self, tool: SharedTool) -> Result<()> {
        match self.tools.iter_mut().find(|known| known.spec().name == tool.spec().name) {
            Some(known) => *known = tool,
            None => self.add(tool)?,
        }
        Ok(())
    }

    /// Adds a tool that steps can call and that is in no list, so that no LLM is offered it; one of its name that was
    /// added so before makes room.
    ///
    /// # Errors
    /// `InvalidInput` when a tool in the list has its name.
    pub(crate) fn add_unlisted(&mut self, tool: SharedTool) -> Result<()> {
        self.unlisted.retain(|known| known.spec().name != tool.spec().name);
        let mut alone = self.clone();
        alone.add(Arc::clone(&tool))?;
        self.unlisted.push(tool);
        Ok(())
    }

    /// Whether a tool can take the place of the one with this name.
    ///
    /// # Errors
    /// `NotFound` when there is none; `InvalidInput` when plans for the one do not fit the other.
    pub fn takes_place_of(&self, name: &str, tool: &dyn Tool) -> Result<()> {
        let (old, new) = (&self.find(name)?.spec().signature, &tool.spec().signature);
        let fits = |arg: &Arg| new.arg(&arg.name).is_some_and(|own| arg.types.iter().all(|of| own.accepts(of)));
        let same = |a: &Returns, b: &Returns| match (a, b) {
            (Returns::Type(a), Returns::Type(b)) => a.accepts(b),
            (a, b) => a == b,
        };
        let more = new.args.iter().any(|arg| arg.required && old.arg(&arg.name).is_none_or(|old| !old.required));
        if more || !old.args.iter().all(fits) || !same(&old.returns, &new.returns) {
            let args: Vec<&str> = old.args.iter().map(|arg| arg.name.as_str()).collect();
            let returns = match &old.returns {
                Returns::Type(of) => of.to_string(),
                Returns::SameAs(arg) => format!("what `{arg}` is"),
            };
            let message = format!("it cannot replace `{name}`, which takes {} and returns {returns}", args.join(", "));
            return Err(Error::invalid(message));
        }
        Ok(())
    }

    /// Adds a typed tool with its manifest.
    ///
    /// # Errors
    /// As [`Catalog::add`] and [`Typed::new`].
    pub fn register<T: TypedTool>(&mut self, tool: T, manifest: &Manifest) -> Result<()> {
        self.add(Arc::new(Typed::new(tool, manifest)?))
    }

    /// A tool by name.
    pub fn get(&self, name: &str) -> Option<&SharedTool> {
        self.tools.iter().chain(&self.unlisted).find(|tool| tool.spec().name == name)
    }

    /// A tool by name, or an error that suggests a near one.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn find(&self, name: &str) -> Result<&SharedTool> {
        self.get(name).ok_or_else(|| {
            let names = self.names();
            let hint = nearest(name, &names).map_or_else(
                || format!("the tools are {}", names.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            Error::new(ErrorKind::NotFound, format!("there is no tool `{name}`; {hint}"))
        })
    }

    /// What is wrong with a plan: the faults of its form and types, and what the tools themselves object to.
    pub fn check(&self, plan: &Plan, limits: &PlanLimits) -> Vec<Fault> {
        let mut faults = plan::check(plan, self, limits);
        for (n, step) in plan.steps.iter().enumerate() {
            let Some(tool) = self.get(&step.tool) else { continue };
            let args = step.to_json().get("args").cloned().unwrap_or_default();
            for Objection { arg, reason } in tool.objections(&args) {
                let message = format!("`{}`: {reason}", step.tool);
                faults.push(Fault::new(FaultKind::NotAChoice, format!("steps[{n}].args.{arg}"), message));
            }
        }
        faults
    }

    /// The words of a question that some tool knows by name, in order, none twice.
    pub fn mentions(&self, question: &str) -> Vec<Mention> {
        let mut found: Vec<Mention> = self.tools.iter().flat_map(|tool| tool.mentions(question)).collect();
        found.sort_by_key(|mention| mention.range.start);
        let mut end = 0;
        found.retain(|mention| {
            let fresh = mention.range.start >= end;
            if fresh {
                end = mention.range.end;
            }
            fresh
        });
        found
    }

    /// Whether calling this tool twice with the same arguments gives the same result.
    pub fn is_repeatable(&self, tool: &str) -> bool {
        self.get(tool).is_some_and(|tool| tool.spec().effects == Effects::None)
    }

    /// All tools behind their shared pointers, in order.
    pub fn shared(&self) -> impl Iterator<Item = &SharedTool> {
        self.tools.iter()
    }

    /// All tools, in order.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Tool> {
        self.tools.iter().map(AsRef::as_ref)
    }
}

impl Signatures for Catalog {
    fn signature(&self, tool: &str) -> Option<&Signature> {
        self.get(tool).map(|t| &t.spec().signature)
    }

    fn names(&self) -> Vec<&str> {
        self.tools.iter().map(|t| t.spec().name.as_str()).collect()
    }
}

/// Whether a tool that can run may have this name.
pub(crate) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The known name that `name` was probably meant to be.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|k| (strsim::jaro_winkler(name, k), *k))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k)
}
