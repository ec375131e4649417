//! The prompt for rewriting a question that goes on from others, so that it stands alone.

use minijinja::context;
use serde::Deserialize;
use serde_json::json;

use super::{Prompts, spaced_json};
use crate::error::Result;
use crate::message::Message;

/// An in-context example for rewriting a question.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandaloneDemo {
    /// What was asked before, oldest first.
    pub earlier: Vec<String>,
    /// What is asked.
    pub question: String,
    /// The same so that it can be understood without what was asked before.
    pub standalone: String,
}

impl Prompts {
    /// The demos of rewriting questions.
    pub fn standalone_demos(&self) -> &[StandaloneDemo] {
        &self.own.standalone
    }

    /// The constant part of the prompt for rewriting a question.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template.
    pub fn standalone_prefix(&self) -> Result<Vec<Message>> {
        let mut messages = vec![Message::system(self.render("standalone/system.md", context! {})?)];
        for demo in &self.own.standalone {
            messages.push(self.standalone_user(&demo.question, &demo.earlier, false)?);
            messages.push(Message::assistant(spaced_json(&json!({ "question": demo.standalone }))?));
        }
        Ok(messages)
    }

    /// The varying part of the prompt for rewriting a question; `pointed` where the user points at a place.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template.
    pub fn standalone_user(&self, question: &str, earlier: &[String], pointed: bool) -> Result<Message> {
        let earlier = earlier.to_vec();
        Ok(Message::user(self.render("standalone/user.md", context! { question, earlier, pointed })?))
    }

    /// What the LLM is told when its question is not what was asked.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template.
    pub fn standalone_repair(&self, faults: &str) -> Result<Message> {
        Ok(Message::user(self.render("standalone/repair.md", context! { faults })?))
    }
}
