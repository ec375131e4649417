//! Replies that fit a JSON Schema for certain.

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::SimpleVob;
use llguidance::{Matcher, ParserFactory};
use serde_json::{Value as Json, json};

use super::tokens::Tokens;
use crate::error::{Error, ErrorKind, Result};

/// Compiles schemas for one model.
pub(super) struct Grammars {
    factory: ParserFactory,
}

impl Grammars {
    /// Prepares the vocabulary for grammars.
    pub(super) fn new(tokens: &Tokens) -> Result<Self> {
        let mut factory = ParserFactory::new_simple(tokens.env()).map_err(|e| {
            Error::new(ErrorKind::Model, "the grammar engine cannot use this vocabulary").with_source(e)
        })?;
        factory.quiet();
        Ok(Self { factory })
    }

    /// Starts a reply that fits `schema`.
    pub(super) fn start(&self, schema: &Json) -> Result<Grammar> {
        let grammar = TopLevelGrammar::from_json_schema(with_fixed_spaces(schema));
        let parser = self
            .factory
            .create_parser(grammar)
            .map_err(|e| Error::invalid(format!("the reply's JSON Schema cannot be used: {e}")).with_source(e))?;
        Ok(Grammar { matcher: Matcher::new(Ok(parser)) })
    }
}

/// White space is fixed unless the schema says otherwise: then most of a reply is forced.
fn with_fixed_spaces(schema: &Json) -> Json {
    let mut schema = schema.clone();
    if let Some(object) = schema.as_object_mut() {
        object
            .entry("x-guidance")
            .or_insert_with(|| json!({"whitespace_flexible": false, "key_separator": ": ", "item_separator": ", "}));
    }
    schema
}

/// How far a reply has come in its schema.
pub(super) struct Grammar {
    matcher: Matcher,
}

impl Grammar {
    /// Takes the tokens that can only follow, if any.
    pub(super) fn forced(&mut self) -> Result<Vec<u32>> {
        if self.matcher.is_stopped() {
            return self.fault().map(|()| Vec::new());
        }
        let forced = self.matcher.compute_ff_tokens();
        if !forced.is_empty() {
            self.matcher.consume_tokens(&forced).map_err(failed)?;
        }
        self.fault()?;
        Ok(forced)
    }

    /// The tokens that may follow.
    pub(super) fn allowed(&mut self) -> Result<SimpleVob> {
        self.matcher.compute_mask().map_err(failed)
    }

    /// Takes a token that was chosen.
    pub(super) fn take(&mut self, token: u32) -> Result<()> {
        self.matcher.consume_token(token).map_err(failed)
    }

    /// Whether the reply is complete.
    pub(super) fn done(&self) -> bool {
        self.matcher.is_stopped()
    }

    fn fault(&self) -> Result<()> {
        match self.matcher.get_error() {
            Some(error) => Err(Error::new(ErrorKind::Model, format!("the grammar engine failed: {error}"))),
            None => Ok(()),
        }
    }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Model, "the grammar engine failed").with_source(error)
}
