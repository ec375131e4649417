//! Demos as prompts show them: a question as its reader sees it, and what it is to reply.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{DecideDemo, PlanDemo, Prompts, RefineDemo, Said, Situation, declared, spaced_json};
use crate::demo::{DemoFor, FileDemo};
use crate::error::{Error, Result};
use crate::message::Message;
use crate::plan::{self, NOTHING_KNOWN, Plan, Step};
use crate::task::image_name;
use crate::tool::Catalog;

/// What one reader of demos is shown: what it is asked, and its reply.
pub(super) type Shown = [Message; 2];

/// A demo, ready to be shown.
#[derive(Debug, Clone, Default)]
pub(super) struct Ready {
    /// Where it stands: a file and its line, or a folder of prompts.
    pub(super) place: String,
    pub(super) question: String,
    pub(super) images: usize,
    pub(super) description: Option<String>,
    /// The tools of its plan.
    pub(super) tools: Vec<String>,
    plan: Option<Shown>,
    first: Option<Shown>,
    later: Option<Shown>,
    refine: Option<Shown>,
}

impl Ready {
    /// What a reader is shown of it, if anything.
    pub(super) fn shown(&self, to: DemoFor) -> Option<&Shown> {
        match to {
            DemoFor::Planner => self.plan.as_ref(),
            DemoFor::FirstRound => self.first.as_ref(),
            DemoFor::LaterRound => self.later.as_ref(),
            DemoFor::Refiner => self.refine.as_ref(),
        }
    }

    /// Whether it is like what is asked about so many images: one about several is planned unlike one about one.
    pub(super) fn fits(&self, to: DemoFor, images: usize) -> bool {
        to == DemoFor::Refiner || (self.images > 1) == (images > 1)
    }

    /// Who is shown it.
    pub(super) fn serves(&self) -> Vec<DemoFor> {
        DemoFor::ALL.into_iter().filter(|to| self.shown(*to).is_some()).collect()
    }
}

impl Prompts {
    /// A planner's demo, unless it calls tools that are not there.
    pub(super) fn ready_plan(&self, demo: &PlanDemo, catalog: &Catalog, place: &str) -> Result<Option<Ready>> {
        let plan = demo.parse()?;
        if plan.steps.iter().any(|step| catalog.get(&step.tool).is_none()) {
            return Ok(None);
        }
        let (question, images, region) = (demo.question.as_str(), demo.images, demo.region.then_some(0));
        Ok(Some(Ready {
            place: place.to_owned(),
            plan: Some([self.plan_user(question, images, catalog, &Said { region, cue: None })?, spoken_plan(&plan)?]),
            first: Some([self.fresh(question, images, region, catalog)?, first_round(&plan)?]),
            ..blank(question, images, &plan)
        }))
    }

    /// A demo of the user's, unless it calls tools that are not there.
    pub(super) fn ready_file(&self, file: &FileDemo, catalog: &Catalog) -> Result<Option<Ready>> {
        let FileDemo { demo, .. } = file;
        let (question, images) = (demo.question.as_str(), demo.images);
        let none = Plan { steps: Vec::new(), result: plan::Reference::to("") };
        let plan = demo.plan.as_ref().unwrap_or(&none);
        if !demo.has_tools(catalog) {
            tracing::warn!("the demo {} is left out: not all tools of its plan are there", file.place());
            return Ok(None);
        }
        if let Some(fault) = demo.faults(catalog).first() {
            let why = format!(
                "demos `{}`: line {}: the plan does not fit the tools: {fault}",
                file.file.display(),
                file.line
            );
            return Err(Error::invalid(why));
        }
        let mut ready =
            Ready { place: file.place(), description: demo.description.clone(), ..blank(question, images, plan) };
        for to in demo.serves() {
            match to {
                DemoFor::Planner => {
                    ready.plan =
                        Some([self.plan_user(question, images, catalog, &Said::default())?, spoken_plan(plan)?]);
                }
                DemoFor::FirstRound => {
                    ready.first = Some([self.fresh(question, images, None, catalog)?, first_round(plan)?]);
                }
                DemoFor::LaterRound => ready.later = self.last_round(file, plan, catalog)?,
                DemoFor::Refiner => {
                    let reply = refined(&demo.answer, demo.missing.as_deref())?;
                    ready.refine = Some([self.refine_user(question, &demo.evidence(), None)?, reply]);
                }
            }
        }
        Ok(Some(ready))
    }

    /// The question in a round in which nothing is known.
    fn fresh(&self, question: &str, images: usize, region: Option<usize>, catalog: &Catalog) -> Result<Message> {
        let unseen = (0..images).collect();
        let fresh = Situation { question, images, unseen, region, ..Situation::default() };
        self.decide_user(&fresh, catalog)
    }

