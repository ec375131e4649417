//! Several images: which of them a step looks at, and a claim speaks of.

use std::collections::{BTreeSet, HashSet};

use super::evidence::Evidence;
use crate::answer::Claim;
use crate::observation::Observation;
use crate::task::{image_in_words, image_place, names_a_place, speaks_of_images};

impl Evidence<'_> {
    /// Whether lines of evidence say which image they are of: there are several, and they are not looked at one
    /// after the other for something else.
    pub(super) fn tells_images(&self) -> bool {
        let plan = self.known.plan.as_ref();
        let steps = plan.into_iter().flat_map(|plan| &plan.steps).flat_map(|step| step.references());
        let several = steps.filter_map(|reference| self.place(&reference.id)).collect::<BTreeSet<_>>().len() > 1;
        several && (self.known.rounds.is_empty() || speaks_of_images(self.question))
    }

    /// ` in the second image`, for a step that looks at one of several images; else nothing.
    pub(super) fn of_image(&self, observation: &Observation) -> Option<String> {
        let images = self.images_of(&observation.id);
        let [n] = images.into_iter().collect::<Vec<_>>().try_into().ok()?;
        self.tells_images().then(|| format!(" in {}", image_in_words(n)))
    }

    /// Says of which image a claim is, where claims are of several and a claim does not say so.
    pub(super) fn say_which_image(&self, claims: &mut [Claim]) {
        let places: Vec<Option<usize>> = claims.iter().map(|claim| self.only_image(claim)).collect();
        if places.iter().flatten().collect::<BTreeSet<_>>().len() < 2 {
            return;
        }
        for (claim, place) in claims.iter_mut().zip(places) {
            if let Some(n) = place.filter(|_| !names_a_place(&claim.text)) {
                claim.text = format!("In {}: {}", image_in_words(n), claim.text);
            }
        }
    }

    /// The image that a claim rests on, when it is just one.
    fn only_image(&self, claim: &Claim) -> Option<usize> {
        let images: BTreeSet<usize> = claim.steps.iter().flat_map(|id| self.images_of(id)).collect();
        images.first().copied().filter(|_| images.len() == 1)
    }

    /// The images, from 0, that a step looks at, itself or through the steps it works on.
    fn images_of(&self, id: &str) -> BTreeSet<usize> {
        let (mut found, mut seen) = (BTreeSet::new(), HashSet::new());
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            for input in super::evidence::inputs(self.known, id) {
                match self.place(input) {
                    Some(n) => drop(found.insert(n)),
                    None => open.push(input),
                }
            }
        }
        found
    }

    /// The image that a name stands for, unless a step has it.
    fn place(&self, name: &str) -> Option<usize> {
        image_place(name).filter(|_| self.known.plan.as_ref().is_none_or(|plan| plan.step(name).is_none()))
    }
}
