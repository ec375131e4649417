//! What is laid around every LLM call: the budget, the clock, and the trace.

use std::time::Instant;

use super::{ChatModel, ChatReply, ChatRequest, ChatUsage, FinishReason};
use crate::cx::Cx;
use crate::error::Result;
use crate::message::Message;
use crate::observation::Failure;
use crate::trace::{Asked, Event, Past};

/// Makes the state of a constant prefix ready, and counts what that took.
///
/// # Errors
/// As [`call`].
pub async fn warm(cx: &Cx, chat: &dyn ChatModel, prefix: &[Message]) -> Result<()> {
    if cx.past().is_some_and(Past::is_all) {
        return Ok(());
    }
    let usage = cx.within(chat.warm(cx, prefix)).await?;
    cx.meter().add_tokens(usage.prompt_tokens);
    Ok(())
}

/// Calls an LLM within the run's limits, counts its tokens, and reports the call.
///
/// # Errors
/// Those of the backend, and `Cancelled` or `Budget` when the run ends first.
pub async fn call(cx: &Cx, chat: &dyn ChatModel, purpose: &str, request: &ChatRequest) -> Result<ChatReply> {
    let began = Instant::now();
    let (result, edited) = match recalled(cx, purpose, request) {
        Some(Ok((reply, edited))) => (Ok(reply), edited),
        Some(Err(error)) => (Err(error), false),
        None => (cx.within(chat.complete(cx, request)).await, false),
    };
    let usage = result.as_ref().map(|reply| reply.usage).unwrap_or_default();
    cx.meter().add_llm_call(usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens);
    if usage.reused {
        cx.meter().add_reused_call();
    }
    if let Some(usd) = usage.cost_usd {
        cx.meter().add_cost(usd);
    }
    let event = Event::LlmCall {
        purpose: purpose.to_owned(),
        prompt: request.prompt().cloned().collect(),
        images: request.images.iter().map(|image| image.digest().to_owned()).collect(),
        schema: request.schema.clone(),
        reply: result.as_ref().ok().map(|reply| reply.text.clone()),
        error: result.as_ref().err().map(Failure::from),
        prompt_tokens: usage.prompt_tokens,
        cached_tokens: usage.cached_tokens,
        completion_tokens: usage.completion_tokens,
        reused: usage.reused,
        cut_off: result.as_ref().is_ok_and(|reply| reply.finish == FinishReason::Length),
        edited,
        ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    cx.emit(event, &[]);
    result
}

/// The reply of an earlier life of the run, and whether it was put there by hand.
fn recalled(cx: &Cx, purpose: &str, request: &ChatRequest) -> Option<Result<(ChatReply, bool)>> {
    let past = cx.past()?;
    if let Err(over) = cx.check() {
        return Some(Err(over));
    }
    let asked = Asked {
        purpose,
        prompt: request.prompt().collect(),
        schema: request.schema.as_ref(),
        images: request.images.iter().map(|image| image.digest()).collect(),
    };
    let reply = past.reply(&asked)?;
    Some(reply.map(|reply| {
        let usage = ChatUsage {
            prompt_tokens: reply.prompt_tokens,
            cached_tokens: reply.cached_tokens,
            completion_tokens: reply.completion_tokens,
            reused: reply.reused,
            ..ChatUsage::default()
        };
        let finish = if reply.cut_off { FinishReason::Length } else { FinishReason::Stop };
        (ChatReply { text: reply.text, finish, usage }, reply.edited)
    }))
}
