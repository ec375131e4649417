//! Joining plans: several plans as one, in which steps that are the same call run once.

use std::collections::HashMap;

use super::{Plan, Step};

/// Longest id, as plans are written.
const MAX_ID: usize = 24;

impl Plan {
    /// Adds the steps of another plan and returns that plan as it stands in this one: a step that is the same call as
    /// one of this plan is that one, where steps like it `may_be_shared`; one whose name is taken gets another.
    pub fn join(&mut self, mut other: Self, may_be_shared: impl Fn(&Step) -> bool) -> Self {
        let mut names: HashMap<String, String> = HashMap::new();
        let mut own: Vec<Step> = Vec::with_capacity(other.steps.len());
        for mut step in other.steps {
            step.args.iter_mut().for_each(|(_, value)| value.rename(&names));
            let same = |known: &&Step| known.tool == step.tool && known.args == step.args && may_be_shared(known);
            if let Some(known) = self.steps.iter().find(same) {
                names.insert(step.id, known.id.clone());
                if own.iter().all(|step| step.id != known.id) {
                    own.push(known.clone());
                }
                continue;
            }
            let free = self.free_id(&step.id);
            names.insert(std::mem::replace(&mut step.id, free.clone()), free);
            self.steps.push(step.clone());
            own.push(step);
        }
        other.result.rename(&names);
        Self { steps: own, result: other.result }
    }

    /// `name`, or `name_2`, `name_3` ... when it is taken.
    pub(crate) fn free_id(&self, name: &str) -> String {
        let stem: String = name.chars().take(MAX_ID - 4).collect();
        let others = (2..).map(|n: usize| format!("{stem}_{n}"));
        std::iter::once(name.to_owned()).chain(others).find(|id| self.step(id).is_none()).unwrap_or_default()
    }
}
