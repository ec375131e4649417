//! Infilling in a run: what is before a gap and after it, what fits between, and the answer that comes of it.

use std::time::Instant;

use super::run::{Run, millis};
use super::vote::key;
use crate::answer::{Answer, Claim, Status};
use crate::error::{ErrorKind, Result};
use crate::reason::{Fill, Frame};
use crate::refiner::{Evidence, Verdict, cut, plain, told};
use crate::task::image_name;
use crate::trace::{Event, Gap, Tried};
use crate::value::Value;

/// Longest text of a frame, in characters.
const MAX_FRAME: usize = 240;
/// How sentences begin that describe what a detector is not sure of.
const UNSURE: &str = "Perhaps";
/// How often a gap is filled until something fits.
const MAX_TRIES: usize = 2;
/// What speaks against a fill that says what a frame says.
const KNOWN: &str = "that is what is known already";
/// What comes after a hop.
const ANSWER: &str = "the answer to the question";

/// A frame with the steps that tell of it.
struct Told {
    frame: Frame,
    steps: Vec<String>,
}

impl Run<'_> {
    /// Names the gap in what is known, fills it, and checks the fill against both sides. What is inferred so is a
    /// guess, whatever speaks for it: no step saw it. A question about a place in one of several images has no sequence.
    pub(super) async fn infill(&mut self) -> Result<Verdict> {
        if self.task.images.len() < 2 || self.task.region.is_some() {
            return self.hop().await;
        }
        self.describe((0..self.task.images.len()).collect()).await?;
        if self.trace.is_blank()
            && let Some(verdict) = self.go_on().await?
        {
            return Ok(verdict);
        }
        let told = match self.frames() {
            Ok(told) => told,
            Err(missing) => return Ok(not_enough(&missing)),
        };
        let frames: Vec<Frame> = told.iter().map(|told| told.frame.clone()).collect();
        let gaps = match self.gaps(&frames).await {
            Err(error) if error.kind() == ErrorKind::Model => return Ok(not_enough(&error.to_string())),
            gaps => gaps?,
        };
        let mut tried = Vec::new();
        for (n, mut fill) in gaps {
            let Some([before, after]) = told.get(n..n + 2) else { continue };
            let place = format!("between image {} and image {}", before.frame.image, after.frame.image);
            for left in (0..MAX_TRIES).rev() {
                let gap = Gap {
                    missing: format!("what comes {place}"),
                    after_image: Some(before.frame.image),
                    before: before.steps.clone(),
                    after: after.steps.clone(),
                    fill: None,
                    tried: tried.clone(),
                };
                let known = frames.iter().any(|frame| fill.is_shown_by(frame));
                let objection = if known {
                    Some(KNOWN.to_owned())
                } else if self.leads_on(frames.get(..=n).unwrap_or_default(), &fill, &after.frame).await? {
                    None
                } else {
                    self.fits((&before.frame.text, &after.frame.text), &fill).await?
                };
                match objection {
                    None => return Ok(self.filled(gap, fill, &place)),
                    Some(objection) => tried.push(Tried { fill: fill.fill.clone(), objection }),
                }
                self.trace.gap = Some(Gap { tried: tried.clone(), ..gap });
                if left > 0 {
                    fill = match self.next_frame(frames.get(..=n).unwrap_or_default(), &tried).await {
                        Err(error) if error.kind() == ErrorKind::Model => break,
                        fill => fill?,
                    };
                }
            }
        }
        match self.trace.gap {
            Some(_) => Ok(self.unfilled()),
            None => Ok(not_enough("where the gap is: each image shows what is expected after those before it")),
        }
    }

    /// The places, from 0, after which another frame comes than is expected, with what is expected.
    async fn gaps(&mut self, frames: &[Frame]) -> Result<Vec<(usize, Fill)>> {
        let mut gaps = Vec::new();
        for (n, following) in frames.iter().enumerate().skip(1) {
            let expected = self.next_frame(frames.get(..n).unwrap_or_default(), &[]).await?;
            if !expected.is_shown_by(following) {
                gaps.push((n - 1, expected));
            }
        }
        Ok(gaps)
    }

    /// Whether the frames go on to what is shown after the gap when the fill is put there. It was expected from what is
    /// before the gap, so that it then fits both sides.
    async fn leads_on(&mut self, before: &[Frame], fill: &Fill, after: &Frame) -> Result<bool> {
        let image = before.last().map_or(1, |frame| frame.image + 1);
        let filled = Frame { image, text: format!("\"{}\"", plain(&fill.fill)) };
        let frames: Vec<Frame> = before.iter().cloned().chain([filled]).collect();
        match self.next_frame(&frames, &[]).await {
            Err(error) if error.kind() == ErrorKind::Model => Ok(false),
            next => Ok(next?.is_shown_by(after)),
        }
    }

    async fn next_frame(&mut self, frames: &[Frame], tried: &[Tried]) -> Result<Fill> {
        let began = Instant::now();
        let question = self.task.question.trim();
        let next = self.parts.infiller.next(self.cx, question, frames, tried).await;
        self.timings.refine_ms += millis(began);
        next
    }

    /// Answers as ever; where the evidence does not do, fills the hop between it and the answer.
    async fn hop(&mut self) -> Result<Verdict> {
        let verdict = self.decide().await?;
        // What is not there has no properties to be inferred.
        let verdict = if self.task.chain.verify { self.or_absent(verdict) } else { verdict };
        let missing = match verdict {
            Verdict::NotEnough { missing } if !self.trace.is_blank() => missing,
            verdict => return Ok(verdict),
        };
        let question = self.task.question.trim().to_owned();
        let (known, before) = {
            let evidence = Evidence::gather(&question, &self.trace);
            let steps = evidence.observations().map(|(observation, _)| observation.id.clone()).collect::<Vec<_>>();
            (evidence.text(), steps)
        };
        let mut tried = Vec::new();
        while tried.len() < MAX_TRIES && !before.is_empty() {
            let began = Instant::now();
            let fill = self.parts.infiller.hop(self.cx, &question, &known, &missing, &tried).await;
            self.timings.refine_ms += millis(began);
            let fill = match fill {
                Err(error) if error.kind() == ErrorKind::Model => break,
                fill => fill?,
            };
            let gap = |tried: &[Tried]| Gap {
                missing: missing.clone(),
                after_image: None,
                before: before.clone(),
                after: Vec::new(),
                fill: None,
                tried: tried.to_vec(),
            };
            match self.fits((&known, ANSWER), &fill).await? {
                None => return Ok(self.filled(gap(&tried), fill, "from what is seen")),
                Some(objection) => tried.push(Tried { fill: fill.fill, objection }),
            }
            self.trace.gap = Some(gap(&tried));
        }
        if self.trace.gap.is_some() { Ok(self.unfilled()) } else { Ok(Verdict::NotEnough { missing }) }
    }

    /// What speaks against a fill. One that only repeats a side fills nothing; an LLM's reply that cannot be read is
    /// no approval.
    async fn fits(&mut self, (before, after): (&str, &str), fill: &Fill) -> Result<Option<String>> {
        let said = key(&fill.fill);
        if said == key(before) || said == key(after) {
            return Ok(Some(KNOWN.to_owned()));
        }
        let question = self.task.question.trim();
        let began = Instant::now();
        let objection = self.parts.infiller.objection(self.cx, question, (before, after), &fill.fill).await;
        self.timings.refine_ms += millis(began);
        match objection {
            Err(error) if error.kind() == ErrorKind::Model => Ok(Some("it could not be checked".to_owned())),
            objection => objection,
        }
    }

    /// What tools say of each image, in order; or that of one nothing is known. An image that could not be looked at
    /// is no gap.
    fn frames(&self) -> Result<Vec<Told>, String> {
        let evidence = Evidence::gather(self.task.question.trim(), &self.trace);
        let frame = |n: usize| {
            let name = image_name(n);
            let of_it = |id: &str| {
                let step = self.trace.plan.as_ref().and_then(|plan| plan.step(id));
                step.is_some_and(|step| self.trace.looks_at(step, &name))
            };
            let all = || self.trace.observations.iter().filter(|observation| of_it(&observation.id));
            // What was answered from another step is told there, and stands for this image all the same.
            let speaks = |id: &str| evidence.observations().any(|(observation, _)| observation.id == id);
            let own: Vec<_> =
                all().filter(|one| speaks(&one.id) || one.same_as.as_deref().is_some_and(speaks)).collect();
            let room = MAX_FRAME / own.len().max(1);
            let said = own.iter().flat_map(|observation| match observation.value() {
                Some(Value::Json(json)) if !told(json).is_empty() => told(json),
                _ => vec![evidence.in_part(observation, room)],
            });
            let said: Vec<String> = said.filter(|text| !text.trim().is_empty()).collect();
            if said.is_empty() {
                let why = all().find_map(|observation| Some(observation.failure()?.message));
                let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
                return Err(format!("what image {} shows{why}", n + 1));
            }
            let steps = own.iter().map(|observation| observation.id.clone()).collect();
            Ok((n, said, steps))
        };
        let all: Vec<_> = (0..self.task.images.len()).map(frame).collect::<Result<_, _>>()?;
        let everywhere = |sentence: &String| all.iter().all(|(_, said, _)| said.contains(sentence));
        let told = |(n, said, steps): &(usize, Vec<String>, Vec<String>)| {
            // What stands in all frames, or is not sure, says nothing about what changes; but it is better than nothing.
            let tells = |sentence: &&String| !sentence.starts_with(UNSURE) && !everywhere(sentence);
            let telling: Vec<&str> = said.iter().filter(tells).map(String::as_str).collect();
            let text = if telling.is_empty() { said.join(" ") } else { telling.join(" ") };
            Told { frame: Frame { image: n + 1, text: cut_sentences(&text) }, steps: steps.clone() }
        };
        Ok(all.iter().map(told).collect())
    }

    /// The answer that a fill is.
    fn filled(&mut self, mut gap: Gap, fill: Fill, place: &str) -> Verdict {
        let text = format!("Inferred {place}, and not seen: {}", fill.fill);
        gap.fill = Some(fill.fill);
        self.cx.emit(Event::Infilled(gap.clone()), &[]);
        let claim = Claim { text: text.clone(), steps: gap.before.iter().chain(&gap.after).cloned().collect() };
        self.trace.gap = Some(gap);
        Verdict::Answer(Answer { short: Some(fill.short), claims: vec![claim], ..Answer::new(text, Status::Guessed) })
    }

    /// Nothing that was tried fits.
    fn unfilled(&mut self) -> Verdict {
        let Some(gap) = self.trace.gap.clone() else { return not_enough("") };
        self.cx.emit(Event::Infilled(gap.clone()), &[]);
        let why = gap.tried.last().map(|tried| format!("{}: {}", plain(&tried.fill), plain(&tried.objection)));
        not_enough(&format!("nothing that fits into the gap ({})", why.unwrap_or_default()))
    }
}

fn not_enough(missing: &str) -> Verdict {
    Verdict::NotEnough { missing: missing.to_owned() }
}

/// A frame's text, not too long; where it is cut within a quotation, that is ended.
fn cut_sentences(text: &str) -> String {
    let mut text = cut(text, MAX_FRAME);
    if text.matches('"').count() % 2 == 1 {
        text.push('"');
    }
    text
}
