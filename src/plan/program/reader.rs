//! Reads statements and collects the faults while reading on.

use std::collections::HashSet;

use serde_json::Value as Json;

use super::cursor::Cursor;
use super::{RESULT, name_of};
use crate::plan::fault::quoted;
use crate::plan::json::{MAX_DEPTH, malformed};
use crate::plan::reference::{is_id, looks_like_image, segment};
use crate::plan::{ArgValue, Fault, Plan, Reference, Step};

/// What a line holds.
const LINE: &str = "`NAME = tool(argument=value)`";

/// Reads one statement after the other.
#[derive(Default)]
pub(super) struct Reader<'a> {
    cursor: Cursor<'a>,
    steps: Vec<Step>,
    ids: HashSet<String>,
    result: Option<(usize, Reference)>,
    faults: Vec<Fault>,
}

/// The right side of a statement.
enum Assigned {
    Call(String, Vec<(String, ArgValue)>),
    Reference(Reference),
}

impl<'a> Reader<'a> {
    /// The plan, when no fault was found.
    pub(super) fn finish(mut self) -> Result<Plan, Vec<Fault>> {
        let own = self.ids.contains(RESULT).then(|| Reference::to(RESULT));
        let last = self.steps.last().map(|step| Reference::to(step.id.clone()));
        let result = self.result.take().map(|(_, result)| result).or(own).or(last);
        match result {
            Some(result) if self.faults.is_empty() => return Ok(Plan { steps: self.steps, result }),
            None if self.faults.is_empty() => {
                let fault = malformed("line 1", format!("the program has no step; expected {LINE}, found the end"));
                self.faults.push(fault.suggest("write e.g. `TEXT = read_text(image=IMAGE)`".to_owned()));
            }
            _ => {}
        }
        Err(self.faults)
    }

    /// Reads a statement that begins on this line.
    pub(super) fn statement(&mut self, line: usize, text: &'a str) {
        self.cursor = Cursor::new(line, text);
        self.cursor.space();
        // Two steps of one name are for the checker; what is malformed has left its fault.
        let Some((id, assigned)) = self.assignment() else { return };
        match assigned {
            Assigned::Call(tool, args) => {
                self.ids.insert(id.clone());
                self.steps.push(Step { id, tool, args });
            }
            Assigned::Reference(reference) if id == RESULT => self.set_result(line, reference),
            Assigned::Reference(reference) => {
                let (name, other) = (name_of(&id), super::reference(&reference));
                let message =
                    format!("expected a call, `tool(argument=value)`, after `{name} =`, found {}", quoted(&other));
                self.fault_on(line, message, Some(format!("write {} wherever `{name}` is meant", quoted(&other))));
            }
        }
    }

    fn set_result(&mut self, line: usize, reference: Reference) {
        if let Some((first, _)) = self.result {
            let message = format!("the result stands in line {first} already, found `RESULT =` again");
            self.fault_on(line, message, Some("leave one of the two out".to_owned()));
        } else {
            self.result = Some((line, reference));
        }
    }

    // ------------------------------------------------------------ faults

    fn fault_on(&mut self, line: usize, message: String, hint: Option<String>) {
        self.faults.push(malformed(format!("line {line}"), message).suggest(hint));
    }

    fn fault(&mut self, message: String, hint: Option<String>) {
        self.fault_on(self.cursor.line(), message, hint);
    }

    /// Reports that something else was expected here; nothing more can be read of the statement.
    fn expected<T>(&mut self, what: &str, hint: Option<String>) -> Option<T> {
        let message = format!("expected {what}, found {}", self.cursor.found());
        self.fault(message, hint);
        None
    }

    // ------------------------------------------------------------ statements

    fn assignment(&mut self) -> Option<(String, Assigned)> {
        let start = self.cursor;
        let name = self.cursor.word();
        if name.is_empty() {
            return self.expected(LINE, None);
        }
        if !self.cursor.assign() {
            self.cursor.space();
            let call = self.cursor.peek() == Some('(');
            let hint = call.then(|| format!("give the result a name: {}", quoted(&format!("X = {name}(...)"))));
            return self.expected(&format!("`=` after {}", quoted(name)), hint);
        }
        let id = self.id(start.line(), name);
        let assigned = self.right_side()?;
        self.cursor.space();
        if self.cursor.peek().is_some() {
            return self.expected("the end of the line", Some("write one statement a line".to_owned()));
        }
        Some((id, assigned))
    }

