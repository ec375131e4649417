//! What a user asked before: the questions that one goes on from.

use super::Task;

/// What stands in the middle of a question that was cut.
const CUT: &str = " ... ";

impl Task {
    /// How many of the questions before are used, the latest ones.
    pub const MAX_EARLIER: usize = 4;
    /// How many of them may be given.
    pub const MAX_EARLIER_GIVEN: usize = 100;
    /// Most characters of a question before, of which the middle is left out where it is longer, and of one that goes on
    /// from others.
    pub const MAX_EARLIER_LENGTH: usize = 500;
}

/// The questions that are used of those asked before, oldest first: the latest ones, each in one line and not too long.
/// Others are not looked at.
pub(crate) fn latest<S: AsRef<str>>(
    earlier: impl IntoIterator<IntoIter = impl DoubleEndedIterator<Item = S>>,
) -> Vec<String> {
    let questions = earlier.into_iter().rev().map(|question| short(question.as_ref()));
    let mut used: Vec<String> = questions.filter(|question| !question.is_empty()).take(Task::MAX_EARLIER).collect();
    used.reverse();
    used
}

/// A question in one line, without its middle where it is long: what it asks for stands before or after what it quotes.
/// Of one that is very long nothing else is read.
fn short(question: &str) -> String {
    let most = Task::MAX_EARLIER_LENGTH;
    let words = question.split_whitespace().enumerate();
    let line = words.flat_map(|(n, word)| (n > 0).then_some(' ').into_iter().chain(word.chars()));
    let begin: String = line.take(most + 1).collect();
    if begin.chars().nth(most).is_none() {
        return begin;
    }
    tracing::debug!("an earlier question of more than {most} characters is used without its middle");
    let kept = (most - CUT.len()) / 2;
    let back = question.split_whitespace().rev().flat_map(|word| word.chars().rev().chain([' ']));
    let end: Vec<char> = back.take(kept).collect();
    let (begin, end): (String, String) = (begin.chars().take(kept).collect(), end.iter().rev().collect());
    format!("{}{CUT}{}", begin.trim_end(), end.trim_start())
}
