//! References of declared plans to steps that do not exist, settled where only one thing can be meant.

use std::collections::HashMap;

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
    let mut meant: HashMap<String, ArgValue> = HashMap::new();
    for (n, step) in plan.steps.iter_mut().enumerate() {
        for (_, value) in &mut step.args {
            let ArgValue::Ref(reference) = &*value else { continue };
            let missing = reference.clone();
            let Some(of) = kind(&missing.id).filter(|_| !ids.contains(&missing.id)) else { continue };
            // The result of a step has parts, a file has none.
            if missing != Reference::to(&missing.id) {
                continue;
            }
            let fits = |file: &&str| medium_of(file) == Some(of);
            let only = free.iter().copied().filter(fits).collect::<Vec<_>>();
            let before = ids.get(..n).into_iter().flatten().rev().find(|id| kind(id) == Some(of));
            let settled = match (meant.get(&missing.id), only.as_slice(), before) {
                (Some(known), ..) => known.clone(),
                (None, [file], _) => ArgValue::Literal((*file).into()),
                (None, _, Some(id)) => ArgValue::Ref(Reference::to(id)),
                _ => continue,
            };
            if let ArgValue::Literal(file) = &settled {
                free.retain(|other| file.as_str() != Some(other));
            }
            meant.insert(missing.id, settled.clone());
            *value = settled;
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
