//! Guessing in a run: what an answer still lacks, and where it is taken from.

use super::run::Run;
use crate::answer::{Answer, Status};
use crate::error::{ErrorKind, Result};
use crate::plan::{ArgValue, Plan, Reference, Step};
use crate::refiner::{Verdict, asks_for_value, has_form};
use crate::task::{asked_images, image_name};

/// The tool that says in sentences what is in an image.
pub(super) const DESCRIBER: &str = "describe_scene";
/// Most images that are described for a guess.
const MAX_DESCRIBED: usize = 2;

impl Run<'_> {
    /// Puts a guess where the outcome has no answer of the form that is asked for.
    ///
    /// An outcome that another limit than that of rounds ended, or a failure, stays as it is, and so it does when the
    /// LLM's guess is no guess.
    pub(super) async fn with_guess(&mut self, outcome: Result<Verdict>) -> Result<Verdict> {
        let so_far = match &outcome {
            Ok(Verdict::NotEnough { .. }) => None,
            Err(error) if error.kind() == ErrorKind::Plan => None,
            // The rounds are used up, and nothing but them.
            Err(error) if error.kind() == ErrorKind::Budget && self.may_only_guess() => None,
            Ok(Verdict::Answer(answer)) if !self.lacks_value(answer) => return outcome,
            Ok(Verdict::Answer(answer)) => Some(answer.clone()),
            Err(_) => return outcome,
        };
        match self.guess(so_far).await {
            Ok(answer) => Ok(Verdict::Answer(answer)),
            Err(error) if ends_the_run(error.kind()) => Err(error),
            Err(error) => {
                tracing::debug!("nothing was guessed: {}", error.for_log());
                outcome
            }
        }
    }

    /// The rounds are used up, and nothing answers even in part.
    fn may_only_guess(&self) -> bool {
        self.rounds_used_up && self.partial.is_none()
    }

    fn lacks_value(&self, answer: &Answer) -> bool {
        let short = answer.short.as_deref().unwrap_or_default();
        let fits = !short.is_empty() && has_form(&self.task.question, short);
        answer.status == Status::Answered && !fits && asks_for_value(&self.task.question)
    }

    pub(super) async fn guess(&mut self, so_far: Option<Answer>) -> Result<Answer> {
        let asked = asked_images(&self.task.question, self.task.images.len());
        self.describe(asked.into_iter().take(MAX_DESCRIBED).collect()).await?;
        let answered = so_far.as_ref().map(|answer| answer.text.as_str());
        let guess = self.parts.guesser.guess(self.cx, &self.task.question, &self.trace, answered).await?;
        let said = format!("Best guess: {guess}.");
        let text = so_far.as_ref().map_or_else(|| said.clone(), |answer| format!("{} {said}", answer.text));
        let so_far = so_far.unwrap_or_default();
        Ok(Answer { text, short: Some(guess), status: Status::Guessed, ..so_far })
    }

    /// Has these images described, where no step did so.
    pub(super) async fn describe(&mut self, images: Vec<usize>) -> Result<()> {
        if self.parts.catalog.get(DESCRIBER).is_none() {
            return Ok(());
        }
        let mut plan = self.trace.plan.clone().unwrap_or(Plan { steps: Vec::new(), result: Reference::to("image") });
        let known = plan.steps.len();
        for n in images {
            let image = ArgValue::Ref(Reference::to(image_name(n)));
            let described = |step: &Step| step.tool == DESCRIBER && step.arg("image") == Some(&image);
            if !plan.steps.iter().any(described) {
                let id = plan.free_id("scene");
                plan.steps.push(Step { id, tool: DESCRIBER.to_owned(), args: vec![("image".to_owned(), image)] });
            }
        }
        if plan.steps.len() == known {
            return Ok(());
        }
        if self.trace.plan.is_none() {
            plan.result = plan.steps.last().map_or(plan.result, |step| Reference::to(&step.id));
        }
        self.execute(plan).await
    }
}

/// Whether an error is one of the run, and not of a guess.
fn ends_the_run(kind: ErrorKind) -> bool {
    use ErrorKind::{Budget, Cancelled, Integrity, Io, Network, Offline};
    matches!(kind, Budget | Cancelled | Integrity | Io | Network | Offline)
}
