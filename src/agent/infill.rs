//! Infilling in a run: what is before a gap and after it, what fits between, and the answer that comes of it.

use std::time::Instant;

use super::run::{Run, is_over, millis};
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

/// A place in a sequence where another frame comes than is expected.
struct Place {
    /// How many frames are before it: what is expected is expected from them.
    known: Vec<Frame>,
    following: Frame,
    gap: Gap,
    expected: Fill,
}

impl Run<'_> {
    /// Names the gaps in what is known, fills them, and checks what fills them against both sides. What is inferred so
    /// is a guess, whatever speaks for it: no step saw it. A question about a place in one of several images has no
    /// sequence.
    pub(super) async fn infill(&mut self) -> Result<Verdict> {
        let verdict = if self.task.images.len() < 2 || self.task.region.is_some() {
            self.hop().await
        } else {
            self.between().await
        };
        // Whatever came of them, they are told of.
        for gap in &self.trace.gaps {
            self.cx.emit(Event::Infilled(gap.clone()), &[]);
        }
        verdict
    }

    /// Fills the gaps between images.
    async fn between(&mut self) -> Result<Verdict> {
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
        let (filled, open) = match self.places(&told).await {
            Err(error) if error.kind() == ErrorKind::Model => return Ok(not_enough(&error.to_string())),
            places => places?,
        };
        if !filled.is_empty() {
            return Ok(inferred(&filled));
        }
        self.judged_places(open).await
    }

    /// Goes along the images. Where another one comes than is expected, there is a gap: one that is filled when the
    /// images go on from what was expected to what is shown, and then the fill is known from there on; else one to be
    /// judged. A side that cannot be asked about is no reason to lose what was found before.
    async fn places(&mut self, told: &[Told]) -> Result<(Vec<(Gap, Fill)>, Vec<Place>)> {
        let (mut filled, mut open) = (Vec::new(), Vec::new());
        let mut known: Vec<Frame> = Vec::new();
        for (n, following) in told.iter().enumerate() {
            let Some(before) = n.checked_sub(1).and_then(|n| told.get(n)) else {
                known.push(following.frame.clone());
                continue;
            };
            let expected = match self.next_frame(&known, &[]).await {
                Err(error) if !is_over(&error) && !self.trace.gaps.is_empty() => {
                    tracing::debug!("no more gaps are looked for: {}", error.for_log());
                    break;
                }
                expected => expected?,
            };
            if !expected.is_shown_by(&following.frame) {
                let mut gap = gap_between(before, following);
                self.trace.gaps.push(gap.clone());
                let leads_on =
                    !expected.is_shown_by(&before.frame) && self.leads_on(&known, &expected, &following.frame).await?;
                if leads_on {
                    gap.fill = Some(expected.fill.clone());
                    if let Some(named) = self.trace.gaps.last_mut() {
                        *named = gap.clone();
                    }
                    known.push(filling(&expected));
                    filled.push((gap, expected));
                    // What a limit leaves of the run.
                    self.kept(inferred(&filled));
                } else {
                    let following = following.frame.clone();
                    open.push(Place { known: known.clone(), following, gap, expected });
                }
            }
            known.push(following.frame.clone());
        }
        if !filled.is_empty() {
            // Places that nothing leads on from are then only those where too little was known.
            self.trace.gaps.retain(|gap| gap.fill.is_some());
        }
        Ok((filled, open))
    }

    /// Fills the first of these places that a judge finds something to fit into.
    async fn judged_places(&mut self, open: Vec<Place>) -> Result<Verdict> {
        if open.is_empty() {
            return Ok(not_enough("where the gap is: each image shows what is expected after those before it"));
        }
        for (at, place) in open.into_iter().enumerate() {
            let Place { known, following, mut gap, mut expected } = place;
            let Some(before) = known.last() else { continue };
            for left in (0..MAX_TRIES).rev() {
                let is_known = known.iter().chain([&following]).any(|frame| expected.is_shown_by(frame));
                let objection = if is_known {
                    Some(KNOWN.to_owned())
                } else if !gap.tried.is_empty() && self.leads_on(&known, &expected, &following).await? {
                    None
                } else {
                    self.objection_to((&before.text, &following.text), &expected).await?
                };
                let Some(objection) = objection else {
                    gap.fill = Some(expected.fill.clone());
                    self.trace.gaps = vec![gap.clone()];
                    return Ok(inferred(&[(gap, expected)]));
                };
                gap.tried.push(Tried { fill: expected.fill.clone(), objection });
                if let Some(named) = self.trace.gaps.get_mut(at) {
                    *named = gap.clone();
                }
                if left > 0 {
                    expected = match self.next_frame(&known, &gap.tried).await {
                        Err(error) if !is_over(&error) => break,
                        other => other?,
                    };
                }
            }
        }
        Ok(self.unfilled())
    }

    /// Whether the frames go on to what is shown after the gap when the fill is put there. It was expected from what is
    /// before the gap, so that it then fits both sides.
    async fn leads_on(&mut self, known: &[Frame], fill: &Fill, after: &Frame) -> Result<bool> {
        let frames: Vec<Frame> = known.iter().cloned().chain([filling(fill)]).collect();
        match self.next_frame(&frames, &[]).await {
            Err(error) if !is_over(&error) => Ok(false),
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
        let (verdict, limit) = match (self.decide().await, &self.trace.missing) {
            // With no round left there is still time to infer what is missing.
            (Err(error), Some(missing)) if self.only_rounds_are_used_up(&error) && self.partial.is_none() => {
                (not_enough(missing), Some(error))
            }
            (verdict, _) => (verdict?, None),
        };
        match (self.inferred_hop(verdict).await?, limit) {
            (Verdict::NotEnough { .. }, Some(error)) => Err(error),
            (verdict, _) => Ok(verdict),
        }
    }

    /// A verdict with what is missing inferred, where something is and that can be.
    async fn inferred_hop(&mut self, verdict: Verdict) -> Result<Verdict> {
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
        if before.is_empty() {
            return Ok(Verdict::NotEnough { missing });
        }
        let (after, fill, tried) = (Vec::new(), None, Vec::new());
        let mut gap = Gap { missing: missing.clone(), after_image: None, before, after, fill, tried };
        self.trace.gaps = vec![gap.clone()];
        while gap.tried.len() < MAX_TRIES {
            let began = Instant::now();
            let fill = self.parts.infiller.hop(self.cx, &question, &known, &missing, &gap.tried).await;
            self.timings.refine_ms += millis(began);
            let fill = match fill {
                Err(error) if !is_over(&error) => break,
                fill => fill?,
            };
            match self.objection_to((&known, ANSWER), &fill).await? {
                None => {
                    gap.fill = Some(fill.fill.clone());
                    self.trace.gaps = vec![gap.clone()];
                    return Ok(inferred(&[(gap, fill)]));
                }
                Some(objection) => gap.tried.push(Tried { fill: fill.fill, objection }),
            }
            self.trace.gaps = vec![gap.clone()];
        }
        if gap.tried.is_empty() { Ok(Verdict::NotEnough { missing }) } else { Ok(self.unfilled()) }
    }

    /// What speaks against a fill. A judge that cannot be asked, or whose reply cannot be read, is no approval.
    async fn objection_to(&mut self, (before, after): (&str, &str), fill: &Fill) -> Result<Option<String>> {
        let question = self.task.question.trim();
        let began = Instant::now();
        let objection = self.parts.infiller.objection(self.cx, question, (before, after), &fill.fill).await;
        self.timings.refine_ms += millis(began);
        match objection {
            Err(error) if !is_over(&error) => Ok(Some("it could not be checked".to_owned())),
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
            let said: Vec<String> = said.filter(|text| !text.trim().is_empty()).map(|text| whole(&text)).collect();
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
            let all = if telling.is_empty() { said.join(" ") } else { telling.join(" ") };
            let frame = Frame { image: n + 1, text: whole(&cut(&all, MAX_FRAME)), all };
            Told { frame, steps: steps.clone() }
        };
        Ok(all.iter().map(told).collect())
    }

    /// Nothing that was tried fits.
    fn unfilled(&self) -> Verdict {
        let gap = self.trace.gaps.last();
        let places: Vec<String> = self.trace.gaps.iter().filter_map(place).collect();
        let place = if places.is_empty() { "into the gap".to_owned() } else { places.join(" or ") };
        let last = gap.and_then(|gap| gap.tried.last());
        let why = last.map(|tried| format!(" ({}: {})", plain(&tried.fill), plain(&tried.objection)));
        not_enough(&format!("what fits {place}{}", why.unwrap_or_default()))
    }
}

