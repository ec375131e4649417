//! Faults: what is wrong with a plan, where, and what would be right.

use serde::{Deserialize, Serialize};

/// What kind of fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// The text is neither JSON nor a program, or not a plan: a missing or unknown key, a wrong type, a bad id or reference.
    Malformed,
    /// The plan has no steps.
    EmptyPlan,
    /// The plan has more steps than the budget allows.
    TooManySteps,
    /// Two steps have the same id.
    DuplicateId,
    /// A step has the name of an image.
    ShadowsImage,
    /// There is no such tool.
    UnknownTool,
    /// The tool has no such argument.
    UnknownArgument,
    /// An argument is given twice.
    DuplicateArgument,
    /// A required argument is not given.
    MissingArgument,
    /// A literal is not of the argument's type.
    MistypedArgument,
    /// A text is not among the argument's choices.
    NotAChoice,
    /// A reference names no step.
    UnknownReference,
    /// A reference names an image that the task does not have.
    UnknownImage,
    /// A reference names a step that comes later.
    LaterReference,
    /// A step needs its own result, directly or through other steps.
    Cycle,
    /// The type of a referenced result has no such field or no elements.
    UnknownField,
    /// The type of a referenced result does not fit the argument.
    TypeMismatch,
}

/// One fault of a plan: where, what, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What kind of fault it is.
    pub kind: FaultKind,
    /// Where: `steps[1].args.image`, `line 3` of a program, or `plan` for the whole.
    pub at: String,
    /// What is wrong.
    pub message: String,
    /// What would be right, when that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

impl Fault {
    /// A fault without a suggestion.
    pub fn new(kind: FaultKind, at: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, at: at.into(), message: message.into(), suggestion: None }
    }

    /// Says what would be right.
    #[must_use]
    pub fn suggest(mut self, suggestion: impl Into<Option<String>>) -> Self {
        self.suggestion = suggestion.into();
        self
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.at, self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; {suggestion}"),
            None => Ok(()),
        }
    }
}

/// Most faults that [`repair_text`] lists.
const SHOWN: usize = 6;

/// The faults as an LLM is shown them to repair its plan: one line each, six at most.
pub fn repair_text(faults: &[Fault]) -> String {
    let mut lines: Vec<String> =
        faults.iter().take(SHOWN).map(|fault| format!("- {}", fault.to_string().replace(['\n', '\r'], " "))).collect();
    if let Some(more) = faults.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        lines.push(format!("- and {more} more"));
    }
    lines.join("\n")
}

/// `text` for a message: in back quotes, and cut when it is long.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 48;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("`{}...`", text.get(..end).unwrap_or_default()),
        None => format!("`{text}`"),
    }
}

/// The known name that `name` was probably meant to be.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A long name is no typing error, and comparing it costs time.
    if name.len() > 64 {
        return None;
    }
    known
        .into_iter()
        .map(|k| (strsim::jaro_winkler(name, k), k))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k)
}

/// `did you mean ...?` when a known name is near, else what `otherwise` says.
pub(crate) fn did_you_mean<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
    otherwise: impl FnOnce() -> Option<String>,
) -> Option<String> {
    nearest(name, known).map(|near| format!("did you mean `{near}`?")).or_else(otherwise)
}
