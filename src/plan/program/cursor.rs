//! A place in the text of a statement: words, texts and numbers are read off it.

use serde_json::{Number, Value as Json};

use crate::plan::fault::quoted;

/// A place in a statement, and the line of the program it is on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cursor<'a> {
    rest: &'a str,
    line: usize,
}

/// Why a text in quotes is none, and what would be right.
#[derive(Debug)]
pub(super) struct NoText {
    pub(super) message: String,
    pub(super) suggestion: Option<String>,
}

impl NoText {
    fn new(message: String) -> Self {
        Self { message, suggestion: None }
    }
}

/// Whether the character can stand in a name, a key word or a number.
fn in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

impl<'a> Cursor<'a> {
    /// The beginning of a statement on this line of the program.
    pub(super) fn new(line: usize, text: &'a str) -> Self {
        Self { rest: text, line }
    }

    /// What is still to be read.
    pub(super) fn rest(&self) -> &'a str {
        self.rest
    }

    /// The line of the program.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// The next character.
    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Goes on to `rest`, the end of what is still to be read; gives what was passed.
    pub(super) fn go_to(&mut self, rest: &'a str) -> &'a str {
        let passed = self.rest.get(..self.rest.len().saturating_sub(rest.len())).unwrap_or_default();
        self.line += passed.matches('\n').count();
        self.rest = rest;
        passed
    }

    /// Passes the characters for which this holds.
    fn take_while(&mut self, holds: impl Fn(char) -> bool) -> &'a str {
        self.go_to(self.rest.trim_start_matches(holds))
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.go_to(self.rest.get(c.len_utf8()..).unwrap_or_default());
        Some(c)
    }

    /// Passes this character if it is the next.
    pub(super) fn eat(&mut self, c: char) -> bool {
        let there = self.peek() == Some(c);
        if there {
            self.bump();
        }
        there
    }

    /// Passes white space and comments.
    pub(super) fn space(&mut self) {
        self.take_while(char::is_whitespace);
        while self.peek() == Some('#') {
            self.take_while(|c| c != '\n');
            self.take_while(char::is_whitespace);
        }
    }

    /// Passes an `=` that is not one of `==`, and the white space before it.
    pub(super) fn assign(&mut self) -> bool {
        let mut ahead = *self;
        ahead.space();
        let there = ahead.eat('=') && ahead.peek() != Some('=');
        if there {
            *self = ahead;
        }
        there
    }

    /// The word that begins here: letters, digits and `_`; empty when there is none.
    pub(super) fn word(&mut self) -> &'a str {
        self.take_while(in_word)
    }

    /// What stands here, for messages.
    pub(super) fn found(&self) -> String {
        let mut ahead = *self;
        ahead.space();
        let word = ahead.word();
        match (word, ahead.peek()) {
            ("", None) => "the end".to_owned(),
            ("", Some(c)) => quoted(c.encode_utf8(&mut [0; 4])),
            (word, _) => quoted(word),
        }
    }

    /// The number that begins here, or what stands there instead.
    pub(super) fn number(&mut self) -> Result<Number, &'a str> {
        let text = self.take_while(|c| in_word(c) || matches!(c, '.' | '+' | '-'));
        let number = match serde_json::from_str(text) {
            // The standard library reads the nearest double; serde_json can be one off.
            Ok(Json::Number(n)) if n.is_f64() => text.parse().ok().and_then(Number::from_f64),
            Ok(Json::Number(n)) => Some(n),
            _ => None,
        };
        number.ok_or(text)
    }

    /// The text in quotes that begins here, or why it is none.
    pub(super) fn text(&mut self) -> Result<String, NoText> {
        let quote = self.bump().unwrap_or('"');
        let mut text = String::new();
        loop {
            match self.peek() {
                None | Some('\n') => {
                    return Err(NoText::new(format!("expected `{quote}` after a text, found the end of the line")));
                }
                Some('\\') => text.push(self.escape()?),
                Some(c) => {
                    self.bump();
                    if c == quote {
                        return Ok(text);
                    }
                    text.push(c);
                }
            }
        }
    }

    /// The character that an escape stands for.
    fn escape(&mut self) -> Result<char, NoText> {
        self.bump();
        Ok(match self.bump() {
            Some(c @ ('"' | '\'' | '\\' | '/')) => c,
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('u') => return self.unicode(),
            other => {
                let found = other.map_or_else(|| "the end".to_owned(), |c| quoted(&format!("\\{c}")));
                let message =
                    format!("expected `\\n`, `\\\"`, `\\\\` or another escape of JSON in a text, found {found}");
                return Err(NoText { message, suggestion: Some("write a backslash twice: `\\\\`".to_owned()) });
            }
        })
    }

    /// The character of `\uXXXX`, or of two of them that make one.
    fn unicode(&mut self) -> Result<char, NoText> {
        let first = self.unit()?;
        let mut units = vec![first];
        if (0xD800..0xDC00).contains(&first)
            && let Some(rest) = self.rest.strip_prefix("\\u")
        {
            self.go_to(rest);
            units.push(self.unit()?);
        }
        let mut chars = char::decode_utf16(units);
        match (chars.next(), chars.next()) {
            (Some(Ok(c)), None) => Ok(c),
            _ => Err(NoText::new(format!("expected a character, found `\\u{first:04x}`, which is half of one"))),
        }
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Result<u16, NoText> {
        let digits = self.rest.get(..4).filter(|d| d.chars().all(|c| c.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        self.go_to(self.rest.get(4..).filter(|_| unit.is_some()).unwrap_or(self.rest));
        unit.ok_or_else(|| {
            let found: String = self.rest.chars().take(4).collect();
            NoText::new(format!("expected four hexadecimal digits after `\\u`, found {}", quoted(&found)))
        })
    }
}
