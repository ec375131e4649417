//! Where two requests differ first.

use std::fmt;

use super::Asked;
use crate::message::Role;

/// Characters of an excerpt before the difference, and after it.
const BEFORE: usize = 16;
const AFTER: usize = 32;

/// The first difference of a request to a recorded one.
///
/// The further it is from the beginning, the larger it is: the nearest recorded request has the largest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    message: usize,
    character: usize,
    text: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Asked {
    /// Where this request differs first from a recorded one; nowhere when they are equal.
    ///
    /// Messages come first, in order, then the schema, the limit of tokens, the temperature and the images.
    pub fn difference(&self, recorded: &Self) -> Option<Difference> {
        let rest = || {
            let place = self.messages.len().max(recorded.messages.len()) + 1;
            let text = self.other_difference(recorded)?;
            Some(Difference { message: place, character: 0, text })
        };
        self.message_difference(recorded).or_else(rest)
    }

    fn message_difference(&self, recorded: &Self) -> Option<Difference> {
        let found = |message, character, text| Some(Difference { message, character, text });
        for (n, (ours, theirs)) in self.messages.iter().zip(&recorded.messages).enumerate() {
            if ours.role != theirs.role {
                let text =
                    format!("message {} is of the {}, recorded of the {}", n + 1, who(ours.role), who(theirs.role));
                return found(n, 0, text);
            }
            if let Some(at) = first_difference(&ours.content, &theirs.content) {
                let text = format!(
                    "message {} ({}) differs at character {}: asked {}, recorded {}",
                    n + 1,
                    who(ours.role),
                    at + 1,
                    excerpt(&ours.content, at),
                    excerpt(&theirs.content, at)
                );
                return found(n, at, text);
            }
        }
        let (ours, theirs) = (self.messages.len(), recorded.messages.len());
        if ours == theirs {
            return None;
        }
        found(ours.min(theirs), 0, format!("there are {ours} messages, recorded {theirs}"))
    }

    fn other_difference(&self, recorded: &Self) -> Option<String> {
        if self.schema != recorded.schema {
            let json = |asked: &Self| asked.schema.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
            let (ours, theirs) = (json(self), json(recorded));
            let at = first_difference(&ours, &theirs).unwrap_or_default();
            let (ours, theirs) = (excerpt(&ours, at), excerpt(&theirs, at));
            return Some(format!("the schema differs at character {}: asked {ours}, recorded {theirs}", at + 1));
        }
        if self.max_tokens != recorded.max_tokens {
            return Some(format!("`max_tokens` is {}, recorded {}", self.max_tokens, recorded.max_tokens));
        }
        if self.temperature != recorded.temperature {
            return Some(format!("the temperature is {}, recorded {}", self.temperature, recorded.temperature));
        }
        let images = |asked: &Self| if asked.images.is_empty() { "none".to_owned() } else { asked.images.join(", ") };
        (self.images != recorded.images)
            .then(|| format!("the images differ: asked {}, recorded {}", images(self), images(recorded)))
    }
}

fn who(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

/// The first character, from 0, that two texts do not share.
fn first_difference(a: &str, b: &str) -> Option<usize> {
    if a == b {
        return None;
    }
    let shared = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    Some(shared)
}

/// A text around a character, on one line.
fn excerpt(text: &str, at: usize) -> String {
    let from = at.saturating_sub(BEFORE);
    let part: String = text.chars().skip(from).take(at - from + AFTER).collect();
    let more = text.chars().nth(at + AFTER).is_some();
    let (lead, tail) = (if from > 0 { "…" } else { "" }, if more { "…" } else { "" });
    let shown: String =
        part.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect();
    format!("`{lead}{shown}{tail}`")
}
