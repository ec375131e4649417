//! Learning: the journal of a run that answered becomes a demo.

use std::collections::HashSet;

use serde_json::Value as Json;

use super::{Demo, MAX_STEPS, Seen};
use crate::answer::{Answer, Status};
use crate::error::{Error, Result};
use crate::plan::{Fault, POINT_AT, Plan, PlanLimits, Reference, Step};
use crate::refiner::{Evidence, plain, told};
use crate::tool::Catalog;
use crate::trace::{Entry, Event, Round};

/// The tool that says in sentences what is in an image.
const DESCRIBER: &str = "describe_scene";

/// Makes a demo of a run: its question, the steps that it executed, what the LLM saw of them, the answer, and what
/// `describe_scene` said of the image, unless `description` says it.
///
/// ```
/// use lavr::demo::learn;
/// use lavr::tool::Catalog;
///
/// let error = learn(&[], &Catalog::new(), None).unwrap_err();
/// assert!(error.to_string().contains("no run began"), "{error}");
/// ```
///
/// # Errors
/// `InvalidInput` saying why nothing can be learned: the run did not answer (it failed, guessed, found the evidence
/// wanting, or a limit or a kill ended it), or its plan does not fit the tools that there are now.
pub fn learn(entries: &[Entry], catalog: &Catalog, description: Option<String>) -> Result<Demo> {
    let (question, images) = asked(entries)?;
    if let Some(what) = entries.iter().find_map(|entry| of_several_plans(&entry.event)) {
        return Err(Error::invalid(format!(
            "this run {what}, and a demo shows one question with its plan; learn from another"
        )));
    }
    let answer = answered(entries)?;
    let plan = executed(entries, &answer, catalog)?;
    let faults = catalog.check(&plan, &PlanLimits { max_steps: MAX_STEPS, images });
    if !faults.is_empty() {
        return Err(outdated(&faults));
    }
    let claims: Vec<String> = answer.claims.iter().map(|claim| one_line(&claim.text)).collect();
    let demo = Demo {
        question: one_line(&question),
        images,
        image: None,
        description: description.map(|text| one_line(&text)).or_else(|| described(entries)),
        observations: observations(entries, &plan),
        answer: if claims.is_empty() { vec![one_line(&answer.text)] } else { claims },
        plan: Some(plan),
        missing: None,
    };
    // What cannot be read back is not written.
    Demo::parse(&demo.to_json().to_string())
}

