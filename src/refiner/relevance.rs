//! Relevance: whether what a claim rests on can answer the question at all.
//!
//! That a value stands in a result does not make it an answer: the main colour of a whole picture is not that of the
//! building in it, and an image that was cut out does not say what is on it.

use super::evidence::Evidence;
use super::wording;
use crate::answer::Claim;
use crate::observation::Observation;
use crate::tool::color_of::is_color;
use crate::value::Value;

impl Evidence<'_> {
    /// Whether the results that a claim rests on are of the kind that is asked for.
    pub(super) fn is_to_the_point(&self, claim: &Claim) -> bool {
        let steps: Vec<&Observation> = claim.steps.iter().filter_map(|id| self.known.observation(id)).collect();
        let all = |which: &dyn Fn(&Observation) -> bool| !steps.is_empty() && steps.iter().all(|step| which(step));
        if all(&|step| matches!(step.value(), Some(Value::Image(_)))) {
            return wording::asks_for_image(self.question);
        }
        if all(&|step| step.tool == "color_of") {
            let spoken = wording::spoken(self.question);
            let about_colors = wording::names_color(self.question) || spoken.iter().any(|word| is_color(word));
            let of_a_thing = wording::asks_color(self.question) && wording::colored_thing(self.question);
            return about_colors && !(of_a_thing && all(&is_of_whole_image));
        }
        // That there are none of something is not what is asked for where anything but a number is.
        if all(&|step| step.tool == "count" && matches!(step.value(), Some(Value::Number(0.0)))) {
            return wording::asks_number(self.question);
        }
        true
    }
}

/// Whether a step looked at a whole image of the task.
fn is_of_whole_image(step: &Observation) -> bool {
    let whole = |image: &str| image.strip_prefix("$image").is_some_and(|n| n.chars().all(|c| c.is_ascii_digit()));
    step.args.get("region").is_none() && step.args.get("image").and_then(serde_json::Value::as_str).is_some_and(whole)
}
