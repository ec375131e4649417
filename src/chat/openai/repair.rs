//! JSON out of a reply that was to be JSON and is not quite.

use llm_json::RepairOptions;
use serde_json::Value as Json;

/// Longest text that is mended, in bytes.
const MAX_TEXT: usize = 256 << 10;
/// Most opening brackets of a text that is mended: the mender recurses with each.
const MAX_OPENINGS: usize = 400;
/// Most places where a whole value is looked for in prose.
const MAX_PLACES: usize = 32;

/// The JSON object or list that a text holds, mended where that is possible.
///
/// Takes it out of prose, code fences and thoughts (`<think>`), closes what was left open, and mends quotes
/// and commas. JSON comes back as it is. Nothing comes back when there is no object or list in the text,
/// or when it is longer than 256 KiB or has more than 400 opening brackets.
///
/// # Examples
/// ```
/// use lavr::chat::openai::mend_json;
///
/// assert_eq!(mend_json("Here it is:\n```json\n{\"n\": 3}\n```").unwrap(), r#"{"n": 3}"#);
/// assert_eq!(mend_json(r#"{"n": [1, 2"#).unwrap(), r#"{"n":[1,2]}"#);
/// assert_eq!(mend_json("I cannot do that."), None);
/// ```
pub fn mend_json(text: &str) -> Option<String> {
    let text = text.rsplit_once("</think>").map_or(text, |(_, rest)| rest).trim();
    if text.len() > MAX_TEXT {
        return None;
    }
    if serde_json::from_str::<Json>(text).is_ok() {
        return Some(text.to_owned());
    }
    let whole = whole(text);
    // A small whole value inside of a large broken one is a part of the reply, not the reply.
    let is_most = |whole: &String| whole.len() * 2 >= bracketed(text).len();
    whole.clone().filter(is_most).or_else(|| mended(text)).or(whole)
}

/// A text from its first opening bracket to its last closing one.
fn bracketed(text: &str) -> &str {
    let start = text.find(['{', '[']).unwrap_or_default();
    let end = text.rfind(['}', ']']).map_or(text.len(), |end| end + 1);
    text.get(start..end).unwrap_or_default()
}

/// The longest whole object or list in a text.
fn whole(text: &str) -> Option<String> {
    let mut longest = "";
    let (mut from, mut places) = (0, 0);
    while let Some(start) = text.get(from..)?.find(['{', '[']).map(|at| from + at) {
        let rest = text.get(start..)?;
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Json>();
        let end = match values.next() {
            Some(Ok(_)) => values.byte_offset(),
            _ => 0,
        };
        let found = rest.get(..end)?;
        if found.len() > longest.len() {
            longest = found;
        }
        from = start + end.max(1);
        places += 1;
        if places == MAX_PLACES {
            break;
        }
    }
    // `{}` and `[1]` in a sentence are more likely a manner of speaking than the reply.
    (longest.len() > 4).then(|| longest.to_owned())
}

fn mended(text: &str) -> Option<String> {
    let start = text.find(['{', '['])?;
    let text = text.get(start..)?.trim_end_matches(['`', '\n', ' ']);
    if text.matches(['{', '[']).count() > MAX_OPENINGS {
        return None;
    }
    let json = llm_json::loads(text, &RepairOptions::default()).ok()?;
    let is_filled = json.as_object().is_some_and(|o| !o.is_empty()) || json.as_array().is_some_and(|a| !a.is_empty());
    is_filled.then(|| json.to_string())
}
