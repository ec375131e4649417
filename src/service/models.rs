//! Models: the configurations by whose names clients ask.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Shared;
use super::refusal::Refusal;
use super::routes::InPath;
use crate::config::Config;
use crate::error::{Error, Result};

/// The name of the configuration as a whole.
pub(super) const WHOLE: &str = "lavr";

/// The configurations that there are.
pub(super) struct Models {
    whole: Config,
    named: Vec<(String, Config)>,
}

impl Models {
    pub(super) fn new(config: &Config) -> Result<Self> {
        let mut named = Vec::new();
        for (name, variant) in &config.models {
            let place = |e: Error| e.context(format!("models.{name}"));
            if name == WHOLE {
                return Err(place(Error::invalid("this is the name of the whole configuration; give another one")));
            }
            let config = variant.over(config);
            config.task("?", Vec::new()).validate().map_err(place)?;
            named.push((name.clone(), config));
        }
        Ok(Self { whole: config.clone(), named })
    }

    /// The configuration as a whole.
    pub(super) fn whole(&self) -> &Config {
        &self.whole
    }

    /// The configuration of this name.
    pub(super) fn get(&self, name: &str) -> Result<&Config, Refusal> {
        let found = self.named.iter().find(|(own, _)| own == name).map(|(_, config)| config);
        found.or((name == WHOLE).then_some(&self.whole)).ok_or_else(|| {
            let names: Vec<&str> = self.names().collect();
            let message = format!("there is no model `{name}`; there are: {}", names.join(", "));
            Refusal::new(StatusCode::NOT_FOUND, "model_not_found", message)
        })
    }

    /// The names, that of the whole first.
    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(WHOLE).chain(self.named.iter().map(|(name, _)| name.as_str()))
    }
}

fn object(name: &str) -> Value {
    json!({ "id": name, "object": "model", "created": 0, "owned_by": "lavr" })
}

/// `GET /v1/models`
pub(super) async fn list(State(shared): State<Shared>) -> Json<Value> {
    let models: Vec<Value> = shared.models.names().map(object).collect();
    Json(json!({ "object": "list", "data": models }))
}

/// `GET /v1/models/{name}`
pub(super) async fn one(State(shared): State<Shared>, InPath(name): InPath<String>) -> Result<Json<Value>, Refusal> {
    shared.models.get(&name).map(|_| Json(object(&name)))
}
