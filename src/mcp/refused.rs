//! Why a call has no result: its arguments are wrong, or what it asked for failed.

use rmcp::ErrorData;
use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock};

use crate::service::refusal::Refusal;

/// Why a call has no result.
#[derive(Debug)]
pub(super) enum Refused {
    /// The call is wrong: an error of the protocol.
    Call(Refusal),
    /// The call is right, and failed: a result that says so, which the calling LLM reads.
    Run(Refusal),
    /// Nobody waits for a result any more.
    Gone,
}

impl Refused {
    /// The call itself is wrong.
    pub(super) fn call(message: impl Into<String>) -> Self {
        Self::Call(Refusal::bad(message))
    }

    /// Which error it is; none where nobody waits.
    pub(super) fn code(&self) -> Option<&'static str> {
        match self {
            Self::Call(refusal) | Self::Run(refusal) => Some(refusal.code()),
            Self::Gone => None,
        }
    }

    /// As the protocol has it.
    pub(super) fn into_response(self) -> Result<CallToolResponse, ErrorData> {
        match self {
            Self::Call(refusal) => Err(ErrorData::invalid_params(refusal.message().to_owned(), None)),
            Self::Run(refusal) => Ok(failed(refusal.message()).into()),
            Self::Gone => Ok(failed("the call was cancelled").into()),
        }
    }
}

fn failed(message: &str) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(message)])
}
