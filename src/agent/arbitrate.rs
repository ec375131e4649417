//! Arbitration in a run: what other experts answer, and which answer is taken.

use std::time::Instant;

use super::guess::DESCRIBER;
use super::run::{Run, is_over, millis};
use super::vote::key;
use crate::answer::{Answer, Claim, Status};
use crate::error::Result;
use crate::plan::{ArgValue, Plan, Reference, Step};
use crate::refiner::Verdict;
use crate::signature::{Returns, ValueType};
use crate::task::{asked_images, image_name};
use crate::tool::{Tool, ToolKind};
use crate::trace::{Arbitration, Candidate, Event};

/// Most characters of what one tool says of its reliability.
const MAX_RELIABILITY: usize = 200;

/// An answer that may be taken.
struct Contender {
    candidate: Candidate,
    answer: Answer,
    result: Option<Reference>,
}

impl Run<'_> {
    /// Has other experts answer as well, and takes the answer that the LLM finds most reliable.
    ///
    /// The others are the tools that answer a question about an image by themselves, and, where a guess may be made,
    /// one from a description. Where all say the same, or there is no other, nothing is weighed.
    pub(super) async fn arbitrated(&mut self, verdict: Verdict) -> Result<Verdict> {
        let mut options: Vec<Contender> = Vec::new();
        if let Verdict::Answer(answer) = &verdict {
            options.push(self.own(answer.clone()));
        }
        for other in self.others().await? {
            let same = |known: &&mut Contender| short_of(&known.answer) == short_of(&other.answer);
            match options.iter_mut().find(same) {
                Some(known) => known.supported_by(other),
                None => options.push(other),
            }
        }
        if options.len() < 2 {
            return Ok(match options.pop() {
                Some(only) if matches!(verdict, Verdict::NotEnough { .. }) => self.taken(only),
                Some(only) => Verdict::Answer(only.answer),
                None => verdict,
            });
        }
        let candidates: Vec<Candidate> = options.iter().map(|option| option.candidate.clone()).collect();
        let question = self.task.question.trim().to_owned();
        let began = Instant::now();
        let chosen = self.parts.arbiter.best(self.cx, &question, &candidates).await;
        self.timings.refine_ms += millis(began);
        let (best, why) = match chosen {
            // Without a choice the first is taken, which is the run's own where it has one.
            Err(error) if !is_over(&error) => {
                tracing::debug!("nothing was weighed: {}", error.for_log());
                return Ok(self.taken(options.swap_remove(0)));
            }
            best => best?,
        };
        let arbitration = Arbitration { candidates, best, why };
        self.cx.emit(Event::Arbitrated(arbitration.clone()), &[]);
        self.trace.arbitration = Some(arbitration);
        Ok(self.taken(options.swap_remove(best)))
    }

    fn taken(&mut self, option: Contender) -> Verdict {
        if let (Some(plan), Some(result)) = (&mut self.trace.plan, option.result) {
            plan.result = result;
        }
        Verdict::Answer(option.answer)
    }

    /// The run's own answer, and the experts that it comes from.
    fn own(&self, answer: Answer) -> Contender {
        let mut steps: Vec<String> = Vec::new();
        let mut open: Vec<String> =
            answer.claims.iter().rev().flat_map(|claim| claim.steps.iter().rev().cloned()).collect();
        while let Some(id) = open.pop() {
            if let Some(step) =
                self.trace.plan.as_ref().and_then(|plan| plan.step(&id)).filter(|_| !steps.contains(&id))
            {
                open.extend(step.references().into_iter().map(|reference| reference.id.clone()));
                steps.push(id);
            }
        }
        let tool = |id: &String| self.trace.plan.as_ref()?.step(id).map(|step| step.tool.clone());
        let mut tools: Vec<String> = Vec::new();
        for tool in steps.iter().filter_map(tool) {
            if !tools.contains(&tool) {
                tools.push(tool);
            }
        }
        let candidate = Candidate { answer: answer.text.clone(), reliability: self.reliability(&tools), tools, steps };
        Contender { candidate, answer, result: None }
    }

    /// What the experts among these tools say of what they are good for, and what not.
    fn reliability(&self, tools: &[String]) -> String {
        let specs = tools.iter().filter_map(|name| self.parts.catalog.get(name)).map(|tool| tool.spec());
        let experts = specs.filter(|spec| spec.kind == ToolKind::Expert);
        let told =
            experts.map(|spec| crate::refiner::cut(&format!("{}: {}", spec.name, spec.limitations), MAX_RELIABILITY));
        told.collect::<Vec<_>>().join(" ")
    }

    async fn others(&mut self) -> Result<Vec<Contender>> {
        let mut others = Vec::new();
        let images = asked_images(&self.task.question, self.task.images.len());
        // An answer about one image is none about several, and what "this" is, the others do not know.
        if let ([image], None) = (images.as_slice(), &self.task.region) {
            let answering: Vec<(String, String)> = self.parts.catalog.iter().filter_map(answers_questions).collect();
            for (tool, image_arg) in answering {
                others.extend(self.answer_of(&tool, image_arg, *image).await?);
            }
        }
        if self.task.guess {
            others.extend(self.guessed().await?);
        }
        Ok(others)
    }

    /// What a tool that answers questions by itself says; nothing when it fails.
    async fn answer_of(&mut self, tool: &str, image_arg: String, image: usize) -> Result<Option<Contender>> {
        let args = vec![
            (image_arg, ArgValue::Ref(Reference::to(image_name(image)))),
            ("question".to_owned(), ArgValue::Literal(self.task.question.trim().into())),
        ];
        let step = Step { id: "other".to_owned(), tool: tool.to_owned(), args };
        let plan = self.execute_aside(Plan { result: Reference::to(&step.id), steps: vec![step] }).await?;
        let id = plan.result.id.clone();
        let value = self.trace.observation(&id).and_then(|observation| observation.value());
        let said = value.and_then(|value| value.to_json().as_str().map(|text| text.trim().to_owned()));
        let Some(said) = said.filter(|said| !said.is_empty()) else { return Ok(None) };
        let claims = vec![Claim { text: said.clone(), steps: vec![id.clone()] }];
        let answer = Answer { short: Some(said.clone()), claims, ..Answer::new(said.clone(), Status::Answered) };
        let tools = vec![tool.to_owned()];
        let reliability = self.reliability(&tools);
        let candidate = Candidate { answer: said, tools, reliability, steps: vec![id] };
        Ok(Some(Contender { candidate, answer, result: Some(plan.result) }))
    }

    /// A guess from a description; nothing when none can be made.
    async fn guessed(&mut self) -> Result<Option<Contender>> {
        let answer = match self.guess(None).await {
            Err(error) if !is_over(&error) => return Ok(None),
            answer => answer?,
        };
        let described = |step: &&Step| step.tool == DESCRIBER;
        let steps = self.trace.steps().iter().filter(described).map(|step| step.id.clone()).collect();
        let tools = vec![DESCRIBER.to_owned()];
        let reliability = format!("A guess. {}", self.reliability(&tools)).trim().to_owned();
        let said = answer.short.clone().unwrap_or_default();
        let candidate = Candidate { answer: said, tools, reliability, steps };
        Ok(Some(Contender { candidate, answer, result: None }))
    }
}

