//! Inference: what type each step returns, and what a reference stands for.

use std::collections::{HashMap, HashSet, VecDeque};

use serde_json::Value as Json;

use super::reference::image_index;
use super::{ArgValue, Plan, Reference, Segment, Step};
use crate::signature::{Returns, Signature, Signatures, ValueType};

/// The type each step returns, in the order of the steps; `Any` where it cannot be told.
pub fn types(plan: &Plan, signatures: &dyn Signatures, images: usize) -> Vec<(String, ValueType)> {
    let scope = Scope::new(plan, signatures, images);
    plan.steps.iter().map(|step| step.id.clone()).zip(scope.types).collect()
}

/// Why a reference stands for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dangling {
    /// The task has no such image.
    Image,
    /// No step has this id.
    Step,
    /// The step at this position does not come earlier.
    NotEarlier(usize),
    /// A type on the way has no such field or element: the path up to it, and that type.
    Path(Reference, ValueType),
}

/// What references can see.
pub(super) struct Scope<'a> {
    pub(super) plan: &'a Plan,
    pub(super) signatures: &'a dyn Signatures,
    pub(super) images: usize,
    /// The position of the first step of each id.
    first: HashMap<&'a str, usize>,
    /// What each step returns.
    types: Vec<ValueType>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(plan: &'a Plan, signatures: &'a dyn Signatures, images: usize) -> Self {
        let mut first = HashMap::new();
        for (n, step) in plan.steps.iter().enumerate() {
            first.entry(step.id.as_str()).or_insert(n);
        }
        let mut scope = Self { plan, signatures, images, first, types: Vec::with_capacity(plan.steps.len()) };
        for (n, step) in plan.steps.iter().enumerate() {
            let returned = scope.returned(n, step);
            scope.types.push(returned);
        }
        scope
    }

    /// The position of the first step of this id.
    pub(super) fn position(&self, id: &str) -> Option<usize> {
        self.first.get(id).copied()
    }

    /// Ids and types of the steps before the n-th.
    pub(super) fn earlier(&self, n: usize) -> impl Iterator<Item = (&'a str, &ValueType)> {
        self.plan.steps.iter().map(|step| step.id.as_str()).zip(&self.types).take(n)
    }

    /// What a reference in the n-th step stands for.
    pub(super) fn resolve(&self, n: usize, reference: &Reference) -> Result<ValueType, Dangling> {
        let root = match (image_index(&reference.id), self.position(&reference.id)) {
            (Some(image), _) if image < self.images => ValueType::Image,
            (Some(_), _) => return Err(Dangling::Image),
            (None, None) => return Err(Dangling::Step),
            (None, Some(step)) if step >= n => return Err(Dangling::NotEarlier(step)),
            (None, Some(step)) => self.types.get(step).cloned().unwrap_or(ValueType::Any),
        };
        follow(root, reference)
    }

    /// The type of an argument of the n-th step; `Any` where it cannot be told.
    pub(super) fn type_of(&self, n: usize, value: &ArgValue) -> ValueType {
        match value {
            ArgValue::Ref(reference) => self.resolve(n, reference).unwrap_or(ValueType::Any),
            ArgValue::Literal(Json::String(_)) => ValueType::Text,
            ArgValue::Literal(Json::Number(_)) => ValueType::Number,
            ArgValue::Literal(Json::Bool(_)) => ValueType::Bool,
            ArgValue::Literal(_) => ValueType::Json,
            ArgValue::List(items) => {
                let mut types = items.iter().map(|item| self.type_of(n, item));
                let of = types.next().unwrap_or(ValueType::Any);
                ValueType::list(if types.all(|t| t == of) { of } else { ValueType::Any })
            }
            ArgValue::Object(entries) if is_region(entries) => ValueType::Region,
            ArgValue::Object(_) => ValueType::Json,
        }
    }

    /// What a step returns.
    fn returned(&self, n: usize, step: &Step) -> ValueType {
        let Some(signature) = self.signatures.signature(&step.tool) else { return ValueType::Any };
        let over = signature
            .maps_over
            .as_deref()
            .filter(|name| given(step, name).is_some_and(|value| signature.maps(name, &self.type_of(n, value))));
        let one = match &signature.returns {
            Returns::Type(of) => of.clone(),
            Returns::SameAs(name) => self.same_as(n, step, signature, name, over == Some(name.as_str())),
        };
        match (over, one) {
            (Some(_), one) if !matches!(one, ValueType::List(_)) => ValueType::list(one),
            (_, one) => one,
        }
    }

    /// The type of the named argument, or of one element of it when the tool is mapped over it.
    fn same_as(&self, n: usize, step: &Step, signature: &Signature, name: &str, mapped: bool) -> ValueType {
        let Some(arg) = signature.arg(name) else { return ValueType::Any };
        let found = match given(step, name).map(|value| self.type_of(n, value)) {
            Some(list) if mapped => list.element().unwrap_or(ValueType::Any),
            Some(found) => found,
            None => match arg.types.as_slice() {
                [only] => only.clone(),
                _ => ValueType::Any,
            },
        };
        // What does not fit is a fault of this step; those that build on it should not be faulted too.
        if arg.accepts(&found) { found } else { ValueType::Any }
    }

    /// The ids along which the step at `from` needs the step at `to`, both included.
    pub(super) fn chain(&self, from: usize, to: usize) -> Option<Vec<&'a str>> {
        let mut parents: HashMap<usize, usize> = HashMap::new();
        let mut seen = HashSet::from([from]);
        let mut queue = VecDeque::from([from]);
        while let Some(at) = queue.pop_front() {
            if at == to {
                return Some(self.walk_back(&parents, from, to));
            }
            let Some(step) = self.plan.steps.get(at) else { continue };
            for next in step.references().iter().filter_map(|r| self.position(&r.id)) {
                if seen.insert(next) {
                    parents.insert(next, at);
                    queue.push_back(next);
                }
            }
        }
        None
    }

    fn walk_back(&self, parents: &HashMap<usize, usize>, from: usize, to: usize) -> Vec<&'a str> {
        let mut positions = vec![to];
        let mut at = to;
        while at != from {
            let Some(parent) = parents.get(&at) else { break };
            at = *parent;
            positions.push(at);
        }
        positions.iter().rev().filter_map(|n| self.plan.steps.get(*n)).map(|step| step.id.as_str()).collect()
    }
}

