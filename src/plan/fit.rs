//! Whether what is written for an argument fits it, and what would.

use serde_json::Value as Json;

use super::fault::{did_you_mean, quoted};
use super::infer::{Scope, is_null, is_region};
use super::json::{describe, escape, join};
use super::{ArgValue, Fault, FaultKind, Reference, Segment, Step};
use crate::signature::{Arg, Returns, Signature, ValueType};
use crate::task::image_name;

/// The fault of an argument whose value does not fit; its references stand for something.
pub(super) fn arg(
    scope: &Scope<'_>,
    n: usize,
    step: &Step,
    at: &str,
    signature: &Signature,
    arg: &Arg,
    value: &ArgValue,
) -> Option<Fault> {
    // A null in a required argument is reported as missing.
    if is_null(value) {
        return None;
    }
    let site = Site { scope, n, tool: &step.tool, signature, arg };
    let mapped = signature.maps(&arg.name, &scope.type_of(n, value));
    let fits = if mapped {
        // An element the signature cannot name (of mixed or unknown type) shows at run time.
        match value {
            ArgValue::List(items) => items.iter().all(|item| site.fits(item)),
            _ => true,
        }
    } else {
        site.fits(value)
    };
    if fits { site.choice(at, value) } else { Some(site.misfit(at, value)) }
}

