//! What a server understands: found out by what it refuses, and remembered.

use super::refusal::Refusal;

/// How the reply's form is asked for, the strictest way first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// `response_format` with a `json_schema`, as OpenAI, llama.cpp and vLLM take it.
    JsonSchema,
    /// `json_object` with a `schema` beside it, as llama-cpp-python takes it.
    ObjectWithSchema,
    /// `json_object`: some JSON object.
    Object,
    /// Nothing: only the prompt says it.
    Free,
}

/// The parts of a request that servers differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) format: Format,
    /// Whether the prompt says, too, what form the reply has.
    pub(super) told: bool,
    /// `max_completion_tokens` instead of `max_tokens`.
    pub(super) completion_tokens: bool,
    /// Whether the other name of the two was refused before.
    pub(super) swapped: bool,
    pub(super) temperature: bool,
    /// Whether `stream_options` asks for the usage.
    pub(super) usage: bool,
    pub(super) stream: bool,
}

impl Dialect {
    /// What is tried first. OpenAI's own models all take `max_completion_tokens`, and the newer ones
    /// nothing else; other servers know `max_tokens`.
    pub(super) fn new(completion_tokens: bool) -> Self {
        Self {
            format: Format::JsonSchema,
            told: false,
            completion_tokens,
            swapped: false,
            temperature: true,
            usage: true,
            stream: true,
        }
    }

    /// What to try after a refusal; nothing when no other form is left that the refusal may be about.
    pub(super) fn after(&self, refusal: &Refusal, schema: bool) -> Option<Self> {
        if !refusal.is_about_form() {
            return None;
        }
        let mut next = *self;
        let lengths = refusal.names(&["max_tokens", "max_completion_tokens"]);
        if lengths && !self.swapped {
            next.completion_tokens = !self.completion_tokens;
            next.swapped = true;
        } else if refusal.names(&["temperature"]) && self.temperature {
            next.temperature = false;
        } else if refusal.names(&["stream_options", "include_usage"]) && self.usage {
            next.usage = false;
        } else if refusal.names(&["stream"]) && self.stream {
            (next.stream, next.usage) = (false, false);
        } else if schema && (refusal.names(FORMAT) || refusal.is_vague()) {
            next.format = self.format.weaker()?;
            next.told = next.told || matches!(next.format, Format::Object | Format::Free);
        } else {
            return None;
        }
        Some(next)
    }
}

/// What a server names when it does not take the format.
const FORMAT: &[&str] =
    &["response_format", "json_schema", "json_object", "schema", "structured", "grammar", "guided", "format"];

impl Format {
    fn weaker(self) -> Option<Self> {
        match self {
            Self::JsonSchema => Some(Self::ObjectWithSchema),
            Self::ObjectWithSchema => Some(Self::Object),
            Self::Object => Some(Self::Free),
            Self::Free => None,
        }
    }
}
