//! Signatures: the typed arguments and the typed result of a tool.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::error::Error;
use crate::value::Value;

/// The type of a value. Its text form is `Region`, `List<Line>`, `Any` ...
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum ValueType {
    /// Fits everything.
    Any,
    /// See [`Value::Image`].
    Image,
    /// See [`Value::Mask`].
    Mask,
    /// See [`Value::Region`].
    Region,
    /// See [`Value::Line`].
    Line,
    /// See [`Value::Points`].
    Points,
    /// See [`Value::Labels`].
    Labels,
    /// See [`Value::Vector`].
    Vector,
    /// See [`Value::Map`].
    Map,
    /// See [`Value::Table`].
    Table,
    /// See [`Value::Text`].
    Text,
    /// See [`Value::Number`].
    Number,
    /// See [`Value::Bool`].
    Bool,
    /// See [`Value::Json`].
    Json,
    /// A list of one type.
    List(Box<ValueType>),
    /// A type that only a catalogue of declared tools knows, by any of these names: `audio`, `bbox|mask`.
    /// See [`ValueType::named`].
    Named(Vec<String>),
}

impl ValueType {
    /// A list of this type.
    pub fn list(of: Self) -> Self {
        Self::List(Box::new(of))
    }

    /// A type known by its names alone, any of them; nothing when no name has a letter or digit.
    ///
    /// Names are told apart by their letters and digits, in lower case: `Input Image` is `input_image`.
    ///
    /// ```
    /// use lavr::signature::ValueType;
    ///
    /// let found = ValueType::named(["BBox", "mask"]).expect("a type");
    /// assert_eq!(found.to_string(), "bbox|mask");
    /// assert_eq!("bbox|mask".parse::<ValueType>().ok(), Some(found.clone()));
    /// assert!(ValueType::named(["mask"]).is_some_and(|mask| mask.accepts(&found)));
    /// assert!(!ValueType::Mask.accepts(&found));
    /// ```
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut words: Vec<String> = Vec::new();
        for word in names.into_iter().filter_map(word) {
            if !words.contains(&word) {
                words.push(word);
            }
        }
        (!words.is_empty()).then_some(Self::Named(words))
    }

    /// Whether a value of type `given` may stand where `self` is wanted.
    pub fn accepts(&self, given: &Self) -> bool {
        match (self, given) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::List(want), Self::List(have)) => want.accepts(have),
            // A mask is a region whose outline is known.
            (Self::Region, Self::Mask) => true,
            // Which of its types a result has shows when it is there.
            (Self::Named(want), Self::Named(have)) => want.iter().any(|word| have.contains(word)),
            // JSON is untyped: whether it fits shows when it is there.
            (Self::Json, Self::Text | Self::Number | Self::Bool | Self::List(_)) => true,
            (Self::Text | Self::Number | Self::Bool | Self::List(_), Self::Json) => true,
            (want, have) => want == have,
        }
    }

    /// The type of a value; an empty list is `List<Any>`.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Image(_) => Self::Image,
            Value::Mask(_) => Self::Mask,
            Value::Region(_) => Self::Region,
            Value::Line(_) => Self::Line,
            Value::Points(_) => Self::Points,
            Value::Labels(_) => Self::Labels,
            Value::Vector(_) => Self::Vector,
            Value::Map(_) => Self::Map,
            Value::Table(_) => Self::Table,
            Value::Text(_) => Self::Text,
            Value::Number(_) => Self::Number,
            Value::Bool(_) => Self::Bool,
            Value::Json(_) => Self::Json,
            Value::List(items) => {
                let mut types = items.iter().map(Self::of);
                let first = types.next().unwrap_or(Self::Any);
                Self::list(if types.all(|t| t == first) { first } else { Self::Any })
            }
        }
    }

    /// The type of what stands in JSON.
    pub fn of_json(json: &Json) -> Self {
        match json {
            Json::Array(items) => Self::of(&Value::List(items.iter().cloned().map(Value::plain).collect())),
            other => Self::of(&Value::plain(other.clone())),
        }
    }

    /// The type that a reference's `.name` has, when this type has such a field.
    pub fn field(&self, name: &str) -> Option<Self> {
        match (self, name) {
            (Self::Region | Self::Mask, "label") | (Self::Line, "text") => Some(Self::Text),
            (Self::Region | Self::Mask | Self::Line, "score") => Some(Self::Number),
            (Self::Region | Self::Mask, "box") => Some(Self::list(Self::Number)),
            (Self::Line, "polygon") => Some(Self::list(Self::list(Self::Number))),
            (Self::Table, "rows") => Some(Self::Json),
            (Self::Json | Self::Any, _) => Some(Self::Any),
            _ => None,
        }
    }

    /// The field names a reference may use on this type; empty when it has none or any.
    pub fn fields(&self) -> &'static [&'static str] {
        match self {
            Self::Region | Self::Mask => &["label", "score", "box"],
            Self::Line => &["text", "score", "polygon"],
            Self::Table => &["rows"],
            _ => &[],
        }
    }

    /// The type that a reference's `[n]` has, when this type has elements.
    pub fn element(&self) -> Option<Self> {
        match self {
            Self::List(of) => Some((**of).clone()),
            Self::Labels | Self::Points => Some(Self::Json),
            Self::Vector => Some(Self::Number),
            Self::Json | Self::Any => Some(Self::Any),
            _ => None,
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(of) => write!(f, "List<{of}>"),
            Self::Named(words) => f.write_str(&words.join("|")),
            other => write!(f, "{other:?}"),
        }
    }
}

