//! The prompts for wording answers anew, and for translating questions.

use minijinja::context;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{Prompts, spaced_json};
use crate::error::Result;
use crate::message::Message;

/// An in-context example for translating a question.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TranslateDemo {
    /// What is asked.
    pub question: String,
    /// The same in English.
    pub english: String,
}

/// An in-context example for wording an answer anew.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StyleDemo {
    /// What is asked.
    pub question: String,
    /// What is known, in sentences.
    pub facts: Vec<String>,
    /// How it is to be worded.
    pub wishes: String,
    /// The numbers and quotations that have to stay.
    #[serde(default)]
    pub keep: String,
    /// The answer: one text, or one for each line of a list.
    pub answer: Vec<String>,
    /// What is added from general knowledge.
    #[serde(default)]
    pub knowledge: Option<String>,
}

/// What an answer is worded from, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish<'a> {
    /// What is asked.
    pub question: &'a str,
    /// What is known, in sentences.
    pub facts: Vec<String>,
    /// How it is to be worded.
    pub wishes: &'a str,
    /// The numbers and quotations that have to stay.
    pub keep: &'a str,
}

impl StyleDemo {
    /// The reply, in the form that constrained replies have.
    fn reply(&self) -> Json {
        let answer = match self.answer.as_slice() {
            [text] => json!(text),
            lines => json!(lines),
        };
        match &self.knowledge {
            Some(knowledge) => json!({ "answer": answer, "knowledge": knowledge }),
            None => json!({ "answer": answer }),
        }
    }
}

impl Prompts {
    /// The demos of wording answers anew.
    pub fn style_demos(&self) -> &[StyleDemo] {
        &self.own.style
    }

    /// The demos of translating questions.
    pub fn translate_demos(&self) -> &[TranslateDemo] {
        &self.own.translate
    }

    /// The constant part of the prompt for wording an answer anew.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template.
    pub fn style_prefix(&self) -> Result<Vec<Message>> {
        let mut messages = vec![Message::system(self.render("style/system.md", context! {})?)];
        for demo in &self.own.style {
            let facts = demo.facts.clone();
            let wish = Wish { question: &demo.question, facts, wishes: &demo.wishes, keep: &demo.keep };
            messages.push(self.style_user(&wish)?);
            messages.push(Message::assistant(spaced_json(&demo.reply())?));
        }
        Ok(messages)
    }

    /// The varying part of the prompt for wording an answer anew.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template.
    pub fn style_user(&self, wish: &Wish<'_>) -> Result<Message> {
        let Wish { question, wishes, keep, .. } = *wish;
        let facts = wish.facts.clone();
        Ok(Message::user(self.render("style/user.md", context! { question, facts, wishes, keep })?))
    }

    /// What the LLM is told when its wording is not borne out.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template.
    pub fn style_repair(&self, faults: &str) -> Result<Message> {
        Ok(Message::user(self.render("style/repair.md", context! { faults })?))
    }

    /// The constant part of the prompt for translating a question.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template.
    pub fn translate_prefix(&self) -> Result<Vec<Message>> {
        let mut messages = vec![Message::system(self.render("translate/system.md", context! {})?)];
        for demo in &self.own.translate {
            messages.push(self.translate_user(&demo.question)?);
            messages.push(Message::assistant(spaced_json(&json!({ "english": demo.english }))?));
        }
        Ok(messages)
    }

    /// The varying part of the prompt for translating a question.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template.
    pub fn translate_user(&self, question: &str) -> Result<Message> {
        Ok(Message::user(self.render("translate/user.md", context! { question })?))
    }

    /// What the LLM is told when its translation has other numbers or quotations.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template.
    pub fn translate_repair(&self, faults: &str) -> Result<Message> {
        Ok(Message::user(self.render("translate/repair.md", context! { faults })?))
    }
}
