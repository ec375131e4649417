//! Steps as they are written in plans, rounds and traces, whether or not they pass the check.

use serde_json::Value as Json;

/// A step, as far as drawing it asks.
pub(crate) struct Written {
    pub(crate) id: String,
    pub(crate) tool: String,
    /// The names that its arguments refer to, each once.
    pub(crate) needs: Vec<String>,
}

impl Written {
    /// The step that a JSON object describes; nothing when it has no id.
    pub(crate) fn of(step: &Json) -> Option<Self> {
        let text = |name: &str| step.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        let mut needs = Vec::new();
        refer(step.get("args").unwrap_or(&Json::Null), &mut needs);
        Some(Self { id: text("id"), tool: text("tool"), needs }).filter(|step| !step.id.is_empty())
    }
}

fn refer(args: &Json, names: &mut Vec<String>) {
    match args {
        Json::String(text) => {
            let name = text.strip_prefix('$').map(|rest| rest.split(['.', '[']).next().unwrap_or_default().to_owned());
            names.extend(name.filter(|name| !names.contains(name)));
        }
        Json::Array(items) => items.iter().for_each(|item| refer(item, names)),
        Json::Object(object) => object.values().for_each(|value| refer(value, names)),
        _ => {}
    }
}
