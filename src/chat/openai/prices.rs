//! What a call costs.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::reading::Tokens;
use crate::error::{Error, Result};

static BUILTIN: &str = include_str!("prices.toml");

/// The host that the compiled-in prices are for.
const HOST: &str = "api.openai.com";

/// US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Prompt tokens that were computed.
    pub input: f64,
    /// Prompt tokens from the provider's cache; as `input` when not given.
    #[serde(default)]
    pub cached: Option<f64>,
    /// Tokens of replies.
    pub output: f64,
}

impl Price {
    /// What these tokens cost, in US dollars.
    pub fn of(&self, tokens: Tokens) -> f64 {
        let computed = tokens.prompt.saturating_sub(tokens.cached) as f64 * self.input;
        let cached = tokens.cached as f64 * self.cached.unwrap_or(self.input);
        (computed + cached + tokens.completion as f64 * self.output) / 1e6
    }

    fn check(&self) -> Result<(), &'static str> {
        let sane = |price: f64| price.is_finite() && price >= 0.0;
        let all = [self.input, self.cached.unwrap_or_default(), self.output];
        if all.into_iter().all(sane) { Ok(()) } else { Err("a price is a number of dollars, at least 0") }
    }
}

/// A table of prices by the model's name.
///
/// The compiled-in one, `src/chat/openai/prices.toml`, has a few of OpenAI's models and counts only for OpenAI's
/// own host. A user's table is laid over it and counts everywhere.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prices {
    builtin: BTreeMap<String, Price>,
    own: BTreeMap<String, Price>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    models: BTreeMap<String, Price>,
}

impl Prices {
    /// The compiled-in table.
    ///
    /// # Errors
    /// `InvalidInput` when it is faulty.
    pub fn builtin() -> Result<Self> {
        Ok(Self { builtin: parse(BUILTIN).map_err(|e| e.context("compiled-in prices"))?, own: BTreeMap::new() })
    }

    /// The compiled-in table with a user's file laid over it.
    ///
    /// # Errors
    /// `NotFound` or `Io` when the file cannot be read, `InvalidInput` when it is no table of prices.
    pub fn with_file(path: &Path) -> Result<Self> {
        let place = || format!("prices `{}`", path.display());
        let text = std::fs::read_to_string(path).map_err(|e| Error::from(e).context(place()))?;
        Ok(Self { own: parse(&text).map_err(|e| e.context(place()))?, ..Self::builtin()? })
    }

    /// The price of a model on a host. A name with a date at its end (`gpt-4o-2024-08-06`) has the price of
    /// the name without it, unless it stands in the table itself.
    pub fn find(&self, host: &str, model: &str) -> Option<Price> {
        let builtin = (host == HOST).then_some(&self.builtin);
        let tables = || std::iter::once(&self.own).chain(builtin);
        let look = |name: &str| tables().find_map(|table| table.get(name)).copied();
        look(model).or_else(|| look(undated(model)?))
    }
}

/// A name without `-YYYY-MM-DD` at its end.
fn undated(model: &str) -> Option<&str> {
    let (name, date) = model.split_at_checked(model.len().checked_sub(11)?)?;
    let form = |(n, c): (usize, char)| if matches!(n, 0 | 5 | 8) { c == '-' } else { c.is_ascii_digit() };
    date.chars().enumerate().all(form).then_some(name)
}

fn parse(text: &str) -> Result<BTreeMap<String, Price>> {
    let table: Table = toml::from_str(text).map_err(|e| Error::invalid(e.to_string().trim().replace('\n', " ")))?;
    for (name, price) in &table.models {
        price.check().map_err(|why| Error::invalid(format!("`{name}`: {why}")))?;
    }
    Ok(table.models)
}
