//! References of declared plans to steps that do not exist, settled where only one thing can be meant.

use super::declared::kind;
use super::request::{files, medium_of};
use super::{ArgValue, Plan, Reference};

/// Settles references to steps that do not exist.
///
/// Steps are called after what they make, so such a reference still says what it is to: `$audio_1` is to some audio.
/// It becomes the one file of that kind that the request names and no step takes, or else the last step before it
/// that makes such a thing. Where there is neither, it stays as it is, and is a fault.
///
/// # Why this is not left to the LLM
/// A small one that is shown its fault writes another plan, mostly a worse one.
pub fn settle(mut plan: Plan, request: &str) -> Plan {
    let ids: Vec<String> = plan.steps.iter().map(|step| step.id.clone()).collect();
    let taken: Vec<String> =
        plan.steps.iter().flat_map(|step| &step.args).flat_map(|(_, value)| texts(value)).collect();
    let is_free = |file: &&str| !taken.iter().any(|text| text == file);
    let mut free: Vec<&str> = files(request).into_iter().filter(is_free).collect();
    for (n, step) in plan.steps.iter_mut().enumerate() {
        for (_, value) in &mut step.args {
            let ArgValue::Ref(reference) = &*value else { continue };
            let Some(of) = kind(&reference.id).filter(|_| !ids.contains(&reference.id)) else { continue };
            let fitting: Vec<usize> =
                (0..free.len()).filter(|n| free.get(*n).and_then(|f| medium_of(f)) == Some(of)).collect();
            let before = ids.get(..n).into_iter().flatten().rev().find(|id| kind(id) == Some(of));
            *value = match (fitting.as_slice(), before) {
                ([only], _) => ArgValue::Literal(free.remove(*only).into()),
                (_, Some(id)) => ArgValue::Ref(Reference::to(id)),
                _ => continue,
            };
        }
    }
    plan
}

/// The texts of an argument.
fn texts(value: &ArgValue) -> Vec<String> {
    match value {
        ArgValue::Literal(json) => json.as_str().map(str::to_owned).into_iter().collect(),
        ArgValue::List(items) => items.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}
