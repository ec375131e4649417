//! History: what a run knows, short enough for a prompt.

use crate::observation::Observation;
use crate::refiner::Evidence;
use crate::trace::Trace;
use crate::value::Value;

/// Most characters of one result.
const MAX_FULL: usize = 280;
/// Most characters of a page of text: its head, and the lines that share words with the question. The rest is to be
/// looked up, not read by the LLM.
const MAX_PAGE: usize = 130;
/// A page has more lines than this.
const MAX_LINES: usize = 6;
/// Most characters of a result that stands in short.
const MAX_SHORT: usize = 60;

/// One line a step, `id: call = result`, in order, at most `most` characters.
///
/// The newest results stand in full as far as there is room, older ones in short: how many lines or
/// regions there are. When even that is too much, the oldest steps are named together in the first line,
/// and when there are very many, counted. Nothing is left out without a word.
pub fn history(question: &str, known: &Trace, most: usize) -> String {
    let evidence = Evidence::gather(question, known);
    let mut lines: Vec<Line<'_>> = known.observations.iter().map(|o| Line::new(&evidence, o)).collect();
    let mut earlier = Vec::new();
    while lines.iter().map(Line::cost).sum::<usize>() > most.saturating_sub(named(&earlier, most / 4).chars().count())
        && !lines.is_empty()
    {
        earlier.push(lines.remove(0).observation);
    }
    let first = named(&earlier, most / 4);
    let used = first.chars().count() + lines.iter().map(Line::cost).sum::<usize>();
    let mut room = most.saturating_sub(used);
    for line in lines.iter_mut().rev() {
        room = line.expand(&evidence, room);
    }
    let lines = lines.into_iter().map(|line| format!("{}{}", line.head, line.result));
    Some(first).into_iter().filter(|text| !text.is_empty()).chain(lines).collect::<Vec<_>>().join("\n")
}

/// A step's line.
struct Line<'a> {
    observation: &'a Observation,
    head: String,
    result: String,
}

impl<'a> Line<'a> {
    fn new(evidence: &Evidence<'_>, observation: &'a Observation) -> Self {
        let result = match &observation.same_as {
            Some(other) => format!("known already, it is the same call as {other}; ask for something else"),
            None => evidence.in_short(observation, MAX_SHORT),
        };
        Self { observation, head: Evidence::head(observation), result }
    }

    fn cost(&self) -> usize {
        self.head.chars().count() + self.result.chars().count() + 1
    }

    /// Writes the result in full when it fits, and returns the room that is left.
    fn expand(&mut self, evidence: &Evidence<'_>, room: usize) -> usize {
        if self.observation.same_as.is_some() {
            return room;
        }
        let short = self.result.chars().count();
        let most = if is_page(self.observation) { MAX_PAGE } else { MAX_FULL };
        let full = evidence.in_part(self.observation, (room + short).min(most));
        let more = full.chars().count().saturating_sub(short);
        if more > room || full.chars().count() < short {
            return room;
        }
        self.result = full;
        room - more
    }
}

fn is_page(observation: &Observation) -> bool {
    matches!(observation.value(), Some(Value::List(items)) if items.len() > MAX_LINES && matches!(items.first(), Some(Value::Line(_))))
}

/// Steps that there is no room to tell about: by name, or by number when they are very many.
fn named(steps: &[&Observation], most: usize) -> String {
    if steps.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = steps.iter().map(|o| o.id.as_str()).collect();
    let text = format!("earlier steps, told before: {}", names.join(", "));
    if text.chars().count() <= most { text } else { format!("earlier steps, told before: {} of them", steps.len()) }
}