/// What to write for an argument of the n-th step: what there is of its type, else how to get it.
pub(super) fn candidates(scope: &Scope<'_>, n: usize, signature: &Signature, arg: &Arg) -> Option<String> {
    if let [first, ..] = arg.choices.as_slice() {
        return Some(format!("write one of {}; e.g. \"{first}\"", arg.choices.join(", ")));
    }
    let fits = |of: &ValueType| *of != ValueType::Any && (arg.accepts(of) || signature.maps(&arg.name, of));
    let images = (0..scope.images.min(4)).map(image_name).map(|name| (name, ValueType::Image));
    let steps = scope.earlier(n).map(|(id, of)| (id.to_owned(), of.clone()));
    let found: Vec<String> =
        images.chain(steps).filter(|(_, of)| fits(of)).map(|(id, _)| format!("`${id}`")).take(6).collect();
    if !found.is_empty() {
        return Some(format!("{} here: {}", arg.types_text(), found.join(", ")));
    }
    let literal = |of: &ValueType| match of {
        ValueType::Text => Some("write a text"),
        ValueType::Number => Some("write a number"),
        ValueType::Bool => Some("write true or false"),
        ValueType::List(of) if **of == ValueType::Text => Some(r#"write a list of texts, e.g. ["person"]"#),
        ValueType::Json => Some(r#"write an object, e.g. {"a": 1}"#),
        ValueType::Named(_) => Some("write a text, e.g. the name of a file"),
        _ => None,
    };
    if let Some(hint) = arg.types.iter().find_map(literal) {
        return Some(hint.to_owned());
    }
    let makers = makers(scope, &fits);
    (!makers.is_empty()).then(|| format!("first add a step that returns it: {}", makers.join(", ")))
}

/// The tools that return what fits, with what they return.
fn makers(scope: &Scope<'_>, fits: &dyn Fn(&ValueType) -> bool) -> Vec<String> {
    let names = scope.signatures.names();
    let maker = |name: &&str| match &scope.signatures.signature(name)?.returns {
        Returns::Type(of) if fits(of) => Some(format!("`{name}` returns {of}")),
        _ => None,
    };
    names.iter().filter_map(maker).take(4).collect()
}

/// One argument of one step.
struct Site<'a> {
    scope: &'a Scope<'a>,
    n: usize,
    tool: &'a str,
    signature: &'a Signature,
    arg: &'a Arg,
}

impl Site<'_> {
    fn fits(&self, value: &ArgValue) -> bool {
        self.arg.types.iter().any(|want| self.fits_type(want, value))
    }

    fn fits_type(&self, want: &ValueType, value: &ArgValue) -> bool {
        match (want, value) {
            (ValueType::Json, ArgValue::Ref(_)) => {
                let of = self.scope.type_of(self.n, value);
                want.accepts(&of) && has_json(&of)
            }
            (_, ArgValue::Ref(_)) => want.accepts(&self.scope.type_of(self.n, value)),
            (ValueType::Json, _) => self.is_json(value),
            (ValueType::Any, ArgValue::List(items)) => items.iter().all(|item| self.fits_type(want, item)),
            (ValueType::Any, ArgValue::Object(_)) => self.is_json(value),
            (ValueType::Any, ArgValue::Literal(_)) => true,
            (ValueType::Text, ArgValue::Literal(Json::String(_)))
            | (ValueType::Number, ArgValue::Literal(Json::Number(_)))
            | (ValueType::Bool, ArgValue::Literal(Json::Bool(_))) => true,
            // A file, an address, words: what a text stands for is known to the declared tool alone.
            (ValueType::Named(_), ArgValue::Literal(json)) => !json.is_null(),
            (ValueType::Named(_), ArgValue::List(items)) => items.iter().all(|item| self.fits_type(want, item)),
            (ValueType::List(of), ArgValue::List(items)) => items.iter().all(|item| self.fits_type(of, item)),
            (ValueType::Region, ArgValue::Object(entries)) => is_region(entries),
            _ => false,
        }
    }

    /// Whether a value, and all that is referenced inside, can be JSON.
    fn is_json(&self, value: &ArgValue) -> bool {
        match value {
            ArgValue::Ref(_) => has_json(&self.scope.type_of(self.n, value)),
            ArgValue::Literal(_) => true,
            ArgValue::List(items) => items.iter().all(|item| self.is_json(item)),
            ArgValue::Object(entries) => entries.iter().all(|(_, entry)| self.is_json(entry)),
        }
    }

    /// The fault of a text that is not among the choices.
    fn choice(&self, at: &str, value: &ArgValue) -> Option<Fault> {
        let choices = &self.arg.choices;
        if choices.is_empty() {
            return None;
        }
        match value {
            ArgValue::Literal(Json::String(text)) if !choices.contains(text) => {
                let hint = did_you_mean(text, choices.iter().map(String::as_str), || {
                    Some(format!("it is one of {}", choices.join(", ")))
                });
                let message = format!("`{}` cannot be {}", self.arg.name, quoted(text));
                Some(Fault::new(FaultKind::NotAChoice, at, message).suggest(hint))
            }
            ArgValue::List(items) => {
                items.iter().enumerate().find_map(|(i, item)| self.choice(&format!("{at}[{i}]"), item))
            }
            _ => None,
        }
    }

    /// The fault of a value that does not fit, at the innermost place that can be told.
    fn misfit(&self, at: &str, value: &ArgValue) -> Fault {
        let (at, value) = match self.innermost(value) {
            Some((path, inner)) => (format!("{at}{path}"), inner),
            None => (at.to_owned(), value),
        };
        let got = match value {
            ArgValue::Ref(reference) => {
                format!("{} is {}", quoted(&reference.to_string()), self.scope.type_of(self.n, value))
            }
            ArgValue::Literal(json) => format!("{} is {}", quoted(&escape(json).to_string()), describe(json)),
            ArgValue::List(_) => format!("this is {}", self.scope.type_of(self.n, value)),
            ArgValue::Object(_) => "this is an object".to_owned(),
        };
        let kind = match value.references().is_empty() {
            true => FaultKind::MistypedArgument,
            false => FaultKind::TypeMismatch,
        };
        let message = format!("{} takes `{}`: {}; {got}", quoted(self.tool), self.arg.name, self.arg.types_text());
        Fault::new(kind, at, message).suggest(self.instead(value))
    }

    /// The first part that fits in no way, when that can be told.
    fn innermost<'v>(&self, value: &'v ArgValue) -> Option<(String, &'v ArgValue)> {
        match value {
            ArgValue::List(items) => items
                .iter()
                .enumerate()
                .find(|(_, item)| !self.elements().any(|of| self.fits_type(of, item)))
                .map(|(i, item)| (format!("[{i}]"), item))
                .filter(|_| self.elements().next().is_some()),
            ArgValue::Object(entries) if self.takes_json() => {
                entries.iter().find(|(_, entry)| !self.is_json(entry)).map(|(name, entry)| (join("", name), entry))
            }
            _ => None,
        }
    }

    /// The types that the elements of a list may have, mapped lists included.
    fn elements(&self) -> impl Iterator<Item = &ValueType> {
        let mapped = self.signature.maps_over.as_deref() == Some(self.arg.name.as_str());
        self.arg.types.iter().filter_map(move |of| match of {
            ValueType::List(of) => Some(&**of),
            of => (mapped || matches!(of, ValueType::Json | ValueType::Any)).then_some(of),
        })
    }

    fn takes_json(&self) -> bool {
        self.arg.types.iter().any(|of| matches!(of, ValueType::Json | ValueType::Any))
    }

    /// What to write instead.
    fn instead(&self, value: &ArgValue) -> Option<String> {
        let near = match value {
            ArgValue::Ref(reference) => {
                let of = self.scope.type_of(self.n, value);
                self.near_reference(reference, &of).or_else(|| self.other_argument(reference, &of))
            }
            ArgValue::Literal(json) => self.near_literal(json),
            _ => None,
        };
        near.or_else(|| candidates(self.scope, self.n, self.signature, self.arg))
    }

    /// A field or element of the result that fits, or the list around it.
    fn near_reference(&self, reference: &Reference, of: &ValueType) -> Option<String> {
        let takes_list_of = |want: &ValueType| matches!(want, ValueType::List(item) if **item == *of);
        if self.arg.types.iter().any(takes_list_of) {
            return Some(format!("write [\"{reference}\"]"));
        }
        let fits = |(_, t): &(Vec<Segment>, ValueType)| *t != ValueType::Any && self.arg.accepts(t);
        let fields = |prefix: &[Segment], of: &ValueType| -> Vec<(Vec<Segment>, ValueType)> {
            let typed = of.fields().iter().filter_map(|f| Some((*f, of.field(f)?)));
            typed.map(|(f, t)| ([prefix, &[Segment::Field(f.to_owned())]].concat(), t)).collect()
        };
        let mut near = fields(&[], of);
        if let Some(element) = of.element() {
            let first = [Segment::Index(0)];
            near.push((first.to_vec(), element.clone()));
            near.extend(fields(&first, &element));
        }
        let (path, of) = near.into_iter().find(fits)?;
        let near = Reference { id: reference.id.clone(), path: [reference.path.clone(), path].concat() };
        Some(format!("`{near}` is {of}"))
    }

    /// The argument that the reference was probably meant for.
    fn other_argument(&self, reference: &Reference, of: &ValueType) -> Option<String> {
        let step = self.scope.plan.steps.get(self.n)?;
        let free = |arg: &&Arg| arg.name != self.arg.name && step.args.iter().all(|(name, _)| *name != arg.name);
        let takes = |arg: &&Arg| arg.accepts(of) || self.signature.maps(&arg.name, of);
        let fits = |arg: &&Arg| *of != ValueType::Any && !arg.types.contains(&ValueType::Any) && takes(arg);
        let other = self.signature.args.iter().filter(free).find(fits)?;
        let own = candidates(self.scope, self.n, self.signature, self.arg)?;
        Some(format!("write \"{}\": \"{reference}\", and for `{}`: {own}", other.name, self.arg.name))
    }

    /// The literal or reference that was probably meant.
    fn near_literal(&self, json: &Json) -> Option<String> {
        let wants = |t: &ValueType| self.arg.types.contains(t);
        match json {
            Json::String(text) if wants(&ValueType::list(ValueType::Text)) => {
                Some(format!("write [{}]", escape(json))).filter(|_| text.len() <= 100)
            }
            Json::String(text) if wants(&ValueType::Number) && text.parse::<f64>().is_ok_and(f64::is_finite) => {
                Some(format!("write {text} without quotes"))
            }
            Json::String(text) if wants(&ValueType::Bool) && (text == "true" || text == "false") => {
                Some(format!("write {text} without quotes"))
            }
            Json::String(text) => self.named(text).map(|id| format!("did you mean `${id}`?")),
            Json::Number(_) | Json::Bool(_) if wants(&ValueType::Text) => Some(format!("write \"{json}\"")),
            _ => None,
        }
    }

    /// The step or image whose name stands there as a text.
    fn named(&self, text: &str) -> Option<String> {
        let images = (0..self.scope.images.min(16)).map(image_name);
        let steps = self.scope.earlier(self.n).map(|(id, _)| id.to_owned());
        images.chain(steps).find(|id| id == text)
    }
}

/// Whether values of this type have a JSON form that says what they are.
fn has_json(of: &ValueType) -> bool {
    match of {
        ValueType::Image | ValueType::Mask | ValueType::Map => false,
        ValueType::List(of) => has_json(of),
        _ => true,
    }
}