impl FromStr for ValueType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if let Some(inner) = text.strip_prefix("List<").and_then(|t| t.strip_suffix('>')) {
            return Ok(Self::list(inner.parse()?));
        }
        Ok(match text {
            "Any" => Self::Any,
            "Image" => Self::Image,
            "Mask" => Self::Mask,
            "Region" => Self::Region,
            "Line" => Self::Line,
            "Points" => Self::Points,
            "Labels" => Self::Labels,
            "Vector" => Self::Vector,
            "Map" => Self::Map,
            "Table" => Self::Table,
            "Text" => Self::Text,
            "Number" => Self::Number,
            "Bool" => Self::Bool,
            "Json" => Self::Json,
            _ if text.split('|').all(|name| word(name).is_some_and(|word| word == name)) => {
                Self::Named(text.split('|').map(str::to_owned).collect())
            }
            _ => return Err(Error::invalid(format!("`{text}` is not a value type"))),
        })
    }
}

/// A name as types are known by: letters and digits in lower case, `_` for all between them.
fn word(name: &str) -> Option<String> {
    let lower = name.to_lowercase();
    let parts: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join("_"))
}

impl TryFrom<String> for ValueType {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<ValueType> for String {
    fn from(value: ValueType) -> Self {
        value.to_string()
    }
}

/// One argument of a tool.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Arg {
    /// Its name.
    pub name: String,
    /// What it is for, in a few words.
    pub doc: String,
    /// The types it takes, any of them.
    pub types: Vec<ValueType>,
    /// Whether it must be given.
    pub required: bool,
    /// The only texts it takes, when it takes only some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// What stands in its place when it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Json>,
}

impl Arg {
    /// Whether a value of type `given` may be passed.
    pub fn accepts(&self, given: &ValueType) -> bool {
        self.types.iter().any(|want| want.accepts(given))
    }

    /// The types in words: `Region or Line`.
    pub fn types_text(&self) -> String {
        self.types.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
    }
}

/// What a tool returns.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Returns {
    /// Always this type.
    Type(ValueType),
    /// The type of the named argument, e.g. `filter` returns what `items` is.
    SameAs(String),
}

/// The typed arguments and result of a tool.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Signature {
    /// The arguments, in the order they are written.
    pub args: Vec<Arg>,
    /// The result.
    pub returns: Returns,
    /// The argument over whose elements the tool is mapped when it is given a list
    /// of what it takes. The results become a list; results that are lists are joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maps_over: Option<String>,
}

impl Signature {
    /// An argument by name.
    pub fn arg(&self, name: &str) -> Option<&Arg> {
        self.args.iter().find(|arg| arg.name == name)
    }

    /// Whether giving `given` to argument `name` maps the tool over its elements:
    /// the signature says so, a list is given, and the argument takes the elements but not the list.
    pub fn maps(&self, name: &str, given: &ValueType) -> bool {
        let (Some(arg), ValueType::List(of)) = (self.arg(name), given) else { return false };
        let takes_list = arg.types.iter().any(|t| matches!(t, ValueType::List(_)) && t.accepts(given));
        self.maps_over.as_deref() == Some(name) && !takes_list && arg.accepts(of)
    }
}

/// Where the checker looks up tools.
pub trait Signatures {
    /// The signature of a tool, when there is such a tool.
    fn signature(&self, tool: &str) -> Option<&Signature>;
    /// All tool names, in catalog order.
    fn names(&self) -> Vec<&str>;
}
