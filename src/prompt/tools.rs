//! Tools as prompts name them.

use crate::signature::{Arg, Returns, ValueType};
use crate::tool::ToolSpec;

/// One line of the tool list: the call, the result, and what to use it for.
pub(super) fn tool_line(spec: &ToolSpec) -> String {
    let args: Vec<String> = spec.signature.args.iter().map(arg_text).collect();
    let returns = match &spec.signature.returns {
        Returns::Type(returns) => plain_type(returns),
        Returns::SameAs(arg) => arg.clone(),
    };
    format!("{}({}) -> {returns}: {}", spec.name, args.join(", "), spec.use_for)
}

/// An argument in few tokens: its type only where the name does not say it.
fn arg_text(arg: &Arg) -> String {
    let optional = if arg.required { "" } else { "?" };
    let choices: Vec<&str> =
        arg.choices.iter().map(String::as_str).filter(|c| c.chars().all(|c| c.is_alphabetic() || c == '_')).collect();
    if !choices.is_empty() {
        return format!("{}{optional}: {}", arg.name, choices.join("|"));
    }
    let types: Vec<String> = arg.types.iter().map(plain_type).collect();
    let is_plain = types.len() > 2 || types.iter().any(|t| *t == arg.name || t == "any" || t == "text" || t == "anys");
    if is_plain { format!("{}{optional}", arg.name) } else { format!("{}{optional}: {}", arg.name, types.join(" or ")) }
}

/// A type as prompts name it: `image`, `regions`, `number`.
fn plain_type(value_type: &ValueType) -> String {
    match value_type {
        ValueType::List(of) => format!("{}s", plain_type(of)),
        other => other.to_string().to_lowercase(),
    }
}
