//! The checker: finds every fault of a plan before anything runs.

use std::collections::HashSet;

use super::fault::{did_you_mean, quoted};
use super::fit;
use super::infer::{Dangling, Scope, given};
use super::json::{bad_id, join};
use super::reference::{image_index, is_id, looks_like_image};
use super::{ArgValue, Fault, FaultKind, Plan, Reference, Step};
use crate::signature::{Arg, Signature, Signatures, ValueType};
use crate::task::image_name;

/// Limits on a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanLimits {
    /// Most steps.
    pub max_steps: usize,
    /// Images of the task.
    pub images: usize,
}

/// Finds every fault of a plan, in the order of its steps; none means that it can run.
///
/// Types are inferred step by step, lists mapped over where a tool's signature says so.
/// What only shows at run time (the type of JSON, the length of a list) is not a fault.
pub fn check(plan: &Plan, signatures: &dyn Signatures, limits: &PlanLimits) -> Vec<Fault> {
    let scope = Scope::new(plan, signatures, limits.images);
    let mut faults = Vec::new();
    length(plan, limits, &mut faults);
    let mut seen = HashSet::new();
    for (n, step) in plan.steps.iter().enumerate() {
        id(n, step, !seen.insert(step.id.as_str()), &mut faults);
        check_step(&scope, n, step, &mut faults);
    }
    // A plan without steps has been faulted; what its result refers to says nothing more.
    if !plan.steps.is_empty() {
        let end = plan.steps.len();
        faults.extend(dangling(&scope, end, "result", &plan.result, None));
    }
    faults
}

fn length(plan: &Plan, limits: &PlanLimits, faults: &mut Vec<Fault>) {
    let (steps, most) = (plan.steps.len(), limits.max_steps);
    if steps == 0 {
        let hint = "write at least one step".to_owned();
        faults.push(Fault::new(FaultKind::EmptyPlan, "steps", "the plan has no steps").suggest(hint));
    } else if steps > most {
        let message = format!("the plan has {steps} steps, more than {most}");
        let hint = format!("leave out {} or more", steps - most);
        faults.push(Fault::new(FaultKind::TooManySteps, "steps", message).suggest(hint));
    }
}

fn id(n: usize, step: &Step, taken: bool, faults: &mut Vec<Fault>) {
    let at = format!("steps[{n}].id");
    let id = quoted(&step.id);
    if !is_id(&step.id) {
        faults.push(bad_id(&at, &step.id));
    } else if looks_like_image(&step.id) {
        let hint = format!("name the step after its result, e.g. `{}_result`", tail(&step.tool));
        faults.push(Fault::new(FaultKind::ShadowsImage, &at, format!("{id} is the name of an image")).suggest(hint));
    }
    if taken {
        let hint = format!("use another id, e.g. `{}_{}`", tail(&step.id), n + 1);
        faults.push(Fault::new(FaultKind::DuplicateId, &at, format!("another step is called {id}")).suggest(hint));
    }
}

/// A name short enough to build another from.
fn tail(name: &str) -> String {
    name.chars().take(24).collect()
}

fn check_step(scope: &Scope<'_>, n: usize, step: &Step, faults: &mut Vec<Fault>) {
    let signature = scope.signatures.signature(&step.tool);
    if signature.is_none() {
        faults.push(unknown_tool(scope, n, step));
    }
    let mut seen = HashSet::new();
    for (name, value) in &step.args {
        let at = join(&format!("steps[{n}].args"), name);
        if !seen.insert(name) {
            let message = format!("{} is given twice", quoted(name));
            faults.push(Fault::new(FaultKind::DuplicateArgument, &at, message).suggest("give it once".to_owned()));
        }
        let arg = signature.and_then(|s| s.arg(name));
        if let Some(signature) = signature.filter(|_| arg.is_none()) {
            faults.push(unknown_arg(signature, step, name, &at));
        }
        let before = faults.len();
        references(scope, n, &at, value, signature.zip(arg), faults);
        if let (Some((signature, arg)), true) = (signature.zip(arg), faults.len() == before) {
            faults.extend(fit::arg(scope, n, step, &at, signature, arg, value));
        }
    }
    for arg in signature.iter().flat_map(|s| &s.args).filter(|arg| arg.required && given(step, &arg.name).is_none()) {
        let at = format!("steps[{n}].args");
        let message = format!("{} needs `{}`: {}", quoted(&step.tool), arg.name, arg.types_text());
        let hint = signature.and_then(|s| fit::candidates(scope, n, s, arg));
        faults.push(Fault::new(FaultKind::MissingArgument, at, message).suggest(hint));
    }
}

fn unknown_tool(scope: &Scope<'_>, n: usize, step: &Step) -> Fault {
    let names = scope.signatures.names();
    let hint = did_you_mean(&step.tool, names.iter().copied(), || {
        (!names.is_empty()).then(|| format!("the tools are {}", names.join(", ")))
    });
    let message = format!("there is no tool {}", quoted(&step.tool));
    Fault::new(FaultKind::UnknownTool, format!("steps[{n}].tool"), message).suggest(hint)
}

