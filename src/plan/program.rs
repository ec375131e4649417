//! The program form of plans: one line a step, the result last.
//!
//! ```text
//! BOXES = detect_objects(image=IMAGE, labels=["dog"])
//! N = count(items=BOXES)
//! RESULT = N
//! ```
//!
//! A name in upper case stands for the id in lower case, everywhere: `BOXES[0].label` is `$boxes[0].label`,
//! `IMAGE2` is `$image2`. What is in quotes is text, whatever it begins with. A reference assigned to `RESULT`
//! is the plan's result; a call assigned to it is a step of the id `result`, and the plan's result unless a
//! reference is assigned too. Without a `RESULT` the last step is the result.

mod cursor;
mod reader;

use serde_json::Value as Json;

use self::reader::Reader;
use super::json::check_length;
use super::{ArgValue, Fault, Plan, Reference, Step};

/// The id behind the name of the result.
const RESULT: &str = "result";

impl Plan {
    /// Reads a plan from its program form. Whether it makes sense is for [`check`](super::check) to say.
    ///
    /// ```
    /// use lavr::plan::Plan;
    ///
    /// let plan = Plan::from_program(
    ///     r#"
    ///     BOXES = detect_objects(image=IMAGE, labels=["dog"])
    ///     N = count(items=BOXES)
    ///     RESULT = N
    ///     "#,
    /// )
    /// .expect("a plan");
    /// assert_eq!(plan.steps[1].to_json().to_string(), r#"{"id":"n","tool":"count","args":{"items":"$boxes"}}"#);
    /// assert_eq!(plan.result.to_string(), "$n");
    /// assert_eq!(Plan::from_program(&plan.to_program()), Ok(plan));
    ///
    /// let faults = Plan::from_program("BOXES = detect_objects(image=image)\nRESULT = 3").unwrap_err();
    /// assert_eq!(faults[0].to_string(), "line 1: expected a value, found `image`; write `IMAGE`");
    /// assert_eq!(faults[1].at, "line 2");
    /// ```
    ///
    /// Values are JSON; `True`, `False`, `None`, texts in single quotes, commas after the last item, comments from
    /// `#` on, blank lines and a code fence around the program are read too. A call may go over several lines.
    ///
    /// # Errors
    /// All malformations, at most one of each statement's grammar; one fault when the text is over 64 KiB.
    pub fn from_program(text: &str) -> Result<Self, Vec<Fault>> {
        check_length(text)?;
        let mut reader = Reader::default();
        for (line, statement) in statements(text) {
            reader.statement(line, statement);
        }
        reader.finish()
    }

    /// The program form, without a line break at its end; the inverse of [`Plan::from_program`].
    ///
    /// The last line is `RESULT = ...`, but for a plan whose result is all of a step of the id `result`: the call
    /// that is assigned to `RESULT` says so already. Names of tools and arguments that are no words are quoted.
    pub fn to_program(&self) -> String {
        let mut lines: Vec<String> = self.steps.iter().map(statement).collect();
        let told = self.result == Reference::to(RESULT) && self.step(RESULT).is_some();
        if !told {
            lines.push(format!("{} = {}", name_of(RESULT), reference(&self.result)));
        }
        lines.join("\n")
    }
}

/// Whether a text is meant as a program: a line of it assigns something, and it is no JSON object.
pub(super) fn is_program(text: &str) -> bool {
    let lines = || text.lines().filter(|line| !is_fence(line) && !line.trim().is_empty());
    let json = lines().next().is_some_and(|line| line.trim_start().starts_with(['{', '[', '"']));
    !json && lines().any(begins_statement)
}

// ---------------------------------------------------------------- writing

/// The name that stands for an id.
fn name_of(id: &str) -> String {
    id.to_ascii_uppercase()
}

fn reference(reference: &Reference) -> String {
    format!("{}{}", name_of(&reference.id), reference.path_text())
}

fn statement(step: &Step) -> String {
    let args: Vec<String> = step.args.iter().map(|(name, v)| format!("{}={}", word_or_text(name), value(v))).collect();
    format!("{} = {}({})", name_of(&step.id), word_or_text(&step.tool), args.join(", "))
}

/// A name as it is where it is a word, else in quotes.
fn word_or_text(name: &str) -> String {
    let word = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if word { name.to_owned() } else { text(name) }
}

fn text(text: &str) -> String {
    Json::from(text).to_string()
}

fn value(of: &ArgValue) -> String {
    match of {
        ArgValue::Ref(to) => reference(to),
        ArgValue::Literal(json) => literal(json),
        ArgValue::List(items) => list(items.iter().map(value)),
        ArgValue::Object(entries) => object(entries.iter().map(|(key, v)| (key, value(v)))),
    }
}

fn literal(json: &Json) -> String {
    match json {
        Json::Array(items) => list(items.iter().map(literal)),
        Json::Object(entries) => object(entries.iter().map(|(key, v)| (key, literal(v)))),
        scalar => scalar.to_string(),
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

fn object<'a>(entries: impl Iterator<Item = (&'a String, String)>) -> String {
    let entries: Vec<String> = entries.map(|(key, value)| format!("{}: {value}", text(key))).collect();
    format!("{{{}}}", entries.join(", "))
}

// ---------------------------------------------------------------- lines

/// The statements of a program, each with the number of its first line.
///
/// A line whose brackets are open goes on in the next one, unless that begins a statement of its own: one bracket
/// that is not closed then spoils one statement.
fn statements(program: &str) -> Vec<(usize, &str)> {
    let lines: Vec<&str> = program.split('\n').collect();
    let filled = |line: &&str| !line.trim().is_empty();
    let first = lines.iter().position(filled);
    let last = lines.iter().rposition(filled);
    let mut found: Vec<(usize, usize, usize)> = Vec::new();
    let (mut at, mut open) = (0, 0);
    for (n, line) in lines.iter().enumerate() {
        let (start, end) = (at, at + line.len());
        at = end + 1;
        let around = (Some(n) == first || Some(n) == last) && is_fence(line);
        let bare = line.trim_start();
        match found.last_mut() {
            Some(statement) if open > 0 && !around && !begins_statement(line) => statement.2 = end,
            _ if around || bare.is_empty() || bare.starts_with('#') => continue,
            _ => {
                open = 0;
                found.push((n + 1, start, end));
            }
        }
        open = open_after(line, open);
    }
    found.into_iter().filter_map(|(n, start, end)| Some((n, program.get(start..end)?))).collect()
}

fn is_fence(line: &str) -> bool {
    line.trim_start().starts_with("```")
}

/// Whether a line begins with `NAME =`, or with `name = tool(`: an argument is in lower case and its value no call.
fn begins_statement(line: &str) -> bool {
    let mut cursor = cursor::Cursor::new(0, line.trim_start());
    let name = cursor.word();
    if name.is_empty() || !cursor.assign() {
        return false;
    }
    cursor.space();
    let upper = name.starts_with(|c: char| c.is_ascii_uppercase()) && name_of(name) == name;
    upper || (!cursor.word().is_empty() && cursor.peek() == Some('('))
}

/// How many brackets are open after a line.
fn open_after(line: &str, mut open: usize) -> usize {
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(_), '\\') => drop(chars.next()),
            (Some(q), c) if q == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(' | '[' | '{') => open += 1,
            (None, ')' | ']' | '}') => open = open.saturating_sub(1),
            (None, '#') => break,
            (None, _) => {}
        }
    }
    open
}
