//! The LLM's own eyes: a look beside, or in place of, what experts see (modality bridging).

use super::run::Run;
use crate::answer::{Answer, Claim, Status};
use crate::error::Result;
use crate::plan::{ArgValue, Plan, Reference, Step};
use crate::reason::{Look, Seen};
use crate::refiner::{Evidence, Verdict};
use crate::task::image_name;
use crate::words::{holds, words};

impl Run<'_> {
    /// Answers from one look, without any other tool.
    pub(super) async fn look_only(&mut self) -> Result<Verdict> {
        let (step, seen) = self.look(None, &[]).await?;
        Ok(match seen {
            Ok(seen) => Verdict::Answer(by_sight(&step, seen)),
            Err(missing) => Verdict::NotEnough { missing },
        })
    }

    /// Looks at the images knowing what the tools found, and says where the two disagree.
    pub(super) async fn look_as_well(&mut self, found: Verdict) -> Result<Verdict> {
        let evidence = Evidence::gather(&self.task.question, &self.trace).text();
        let drawn: Vec<Reference> = self.trace.drawn().into_iter().map(|(made, _)| made).collect();
        let mut told = vec![evidence];
        let first = self.task.images.len() + 1;
        let made = drawn.iter().map(|made| made.to_string()).zip(first..);
        told.extend(made.map(|(made, n)| format!("Image {n} is {made}, which a step made.")));
        let known = Some(told.join("\n").trim().to_owned()).filter(|text| !text.is_empty());
        let (step, seen) = self.look(known, &drawn).await?;
        Ok(match (found, seen) {
            (found, Err(_)) => found,
            (Verdict::NotEnough { .. }, Ok(seen)) => Verdict::Answer(by_sight(&step, seen)),
            (Verdict::Answer(answer), Ok(seen)) => Verdict::Answer(joined(answer, &step, &seen)),
        })
    }

    /// A look at all images, and at those that steps have drawn: the step's id, and what was seen or is missing.
    async fn look(&mut self, known: Option<String>, drawn: &[Reference]) -> Result<(String, Result<Seen, String>)> {
        let given = (0..self.task.images.len()).map(|n| Reference::to(image_name(n)));
        let images = given.chain(drawn.iter().cloned()).map(ArgValue::Ref).collect();
        let mut args = vec![
            ("images".to_owned(), ArgValue::List(images)),
            ("question".to_owned(), ArgValue::Literal(self.task.question.trim().into())),
        ];
        args.extend(known.map(|known| ("known".to_owned(), ArgValue::Literal(known.into()))));
        let step = Step { id: Look::NAME.to_owned(), tool: Look::NAME.to_owned(), args };
        let plan = self.execute_aside(Plan { result: Reference::to(&step.id), steps: vec![step] }).await?;
        let id = plan.result.id;
        let observation = self.trace.observation(&id);
        let seen = observation.and_then(|o| o.value()).and_then(Seen::of);
        let failed = || observation.and_then(|o| o.failure()).map(|f| f.message).unwrap_or_default();
        let seen = match seen {
            Some(Seen { answer: None, missing, .. }) => Err(missing.unwrap_or_default()),
            Some(seen) => Ok(seen),
            None => Err(failed()),
        };
        Ok((id, seen))
    }
}

/// What was seen, as an answer that rests on nothing but the look.
fn by_sight(step: &str, seen: Seen) -> Answer {
    let text = seen.answer.unwrap_or_default();
    let claims = vec![Claim { text: text.clone(), steps: vec![step.to_owned()] }];
    Answer { short: seen.short, claims, ..Answer::new(text, Status::Answered) }
}

/// What the tools found, with what was seen: as one more support where the two agree, else as what speaks against it.
fn joined(mut answer: Answer, step: &str, seen: &Seen) -> Answer {
    let seen_text = seen.answer.clone().unwrap_or_default();
    if agree(&answer, seen) {
        if let Some(first) = answer.claims.first_mut() {
            first.steps.push(step.to_owned());
        }
        return answer;
    }
    let text = format!("The LLM's own look says otherwise: {seen_text}");
    answer.text = format!("{} {text}", answer.text);
    answer.claims.push(Claim { text, steps: vec![step.to_owned()] });
    answer.against = Some(match answer.against {
        Some(objection) => format!("{objection} {seen_text}"),
        None => seen_text,
    });
    answer
}

/// Whether the two come down to the same: their short forms are equal, or one answer's words hold the other's short
/// form.
fn agree(found: &Answer, seen: &Seen) -> bool {
    let (found_short, seen_short) = (found.short.as_deref().map(words), seen.short.as_deref().map(words));
    match (found_short, seen_short) {
        (Some(a), Some(b)) => a == b || (a.len() > 2 && b.len() > 2 && (holds(&a, &b) || holds(&b, &a))),
        (Some(a), None) => holds(&words(seen.answer.as_deref().unwrap_or_default()), &a),
        (None, Some(b)) => holds(&words(&found.text), &b),
        (None, None) => words(&found.text) == words(seen.answer.as_deref().unwrap_or_default()),
    }
}
