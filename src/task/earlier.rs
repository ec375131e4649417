//! What a user asked before: the questions that one goes on from.

use super::Task;

/// What stands in the middle of a question that was cut.
const CUT: &str = " ... ";

impl Task {
    /// How many of the questions before are used, the latest ones.
    pub const MAX_EARLIER: usize = 4;
    /// Most characters of a question before, of which the middle is left out where it is longer, and of one that goes on
    /// from others.
    pub const MAX_EARLIER_LENGTH: usize = 500;
}

/// The questions that are used of those asked before, oldest first: the latest ones, each in one line and not too long.
pub(crate) fn latest(earlier: &[String]) -> Vec<String> {
    let mut used: Vec<String> = earlier
        .iter()
        .rev()
        .map(|question| short(question))
        .filter(|q| !q.is_empty())
        .take(Task::MAX_EARLIER)
        .collect();
    used.reverse();
    used
}

/// A question in one line, without its middle where it is long: what it asks for stands before or after what it quotes.
fn short(question: &str) -> String {
    let line = question.split_whitespace().collect::<Vec<_>>().join(" ");
    let length = line.chars().count();
    if length <= Task::MAX_EARLIER_LENGTH {
        return line;
    }
    tracing::debug!("an earlier question of {length} characters is used without its middle");
    let kept = (Task::MAX_EARLIER_LENGTH - CUT.len()) / 2;
    let begin: String = line.chars().take(kept).collect();
    let end: String = line.chars().skip(length - kept).collect();
    format!("{}{CUT}{}", begin.trim_end(), end.trim_start())
}
