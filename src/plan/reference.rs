//! References as text: `$id`, `$id.field`, `$id[0]`, `$id[0].field` ...

use std::fmt;
use std::str::FromStr;

use super::fault::quoted;
use super::{Reference, Segment};
use crate::error::Error;

impl Reference {
    /// A reference to a whole result or image.
    pub fn to(id: impl Into<String>) -> Self {
        Self { id: id.into(), path: Vec::new() }
    }

    /// The path as text: `[0].label`.
    pub(super) fn path_text(&self) -> String {
        let segments = self.path.iter().map(|segment| match segment {
            Segment::Field(name) => format!(".{name}"),
            Segment::Index(n) => format!("[{n}]"),
        });
        segments.collect()
    }
}

/// Whether `text` can be the id of a step: `[a-z][a-z0-9_]*`.
pub(crate) fn is_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The position of the image that a reference's id names: `image` is 0, `image2` is 1.
pub(super) fn image_index(id: &str) -> Option<usize> {
    match id.strip_prefix("image")? {
        "" => Some(0),
        digits if digits.starts_with('0') => None,
        digits if digits.chars().all(|c| c.is_ascii_digit()) => {
            // A number too large for any task still names an image, one that is not there.
            let n = digits.parse::<usize>().unwrap_or(usize::MAX);
            n.checked_sub(1).filter(|n| *n > 0)
        }
        _ => None,
    }
}

/// Whether a step of this id could be taken for an image: `image`, `image0`, `image12` ...
pub(super) fn looks_like_image(id: &str) -> bool {
    id.strip_prefix("image").is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit()))
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}{}", self.id, self.path_text())
    }
}

impl FromStr for Reference {
    type Err = Error;

    /// Reads `$id(.field|[n])*`; a field is `[A-Za-z_][A-Za-z0-9_]*`, an index has no leading zeros.
    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = |why: &str| Error::invalid(format!("{} is not a reference: {why}", quoted(text)));
        let rest = text.strip_prefix('$').ok_or_else(|| malformed("it does not begin with `$`"))?;
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (id, mut rest) = rest.split_at(end);
        if !is_id(id) {
            return Err(malformed("after `$` comes the id of a step, in lower-case letters, digits and `_`"));
        }
        let mut path = Vec::new();
        while !rest.is_empty() {
            let (segment, after) = segment(rest).ok_or_else(|| malformed("after the id come `.field` or `[0]`"))?;
            path.push(segment);
            rest = after;
        }
        Ok(Self { id: id.to_owned(), path })
    }
}

/// The first segment of a path, and what follows it.
pub(super) fn segment(text: &str) -> Option<(Segment, &str)> {
    if let Some(rest) = text.strip_prefix('.') {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        return starts_well.then(|| (Segment::Field(name.to_owned()), after));
    }
    let (digits, after) = text.strip_prefix('[')?.split_once(']')?;
    let plain = digits == "0" || !digits.starts_with('0');
    let plain = plain && digits.len() <= 9 && digits.chars().all(|c| c.is_ascii_digit());
    let n = digits.parse().ok().filter(|_| plain)?;
    Some((Segment::Index(n), after))
}