impl Contender {
    /// Another expert says the same.
    fn supported_by(&mut self, other: Self) {
        let new = |known: &Vec<String>, names: Vec<String>| -> Vec<String> {
            names.into_iter().filter(|name| !known.contains(name)).collect()
        };
        if let Some(claim) = self.answer.claims.first_mut() {
            let steps = new(&claim.steps, other.candidate.steps.clone());
            claim.steps.extend(steps);
        }
        let tools = new(&self.candidate.tools, other.candidate.tools);
        if !tools.is_empty() {
            self.candidate.reliability = format!("{} {}", self.candidate.reliability, other.candidate.reliability);
        }
        self.candidate.tools.extend(tools);
        let steps = new(&self.candidate.steps, other.candidate.steps);
        self.candidate.steps.extend(steps);
    }
}

/// An answer in short, to compare with others.
fn short_of(answer: &Answer) -> String {
    key(answer.short.as_deref().unwrap_or(&answer.text))
}

/// A tool that takes an image and a question and returns text, with the name of its argument for the image.
fn answers_questions(tool: &dyn Tool) -> Option<(String, String)> {
    let spec = tool.spec();
    let required: Vec<_> = spec.signature.args.iter().filter(|arg| arg.required).collect();
    let [first, second] = required.as_slice() else { return None };
    let (image, question) = if second.name == "question" { (first, second) } else { (second, first) };
    let fits = image.accepts(&ValueType::Image)
        && question.name == "question"
        && question.accepts(&ValueType::Text)
        && matches!(&spec.signature.returns, Returns::Type(ValueType::Text));
    fits.then(|| (spec.name.clone(), image.name.clone()))
}