fn gap_between(before: &Told, after: &Told) -> Gap {
    let (first, second) = (before.frame.image, after.frame.image);
    Gap {
        missing: format!("what comes between image {first} and image {second}"),
        after_image: Some(first),
        before: before.steps.clone(),
        after: after.steps.clone(),
        fill: None,
        tried: Vec::new(),
    }
}

/// `between image 2 and image 3`, of a gap between images.
fn place(gap: &Gap) -> Option<String> {
    gap.after_image.map(|image| format!("between image {image} and image {}", image + 1))
}

/// A frame that is not shown, as if it were.
fn filling(fill: &Fill) -> Frame {
    let text = format!("\"{}\"", plain(&fill.fill));
    Frame { image: 0, all: text.clone(), text }
}

/// The answer that fills are.
fn inferred(fills: &[(Gap, Fill)]) -> Verdict {
    let short = fills.iter().map(|(_, fill)| fill.short.as_str()).collect::<Vec<_>>().join(", ");
    let claim = |(gap, fill): &(Gap, Fill)| {
        let place = place(gap).unwrap_or_else(|| "from what is seen".to_owned());
        let steps = gap.before.iter().chain(&gap.after).cloned().collect();
        Claim { text: format!("Inferred {place}, and not seen: {}", fill.fill), steps }
    };
    let claims: Vec<Claim> = fills.iter().map(claim).collect();
    let text = claims.iter().map(|claim| claim.text.as_str()).collect::<Vec<_>>().join(" ");
    Verdict::Answer(Answer { short: Some(short), claims, ..Answer::new(text, Status::Guessed) })
}

fn not_enough(missing: &str) -> Verdict {
    Verdict::NotEnough { missing: missing.to_owned() }
}

/// Text whose last quotation is ended, where it was cut within one.
fn whole(text: &str) -> String {
    let is_open = text.matches('"').count() % 2 == 1;
    format!("{text}{}", if is_open { "\"" } else { "" })
}