    /// The id that a name stands for; a name that is none leaves a fault.
    fn id(&mut self, line: usize, name: &str) -> String {
        let id = name.to_ascii_lowercase();
        if name_of(name) != name || !is_id(&id) {
            let message = format!(
                "expected a name in upper-case letters, digits and `_`, a letter first, found {}",
                quoted(name)
            );
            let hint = is_id(&id).then(|| format!("write {}", quoted(&name_of(name))));
            self.fault_on(line, message, hint);
        }
        id
    }

    fn right_side(&mut self) -> Option<Assigned> {
        self.cursor.space();
        let start = self.cursor;
        let tool = match self.cursor.peek() {
            Some('"' | '\'') => self.text()?,
            _ => self.cursor.word().to_owned(),
        };
        let after = self.cursor;
        self.cursor.space();
        if after.rest().len() < start.rest().len() && self.cursor.eat('(') {
            return Some(Assigned::Call(tool, self.args()?));
        }
        let name = tool.starts_with(|c: char| c.is_ascii_uppercase()) && name_of(&tool) == tool;
        if name && start.peek().is_some_and(|c| c != '"' && c != '\'') {
            self.cursor = after;
            return Some(Assigned::Reference(self.reference(&tool)?));
        }
        self.cursor = start;
        let step = self.ids.contains(&tool.to_ascii_lowercase());
        let hint = step.then(|| format!("write {}", quoted(&name_of(&tool))));
        self.expected("a call, `tool(argument=value)`, or the name of a step", hint)
    }

    /// Items up to the closing bracket, separated by commas.
    fn sequence(&mut self, close: char, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        loop {
            self.cursor.space();
            if self.cursor.eat(close) {
                return Some(());
            }
            item(self)?;
            self.cursor.space();
            if !self.cursor.eat(',') && self.cursor.peek() != Some(close) {
                return self.expected(&format!("`,` or `{close}`"), None);
            }
        }
    }

    fn args(&mut self) -> Option<Vec<(String, ArgValue)>> {
        let (mut args, mut seen) = (Vec::new(), HashSet::new());
        self.sequence(')', |reader| {
            let name = reader.arg_name()?;
            let value = reader.value(0)?;
            if let Some(name) = name {
                reader.once("the argument", &name, &mut seen);
                args.push((name, value));
            }
            Some(())
        })?;
        Some(args)
    }

    /// The name before the `=`; none, and a fault, when the value stands there alone.
    fn arg_name(&mut self) -> Option<Option<String>> {
        let start = self.cursor;
        let name = match self.cursor.peek() {
            Some('"' | '\'') => self.text()?,
            _ => self.cursor.word().to_owned(),
        };
        if self.cursor.rest().len() < start.rest().len() && self.cursor.assign() {
            return Some(Some(name));
        }
        self.cursor = start;
        let hint = Some("write the argument's name and `=` before the value".to_owned());
        let value = self.cursor.peek().is_some_and(begins_value);
        self.expected::<()>("`argument=value`", hint);
        value.then_some(None)
    }

    /// Reports a name that stands here for the second time.
    fn once(&mut self, what: &str, name: &str, seen: &mut HashSet<String>) {
        if !seen.insert(name.to_owned()) {
            let message = format!("expected another name, found {what} {} twice", quoted(name));
            self.fault(message, Some("give it once".to_owned()));
        }
    }

    // ------------------------------------------------------------ values

    fn value(&mut self, depth: usize) -> Option<ArgValue> {
        self.cursor.space();
        if depth > MAX_DEPTH {
            self.fault(format!("lists and objects are nested more than {MAX_DEPTH} deep"), None);
            return None;
        }
        match self.cursor.peek() {
            Some('"' | '\'') => self.text().map(|text| ArgValue::Literal(Json::String(text))),
            Some('[') => self.list(depth),
            Some('{') => self.object(depth),
            Some('$') => self.expected("a value", Some("write the name in upper case, without `$`".to_owned())),
            Some(c) if c.is_ascii_digit() || matches!(c, '-' | '+' | '.') => self.number(),
            Some(c) if begins_value(c) => self.word(),
            _ => self.expected("a value", None),
        }
    }