/// What makes a run one of several plans or questions, or of another question than the one that was asked.
fn of_several_plans(event: &Event) -> Option<&'static str> {
    match event {
        Event::Voted { .. } => Some("voted on several plans"),
        Event::Asked(_) => Some("asked smaller questions"),
        Event::LlmCall { purpose, .. } if purpose == "translate" => Some("translated its question"),
        Event::StepEnded { tool, .. } if tool == POINT_AT => Some("was about a place"),
        _ => None,
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn outdated(faults: &[Fault]) -> Error {
    let listed: Vec<String> = faults.iter().map(ToString::to_string).collect();
    Error::invalid(format!("the plan of this run does not fit the tools that there are now: {}", listed.join("; ")))
}

/// The question, as it stands alone, and how many images there were.
fn asked(entries: &[Entry]) -> Result<(String, usize)> {
    let began = entries.iter().find_map(|entry| match &entry.event {
        Event::Started { question, images, .. } => Some((question.clone(), images.len())),
        _ => None,
    });
    let (question, images) =
        began.ok_or_else(|| Error::invalid("no run began in this trace; give one that `lavr ask --trace` wrote"))?;
    let rewritten = entries.iter().find_map(|entry| match &entry.event {
        Event::Rewritten { standalone, .. } => Some(standalone.clone()),
        _ => None,
    });
    Ok((rewritten.unwrap_or(question), images))
}

/// The answer, when there is one that the evidence bears out.
fn answered(entries: &[Entry]) -> Result<Answer> {
    let end = entries.iter().rev().find_map(|entry| match &entry.event {
        Event::Answered { answer, .. } => Some(Ok(answer.clone())),
        Event::Failed { error, .. } => Some(Err(format!("failed: {}", error.message))),
        _ => None,
    });
    let why = match end {
        Some(Ok(answer)) if answer.status == Status::Answered => return Ok(answer),
        Some(Ok(answer)) if answer.status == Status::Guessed => "only guessed".to_owned(),
        Some(Ok(answer)) if answer.status == Status::Budget => "was ended by a limit".to_owned(),
        Some(Ok(_)) => "found no answer in its evidence".to_owned(),
        Some(Err(why)) => why,
        None => "did not end".to_owned(),
    };
    Err(Error::invalid(format!("a demo is made of a run that answered, and this one {why}")))
}

/// The steps that returned something, of all plans and rounds, and what they were for.
fn executed(entries: &[Entry], answer: &Answer, catalog: &Catalog) -> Result<Plan> {
    let (steps, result) = written(entries)?;
    let returned: HashSet<&str> = entries
        .iter()
        .filter_map(|entry| match &entry.event {
            Event::StepEnded { id, result: Some(_), .. } => Some(id.as_str()),
            _ => None,
        })
        .collect();
    let steps: Vec<Step> = steps.into_iter().filter(|step| returned.contains(step.id.as_str())).collect();
    let is_kept = |reference: &Reference| steps.iter().any(|step| step.id == reference.id);
    let claimed = answer.claims.iter().rev().flat_map(|claim| claim.steps.iter().rev()).map(Reference::to);
    let last = steps.last().map(|step| Reference::to(&step.id));
    let result = result.into_iter().chain(claimed).find(is_kept).or(last);
    let result = result.ok_or_else(|| Error::invalid("no step of this run returned anything, so it shows no plan"))?;
    Ok(Plan { steps, result }.without_repeats(|step| catalog.is_repeatable(&step.tool)))
}

/// The steps as they were written, and the last result that was named.
fn written(entries: &[Entry]) -> Result<(Vec<Step>, Option<Reference>)> {
    let (mut steps, mut result): (Vec<Step>, Option<Reference>) = (Vec::new(), None);
    for entry in entries {
        match &entry.event {
            Event::Planned { plan, .. } => {
                let plan = Plan::from_json(plan).map_err(|faults| outdated(&faults))?;
                let other = |step: &&Step| plan.step(&step.id).is_some_and(|new| new != *step);
                // Another plan takes the place of the first; one that goes on with it keeps its steps.
                if steps.iter().any(|step| other(&step)) {
                    steps.clear();
                }
                result = Some(plan.result.clone());
                add(&mut steps, plan.steps);
            }
            Event::Decided { round, calls, .. } => {
                add(&mut steps, called(round, calls)?);
                let named = round.result.as_ref().and_then(|result| result.parse().ok());
                result = named.or_else(|| steps.last().map(|step| Reference::to(&step.id)));
            }
            _ => {}
        }
    }
    Ok((steps, result))
}

fn add(steps: &mut Vec<Step>, more: Vec<Step>) {
    for step in more {
        if steps.iter().all(|known| known.id != step.id) {
            steps.push(step);
        }
    }
}

/// The steps of a round.
fn called(round: &Round, calls: &[Json]) -> Result<Vec<Step>> {
    if calls.len() != round.steps.len() {
        let why = "the trace does not say what the steps of its rounds were; ask again with this version of lavr";
        return Err(Error::invalid(why));
    }
    let Some(last) = round.steps.last() else { return Ok(Vec::new()) };
    let json = serde_json::json!({ "steps": calls, "result": format!("${last}") });
    Plan::from_json(&json).map(|plan| plan.steps).map_err(|faults| outdated(&faults))
}

/// What the LLM saw of the steps when it worded the answer: the lines of its last prompt that tells of them.
fn observations(entries: &[Entry], plan: &Plan) -> Vec<Seen> {
    let prompts: Vec<&str> = entries
        .iter()
        .rev()
        .filter_map(|entry| match &entry.event {
            Event::LlmCall { prompt, error: None, purpose, .. } if is_of_refiner(purpose) => Some(prompt.last()?),
            _ => None,
        })
        .map(|message| message.content.as_str())
        .collect();
    let seen = |step: &Step| {
        let head = Evidence::head_of(step);
        let mut told = prompts.iter().flat_map(|prompt| prompt.lines()).filter_map(|line| line.strip_prefix(&head));
        let text = told.find(|text| !text.trim().is_empty())?;
        Some(Seen { id: step.id.clone(), text: one_line(text) })
    };
    plan.steps.iter().filter_map(seen).collect()
}

/// Whether a call was made when the steps were over.
fn is_of_refiner(purpose: &str) -> bool {
    !matches!(purpose, "standalone" | "translate" | "plan" | "decide" | "repair")
}

/// What a step said of the image.
fn described(entries: &[Entry]) -> Option<String> {
    entries.iter().find_map(|entry| match &entry.event {
        Event::StepEnded { tool, result: Some(result), .. } if tool == DESCRIBER => {
            let sentences = told(result.as_array().and_then(|all| all.first()).unwrap_or(result));
            (!sentences.is_empty()).then(|| one_line(&plain(&sentences.join(" ").replace('"', ""))))
        }
        _ => None,
    })
}
