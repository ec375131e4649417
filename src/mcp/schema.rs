//! Schemas: tools as clients see them.

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Map, Value as Json, json};

use super::arguments;
use super::server::Reach;
use crate::signature::{Arg, Returns, Signature, ValueType};
use crate::tool::{Effects, ToolSpec};

/// A tool of the catalog as clients see it.
pub(super) fn tool(spec: &ToolSpec, reach: Reach) -> Tool {
    let returns = match &spec.signature.returns {
        Returns::Type(of) => of.to_string(),
        Returns::SameAs(arg) => format!("what `{arg}` is"),
    };
    let mut about = vec![spec.description.clone()];
    about.extend(sentence("Use for: ", &spec.use_for));
    about.extend(sentence("Limits: ", &spec.limitations));
    about.extend(sentence("Returns ", &returns));
    let pure = spec.effects == Effects::None;
    let hints = ToolAnnotations::new().read_only(pure).idempotent(pure).open_world(!pure);
    Tool::new(spec.name.clone(), about.join(" "), input(&spec.signature, reach)).with_annotations(hints)
}

fn sentence(before: &str, text: &str) -> Option<String> {
    let text = text.trim();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    (!text.is_empty()).then(|| format!("{before}{text}{end}"))
}

fn input(signature: &Signature, reach: Reach) -> JsonObject {
    let properties: Map<String, Json> =
        signature.args.iter().map(|arg| (arg.name.clone(), property(signature, arg, reach))).collect();
    let required: Vec<&str> = signature.args.iter().filter(|arg| arg.required).map(|arg| arg.name.as_str()).collect();
    object([
        ("type", json!("object")),
        ("properties", Json::Object(properties)),
        ("required", json!(required)),
        ("additionalProperties", json!(false)),
    ])
}

/// An object of these fields.
pub(super) fn object<const N: usize>(fields: [(&str, Json); N]) -> JsonObject {
    fields.into_iter().map(|(name, json)| (name.to_owned(), json)).collect()
}

fn property(signature: &Signature, arg: &Arg, reach: Reach) -> Json {
    let types = arguments::types(signature, arg);
    let loose = types.iter().any(|of| matches!(of, ValueType::Any | ValueType::Json));
    let mut property = if loose { Map::new() } else { forms(&types) };
    let mut about = if arg.doc.is_empty() { arg.types_text() } else { arg.doc.clone() };
    let shown = |of: &ValueType| matches!(of, ValueType::Image | ValueType::Mask);
    if types.iter().any(shown) {
        about = format!("{about}: {}", how(reach));
    }
    property.insert("description".to_owned(), json!(about));
    if !arg.choices.is_empty() && types == [ValueType::Text] {
        property.insert("enum".to_owned(), json!(arg.choices));
    }
    property.extend(arg.default.clone().map(|default| ("default".to_owned(), default)));
    Json::Object(property)
}

/// How a value of any of these types is written. An LLM reads all of it for each tool, so nothing is said twice.
fn forms(types: &[ValueType]) -> Map<String, Json> {
    let mut forms: Vec<Json> = Vec::new();
    for of in types {
        let form = match of {
            // Some clients take no array without a word on its items.
            ValueType::List(of) if types.contains(of) => json!({ "type": "array", "items": kind(of) }),
            of => form(of),
        };
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    match forms.as_mut_slice() {
        [Json::Object(only)] => std::mem::take(only),
        _ => object([("anyOf", Json::Array(forms))]),
    }
}

/// What kind of JSON a value is, and no more.
fn kind(of: &ValueType) -> Json {
    match of {
        ValueType::Image | ValueType::Text => text(),
        ValueType::Number => number(),
        ValueType::Bool => json!({ "type": "boolean" }),
        _ => json!({ "type": "object" }),
    }
}

/// How an image is written.
pub(super) fn image(reach: Reach) -> Json {
    json!({ "type": "string", "description": format!("an image: {}", how(reach)) })
}

fn how(reach: Reach) -> &'static str {
    match reach {
        Reach::Machine => "the path of a file (PNG, JPEG, WebP, GIF, BMP, TIFF), or `data:image/png;base64,...`",
        Reach::Network => "`data:image/png;base64,...` (PNG, JPEG, WebP, GIF, BMP, TIFF)",
    }
}

/// How a value of a type is written.
fn form(of: &ValueType) -> Json {
    match of {
        ValueType::Image | ValueType::Text => text(),
        ValueType::Number => number(),
        ValueType::Bool => json!({ "type": "boolean" }),
        ValueType::List(of) => json!({ "type": "array", "items": form(of) }),
        ValueType::Vector => json!({ "type": "array", "items": number() }),
        ValueType::Region => fields(&["box"], &[("box", numbers(4)), ("label", text()), ("score", number())]),
        ValueType::Mask => {
            let parts = [("box", numbers(4)), ("mask", text()), ("label", text()), ("score", number())];
            fields(&["box", "mask"], &parts)
        }
        ValueType::Line => {
            let corners = json!({ "type": "array", "items": numbers(2), "minItems": 4, "maxItems": 4 });
            fields(&["text", "polygon"], &[("text", text()), ("polygon", corners), ("score", number())])
        }
        ValueType::Points => {
            let parts = [("label", text()), ("score", number()), ("x", number()), ("y", number())];
            json!({ "type": "array", "items": fields(&["label", "score", "x", "y"], &parts) })
        }
        ValueType::Labels => {
            json!({ "type": "array", "items": fields(&["label", "score"], &[("label", text()), ("score", number())]) })
        }
        ValueType::Map => {
            let data = json!({ "type": "array", "items": number() });
            let parts = [("width", number()), ("height", number()), ("box", numbers(4)), ("data", data)];
            fields(&["width", "height", "box", "data"], &parts)
        }
        ValueType::Table => {
            let row = json!({ "type": "array", "items": text() });
            fields(&["rows"], &[("rows", json!({ "type": "array", "items": row }))])
        }
        ValueType::Any | ValueType::Json | ValueType::Named(_) => json!({}),
    }
}

fn text() -> Json {
    json!({ "type": "string" })
}

fn number() -> Json {
    json!({ "type": "number" })
}

fn numbers(count: usize) -> Json {
    json!({ "type": "array", "items": number(), "minItems": count, "maxItems": count })
}

fn fields(required: &[&str], properties: &[(&str, Json)]) -> Json {
    let properties: Map<String, Json> = properties.iter().map(|(name, of)| ((*name).to_owned(), of.clone())).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}