    fn text(&mut self) -> Option<String> {
        match self.cursor.text() {
            Ok(text) => Some(text),
            Err(why) => {
                self.fault(why.message, why.suggestion);
                None
            }
        }
    }

    fn number(&mut self) -> Option<ArgValue> {
        match self.cursor.number() {
            Ok(number) => Some(ArgValue::Literal(Json::Number(number))),
            Err(found) => {
                self.fault(format!("expected a number, found {}", quoted(found)), None);
                Some(ArgValue::Literal(Json::Null))
            }
        }
    }

    fn list(&mut self, depth: usize) -> Option<ArgValue> {
        self.cursor.eat('[');
        let mut items = Vec::new();
        self.sequence(']', |reader| {
            items.push(reader.value(depth + 1)?);
            Some(())
        })?;
        Some(ArgValue::List(items))
    }

    fn object(&mut self, depth: usize) -> Option<ArgValue> {
        self.cursor.eat('{');
        let (mut entries, mut seen) = (Vec::new(), HashSet::new());
        self.sequence('}', |reader| {
            let key = reader.key()?;
            let value = reader.value(depth + 1)?;
            reader.once("the key", &key, &mut seen);
            entries.push((key, value));
            Some(())
        })?;
        Some(ArgValue::Object(entries))
    }

    /// The key of an object and its colon.
    fn key(&mut self) -> Option<String> {
        let line = self.cursor.line();
        let key = match self.cursor.peek() {
            Some('"' | '\'') => self.text()?,
            _ => {
                let word = self.cursor.word();
                if word.is_empty() {
                    return self.expected("a key in quotes", None);
                }
                let hint = format!("write {}", quoted(&format!("\"{word}\"")));
                self.fault_on(line, format!("expected a key in quotes, found {}", quoted(word)), Some(hint));
                word.to_owned()
            }
        };
        self.cursor.space();
        if self.cursor.eat(':') { Some(key) } else { self.expected("`:` after the key", None) }
    }

    /// A key word, or a reference.
    fn word(&mut self) -> Option<ArgValue> {
        let line = self.cursor.line();
        let word = self.cursor.word();
        if let Some(literal) = key_word(word) {
            return Some(ArgValue::Literal(literal));
        }
        let mut ahead = self.cursor;
        ahead.space();
        if ahead.eat('(') {
            let hint = "give that call a name in a line of its own, and write the name here".to_owned();
            self.fault(format!("expected a value, found a call of {}", quoted(word)), Some(hint));
            return None;
        }
        if name_of(word) != word || !is_id(&word.to_ascii_lowercase()) {
            self.fault_on(line, format!("expected a value, found {}", quoted(word)), Some(self.meant(word)));
        }
        self.reference(word).map(ArgValue::Ref)
    }

    /// What a word that is no value was probably meant to be.
    fn meant(&self, word: &str) -> String {
        let id = word.to_ascii_lowercase();
        if let Some(right) = ["true", "false", "null"].into_iter().find(|right| *right == id) {
            return format!("write `{right}`");
        }
        if self.ids.contains(&id) || looks_like_image(&id) {
            return format!("write {}", quoted(&name_of(word)));
        }
        format!("put a text in quotes: {}", quoted(&format!("\"{word}\"")))
    }

    /// The reference whose name was just read, with the path that follows.
    fn reference(&mut self, name: &str) -> Option<Reference> {
        let mut reference = Reference::to(name.to_ascii_lowercase());
        while matches!(self.cursor.peek(), Some('.' | '[')) {
            let Some((segment, rest)) = segment(self.cursor.rest()) else {
                let what = format!("`.field` or `[0]` after {}", quoted(&super::reference(&reference)));
                return self.expected(&what, Some("a field is a bare name, an element counts from 0".to_owned()));
            };
            reference.path.push(segment);
            self.cursor.go_to(rest);
        }
        Some(reference)
    }
}

/// Whether a value can begin with this.
fn begins_value(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '"' | '\'' | '[' | '{' | '-' | '+' | '.')
}

/// `true`, `false`, `null`, and as Python writes them.
fn key_word(word: &str) -> Option<Json> {
    Some(match word {
        "true" | "True" => Json::Bool(true),
        "false" | "False" => Json::Bool(false),
        "null" | "None" => Json::Null,
        _ => return None,
    })
}
