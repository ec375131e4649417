//! The arithmetic itself: a small recursive-descent evaluator with bounded depth.

use crate::error::{Error, ErrorKind, Result};

/// Longest expression, in bytes, and deepest nesting.
const MAX_LENGTH: usize = 1000;
const MAX_DEPTH: usize = 50;

/// What a name or a part of an expression stands for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand {
    Number(f64),
    List(Vec<f64>),
}

/// Computes an expression. `lookup` gives the values of names; `names` are the names there are.
///
/// The result is rounded to 12 significant digits, so that sums of money come out exact.
pub(crate) fn evaluate(
    expression: &str,
    lookup: &dyn Fn(&str) -> Result<Option<Operand>>,
    names: &[&str],
) -> Result<f64> {
    if expression.len() > MAX_LENGTH {
        return Err(failed(format!("the expression is longer than {MAX_LENGTH} characters")));
    }
    let mut parser = Parser { tokens: tokens(expression)?, at: 0, depth: 0, lookup, names };
    let value = parser.sum()?;
    if let Some(token) = parser.peek() {
        return Err(failed(format!("unexpected {token} in `{expression}`")));
    }
    finite(rounded(parser.single(value, "the result")?))
}

fn rounded(value: f64) -> f64 {
    format!("{value:.11e}").parse().unwrap_or(value)
}

fn finite(value: f64) -> Result<f64> {
    if value.is_finite() { Ok(value + 0.0) } else { Err(failed("the result is not a finite number")) }
}

fn failed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Tool, message)
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Number(f64),
    Name(String),
    Sign(char),
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(n) => write!(f, "`{n}`"),
            Self::Name(name) => write!(f, "`{name}`"),
            Self::Sign(sign) => write!(f, "`{sign}`"),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            c if c.is_whitespace() || "$€£".contains(c) => c.len_utf8(),
            '0'..='9' | '.' => {
                let (number, length) = number(rest)?;
                out.push(Token::Number(number));
                length
            }
            c if c.is_alphabetic() || c == '_' => {
                let length = run(rest, |c| c.is_alphanumeric() || c == '_');
                out.push(Token::Name(rest.get(..length).unwrap_or_default().to_owned()));
                length
            }
            _ => {
                let sign = sign(c, &mut out, text)?;
                out.push(Token::Sign(sign));
                c.len_utf8()
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(out)
}

/// The operator a character stands for. A second `*` makes a power.
fn sign(c: char, before: &mut Vec<Token>, text: &str) -> Result<char> {
    Ok(match c {
        '*' if before.last() == Some(&Token::Sign('*')) => {
            before.pop();
            '^'
        }
        '+' | '-' | '*' | '/' | '%' | '^' | '(' | ')' | ',' => c,
        '×' | '·' => '*',
        '÷' => '/',
        '−' | '–' => '-',
        other => return Err(failed(format!("`{other}` means nothing in `{text}`; use + - * / % ^ ( ) and names"))),
    })
}

fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.char_indices().find(|(_, c)| !belongs(*c)).map_or(text.len(), |(at, _)| at)
}

fn number(text: &str) -> Result<(f64, usize)> {
    let mut length = run(text, |c| c.is_ascii_digit() || c == '.');
    if let Some(exponent) = text.get(length..).and_then(|rest| rest.strip_prefix(['e', 'E'])) {
        let signed = usize::from(exponent.starts_with(['+', '-']));
        let digits = run(exponent.get(signed..).unwrap_or_default(), |c| c.is_ascii_digit());
        if digits > 0 {
            length += 1 + signed + digits;
        }
    }
    let digits = text.get(..length).unwrap_or_default();
    let number = digits.parse().map_err(|_| failed(format!("`{digits}` is not a number")))?;
    Ok((number, length))
}

struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    lookup: &'a dyn Fn(&str) -> Result<Option<Operand>>,
    names: &'a [&'a str],
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self, signs: &[char]) -> Option<char> {
        match self.peek() {
            Some(Token::Sign(sign)) if signs.contains(sign) => {
                let sign = *sign;
                self.at += 1;
                Some(sign)
            }
            _ => None,
        }
    }

    fn sum(&mut self) -> Result<Operand> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(failed("the expression is nested too deeply"));
        }
        let mut left = self.product()?;
        while let Some(sign) = self.take(&['+', '-']) {
            let right = self.product()?;
            let (a, b) = self.both(left, right)?;
            left = Operand::Number(if sign == '+' { a + b } else { a - b });
        }
        self.depth -= 1;
        Ok(left)
    }

    fn product(&mut self) -> Result<Operand> {
        let mut left = self.signed()?;
        while let Some(sign) = self.take(&['*', '/', '%']) {
            if sign == '%' && self.ends_here() {
                left = Operand::Number(self.single(left, "the percentage")? / 100.0);
                continue;
            }
            let right = self.signed()?;
            let (a, b) = self.both(left, right)?;
            if sign != '*' && b == 0.0 {
                return Err(failed(format!("division by zero: {a} {sign} 0")));
            }
            left = Operand::Number(match sign {
                '*' => a * b,
                '/' => a / b,
                _ => a % b,
            });
        }
        Ok(left)
    }

    /// Whether no operand follows, so that a `%` means percent.
    fn ends_here(&self) -> bool {
        matches!(self.peek(), None | Some(Token::Sign('+' | '-' | '*' | '/' | ')' | ',')))
    }

    fn signed(&mut self) -> Result<Operand> {
        let mut negative = false;
        while let Some(sign) = self.take(&['+', '-']) {
            negative ^= sign == '-';
        }
        let value = self.power()?;
        if !negative {
            return Ok(value);
        }
        Ok(Operand::Number(-self.single(value, "what follows `-`")?))
    }

    fn power(&mut self) -> Result<Operand> {
        let base = self.atom()?;
        if self.take(&['^']).is_none() {
            return Ok(base);
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(failed("the expression is nested too deeply"));
        }
        let exponent = self.signed()?;
        self.depth -= 1;
        let (a, b) = self.both(base, exponent)?;
        Ok(Operand::Number(a.powf(b)))
    }

    fn atom(&mut self) -> Result<Operand> {
        if self.take(&['(']).is_some() {
            let value = self.sum()?;
            return match self.take(&[')']) {
                Some(_) => Ok(value),
                None => Err(failed("a `(` is not closed")),
            };
        }
        match self.peek().cloned() {
            Some(Token::Number(number)) => {
                self.at += 1;
                Ok(Operand::Number(number))
            }
            Some(Token::Name(name)) => {
                self.at += 1;
                if self.take(&['(']).is_some() { self.function(&name) } else { self.value(&name) }
            }
            Some(token) => Err(failed(format!("a number or a name should stand before {token}"))),
            None => Err(failed("the expression ends where a number or a name should stand")),
        }
    }

    fn value(&self, name: &str) -> Result<Operand> {
        (self.lookup)(name)?.ok_or_else(|| {
            let known = if self.names.is_empty() {
                "no values are given".to_owned()
            } else {
                format!("the values are {}", self.names.join(", "))
            };
            failed(format!("`{name}` has no value; {known}"))
        })
    }

    fn function(&mut self, name: &str) -> Result<Operand> {
        let mut args = Vec::new();
        if self.take(&[')']).is_none() {
            loop {
                args.push(self.sum()?);
                if self.take(&[',']).is_none() {
                    break;
                }
            }
            if self.take(&[')']).is_none() {
                return Err(failed(format!("the `(` after `{name}` is not closed")));
            }
        }
        apply(name, args).map(Operand::Number)
    }

    fn both(&self, a: Operand, b: Operand) -> Result<(f64, f64)> {
        Ok((self.single(a, "the left side")?, self.single(b, "the right side")?))
    }

    /// One number; a list of one number is one.
    fn single(&self, value: Operand, place: &str) -> Result<f64> {
        match value {
            Operand::Number(number) => Ok(number),
            Operand::List(numbers) => match numbers.as_slice() {
                [one] => Ok(*one),
                [] => Err(failed(format!("{place} is an empty list: nothing was found to calculate with"))),
                many => Err(failed(format!("{place} is a list of {}; use sum, mean, min or max on it", many.len()))),
            },
        }
    }
}

fn apply(name: &str, args: Vec<Operand>) -> Result<f64> {
    let mut numbers = Vec::new();
    for arg in args {
        match arg {
            Operand::Number(number) => numbers.push(number),
            Operand::List(list) => numbers.extend(list),
        }
    }
    let lower = name.to_lowercase();
    let value = match (lower.as_str(), numbers.as_slice()) {
        ("sum" | "total", all) => all.iter().sum(),
        (_, []) => return Err(failed(format!("`{name}` needs a number"))),
        ("mean" | "average" | "avg", all) => all.iter().sum::<f64>() / all.len() as f64,
        ("min", all) => all.iter().copied().fold(f64::INFINITY, f64::min),
        ("max", all) => all.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        ("abs", [x]) => x.abs(),
        ("floor", [x]) => x.floor(),
        ("ceil", [x]) => x.ceil(),
        ("sqrt", [x]) if *x >= 0.0 => x.sqrt(),
        ("sqrt", [_]) => return Err(failed("there is no square root of a negative number")),
        ("round", [x]) => rounded(*x).round(),
        ("round", [x, digits]) => {
            let factor = 10f64.powf(digits.clamp(-12.0, 12.0).trunc());
            (rounded(x * factor)).round() / factor
        }
        ("abs" | "floor" | "ceil" | "round", _) => {
            return Err(failed(format!("`{name}` was given {} numbers", numbers.len())));
        }
        _ => {
            return Err(failed(format!(
                "there is no function `{name}`; there are sum, mean, min, max, abs, round, floor, ceil, sqrt"
            )));
        }
    };
    Ok(value)
}
