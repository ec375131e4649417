//! The one error type: opaque, with a [`ErrorKind`] that decides what to do next.

use std::error::Error as StdError;
use std::fmt;

/// What went wrong, as far as a caller can act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller's input is wrong: an unreadable image, a bad option, a malformed file.
    InvalidInput,
    /// Something named does not exist: a file, a tool, a model.
    NotFound,
    /// An artefact is missing and fetching is switched off.
    Offline,
    /// A host could not be reached or answered with a failure.
    Network,
    /// Bytes do not have the digest or size they should have.
    Integrity,
    /// The operation took longer than its limit.
    Timeout,
    /// The caller cancelled the run.
    Cancelled,
    /// A budget of the run (steps, rounds, tokens, wall-clock) is used up.
    Budget,
    /// A plan is faulty and could not be repaired.
    Plan,
    /// A tool failed on its arguments.
    Tool,
    /// A model (LLM or expert) failed.
    Model,
    /// Reading or writing local files failed.
    Io,
    /// A defect of `lavr` itself.
    Internal,
}

impl ErrorKind {
    /// The kind's name as it stands in JSON, e.g. `invalid_input`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::NotFound => "not_found",
            Self::Offline => "offline",
            Self::Network => "network",
            Self::Integrity => "integrity",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Budget => "budget",
            Self::Plan => "plan",
            Self::Tool => "tool",
            Self::Model => "model",
            Self::Io => "io",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A specialised `Result` whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of `lavr`.
///
/// It carries three messages: `Display` is for the caller and names the
/// offending thing and the way out; [`Error::for_log`] adds the whole chain of
/// causes; [`Error::for_model`] is a fixed text by kind that is safe to put
/// into a prompt (it never holds text that came from an image or a server).
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    context: Vec<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Makes an error of the given kind with a message for the caller.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), context: Vec::new(), source: None }))
    }

    /// Shorthand for [`ErrorKind::InvalidInput`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    /// Shorthand for [`ErrorKind::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Adds where it happened (step, tool, file); the outermost place prints first.
    #[must_use]
    pub fn context(mut self, place: impl Into<String>) -> Self {
        self.0.context.push(place.into());
        self
    }

    /// Attaches the underlying cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What went wrong, as far as a caller can act on it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same call may succeed later without any change.
    pub fn is_retryable(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Network | ErrorKind::Timeout)
    }

    /// The message with the whole chain of causes, for logs.
    pub fn for_log(&self) -> String {
        let mut text = format!("[{}] {self}", self.0.kind);
        let mut cause = self.source();
        while let Some(inner) = cause {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        text
    }

    /// A fixed message by kind, safe to show to an LLM.
    pub fn for_model(&self) -> &'static str {
        match self.0.kind {
            ErrorKind::InvalidInput => "the input was not valid",
            ErrorKind::NotFound => "the thing asked for does not exist",
            ErrorKind::Offline | ErrorKind::Network => "a resource could not be reached",
            ErrorKind::Integrity => "a resource was damaged",
            ErrorKind::Timeout => "it took too long",
            ErrorKind::Cancelled => "the run was cancelled",
            ErrorKind::Budget => "the budget is used up",
            ErrorKind::Plan => "the plan was faulty",
            ErrorKind::Tool => "the tool could not work with these arguments",
            ErrorKind::Model => "the model failed",
            ErrorKind::Io => "a file could not be read or written",
            ErrorKind::Internal => "an internal error happened",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in self.0.context.iter().rev() {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.for_log())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let source: &(dyn StdError + 'static) = self.0.source.as_deref()?;
        Some(source)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        Self::new(kind, error.to_string()).with_source(error)
    }
}
