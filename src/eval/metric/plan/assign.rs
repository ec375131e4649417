//! Which predicted tool stands for which wanted step.

use std::collections::{BTreeMap, BTreeSet};

/// An assignment of tools to steps, one to one, with as many pairs as possible (augmenting paths).
#[derive(Debug)]
pub(super) struct Assignment<'a> {
    steps: &'a [BTreeSet<&'a str>],
    /// The tool of every step.
    tools: Vec<Option<&'a str>>,
    step_of: BTreeMap<&'a str, usize>,
}

impl<'a> Assignment<'a> {
    pub(super) fn new(steps: &'a [BTreeSet<&'a str>]) -> Self {
        Self { steps, tools: vec![None; steps.len()], step_of: BTreeMap::new() }
    }

    /// Assigns further tools where there is room; who has a step keeps one.
    pub(super) fn assign(&mut self, tools: impl Iterator<Item = &'a str>) {
        for tool in tools {
            if !self.step_of.contains_key(tool) {
                self.place(tool, &mut vec![false; self.steps.len()]);
            }
        }
    }

    /// Finds a step for a tool, moving others on where needed.
    fn place(&mut self, tool: &'a str, tried: &mut [bool]) -> bool {
        for (n, step) in self.steps.iter().enumerate() {
            let Some(tried_before) = tried.get_mut(n) else { continue };
            if *tried_before || !step.contains(tool) {
                continue;
            }
            *tried_before = true;
            let holder = self.tools.get(n).copied().flatten();
            if holder.is_none_or(|holder| self.place(holder, tried)) {
                if let Some(slot) = self.tools.get_mut(n) {
                    *slot = Some(tool);
                }
                self.step_of.insert(tool, n);
                return true;
            }
        }
        false
    }

    pub(super) fn step_of(&self, tool: &str) -> Option<usize> {
        self.step_of.get(tool).copied()
    }

    pub(super) fn tool_of(&self, step: usize) -> Option<&'a str> {
        self.tools.get(step).copied().flatten()
    }
}
