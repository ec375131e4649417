//! Plans: a typed DAG of steps, its JSON form and its program form.
//!
//! ```json
//! {"steps":[{"id":"people","tool":"detect_objects","args":{"image":"$image","labels":["person"]}},
//!           {"id":"n","tool":"count","args":{"items":"$people"}}],
//!  "result":"$n"}
//! ```
//!
//! A reference is a whole JSON string `$id`, `$id.field`, `$id[0]` ...; a literal
//! that begins with `$` is written `$$`. Nothing is interpolated inside longer strings.
//!
//! The same plan as a program ([`Plan::from_program`]):
//!
//! ```text
//! PEOPLE = detect_objects(image=IMAGE, labels=["person"])
//! N = count(items=PEOPLE)
//! RESULT = N
//! ```

use std::collections::HashMap;

mod check;
mod declared;
mod fault;
mod fit;
mod infer;
mod join;
mod json;
mod program;
mod reference;
mod region;
mod request;
mod schema;
mod settle;
mod strict;
mod written;

pub use check::{PlanLimits, check};
pub use declared::{DeclaredStep, declared_schema, read_declared, result_name, says_what_to_do};
pub(crate) use declared::{narrowed_schema, unmade};
pub use fault::{Fault, FaultKind, repair_text};
pub(crate) use fault::{did_you_mean, quoted};
pub use infer::types;
pub(crate) use reference::is_id;
pub(crate) use region::points;
pub use region::{POINT_AT, REGION, region_step};
pub(crate) use request::named_files;
pub use schema::{NOTHING_KNOWN, RoundKind, round_schema, schema, thoughtful, without_thought};
pub use settle::settle;
pub(crate) use strict::Strict;
pub(crate) use written::Written;

/// One part of the path behind a reference's id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    /// `.name`
    Field(String),
    /// `[n]`
    Index(usize),
}

/// A reference to an image of the task or to the result of an earlier step.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The step's id, or `image`, `image2` ...
    pub id: String,
    /// The path into the result.
    pub path: Vec<Segment>,
}

/// An argument as written: a literal, or references, possibly inside lists and objects.
#[derive(Debug, Clone, PartialEq)]
pub enum ArgValue {
    /// A reference.
    Ref(Reference),
    /// A literal without references inside: null, boolean, number or text.
    Literal(serde_json::Value),
    /// A list.
    List(Vec<ArgValue>),
    /// An object; the keys keep their order.
    Object(Vec<(String, ArgValue)>),
}

/// One call of a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Unique name, `[a-z][a-z0-9_]*`.
    pub id: String,
    /// The tool's name.
    pub tool: String,
    /// The arguments, in the order they were written.
    pub args: Vec<(String, ArgValue)>,
}

/// A DAG of steps; what depends on what follows from the references.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The steps, in the order they were written.
    pub steps: Vec<Step>,
    /// What the plan is for: the reference whose value is the result.
    pub result: Reference,
}

impl ArgValue {
    /// All references inside, in order.
    pub fn references(&self) -> Vec<&Reference> {
        match self {
            Self::Ref(reference) => vec![reference],
            Self::Literal(_) => Vec::new(),
            Self::List(items) => items.iter().flat_map(Self::references).collect(),
            Self::Object(entries) => entries.iter().flat_map(|(_, v)| v.references()).collect(),
        }
    }
}

impl Step {
    /// An argument by name.
    pub fn arg(&self, name: &str) -> Option<&ArgValue> {
        self.args.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// All references in the arguments, in order.
    pub fn references(&self) -> Vec<&Reference> {
        self.args.iter().flat_map(|(_, v)| v.references()).collect()
    }
}

impl ArgValue {
    /// Gives references to other steps, by id.
    pub(crate) fn rename(&mut self, names: &HashMap<String, String>) {
        match self {
            Self::Ref(reference) => reference.rename(names),
            Self::Literal(_) => {}
            Self::List(items) => items.iter_mut().for_each(|item| item.rename(names)),
            Self::Object(entries) => entries.iter_mut().for_each(|(_, entry)| entry.rename(names)),
        }
    }
}

impl Reference {
    fn rename(&mut self, names: &HashMap<String, String>) {
        if let Some(new) = names.get(&self.id) {
            self.id.clone_from(new);
        }
    }
}

impl Plan {
    /// The plan without steps that are the same call as an earlier one; what referred to them refers to that.
    /// Only steps that `may_be_merged` are left out: those whose tools have no effects.
    #[must_use]
    pub fn without_repeats(mut self, may_be_merged: impl Fn(&Step) -> bool) -> Self {
        let mut kept: Vec<Step> = Vec::with_capacity(self.steps.len());
        let mut names: HashMap<String, String> = HashMap::new();
        for mut step in self.steps {
            step.args.iter_mut().for_each(|(_, value)| value.rename(&names));
            let same = |other: &&Step| other.tool == step.tool && other.args == step.args && may_be_merged(other);
            match kept.iter().find(same) {
                Some(other) => drop(names.insert(step.id, other.id.clone())),
                None => kept.push(step),
            }
        }
        self.result.rename(&names);
        self.steps = kept;
        self
    }

    /// A step by id.
    pub fn step(&self, id: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == id)
    }
}
