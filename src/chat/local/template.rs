//! From chat messages to the tokens of a prompt.
//!
//! # Why contents are not rendered
//! The model's template writes control tokens as text (`<|im_end|>`). If contents went through
//! it too, text read from an image could end a message and begin another. So the template
//! renders placeholders; contents are encoded on their own, as nothing but text.

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Value, context};

use super::gguf::Gguf;
use super::tokens::Tokens;
use crate::error::{Error, Result};
use crate::message::{Message, Role};

/// Used when a file brings no template that works.
const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + \
    '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/// Encloses the number of a message where its content belongs.
const OPEN: char = '\u{f0000}';
const CLOSE: char = '\u{f0001}';

/// The tokens of a prompt, in its two parts.
#[derive(Debug, Default)]
pub(super) struct Prompt {
    /// The constant part.
    pub(super) prefix: Vec<u32>,
    /// What follows, up to where the reply begins.
    pub(super) rest: Vec<u32>,
}

/// The chat template of a model.
pub(super) struct Template {
    jinja: Environment<'static>,
}

impl Template {
    /// Takes the template of the file, or ChatML when it has none that can be used.
    pub(super) fn read(file: &Gguf, tokens: &Tokens) -> Result<Self> {
        if let Some(own) = file.text("tokenizer.chat_template").and_then(|source| Self::parse(source).ok()) {
            let probe = [Message::system("a"), Message::user("b"), Message::assistant("c"), Message::user("d")];
            if own
                .render(&probe.iter().collect::<Vec<_>>(), true)
                .is_some_and(|text| pieces(&text, probe.len()).is_some())
            {
                return Ok(own);
            }
        }
        if tokens.has_control("<|im_start|>") && tokens.has_control("<|im_end|>") {
            return Self::parse(CHATML);
        }
        Err(Error::invalid("the model file is not usable: it has no chat template that can be rendered"))
    }

    fn parse(source: &str) -> Result<Self> {
        let unparsed = |e| Error::internal("a chat template cannot be parsed").with_source(e);
        let mut jinja = Environment::new();
        jinja.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(unparsed)?);
        jinja.add_template_owned("chat", source.to_owned()).map_err(unparsed)?;
        Ok(Self { jinja })
    }

    /// Encodes a chat up to where the assistant's reply begins.
    ///
    /// A template that treats the prefix differently when more messages follow yields no prefix.
    pub(super) fn prompt(&self, tokens: &Tokens, prefix: &[Message], messages: &[Message]) -> Result<Prompt> {
        let all: Vec<&Message> = prefix.iter().chain(messages).collect();
        let whole = self.pieces_of(&all, true)?;
        let head = if prefix.is_empty() { Some(String::new()) } else { self.render(&all[..prefix.len()], false) };
        let cut = head.filter(|head| whole.starts_with(head.as_str())).map_or(0, |head| head.len());
        let (head, tail) = whole.split_at(cut);
        Ok(Prompt { prefix: encode(tokens, head, &all), rest: encode(tokens, tail, &all) })
    }

    /// Encodes a prefix alone.
    pub(super) fn prefix(&self, tokens: &Tokens, prefix: &[Message]) -> Result<Vec<u32>> {
        let probe = [Message::user("")];
        Ok(self.prompt(tokens, prefix, &probe)?.prefix)
    }

    fn pieces_of(&self, all: &[&Message], reply: bool) -> Result<String> {
        let text = self.render(all, reply).filter(|text| pieces(text, all.len()).is_some());
        text.ok_or_else(|| Error::invalid("the model's chat template cannot render these messages"))
    }

    fn render(&self, messages: &[&Message], reply: bool) -> Option<String> {
        let list: Vec<Value> = messages
            .iter()
            .enumerate()
            .map(|(n, m)| context! { role => role(m.role), content => format!("{OPEN}{n}{CLOSE}") })
            .collect();
        let values = context! { messages => list, add_generation_prompt => reply, bos_token => "", eos_token => "" };
        self.jinja.get_template("chat").and_then(|t| t.render(values)).ok()
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

enum Piece<'a> {
    Template(&'a str),
    Content(usize),
}

/// Splits a rendered chat; gives up unless every content stands there once and in order.
fn pieces(text: &str, messages: usize) -> Option<Vec<Piece<'_>>> {
    let found = split(text);
    let mut numbers = found.iter().filter_map(|p| if let Piece::Content(n) = p { Some(*n) } else { None });
    let ordered = (0..messages).all(|n| numbers.next() == Some(n)) && numbers.next().is_none();
    ordered.then_some(found)
}

fn split(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let Some((number, after)) = after.split_once(CLOSE) else { break };
        found.push(Piece::Template(before));
        if let Ok(number) = number.parse() {
            found.push(Piece::Content(number));
        }
        rest = after;
    }
    found.push(Piece::Template(rest));
    found
}

fn encode(tokens: &Tokens, text: &str, messages: &[&Message]) -> Vec<u32> {
    let mut ids = Vec::new();
    for piece in split(text) {
        match piece {
            Piece::Template(text) => ids.extend(tokens.encode_template(text)),
            Piece::Content(n) => {
                ids.extend(messages.get(n).map(|m| tokens.encode(&m.content)).unwrap_or_default());
            }
        }
    }
    ids
}