fn unknown_arg(signature: &Signature, step: &Step, name: &str, at: &str) -> Fault {
    let free = || signature.args.iter().map(|arg| arg.name.as_str()).filter(|arg| step.arg(arg).is_none());
    let hint = did_you_mean(name, free(), || match free().collect::<Vec<_>>() {
        free if free.is_empty() => Some("leave it out".to_owned()),
        free => Some(format!("it also takes {}", free.join(", "))),
    });
    let message = format!("{} has no argument {}", quoted(&step.tool), quoted(name));
    Fault::new(FaultKind::UnknownArgument, at, message).suggest(hint)
}

/// Reports the references inside an argument that stand for nothing.
fn references(
    scope: &Scope<'_>,
    n: usize,
    at: &str,
    value: &ArgValue,
    arg: Option<(&Signature, &Arg)>,
    faults: &mut Vec<Fault>,
) {
    match value {
        ArgValue::Ref(reference) => faults.extend(dangling(scope, n, at, reference, arg)),
        ArgValue::Literal(_) => {}
        ArgValue::List(items) => {
            for (i, item) in items.iter().enumerate() {
                references(scope, n, &format!("{at}[{i}]"), item, None, faults);
            }
        }
        ArgValue::Object(entries) => {
            for (name, entry) in entries {
                references(scope, n, &join(at, name), entry, None, faults);
            }
        }
    }
}

/// The fault of a reference in the n-th step that stands for nothing.
fn dangling(
    scope: &Scope<'_>,
    n: usize,
    at: &str,
    reference: &Reference,
    arg: Option<(&Signature, &Arg)>,
) -> Option<Fault> {
    let name = quoted(&reference.to_string());
    Some(match scope.resolve(n, reference).err()? {
        Dangling::Image => no_image(scope, at, &name, &reference.id),
        Dangling::Step => {
            let message = format!("{name} refers to no step");
            Fault::new(FaultKind::UnknownReference, at, message).suggest(meant(scope, n, reference, arg))
        }
        Dangling::NotEarlier(other) => not_earlier(scope, n, at, &name, other),
        Dangling::Path(prefix, of) => no_field(at, &name, &prefix, &of),
    })
}

/// The reference that was probably meant by one that names no step.
fn meant(scope: &Scope<'_>, n: usize, reference: &Reference, arg: Option<(&Signature, &Arg)>) -> Option<String> {
    let images = (0..scope.images.min(16)).map(image_name);
    let steps = scope.earlier(n).map(|(id, _)| id.to_owned());
    let known: Vec<String> = images.chain(steps).map(|id| format!("${id}")).collect();
    did_you_mean(&format!("${}", reference.id), known.iter().map(String::as_str), || match arg {
        Some((signature, arg)) => fit::candidates(scope, n, signature, arg),
        None => known.last().map(|near| format!("there is `{near}`")),
    })
}

fn no_image(scope: &Scope<'_>, at: &str, name: &str, id: &str) -> Fault {
    let message = match scope.images {
        0 => format!("{name}: the task has no image"),
        1 => format!("{name}: the task has one image"),
        images => format!("{name}: the task has {images} images"),
    };
    let last = scope.images.checked_sub(1);
    let nearest = image_index(id).and_then(|asked| last.map(|last| asked.min(last)));
    let hint = nearest.map(|image| format!("use `${}`", image_name(image)));
    Fault::new(FaultKind::UnknownImage, at, message).suggest(hint)
}

fn not_earlier(scope: &Scope<'_>, n: usize, at: &str, name: &str, other: usize) -> Fault {
    if other == n {
        let hint = "refer to an earlier step or an image".to_owned();
        return Fault::new(FaultKind::Cycle, at, format!("{name} is the step itself")).suggest(hint);
    }
    if let Some(mut chain) = scope.chain(other, n) {
        chain.insert(0, chain.last().copied().unwrap_or_default());
        let circle = chain.iter().map(|id| quoted(id)).collect::<Vec<_>>().join(" needs ");
        let hint = "take out one of these references".to_owned();
        return Fault::new(FaultKind::Cycle, at, format!("the steps need each other: {circle}")).suggest(hint);
    }
    let hint = format!("move steps[{other}] before steps[{n}]");
    Fault::new(FaultKind::LaterReference, at, format!("{name} refers to a later step")).suggest(hint)
}

fn no_field(at: &str, name: &str, prefix: &Reference, of: &ValueType) -> Fault {
    let message = format!("{name}: {} is {of}", quoted(&prefix.to_string()));
    let element = of.element().filter(|e| !e.fields().is_empty());
    let hint = match (of.fields(), element) {
        ([], Some(element)) => {
            let fields = element.fields().iter().map(|f| format!("`{prefix}[0].{f}`")).collect::<Vec<_>>();
            format!("take one element first, e.g. {}", fields.join(", "))
        }
        ([], None) if of.element().is_some() => format!("its elements are `{prefix}[0]` ..."),
        ([], None) => format!("it has no fields; use `{prefix}`"),
        (fields, _) => format!("its fields are {}", fields.join(", ")),
    };
    Fault::new(FaultKind::UnknownField, at, message).suggest(hint)
}