    /// A round in which all is known that was observed.
    fn last_round(&self, file: &FileDemo, plan: &Plan, catalog: &Catalog) -> Result<Option<Shown>> {
        let demo = &file.demo;
        let Some(reply) = demo.last_round() else { return Ok(None) };
        let known = demo.evidence();
        let looked_at =
            |n: &usize| plan.steps.iter().any(|step| step.references().iter().any(|r| r.id == image_name(*n)));
        let situation = Situation {
            question: &demo.question,
            images: demo.images,
            known: &known,
            unseen: (0..demo.images).filter(|n| !looked_at(n)).collect(),
            ..Situation::default()
        };
        Ok(Some([self.decide_user(&situation, catalog)?, Message::assistant(spaced_json(&reply)?)]))
    }

    /// A decision maker's demo as it is shown, unless it calls tools that are not there.
    pub(super) fn shown_round(&self, demo: &DecideDemo, catalog: &Catalog) -> Result<Option<Shown>> {
        let faulty = |e| Error::invalid(format!("the demo for `{}` has no JSON reply: {e}", demo.question));
        let reply: Json = serde_json::from_str(&demo.reply).map_err(faulty)?;
        if tools_of(&reply).iter().any(|tool| catalog.get(tool).is_none()) {
            return Ok(None);
        }
        let situation = Situation {
            question: &demo.question,
            images: demo.images,
            known: demo.known.trim(),
            unseen: (demo.looked_at..demo.images).collect(),
            missing: demo.missing.as_deref(),
            round: None,
            region: None,
            drawn: Vec::new(),
        };
        Ok(Some([self.decide_user(&situation, catalog)?, Message::assistant(spaced_json(&reply)?)]))
    }

    /// A refiner's demo as it is shown.
    pub(super) fn shown_answer(&self, demo: &RefineDemo) -> Result<Shown> {
        let asked = self.refine_user(&demo.question, demo.evidence.trim(), demo.thought.as_deref())?;
        Ok([asked, refined(&demo.answer, demo.missing.as_deref())?])
    }

    /// The demos that stand in the constant parts of prompts, those for the planner first.
    pub(super) fn ready_fixed(&self, catalog: &Catalog) -> Result<Vec<Arc<Ready>>> {
        let mut all = Vec::new();
        if catalog.is_declared() {
            for demo in declared::demos(catalog) {
                let reply = Message::assistant(spaced_json(&demo.plan(plan::says_what_to_do(catalog)))?);
                let plan = Some([self.plan_user(&demo.request, 0, catalog, &Said::default())?, reply]);
                let place = "the catalogue".to_owned();
                all.push(Ready { place, question: demo.request.clone(), plan, ..Ready::default() });
            }
            return Ok(all.into_iter().map(Arc::new).collect());
        }
        for demo in &self.own.plan {
            all.extend(self.ready_plan(demo, catalog, "prompts/plan/demos")?);
        }
        for demo in &self.own.decide {
            let Some(shown) = self.shown_round(demo, catalog)? else { continue };
            let (first, later) = if demo.known.trim().is_empty() { (Some(shown), None) } else { (None, Some(shown)) };
            let reply = serde_json::from_str(&demo.reply).unwrap_or_default();
            all.push(Ready {
                place: "prompts/decide/demos".to_owned(),
                question: demo.question.clone(),
                images: demo.images,
                tools: tools_of(&reply),
                first,
                later,
                ..Ready::default()
            });
        }
        for demo in &self.own.refine {
            let refine = Some(self.shown_answer(demo)?);
            let place = "prompts/refine/demos".to_owned();
            all.push(Ready { place, question: demo.question.clone(), images: 1, refine, ..Ready::default() });
        }
        Ok(all.into_iter().map(Arc::new).collect())
    }
}

fn blank(question: &str, images: usize, plan: &Plan) -> Ready {
    let tools = plan.steps.iter().map(|step| step.tool.clone()).collect();
    Ready { question: question.to_owned(), images, tools, ..Ready::default() }
}

/// The tools that a decision maker's reply calls.
fn tools_of(reply: &Json) -> Vec<String> {
    let steps = reply.get("steps").and_then(Json::as_array).into_iter().flatten();
    steps.filter_map(|step| step.get("tool")?.as_str()).map(str::to_owned).collect()
}

fn spoken_plan(plan: &Plan) -> Result<Message> {
    Ok(Message::assistant(spaced_json(&plan.to_json())?))
}

/// A plan as the first round of a decision maker.
fn first_round(plan: &Plan) -> Result<Message> {
    let steps: Vec<Json> = plan.steps.iter().map(Step::to_json).collect();
    let reply = json!({ "thought": NOTHING_KNOWN, "missing": "everything", "steps": steps });
    Ok(Message::assistant(spaced_json(&reply)?))
}

/// A refiner's reply.
fn refined(answer: &[String], missing: Option<&str>) -> Result<Message> {
    let reply = match missing {
        Some(missing) => json!({ "answerable": false, "missing": missing }),
        None => json!({ "answerable": true, "answer": answer }),
    };
    Ok(Message::assistant(spaced_json(&reply)?))
}
