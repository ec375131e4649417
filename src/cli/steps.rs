//! Steps on stderr as they happen.

use serde_json::Value as Json;

use super::output::{note, safe};
use crate::cx::EventSink;
use crate::image::Image;
use crate::trace::{Arbitration, Entry, Event, Finding, Gap, Verification, Vote};

/// Prints one line for each thing that happens in a run.
pub(super) struct Steps;

impl EventSink for Steps {
    fn event(&self, entry: &Entry, _images: &[&Image]) {
        if let Some(line) = line(&entry.event) {
            note(&format!("{:>7.2} s  {}", entry.t_ms as f64 / 1000.0, safe(&line)));
        }
    }
}

fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::LlmCall { purpose, completion_tokens, reused: true, .. } => {
            format!("{purpose}: {completion_tokens} tokens from an earlier call")
        }
        Event::LlmCall { purpose, completion_tokens, prompt_tokens, cached_tokens, ms, .. } => {
            format!(
                "{purpose}: {completion_tokens} tokens from {prompt_tokens} (+{cached_tokens} cached) in {}",
                seconds(*ms)
            )
        }
        Event::Faults { faults, .. } => {
            let listed: Vec<String> = faults.iter().map(ToString::to_string).collect();
            format!("the plan is faulty: {}", listed.join("; "))
        }
        Event::Decided { round, .. } => match (&round.result, &round.missing) {
            (Some(result), _) => format!("decided: {} The answer is {result}", sentence(&round.thought)),
            (None, Some(missing)) => format!("decided: {} Missing: {missing}", sentence(&round.thought)),
            (None, None) => format!("decided: {}", sentence(&round.thought)),
        },
        Event::Planned { thought: Some(thought), .. } => format!("thought: {thought}"),
        Event::Voted { votes, tie } => voted(votes, *tie),
        Event::Objected { objection, .. } => format!("the critic objects: {objection}"),
        Event::Asked(asked) => {
            format!("{} {}", asked.question, asked.answer.as_deref().unwrap_or("(not answered)"))
        }
        Event::Verified(Verification { step, finding, why }) => match finding {
            Finding::Confirmed => format!("verified {step}: {why}"),
            Finding::Refuted | Finding::Absent | Finding::Contradicted => format!("doubted {step}: {why}"),
        },
        Event::Arbitrated(Arbitration { candidates, best, why }) => {
            let taken = candidates.get(*best).map_or("", |candidate| candidate.answer.as_str());
            format!("of {} answers, the one taken is \"{taken}\": {why}", candidates.len())
        }
        Event::Infilled(Gap { missing, fill, tried, .. }) => match (fill, tried.last()) {
            (Some(fill), _) => format!("the gap is {missing}; filled: {fill}"),
            (None, Some(last)) => format!("the gap is {missing}; does not fit: {} ({})", last.fill, last.objection),
            (None, None) => format!("the gap is {missing}"),
        },
        Event::NotEnough { missing } => format!("not answered yet: {missing}"),
        Event::StepEnded { id, same_as: Some(same_as), .. } => format!("{id} = as {same_as}, which was the same call"),
        Event::StepStarted { id, tool, args } => format!("{id}: {tool}({})", args_text(args)),
        Event::StepEnded { id, result: Some(result), ms, .. } => {
            format!("{id} = {} ({})", short(result), seconds(*ms))
        }
        Event::StepEnded { id, error: Some(error), ms, .. } => {
            format!("{id} failed: {} ({})", error.message, seconds(*ms))
        }
        Event::Answered { usage, .. } | Event::Failed { usage, .. } => format!("cost: ${:.6}", usage.cost_usd?),
        _ => return None,
    })
}

/// `3 of 5 plans say "2", 2 say "3"`, and how a tie was broken.
fn voted(votes: &[Vote], tie: bool) -> String {
    let all: u32 = votes.iter().map(|vote| vote.plans).sum();
    let one = |(n, vote): (usize, &Vote)| {
        let of = if n == 0 { format!(" of {all} plans") } else { String::new() };
        match &vote.answer {
            Some(answer) => format!("{}{of} say \"{answer}\"", vote.plans),
            None => format!("{}{of} do not answer", vote.plans),
        }
    };
    let told: Vec<String> = votes.iter().enumerate().map(one).collect();
    let tie = if tie { "; the most probable plan breaks the tie" } else { "" };
    format!("voted: {}{tie}", told.join(", "))
}

fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.ends_with(['.', '!', '?']) { text.to_owned() } else { format!("{text}.") }
}

fn seconds(ms: u64) -> String {
    format!("{:.2} s", ms as f64 / 1000.0)
}

fn args_text(args: &Json) -> String {
    let entries = args.as_object().into_iter().flatten();
    entries.map(|(name, value)| format!("{name}: {}", short(value))).collect::<Vec<_>>().join(", ")
}

/// A value in at most some 80 characters.
fn short(value: &Json) -> String {
    let text = match value {
        Json::Array(items) if items.is_empty() => "nothing".to_owned(),
        Json::Array(items) => {
            let shown: Vec<String> = items.iter().take(6).map(item).collect();
            let more = if items.len() > shown.len() { format!(", … {} in all", items.len()) } else { String::new() };
            format!("[{}{more}]", shown.join(", "))
        }
        other => item(other),
    };
    if text.chars().count() <= 100 {
        return text;
    }
    let mut cut: String = text.chars().take(99).collect();
    cut.push('…');
    cut
}

fn item(value: &Json) -> String {
    let field = |name: &str| value.get(name).and_then(Json::as_str);
    match (field("label"), field("text"), field("blob")) {
        (Some(label), _, _) => {
            let score = value.get("score").and_then(Json::as_f64).unwrap_or_default();
            format!("{label} {score:.2}")
        }
        (_, Some(text), _) => format!("\"{text}\""),
        (_, _, Some(_)) => "image".to_owned(),
        _ => nested(value),
    }
}

/// A list within a list, a description by its sentences, or the JSON.
fn nested(value: &Json) -> String {
    if let Some(items) = value.as_array() {
        return format!("[{}]", items.iter().map(item).collect::<Vec<_>>().join(", "));
    }
    match value.get("sentences").and_then(Json::as_array) {
        Some(sentences) => sentences.iter().map(item).collect::<Vec<_>>().join(" "),
        None => value.to_string(),
    }
}