/// The argument, when it is given; null counts as not given.
pub(super) fn given<'a>(step: &'a Step, name: &str) -> Option<&'a ArgValue> {
    step.arg(name).filter(|value| !is_null(value))
}

/// Whether an argument is a literal null.
pub(super) fn is_null(value: &ArgValue) -> bool {
    matches!(value, ArgValue::Literal(Json::Null))
}

/// Follows a reference's path from the type of its root.
fn follow(root: ValueType, reference: &Reference) -> Result<ValueType, Dangling> {
    let mut at = root;
    for (depth, segment) in reference.path.iter().enumerate() {
        let next = match segment {
            Segment::Field(name) => at.field(name),
            Segment::Index(_) => at.element(),
        };
        at = next.ok_or_else(|| {
            let path = reference.path.iter().take(depth).cloned().collect();
            Dangling::Path(Reference { id: reference.id.clone(), path }, at)
        })?;
    }
    Ok(at)
}

/// Whether an object is written as a region: `box` of four numbers, perhaps `label` and `score`.
pub(super) fn is_region(entries: &[(String, ArgValue)]) -> bool {
    let is_number = |value: &ArgValue| matches!(value, ArgValue::Literal(Json::Number(_)));
    let fits = |(name, value): &(String, ArgValue)| match (name.as_str(), value) {
        ("box", ArgValue::List(corners)) => corners.len() == 4 && corners.iter().all(is_number),
        ("label", ArgValue::Literal(Json::String(_))) | ("score", ArgValue::Literal(Json::Number(_))) => true,
        _ => false,
    };
    entries.iter().any(|(name, _)| name == "box") && entries.iter().all(fits)
}
